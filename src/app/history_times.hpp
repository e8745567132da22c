#pragma once
// When a journal has rows of history: what need not be asked for again where no database says it.
#include <perp/feed/history_feed.hpp>
#include <perp/market/record.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace perp::app {

class HistoryTimes {
 public:
  /// Reads a journal once: closed candles, settled rates, statistics within the span. Of ratios
  /// those of all accounts. @throws core::Error as journal::Reader
  static HistoryTimes of_journal(const std::string& folder, feed::TimeSpan span);

  /// Ascending, ms. @param period_ns of candles and statistics; funding has none
  const std::vector<std::int64_t>& find(market::VenueId venue, std::string_view native,
                                        feed::HistoryType type, std::int64_t period_ns) const;

 private:
  using Key = std::tuple<market::VenueId, std::string, feed::HistoryType, std::int64_t>;
  std::map<Key, std::vector<std::int64_t>> times_;
};

}  // namespace perp::app
