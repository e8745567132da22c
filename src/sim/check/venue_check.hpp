#pragma once
// One venue's half of a check: its truth, indexed, and what the journal has of it. Cold; one owner
// thread.
#include "sim/check/fault_log.hpp"
#include "sim/check/recovery.hpp"

#include <perp/market/record.hpp>
#include <perp/sim/check.hpp>
#include <perp/sim/truth_log.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace perp::sim {

class VenueCheck {
 public:
  /// @param faults outlives it
  VenueCheck(TruthFile truth, const FaultLog& faults, const CheckOptions& options);

  /// A record of the venue, in journal order. @param native of its instrument, empty if none
  void take(const market::RecordHeader& record, std::string_view native);
  /// Adds a row per kind, and examples.
  void conclude(CheckReport& report);
  const Recovery& recovery() const { return recovery_; }

 private:
  struct Key {
    std::int64_t id = 0;
    std::int64_t id_high = 0;
    std::uint32_t row = 0;
    friend bool operator<(const Key& a, const Key& b) {
      return a.id != b.id ? a.id < b.id : a.id_high < b.id_high;
    }
  };
  struct Hole {
    std::uint32_t instrument = 0;
    market::RecordType stream = market::RecordType::padding;
    std::int64_t from_ns = 0;
    std::int64_t to_ns = 0;
  };
  /// What the journal has of a row.
  struct Found {
    std::uint8_t by_stream = 0;
    std::uint8_t by_request = 0;
    bool is_altered = false;
  };
  /// Fills of a trade that a stream would have told as their sum.
  struct Fills {
    std::set<std::int64_t> ids;
    double quantity = 0;
  };
  using Index = std::vector<Key>;

  static constexpr std::uint32_t no_market = ~std::uint32_t{0};

  CheckCounts& counts(CheckedKind kind) { return counts_[static_cast<std::size_t>(kind)]; }
  const Index& index(CheckedKind kind, std::uint32_t market) const {
    return indices_[static_cast<std::size_t>(kind)][market];
  }
  std::uint32_t market_of(std::uint32_t instrument, std::string_view native);
  bool is_removed(CheckedKind kind, std::uint32_t market, std::int64_t id) const;
  bool is_behind(std::uint32_t row, std::uint32_t market) const;
  void take_trade(const market::RecordHeader& record, std::uint32_t market);
  void take_fill(const market::RecordHeader& record, std::uint32_t market);
  void take_kline(const market::RecordHeader& record, std::uint32_t market);
  void take_liquidation(const market::RecordHeader& record, std::uint32_t market);
  void take_book(const market::RecordHeader& record, std::uint32_t market);
  bool has_values(const TruthRow& row, double price, double quantity) const;
  std::int64_t first_under_way_ms() const;
  bool is_told(const TruthRow& row, CheckedKind kind) const;
  void note(std::uint32_t row, bool is_backfill);
  void example(CheckReport& report, std::string_view what, const TruthRow& row) const;
  void example(std::string_view what, std::uint32_t market, std::int64_t id);

  TruthFile truth_;
  const FaultLog& faults_;
  std::int64_t slack_ns_;
  Recovery recovery_;
  std::array<std::vector<Index>, checked_kind_count> indices_;  // by kind, market
  std::vector<Found> found_;                                    // by row
  std::map<std::uint32_t, Fills> fills_;                        // OKX: by row
  std::vector<std::int64_t> last_row_;  // by market: the newest trade stored by a stream
  std::array<CheckCounts, checked_kind_count> counts_{};
  std::unordered_map<std::string, std::uint32_t> by_native_;
  std::unordered_map<std::uint32_t, std::uint32_t> by_instrument_;
  std::vector<std::uint32_t> instruments_;  // by market
  std::vector<Hole> holes_;
  std::vector<std::string> examples_;
  std::int64_t first_ns_ = core::unknown_ns;  // of the venue's records
  std::int64_t last_ns_ = core::unknown_ns;
};

}  // namespace perp::sim
