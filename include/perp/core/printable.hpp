#pragma once
// Text from outside made fit for a line of a log or a terminal. Pure functions; any thread.
#include <cstddef>
#include <string>
#include <string_view>

namespace perp::core {

/// One character of UTF-8. Its size is 0 where the bytes are none (overlong forms, surrogates and
/// everything beyond U+10FFFF included).
struct Character {
  char32_t code = 0;
  std::size_t size = 0;
};
/// The first character of a text that is not empty.
Character first_character(std::string_view text) noexcept;

/// What could end a line, move the cursor, or show text in another order than it stands.
bool is_unsafe(char32_t code) noexcept;

/// Each byte of an unsafe character, and each that is no UTF-8, as \x1b.
std::string printable(std::string_view text);

}  // namespace perp::core
