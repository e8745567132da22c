#include "app/config_import.hpp"

#include "app/config/config.hpp"
#include "app/yaml_text.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

struct Renamed {
  std::string_view before;
  std::string_view now;
};
/// Keys that have another name here. All others are looked up as they are.
constexpr auto renamed = std::to_array<Renamed>({
    {"collection.symbols", "exchanges.binance.symbols"},  // that program knew one venue
    {"binance.testnet", "exchanges.binance.testnet"},
});

/// Words of other loggers.
std::string level_of(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (word == "warning") return "warn";
  if (word == "critical" || word == "fatal") return "error";
  if (word == "trace" || word == "notset") return "debug";
  return word;
}

/// "BTC/USDT:USDT" and "BTC/USDT" are "BTCUSDT".
std::string symbol_of(std::string name) {
  name = name.substr(0, name.find(':'));
  std::erase(name, '/');
  return name;
}

/// As a flag or a variable would have it; empty: it is no such value.
std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  return {};
}

class Import {
 public:
  explicit Import(ImportedConfig& result) : result_(result) {}

  void walk(const std::string& path, const Json& value) {
    if (value.is_object()) {
      for (const auto& [key, inner] : value.items())
        walk(path.empty() ? key : fmt::format("{}.{}", path, key), inner);
      return;
    }
    if (value.is_null()) return;
    const auto found = std::find_if(renamed.begin(), renamed.end(),
                                    [&](const Renamed& row) { return row.before == path; });
    const Setting* const setting =
        find_setting(found == renamed.end() ? std::string_view(path) : found->now);
    if (setting == nullptr) return leave(path, "there is no such setting");
    if (setting->is_secret)
      return leave(path, fmt::format("a secret is not written: give it as {}",
                                     setting->other_variable.empty() ? variable_of(*setting)
                                                                     : setting->other_variable));
    take(path, *setting, value);
  }

 private:
  void leave(const std::string& path, const std::string& why) {
    result_.left.push_back(path + ": " + why);
  }

  void take(const std::string& path, const Setting& setting, const Json& value) {
    const bool are_symbols = setting.name == "symbols" || setting.name.ends_with(".symbols");
    std::vector<std::string> words;
    for (const Json& item : value.is_array() ? value : Json::array({value})) {
      std::string word = text_of(item);
      if (word.empty()) return leave(path, "is not " + expectation_of(setting));
      if (setting.name == "logging.level") word = level_of(word);
      if (are_symbols) word = symbol_of(word);
      if (are_symbols && word.starts_with("top") && word.size() > 3 &&
          std::all_of(word.begin() + 3, word.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return leave(path, "'" + word + "' is a rank: name the symbols, or all");
      words.push_back(std::move(word));
    }
    if (setting.type != SettingType::list && (value.is_array() || words.size() != 1))
      return leave(path, "is not " + expectation_of(setting));
    std::string joined;
    for (const std::string& word : words) joined += (joined.empty() ? "" : ",") + word;
    std::string complaint;
    const SettingValue parsed = parse_setting(setting, joined, complaint);
    if (!complaint.empty()) return leave(path, complaint);
    result_.toml += fmt::format("{} = {}\n", setting.name, toml_literal(parsed));
    ++result_.taken;
  }

  ImportedConfig& result_;
};

}  // namespace

ImportedConfig import_config(std::string_view text, const std::string& name) {
  Json root;
  if (name.ends_with(".json")) {
    try {
      root = Json::parse(text);
    } catch (const Json::parse_error& error) {
      throw core::Error("not JSON", name, error.what());
    }
  } else {
    root = parse_yaml(text, name);
  }
  if (!root.is_object())
    throw core::Error("not a configuration", name, "expected keys and their values");
  ImportedConfig result;
  Import(result).walk({}, root);
  return result;
}

}  // namespace perp::app
