#include "state/fold.hpp"

#include <cstddef>

namespace perp::state {
namespace {

using market::RecordType;

/// Instrument numbers come from a journal; a damaged or foreign one must not claim gigabytes.
constexpr std::size_t instruments_per_venue_max = std::size_t{1} << 16;

std::size_t index_of(std::uint32_t instrument) { return instrument & 0xffffffU; }

template <class Payload>
bool holds(const market::RecordHeader& record) {
  return record.size >= sizeof(market::RecordHeader) + sizeof(Payload);
}

bool is_book(RecordType stream) {
  return stream == RecordType::book_snapshot || stream == RecordType::book_delta;
}

bool is_watched(RecordType stream) {
  return stream == RecordType::trade || stream == RecordType::liquidation;
}

}  // namespace

void Fold::take(const market::RecordHeader& record, DerivedSink& out) {
  switch (record.type) {
    case RecordType::instrument:
      if (holds<market::Instrument>(record)) define(record);
      return;
    case RecordType::feed_status:
      if (holds<market::FeedStatus>(record)) feed_status(record);
      return;
    case RecordType::gap:
      if (holds<market::Gap>(record)) gap(record);
      return;
    case RecordType::trade:
    case RecordType::kline:
    case RecordType::liquidation:
    case RecordType::open_interest:
    case RecordType::long_short_ratio:
    case RecordType::mark_price:
    case RecordType::funding: break;
    case RecordType::bbo:
    case RecordType::ticker:
    case RecordType::book_snapshot:
    case RecordType::book_delta:
      if (Series* series = find_active(record); series != nullptr) quote(*series, record);
      return;
    default: return;  // builds neither a minute nor a sample
  }
  Series* series = find_series(record);
  if (series == nullptr) return;
  // A backfill that comes before the instrument's first live record must find the ring at the
  // present.
  if (closed_ != no_minute) series->open_up_to(rsi_rule_, closed_);
  switch (record.type) {
    case RecordType::trade:
      if (holds<market::Trade>(record)) trade(*series, record, out);
      return;
    case RecordType::kline:
      if (holds<market::Kline>(record)) kline(*series, record, out);
      return;
    case RecordType::liquidation:
      if (holds<market::Liquidation>(record)) liquidation(*series, record, out);
      return;
    case RecordType::open_interest:
      if (holds<market::OpenInterest>(record)) open_interest(*series, record, out);
      return;
    case RecordType::long_short_ratio:
      if (holds<market::LongShortRatio>(record)) long_short_ratio(*series, record, out);
      return;
    case RecordType::mark_price:
      if (holds<market::MarkPrice>(record)) mark_price(*series, record);
      return;
    default:
      if (holds<market::Funding>(record)) funding(*series, record);
      return;
  }
}

Series* Fold::series_of(std::uint32_t instrument) const {
  const auto venue_index = static_cast<std::size_t>(instrument >> 24);
  const std::size_t index = index_of(instrument);
  if (venue_index >= venues_.size() || index >= venues_[venue_index].series.size()) return nullptr;
  return venues_[venue_index].series[index].get();
}

Series* Fold::find_active(const market::RecordHeader& record) {
  Series* series = series_of(record.instrument);
  return series != nullptr && series->is_active ? series : nullptr;
}

Series* Fold::find_series(const market::RecordHeader& record) {
  const auto venue_index = static_cast<std::size_t>(record.venue);
  const std::size_t index = index_of(record.instrument);
  if (venue_index >= venues_.size() || index >= venues_[venue_index].known.size() ||
      venues_[venue_index].known[index] == Known::no) {
    ++totals_.unknown_instruments;
    return nullptr;
  }
  Series* series = venues_[venue_index].series[index].get();
  if (series == nullptr || !series->is_active) {
    ++totals_.other_records;
    return nullptr;
  }
  return series;
}

void Fold::define(const market::RecordHeader& record) {
  const auto venue_index = static_cast<std::size_t>(record.venue);
  const std::size_t index = index_of(record.instrument);
  if (venue_index == 0 || venue_index >= venues_.size() || index >= instruments_per_venue_max) {
    ++totals_.unknown_instruments;
    return;
  }
  VenueFold& venue = venues_[venue_index];
  if (index >= venue.known.size()) {
    venue.known.resize(index + 1, Known::no);
    venue.series.resize(index + 1);
  }
  const auto& instrument = market::payload<market::Instrument>(record);
  const bool is_active =
      instrument.is_primary != 0 && instrument.status != market::InstrumentStatus::delisted;
  Known& known = venue.known[index];
  auto& series = venue.series[index];
  if (known == Known::no) {
    known = instrument.is_primary != 0 ? Known::primary : Known::other;
    ++(known == Known::primary ? totals_.instruments : totals_.other_instruments);
  }
  if (series == nullptr) {
    if (!is_active) return;
    series = std::make_unique<Series>();
    series->instrument = record.instrument;
    series->venue = record.venue;
    if (has(*series, SpecKind::rsi)) series->rsi = std::make_unique<RsiHistory>();
  }
  if (is_active && !series->is_active) {
    // What is declared live for the whole venue is so for a newcomer, too.
    if (venue.trade.since_ns != core::unknown_ns)
      series->data.trade_stream.go_live(venue.trade.since_ns);
    if (venue.liquidation.since_ns != core::unknown_ns)
      series->data.liquidation_stream.go_live(venue.liquidation.since_ns);
  } else if (!is_active && series->is_active) {
    series->data.trade_stream = {};
    series->data.liquidation_stream = {};
    series->quotes = {};
    series->books.clear();
  }
  series->is_active = is_active;
  series->is_trading = instrument.status == market::InstrumentStatus::live;
  if (is_active && record.venue == MarketToken::venue)
    token_.define(record.instrument, instrument.base.view());
}

std::int64_t Fold::watched_until_ns(std::uint32_t instrument) const {
  const Series* series = series_of(instrument);
  if (series == nullptr) return core::unknown_ns;
  const Stream& trades = series->data.trade_stream;
  return trades.since_ns != core::unknown_ns ? engine_time_ns() : trades.previous_until_ns;
}

std::int64_t Fold::candles_until_ns(std::uint32_t instrument) const {
  const Series* series = series_of(instrument);
  const std::int64_t minute = series == nullptr ? no_minute : series->data.newest_candle;
  return minute == no_minute ? core::unknown_ns : (minute + 1) * core::ns_per_minute;
}

void Fold::feed_status(const market::RecordHeader& record) {
  const auto& status = market::payload<market::FeedStatus>(record);
  const auto venue_index = static_cast<std::size_t>(record.venue);
  const std::int64_t ns = event_ns(record);
  if (venue_index >= venues_.size() || ns == core::unknown_ns) return;
  VenueFold& venue = venues_[venue_index];
  const bool is_live = status.state == market::FeedState::live;
  const bool is_broken = status.state == market::FeedState::stale ||
                         status.state == market::FeedState::reconnecting ||
                         status.state == market::FeedState::down;
  if (!is_live && !is_broken) return;
  if (is_broken && (is_book(status.stream) || status.stream == RecordType::padding))
    doubt_books(venue, record);
  // The feed of the whole venue, not one of its connections, which are numbered from 1.
  const bool is_whole_feed =
      record.instrument == 0 && status.connection == 0 && status.stream == RecordType::padding;
  if (status.state == market::FeedState::down && is_whole_feed)
    for (const auto& series : venue.series)
      if (series != nullptr) {
        series->data.trade_stream.end(ns);
        series->data.liquidation_stream.end(ns);
      }

  if (record.instrument != 0) {
    const std::size_t index = index_of(record.instrument);
    Series* series = index < venue.series.size() ? venue.series[index].get() : nullptr;
    if (series == nullptr || !series->is_active) return;
    for (Stream* stream : {&series->data.trade_stream, &series->data.liquidation_stream}) {
      const bool is_trade = stream == &series->data.trade_stream;
      if (status.stream != (is_trade ? RecordType::trade : RecordType::liquidation) &&
          !(is_broken && status.stream == RecordType::padding))
        continue;
      if (is_live)
        stream->go_live(ns);
      else if (stream->interrupt(ns))
        ++totals_.interruptions;
    }
    return;
  }
  if (is_live) {
    // A connection that is up proves no subscription: only a named stream becomes live without a
    // message.
    if (is_watched(status.stream)) go_live(venue, status.stream, ns, status.connection);
    return;
  }
  for (const RecordType stream : {RecordType::trade, RecordType::liquidation}) {
    const VenueStream& carried = stream == RecordType::trade ? venue.trade : venue.liquidation;
    const bool is_elsewhere = !is_whole_feed && carried.connection != VenueStream::any_connection &&
                              carried.connection != std::int64_t{status.connection};
    if (status.stream == stream || (status.stream == RecordType::padding && !is_elsewhere))
      interrupt(venue, stream, ns);
  }
}

void Fold::gap(const market::RecordHeader& record) {
  if ((record.flags & market::flag_backfill) != 0) return;  // of history: no stream was interrupted
  const auto& gap = market::payload<market::Gap>(record);
  const auto venue_index = static_cast<std::size_t>(record.venue);
  const std::int64_t from_ns = gap.from_ns != core::unknown_ns ? gap.from_ns : event_ns(record);
  if (venue_index < venues_.size() && is_book(gap.stream))
    doubt_books(venues_[venue_index], record);
  if (venue_index >= venues_.size() || !is_watched(gap.stream) || from_ns == core::unknown_ns)
    return;
  VenueFold& venue = venues_[venue_index];
  const bool is_trade = gap.stream == RecordType::trade;
  const auto break_one = [&](Series& series) {
    Stream& stream = is_trade ? series.data.trade_stream : series.data.liquidation_stream;
    if (!stream.interrupt(from_ns)) return;
    ++totals_.interruptions;
    if (gap.to_ns != core::unknown_ns) stream.go_live(std::max(from_ns, gap.to_ns));
  };
  if (record.instrument != 0) {
    const std::size_t index = index_of(record.instrument);
    if (index < venue.series.size() && venue.series[index] != nullptr)
      break_one(*venue.series[index]);
    return;
  }
  VenueStream& whole = is_trade ? venue.trade : venue.liquidation;
  if (whole.since_ns != core::unknown_ns) whole.since_ns = gap.to_ns;
  for (const auto& series : venue.series)
    if (series != nullptr) break_one(*series);
}

void Fold::go_live(VenueFold& venue, RecordType stream, std::int64_t ns, std::int64_t connection) {
  const bool is_trade = stream == RecordType::trade;
  VenueStream& whole = is_trade ? venue.trade : venue.liquidation;
  if (whole.since_ns == core::unknown_ns) {
    whole = {.since_ns = ns, .connection = connection};
  } else if (whole.connection != connection) {
    whole.connection = VenueStream::any_connection;  // several carry it: any of them can break it
  }
  for (const auto& series : venue.series)
    if (series != nullptr && series->is_active)
      (is_trade ? series->data.trade_stream : series->data.liquidation_stream).go_live(ns);
}

void Fold::interrupt(VenueFold& venue, RecordType stream, std::int64_t ns) {
  const bool is_trade = stream == RecordType::trade;
  (is_trade ? venue.trade : venue.liquidation) = {};
  for (const auto& series : venue.series)
    if (series != nullptr &&
        (is_trade ? series->data.trade_stream : series->data.liquidation_stream).interrupt(ns))
      ++totals_.interruptions;
}

void Fold::interrupt_all(std::int64_t ns) {
  for (VenueFold& venue : venues_) {
    interrupt(venue, RecordType::trade, ns);
    interrupt(venue, RecordType::liquidation, ns);
    for (const auto& series : venue.series)
      if (series != nullptr) {
        series->doubt_books();
        series->quotes = {};
      }
  }
}

/// What broke may have carried these books: each waits for its next record, which tells whether it
/// still follows. A book that missed something finds that by itself.
void Fold::doubt_books(VenueFold& venue, const market::RecordHeader& record) {
  const std::size_t index = index_of(record.instrument);
  for (std::size_t i = 0; i < venue.series.size(); ++i)
    if (venue.series[i] != nullptr && (record.instrument == 0 || i == index))
      venue.series[i]->doubt_books();
}

}  // namespace perp::state
