#pragma once
// Editing the numbers behind keys of a JSON text in place, as text: `"E":1700000000123` and
// `"ts":"1700000000123"`. Whole numbers only; all other bytes stay. For faults: it does not check
// that the text is JSON, and a key inside a text value would be taken for one.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace perp::sim {

/// Writes `text` to `edited` with each whole number behind one of `keys` replaced by what `edit`
/// gives for it. @param edit gets the key and the number's digits (a '-' before them where one is)
/// and appends what is to stand there instead; returns false to leave it. @returns how many were
/// replaced by something else.
std::size_t edit_numbers(std::string_view text, std::span<const std::string> keys,
                         std::string& edited,
                         const std::function<bool(std::string_view key, std::string_view number,
                                                  std::string& out)>& edit);

/// The digits as a number. @returns false where it does not fit
bool to_number(std::string_view digits, std::int64_t& value) noexcept;

}  // namespace perp::sim
