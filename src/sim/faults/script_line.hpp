#pragma once
// One line of a fault script as words and values with their columns. Cold path; any thread.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

struct ScriptToken {
  std::string_view word{};  ///< before '=', or all of it
  std::string value{};      ///< behind '=', its quotes and escapes undone
  std::size_t column = 1;   ///< of the word
  std::size_t value_column = 1;
  bool has_value = false;
};

struct ScriptLine {
  std::string_view text;
  std::size_t number;
  const std::string& name;  ///< of the script

  /// Without the comment. @throws as fail() where a quote, an escape or a byte is wrong
  std::vector<ScriptToken> split() const;
  /// @throws core::Error "name:line:column: what: why"
  [[noreturn]] void fail(std::size_t column, const std::string& what, const std::string& why) const;

 private:
  void check_byte(std::size_t at) const;
  std::size_t take_quoted(std::size_t at, std::string& value) const;
};

}  // namespace perp::sim
