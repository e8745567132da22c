#pragma once
// What kind of server holds the warehouse: it decides how series are cut, and what the server does
// by itself.
#include <cstdint>
#include <string_view>

namespace perp::warehouse {

enum class Backend : std::uint8_t {
  automatic,  ///< what the server offers; what the database already has
  timescale,  ///< hypertables, retention and compression policies by the server (Community licence)
  apache,     ///< hypertables, retention by our own maintenance (Apache licence, as distributions
              ///< build it)
  plain,      ///< partitions, made and dropped by our own maintenance
};
std::string_view to_string(Backend backend);
/// Throws core::Error on anything but auto, automatic, timescale, apache, plain.
Backend parse_backend(std::string_view text);

}  // namespace perp::warehouse
