#pragma once
// Writing the little JSON that a client sends. Private to the venue layer.
#include <cstdint>
#include <string>
#include <string_view>

namespace perp::venue {

/// The inside of a JSON string. UTF-8 goes through as it is.
inline void append_escaped(std::string& out, std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += byte;
    } else if (code < 0x20) {
      out += "\\u00";
      out += digits[code >> 4];
      out += digits[code & 15];
    } else {
      out += byte;
    }
  }
}

inline void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

}  // namespace perp::venue
