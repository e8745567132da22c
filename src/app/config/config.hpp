#pragma once
// The effective configuration: the value of every setting and where it came from. A later layer
// wins over an earlier one in whatever order they are read: flag > environment > file > default.
// Reading never throws for what a person wrote: it collects every fault with its place, and a
// configuration with faults is not to be used. Cold; one thread.
#include "app/config/setting.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::app {

enum class Layer : std::uint8_t { fallback, file, environment, flag };
std::string_view name_of(Layer layer) noexcept;

struct Origin {
  Layer layer = Layer::fallback;
  std::string place{};  ///< "perp.toml:3:1", "PERP_IO", "--io"
};

struct ConfigFault {
  std::string place{};  ///< "perp.toml:3:1", "PERP_IO", "--io"
  std::string what{};
  std::string text() const { return place + ": " + what; }
};

class Config {
 public:
  Config();

  /// The file's text. @param name of the file, for places
  void read_toml(std::string_view text, const std::string& name);
  /// Reads the file. What it cannot read is a fault.
  void read_file(const std::string& path);
  /// "NAME=VALUE" each, as in environ. An empty value counts as not set. A PERP_ variable that is
  /// like a known one but is none becomes a warning: others use that prefix too.
  void read_environment(std::span<const std::string> environment);
  /// @param flag as typed, "--pin"; @param text its value
  void read_flag(const std::string& flag, const std::string& text);

  const std::vector<ConfigFault>& faults() const { return faults_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  const SettingValue& value(std::string_view name) const { return entry(name).value; }
  const Origin& origin(std::string_view name) const { return entry(name).origin; }
  bool is_set(std::string_view name) const;  ///< by anybody: not the default
  // Of a setting of that type; for one that may be unset, only where it is set.
  bool boolean(std::string_view name) const { return std::get<bool>(value(name)); }
  std::int64_t integer(std::string_view name) const { return std::get<std::int64_t>(value(name)); }
  const std::string& text(std::string_view name) const {
    return std::get<std::string>(value(name));
  }
  const std::vector<std::string>& list(std::string_view name) const {
    return std::get<std::vector<std::string>>(value(name));
  }
  /// Which of two decides, a general setting or its special one: the special one, unless the
  /// general one was given in a later layer.
  bool is_special(std::string_view general, std::string_view special) const;

 private:
  struct Entry {
    SettingValue value{};
    Origin origin{};
  };
  const Entry& entry(std::string_view name) const;
  void set(const Setting& setting, SettingValue value, Layer layer, std::string place);
  void parse(const Setting& setting, const std::string& text, Layer layer,
             const std::string& place);
  void read_pair(const std::string& flag, const std::string& text);
  void fault(std::string place, std::string what) {
    faults_.push_back({std::move(place), std::move(what)});
  }

  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<ConfigFault> faults_;
  std::vector<std::string> warnings_;
};

/// Each fault on a line.
std::string faults_text(const std::vector<ConfigFault>& faults);
/// A value as TOML writes it.
std::string toml_literal(const SettingValue& value);
/// A file that gives the same configuration, without secrets. @param with_origin each line says
/// where the value came from
std::string config_toml(const Config& config, bool with_origin);
std::string config_json(const Config& config, bool with_origin);
/// Names of settings whose values differ. @param is_reloaded only those of which this is true
std::vector<std::string> changed_settings(const Config& before, const Config& after,
                                          bool is_reloaded);

}  // namespace perp::app
