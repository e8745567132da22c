#include <perp/feed/connection_life.hpp>

#include <fmt/format.h>

namespace perp::feed {
namespace {

constexpr std::array<std::string_view, life_state_count> states{
    "idle", "waiting", "dialling", "subscribing", "live", "rolling", "closing"};
constexpr std::array<std::string_view, life_event_count> events{
    "start",    "stop",           "wait_over",      "opened", "acknowledged", "silent",
    "roll_due", "successor_live", "successor_lost", "lost",   "closed"};
constexpr std::array<std::string_view, 12> actions{
    "none",  "dial",        "wait",           "cancel_wait",     "subscribe",
    "begin", "resubscribe", "dial_successor", "adopt_successor", "drop_successor",
    "close", "finish"};

}  // namespace

std::string_view to_text(LifeState state) noexcept {
  return states[static_cast<std::size_t>(state)];
}
std::string_view to_text(LifeEvent event) noexcept {
  return events[static_cast<std::size_t>(event)];
}
std::string_view to_text(LifeAction action) noexcept {
  return actions[static_cast<std::size_t>(action)];
}

std::string life_table_text() {
  std::string text = "| state | event | next | action |\n| --- | --- | --- | --- |\n";
  for (std::size_t s = 0; s < life_state_count; ++s)
    for (std::size_t e = 0; e < life_event_count; ++e) {
      const LifeStep step = next_step(static_cast<LifeState>(s), static_cast<LifeEvent>(e));
      if (step.action == LifeAction::none) continue;
      text += fmt::format("| {} | {} | {} | {} |\n", states[s], events[e], to_text(step.state),
                          to_text(step.action));
    }
  return text;
}

}  // namespace perp::feed
