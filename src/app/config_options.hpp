#pragma once
// The command line's part of the configuration: --config, --set KEY=VALUE and a flag for each
// setting that has one, made from the table; and all layers together.
#include "app/config/config.hpp"

#include <CLI/CLI.hpp>

#include <map>
#include <string>
#include <vector>

namespace perp::app {

struct ConfigArguments {
  std::string file{};  ///< --config, else PERP_CONFIG; empty: none
  std::map<std::string, std::vector<std::string>> given{};  ///< flag -> its values
};

/// `arguments` must outlive the parsing.
void add_config_options(CLI::App& command, ConfigArguments& arguments);
/// File, environment, flags. Look at faults() before anything else.
Config load_config(const ConfigArguments& arguments);
/// Tells warnings and faults on stderr. @returns whether there are no faults
bool tell_faults(const Config& config);

}  // namespace perp::app
