#include "sim/faults/words.hpp"

#include <perp/core/time.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace perp::sim {
namespace {

constexpr std::int64_t duration_max_ns = 3'650 * core::ns_per_day;
constexpr std::uint64_t whole_max = 1'000'000'000'000'000;
constexpr std::uint64_t bytes_max = std::uint64_t{64} << 20;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr auto units = std::to_array<Unit>({{"ns", 1},
                                            {"us", core::ns_per_us},
                                            {"ms", core::ns_per_ms},
                                            {"s", core::ns_per_second},
                                            {"m", core::ns_per_minute},
                                            {"h", core::ns_per_hour},
                                            {"d", core::ns_per_day}});

/// Letters put in, left out, taken for others or exchanged with their neighbours.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;  // the row before the last
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({above[j] + (a[i] == b[j] ? 0 : 1), row[j] + 1, above[j + 1] + 1});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
        row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) {
  std::size_t at = 0;
  std::int64_t whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    whole = whole * 10 + (text[at++] - '0');
    if (whole > duration_max_ns) return std::nullopt;
  }
  if (at == 0) return std::nullopt;
  // The fraction as an integer over a power of ten.
  std::int64_t part = 0;
  std::int64_t power = 1;
  if (at < text.size() && text[at] == '.') {
    const std::size_t begin = ++at;
    while (at < text.size() && is_digit(text[at])) {
      if (at - begin == 9) return std::nullopt;
      part = part * 10 + (text[at++] - '0');
      power *= 10;
    }
    if (at == begin) return std::nullopt;
  }
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& one) { return one.name == text.substr(at); });
  if (unit == units.end() || whole > duration_max_ns / unit->ns) return std::nullopt;
  // part < power <= 10^9: nothing overflows.
  const std::int64_t fraction_ns = unit->ns / power * part + unit->ns % power * part / power;
  const std::int64_t ns = whole * unit->ns + fraction_ns;
  if (ns > duration_max_ns) return std::nullopt;
  return ns;
}

std::optional<std::int64_t> parse_signed_duration(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const auto ns = parse_duration(text);
  if (!ns) return std::nullopt;
  return is_negative ? -*ns : *ns;
}

std::optional<std::uint64_t> parse_whole(std::string_view text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > whole_max) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t unit = 1;
  if (text.ends_with("MiB") || text.ends_with("KiB")) {
    unit = text.ends_with("MiB") ? 1U << 20 : 1U << 10;
    text.remove_suffix(3);
  }
  const auto value = parse_whole(text);
  if (!value || *value > bytes_max / unit) return std::nullopt;
  return *value * unit;
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known) {
  if (word.size() > 64) return {};
  std::string_view best;
  // Half of the word or more must be right.
  std::size_t least = word.size() / 2 + 1;
  for (const std::string_view one : known) {
    const std::size_t distance = edits(word, one);
    if (distance >= least) continue;
    least = distance;
    best = one;
  }
  return best;
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

}  // namespace perp::sim
