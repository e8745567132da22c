#include "app/config/setting.hpp"

#include <perp/core/spelling.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace perp::app {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string check_text(const Setting& setting, const std::string& text) {
  if (setting.choices.empty() ||
      std::find(setting.choices.begin(), setting.choices.end(), text) != setting.choices.end())
    return {};
  return fmt::format("is '{}'; expected {}{}", text, expectation_of(setting),
                     core::suggestion(text, setting.choices));
}

}  // namespace

const Setting* find_setting(std::string_view name) {
  for (const Setting& setting : settings())
    if (setting.name == name) return &setting;
  return nullptr;
}

bool is_settings_table(std::string_view name) {
  for (const Setting& setting : settings())
    if (setting.name.size() > name.size() && setting.name[name.size()] == '.' &&
        setting.name.starts_with(name))
      return true;
  return false;
}

std::string variable_of(const Setting& setting) {
  std::string variable = "PERP_";
  for (const char c : setting.name)
    variable += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

std::string expectation_of(const Setting& setting) {
  switch (setting.type) {
    case SettingType::boolean: return "true or false";
    case SettingType::integer:
      if (setting.most == std::numeric_limits<std::int64_t>::max())
        return fmt::format("an integer of at least {}", setting.least);
      return fmt::format("an integer from {} to {}", setting.least, setting.most);
    case SettingType::text:
      return setting.choices.empty() ? "a text" : "one of " + joined(setting.choices);
    case SettingType::list:
      return setting.choices.empty() ? "a list of texts" : "a list of " + joined(setting.choices);
  }
  return {};
}

std::string check_setting(const Setting& setting, const SettingValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value);
      number != nullptr && (*number < setting.least || *number > setting.most))
    return fmt::format("is {}; expected {}", *number, expectation_of(setting));
  if (const auto* text = std::get_if<std::string>(&value); text != nullptr)
    if (std::string what = check_text(setting, *text); !what.empty()) return what;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value); list != nullptr) {
    for (const std::string& text : *list) {
      if (text.empty()) return "has an empty text in its list";
      if (std::string what = check_text(setting, text); !what.empty()) return what;
      if (text == "all" && list->size() > 1) return "has 'all' beside others; it stands alone";
    }
  }
  const bool is_set = !std::holds_alternative<std::monostate>(value);
  return is_set && setting.complaint != nullptr ? setting.complaint(value) : std::string();
}

SettingValue parse_setting(const Setting& setting, const std::string& text,
                           std::string& complaint) {
  SettingValue value;
  switch (setting.type) {
    case SettingType::boolean:
      if (text == "true" || text == "yes" || text == "on" || text == "1") {
        value = true;
      } else if (text == "false" || text == "no" || text == "off" || text == "0") {
        value = false;
      } else {
        complaint = fmt::format("is '{}'; expected {}", text, expectation_of(setting));
      }
      break;
    case SettingType::integer: {
      std::int64_t number = 0;
      const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
      if (read.ec == std::errc{} && read.ptr == text.data() + text.size() && !text.empty()) {
        value = number;
      } else {
        complaint = fmt::format("is '{}'; expected {}", text, expectation_of(setting));
      }
      break;
    }
    case SettingType::text: value = text; break;
    case SettingType::list: {
      std::vector<std::string> list;
      for (std::size_t from = 0; from < text.size();) {
        const std::size_t comma = std::min(text.find(',', from), text.size());
        std::string word = text.substr(from, comma - from);
        word.erase(0, word.find_first_not_of(' '));
        word.erase(word.find_last_not_of(' ') + 1);
        list.push_back(std::move(word));
        from = comma + 1;
      }
      value = std::move(list);
      break;
    }
  }
  if (complaint.empty()) complaint = check_setting(setting, value);
  return value;
}

}  // namespace perp::app
