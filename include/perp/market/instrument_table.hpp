#pragma once
// Interned instruments of one venue: native symbol -> id and what is needed to scale its numbers.
// Owned by one feed thread's VenueState; the engine keeps its own copy built from instrument
// records.
#include <perp/market/decimal.hpp>
#include <perp/market/record.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace perp::market {

/// One interned instrument: the record payload and the exact scales behind its doubles.
struct InstrumentEntry {
  std::uint32_t id = 0;
  Instrument instrument;
  Scale price_divisor;    ///< coins per named unit: native price / this = price per coin
  Scale quantity_factor;  ///< native size x this = coins (contract size x multiplier)
  bool has_quantity_factor =
      false;  ///< false while the contract size is unknown: quantities are NaN
};

class InstrumentTable {
 public:
  explicit InstrumentTable(VenueId venue) : venue_(venue) {}

  /// By native symbol, nullptr if never defined. No allocation. O(1).
  InstrumentEntry* find(std::string_view native) noexcept;
  const InstrumentEntry* find(std::string_view native) const noexcept;

  /// Adds or updates. A new symbol gets the next id; a known one keeps its id and takes the new
  /// facts. Decides is_primary: the first live linear perpetual of its base in the venue's quote.
  /// @returns the entry; `changed` tells whether an instrument record must be emitted.
  InstrumentEntry& define(const Instrument& instrument, Scale contract_size, bool has_contract_size,
                          Scale multiplier, bool& changed);

  /// No list names it any more: it is delisted and not primary; its entry and id stay, and a list
  /// that names it again revives it by define(). @returns nullptr if it is not known or not live
  const InstrumentEntry* delist(std::string_view native) noexcept;

  /// Takes an instrument that a journal already knows under `id`, so that a restart keeps its ids.
  /// Ids must arrive without holes below the greatest one before the first define().
  InstrumentEntry& restore(std::uint32_t id, const Instrument& instrument);

  std::size_t size() const { return entries_.size(); }
  const std::deque<InstrumentEntry>& entries() const { return entries_; }
  VenueId venue() const { return venue_; }

 private:
  /// Open addressing, at most half full; nothing is ever removed.
  struct Slot {
    std::uint64_t hash = 0;
    InstrumentEntry* entry = nullptr;
  };
  Slot* find_slot(std::string_view native, std::uint64_t hash) noexcept;
  void insert(std::string_view native, InstrumentEntry& entry);

  VenueId venue_;
  std::deque<InstrumentEntry> entries_;  // addresses stay valid
  std::vector<Slot> slots_ = std::vector<Slot>(256);
  std::size_t used_ = 0;
};

/// "binance:PEPE-USDT-PERP"; dated futures and spot end in "-<native>" and "-SPOT".
std::string canonical_id(VenueId venue, const Instrument& instrument);

/// Splits a multiplier off an asset name: "1000PEPE" -> PEPE x 1000, "1MBABYDOGE" -> BABYDOGE x
/// 1e6, "SHIB1000" -> SHIB x 1000, "1INCH" -> itself x 1. `k_prefix`: also "kPEPE" -> PEPE x 1000
/// (Hyperliquid).
struct AssetName {
  std::string_view coin;
  Scale multiplier;
};
AssetName split_multiplier(std::string_view asset, bool k_prefix) noexcept;

}  // namespace perp::market
