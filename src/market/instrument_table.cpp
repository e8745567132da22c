#include <perp/core/error.hpp>
#include <perp/market/instrument_table.hpp>

#include <charconv>
#include <cstring>

namespace perp::market {
namespace {

bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

bool is_primary_candidate(VenueId venue, const Instrument& instrument) {
  const Venue* row = find_venue(venue);
  return instrument.contract_type == ContractType::linear_perpetual &&
         instrument.status == InstrumentStatus::live && row != nullptr &&
         instrument.quote.view() == row->quote && instrument.settle.view() == row->quote;
}

/// The shortest text of a double is the decimal that its venue wrote, so this gives the exact
/// factor back.
Scale scale_of(double value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  Scale scale;
  if (!parse_scale({text, static_cast<std::size_t>(written.ptr - text)}, scale))
    throw core::Error("restore instrument", "journal",
                      "a contract size or multiplier is not a positive decimal");
  return scale;
}

/// Names are short: two overlapping words say nearly all of them.
std::uint64_t hash_of(std::string_view text) {
  const auto word = [&](std::size_t at, auto bytes) {
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    return std::uint64_t{bytes};
  };
  const auto mix = [](std::uint64_t hash, std::uint64_t bytes) {
    hash = (hash ^ bytes) * 0x9e37'79b9'7f4a'7c15ULL;
    return hash ^ hash >> 32;
  };
  const std::size_t size = text.size();
  std::uint64_t hash = size;
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) hash = mix(hash, word(at, std::uint64_t{}));
    return mix(hash, word(size - 8, std::uint64_t{}));
  }
  if (size >= 4) return mix(hash, word(0, std::uint32_t{}) | word(size - 4, std::uint32_t{}) << 32);
  for (const char c : text) hash = mix(hash, static_cast<unsigned char>(c));
  return hash;
}

bool is_named(const InstrumentEntry& entry, std::string_view native) {
  const auto& name = entry.instrument.native.data;
  return native.size() <= sizeof name && std::memcmp(name, native.data(), native.size()) == 0 &&
         (native.size() == sizeof name || name[native.size()] == '\0');
}

}  // namespace

InstrumentTable::Slot* InstrumentTable::find_slot(std::string_view native,
                                                  std::uint64_t hash) noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].entry != nullptr; at = (at + 1) & mask)
    if (slots_[at].hash == hash && is_named(*slots_[at].entry, native)) return &slots_[at];
  return nullptr;
}

InstrumentEntry* InstrumentTable::find(std::string_view native) noexcept {
  const Slot* const slot = find_slot(native, hash_of(native));
  return slot == nullptr ? nullptr : slot->entry;
}

void InstrumentTable::insert(std::string_view native, InstrumentEntry& entry) {
  const std::uint64_t hash = hash_of(native);
  if (Slot* const known = find_slot(native, hash); known != nullptr) {
    known->entry = &entry;
    return;
  }
  const auto put = [this](const Slot& slot) {
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].entry != nullptr) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  };
  if (2 * (used_ + 1) > slots_.size()) {
    const std::vector<Slot> old = std::move(slots_);
    slots_ = std::vector<Slot>(old.size() * 2);
    for (const Slot& slot : old)
      if (slot.entry != nullptr) put(slot);
  }
  put({hash, &entry});
  ++used_;
}

const InstrumentEntry* InstrumentTable::find(std::string_view native) const noexcept {
  return const_cast<InstrumentTable*>(this)->find(native);
}

InstrumentEntry& InstrumentTable::define(const Instrument& facts, Scale contract_size,
                                         bool has_contract_size, Scale multiplier, bool& changed) {
  const std::string_view native = facts.native.view();
  InstrumentEntry* entry = find(native);
  const bool is_new = entry == nullptr;
  if (is_new) {
    entry = &entries_.emplace_back();
    entry->id =
        static_cast<std::uint32_t>(venue_) << 24 | static_cast<std::uint32_t>(entries_.size() - 1);
  }
  Instrument next = facts;
  next.contract_size = has_contract_size ? to_double(contract_size) : missing;
  next.multiplier = to_double(multiplier);
  next.is_primary = 0;
  if (is_primary_candidate(venue_, next)) {
    next.is_primary = 1;
    for (const InstrumentEntry& other : entries_)
      if (&other != entry && other.instrument.is_primary != 0 &&
          other.instrument.base.view() == next.base.view())
        next.is_primary = 0;
  }
  // By their bytes, so that a NaN is like itself.
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
  changed = is_new || std::memcmp(&next, &entry->instrument, sizeof next) != 0;
  entry->instrument = next;
  if (is_new) insert(native, *entry);
  entry->price_divisor = multiplier;
  entry->has_quantity_factor =
      has_contract_size && multiply(contract_size, multiplier, entry->quantity_factor);
  return *entry;
}

