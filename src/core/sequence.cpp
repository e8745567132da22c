#include <perp/core/error.hpp>
#include <perp/core/sequence.hpp>

#include <fmt/format.h>

#include <bit>

namespace perp::core {

void check_capacity(const char* where, std::size_t capacity, std::size_t min, std::size_t max) {
  if (std::has_single_bit(capacity) && capacity >= min && capacity <= max) return;
  throw Error(fmt::format("capacity {} refused", capacity), where,
              fmt::format("it must be a power of two from {} to {}", min, max));
}

}  // namespace perp::core
