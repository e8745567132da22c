#pragma once
// Text files compiled into the program by perp_embed() in cmake/PerpEmbed.cmake.
#include <span>
#include <string_view>

namespace perp::core {

struct EmbeddedFile {
  std::string_view name;
  std::string_view text;
};

}  // namespace perp::core
