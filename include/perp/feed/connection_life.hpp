#pragma once
// The life of one connection as one table: state and event give the next state and what to do. The
// table decides and does nothing itself: its owner, the feed's thread, dials, waits and subscribes.
// constexpr, O(1). docs/feeds.md shows it as printed from here.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace perp::feed {

enum class LifeState : std::uint8_t {
  idle,         ///< nothing is wanted
  waiting,      ///< the back-off runs
  dialling,     ///< name, TCP, TLS, WebSocket handshake
  subscribing,  ///< open; not all subscriptions are answered
  live,
  rolling,  ///< live, and a successor is on its way before the venue cuts this one
  closing,
};

enum class LifeEvent : std::uint8_t {
  start,
  stop,
  wait_over,  ///< and the host's ledger grants a connect: asked again until it does
  opened,
  acknowledged,    ///< the last subscription was, or its data came
  silent,          ///< a subscription is (feed/liveness.hpp)
  roll_due,        ///< the venue's cut is near: told at each tick until it is taken
  successor_live,  ///< each of its subscriptions has data: the two overlap
  successor_lost,
  lost,    ///< the connection, or the attempt at it
  closed,  ///< as asked for
};

enum class LifeAction : std::uint8_t {
  none,  ///< the event means nothing here: to be counted
  dial,
  wait,  ///< as long as Backoff::on_lost() says; books are stale from here on
  cancel_wait,
  subscribe,
  begin,        ///< whole: fill the hole by REST
  resubscribe,  ///< the silent ones only
  dial_successor,
  adopt_successor,  ///< it is the connection now; close the old one. If it is open, tell `opened`
  drop_successor,   ///< and let the back-off say when roll_due is told again
  close,            ///< with its successor
  finish,
};

struct LifeStep {
  LifeState state;
  LifeAction action;
  friend constexpr bool operator==(const LifeStep&, const LifeStep&) = default;
};

inline constexpr std::size_t life_state_count = 7;
inline constexpr std::size_t life_event_count = 11;

namespace detail {
using LifeTable = std::array<std::array<LifeStep, life_event_count>, life_state_count>;

constexpr LifeTable make_life_table() {
  using S = LifeState;
  using E = LifeEvent;
  using A = LifeAction;
  LifeTable table{};
  for (std::size_t state = 0; state < life_state_count; ++state)
    for (LifeStep& step : table[state]) step = {static_cast<S>(state), A::none};
  const auto on = [&](S state, E event, S next, A action) {
    table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)] = {next, action};
  };
  on(S::idle, E::start, S::dialling, A::dial);
  on(S::waiting, E::wait_over, S::dialling, A::dial);
  on(S::waiting, E::stop, S::idle, A::cancel_wait);
  on(S::dialling, E::opened, S::subscribing, A::subscribe);
  on(S::subscribing, E::acknowledged, S::live, A::begin);
  on(S::live, E::roll_due, S::rolling, A::dial_successor);
  on(S::rolling, E::successor_live, S::live, A::adopt_successor);
  on(S::rolling, E::successor_lost, S::live, A::drop_successor);
  for (const S open : {S::subscribing, S::live, S::rolling})
    on(open, E::silent, open, A::resubscribe);
  for (const S state : {S::dialling, S::subscribing, S::live})
    on(state, E::lost, S::waiting, A::wait);
  // The cut came before the successor was whole: it is further on than a new dial would be.
  on(S::rolling, E::lost, S::dialling, A::adopt_successor);
  for (const S state : {S::dialling, S::subscribing, S::live, S::rolling})
    on(state, E::stop, S::closing, A::close);
  for (const E end : {E::closed, E::lost}) on(S::closing, end, S::idle, A::finish);
  return table;
}
inline constexpr LifeTable life_table = make_life_table();
}  // namespace detail

constexpr LifeStep next_step(LifeState state, LifeEvent event) noexcept {
  return detail::life_table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

std::string_view to_text(LifeState state) noexcept;
std::string_view to_text(LifeEvent event) noexcept;
std::string_view to_text(LifeAction action) noexcept;
/// All steps that do something, as a Markdown table.
std::string life_table_text();

}  // namespace perp::feed
