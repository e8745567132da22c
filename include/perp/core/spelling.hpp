#pragma once
// Which known word somebody may have meant: for messages about settings, columns, options. Cold
// path, any thread.
#include <span>
#include <string>
#include <string_view>

namespace perp::core {

/// The known text that differs least; empty where none is like it.
std::string nearest(std::string_view text, std::span<const std::string> known);
/// "; did you mean 'io'?" or nothing.
std::string suggestion(std::string_view text, std::span<const std::string> known);

}  // namespace perp::core
