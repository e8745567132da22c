#include "sim/check/recovery.hpp"

#include <algorithm>

namespace perp::sim {
namespace {

using market::RecordType;

/// How long the feed may take to see that a connection was ended.
constexpr std::int64_t notice_ns = core::ns_per_second;

/// Takes whole streams away, or the ways to them.
bool silences(FaultKind kind) {
  switch (kind) {
    case FaultKind::gap:
    case FaultKind::duplicate:
    case FaultKind::reorder:
    case FaultKind::sequence:
    case FaultKind::time_unit:
    case FaultKind::time_shift:
    case FaultKind::time_frozen:
    case FaultKind::time_1970:
    case FaultKind::rewrite:
    case FaultKind::status:
    case FaultKind::html:
    case FaultKind::no_answer:
    case FaultKind::random: return false;
    default: return true;
  }
}

/// 0: trades, 1: book, -1: neither.
int stream_of(RecordType type) {
  if (type == RecordType::trade) return 0;
  return type == RecordType::book_delta || type == RecordType::book_snapshot ? 1 : -1;
}

std::uint8_t truth_kind_of(std::size_t stream) {
  return static_cast<std::uint8_t>(stream == 0 ? TruthKind::trade : TruthKind::book);
}

}  // namespace

Recovery::Recovery(market::VenueId venue, std::size_t markets, const FaultLog& faults)
    : venue_(venue), faults_(faults), streams_(markets * stream_kinds) {}

void Recovery::take(const market::RecordHeader& record, std::uint32_t market) {
  if (faults_.faults().empty() || record.receive_ns == core::unknown_ns) return;
  const bool is_status = record.type == RecordType::feed_status;
  const int kind =
      stream_of(is_status ? market::payload<market::FeedStatus>(record).stream : record.type);
  if (kind < 0) return;
  Stream& stream = streams_[market * stream_kinds + static_cast<std::size_t>(kind)];
  if (is_status)
    stream.states.push_back({record.receive_ns, market::payload<market::FeedStatus>(record).state ==
                                                    market::FeedState::live});
  else if ((record.flags & market::flag_backfill) == 0)
    stream.data_ns.push_back(record.receive_ns);
}

std::int64_t Recovery::heal_of(const LoggedFault& fault) const {
  std::int64_t heal_ns = fault.end_ns;
  for (const LoggedBan& ban : faults_.bans())
    if (ban.venue == venue_ && ban.begin_ns <= heal_ns) heal_ns = std::max(heal_ns, ban.end_ns);
  return heal_ns;
}

bool Recovery::is_disturbed(const LoggedFault& fault, std::int64_t heal_ns,
                            std::int64_t until_ns) const {
  const auto disturbs = [&](const LoggedFault& other) {
    return &other != &fault && other.venue == venue_ && silences(other.kind) &&
           other.begin_ns <= until_ns && (other.end_ns > heal_ns || other.begin_ns > fault.end_ns);
  };
  return std::any_of(faults_.faults().begin(), faults_.faults().end(), disturbs) ||
         std::any_of(faults_.bans().begin(), faults_.bans().end(), [&](const LoggedBan& ban) {
           return ban.venue == venue_ && ban.begin_ns > heal_ns && ban.begin_ns <= until_ns;
         });
}

void Recovery::measure(const LoggedFault& fault, std::int64_t heal_ns, const Stream& stream,
                       bool lost_messages, std::int64_t last_ns) {
  const auto told_from = std::lower_bound(stream.sent_ns.begin(), stream.sent_ns.end(), heal_ns);
  const auto told_to = std::lower_bound(told_from, stream.sent_ns.end(), heal_ns + traffic_ns);
  if (told_to - told_from < traffic_events || heal_ns + traffic_ns > last_ns) return;

  // The last time that it stopped to be live, as far as this fault may have made it.
  bool is_hit = lost_messages;
  bool is_live = true;
  std::int64_t from_ns = heal_ns;
  for (const State& state : stream.states) {
    if (state.at_ns > fault.end_ns + notice_ns && state.at_ns > heal_ns) break;
    is_live = state.is_live;
    if (is_live) continue;
    if (state.at_ns >= fault.begin_ns) is_hit = true;
    from_ns = std::max(heal_ns, state.at_ns);
  }
  if (!is_hit && is_live) return;
  const auto back = std::upper_bound(stream.data_ns.begin(), stream.data_ns.end(), from_ns);
  const std::int64_t back_ns = back == stream.data_ns.end() ? last_ns : *back;
  if (is_disturbed(fault, heal_ns, back_ns)) return;
  times_[static_cast<std::size_t>(fault.kind)].push_back(back_ns - heal_ns);
}

void Recovery::conclude(const TruthFile& truth, std::int64_t last_ns) {
  if (last_ns == core::unknown_ns) return;
  for (const TruthRow& row : truth.rows)
    if (row.kind == TruthKind::trade || row.kind == TruthKind::book)
      streams_[row.market * stream_kinds + (row.kind == TruthKind::book ? 1U : 0U)]
          .sent_ns.push_back(row.sent_ms * core::ns_per_ms);
  for (const LoggedFault& fault : faults_.faults()) {
    if (fault.venue != venue_ || fault.end_ns == INT64_MAX) continue;
    const std::int64_t heal_ns = heal_of(fault);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const std::string& native = truth.markets[i / stream_kinds].native;
      const bool lost_messages =
          silences(fault.kind) && fault.removed.contains({truth_kind_of(i % stream_kinds), native});
      measure(fault, heal_ns, streams_[i], lost_messages, last_ns);
    }
  }
}

}  // namespace perp::sim
