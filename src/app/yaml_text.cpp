#include "app/yaml_text.hpp"

#include <perp/core/error.hpp>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

struct Line {
  std::size_t number = 0;
  std::size_t indent = 0;
  std::string_view text{};  ///< without indentation, comment and what is blank at its end
};

class Reader {
 public:
  Reader(std::string_view text, std::string name) : name_(std::move(name)) {
    std::size_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      add(text.substr(0, end), ++number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  Json read() {
    if (lines_.empty()) return Json::object();
    Json root = block(lines_.front().indent, 0);
    if (at_ < lines_.size()) refuse(lines_[at_], "its indentation fits no line above");
    return root;
  }

 private:
  static constexpr int depth_max = 32;

  [[noreturn]] void refuse(const Line& line, const std::string& why) const {
    throw core::Error("not the YAML of a configuration file",
                      name_ + ":" + std::to_string(line.number), why);
  }

  void add(std::string_view text, std::size_t number) {
    Line line{.number = number};
    while (line.indent < text.size() && text[line.indent] == ' ') ++line.indent;
    text.remove_prefix(line.indent);
    if (text.starts_with('\t')) refuse(line, "indentation is of spaces");
    // A comment begins where a text does not go on, and not inside quotes.
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (quote != 0)
        quote = c == quote ? '\0' : quote;
      else if ((c == '"' || c == '\'') && begins_value(text, i))
        quote = c;
      else if (c == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t'))
        text = text.substr(0, i);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
      text.remove_suffix(1);
    line.text = text;
    if (text.empty() || text == "---") return;
    lines_.push_back(line);
  }

  /// A quote elsewhere is an apostrophe.
  static bool begins_value(std::string_view text, std::size_t at) {
    return at == 0 || text[at - 1] == ' ' || text[at - 1] == '[' || text[at - 1] == ',';
  }

  Json block(std::size_t indent, int depth) {
    if (depth > depth_max) refuse(lines_[at_], "it is nested too deeply");
    return is_item(lines_[at_]) ? list(indent) : map(indent, depth);
  }

  static bool is_item(const Line& line) { return line.text == "-" || line.text.starts_with("- "); }

  Json list(std::size_t indent) {
    Json items = Json::array();
    while (at_ < lines_.size() && lines_[at_].indent == indent && is_item(lines_[at_])) {
      const Line& line = lines_[at_++];
      std::string_view text = line.text.substr(1);
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      if (text.empty() || text.starts_with("- ") || key_end(text) != std::string_view::npos)
        refuse(line, "a list has plain values");
      items.push_back(value(line, text));
    }
    return items;
  }

  Json map(std::size_t indent, int depth) {
    Json made = Json::object();
    while (at_ < lines_.size() && lines_[at_].indent == indent && !is_item(lines_[at_])) {
      const Line& line = lines_[at_++];
      const std::size_t colon = key_end(line.text);
      if (colon == std::string_view::npos) refuse(line, "expected `key: value`");
      const Json key = value(line, line.text.substr(0, colon));
      const std::string name = key.is_string() ? key.get<std::string>() : key.dump();
      if (made.contains(name)) refuse(line, "'" + name + "' is there twice");
      std::string_view rest = line.text.substr(colon + 1);
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      if (!rest.empty())
        made[name] = value(line, rest);
      else if (at_ < lines_.size() && lines_[at_].indent > indent)
        made[name] = block(lines_[at_].indent, depth + 1);
      else if (at_ < lines_.size() && lines_[at_].indent == indent && is_item(lines_[at_]))
        made[name] = list(indent);  // items may stand below their key
      else
        made[name] = nullptr;
    }
    return made;
  }

  /// Of "key: value" and "key:", outside of quotes.
  static std::size_t key_end(std::string_view text) {
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (quote != 0)
        quote = c == quote ? '\0' : quote;
      else if (i == 0 && (c == '"' || c == '\''))
        quote = c;
      else if (c == '[' && i == 0)
        return std::string_view::npos;
      else if (c == ':' && (i + 1 == text.size() || text[i + 1] == ' '))
        return i;
    }
    return std::string_view::npos;
  }

  Json value(const Line& line, std::string_view text) const {
    switch (text.front()) {
      case '[': return flow(line, text);
      case '"':
      case '\'': return quoted(line, text);
      case '{':
      case '&':
      case '*':
      case '!':
      case '|':
      case '>':
      case '%':
      case '@':
      case '`': refuse(line, "'" + std::string(text) + "' is not a plain value");
      default: return plain(text);
    }
  }

  Json flow(const Line& line, std::string_view text) const {
    if (text.size() < 2 || text.back() != ']') refuse(line, "a list ends on its line");
    text = text.substr(1, text.size() - 2);
    Json items = Json::array();
    while (text.find_first_not_of(' ') != std::string_view::npos) {
      text.remove_prefix(text.find_first_not_of(' '));
      std::size_t end = 0;
      char quote = 0;
      for (; end < text.size() && (quote != 0 || text[end] != ','); ++end)
        if (quote != 0)
          quote = text[end] == quote ? '\0' : quote;
        else if (text[end] == '"' || text[end] == '\'')
          quote = text[end];
      std::string_view item = text.substr(0, end);
      while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
      if (item.empty() || item.front() == '[') refuse(line, "a list has plain values");
      items.push_back(value(line, item));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return items;
  }

  Json quoted(const Line& line, std::string_view text) const {
    const char quote = text.front();
    if (text.size() < 2 || text.back() != quote) refuse(line, "a text ends with its quote");
    const std::string_view inside = text.substr(1, text.size() - 2);
    if (inside.find(quote) != std::string_view::npos ||
        (quote == '"' && inside.find('\\') != std::string_view::npos))
      refuse(line, "escapes are not read: give the text in other quotes");
    return std::string(inside);
  }

  static Json plain(std::string_view text) {
    for (const std::string_view word : {"true", "True", "yes", "on"})
      if (text == word) return true;
    for (const std::string_view word : {"false", "False", "no", "off"})
      if (text == word) return false;
    if (text == "null" || text == "~") return nullptr;
    const char* const end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto read = std::from_chars(text.data(), end, whole);
        read.ec == std::errc{} && read.ptr == end)
      return whole;
    double number = 0;
    if (const auto read = std::from_chars(text.data(), end, number);
        read.ec == std::errc{} && read.ptr == end)
      return number;
    return std::string(text);
  }

  std::string name_;
  std::vector<Line> lines_;
  std::size_t at_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, const std::string& name) {
  return Reader(text, name).read();
}

}  // namespace perp::app
