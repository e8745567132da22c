#include "sim/faults/script_line.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

namespace perp::sim {

void ScriptLine::fail(std::size_t column, const std::string& what, const std::string& why) const {
  throw core::Error(what, fmt::format("{}:{}:{}", name, number, column), why);
}

std::vector<ScriptToken> ScriptLine::split() const {
  std::vector<ScriptToken> tokens;
  std::size_t at = 0;
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  for (;;) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size() || text[at] == '#') return tokens;
    ScriptToken token{.column = at + 1};
    const std::size_t begin = at;
    while (at < text.size() && !is_space(text[at]) && text[at] != '=') {
      check_byte(at);
      if (text[at] == '"')
        fail(at + 1, "a quote inside a word", "quotes stand around a value: match=\"a b\"");
      ++at;
    }
    token.word = text.substr(begin, at - begin);
    if (at < text.size() && text[at] == '=') {
      token.has_value = true;
      token.value_column = ++at + 1;
      if (at < text.size() && text[at] == '"') {
        at = take_quoted(at, token.value);
      } else {
        while (at < text.size() && !is_space(text[at])) {
          check_byte(at);
          if (text[at] == '"')
            fail(at + 1, "a quote inside a value", "put the whole value in quotes: \"a\\\"b\"");
          token.value += text[at++];
        }
      }
    }
    tokens.push_back(std::move(token));
  }
}

void ScriptLine::check_byte(std::size_t at) const {
  if (static_cast<unsigned char>(text[at]) < 0x20 || text[at] == 0x7f)
    fail(at + 1, "a control byte", "expected text");
}

std::size_t ScriptLine::take_quoted(std::size_t at, std::string& value) const {
  const std::size_t opening = at++;
  for (; at < text.size(); ++at) {
    if (text[at] == '"') {
      ++at;
      if (at < text.size() && text[at] != ' ' && text[at] != '\t')
        fail(at + 1, "text directly behind a closing quote", "expected a space");
      return at;
    }
    check_byte(at);
    if (text[at] != '\\') {
      value += text[at];
      continue;
    }
    if (++at == text.size()) break;
    switch (text[at]) {
      case '"':
      case '\\': value += text[at]; break;
      case 'n': value += '\n'; break;
      case 't': value += '\t'; break;
      default:
        fail(at, fmt::format("unknown escape '\\{}'", text[at]),
             "expected one of \\\", \\\\, \\n, \\t");
    }
  }
  fail(opening + 1, "a quote that is not closed", "expected '\"' before the line's end");
}

}  // namespace perp::sim
