// The effective configuration as text: a file that can be read again, or JSON.
#include "app/config/config.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

/// A basic string of TOML. JSON's escapes are a subset of its own; DEL alone must be escaped more.
std::string quoted(const std::string& text) {
  std::string out = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; (at = out.find('\x7f', at)) != std::string::npos;)
    out.replace(at, 1, "\\u007f");
  return out;
}

Json json_of(const SettingValue& value) {
  if (const auto* yes = std::get_if<bool>(&value)) return *yes;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return *list;
  return nullptr;
}

bool is_shown(const Setting& setting, const SettingValue& value) {
  if (!setting.is_secret) return true;
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && text->empty();
}

std::string origin_text(const Origin& origin) {
  return origin.place.empty() ? std::string(name_of(origin.layer))
                              : fmt::format("{} {}", name_of(origin.layer), origin.place);
}

}  // namespace

std::string toml_literal(const SettingValue& value) {
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  std::string out = "[";
  for (const std::string& word : std::get<std::vector<std::string>>(value))
    out += (out.size() == 1 ? "" : ", ") + quoted(word);
  return out + "]";
}

std::string config_toml(const Config& config, bool with_origin) {
  std::string out;
  std::string table;
  // TOML wants the keys of the top before the first table.
  for (const bool is_top : {true, false}) {
    for (const Setting& setting : settings()) {
      const std::size_t dot = setting.name.rfind('.');
      if ((dot == std::string::npos) != is_top) continue;
      const std::string own = is_top ? "" : setting.name.substr(0, dot);
      if (own != table) {
        out += fmt::format("\n[{}]\n", own);
        table = own;
      }
      const SettingValue& value = config.value(setting.name);
      const std::string key = is_top ? setting.name : setting.name.substr(dot + 1);
      std::string line =
          std::holds_alternative<std::monostate>(value) ? fmt::format("# {} is not set", key)
          : is_shown(setting, value) ? fmt::format("{} = {}", key, toml_literal(value))
                                     : fmt::format("# {} is set (a secret)", key);
      if (with_origin)
        line = fmt::format("{:<44} # {}", line, origin_text(config.origin(setting.name)));
      out += line + "\n";
    }
  }
  return out;
}

std::string config_json(const Config& config, bool with_origin) {
  Json json = Json::object();
  for (const Setting& setting : settings()) {
    const SettingValue& value = config.value(setting.name);
    Json shown = is_shown(setting, value) ? json_of(value) : Json("(secret)");
    if (with_origin) {
      const Origin& origin = config.origin(setting.name);
      shown = {{"value", std::move(shown)},
               {"origin", name_of(origin.layer)},
               {"place", origin.place.empty() ? Json() : Json(origin.place)}};
    }
    json[setting.name] = std::move(shown);
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace perp::app
