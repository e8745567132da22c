#pragma once
// Bound values in libpq's shape: types, pointers, lengths, formats (all binary).
#include <perp/warehouse/connection.hpp>

#include <span>
#include <string>
#include <vector>

namespace perp::warehouse {

class Parameters {
 public:
  explicit Parameters(std::span<const Value> values);

  int count() const { return static_cast<int>(types_.size()); }
  const std::uint32_t* types() const { return types_.data(); }
  const char* const* values() const { return pointers_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  std::vector<std::uint32_t> types_;
  std::vector<std::string> bytes_;
  std::vector<const char*> pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

}  // namespace perp::warehouse
