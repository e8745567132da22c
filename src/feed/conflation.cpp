#include <perp/core/platform.hpp>
#include <perp/feed/conflation.hpp>

#include <cstring>

namespace perp::feed {
namespace {

using market::RecordType;

constexpr std::size_t index_of(std::uint32_t instrument) { return instrument & 0x00ff'ffff; }

// A field that the newer one does not say.

void keep_unsaid(market::MarkPrice& newer, const market::MarkPrice& older) {
  for (double market::MarkPrice::*field :
       {&market::MarkPrice::mark_price, &market::MarkPrice::index_price,
        &market::MarkPrice::mark_average, &market::MarkPrice::settle_estimate,
        &market::MarkPrice::premium, &market::MarkPrice::impact_bid,
        &market::MarkPrice::impact_ask})
    if (newer.*field != newer.*field) newer.*field = older.*field;
}

void keep_unsaid(market::Ticker& newer, const market::Ticker& older) {
  for (double market::Ticker::*field :
       {&market::Ticker::last_price, &market::Ticker::last_quantity, &market::Ticker::open_24h,
        &market::Ticker::high_24h, &market::Ticker::low_24h, &market::Ticker::volume_base_24h,
        &market::Ticker::volume_quote_24h, &market::Ticker::vwap_24h, &market::Ticker::change_24h,
        &market::Ticker::change_fraction_24h, &market::Ticker::mid_price,
        &market::Ticker::previous_1h})
    if (newer.*field != newer.*field) newer.*field = older.*field;
  if (newer.trade_count_24h == market::unknown_id) newer.trade_count_24h = older.trade_count_24h;
  if (newer.open_ns == core::unknown_ns) newer.open_ns = older.open_ns;
  if (newer.close_ns == core::unknown_ns) newer.close_ns = older.close_ns;
}

template <class Payload>
void keep_unsaid_of(market::RecordHeader& newer, const market::RecordHeader& older) {
  keep_unsaid(*reinterpret_cast<Payload*>(reinterpret_cast<std::byte*>(&newer) + sizeof newer),
              market::payload<Payload>(older));
}

}  // namespace

std::size_t Conflation::kind_of(RecordType type) noexcept {
  switch (type) {
    case RecordType::bbo: return 0;
    case RecordType::ticker: return 1;
    case RecordType::mark_price: return 2;
    case RecordType::tick: return 3;
    default: return kind_count;
  }
}

bool Conflation::takes(const market::RecordHeader& record) noexcept {
  constexpr std::uint8_t of_another_time = market::flag_backfill | market::flag_revision;
  const market::RecordKind* const kind = market::find_record_kind(record.type);
  return kind != nullptr && kind->is_conflatable && (record.flags & of_another_time) == 0;
}

void Conflation::put(const market::RecordHeader& record) {
  const std::size_t kind = kind_of(record.type);
  PERP_ASSERT(kind < kind_count && record.size <= sizeof(Slot::bytes));
  const std::size_t index = index_of(record.instrument);
  if (index >= by_instrument_.size()) {
    by_instrument_.resize(index + 1, {none, none, none, none});
  }
  std::uint32_t& at = by_instrument_[index][kind];
  if (at == none) {
    at = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  Slot& slot = slots_[at];
  if (!slot.is_waiting) {
    std::memcpy(slot.bytes.data(), &record, record.size);
  } else {
    const Slot before = slot;
    const auto& older = *reinterpret_cast<const market::RecordHeader*>(before.bytes.data());
    std::memcpy(slot.bytes.data(), &record, record.size);
    market::RecordHeader& newer = record_of(slot);
    newer.flags |= older.flags & market::flag_gap_before;
    if (record.type == RecordType::ticker) keep_unsaid_of<market::Ticker>(newer, older);
    if (record.type == RecordType::mark_price) keep_unsaid_of<market::MarkPrice>(newer, older);
    ++replaced_[static_cast<std::size_t>(record.type)];
    ++replaced_all_;
    unlink(at);
  }
  append(at);
}

const market::RecordHeader* Conflation::front() const noexcept {
  return first_ == none
             ? nullptr
             : reinterpret_cast<const market::RecordHeader*>(slots_[first_].bytes.data());
}

void Conflation::pop_front() noexcept { unlink(first_); }

void Conflation::unlink(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  (slot.previous == none ? first_ : slots_[slot.previous].next) = slot.next;
  (slot.next == none ? last_ : slots_[slot.next].previous) = slot.previous;
  slot.previous = slot.next = none;
  slot.is_waiting = false;
}

void Conflation::append(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  slot.previous = last_;
  (last_ == none ? first_ : slots_[last_].next) = index;
  last_ = index;
  slot.is_waiting = true;
}

}  // namespace perp::feed
