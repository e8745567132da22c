#pragma once
// A growing byte buffer with the few formats that the wire models need: JSON literals, integers and
// exact decimals in each venue's habit of writing zeros. About 5 ns a number; grows by doubling,
// never shrinks. One owner thread.
#include <perp/sim/decimal_units.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace perp::sim {

class Text {
 public:
  Text& raw(std::string_view text);
  Text& integer(std::int64_t value);
  /// All digits: {12300, 2} is "123.00" (Binance, Bybit).
  Text& fixed(Decimal value) { return decimal(value, value.digits); }
  /// No trailing zeros: {12300, 2} is "123" (OKX).
  Text& trimmed(Decimal value) { return decimal(value, 0); }
  /// No trailing zeros but at least one decimal: {12300, 2} is "123.0" (Hyperliquid).
  Text& pointed(Decimal value) { return decimal(value, 1); }
  /// Lower-case hexadecimal, two digits a byte.
  Text& hex(std::span<const std::uint8_t> bytes);
  /// Seconds with nine decimals.
  Text& seconds(std::int64_t ns);

  std::size_t size() const { return size_; }
  void truncate(std::size_t size) { size_ = size; }
  void clear() { size_ = 0; }
  std::string_view view() const { return {bytes_.data(), size_}; }
  std::string_view view(std::size_t from, std::size_t size) const {
    return {bytes_.data() + from, size};
  }

 private:
  char* reserve(std::size_t size);
  Text& decimal(Decimal value, int min_decimals);

  std::vector<char> bytes_ = std::vector<char>(256);
  std::size_t size_ = 0;
};

}  // namespace perp::sim
