#pragma once
// A request's parameters, and a count of what an address may ask. Cold; one owner thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::sim {

/// "a=1&b=x%2Fy".
class Query {
 public:
  explicit Query(std::string_view text);

  /// Nothing: not given, or empty.
  const std::string* find(std::string_view name) const;
  std::string_view value(std::string_view name) const;
  /// A whole number; `fallback` if it is not given; nothing if it is no number.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t fallback) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

/// How much was spent in the window of the clock that now runs: [k x length, (k + 1) x length).
class SpentInWindow {
 public:
  explicit SpentInWindow(std::int64_t length_ms) : length_ms_(length_ms) {}

  /// @returns what the window has seen, this included
  std::int64_t add(std::int64_t amount, std::int64_t now_ms) {
    const std::int64_t window = now_ms / length_ms_;
    if (window != window_) spent_ = 0;
    window_ = window;
    return spent_ += amount;
  }
  std::int64_t left_ms(std::int64_t now_ms) const { return length_ms_ - now_ms % length_ms_; }

 private:
  std::int64_t length_ms_;
  std::int64_t window_ = -1;
  std::int64_t spent_ = 0;
};

}  // namespace perp::sim
