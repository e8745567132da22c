#pragma once
// What a backfill was asked for and what became of it, for the database's own lists: see
// warehouse/ingest_account.hpp.
#include <perp/feed/history_feed.hpp>
#include <perp/warehouse/ingest_account.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::app {

/// A venue's part. Noted by its feed's thread, read once that has ended.
class BackfillAccount {
 public:
  explicit BackfillAccount(market::VenueId venue) : venue_(venue) {}

  /// @param is_asked whether anything of it was missing
  void note(const std::string& symbol, feed::HistorySeries series, std::int64_t period_ns,
            feed::TimeSpan within, bool is_asked);

  /// Each once.
  std::vector<warehouse::RunSeries> series() const;
  /// One for each kind of data that was wanted, known to the venue or not.
  std::vector<warehouse::IngestEvent> events(const std::vector<feed::HistorySeries>& wanted,
                                             const feed::HistoryFeedStatus& status,
                                             bool was_stopped) const;

 private:
  struct Noted {
    feed::HistoryType type;
    warehouse::RunSeries of;
  };
  market::VenueId venue_;
  std::vector<Noted> noted_;
};

}  // namespace perp::app
