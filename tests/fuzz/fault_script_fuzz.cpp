// Fault scripts from outside. Whatever comes: a script or an error that names a place inside the
// text, times and counts within their bounds, and a schedule whose episodes begin in order, within
// their line's interval. What follows a NUL is a message that the changing lines edit: the result
// never depends on bytes behind it.
#include "fuzz/require.hpp"
#include "sim/faults/active_fault.hpp"
#include "sim/faults/fault_schedule.hpp"

#include <perp/core/error.hpp>
#include <perp/sim/fault_script.hpp>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {
namespace {

using net::test::require;

void check_place(std::string_view what, std::string_view text) {
  require(what.starts_with("f:"), "an error without the script's name");
  what.remove_prefix(2);
  std::size_t line = 0;
  std::size_t column = 0;
  const auto first = std::from_chars(what.data(), what.data() + what.size(), line);
  require(first.ec == std::errc() && *first.ptr == ':', "an error without a line");
  const auto second = std::from_chars(first.ptr + 1, what.data() + what.size(), column);
  require(second.ec == std::errc() && *second.ptr == ':', "an error without a column");
  std::string_view rest = text;
  for (std::size_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    require(end != std::string_view::npos, "a line behind the text");
    rest.remove_prefix(end + 1);
  }
  require(line >= 1 && column >= 1 && column <= std::min(rest.find('\n'), rest.size()) + 1,
          "a column behind the line");
}

void check_rule(const FaultRule& rule) {
  require(rule.start_ns >= 0 && rule.end_ns > rule.start_ns, "an interval that is none");
  require(rule.length_ns >= 0 && rule.period_ns >= 0, "a time below 0");
  require(rule.period_ns == 0 || rule.length_ns <= rule.period_ns, "episodes that overlap");
  require(rule.one_in >= 1 && rule.every >= 1 && rule.count >= 1, "a count of 0");
  require(rule.kind != FaultKind::random || !rule.kinds.empty(), "a choice of nothing");
  require(rule.bytes <= std::size_t{32} << 20, "too many bytes");
}

void check_schedule(const FaultScript& script) {
  constexpr std::size_t steps_max = 64;
  FaultSchedule schedule(script, {"a", "b"}, 1);
  std::int64_t last_ns = 0;
  std::size_t begun = 0;
  std::size_t ended = 0;
  for (std::size_t i = 0; i < steps_max && schedule.next_ns() != FaultRule::never_ns; ++i) {
    require(schedule.next_ns() >= last_ns, "time goes back");
    last_ns = schedule.next_ns();
    schedule.advance(
        last_ns,
        [&](const FaultEpisode& episode) {
          ++begun;
          require(episode.begin_ns == last_ns, "an episode that begins at another time");
          require(episode.begin_ns < episode.rule->end_ns &&
                      episode.begin_ns >= episode.rule->start_ns &&
                      episode.end_ns >= episode.begin_ns && episode.end_ns <= episode.rule->end_ns,
                  "an episode outside its line's interval");
        },
        [&](const FaultEpisode& episode) {
          ++ended;
          require(episode.end_ns == last_ns, "an episode that ends at another time");
        });
  }
  require(begun == ended + schedule.running().size(), "an episode that got lost");
}

void check_edits(const FaultScript& script, std::string_view message) {
  for (const FaultRule& rule : script.rules) {
    std::string out;
    std::string again;
    const FaultEpisode episode{.rule = &rule, .number = 1};
    ActiveFault fault(episode, 1);
    ActiveFault other(episode, 1);
    const std::vector<char> bytes(message.begin(), message.end());
    const std::string behind = std::string(message) + "\"E\":1700000000000}";
    const bool first = fault.edit({bytes.data(), bytes.size()}, out);
    const bool second = other.edit(std::string_view(behind).substr(0, message.size()), again);
    require(first == second && (!first || out == again), "an edit that read behind the message");
    require(!first || out != message, "a change that changes nothing");
    static_cast<void>(fault.selects("/ws", message));
  }
}

int fuzz_script(const unsigned char* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(0, nul);
  FaultScript script;
  try {
    script = FaultScript::parse(text, "f");
  } catch (const core::Error& error) {
    check_place(error.what(), text);
    return 0;
  }
  for (const FaultRule& rule : script.rules) {
    check_rule(rule);
    for (const FaultKind kind : rule.kinds) check_rule(picked(rule, kind));
  }
  if (script.rules.size() > 64) return 0;
  check_schedule(script);
  check_edits(script, input.substr(std::min(nul + 1, input.size())));
  return 0;
}

}  // namespace
}  // namespace perp::sim

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return perp::sim::fuzz_script(data, size);
}
