#pragma once
// The text of a shape, taken apart at compile time. It is the message itself with named holes:
//
//   {"e":"trade","s":"<symbol>","p":"<price>"(,"st":1)}
//
// <name> is a hole, <Buy|Sell> one that holds either text; (...) may be absent as a whole, and is
// recognised by the text it begins with. Nothing else is special. A wrong pattern does not compile.
// Private to the venue layer.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perp::venue {

/// What stands in a hole. Every hole but the skipped ones fills a field.
enum class Hole : std::uint8_t {
  symbol,        ///< text -> its instrument, which scales the prices and sizes that follow
  price,         ///< number -> double, per coin
  size,          ///< number -> double, in coins
  decimal,       ///< number -> double as it stands
  percent,       ///< number -> double, a hundredth of it
  integer,       ///< whole number -> int64
  time,          ///< ms since 1970 -> ns
  text,          ///< printable ASCII, not empty, without quote or backslash -> string_view
  boolean,       ///< true or false -> bool or Tristate
  choice,        ///< one of two texts -> bool: whether it is the first
  list,          ///< one row or more behind each other, each of a shape of its own -> vector
  skip_text,     ///< as text, for nobody
  skip_integer,  ///< as integer, for nobody
  skip_decimal,
};

struct HoleName {
  std::string_view name;
  Hole hole;
};
inline constexpr auto hole_names = std::to_array<HoleName>({{"symbol", Hole::symbol},
                                                            {"price", Hole::price},
                                                            {"size", Hole::size},
                                                            {"decimal", Hole::decimal},
                                                            {"percent", Hole::percent},
                                                            {"integer", Hole::integer},
                                                            {"time", Hole::time},
                                                            {"text", Hole::text},
                                                            {"boolean", Hole::boolean},
                                                            {"list", Hole::list},
                                                            {"skip text", Hole::skip_text},
                                                            {"skip integer", Hole::skip_integer},
                                                            {"skip decimal", Hole::skip_decimal}});

constexpr bool fills_a_field(Hole hole) { return hole < Hole::skip_text; }

/// A string literal as a template argument.
template <std::size_t Size>
struct ShapeText {
  char data[Size] = {};
  consteval ShapeText(const char (&text)[Size]) {  // NOLINT(google-explicit-constructor): a literal
    for (std::size_t i = 0; i < Size; ++i) data[i] = text[i];
  }
  constexpr std::string_view view() const { return {data, Size - 1}; }
};

struct ShapeStep {
  enum class Kind : std::uint8_t { literal, hole, group };
  Kind kind = Kind::literal;
  Hole hole = Hole::text;
  std::size_t begin = 0;  ///< literal and hole: its place in the pattern
  std::size_t size = 0;   ///< literal and hole: its bytes; group: the steps that belong to it
  std::size_t field = 0;  ///< fields filled before this step
};

/// The longest text that may lie between two looks at the message's end: with a number of 32 bytes
/// behind it, matching stays within the 64 readable bytes.
inline constexpr std::size_t shape_reach = 32;

/// The first place from `from` on of one of `chars`; text.size() if there is none. (That of
/// string_view is no constant expression for g++ 12 with the sanitizer of undefined behaviour.)
constexpr std::size_t find_any(std::string_view text, std::string_view chars,
                               std::size_t from = 0) {
  for (; from < text.size(); ++from)
    for (const char c : chars)
      if (text[from] == c) return from;
  return text.size();
}

template <std::size_t Limit>
struct ShapePattern {
  std::array<ShapeStep, Limit> steps{};
  std::size_t step_count = 0;
  std::size_t field_count = 0;

  consteval explicit ShapePattern(std::string_view text) {
    std::size_t group = Limit;
    for (std::size_t at = 0; at < text.size();) {
      ShapeStep& step = steps[step_count];
      step.field = field_count;
      if (text[at] == '<') {
        const std::size_t end = find_any(text, ">", at);
        step.kind = ShapeStep::Kind::hole;
        step.begin = at + 1;
        step.size = end - step.begin;
        step.hole = hole_of(text.substr(step.begin, step.size));
        field_count += fills_a_field(step.hole) ? 1U : 0U;
        at = end + 1;
      } else if (text[at] == '(') {
        if (group != Limit) throw "groups do not nest";
        group = step_count;
        step.kind = ShapeStep::Kind::group;
        ++at;
      } else if (text[at] == ')') {
        if (group == Limit) throw "a group ends that did not begin";
        steps[group].size = step_count - group - 1;
        if (steps[group].size == 0 || steps[group + 1].kind != ShapeStep::Kind::literal)
          throw "a group is recognised by the text it begins with";
        group = Limit;
        ++at;
        continue;
      } else {
        step.begin = at;
        at = find_any(text, "<()", at);
        step.size = at - step.begin;
      }
      ++step_count;
    }
    if (group != Limit) throw "a group does not end";
  }

 private:
  static consteval Hole hole_of(std::string_view name) {
    if (find_any(name, "|") != name.size()) return Hole::choice;
    for (const HoleName& row : hole_names)
      if (row.name == name) return row.hole;
    throw "no such hole";
  }
};

}  // namespace perp::venue
