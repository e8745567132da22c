// The bytes are a configuration file. Reading it must neither crash nor throw; each fault says
// where; what is read without a fault gives a file that reads back to the same configuration; and
// no text of a secret is in what is shown.
#include "app/config/config.hpp"
#include "fuzz/require.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace perp::app;
using perp::net::test::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Config config;
  config.read_toml(text, "fuzz.toml");
  for (const ConfigFault& fault : config.faults()) {
    require(fault.place.starts_with("fuzz.toml"), "a fault has its place");
    require(!fault.what.empty(), "a fault says what");
  }
  for (const Setting& setting : settings())
    require(check_setting(setting, config.value(setting.name)).empty(),
            "what is in force is within its bounds, faults or not");
  if (!config.faults().empty()) return 0;

  const std::string shown = config_toml(config, true);
  Config again;
  again.read_toml(shown, "shown.toml");
  require(again.faults().empty(), "what is shown is a configuration");
  for (const Setting& setting : settings()) {
    if (!setting.is_secret) {
      require(again.value(setting.name) == config.value(setting.name), "and the same one");
      continue;
    }
    const std::string& secret = config.text(setting.name);
    // A short one may be a word of another value.
    require(secret.size() < 16 || text.find(secret) == std::string_view::npos ||
                shown.find(secret) == std::string::npos,
            "a secret is not shown");
  }
  require(!config_json(config, true).empty(), "JSON can be made of it");
  return 0;
}
