#include "net/http_shared.hpp"

#include <fmt/format.h>

namespace perp::net {

std::string locate(std::string_view message, const HttpHead& head, const HttpBody& body,
                   bool is_in_body, HttpError error) {
  if (error == HttpError::none) return {};
  if (is_in_body && body.error_byte())
    return fmt::format("{} body, byte {}: {}", message, *body.error_byte(), to_string(error));
  if (is_in_body) return fmt::format("{} content: {}", message, to_string(error));
  return fmt::format("{} head, line {}: {}", message, head.line(), to_string(error));
}

}  // namespace perp::net