const InstrumentEntry* InstrumentTable::delist(std::string_view native) noexcept {
  InstrumentEntry* const entry = find(native);
  if (entry == nullptr || entry->instrument.status != InstrumentStatus::live) return nullptr;
  entry->instrument.status = InstrumentStatus::delisted;
  entry->instrument.is_primary = 0;
  return entry;
}

InstrumentEntry& InstrumentTable::restore(std::uint32_t id, const Instrument& instrument) {
  const std::size_t index = id & 0x00ff'ffff;
  if (id >> 24 != static_cast<std::uint32_t>(venue_) || index > entries_.size())
    throw core::Error("restore instrument", std::string(instrument.native.view()),
                      "its id does not follow the ones before");
  if (index == entries_.size()) entries_.emplace_back();
  InstrumentEntry& entry = entries_[index];
  entry.id = id;
  entry.instrument = instrument;
  entry.price_divisor = scale_of(instrument.multiplier);
  entry.has_quantity_factor =
      instrument.contract_size == instrument.contract_size &&
      multiply(scale_of(instrument.contract_size), entry.price_divisor, entry.quantity_factor);
  insert(instrument.native.view(), entry);
  return entry;
}

std::string canonical_id(VenueId venue, const Instrument& instrument) {
  const Venue* row = find_venue(venue);
  std::string id(row == nullptr ? std::string_view("unknown") : row->key);
  id += ':';
  id += instrument.base.view();
  id += '-';
  id += instrument.quote.view();
  switch (instrument.contract_type) {
    case ContractType::linear_perpetual:
      id += "-PERP";
      if (!instrument.settle.view().empty() &&
          instrument.settle.view() != instrument.quote.view()) {
        id += ':';
        id += instrument.settle.view();
      }
      break;
    case ContractType::inverse_perpetual:
      id += "-PERP:";
      id += instrument.settle.view();
      break;
    case ContractType::spot: id += "-SPOT"; break;
    case ContractType::dated_future:
    case ContractType::other:
    case ContractType::unknown:
      id += ':';
      id += instrument.native.view();
      break;
  }
  return id;
}

AssetName split_multiplier(std::string_view asset, bool k_prefix) noexcept {
  if (k_prefix && asset.size() >= 3 && asset[0] == 'k' && asset[1] >= 'A' && asset[1] <= 'Z')
    return {asset.substr(1), {1, 3}};
  // Leading 1 and at least three zeros, or "1M", in front of a name of at least two letters.
  std::size_t digits = 0;
  while (digits < asset.size() && asset[digits] >= '0' && asset[digits] <= '9') ++digits;
  const auto has_name_at = [&](std::size_t at) {
    return at + 2 <= asset.size() && is_letter(asset[at]) &&
           (is_letter(asset[at + 1]) || (asset[at + 1] >= '0' && asset[at + 1] <= '9'));
  };
  if (digits >= 4 && digits <= 8 && asset[0] == '1' &&
      asset.substr(1, digits - 1).find_first_not_of('0') == std::string_view::npos &&
      has_name_at(digits))
    return {asset.substr(digits), {1, static_cast<int>(digits - 1)}};
  if (asset.size() >= 5 && asset.substr(0, 2) == "1M" && is_letter(asset[2]) &&
      is_letter(asset[3]) && is_letter(asset[4]))
    return {asset.substr(2), {1, 6}};
  // The suffix form: SHIB1000.
  std::size_t zeros = 0;
  while (zeros < asset.size() && asset[asset.size() - 1 - zeros] == '0') ++zeros;
  if (zeros >= 3 && zeros <= 7 && asset.size() >= zeros + 3 &&
      asset[asset.size() - 1 - zeros] == '1' && is_letter(asset[asset.size() - 2 - zeros]))
    return {asset.substr(0, asset.size() - 1 - zeros), {1, static_cast<int>(zeros)}};
  return {asset, {}};
}

}  // namespace perp::market
