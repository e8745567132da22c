#pragma once
// Percent changes of columns of history: the batch form, for recomputation and research. Reads a
// column once and writes the changes over all windows; results larger than the caches are written
// past them. Each change has the bits of change_percent (change.hpp), on every instruction set.
// Pure function, any thread.
#include <cstddef>
#include <span>

namespace perp::rolling {

/// `values` holds runs of `run_length` consecutive samples each (a run: one series on the minute
/// grid, NaN where a minute is missing). outs[w][i] = change_percent(values[i], values[i -
/// lags[w]]) where both are of the same run, else NaN. A column that interleaves its series (all of
/// minute 0, then all of minute 1, ...) is one run with lags of minutes x series. The outs are as
/// long as `values` and overlap neither it nor each other. @throws core::Error if values is not
/// whole runs, a lag is 0, or there are not as many outs as lags, between 1 and 8.
void change_columns(std::span<const double> values, std::size_t run_length,
                    std::span<const std::size_t> lags, std::span<double* const> outs);

}  // namespace perp::rolling
