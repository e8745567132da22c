#pragma once
// One series under a window: `Rolling<Calculator>` keeps the samples, `Calculator` what follows
// from them. Owned and used by one thread. A push costs what the calculator's add and remove cost
// (constant for sums, amortised constant for extrema, a short move for quantiles); it allocates
// nothing, never throws and reads no clock.
//
//   Rolling<Moments> closes(last_rows(300));
//   closes.push(64'991.3);
//   closes.value().z_score(64'000);      // NaN until 240 of the last 300 are there
//
//   Rolling<Vwap> trades(last_span(60'000'000'000, 600, 1 << 16));    // a minute, in nanoseconds
//   trades.push_at(exchange_ns, price, quantity);
//   trades.value().price();
//
// A Calculator has: `input_count`, the inputs of a sample; `is_resummed`, whether it is a sum whose
// rounding errors must be bounded (window.hpp); `add(position, row)`, `remove(position, row)`, and
// optionally `replace(row, row)` where that is cheaper than one after the other; its answers, NaN
// where they are not defined. A default constructed one holds nothing and answers NaN.
//
// A sample is present when all of its inputs are finite; else it takes a place in the window and is
// skipped. Answers are never infinite.
#include <perp/rolling/window.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace perp::rolling {

template <class Calculator>
class Rolling {
 public:
  static constexpr std::size_t input_count = Calculator::input_count;

  /// @throws core::Error (window.hpp).
  explicit Rolling(const WindowRule& rule) : window_(rule, input_count), now_(make(rule)) {}

  /// Takes a sample one unit of time after the last: what windows by count want.
  template <std::convertible_to<double>... Inputs>
  void push(Inputs... inputs) noexcept {
    push_at(window_.next_time(), inputs...);
  }

  /// Takes a sample. @returns false, changing nothing, if `time` is before the last one.
  template <std::convertible_to<double>... Inputs>
  bool push_at(std::int64_t time, Inputs... inputs) noexcept {
    static_assert(sizeof...(Inputs) == input_count);
    if (!window_.accepts(time)) return false;
    const std::array<double, input_count> row{static_cast<double>(inputs)...};
    if constexpr (requires { now_.replace(row.data(), row.data()); }) {
      const double* leaving = nullptr;
      while (window_.must_drop(time)) {
        if (leaving != nullptr) now_.remove(0, leaving);
        leaving = window_.oldest();
        window_.drop_oldest(time);
      }
      if (leaving != nullptr) {
        now_.replace(leaving, row.data());
      } else {
        now_.add(window_.next_position(), row.data());
      }
    } else {
      while (window_.must_drop(time)) drop_oldest(time);
      now_.add(window_.next_position(), row.data());
      if constexpr (Calculator::is_resummed)
        if (window_.is_next_fresh()) fresh_.add(window_.next_position(), row.data());
    }
    double* const stored = window_.append(time);
    for (std::size_t i = 0; i < input_count; ++i) stored[i] = row[i];
    return true;
  }

  /// Lets time pass: samples that are out of the span at `time` leave. No effect if `time` is not
  /// after the last.
  void advance(std::int64_t time) noexcept {
    if (!window_.accepts(time)) return;
    while (window_.has_left(time)) drop_oldest(time);
    window_.advance(time);
  }

  /// What the window says. Fewer than min_count present samples, or one that found no room: the
  /// empty calculator, whose answers are NaN.
  const Calculator& value() const noexcept {
    return now_.count() >= static_cast<double>(window_.rule().min_count) && window_.is_whole()
               ? now_
               : nothing;
  }

  const Window& window() const noexcept { return window_; }

 private:
  struct None {};

  static Calculator make(const WindowRule& rule) {
    if constexpr (std::is_constructible_v<Calculator, const WindowRule&>) {
      return Calculator(rule);
    } else {
      return {};
    }
  }

  void drop_oldest(std::int64_t time) noexcept {
    now_.remove(window_.oldest_position(), window_.oldest());
    const bool is_covered = window_.drop_oldest(time);
    if constexpr (Calculator::is_resummed) {
      if (is_covered) {
        now_ = fresh_;
        fresh_ = {};
      }
    }
  }

  inline static const Calculator nothing{};

  Window window_;
  Calculator now_;
  [[no_unique_address]] std::conditional_t<Calculator::is_resummed, Calculator, None> fresh_;
};

}  // namespace perp::rolling
