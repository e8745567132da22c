#pragma once
// What the sources of the banks call: loops over lanes, each compiled for every instruction set and
// dispatched when called (the *_kernels.cpp, the only sources that see Highway). Columns of ours
// are aligned and padded to whole vectors, the padding being NaN; a user's spans are neither.
// Pointers of one call do not alias unless said.
#include <perp/rolling/rsi.hpp>
#include <perp/rolling/sum_banks.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace perp::rolling::detail {

inline constexpr std::size_t change_windows_max = 8;

/// out[w][i] = change_percent(now[i], before[w][i]); `stored`, unless null, gets a copy of now.
struct ChangePass {
  const double* now = nullptr;
  double* stored = nullptr;
  std::size_t count = 0;
  std::size_t window_count = 0;
  std::array<const double*, change_windows_max> before{};
  std::array<double*, change_windows_max> out{};
  bool is_streamed = false;  ///< write past the caches: outs are aligned, nothing is stored
};
void change_pass(const ChangePass& pass) noexcept;
/// The same for one row of a few parameters, with the results of the windows behind each other:
/// out[w * count + i]. What a call costs counts here.
void change_row(const double* now, double* stored, std::size_t count, const double* const* before,
                std::size_t window_count, double* out) noexcept;

/// A user's column per input comes and is stored, another goes (nullptr: none); `stored` may be
/// where the leaving one is. State: rows of lanes in the order of the calculator's members
/// (sums.hpp), `lane_count` apart.
struct SumsPass {
  SumKind kind = SumKind::sum;
  std::array<const double*, 2> added{};
  std::size_t series_count = 0;
  double* stored = nullptr;
  std::array<const double*, 2> removed{};
  double* state = nullptr;
  double* fresh = nullptr;
  std::size_t lane_count = 0;
};
void sums_pass(const SumsPass& pass) noexcept;

struct SumsRead {
  SumAnswer answer = SumAnswer::count;
  const double* state = nullptr;
  const double* newest = nullptr;  ///< for z_score
  std::size_t lane_count = 0;
  double min_count = 0;
  double* out = nullptr;  ///< a user's
  std::size_t out_count = 0;
};
void sums_read(const SumsRead& read) noexcept;

/// Rows of least and greatest in pairs, `lane_count` apart; nothing yet is +inf and -inf.
/// result = extrema of `values` and those of `behind`, which may be `result`.
void extrema_fold(const double* values, const double* behind, double* result,
                  std::size_t lane_count) noexcept;
/// A user's column is stored and folded into `newer`; counts follow what comes and goes (`removed`,
/// nullptr: none, may be where the new one is stored).
struct ExtremaPass {
  const double* added = nullptr;
  std::size_t series_count = 0;
  double* stored = nullptr;
  const double* removed = nullptr;
  double* newer = nullptr;
  double* counts = nullptr;
  std::size_t lane_count = 0;
};
void extrema_pass(const ExtremaPass& pass) noexcept;
/// The better of both stacks' rows (older: nullptr if empty), NaN below min_count.
void extrema_read(const double* older, const double* newer, const double* counts, bool is_max,
                  double min_count, double* out, std::size_t out_count) noexcept;

void ema_push(double alpha, const double* values, std::size_t count, double* average,
              double* counts) noexcept;
void ema_value(double min_count, const double* average, const double* counts, double* out,
               std::size_t out_count) noexcept;

/// Rows of an RsiBank's lanes. The loss of a lane that is warming up or has a hole is NaN here and
/// kept in the last row, so that one comparison finds it.
enum class RsiRow : std::size_t {
  average_gain,
  average_loss,
  last_close,
  delta_count,
  hole,  ///< pushes without a close since the last one; negative: no close yet
  kept_loss,
  count
};
/// @param skipped indices between the last push and this one. @param values the indices, a row of
/// ours.
void rsi_push(const RsiRule& rule, double skipped, const double* closes, std::size_t count,
              double* lanes, std::size_t lane_count, double* values) noexcept;

}  // namespace perp::rolling::detail
