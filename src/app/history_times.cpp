#include "app/history_times.hpp"

#include <perp/journal/reader.hpp>

#include <algorithm>

namespace perp::app {
namespace {

struct RowOf {
  feed::HistoryType type = feed::HistoryType::klines;
  std::int64_t period_ns = 0;
  std::int64_t ns = core::unknown_ns;  ///< unknown: no row of history
};

RowOf row_of(const market::RecordHeader& record) {
  switch (record.type) {
    case market::RecordType::kline: {
      const auto& kline = market::payload<market::Kline>(record);
      if (kline.price_kind != market::PriceKind::last || kline.is_closed == market::Tristate::no)
        return {};
      return {feed::HistoryType::klines, kline.interval_ns, kline.open_ns};
    }
    case market::RecordType::funding: {
      const auto& funding = market::payload<market::Funding>(record);
      if (funding.kind != market::FundingKind::settled) return {};
      return {feed::HistoryType::funding_rates, 0, funding.funding_ns};
    }
    case market::RecordType::open_interest: {
      const auto& interest = market::payload<market::OpenInterest>(record);
      if (interest.period_ns <= 0) return {};
      return {feed::HistoryType::open_interest, interest.period_ns, record.exchange_ns};
    }
    case market::RecordType::long_short_ratio: {
      const auto& ratio = market::payload<market::LongShortRatio>(record);
      if (ratio.kind != market::RatioKind::global_account) return {};
      return {feed::HistoryType::long_short_ratio, ratio.period_ns, record.exchange_ns};
    }
    default: return {};
  }
}

}  // namespace

HistoryTimes HistoryTimes::of_journal(const std::string& folder, feed::TimeSpan span) {
  HistoryTimes found;
  journal::Reader reader(folder);
  while (const market::RecordHeader* record = reader.next()) {
    const RowOf row = row_of(*record);
    if (row.ns == core::unknown_ns) continue;
    const std::int64_t ms = core::floor_to(row.ns, core::ns_per_ms) / core::ns_per_ms;
    const market::Instrument* instrument = reader.find_instrument(record->instrument);
    if (ms < span.start_ms || ms >= span.end_ms || instrument == nullptr) continue;
    found.times_[{record->venue, std::string(instrument->native.view()), row.type, row.period_ns}]
        .push_back(ms);
  }
  for (auto& [key, times] : found.times_) {
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
  }
  return found;
}

const std::vector<std::int64_t>& HistoryTimes::find(market::VenueId venue, std::string_view native,
                                                    feed::HistoryType type,
                                                    std::int64_t period_ns) const {
  static const std::vector<std::int64_t> none;
  const auto found = times_.find({venue, std::string(native), type, period_ns});
  return found == times_.end() ? none : found->second;
}

}  // namespace perp::app
