// Samples: what a contract's book and its market were when engine time reached a whole multiple of
// an interval. What is too old, or whose stream broke, is not known and gives no value; a contract
// of which nothing is known gives no record.
#include "state/fold.hpp"
#include "state/minute_rows.hpp"

#include <perp/market/liquidity.hpp>

#include <algorithm>
#include <cmath>

namespace perp::state {
namespace {

bool is_positive(double v) { return std::isfinite(v) && v > 0; }

/// One bit pattern for all that is missing: records are compared as bytes.
double known(double v) { return std::isnan(v) ? market::missing : v; }

bool is_fresh_at(std::int64_t told_ns, std::int64_t staleness_ns, std::int64_t ns) {
  return told_ns != core::unknown_ns && ns - told_ns <= staleness_ns;
}

double value_at(const Sample& sample, std::int64_t staleness_ns, std::int64_t ns) {
  return is_fresh_at(sample.ns, staleness_ns, ns) ? sample.value : market::missing;
}

void take_ticker(Quotes& quotes, const market::Ticker& ticker, std::int64_t ns) {
  const auto tell_positive = [ns](Sample& kept, double value) {
    if (is_positive(value)) Quotes::tell(kept, value, ns);
  };
  const auto tell_size = [ns](Sample& kept, double value) {
    if (value >= 0) Quotes::tell(kept, value, ns);
  };
  tell_positive(quotes.last_price, ticker.last_price);
  tell_positive(quotes.open_24h, ticker.open_24h);
  tell_positive(quotes.high_24h, ticker.high_24h);
  tell_positive(quotes.low_24h, ticker.low_24h);
  tell_size(quotes.volume_base, ticker.volume_base_24h);
  tell_size(quotes.volume_quote, ticker.volume_quote_24h);
  Quotes::tell(quotes.change, ticker.change_24h, ns);
  Quotes::tell(quotes.change_fraction, ticker.change_fraction_24h, ns);
}

void take_bbo(Quotes& quotes, const market::Bbo& bbo, std::int64_t ns) {
  if (quotes.bbo_ns != core::unknown_ns && ns < quotes.bbo_ns) return;
  quotes.bbo_ns = ns;
  const bool has_bid = is_positive(bbo.bid_price);
  const bool has_ask = is_positive(bbo.ask_price);
  quotes.bid_price = has_bid ? bbo.bid_price : market::missing;
  quotes.bid_quantity = has_bid ? bbo.bid_quantity : market::missing;
  quotes.ask_price = has_ask ? bbo.ask_price : market::missing;
  quotes.ask_quantity = has_ask ? bbo.ask_quantity : market::missing;
}

template <class Payload>
bool holds(const market::RecordHeader& record) {
  return record.size >= sizeof(market::RecordHeader) + sizeof(Payload);
}

}  // namespace

std::int64_t Fold::heard_ns(const market::RecordHeader& record) const {
  const std::int64_t now_ns = clock_.now_ns();
  const std::int64_t ns =
      record.receive_ns != core::unknown_ns ? record.receive_ns : record.exchange_ns;
  return ns == core::unknown_ns ? now_ns : std::min(ns, now_ns);
}

void Fold::quote(Series& series, const market::RecordHeader& record) {
  if ((record.flags & market::flag_backfill) != 0) return;
  const std::int64_t ns = heard_ns(record);
  switch (record.type) {
    case market::RecordType::bbo:
      if (holds<market::Bbo>(record))
        take_bbo(series.quotes, market::payload<market::Bbo>(record), ns);
      return;
    case market::RecordType::ticker:
      if (holds<market::Ticker>(record))
        take_ticker(series.quotes, market::payload<market::Ticker>(record), ns);
      return;
    default: break;
  }
  // A book of one level is a quote.
  if (!keeps_books() || !holds<market::Book>(record)) return;
  const std::uint16_t depth = market::payload<market::Book>(record).depth;
  if (depth == 1) return;
  KeptBook& kept = series.book_of(depth);
  if (kept.book.apply(record) == market::BookOutcome::applied) kept.told_ns = ns;
}

void Fold::start_cadences(std::int64_t ns) {
  for (Cadence* cadence : {&depth_, &tickers_, &levels_}) cadence->start_behind(ns);
  next_sample_ns_ = std::min({depth_.next_ns, tickers_.next_ns, levels_.next_ns});
}

template <class Sampler>
void Fold::for_each_active(Sampler sampler) {
  for (const VenueFold& venue : venues_)
    for (const auto& series : venue.series)
      if (series != nullptr && series->is_active) sampler(*series);
}

/// All moments up to `ns`, in their order, by what was heard up to `heard_ns`, which is before the
/// first of them.
void Fold::sample_until(std::int64_t ns, std::int64_t heard_ns, DerivedSink& out) {
  const std::int64_t last_ns = std::min(ns, heard_ns + sample_reach_ns);
  while (next_sample_ns_ <= last_ns) {
    const std::int64_t at_ns = next_sample_ns_;
    if (depth_.next_ns == at_ns)
      for_each_active([&](const Series& series) { sample_book(series, at_ns, out); });
    if (levels_.next_ns == at_ns)
      for_each_active([&](const Series& series) { sample_levels(series, at_ns, out); });
    if (tickers_.next_ns == at_ns)
      for_each_active([&](const Series& series) { sample_ticker(series, at_ns, out); });
    start_cadences(at_ns);
  }
  start_cadences(ns);
}

void Fold::sample_book(const Series& series, std::int64_t ns, DerivedSink& out) {
  const KeptBook* kept = series.find_book(ns);
  if (kept == nullptr) return;
  const market::OrderBook& book = kept->book;
  auto& sample = out.emplace<market::Liquidity>(market::RecordType::liquidity, series.venue,
                                                series.instrument, ns, clock_.now_ns(), 0);
  sample = market::liquidity_of(book.bids(), book.asks(), book.bid_side().horizon(),
                                book.ask_side().horizon());
  sample.last_id = book.last_id();
  sample.told_ns = kept->told_ns;
  sample.depth = kept->depth;
  ++totals_.books_sampled;
}

void Fold::sample_levels(const Series& series, std::int64_t ns, DerivedSink& out) {
  const KeptBook* kept = series.find_book(ns);
  if (kept == nullptr) return;
  const auto best = [](std::span<const market::Level> levels) {
    return levels.first(std::min(levels.size(), sampled_levels));
  };
  const std::span<const market::Level> bids = best(kept->book.bids());
  const std::span<const market::Level> asks = best(kept->book.asks());
  auto& sample = out.emplace<market::Book>(market::RecordType::book_snapshot, series.venue,
                                           series.instrument, ns, clock_.now_ns(), 0,
                                           (bids.size() + asks.size()) * sizeof(market::Level));
  sample.last_id = kept->book.last_id();
  sample.bid_count = static_cast<std::uint32_t>(bids.size());
  sample.ask_count = static_cast<std::uint32_t>(asks.size());
  sample.depth = static_cast<std::uint16_t>(sampled_levels);
  auto* levels = reinterpret_cast<market::Level*>(&sample + 1);
  std::copy(asks.begin(), asks.end(), std::copy(bids.begin(), bids.end(), levels));
  ++totals_.levels_sampled;
}

void Fold::sample_ticker(const Series& series, std::int64_t ns, DerivedSink& out) {
  const Quotes& quotes = series.quotes;
  const auto price = [ns](const Sample& told) { return value_at(told, quote_staleness_ns, ns); };
  const auto statistic = [ns](const Sample& told) {
    return value_at(told, statistic_staleness_ns, ns);
  };
  market::TickerSample sample;
  sample.last_price = price(quotes.last_price);
  sample.mark_price = price(quotes.mark_price);
  sample.index_price = price(quotes.index_price);
  const KeptBook* kept = series.find_book(ns);
  if (kept != nullptr && kept->told_ns > quotes.bbo_ns) {
    const market::Level& bid = kept->book.bids().front();
    const market::Level& ask = kept->book.asks().front();
    sample.bid_price = bid.price;
    sample.bid_quantity = bid.quantity;
    sample.ask_price = ask.price;
    sample.ask_quantity = ask.quantity;
  } else if (is_fresh_at(quotes.bbo_ns, quote_staleness_ns, ns)) {
    sample.bid_price = quotes.bid_price;
    sample.bid_quantity = quotes.bid_quantity;
    sample.ask_price = quotes.ask_price;
    sample.ask_quantity = quotes.ask_quantity;
  }
  const double prices[] = {sample.last_price, sample.mark_price, sample.index_price,
                           sample.bid_price, sample.ask_price};
  if (std::all_of(std::begin(prices), std::end(prices), [](double v) { return std::isnan(v); }))
    return;

  sample.volume_base_24h = statistic(quotes.volume_base);
  sample.volume_quote_24h = statistic(quotes.volume_quote);
  sample.high_24h = statistic(quotes.high_24h);
  sample.low_24h = statistic(quotes.low_24h);
  sample.change_24h = statistic(quotes.change);
  sample.change_fraction_24h = statistic(quotes.change_fraction);
  const double open = statistic(quotes.open_24h);
  if (std::isnan(sample.change_24h)) sample.change_24h = known(sample.last_price - open);
  if (std::isnan(sample.change_fraction_24h))
    sample.change_fraction_24h = known(sample.change_24h / open);
  const OpenInterestSample& interest = quotes.open_interest;
  if (is_fresh_at(interest.ns, open_interest_staleness_ns, ns)) {
    sample.open_interest = interest.quantity;
    sample.open_interest_notional = std::isnan(interest.notional)
                                        ? known(interest.quantity * sample.mark_price)
                                        : interest.notional;
  }
  out.emplace<market::TickerSample>(market::RecordType::ticker_sample, series.venue,
                                    series.instrument, ns, clock_.now_ns(), 0) = sample;
  ++totals_.tickers_sampled;
}

}  // namespace perp::state
