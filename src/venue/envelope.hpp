#pragma once
// The outside of a JSON message, read without judging its inside: which keys an object has, up to
// the one that tells what the message is. Bounds are kept, nothing is validated, nothing allocated;
// a message that is not JSON simply has no keys. Private to the venue layer.
#include <perp/venue/connect.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace perp::venue::envelope {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  /// The next byte that is no white space; 0 at the end.
  char peek() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    return at_ == end_ ? '\0' : *at_;
  }
  bool enter(char bracket) noexcept {
    if (peek() != bracket) return false;
    ++at_;
    return true;
  }
  /// Inside an object: the next key, and then the cursor is before its value. False at its end.
  bool next(std::string_view& key) noexcept {
    if (peek() == ',') ++at_;
    if (peek() != '"') return false;
    key = text();
    if (peek() != ':') return false;
    ++at_;
    return true;
  }
  /// Inside an object, before a key: moves to the value of `wanted`.
  bool find(std::string_view wanted) noexcept {
    std::string_view key;
    while (next(key)) {
      if (key == wanted) return true;
      skip();
    }
    return false;
  }
  /// A string, without its quotes and with its escapes; empty if there is none. Moves behind it.
  std::string_view text() noexcept {
    if (peek() != '"') {
      skip();
      return {};
    }
    const char* const begin = ++at_;
    if (!skip_text()) return {};
    return {begin, static_cast<std::size_t>(at_ - 1 - begin)};
  }
  /// A value as it stands. Moves behind it.
  std::string_view raw() noexcept {
    peek();
    const char* const begin = at_;
    skip();
    return {begin, static_cast<std::size_t>(at_ - begin)};
  }
  /// Moves behind a value.
  void skip() noexcept {
    const char first = peek();
    if (first == '"') {
      ++at_;
      skip_text();
      return;
    }
    if (first != '{' && first != '[') {
      while (at_ != end_ && *at_ != ',' && *at_ != '}' && *at_ != ']') ++at_;
      return;
    }
    for (std::size_t depth = 0; at_ != end_;) {
      const char byte = *at_++;
      if (byte == '"') {
        skip_text();
      } else if (byte == '{' || byte == '[') {
        ++depth;
      } else if ((byte == '}' || byte == ']') && --depth == 0) {
        return;
      }
    }
  }

 private:
  /// Behind the quote that ends a string whose first quote was passed; false if none does.
  bool skip_text() noexcept {
    const char* const begin = at_;
    while (at_ != end_) {
      const void* const found = std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_));
      if (found == nullptr) break;
      const char* const quote = static_cast<const char*>(found);
      std::size_t backslashes = 0;
      while (quote - backslashes != begin && *(quote - backslashes - 1) == '\\') ++backslashes;
      at_ = quote + 1;
      if (backslashes % 2 == 0) return true;
    }
    at_ = end_;
    return false;
  }

  const char* at_;
  const char* end_;
};

/// Digits only, at most 19 of them; 0 otherwise.
inline std::uint64_t number_of(std::string_view text) noexcept {
  while (!text.empty() && text.back() <= ' ') text.remove_suffix(1);
  if (text.empty() || text.size() > 19) return 0;
  std::uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return 0;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

/// An error code: a small number with or without a sign; 0 otherwise.
inline std::int32_t code_of(std::string_view text) noexcept {
  const bool is_negative = text.starts_with('-');
  const std::uint64_t number = number_of(is_negative ? text.substr(1) : text);
  if (number > 1'000'000'000) return 0;
  const auto code = static_cast<std::int32_t>(number);
  return is_negative ? -code : code;
}

/// A time of so many steps since 1970; none where the text is no such number.
inline ClockReading clock_of(std::string_view steps, std::int64_t step_ns) noexcept {
  const std::uint64_t count = number_of(steps);
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / step_ns);
  if (count == 0 || count > most) return {};
  return {static_cast<std::int64_t>(count) * step_ns, step_ns};
}

/// The milliseconds behind `key`, which has its quotes and its colon; unknown where there are none,
/// also where the text ends among the digits: it is a part of a message, and there may be more.
inline std::int64_t time_behind(std::string_view text, std::string_view key) noexcept {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return core::unknown_ns;
  std::int64_t ms = 0;
  std::size_t digits = 0;
  for (std::size_t i = at + key.size(); i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9')
      return digits == 0 ? core::unknown_ns : ms * core::ns_per_ms;
    if (++digits > 13) return core::unknown_ns;
    ms = ms * 10 + (text[i] - '0');
  }
  return core::unknown_ns;
}

}  // namespace perp::venue::envelope
