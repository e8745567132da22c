#include "app/backfill_account.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace perp::app {

void BackfillAccount::note(const std::string& symbol, feed::HistorySeries series,
                           std::int64_t period_ns, feed::TimeSpan within, bool is_asked) {
  noted_.push_back({.type = series.type,
                    .of = {.span = {.series = {.table = name_of(series.type),
                                               .venue = venue_,
                                               .symbol = symbol,
                                               .period_ns = period_ns},
                                    .start_ms = within.start_ms,
                                    .end_ms = within.end_ms},
                           .was_fetched = is_asked}});
}

std::vector<warehouse::RunSeries> BackfillAccount::series() const {
  std::vector<warehouse::RunSeries> made;
  for (const Noted& noted : noted_) {
    const warehouse::FactSeries& series = noted.of.span.series;
    const auto known = std::find_if(made.begin(), made.end(), [&](const auto& one) {
      return one.span.series.table == series.table && one.span.series.symbol == series.symbol &&
             one.span.series.period_ns == series.period_ns;
    });
    // Several requests may bring one series: ratios of several kinds.
    if (known == made.end())
      made.push_back(noted.of);
    else
      known->was_fetched = known->was_fetched || noted.of.was_fetched;
  }
  return made;
}

std::vector<warehouse::IngestEvent> BackfillAccount::events(
    const std::vector<feed::HistorySeries>& wanted, const feed::HistoryFeedStatus& status,
    bool was_stopped) const {
  std::vector<warehouse::IngestEvent> events;
  for (std::size_t i = 0; i < feed::history_type_count; ++i) {
    const auto type = static_cast<feed::HistoryType>(i);
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](feed::HistorySeries series) { return series.type == type; }))
      continue;
    std::size_t count = 0;
    std::size_t asked = 0;
    for (const Noted& noted : noted_) {
      count += noted.type == type ? 1 : 0;
      asked += noted.type == type && noted.of.was_fetched ? 1 : 0;
    }
    std::size_t given_up = 0;
    std::string why;
    for (const feed::HistoryLeft& left : status.left)
      if (left.series.type == type && left.was_given_up) {
        why = left.symbol + ": " + left.why;
        ++given_up;
      }
    warehouse::IngestEvent event{.venue = venue_, .type = "backfill ", .status = "complete"};
    event.type += name_of(type);
    event.message = fmt::format("{} series, of {} something was missing", count, asked);
    if (given_up > 0) {
      event.status = "partial";
      event.message += fmt::format("; {} spans given up, the last one of {}", given_up, why);
    }
    if (was_stopped) event.status = "stopped";
    if (!status.failure.empty()) {
      event.status = "failed";
      event.message = status.failure;
    }
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace perp::app
