#include "venue/common.hpp"

#include <limits>

namespace perp::venue {

using market::InstrumentEntry;
using market::RecordHeader;

const Endpoint* find_endpoint(std::span<const Endpoint> endpoints, std::string_view name) noexcept {
  if (name.empty()) return nullptr;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.name == name) return &endpoint;
    for (std::string_view rest = endpoint.aliases; !rest.empty();) {
      const std::size_t size = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, size) == name) return &endpoint;
      rest.remove_prefix(std::min(size + 1, rest.size()));
    }
  }
  return nullptr;
}

bool TradeWindow::admits(std::int64_t id, std::int64_t exchange_ns) {
  ++rows;
  if (exchange_ns != core::unknown_ns) {
    oldest_ns = oldest_ns == core::unknown_ns ? exchange_ns : std::min(oldest_ns, exchange_ns);
    newest_ns = std::max(newest_ns, exchange_ns);
  }
  const bool is_inside = (after_id == market::unknown_id || id > after_id) &&
                         (before_id == market::unknown_id || id < before_id) &&
                         (from_ns == core::unknown_ns || exchange_ns >= from_ns) &&
                         (until_ns == core::unknown_ns || exchange_ns <= until_ns);
  if (is_inside) ids.push_back(id);
  return is_inside;
}

bool parse_period(std::string_view text, std::int64_t& period_ns) noexcept {
  if (text.ends_with("utc")) text.remove_suffix(3);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::int64_t count = 0;
  if (digits == 0 || digits > 5 || !market::parse_integer(text.substr(0, digits), count) ||
      count == 0)
    return false;
  const std::string_view unit = text.substr(digits);
  std::int64_t unit_ns = 0;
  if (unit == "s") unit_ns = core::ns_per_second;
  if (unit == "m" || unit == "min") unit_ns = core::ns_per_minute;
  if (unit == "h" || unit == "H") unit_ns = core::ns_per_hour;
  if (unit == "d" || unit == "D") unit_ns = core::ns_per_day;
  if (unit == "w" || unit == "W") unit_ns = 7 * core::ns_per_day;
  if (unit_ns == 0 || count > std::numeric_limits<std::int64_t>::max() / unit_ns) return false;
  period_ns = count * unit_ns;
  return true;
}

void sort_by_time(RecordSink& sink, std::size_t from_bytes) {
  const std::span<std::byte> bytes = sink.bytes().subspan(from_bytes);
  if (bytes.empty()) return;
  const std::size_t size = reinterpret_cast<const RecordHeader*>(bytes.data())->size;
  PERP_ASSERT(bytes.size() % size == 0);
  const std::size_t count = bytes.size() / size;
  const auto at = [&](std::size_t index) { return bytes.data() + index * size; };
  const auto time = [&](std::size_t index) {
    return reinterpret_cast<const RecordHeader*>(at(index))->exchange_ns;
  };
  const auto exchange = [&](std::size_t a, std::size_t b) {
    std::swap_ranges(at(a), at(a) + size, at(b));
  };
  if (time(0) > time(count - 1))
    for (std::size_t i = 0; i < count / 2; ++i) exchange(i, count - 1 - i);
  // What remains is ordered but for a few neighbours; insertion keeps equal times as they came.
  bool is_sorted = true;
  for (std::size_t i = 1; i < count; ++i) is_sorted &= time(i - 1) <= time(i);
  if (is_sorted) return;
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return time(a) < time(b); });
  std::vector<std::byte> sorted(bytes.size());
  for (std::size_t i = 0; i < count; ++i) std::memcpy(sorted.data() + i * size, at(order[i]), size);
  std::memcpy(bytes.data(), sorted.data(), sorted.size());
}

namespace {

// The entry as InstrumentTable::define() will make it, but for its id and whether it is primary.
void complete(InstrumentEntry& entry, const InstrumentFacts& facts) {
  entry.instrument = facts.instrument;
  entry.instrument.is_primary = 0;
  entry.instrument.multiplier = market::to_double(facts.multiplier);
  entry.instrument.contract_size =
      facts.has_contract_size ? market::to_double(facts.contract_size) : market::missing;
  entry.price_divisor = facts.multiplier;
  entry.has_quantity_factor =
      facts.has_contract_size &&
      market::multiply(facts.contract_size, facts.multiplier, entry.quantity_factor);
}

}  // namespace

bool Transaction::is_candidate(const InstrumentEntry& entry) const {
  const market::Venue* venue = market::find_venue(state_.instruments.venue());
  return entry.instrument.contract_type == market::ContractType::linear_perpetual &&
         entry.instrument.status == market::InstrumentStatus::live && venue != nullptr &&
         entry.instrument.quote.view() == venue->quote &&
         entry.instrument.settle.view() == venue->quote;
}

bool Transaction::is_other(const InstrumentEntry& entry) const {
  // A staged instrument learns whether it is primary in finish(): judge it by what it is.
  return own_.staged.empty() || !is_candidate(entry);
}

const InstrumentEntry* Transaction::find_or_stage(std::string_view native) {
  if (const StagedInstrument* staged = find_staged(native); staged != nullptr)
    return &staged->entry;
  if (const InstrumentEntry* entry = state_.instruments.find(native); entry != nullptr)
    return entry;
  if (!own_.fault.ok() || is_full_) return nullptr;
  InstrumentFacts facts;
  if (!describe_(native, facts)) {
    own_.fault.raise(native.empty() ? DecodeStatus::missing_field : DecodeStatus::out_of_range,
                     "symbol");
    return nullptr;
  }
  facts.instrument.is_provisional = 1;
  return stage(facts);
}

