#pragma once
// THE table of settings: each key of the configuration once, with its TOML path, its environment
// variable, its flag, its type, bounds and default, and whether a running daemon takes a new value.
// The file reader, the environment, the command line, `perp config` and docs/configuration.md read
// this table. Constant after the first call; any thread.
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perp::app {

/// monostate: not set, something else decides (the help says what).
using SettingValue =
    std::variant<std::monostate, bool, std::int64_t, std::string, std::vector<std::string>>;

enum class SettingType : std::uint8_t {
  boolean,
  integer,
  text,
  list,  ///< of texts; one text with commas means the same
};

struct Setting {
  std::string name{};  ///< its place in the file: "journal.sync_ms"
  SettingType type = SettingType::text;
  SettingValue fallback{};
  std::string flag{};            ///< "--sync-ms"; empty: only --set NAME=VALUE
  std::string flag_item{};       ///< "engine": the flag is shared and takes engine=VALUE
  std::string other_flag{};      ///< another spelling of the flag
  std::string other_variable{};  ///< a variable that is read where PERP_... is not set
  std::int64_t least = 0;        ///< of an integer
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string> choices{};  ///< of a text, or of each text of a list; empty: any
  /// What is wrong with a value that has the right type and bounds; empty: nothing. May be null.
  std::string (*complaint)(const SettingValue& value) = nullptr;
  bool is_reloaded = false;  ///< SIGHUP takes a new value; otherwise it needs a restart
  bool is_secret = false;    ///< never shown
  std::string help{};
};

const std::vector<Setting>& settings();
const Setting* find_setting(std::string_view name);
/// Whether keys begin with "name.".
bool is_settings_table(std::string_view name);
/// "PERP_JOURNAL_SYNC_MS".
std::string variable_of(const Setting& setting);
/// "an integer from 0 to 60000", "one of auto, uring, epoll".
std::string expectation_of(const Setting& setting);

/// From a flag or a variable. @param complaint what is wrong, without the place; empty: nothing.
SettingValue parse_setting(const Setting& setting, const std::string& text, std::string& complaint);
/// Bounds, choices and the setting's own check. @returns what is wrong, or nothing.
std::string check_setting(const Setting& setting, const SettingValue& value);

/// docs/configuration.md's table.
std::string settings_markdown();

}  // namespace perp::app
