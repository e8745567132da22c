#pragma once
// The cold path's exception: start, options, files, SQL. The hot path returns small enums instead.
#include <stdexcept>
#include <string>

namespace perp::core {

/// What failed, where (a file, a line, an option, a statement) and why. `what()` is "where: what:
/// why".
class Error : public std::runtime_error {
 public:
  Error(const std::string& what, const std::string& where, const std::string& why)
      : std::runtime_error(where.empty() ? what + ": " + why : where + ": " + what + ": " + why) {}
};

/// "what: why" of a failed system call, with errno's text. @param code errno as the call left it.
[[noreturn]] void throw_system_error(const std::string& what, const std::string& where, int code);

}  // namespace perp::core
