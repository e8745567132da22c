#include "sim/faults/active_fault.hpp"

#include "sim/faults/json_numbers.hpp"

#include <algorithm>
#include <array>

namespace perp::sim {
namespace {

constexpr std::size_t heartbeat_bytes_max = 256;
constexpr std::size_t head_bytes = 256;
constexpr std::int64_t id_max = std::int64_t{1} << 62;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_letter_or_digit(char c) noexcept {
  c = lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// The unit that a time of so many digits is told in; 0: it is no time.
std::int64_t unit_of(std::string_view digits) noexcept {
  switch (digits.size()) {
    case 10: return core::ns_per_second;
    case 13: return core::ns_per_ms;
    case 16: return core::ns_per_us;
    case 19: return 1;
    default: return 0;
  }
}

std::int64_t ns_of(FaultRule::Unit unit) noexcept {
  switch (unit) {
    case FaultRule::Unit::s: return core::ns_per_second;
    case FaultRule::Unit::us: return core::ns_per_us;
    case FaultRule::Unit::ns: return 1;
  }
  return 1;
}

}  // namespace

bool ActiveFault::draws() {
  const FaultRule& rule = this->rule();
  if (hits_ >= rule.count || ++seen_ % rule.every != 0) return false;
  if (rule.one_in > 1 && random_.below(rule.one_in) != 0) return false;
  ++hits_;
  return true;
}

bool ActiveFault::selects(std::string_view target) {
  return target.find(rule().path) != std::string_view::npos && draws();
}

bool ActiveFault::selects(std::string_view target, std::string_view message) {
  const FaultRule& rule = this->rule();
  if (!rule.path.empty() && target.find(rule.path) == std::string_view::npos) return false;
  if (!rule.match.empty() && message.find(rule.match) == std::string_view::npos) return false;
  if (!rule.symbol.empty() && !has_word(message, rule.symbol)) return false;
  if (rule.kind == FaultKind::heartbeats && is_heartbeat(message)) return false;
  if (rule.kind == FaultKind::ack_only && (is_heartbeat(message) || is_acknowledgement(message)))
    return false;
  return draws();
}

bool ActiveFault::edit(std::string_view text, std::string& edited) {
  const FaultRule& rule = this->rule();
  switch (rule.kind) {
    case FaultKind::time_unit:
    case FaultKind::time_shift:
    case FaultKind::time_frozen:
    case FaultKind::time_1970: return edit_times(text, edited);
    case FaultKind::sequence: return edit_sequence(text, edited);
    case FaultKind::rewrite: {
      edited.clear();
      std::size_t copied = 0;
      for (std::size_t at; (at = text.find(rule.from, copied)) != std::string_view::npos;) {
        edited.append(text, copied, at - copied).append(rule.to);
        copied = at + rule.from.size();
      }
      edited.append(text, copied);
      return copied > 0 && edited != text;
    }
    default: return false;
  }
}

bool ActiveFault::edit_times(std::string_view text, std::string& edited) {
  const FaultRule& rule = this->rule();
  const auto edit = [&](std::string_view key, std::string_view number, std::string& out) {
    const std::int64_t unit_ns = unit_of(number);
    std::int64_t value = 0;
    if (unit_ns == 0 || !to_number(number, value)) return false;
    switch (rule.kind) {
      case FaultKind::time_unit: {
        const std::int64_t target_ns = ns_of(rule.unit);
        if (target_ns <= unit_ns && __builtin_mul_overflow(value, unit_ns / target_ns, &value))
          return false;
        if (target_ns > unit_ns) value /= target_ns / unit_ns;
        out += std::to_string(value);
        return true;
      }
      case FaultKind::time_shift:
        if (__builtin_add_overflow(value, rule.by_ns / unit_ns, &value)) return false;
        out += std::to_string(value);
        return true;
      case FaultKind::time_frozen: {
        const auto found = frozen_.find(key);
        if (found == frozen_.end()) {
          frozen_.emplace(key, number);
          return false;
        }
        out += found->second;
        return true;
      }
      default: out += '0'; return true;
    }
  };
  return edit_numbers(text, rule.keys, edited, edit) > 0;
}

bool ActiveFault::edit_sequence(std::string_view text, std::string& edited) {
  const FaultRule& rule = this->rule();
  const std::string instrument = instrument_of(text);
  auto base = bases_.find(instrument);
  if (base == bases_.end()) {
    std::int64_t least = FaultRule::never_ns;
    static_cast<void>(edit_numbers(
        text, rule.keys, edited, [&least](std::string_view, std::string_view number, std::string&) {
          std::int64_t value = 0;
          if (to_number(number, value) && value >= 0) least = std::min(least, value);
          return false;
        }));
    if (least == FaultRule::never_ns) return false;
    base = bases_.emplace(instrument, least).first;
  }
  return edit_numbers(text, rule.keys, edited,
                      [&](std::string_view, std::string_view number, std::string& out) {
                        std::int64_t value = 0;
                        if (!to_number(number, value) || value < base->second || value > id_max)
                          return false;
                        out += std::to_string(value - base->second + rule.first_id);
                        return true;
                      }) > 0;
}

bool is_heartbeat(std::string_view message) noexcept {
  return message.size() <= heartbeat_bytes_max &&
         (has_word(message, "pong") || has_word(message, "ping"));
}

bool is_acknowledgement(std::string_view message) noexcept {
  // Bybit, OKX, Hyperliquid, Binance, in the venues' own words.
  static constexpr auto marks = std::to_array<std::string_view>(
      {R"("success":)", R"("event":")", R"("channel":"subscriptionResponse")"});
  const std::string_view head = message.substr(0, head_bytes);
  if (std::any_of(marks.begin(), marks.end(),
                  [&](std::string_view mark) { return head.find(mark) != std::string_view::npos; }))
    return true;
  return head.find(R"("id":)") != std::string_view::npos &&
         (head.find(R"("result":)") != std::string_view::npos ||
          head.find(R"("error":)") != std::string_view::npos);
}

bool has_word(std::string_view text, std::string_view word) noexcept {
  if (word.empty() || text.size() < word.size()) return false;
  const char first = lower(word.front());
  for (std::size_t i = 0; i + word.size() <= text.size(); ++i) {
    if (lower(text[i]) != first || (i > 0 && is_letter_or_digit(text[i - 1]))) continue;
    const std::size_t end = i + word.size();
    if (end < text.size() && is_letter_or_digit(text[end])) continue;
    if (std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(i),
                   [](char a, char b) { return lower(a) == lower(b); }))
      return true;
  }
  return false;
}

std::string instrument_of(std::string_view message) {
  static constexpr auto keys =
      std::to_array<std::string_view>({R"("topic":")", R"("stream":")", R"("instId":")",
                                       R"("coin":")", R"("s":")", R"("symbol":")"});
  std::string name;
  for (const std::string_view key : keys) {
    const std::size_t at = message.find(key);
    if (at == std::string_view::npos) continue;
    const std::size_t begin = at + key.size();
    name += message.substr(begin, std::min(message.find('"', begin), message.size()) - begin);
    name += ' ';
  }
  return name;
}

}  // namespace perp::sim
