#include "rolling/kernels.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/change_columns.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace perp::rolling {
namespace {

[[noreturn]] void refuse(const char* why) { throw core::Error("percent changes", "", why); }

using Outs = std::array<double*, detail::change_windows_max>;

std::size_t page_offset(const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 4096; }

/// Values on their way to the kernel. A processor takes a load for one of a store that is still on
/// its way when the addresses agree in their last 12 bits, and then waits for nothing. Large
/// columns all begin at the same place of a page, so that three results written beside one column
/// read make every load wait: three times slower. So a page of values at a time is copied to where
/// in a page the results are not.
class Stage {
 public:
  static constexpr std::size_t chunk = 512;  ///< a page, so that offsets stay what they are
  static constexpr std::size_t lag_max = 256;

  Stage() : memory_(chunk + lag_max + 2 * chunk, 0) {}

  /// Chooses the place for results that are written from `outs` on.
  void place(const Outs& outs, std::size_t count, std::size_t longest) {
    history_ = padded(longest);
    double* const page =
        memory_.data() + (4096 - page_offset(memory_.data())) % 4096 / sizeof(double);
    at_ = page;
    constexpr std::size_t step = vector_doubles * 8;
    for (double* tried = page; tried < page + chunk; tried += step) {
      const bool is_apart = std::all_of(outs.begin(), outs.begin() + count, [&](const double* out) {
        // Stores wait in a queue: those of the last one and a half kilobytes may still be there.
        const std::size_t ahead = (page_offset(out) + 4096 - page_offset(tried + history_)) % 4096;
        return ahead >= 1536 && ahead + history_ * sizeof(double) + 64 < 4096;
      });
      if (!is_apart) continue;
      at_ = tried;
      break;
    }
  }

  /// `count` values from `from` on, with what lies before them.
  const double* copy(const double* from, std::size_t count) {
    std::memcpy(at_, from - history_, (history_ + count) * sizeof(double));
    return at_ + history_;
  }

 private:
  AlignedDoubles memory_;
  double* at_ = nullptr;
  std::size_t history_ = 0;
};

void compute(const double* now, std::size_t count, std::span<const std::size_t> lags, Outs outs,
             bool is_streamed) {
  detail::ChangePass pass{
      .now = now, .count = count, .window_count = lags.size(), .is_streamed = is_streamed};
  for (std::size_t w = 0; w < lags.size(); ++w) {
    pass.before[w] = now - lags[w];
    pass.out[w] = outs[w];
  }
  detail::change_pass(pass);
}

}  // namespace

void change_columns(std::span<const double> values, std::size_t run_length,
                    std::span<const std::size_t> lags, std::span<double* const> outs) {
  if (lags.empty() || lags.size() > detail::change_windows_max || outs.size() != lags.size())
    refuse("there must be 1 to 8 lags and a result for each");
  if (std::find(lags.begin(), lags.end(), 0u) != lags.end()) refuse("a lag is 0");
  if (run_length == 0 || values.size() % run_length != 0)
    refuse("the values are not whole runs of the given length");

  // Results that the caches cannot hold are written past them, which spares reading them first.
  constexpr std::size_t streamed_bytes_min = std::size_t{4} << 20;
  const std::size_t longest = *std::max_element(lags.begin(), lags.end());
  const bool is_staged = longest <= Stage::lag_max;
  const bool is_streamed = lags.size() == 3 &&
                           values.size() * lags.size() * sizeof(double) >= streamed_bytes_min &&
                           is_staged && run_length % vector_doubles == 0 &&
                           std::all_of(outs.begin(), outs.end(), [](const double* out) {
                             return reinterpret_cast<std::uintptr_t>(out) % vector_bytes == 0;
                           });
  const std::size_t begin = std::min(padded(longest), run_length);
  Stage stage;

  for (std::size_t run = 0; run < values.size(); run += run_length) {
    const double* const now = values.data() + run;
    // Where not every lag has its sample: one lag at a time.
    for (std::size_t w = 0; w < lags.size(); ++w) {
      double* const out = outs[w] + run;
      const std::size_t first = std::min(lags[w], begin);
      std::fill_n(out, first, missing);
      if (first != begin)
        compute(now + first, begin - first, lags.subspan(w, 1), {out + first}, false);
    }
    Outs to{};
    for (std::size_t w = 0; w < lags.size(); ++w) to[w] = outs[w] + run + begin;
    if (!is_staged) {
      compute(now + begin, run_length - begin, lags, to, false);
      continue;
    }
    stage.place(to, lags.size(), longest);
    for (std::size_t i = begin; i < run_length; i += Stage::chunk) {
      const std::size_t count = std::min(Stage::chunk, run_length - i);
      compute(stage.copy(now + i, count), count, lags, to, is_streamed);
      for (std::size_t w = 0; w < lags.size(); ++w) to[w] += count;
    }
  }
}

}  // namespace perp::rolling
