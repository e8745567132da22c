#include <perp/core/error.hpp>

#include <system_error>

namespace perp::core {

void throw_system_error(const std::string& what, const std::string& where, int code) {
  throw Error(what, where, std::generic_category().message(code));
}

}  // namespace perp::core
