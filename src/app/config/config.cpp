#include "app/config/config.hpp"

#include <perp/core/error.hpp>
#include <perp/core/spelling.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::app {

std::string_view name_of(Layer layer) noexcept {
  switch (layer) {
    case Layer::fallback: return "default";
    case Layer::file: return "file";
    case Layer::environment: return "environment";
    case Layer::flag: return "flag";
  }
  return "unknown";
}

Config::Config() {
  for (const Setting& setting : settings()) entries_[setting.name] = {setting.fallback, {}};
}

const Config::Entry& Config::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    throw core::Error("no such setting", std::string(name), "the table does not have it");
  return found->second;
}

bool Config::is_set(std::string_view name) const {
  return entry(name).origin.layer != Layer::fallback;
}

bool Config::is_special(std::string_view general, std::string_view special) const {
  return is_set(special) && entry(special).origin.layer >= entry(general).origin.layer;
}

void Config::set(const Setting& setting, SettingValue value, Layer layer, std::string place) {
  Entry& entry = entries_.find(setting.name)->second;
  if (layer < entry.origin.layer) return;
  entry = {std::move(value), {layer, std::move(place)}};
}

void Config::parse(const Setting& setting, const std::string& text, Layer layer,
                   const std::string& place) {
  std::string complaint;
  SettingValue value = parse_setting(setting, text, complaint);
  if (complaint.empty()) {
    set(setting, std::move(value), layer, place);
    return;
  }
  if (setting.is_secret) complaint = "is not " + expectation_of(setting);  // shows no value
  fault(place, complaint);
}

void Config::read_environment(std::span<const std::string> environment) {
  std::map<std::string, std::string, std::less<>> given;
  for (const std::string& pair : environment)
    if (const std::size_t equals = pair.find('='); equals + 1 < pair.size())
      given.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  std::vector<std::string> known{"PERP_CONFIG"};
  for (const Setting& setting : settings()) {
    known.push_back(variable_of(setting));
    for (const std::string& name : {known.back(), setting.other_variable}) {
      const auto found = given.find(name);
      if (name.empty() || found == given.end()) continue;
      parse(setting, found->second, Layer::environment, name);
      break;
    }
  }
  for (const auto& [name, value] : given) {
    if (!name.starts_with("PERP_") || std::find(known.begin(), known.end(), name) != known.end())
      continue;
    if (const std::string near = core::nearest(name, known); !near.empty())
      warnings_.push_back(
          fmt::format("{}: is no setting and has no effect; did you mean '{}'?", name, near));
  }
}

void Config::read_flag(const std::string& flag, const std::string& text) {
  if (flag == "--set") return read_pair(flag, text);
  std::vector<const Setting*> sharing;
  for (const Setting& setting : settings())
    if (setting.flag == flag || setting.other_flag == flag) sharing.push_back(&setting);
  if (sharing.empty()) return fault(flag, "is no flag of a setting");
  if (sharing.front()->flag_item.empty()) return parse(*sharing.front(), text, Layer::flag, flag);
  const std::size_t equals = text.find('=');
  const std::string item = text.substr(0, equals);
  std::vector<std::string> items;
  const Setting* found = nullptr;
  for (const Setting* setting : sharing) {
    if (std::find(items.begin(), items.end(), setting->flag_item) == items.end())
      items.push_back(setting->flag_item);
    // Two settings of one item are told apart by their value: an address by its scheme.
    const bool is_of_scheme =
        !setting->name.ends_with("rest_url") ||
        text.compare(equals == std::string::npos ? 0 : equals + 1, 4, "http") == 0;
    if (setting->flag_item == item && is_of_scheme) found = setting;
  }
  if (equals == std::string::npos || found == nullptr) {
    std::string names;
    for (const std::string& name : items) names += (names.empty() ? "" : ", ") + name;
    return fault(flag, fmt::format("is '{}'; expected NAME=VALUE with a name of {}{}", text, names,
                                   core::suggestion(item, items)));
  }
  parse(*found, text.substr(equals + 1), Layer::flag, flag + " " + item);
}

/// --set NAME=VALUE.
void Config::read_pair(const std::string& flag, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const Setting* setting = find_setting(name);
  if (setting != nullptr && equals != std::string::npos)
    return parse(*setting, text.substr(equals + 1), Layer::flag, flag + " " + name);
  std::vector<std::string> known;
  for (const Setting& row : settings()) known.push_back(row.name);
  if (equals == std::string::npos)
    return fault(flag, "is '" + name + "'; expected KEY=VALUE" + core::suggestion(name, known));
  fault(flag, "unknown key '" + name + "'" + core::suggestion(name, known));
}

std::string faults_text(const std::vector<ConfigFault>& faults) {
  std::string out;
  for (const ConfigFault& fault : faults) out += fault.text() + "\n";
  return out;
}

std::vector<std::string> changed_settings(const Config& before, const Config& after,
                                          bool is_reloaded) {
  std::vector<std::string> names;
  for (const Setting& setting : settings())
    if (setting.is_reloaded == is_reloaded &&
        before.value(setting.name) != after.value(setting.name))
      names.push_back(setting.name);
  return names;
}

}  // namespace perp::app
