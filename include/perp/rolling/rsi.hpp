#pragma once
// Wilder's relative strength index as a value: a trivially copyable state and free functions. Used
// by the engine's thread inside checkpointed state and by tests. O(1) per close, no allocation;
// never reads a clock. Closes carry an index (minutes or hours since the epoch): a hole of up to
// `bridge_limit` is bridged with the previous close, a longer one starts the series again.
//
// Wilder's average (a x (N-1) + d) / N is computed as a + (d - a) x (1/N), his 100 - 100 / (1 + RS)
// as 100 x (gain / (gain + loss)): the same numbers with one division instead of three, and without
// a special case for no loss or no gain. Error: each step rounds three times and old errors shrink
// by (N-1)/N, so the averages stay within 4 N units in the last place of exact arithmetic (N =
// period) for ever, and the index within 1e-11 for N <= 200. Two runs over the same closes give the
// same bits.
#include <cstdint>
#include <limits>

namespace perp::rolling {

struct RsiRule {
  int period = 11;       ///< N, 2..200
  double flat = 50;      ///< the index of a series that does not move at all: 50, 0 or 100
  int bridge_limit = 3;  ///< missing elements that are bridged
};

struct RsiState {
  static constexpr std::int64_t no_index = std::numeric_limits<std::int64_t>::min();

  double average_gain = 0;  ///< the mean's part so far until `delta_count` reaches the period
  double average_loss = 0;
  double last_close = 0;
  std::int64_t last_index = no_index;
  std::int64_t delta_count = 0;  ///< differences taken, counted up to the period
};

/// Takes the close at `index`; a difference that overflows starts the series again. @returns false,
/// changing nothing, if it is not after the last one.
bool push_close(const RsiRule& rule, RsiState& state, std::int64_t index, double close);

/// The index 0..100 after the last close; NaN before N + 1 closes.
double rsi_value(const RsiRule& rule, const RsiState& state);

/// The index if `close` came at `index`; the state stays as it is. NaN if `index` is not after the
/// last one.
double rsi_with(const RsiRule& rule, RsiState state, std::int64_t index, double close);

}  // namespace perp::rolling
