// The file: TOML, read strictly. Each key must be one of the table's, each value of its type.
#include "app/config/config.hpp"

#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/core/spelling.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <toml++/toml.h>

namespace perp::app {
namespace {

constexpr std::size_t bytes_max = 1 << 20;

struct Found {
  toml::source_position at;
  std::string what;
};

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "a text";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
  }
}

class Reading {
 public:
  struct Value {
    const Setting* setting;
    SettingValue value;
    toml::source_position at;
  };
  std::vector<Value> values;
  std::vector<Found> faults;

  void table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (const Setting* setting = find_setting(name); setting != nullptr) {
        take(*setting, node);
      } else if (is_settings_table(name)) {
        if (node.is_table())
          this->table(*node.as_table(), name + ".");
        else
          fault(node,
                fmt::format("'{}' is {}; expected a table [{}]", name, type_name(node), name));
      } else {
        unknown(key, name, prefix);
      }
    }
  }

 private:
  void fault(const toml::node& node, std::string what) {
    faults.push_back({node.source().begin, std::move(what)});
  }

  void unknown(const toml::key& key, const std::string& name, const std::string& prefix) {
    std::vector<std::string> known;
    for (const Setting& setting : settings()) known.push_back(setting.name);
    std::string hint = core::suggestion(name, known);
    if (hint.empty()) {  // the whole name is like none: perhaps the key stands in the wrong table
      const std::string last(key.str());
      for (const Setting& setting : settings())
        if (setting.name.ends_with("." + last)) hint = "; did you mean '" + setting.name + "'?";
    }
    if (hint.empty() && !prefix.empty()) {
      hint = fmt::format("; [{}] has", prefix.substr(0, prefix.size() - 1));
      std::string last;  // of a table's many keys one is enough
      for (const Setting& setting : settings()) {
        if (!setting.name.starts_with(prefix)) continue;
        const std::string part = setting.name.substr(
            prefix.size(), setting.name.find('.', prefix.size()) - prefix.size());
        if (part != last) hint += " " + part;
        last = part;
      }
    }
    if (hint.empty()) hint = "; `perp config keys` lists them";
    faults.push_back({key.source().begin, "unknown key '" + name + "'" + hint});
  }

  void take(const Setting& setting, const toml::node& node) {
    std::optional<SettingValue> value;
    switch (setting.type) {
      case SettingType::boolean:
        if (const auto* typed = node.as_boolean()) value = typed->get();
        break;
      case SettingType::integer:
        if (const auto* typed = node.as_integer()) value = typed->get();
        break;
      case SettingType::text:
        if (const auto* typed = node.as_string()) value = typed->get();
        break;
      case SettingType::list:
        if (const auto* text = node.as_string()) {
          std::string complaint;
          SettingValue parsed = parse_setting(setting, text->get(), complaint);
          if (!complaint.empty()) return fault(node, "'" + setting.name + "' " + complaint);
          value = std::move(parsed);
        } else if (const auto* array = node.as_array()) {
          std::vector<std::string> list;
          for (const toml::node& element : *array) {
            const auto* word = element.as_string();
            if (word == nullptr)
              return fault(element,
                           fmt::format("'{}' has {} in its list; expected {}", setting.name,
                                       type_name(element), expectation_of(setting)));
            list.push_back(word->get());
          }
          value = std::move(list);
        }
        break;
    }
    if (!value)
      return fault(node, fmt::format("'{}' is {}; expected {}", setting.name, type_name(node),
                                     expectation_of(setting)));
    std::string complaint = check_setting(setting, *value);
    if (!complaint.empty()) {
      if (setting.is_secret) complaint = "is not " + expectation_of(setting);  // shows no value
      return fault(node, "'" + setting.name + "' " + complaint);
    }
    values.push_back({&setting, std::move(*value), node.source().begin});
  }
};

std::string place_of(const std::string& name, const toml::source_position& at) {
  return fmt::format("{}:{}:{}", name, at.line, at.column);
}

}  // namespace

void Config::read_toml(std::string_view text, const std::string& name) {
  if (text.size() > bytes_max)
    return fault(
        name, fmt::format("has {} bytes; a configuration has at most {}", text.size(), bytes_max));
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return fault(place_of(name, error.source().begin), std::string(error.description()));
  }
  Reading reading;
  reading.table(table, "");
  std::sort(reading.faults.begin(), reading.faults.end(), [](const Found& a, const Found& b) {
    return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
  });
  for (Found& found : reading.faults) fault(place_of(name, found.at), std::move(found.what));
  for (Reading::Value& read : reading.values)
    set(*read.setting, std::move(read.value), Layer::file, place_of(name, read.at));
}

void Config::read_file(const std::string& path) {
  int error = 0;
  const core::File file = core::File::try_open(path, O_RDONLY, 0, error);
  if (!file.is_open()) return fault(path, fmt::format("cannot be read: {}", std::strerror(error)));
  std::string text(bytes_max + 1, '\0');
  try {
    text.resize(file.pread_all(std::as_writable_bytes(std::span(text)), 0));
  } catch (const core::Error& failure) {  // a folder, for one
    return fault(path, failure.what());
  }
  read_toml(text, path);
}

}  // namespace perp::app
