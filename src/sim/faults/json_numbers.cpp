#include "sim/faults/json_numbers.hpp"

#include <algorithm>
#include <charconv>

namespace perp::sim {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// The closing quote of a text that begins at `at`.
std::size_t end_of_text(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2U : 1U;
  return at < text.size() ? at : std::string_view::npos;
}

}  // namespace

std::size_t edit_numbers(std::string_view text, std::span<const std::string> keys,
                         std::string& edited,
                         const std::function<bool(std::string_view key, std::string_view number,
                                                  std::string& out)>& edit) {
  edited.clear();
  std::size_t count = 0;
  std::size_t copied = 0;
  std::size_t at = 0;
  const auto skip_space = [&text](std::size_t i) {
    while (i < text.size() && is_space(text[i])) ++i;
    return i;
  };
  while ((at = text.find('"', at)) != std::string_view::npos) {
    const std::size_t key_begin = at + 1;
    const std::size_t key_end = end_of_text(text, key_begin);
    if (key_end == std::string_view::npos) break;
    const std::size_t colon = skip_space(key_end + 1);
    if (colon >= text.size() || text[colon] != ':') {
      at = key_end + 1;  // a value
      continue;
    }
    std::size_t begin = skip_space(colon + 1);
    at = begin;
    const std::string_view key = text.substr(key_begin, key_end - key_begin);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    const bool is_quoted = begin < text.size() && text[begin] == '"';
    if (is_quoted) ++begin;
    std::size_t end = begin;
    if (end < text.size() && text[end] == '-') ++end;
    const std::size_t digits = end;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end == digits) continue;
    // "12.5" and 1e3 are no whole numbers.
    const char behind = end < text.size() ? text[end] : ' ';
    if (is_quoted ? behind != '"' : behind == '.' || behind == 'e' || behind == 'E') continue;
    at = is_quoted ? end + 1 : end;
    const std::size_t before = edited.size();
    edited.append(text, copied, begin - copied);
    const std::size_t kept = edited.size();
    const std::string_view number = text.substr(begin, end - begin);
    if (!edit(key, number, edited) || std::string_view(edited).substr(kept) == number) {
      edited.resize(before);
      continue;
    }
    copied = end;
    ++count;
  }
  edited.append(text, copied);
  return count;
}

bool to_number(std::string_view digits, std::int64_t& value) noexcept {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace perp::sim
