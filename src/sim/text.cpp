#include "sim/text.hpp"

#include <algorithm>
#include <cstring>

namespace perp::sim {
namespace {

constexpr std::size_t digits_max = 20;

/// Writes the digits of `value` so that they end at `end`. @returns their start.
char* digits_before(char* end, std::uint64_t value) {
  do {
    *--end = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return end;
}

std::uint64_t magnitude(std::int64_t value) {
  return value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                   : static_cast<std::uint64_t>(value);
}

}  // namespace

char* Text::reserve(std::size_t size) {
  if (size_ + size > bytes_.size()) bytes_.resize(std::max(bytes_.size() * 2, size_ + size));
  return bytes_.data() + size_;
}

Text& Text::raw(std::string_view text) {
  if (text.empty()) return *this;
  std::memcpy(reserve(text.size()), text.data(), text.size());
  size_ += text.size();
  return *this;
}

Text& Text::integer(std::int64_t value) { return decimal({value, 0}, 0); }

Text& Text::decimal(Decimal value, int min_decimals) {
  char scratch[digits_max];
  char* const end = scratch + digits_max;
  const char* const begin = digits_before(end, magnitude(value.units));
  const auto count = static_cast<int>(end - begin);
  const int zeros = value.digits < 0 && value.units != 0 ? -value.digits : 0;
  const int point = std::max(value.digits, 0);  // decimals held by the digits
  char* out = reserve(4 + static_cast<std::size_t>(count) + static_cast<std::size_t>(zeros) +
                      static_cast<std::size_t>(point) +
                      static_cast<std::size_t>(std::max(min_decimals, 0)));
  char* const start = out;
  if (value.units < 0) *out++ = '-';
  if (count > point) {
    out = std::copy(begin, static_cast<const char*>(end) - point, out);
    out = std::fill_n(out, zeros, '0');
  } else {
    *out++ = '0';
  }
  int decimals = point;
  while (decimals > 0 &&
         decimals > min_decimals) {  // trailing zeros, digit by digit from the right
    const int index = count - 1 - (point - decimals);
    if (index >= 0 && begin[index] != '0') break;
    --decimals;
  }
  if (decimals > 0 || min_decimals > 0) {
    *out++ = '.';
    const int leading = std::clamp(point - count, 0, decimals);
    out = std::fill_n(out, leading, '0');
    const char* fraction = begin + std::max(count - point, 0);
    out = std::copy_n(fraction, decimals - leading, out);
    out = std::fill_n(out, std::max(min_decimals - decimals, 0), '0');
  }
  size_ += static_cast<std::size_t>(out - start);
  return *this;
}

Text& Text::hex(std::span<const std::uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  char* out = reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
  }
  size_ += bytes.size() * 2;
  return *this;
}

Text& Text::seconds(std::int64_t ns) { return fixed({ns, 9}); }

}  // namespace perp::sim
