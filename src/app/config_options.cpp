#include "app/config_options.hpp"

#include "app/commands.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>

namespace perp::app {

void add_config_options(CLI::App& command, ConfigArguments& arguments) {
  add_option_or_variable(command, "--config", arguments.file, "PERP_CONFIG",
                         "Configuration file (TOML)")
      ->group("Configuration");
  command
      .add_option("--set", arguments.given["--set"],
                  "KEY=VALUE of any key that `perp config keys` lists; repeatable")
      ->allow_extra_args(false)
      ->group("Configuration");
  command
      .add_flag_callback(
          "--no-color", [&arguments] { arguments.given["--color"] = {"never"}; }, "No colours")
      ->group("Configuration");
  std::set<std::string> added;
  for (const Setting& setting : settings()) {
    if (setting.flag.empty() || !added.insert(setting.flag).second) continue;
    std::vector<std::string>& texts = arguments.given[setting.flag];
    const std::string names =
        setting.flag + (setting.other_flag.empty() ? "" : "," + setting.other_flag);
    CLI::Option* option = nullptr;
    if (!setting.flag_item.empty()) {
      const char* help = setting.flag == "--pin" ? "Pin a thread: NAME=CPU"
                                                 : "Another address: NAME=wss://host[:port] and "
                                                   "NAME=https://host[:port]";
      option = command.add_option(names, texts, help)->delimiter(',')->allow_extra_args(false);
    } else if (setting.type == SettingType::boolean) {
      option = command.add_flag(names, texts, setting.help);
    } else {
      option = command.add_option(names, texts, setting.help)
                   ->allow_extra_args(false)
                   ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    option->group("Configuration");
  }
}

Config load_config(const ConfigArguments& arguments) {
  Config config;
  if (!arguments.file.empty()) config.read_file(arguments.file);
  std::vector<std::string> environment;
  for (char** pair = environ; *pair != nullptr; ++pair) environment.emplace_back(*pair);
  config.read_environment(environment);
  for (const auto& [flag, texts] : arguments.given)
    for (const std::string& text : texts) config.read_flag(flag, text);
  return config;
}

bool tell_faults(const Config& config) {
  for (const std::string& warning : config.warnings())
    std::fprintf(stderr, "perp: %s\n", warning.c_str());
  std::fputs(faults_text(config.faults()).c_str(), stderr);
  return config.faults().empty();
}

}  // namespace perp::app
