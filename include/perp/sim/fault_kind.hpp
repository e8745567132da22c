#pragma once
// THE table of what a fault proxy can do to a venue's connections: the word in a script, whether it
// lasts, for how long where the script does not say, and which arguments it takes. The parser, the
// random choice, the report and the command's help follow from it; docs/faults.md says what a feed
// has to make of each.
#include <perp/core/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perp::sim {

enum class FaultKind : std::uint8_t {
  cut,
  rst,
  fin,
  close,
  half_open,
  partial,
  garbage,
  rsv1,
  big,
  refuse,
  handshake,
  trickle,
  stall,
  silence,
  heartbeats,
  ack_only,
  gap,
  duplicate,
  reorder,
  sequence,
  time_unit,
  time_shift,
  time_frozen,
  time_1970,
  rewrite,
  status,
  html,
  no_answer,
  random,
};

struct FaultKindRow {
  FaultKind kind;
  std::string_view name;
  std::int64_t usual_ns;       ///< how long it lasts unless told; 0: it happens at once
  bool is_random_choice;       ///< `random` without kinds= may pick it
  std::string_view arguments;  ///< words that it takes beside path=, count=, 1/N and every=
  std::string_view does;       ///< for people
};

inline constexpr auto fault_kinds = std::to_array<FaultKindRow>({
    {FaultKind::cut, "cut", 0, true, "how code reason",
     "every connection of the venue ends at once, HTTP too"},
    {FaultKind::rst, "rst", 0, true, "", "WebSockets are reset (TCP RST)"},
    {FaultKind::fin, "fin", 0, true, "",
     "WebSockets end in order (TLS close_notify, FIN), without a close frame"},
    {FaultKind::close, "close", 0, true, "code reason", "WebSockets are closed with a close frame"},
    {FaultKind::half_open, "half-open", 20 * core::ns_per_second, true, "for",
     "WebSockets that exist carry nothing more, either way; reset at the end"},
    {FaultKind::partial, "partial", 10 * core::ns_per_second, true, "for match symbol",
     "half of the next message, then nothing; reset at the end"},
    {FaultKind::garbage, "garbage", 0, true, "bytes", "random bytes inside the WebSocket stream"},
    {FaultKind::rsv1, "rsv1", 0, true, "match symbol",
     "the next message says that it is compressed, which nobody agreed on"},
    {FaultKind::big, "big", 0, true, "bytes", "one more message, of 16 MiB"},
    {FaultKind::refuse, "refuse", 5 * core::ns_per_second, true, "for how",
     "who connects is reset, or never answered"},
    {FaultKind::handshake, "handshake", 5 * core::ns_per_second, true, "for code retry-after body",
     "WebSocket handshakes are refused with a status"},
    {FaultKind::trickle, "trickle", 5 * core::ns_per_second, true, "for bytes each",
     "what goes to perp goes byte by byte"},
    {FaultKind::stall, "stall", 5 * core::ns_per_second, true, "for match symbol",
     "messages are held, then delivered at once"},
    {FaultKind::silence, "silence", 10 * core::ns_per_second, true, "for match symbol",
     "messages are removed"},
    {FaultKind::heartbeats, "heartbeats", 10 * core::ns_per_second, true, "for match symbol",
     "all but heartbeats is removed"},
    {FaultKind::ack_only, "ack-only", 10 * core::ns_per_second, true, "for match symbol",
     "all but heartbeats and answers to requests is removed"},
    {FaultKind::gap, "gap", 5 * core::ns_per_second, true, "for match symbol",
     "one message in 1,000 is removed"},
    {FaultKind::duplicate, "duplicate", 5 * core::ns_per_second, true, "for match symbol copies",
     "messages come twice"},
    {FaultKind::reorder, "reorder", 5 * core::ns_per_second, true, "for match symbol hold",
     "messages come behind later ones"},
    {FaultKind::sequence, "sequence", 5 * core::ns_per_second, true, "for match symbol keys from",
     "ids count anew from 1"},
    {FaultKind::time_unit, "time-unit", 5 * core::ns_per_second, false,
     "for match symbol keys unit of", "times are told in s, us or ns"},
    {FaultKind::time_shift, "time-shift", 5 * core::ns_per_second, false,
     "for match symbol keys by of", "times are told too late or too early"},
    {FaultKind::time_frozen, "time-frozen", 5 * core::ns_per_second, true,
     "for match symbol keys of", "times stand still"},
    {FaultKind::time_1970, "time-1970", 5 * core::ns_per_second, true, "for match symbol keys of",
     "times are 0"},
    {FaultKind::rewrite, "rewrite", 5 * core::ns_per_second, false, "for match symbol from to of",
     "a text in messages and bodies becomes another"},
    {FaultKind::status, "status", 5 * core::ns_per_second, true, "for code retry-after body",
     "HTTP requests are answered with a status"},
    {FaultKind::html, "html", 5 * core::ns_per_second, true, "for code body",
     "HTTP requests are answered with a page for people"},
    {FaultKind::no_answer, "no-answer", 10 * core::ns_per_second, true, "for",
     "HTTP requests get no answer; reset at the end"},
    {FaultKind::random, "random", 0, false, "", "one of several kinds, at one of the venues"},
});
inline constexpr std::size_t fault_kind_count = fault_kinds.size();

constexpr const FaultKindRow& row_of(FaultKind kind) noexcept {
  return fault_kinds[static_cast<std::size_t>(kind)];
}
constexpr std::string_view name_of(FaultKind kind) noexcept { return row_of(kind).name; }

namespace detail {
constexpr bool is_in_order() noexcept {
  for (std::size_t i = 0; i < fault_kind_count; ++i)
    if (static_cast<std::size_t>(fault_kinds[i].kind) != i) return false;
  return true;
}
static_assert(is_in_order());
}  // namespace detail

}  // namespace perp::sim
