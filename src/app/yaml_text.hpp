#pragma once
// The YAML that configuration files are written in: maps by indentation, lists of scalars ("- x"
// and [a, b]), quoted and plain scalars, comments. Everything else (anchors, tags, block texts,
// flow maps, lists of maps, tabs) is refused by name rather than misread.
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace perp::app {

/// Maps, arrays, strings, numbers, booleans and nulls, keys in the file's order.
/// @param name of the file, for places @throws core::Error with "name:line"
nlohmann::ordered_json parse_yaml(std::string_view text, const std::string& name);

}  // namespace perp::app