const InstrumentEntry* Transaction::define(const InstrumentFacts& facts) {
  if (!own_.fault.ok() || is_full_) return nullptr;
  if (is_staged(facts.instrument.native.view())) {
    own_.fault.raise(DecodeStatus::unknown_value, "symbol");  // one list, two answers
    return nullptr;
  }
  return stage(facts);
}

const InstrumentEntry* Transaction::redefine(const InstrumentFacts& facts) {
  if (!own_.fault.ok() || is_full_) return nullptr;
  StagedInstrument* staged = find_staged(facts.instrument.native.view());
  if (staged == nullptr) return stage(facts);
  staged->facts = facts;
  complete(staged->entry, facts);
  auto& record = *reinterpret_cast<RecordHeader*>(sink_.bytes().data() + staged->offset_bytes);
  market::payload<market::Instrument>(record) = staged->entry.instrument;
  return &staged->entry;
}

StagedInstrument* Transaction::find_staged(std::string_view native) const {
  if (native.empty()) return nullptr;
  const std::size_t count = own_.staged.size();
  const auto is_it = [native](const StagedInstrument& staged) {
    const auto& text = staged.entry.instrument.native.data;
    return native.size() <= sizeof text && std::memcmp(text, native.data(), native.size()) == 0 &&
           (native.size() == sizeof text || text[native.size()] == '\0');
  };
  // Lists are asked for in their own order: look behind the last find first.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (own_.staged_hint + i) % count;
    if (!is_it(own_.staged[at])) continue;
    own_.staged_hint = at + 1;
    return &own_.staged[at];
  }
  return nullptr;
}

bool Transaction::is_staged(std::string_view native) const {
  return find_staged(native) != nullptr;
}

const InstrumentEntry* Transaction::stage(const InstrumentFacts& facts) {
  StagedInstrument staged;
  staged.facts = facts;
  staged.offset_bytes = sink_.bytes().size();
  InstrumentEntry& entry = staged.entry;
  complete(entry, facts);
  const InstrumentEntry* known = state_.instruments.find(facts.instrument.native.view());
  // Lists are polled and mostly say what is known. Only one that is not primary may have become so
  // since.
  if (known != nullptr && known->instrument.is_primary == (is_candidate(entry) ? 1 : 0)) {
    entry.instrument.is_primary = known->instrument.is_primary;
    // By their bytes, so that a NaN is like itself.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    if (std::memcmp(&entry.instrument, &known->instrument, sizeof entry.instrument) == 0)
      return known;
    entry.instrument.is_primary = 0;
  }
  entry.id = known != nullptr
                 ? known->id
                 : static_cast<std::uint32_t>(state_.instruments.venue()) << 24 |
                       static_cast<std::uint32_t>(state_.instruments.size() + new_count_);
  auto* record = emit<market::Instrument>(market::RecordType::instrument, entry, core::unknown_ns);
  if (record == nullptr) return nullptr;
  *record = entry.instrument;
  new_count_ += known == nullptr ? 1U : 0U;
  own_.staged.push_back(staged);
  return &own_.staged.back().entry;
}

void Transaction::intern_staged() {
  constexpr std::size_t record_bytes = sizeof(RecordHeader) + sizeof(market::Instrument);
  std::size_t removed = 0;
  std::size_t write = 0;
  for (const StagedInstrument& staged : own_.staged) {
    bool changed = false;
    const InstrumentEntry& entry =
        state_.instruments.define(staged.facts.instrument, staged.facts.contract_size,
                                  staged.facts.has_contract_size, staged.facts.multiplier, changed);
    PERP_ASSERT(entry.id == staged.entry.id);
    state_.provisional_instruments += staged.facts.instrument.is_provisional;
    std::byte* const begin = sink_.bytes().data();
    if (changed) {
      auto& record = *reinterpret_cast<RecordHeader*>(begin + staged.offset_bytes);
      market::payload<market::Instrument>(record) = entry.instrument;
      continue;
    }
    // A list said what was known: mark its record, close the holes below.
    reinterpret_cast<RecordHeader*>(begin + staged.offset_bytes)->type =
        market::RecordType::padding;
    if (removed == 0) write = staged.offset_bytes;
    ++removed;
  }
  own_.staged.clear();
  if (removed == 0) return;
  std::byte* const begin = sink_.bytes().data();
  const std::size_t end = sink_.bytes().size();
  for (std::size_t read = write; read < end;) {
    const auto& header = *reinterpret_cast<const RecordHeader*>(begin + read);
    const std::size_t size = header.size;
    if (header.type != market::RecordType::padding) {
      std::memmove(begin + write, begin + read, size);
      write += size;
    }
    read += size;
  }
  PERP_ASSERT(write + removed * record_bytes == end);
  sink_.rollback(write, sink_.record_count() - removed);
}

DecodeStatus Transaction::refuse() {
  const DecodeStatus status = own_.fault.ok() ? DecodeStatus::sink_full : own_.fault.status;
  sink_.rollback(begin_bytes_, begin_records_);
  own_.staged.clear();
  if (status == DecodeStatus::sink_full) return status;
  ++state_.messages[state_.message_kind];
  state_.decode_errors += status != DecodeStatus::venue_error ? 1U : 0U;
  state_.fault_field = own_.fault.field;
  return status;
}

void Transaction::add_counts() {
  state_.duplicates += duplicates_;
  state_.gaps += gaps_;
  state_.other_instruments += other_instruments_;
  state_.checksums_verified += checksums_verified_;
  state_.checksum_mismatches += checksum_mismatches_;
}

}  // namespace perp::venue
