#include "sim/faults/script_line.hpp"
#include "sim/faults/words.hpp"

#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/net/websocket_frame.hpp>
#include <perp/sim/fault_script.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <span>

namespace perp::sim {
namespace {

using Words = std::vector<std::string_view>;

Words words_of(std::string_view text) {
  Words words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

Words kind_names(bool has_random) {
  Words names;
  for (const FaultKindRow& row : fault_kinds)
    if (has_random || row.kind != FaultKind::random) names.push_back(row.name);
  return names;
}

/// What a kind does where the script does not say.
void set_usual(FaultRule& rule) {
  switch (rule.kind) {
    case FaultKind::cut:
    case FaultKind::close: rule.code = net::close_code::going_away; break;
    case FaultKind::garbage: rule.bytes = 64; break;
    case FaultKind::big: rule.bytes = std::size_t{16} << 20; break;
    case FaultKind::trickle: rule.bytes = 1; break;
    case FaultKind::handshake: rule.code = 503; break;
    case FaultKind::status: rule.code = 429; break;
    case FaultKind::html: rule.code = 200; break;
    case FaultKind::gap: rule.one_in = 1'000; break;
    case FaultKind::reorder: rule.one_in = 10; break;
    case FaultKind::sequence: rule.keys = {"u", "U", "pu", "seq", "seqId", "prevSeqId"}; break;
    case FaultKind::time_unit:
    case FaultKind::time_shift:
    case FaultKind::time_frozen:
    case FaultKind::time_1970: rule.keys = {"E", "T", "ts", "cts", "time"}; break;
    case FaultKind::rewrite: rule.is_of_answers = true; break;
    default: break;
  }
}

using Token = ScriptToken;

class LineParser {
 public:
  LineParser(const ScriptLine& line, const std::vector<std::string>& venues)
      : line_(line), venues_(venues) {}

  /// @returns false for a line without a fault
  bool parse(FaultRule& rule) {
    tokens_ = line_.split();
    if (tokens_.empty()) return false;
    rule.line = line_.number;
    take_when(rule);
    take_venue(rule);
    take_kind(rule);
    while (next_ < tokens_.size()) take_argument(rule, tokens_[next_++]);
    conclude(rule);
    return true;
  }

 private:
  [[noreturn]] void fail(std::size_t column, const std::string& what,
                         const std::string& why) const {
    line_.fail(column, what, why);
  }
  [[noreturn]] void fail_word(std::size_t column, std::string_view what, std::string_view word,
                              std::span<const std::string_view> known) const {
    const std::string_view nearest = nearest_word(word, known);
    fail(column, fmt::format("unknown {} '{}'", what, word),
         nearest.empty()
             ? fmt::format("expected one of {}", listed(known))
             : fmt::format("did you mean '{}'? Expected one of {}", nearest, listed(known)));
  }

  const Token& take(std::string_view what) {
    if (next_ == tokens_.size())
      fail(line_.text.size() + 1, "the line ends here", fmt::format("expected {}", what));
    return tokens_[next_++];
  }

  std::int64_t duration(std::string_view text, std::size_t column) const {
    const auto ns = parse_duration(text);
    if (!ns)
      fail(column, fmt::format("'{}' is no time", text),
           "expected a number with its unit (ns, us, ms, s, m, h, d), such as 10s or 250ms");
    return *ns;
  }

  bool take_window(FaultRule& rule, const Token& token) {
    const std::size_t dots = token.word.find("..");
    if (dots == std::string_view::npos) return false;
    rule.start_ns = duration(token.word.substr(0, dots), token.column);
    if (const std::string_view end = token.word.substr(dots + 2); !end.empty()) {
      rule.end_ns = duration(end, token.column + dots + 2);
      if (rule.end_ns <= rule.start_ns)
        fail(token.column + dots + 2, fmt::format("'{}' ends before it begins", token.word),
             "expected a later time behind '..'");
    }
    has_window_ = true;
    return true;
  }

  void take_when(FaultRule& rule) {
    const Token& token = tokens_[next_++];
    when_column_ = token.column;
    if (token.has_value)
      fail(token.column, fmt::format("'{}=' stands where the time stands", token.word),
           "expected 10s, 10s..20s, always or every 10s");
    if (token.word == "always") {
      has_window_ = true;
      return;
    }
    if (token.word == "every") {
      const Token& period = take("a time, such as 10s");
      rule.period_ns = duration(period.word, period.column);
      if (rule.period_ns < core::ns_per_ms)
        fail(period.column, fmt::format("'{}' is too short", period.word), "at least 1ms");
      if (next_ < tokens_.size() && !tokens_[next_].has_value && take_window(rule, tokens_[next_]))
        ++next_;
      else
        rule.start_ns = rule.period_ns;
      return;
    }
    if (take_window(rule, token)) return;
    if (!token.word.empty() && token.word[0] >= '0' && token.word[0] <= '9') {
      rule.start_ns = duration(token.word, token.column);
      return;
    }
    const Words known{"always", "every"};
    const std::string_view nearest = nearest_word(token.word, known);
    fail(token.column, fmt::format("'{}' is no time", token.word),
         nearest.empty() ? std::string("expected 10s, 10s..20s, always or every 10s")
                         : fmt::format("did you mean '{}'?", nearest));
  }

  void take_venue(FaultRule& rule) {
    const Token& token = take("a venue, or *");
    if (token.has_value)
      fail(token.column, fmt::format("'{}=' stands where the venue stands", token.word),
           "expected a venue, or *");
    if (token.word == "*") return;
    rule.venue = token.word;
    if (venues_.empty() || std::find(venues_.begin(), venues_.end(), rule.venue) != venues_.end())
      return;
    Words known(venues_.begin(), venues_.end());
    known.emplace_back("*");
    fail_word(token.column, "venue", token.word, known);
  }

  void take_kind(FaultRule& rule) {
    const Token& token = take("a kind of fault");
    kind_column_ = token.column;
    rule.kind = kind_of(token.word, token.column, true);
    if (token.has_value)
      fail(token.column, fmt::format("'{}=' stands where the kind stands", token.word),
           "expected a kind of fault");
    set_usual(rule);
  }

  FaultKind kind_of(std::string_view word, std::size_t column, bool has_random) const {
    for (const FaultKindRow& row : fault_kinds)
      if (row.name == word && (has_random || row.kind != FaultKind::random)) return row.kind;
    fail_word(column, "kind", word, kind_names(has_random));
  }

  Words arguments_of(FaultKind kind) const {
    if (kind == FaultKind::random) return {"for", "kinds"};
    Words known = words_of(row_of(kind).arguments);
    for (const char* const common : {"path", "count", "every"}) known.emplace_back(common);
    return known;
  }

  void take_argument(FaultRule& rule, const Token& token) {
    const Words known = arguments_of(rule.kind);
    if (!token.has_value) {
      if (token.word.starts_with("1/") && rule.kind != FaultKind::random) {
        once("1/N", token.column);
        rule.one_in = whole(token.word.substr(2), token.column + 2, 1);
        return;
      }
      fail(token.column, fmt::format("'{}' is no argument", token.word),
           fmt::format("expected NAME=VALUE, or 1/N for a chance; {} takes {}", name_of(rule.kind),
                       listed(known)));
    }
    if (std::find(known.begin(), known.end(), token.word) == known.end()) {
      const std::string_view nearest = nearest_word(token.word, known);
      fail(token.column, fmt::format("{} takes no '{}'", name_of(rule.kind), token.word),
           nearest.empty()
               ? fmt::format("expected one of {}", listed(known))
               : fmt::format("did you mean '{}'? Expected one of {}", nearest, listed(known)));
    }
    once(token.word, token.column);
    set(rule, token);
  }

  void once(std::string_view word, std::size_t column) {
    if (std::find(seen_.begin(), seen_.end(), word) != seen_.end())
      fail(column, fmt::format("'{}' is there twice", word), "expected each argument once");
    seen_.push_back(word);
  }
  bool has(std::string_view word) const {
    return std::find(seen_.begin(), seen_.end(), word) != seen_.end();
  }

  std::uint64_t whole(std::string_view text, std::size_t column, std::uint64_t least) const {
    const auto value = parse_whole(text);
    if (!value || *value < least)
      fail(column, fmt::format("'{}' is no count", text),
           fmt::format("expected a whole number from {}", least));
    return *value;
  }
  std::string text(const Token& token) const {
    if (token.value.empty())
      fail(token.value_column, fmt::format("{}= is empty", token.word), "expected a text");
    return token.value;
  }
  std::string line_text(const Token& token) const {
    if (token.value.find_first_of("\n\t") != std::string::npos)
      fail(token.value_column, fmt::format("{}= has a line end or a tab", token.word),
           "expected one line of text");
    return text(token);
  }
  std::size_t choice(const Token& token, const Words& known) const {
    const auto found = std::find(known.begin(), known.end(), token.value);
    if (found == known.end())
      fail_word(token.value_column, fmt::format("{}=", token.word), token.value, known);
    return static_cast<std::size_t>(found - known.begin());
  }
  std::vector<std::string> list(const Token& token) const {
    std::vector<std::string> parts;
    std::string_view rest = token.value;
    for (;;) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (comma == 0)
        fail(token.value_column + (token.value.size() - rest.size()),
             fmt::format("{}= has an empty word", token.word),
             "expected words with commas between");
      parts.emplace_back(rest.substr(0, comma));
      if (comma == rest.size()) return parts;
      rest.remove_prefix(comma + 1);
    }
  }

  int code(const Token& token, FaultKind kind) const {
    const std::uint64_t value = whole(token.value, token.value_column, 1);
    const bool is_close = kind == FaultKind::close || kind == FaultKind::cut;
    if (is_close && (value > 4999 || !net::is_valid_close_code(static_cast<std::uint16_t>(value))))
      fail(token.value_column, fmt::format("{} is no close code", value),
           "expected 1000..1003, 1007..1014 or 3000..4999");
    const std::uint64_t least = kind == FaultKind::html ? 200 : 400;
    if (!is_close && (value < least || value > 599 || value == 204 || value == 304))
      fail(token.value_column, fmt::format("{} is no status for this", value),
           fmt::format("expected a status from {} to 599 that has a body", least));
    return static_cast<int>(value);
  }

  void set(FaultRule& rule, const Token& token) {
    const std::string_view word = token.word;
    if (word == "for") {
      for_ns_ = duration(token.value, token.value_column);
      for_column_ = token.value_column;
      if (for_ns_ == 0) fail(token.value_column, "for= is 0", "expected a time above 0");
    } else if (word == "path") {
      rule.path = text(token);
    } else if (word == "match") {
      rule.match = text(token);
    } else if (word == "symbol") {
      rule.symbol = text(token);
    } else if (word == "count") {
      rule.count = whole(token.value, token.value_column, 1);
    } else if (word == "every") {
      rule.every = whole(token.value, token.value_column, 1);
    } else if (word == "how") {
      if (rule.kind == FaultKind::refuse)
        rule.is_silent = choice(token, {"rst", "silent"}) == 1;
      else
        rule.ending = static_cast<FaultRule::Ending>(choice(token, {"rst", "fin", "close"}));
    } else if (word == "code") {
      rule.code = code(token, rule.kind);
    } else if (word == "reason") {
      rule.reason = text(token);
      if (rule.reason.size() > 123)
        fail(token.value_column, "reason= is too long", "at most 123 bytes");
    } else if (word == "retry-after") {
      rule.retry_after = line_text(token);
    } else if (word == "body") {
      rule.body = text(token);
    } else if (word == "bytes") {
      const auto bytes = parse_bytes(token.value);
      const std::uint64_t most = rule.kind == FaultKind::big ? 32U << 20 : 1U << 20;
      if (!bytes || *bytes == 0 || *bytes > most)
        fail(token.value_column, fmt::format("'{}' is no size for this", token.value),
             fmt::format("expected 1 to {} bytes, such as 64KiB", most));
      rule.bytes = *bytes;
    } else if (word == "each") {
      rule.each_ns = duration(token.value, token.value_column);
      if (rule.each_ns == 0) fail(token.value_column, "each= is 0", "expected a time above 0");
    } else if (word == "copies") {
      rule.copies = whole(token.value, token.value_column, 2);
      if (rule.copies > 1'000) fail(token.value_column, "copies= is too much", "at most 1000");
    } else if (word == "hold") {
      rule.hold = whole(token.value, token.value_column, 1);
    } else if (word == "keys") {
      rule.keys = list(token);
    } else if (word == "unit") {
      rule.unit = static_cast<FaultRule::Unit>(choice(token, {"s", "us", "ns"}));
    } else if (word == "by") {
      const auto by = parse_signed_duration(token.value);
      if (!by || *by == 0 || *by % core::ns_per_ms != 0)
        fail(token.value_column, fmt::format("'{}' is no shift", token.value),
             "expected whole milliseconds other than 0, such as +24h or -1.5s");
      rule.by_ns = *by;
    } else if (word == "from" && rule.kind == FaultKind::sequence) {
      rule.first_id = static_cast<std::int64_t>(whole(token.value, token.value_column, 0));
    } else if (word == "from") {
      rule.from = text(token);
    } else if (word == "to") {
      rule.to = token.value;
    } else if (word == "of") {
      const std::size_t of = choice(token, {"messages", "answers", "all"});
      rule.is_of_messages = of != 1;
      rule.is_of_answers = of != 0;
    } else if (word == "kinds") {
      take_kinds(rule, token);
    }
  }

  void take_kinds(FaultRule& rule, const Token& token) {
    std::size_t column = token.value_column;
    for (const std::string& name : list(token)) {
      const FaultKind kind = kind_of(name, column, false);
      if (kind == FaultKind::time_unit || kind == FaultKind::time_shift ||
          kind == FaultKind::rewrite)
        fail(column, fmt::format("'{}' cannot be picked at random", name),
             "it needs arguments: give it a line of its own");
      rule.kinds.push_back(kind);
      column += name.size() + 1;
    }
  }

  void need(std::string_view word, std::string_view example) const {
    if (!has(word))
      fail(kind_column_, fmt::format("{} needs {}=", tokens_kind(), word),
           fmt::format("expected something like {}={}", word, example));
  }
  std::string_view tokens_kind() const {
    for (const Token& token : tokens_)
      if (token.column == kind_column_) return token.word;
    return {};
  }

  void conclude(FaultRule& rule) {
    switch (rule.kind) {
      case FaultKind::time_unit: need("unit", "us"); break;
      case FaultKind::time_shift: need("by", "-24h"); break;
      case FaultKind::rewrite:
        need("from", "\\\"BTCUSDT\\\"");
        need("to", "\\\"BTCUSDC\\\"");
        break;
      case FaultKind::cut:
        if ((has("code") || has("reason")) && rule.ending != FaultRule::Ending::close)
          fail(kind_column_, "code= and reason= are a close frame's", "expected how=close");
        break;
      case FaultKind::random:
        if (has_window_ && rule.period_ns == 0)
          fail(when_column_, "random in one interval", "expected a moment, or every 10s");
        if (rule.kinds.empty())
          for (const FaultKindRow& row : fault_kinds)
            if (row.is_random_choice) rule.kinds.push_back(row.kind);
        break;
      default: break;
    }
    set_length(rule);
  }

  void set_length(FaultRule& rule) const {
    const std::int64_t usual_ns = row_of(rule.kind).usual_ns;
    if (rule.period_ns > 0) {
      if (for_ns_ > rule.period_ns)
        fail(for_column_, "for= is longer than its period", "expected a shorter time");
      rule.length_ns = for_ns_ > 0 ? for_ns_ : std::min(usual_ns, rule.period_ns);
    } else if (!has_window_) {
      rule.length_ns = for_ns_ > 0 ? for_ns_ : usual_ns;
      rule.end_ns = rule.length_ns > 0 ? rule.start_ns + rule.length_ns : FaultRule::never_ns;
    } else if (for_ns_ > 0) {
      // Episodes, one behind the other.
      rule.period_ns = rule.length_ns = for_ns_;
    } else {
      rule.length_ns =
          rule.end_ns == FaultRule::never_ns ? FaultRule::never_ns : rule.end_ns - rule.start_ns;
    }
  }

  const ScriptLine& line_;
  const std::vector<std::string>& venues_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  Words seen_;
  std::size_t when_column_ = 1;
  std::size_t kind_column_ = 1;
  std::size_t for_column_ = 1;
  std::int64_t for_ns_ = 0;
  bool has_window_ = false;
};

}  // namespace

FaultScript FaultScript::parse(std::string_view text, const std::string& name,
                               const std::vector<std::string>& venues) {
  FaultScript script;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    ScriptLine line{.text = text.substr(0, end), .number = number, .name = name};
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    if (line.text.size() > line_bytes_max)
      line.fail(1, "the line is too long", fmt::format("at most {} bytes", line_bytes_max));
    FaultRule rule;
    if (!LineParser(line, venues).parse(rule)) continue;
    if (script.rules.size() == rules_max)
      line.fail(1, "too many faults", fmt::format("at most {}", rules_max));
    script.rules.push_back(std::move(rule));
  }
  return script;
}

FaultScript FaultScript::read(const std::string& file, const std::vector<std::string>& venues) {
  const core::File opened = core::File::open(file, O_RDONLY);
  constexpr std::uint64_t limit = std::uint64_t{16} << 20;
  if (opened.size() > limit)
    throw core::Error("the script is too large", file, fmt::format("at most {} bytes", limit));
  std::string text(opened.size(), '\0');
  text.resize(opened.pread_all(std::as_writable_bytes(std::span(text.data(), text.size())), 0));
  return parse(text, file, venues);
}

FaultRule picked(const FaultRule& random, FaultKind kind) {
  FaultRule rule = random;
  rule.kind = kind;
  rule.kinds.clear();
  set_usual(rule);
  const std::int64_t usual_ns = row_of(kind).usual_ns;
  if (usual_ns == 0)
    rule.length_ns = 0;
  else if (random.length_ns > 0)
    rule.length_ns = random.length_ns;
  else
    rule.length_ns = rule.period_ns > 0 ? std::min(usual_ns, rule.period_ns) : usual_ns;
  return rule;
}

}  // namespace perp::sim
