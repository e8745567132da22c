#pragma once
// The configuration files of the programs that came before (YAML or JSON) as a file of ours. What
// means the same is taken; what has no place here is listed, never guessed. Cold.
#include <string>
#include <string_view>
#include <vector>

namespace perp::app {

struct ImportedConfig {
  std::string toml{};  ///< reads back without a fault
  std::size_t taken = 0;
  std::vector<std::string> left{};  ///< "redis.host: there is no such setting", in the file's order
};

/// @param name of the file: ".json" is JSON, else YAML
/// @throws core::Error with the place of what is neither
ImportedConfig import_config(std::string_view text, const std::string& name);

}  // namespace perp::app
