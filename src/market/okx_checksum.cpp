#include <perp/market/okx_checksum.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace perp::market {
namespace {

constexpr std::size_t checksum_levels = 25;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit)
      rest = (rest & 1U) != 0 ? 0xEDB88320U ^ (rest >> 1) : rest >> 1;
    table[byte] = rest;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> crc_table = make_crc_table();

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_plain_decimal(std::string_view text) {
  bool has_digit = false;
  bool has_point = false;
  for (const char c : text) {
    if (is_digit(c)) {
      has_digit = true;
    } else if (c == '.' && !has_point && has_digit) {
      has_point = true;
    } else {
      return false;
    }
  }
  return has_digit && text.back() != '.';
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of("0.") == std::string_view::npos;
}

struct DecimalParts {
  std::string_view whole;     ///< without leading zeros
  std::string_view fraction;  ///< without trailing zeros
};

DecimalParts split(std::string_view text) {
  const std::size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  return {whole, fraction};
}

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t seed) noexcept {
  std::uint32_t state = ~seed;
  for (const char c : bytes)
    state = crc_table[(state ^ static_cast<unsigned char>(c)) & 0xffU] ^ (state >> 8);
  return ~state;
}

int compare_decimal_text(std::string_view a, std::string_view b) noexcept {
  const DecimalParts left = split(a);
  const DecimalParts right = split(b);
  if (left.whole.size() != right.whole.size())
    return left.whole.size() < right.whole.size() ? -1 : 1;
  if (const int whole = left.whole.compare(right.whole); whole != 0) return whole;
  return left.fraction.compare(
      right.fraction);  // a proper prefix is the smaller one, as with decimals
}

OkxChecksumBook::OkxChecksumBook(std::size_t level_limit)
    : level_limit_(std::max(level_limit, checksum_levels)) {
  bids_.reserve(level_limit_ + 1);
  asks_.reserve(level_limit_ + 1);
}

void OkxChecksumBook::clear() noexcept {
  bids_.clear();
  asks_.clear();
}

bool OkxChecksumBook::set_bid(std::string_view price, std::string_view size) noexcept {
  return set(bids_, 1, price, size);
}

bool OkxChecksumBook::set_ask(std::string_view price, std::string_view size) noexcept {
  return set(asks_, -1, price, size);
}

bool OkxChecksumBook::set(std::vector<Level>& side, int direction, std::string_view price,
                          std::string_view size) noexcept {
  if (price.size() > text_limit || size.size() > text_limit) return false;
  if (!is_plain_decimal(price) || !is_plain_decimal(size)) return false;
  const auto at = std::lower_bound(
      side.begin(), side.end(), price, [direction](const Level& level, std::string_view wanted) {
        return direction * compare_decimal_text(level.price_text(), wanted) < 0;
      });
  const bool is_known = at != side.end() && compare_decimal_text(at->price_text(), price) == 0;
  if (is_zero(size)) {
    if (is_known) side.erase(at);
    return true;
  }
  Level level{};
  std::memcpy(level.price, price.data(), price.size());
  std::memcpy(level.size, size.data(), size.size());
  level.price_length = static_cast<std::uint8_t>(price.size());
  level.size_length = static_cast<std::uint8_t>(size.size());
  if (is_known) {
    *at = level;
    return true;
  }
  side.insert(at, level);  // within the capacity reserved: no allocation
  if (side.size() > level_limit_) {
    side.erase(side.begin());
    ++levels_dropped_;
  }
  return true;
}

std::int32_t OkxChecksumBook::checksum() const noexcept {
  std::uint32_t sum = 0;
  bool is_first = true;
  const auto add = [&](const std::vector<Level>& side, std::size_t depth) {
    if (depth >= side.size()) return;
    const Level& level = side[side.size() - 1 - depth];
    if (!is_first) sum = crc32(":", sum);
    is_first = false;
    sum = crc32(level.price_text(), sum);
    sum = crc32(":", sum);
    sum = crc32(level.size_text(), sum);
  };
  for (std::size_t depth = 0; depth < checksum_levels; ++depth) {
    add(bids_, depth);
    add(asks_, depth);
  }
  return static_cast<std::int32_t>(sum);
}

}  // namespace perp::market
