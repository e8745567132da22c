#include "warehouse/parameters.hpp"

#include "warehouse/wire.hpp"

#include <bit>
#include <cmath>

namespace perp::warehouse {
namespace {

// Appends the value's bytes, returns its type's OID.
struct Encode {
  std::string& out;

  std::uint32_t operator()(Null null) const { return null.type; }
  std::uint32_t operator()(bool value) const {
    out += value ? '\1' : '\0';
    return oid_bool;
  }
  std::uint32_t operator()(std::int16_t value) const {
    append_u16(out, static_cast<std::uint16_t>(value));
    return oid_int2;
  }
  std::uint32_t operator()(std::int32_t value) const {
    append_u32(out, static_cast<std::uint32_t>(value));
    return oid_int4;
  }
  std::uint32_t operator()(std::int64_t value) const {
    append_u64(out, static_cast<std::uint64_t>(value));
    return oid_int8;
  }
  std::uint32_t operator()(double value) const {
    append_u64(out, std::bit_cast<std::uint64_t>(value));
    return oid_float8;
  }
  std::uint32_t operator()(const std::string& value) const {
    out += value;
    return oid_text;
  }
  std::uint32_t operator()(const std::vector<std::string>& values) const {
    header(values.size(), oid_text);
    for (const std::string& value : values) {
      append_u32(out, static_cast<std::uint32_t>(value.size()));
      out += value;
    }
    return oid_text_array;
  }
  std::uint32_t operator()(const std::vector<std::int64_t>& values) const {
    header(values.size(), oid_int8);
    for (std::int64_t value : values) {
      append_u32(out, 8);
      append_u64(out, static_cast<std::uint64_t>(value));
    }
    return oid_int8_array;
  }
  void header(std::size_t count, std::uint32_t element) const {
    append_u32(out, count == 0 ? 0 : 1);  // dimensions
    append_u32(out, 0);                   // no NULL inside
    append_u32(out, element);
    if (count == 0) return;
    append_u32(out, static_cast<std::uint32_t>(count));
    append_u32(out, 1);  // the first index
  }
};

}  // namespace

Parameters::Parameters(std::span<const Value> values) : bytes_(values.size()) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    types_.push_back(std::visit(Encode{bytes_[i]}, values[i]));
    pointers_.push_back(std::holds_alternative<Null>(values[i]) ? nullptr : bytes_[i].data());
    lengths_.push_back(static_cast<int>(bytes_[i].size()));
    formats_.push_back(1);
  }
}

Value number_or_null(double value) {
  return std::isnan(value) ? Value(Null{oid_float8}) : Value(value);
}
Value integer_or_null(bool known, std::int64_t value) {
  return known ? Value(value) : Value(Null{oid_int8});
}
Value text_or_null(std::string_view text) {
  return text.empty() ? Value(Null{oid_text}) : Value(std::string(text));
}

}  // namespace perp::warehouse
