#pragma once
// What the tests, the fuzz target and the benchmark of numbers from text share: the grammar by the
// book, and random decimal texts of the forms that can go wrong: any number of digits, the point
// anywhere, trailing zeros, zeros behind the point, exact ties between two doubles and their
// neighbours.
#include <perp/core/prng.hpp>

#include <bit>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace perp::market::testing {

/// The length of JSON's `-?digits[.digits]` at the beginning, by the book; nothing if there is
/// none.
inline std::optional<std::size_t> number_size(std::string_view text) {
  const auto digits = [&](std::size_t from) {
    std::size_t end = from;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    return end - from;
  };
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits(sign);
  if (whole == 0 || (whole > 1 && text[sign] == '0')) return std::nullopt;
  std::size_t end = sign + whole;
  if (end < text.size() && text[end] == '.') {
    const std::size_t fraction = digits(end + 1);
    if (fraction == 0) return std::nullopt;
    end += 1 + fraction;
  }
  return end;
}

/// The integer at the beginning: nothing if there is none, it does not fit or it has a fraction.
inline std::optional<std::int64_t> integer_of(std::string_view text) {
  const auto size = number_size(text);
  if (!size) return std::nullopt;
  const std::string number(text.substr(0, *size));
  errno = 0;
  const std::int64_t value = std::strtoll(number.c_str(), nullptr, 10);
  if (errno != 0 || number.find('.') != std::string::npos || text.substr(*size).starts_with('.'))
    return std::nullopt;
  return value;
}

class DecimalTexts {
 public:
  /// Bytes that may be read behind a text's beginning.
  static constexpr std::size_t padded_bytes = 96;

  explicit DecimalTexts(std::uint64_t seed) : prng_(seed) {}

  /// The next text, `-?digits[.digits]` of at most 28 characters, with `,` and more digits behind
  /// its end. Valid until the next call.
  std::string_view next() {
    at_ = buffer_;
    bits_ = prng_.next();
    if (take(4) == 0) *at_++ = '-';
    switch (take(4)) {
      case 0: tie(); break;
      case 1: price(); break;
      default: digits(); break;
    }
    const std::string_view text(buffer_, static_cast<std::size_t>(at_ - buffer_));
    std::memcpy(at_, ",12.5", 5);
    return text;
  }

 private:
  /// A number in [0, below) from few random bits.
  std::uint32_t take(std::uint32_t below) {
    const std::uint64_t product = (bits_ & 0xffff) * below;
    bits_ = std::rotr(bits_, 11);
    return static_cast<std::uint32_t>(product >> 16);
  }
  void put(std::uint64_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }
  void put_digits(std::uint32_t count) {
    std::uint64_t random = prng_.next();
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i == 16) random = prng_.next();
      *at_++ = static_cast<char>('0' + (random & 15) * 10 / 16);
      random >>= 4;
    }
  }
  /// Digits of equal right: up to 24 of them.
  void digits() {
    const std::uint32_t whole = take(2) == 0 ? take(10) : take(17);
    if (whole == 0) {
      *at_++ = '0';
    } else {
      *at_++ = static_cast<char>('1' + take(9));
      put_digits(whole - 1);
    }
    const std::uint32_t fraction = take(11);
    if (fraction == 0) return;
    *at_++ = '.';
    const std::uint32_t zeros = take(4) == 0 ? take(fraction + 1) : 0;
    std::memset(at_, '0', zeros);
    at_ += zeros;
    put_digits(fraction - zeros);
    if (take(4) == 0) {
      const std::uint32_t trailing = take(fraction + 1);
      std::memset(at_ - trailing, '0', trailing);
    }
  }
  /// As exchanges write them: ticks of 10^-k.
  void price() {
    put(prng_.next() >> (40 + take(20)));
    const std::uint32_t fraction = take(9);
    if (fraction == 0) return;
    *at_++ = '.';
    put_digits(fraction);
  }
  /// Half-way between two doubles, or the last digit beside it: 54 significant bits with the point
  /// 0 to 2 bits from the right, or with zeros on the right.
  void tie() {
    const std::uint64_t odd = prng_.next() >> 10 | std::uint64_t{1} << 53 | 1;
    switch (take(4)) {
      case 0:
        put(odd >> 1);
        *at_++ = '.';
        *at_++ = static_cast<char>('4' + take(3));
        break;
      case 1:
        put(odd >> 2);
        std::memcpy(at_, (odd & 2) != 0 ? ".75" : ".25", 3);
        at_ += 3;
        break;
      case 2: put((odd << take(10)) + take(3) - 1); break;
      default: put(odd + take(3) - 1); break;
    }
  }

  core::Prng prng_;
  std::uint64_t bits_ = 0;
  char* at_ = buffer_;
  char buffer_[padded_bytes] = {};
};

}  // namespace perp::market::testing
