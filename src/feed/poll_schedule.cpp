#include "feed/poll_schedule.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace perp::feed {
namespace {

/// Figures of a period are not there at its very end.
constexpr std::int64_t making_ns = 10 * core::ns_per_second;

}  // namespace

void PollSchedule::restart(std::span<const venue::RestCall> calls,
                           std::span<const std::string> symbols, venue::StreamKinds polled,
                           double haste) {
  ++generation_;
  polls_.clear();
  // Polls of one rhythm share the interval, a contract's behind each other.
  using Rhythm = std::pair<std::int64_t, bool>;
  std::map<Rhythm, std::size_t> counts;
  const auto rhythm_of = [](const venue::RestCall& call) {
    return Rhythm{call.interval_ns, !call.period.empty()};
  };
  const auto add = [&](const venue::RestCall& call, const std::string& symbol) {
    if (call.purpose != venue::RestPurpose::poll || (call.kinds & polled) == 0 ||
        call.is_per_symbol == symbol.empty())
      return;
    // offset_ns is the place in line until all are known.
    const auto place = static_cast<std::int64_t>(counts[rhythm_of(call)]++);
    polls_.push_back(
        {.call = &call,
         .symbol = symbol,
         .interval_ns = std::max<std::int64_t>(
             1, static_cast<std::int64_t>(static_cast<double>(call.interval_ns) / haste)),
         .offset_ns = place});
  };
  for (const venue::RestCall& call : calls) add(call, {});
  for (const std::string& symbol : symbols)
    for (const venue::RestCall& call : calls) add(call, symbol);
  for (Poll& poll : polls_) {
    const bool is_of_period = !poll.call->period.empty();
    const auto count = static_cast<std::int64_t>(counts[rhythm_of(*poll.call)]);
    const std::int64_t begin_ns =
        is_of_period ? static_cast<std::int64_t>(static_cast<double>(making_ns) / haste) : 0;
    const std::int64_t spread_ns = is_of_period ? poll.interval_ns / 2 : poll.interval_ns;
    // spread * place / count, without a product that could be too large.
    const std::int64_t place = poll.offset_ns;
    poll.offset_ns = begin_ns + spread_ns / count * place + spread_ns % count * place / count;
  }
}

}  // namespace perp::feed
