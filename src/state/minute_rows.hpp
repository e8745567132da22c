#pragma once
// From a minute's inputs to its rows, and from rows to the values of a minute record. Pure
// functions.
#include "state/series.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace perp::state {

/// Whether it is known that no price happened: no candle, nor a running one that tells of a trade,
/// and whole trades, none of which made a price, on a market of which prices were told.
bool is_tradeless(const Slot& slot);
/// o h l c v. From the authoritative candle; v from whole trades where the candle has no quote
/// volume. Without a candle from whole trades; a tradeless minute stands at `close_before`. Absent
/// if neither, and for a tradeless minute of which no close before is known.
/// @param close_before the close of the minute before, missing if it has no row
Row ohlcv_row(const Slot& slot, double close_before);
/// tbv tsv. From the candle if it tells taker volumes, else from whole trades that all have a side.
Row taker_volume_row(const Slot& slot);
/// lqside lqprice lqqty lql lqs, of a minute whose stream was live for all of it.
Row liquidation_row(const Slot& slot);
/// oi oi_contracts age_ms at the end of `minute`.
Row open_interest_row(const OpenInterestSample& sample, const Sample& mark_price,
                      std::int64_t minute);
/// pfr or lsr, age_ms.
Row sample_row(const Sample& sample, std::int64_t staleness_ns, std::int64_t minute);

/// rsi1 rsi60, rounded to the four decimals that are stored and compared.
Row rsi_row(double rsi1, double rsi60);

inline constexpr std::int64_t funding_staleness_ns = 2 * core::ns_per_minute;
inline constexpr std::int64_t ratio_staleness_ns = 11 * core::ns_per_minute;
inline constexpr std::int64_t mark_staleness_ns = 3 * core::ns_per_minute;
inline constexpr std::int64_t open_interest_staleness_ns = 3 * core::ns_per_minute;
inline constexpr std::int64_t open_interest_period_staleness_ns = 11 * core::ns_per_minute;

/// Whether the sample may speak for the end of `minute`.
constexpr bool is_fresh(std::int64_t sample_ns, std::int64_t staleness_ns, std::int64_t minute) {
  return sample_ns != core::unknown_ns &&
         (minute + 1) * core::ns_per_minute - sample_ns <= staleness_ns;
}

/// The values of a minute record: raw columns, then changes over 1, 5 and 10 minutes, ascending
/// ids, only what there is.
struct MinuteValues {
  std::array<market::MinuteValue, 20> items;
  std::size_t count = 0;

  void add(market::ColumnId column, double value) {
    items[count++] = {static_cast<std::uint16_t>(column), {}, value};
  }
  std::span<const market::MinuteValue> view() const { return {items.data(), count}; }
  bool operator==(const MinuteValues& other) const;
};

/// @param earlier rows 1, 5 and 10 minutes before, nullptr where there is none.
MinuteValues minute_values(
    SpecKind kind, const Row& row,
    const std::array<const Row*, market::change_windows_minutes.size()>& earlier);

}  // namespace perp::state
