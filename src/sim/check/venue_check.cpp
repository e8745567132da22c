#include "sim/check/venue_check.hpp"

#include <perp/sim/decimal_units.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace perp::sim {
namespace {

using core::ns_per_ms;
using market::RecordType;

constexpr std::size_t examples_max = 20;
constexpr std::int64_t under_way_ms_max = 5'000;

/// The nearest double: both parts are exact, so one division or multiplication rounds once.
double value_of(std::int64_t units, int digits) {
  const double scale = static_cast<double>(power_of_ten(std::abs(digits)));
  return digits >= 0 ? static_cast<double>(units) / scale : static_cast<double>(units) * scale;
}

CheckedKind kind_of(const TruthRow& row) {
  return static_cast<CheckedKind>(static_cast<int>(row.kind) - 1);
}

TruthKind kind_of(CheckedKind kind) { return static_cast<TruthKind>(static_cast<int>(kind) + 1); }

bool carries(RecordType stream, CheckedKind kind) {
  switch (kind) {
    case CheckedKind::trade: return stream == RecordType::trade;
    case CheckedKind::kline: return stream == RecordType::kline;
    case CheckedKind::liquidation: return stream == RecordType::liquidation;
    case CheckedKind::book:
      return stream == RecordType::book_delta || stream == RecordType::book_snapshot;
  }
  return false;
}

}  // namespace

VenueCheck::VenueCheck(TruthFile truth, const FaultLog& faults, const CheckOptions& options)
    : truth_(std::move(truth)),
      faults_(faults),
      slack_ns_(options.slack_ns),
      recovery_(truth_.venue, truth_.markets.size(), faults),
      found_(truth_.rows.size()) {
  const std::size_t markets = truth_.markets.size();
  for (std::size_t kind = 0; kind < checked_kind_count; ++kind) {
    indices_[kind].resize(markets);
    counts_[kind].venue = truth_.venue;
    counts_[kind].kind = static_cast<CheckedKind>(kind);
  }
  for (std::uint32_t market = 0; market < markets; ++market)
    by_native_.emplace(truth_.markets[market].native, market);
  instruments_.assign(markets, 0);
  last_row_.assign(markets, -1);
  for (std::uint32_t i = 0; i < truth_.rows.size(); ++i) {
    const TruthRow& row = truth_.rows[i];
    // A liquidation has no id: its time finds the few that it may be.
    const std::int64_t id = row.kind == TruthKind::liquidation ? row.time_ms : row.id;
    indices_[static_cast<std::size_t>(kind_of(row))][row.market].push_back({id, row.id_high, i});
  }
  for (auto& of_kind : indices_)
    for (Index& of_market : of_kind) std::stable_sort(of_market.begin(), of_market.end());
}

std::uint32_t VenueCheck::market_of(std::uint32_t instrument, std::string_view native) {
  const auto known = by_instrument_.find(instrument);
  if (known != by_instrument_.end()) return known->second;
  const auto named = by_native_.find(std::string(native));
  const std::uint32_t market = named == by_native_.end() ? no_market : named->second;
  if (market != no_market) instruments_[market] = instrument;
  if (!native.empty()) by_instrument_.emplace(instrument, market);
  return market;
}

void VenueCheck::take(const market::RecordHeader& record, std::string_view native) {
  if (record.receive_ns != core::unknown_ns) {
    if (first_ns_ == core::unknown_ns) first_ns_ = record.receive_ns;
    last_ns_ = std::max(last_ns_, record.receive_ns);
  }
  // What was concluded from the journal (that a minute was seen in part) tells of no loss: only
  // what the feed says does.
  if ((record.flags & market::flag_derived) != 0) return;
  if (record.type == RecordType::gap) {
    if ((record.flags & market::flag_backfill) != 0) return;  // what history lacks excuses no feed
    const auto& gap = market::payload<market::Gap>(record);
    holes_.push_back({record.instrument, gap.stream, gap.from_ns, gap.to_ns});
    return;
  }
  if (record.instrument == 0) return;
  const std::uint32_t market = market_of(record.instrument, native);
  if (market == no_market) return;
  recovery_.take(record, market);
  switch (record.type) {
    case RecordType::trade: take_trade(record, market); break;
    case RecordType::kline: take_kline(record, market); break;
    case RecordType::liquidation: take_liquidation(record, market); break;
    case RecordType::book_delta:
    case RecordType::book_snapshot: take_book(record, market); break;
    default: break;
  }
}

bool VenueCheck::has_values(const TruthRow& row, double price, double quantity) const {
  const TruthFile::Market& market = truth_.markets[row.market];
  if (market.quantity_digits == std::numeric_limits<std::int16_t>::min()) return true;
  return value_of(row.price, market.price_digits) == price &&
         value_of(row.quantity, market.quantity_digits) == quantity;
}

void VenueCheck::note(std::uint32_t row, bool is_backfill) {
  std::uint8_t& count = is_backfill ? found_[row].by_request : found_[row].by_stream;
  if (count < std::numeric_limits<std::uint8_t>::max()) ++count;
}

/// OKX's history has each fill as a row, its stream their sum under the last one's id.
void VenueCheck::take_fill(const market::RecordHeader& record, std::uint32_t market) {
  const auto& fill = market::payload<market::Trade>(record);
  const Index& trades = index(CheckedKind::trade, market);
  const auto at =
      std::lower_bound(trades.begin(), trades.end(), Key{fill.trade_id, fill.trade_id_high, 0});
  if (at == trades.end()) {
    if (is_removed(CheckedKind::trade, market, fill.trade_id)) return;
    ++counts(CheckedKind::trade).unknown;
    example("never sent", market, fill.trade_id);
    return;
  }
  const TruthRow& row = truth_.rows[at->row];
  const TruthFile::Market& facts = truth_.markets[market];
  const market::Side side = row.is_buy != 0 ? market::Side::buy : market::Side::sell;
  Fills& fills = fills_[at->row];
  if (!fills.ids.insert(fill.trade_id).second) {
    ++counts(CheckedKind::trade).doubled;
    example("fill stored twice", market, fill.trade_id);
    return;
  }
  fills.quantity += fill.quantity;
  const bool has_units = facts.quantity_digits != std::numeric_limits<std::int16_t>::min();
  const double whole = has_units ? value_of(row.quantity, facts.quantity_digits) : 0;
  if (fill.taker_side != side || record.exchange_ns != row.time_ms * ns_per_ms ||
      (has_units && (value_of(row.price, facts.price_digits) != fill.price ||
                     fills.quantity > whole * (1 + 1e-9))))
    found_[at->row].is_altered = true;
  if (has_units ? fills.quantity >= whole * (1 - 1e-9) : fill.trade_id == row.id)
    note(at->row, true);
}

void VenueCheck::take_trade(const market::RecordHeader& record, std::uint32_t market) {
  const auto& trade = market::payload<market::Trade>(record);
  const bool is_request = (record.flags & market::flag_backfill) != 0;
  if (is_request && truth_.venue == market::VenueId::okx && trade.fill_count == 1)
    return take_fill(record, market);
  const Index& trades = index(CheckedKind::trade, market);
  const Key wanted{trade.trade_id, trade.trade_id_high, 0};
  const auto at = std::lower_bound(trades.begin(), trades.end(), wanted);
  if (at == trades.end() || wanted < *at) {
    if (is_removed(CheckedKind::trade, market, trade.trade_id)) return;
    ++counts(CheckedKind::trade).unknown;
    example("never sent", market, trade.trade_id);
    return;
  }
  const TruthRow& row = truth_.rows[at->row];
  const market::Side side = row.is_buy != 0 ? market::Side::buy : market::Side::sell;
  note(at->row, is_request);
  if (!has_values(row, trade.price, trade.quantity) || trade.taker_side != side ||
      record.exchange_ns != row.time_ms * ns_per_ms)
    found_[at->row].is_altered = true;
  if (is_request) return;
  if (is_behind(at->row, market) && found_[at->row].by_stream == 1) {
    ++counts(CheckedKind::trade).reordered;
    example("behind one that left later", market, trade.trade_id);
  }
  last_row_[market] = std::max<std::int64_t>(last_row_[market], at->row);
}

bool VenueCheck::is_removed(CheckedKind kind, std::uint32_t market, std::int64_t id) const {
  return faults_.removed().contains(truth_.venue, static_cast<std::uint8_t>(kind_of(kind)),
                                    truth_.markets[market].native, id);
}

/// A trade behind one that left later, and no fault has put it there.
bool VenueCheck::is_behind(std::uint32_t at, std::uint32_t market) const {
  if (at >= last_row_[market]) return false;
  const TruthRow& row = truth_.rows[at];
  // Hyperliquid's ids have no order: nor do trades of one time.
  if (truth_.venue == market::VenueId::hyperliquid &&
      row.time_ms == truth_.rows[static_cast<std::size_t>(last_row_[market])].time_ms)
    return false;
  return !faults_.moved().contains(truth_.venue, static_cast<std::uint8_t>(row.kind),
                                   truth_.markets[market].native, row.id);
}

void VenueCheck::take_kline(const market::RecordHeader& record, std::uint32_t market) {
  const auto& kline = market::payload<market::Kline>(record);
  if (kline.interval_ns != core::ns_per_minute || kline.price_kind != market::PriceKind::last)
    return;
  const Index& klines = index(CheckedKind::kline, market);
  const Key wanted{kline.open_ns / ns_per_ms, TruthRow::no_id, 0};
  const auto at = std::lower_bound(klines.begin(), klines.end(), wanted);
  if (at == klines.end() || wanted < *at) return;  // history before the truth began
  // What is not closed yet has other values.
  if (has_values(truth_.rows[at->row], kline.close, kline.volume_base))
    note(at->row, (record.flags & market::flag_backfill) != 0);
}

void VenueCheck::take_liquidation(const market::RecordHeader& record, std::uint32_t market) {
  const auto& liquidation = market::payload<market::Liquidation>(record);
  const Index& all = index(CheckedKind::liquidation, market);
  const Key wanted{record.exchange_ns / ns_per_ms, TruthRow::no_id, 0};
  const auto [begin, end] = std::equal_range(all.begin(), all.end(), wanted);
  for (auto at = begin; at != end; ++at) {
    const TruthRow& row = truth_.rows[at->row];
    if (found_[at->row].by_stream != 0 || !has_values(row, liquidation.price, liquidation.quantity))
      continue;
    note(at->row, false);
    return;
  }
  // A fault may have told another time, by which it is not found, or one that is none.
  const bool is_changed = record.exchange_ns == core::unknown_ns
                              ? faults_.removed().contains_any(
                                    truth_.venue, static_cast<std::uint8_t>(TruthKind::liquidation),
                                    truth_.markets[market].native)
                              : is_removed(CheckedKind::liquidation, market, wanted.id);
  if (begin == end && !is_changed) {
    ++counts(CheckedKind::liquidation).unknown;
    example("never sent", market, wanted.id);
  }
}

void VenueCheck::take_book(const market::RecordHeader& record, std::uint32_t market) {
  const auto& book = market::payload<market::Book>(record);
  const Index& all = index(CheckedKind::book, market);
  const std::int64_t id =
      book.last_id != market::unknown_id ? book.last_id : record.exchange_ns / ns_per_ms;
  const Key wanted{id, TruthRow::no_id, 0};
  const auto at = std::lower_bound(all.begin(), all.end(), wanted);
  // A snapshot may stand between two events, and other depths have ids of their own.
  if (at != all.end() && !(wanted < *at)) note(at->row, false);
}

bool VenueCheck::is_told(const TruthRow& row, CheckedKind kind) const {
  const std::uint32_t instrument = instruments_[row.market];
  const auto covers = [&](const Hole& hole, std::int64_t ms) {
    return hole.from_ns <= ms * ns_per_ms + slack_ns_ && ms * ns_per_ms - slack_ns_ <= hole.to_ns;
  };
  return std::any_of(holes_.begin(), holes_.end(), [&](const Hole& hole) {
    return (hole.instrument == 0 || hole.instrument == instrument) &&
           (hole.stream == RecordType::padding || carries(hole.stream, kind)) &&
           (covers(hole, row.sent_ms) || covers(hole, row.time_ms));
  });
}

/// What left as the journal ended may not have come yet: what is behind the newest row that a
/// stream brought, however late that was, but not for more than 5 s.
std::int64_t VenueCheck::first_under_way_ms() const {
  if (last_ns_ == core::unknown_ns) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t slack_ms = slack_ns_ / ns_per_ms;
  const std::int64_t last_ms = last_ns_ / ns_per_ms;
  std::int64_t newest_ms = last_ms - under_way_ms_max;
  for (std::size_t i = 0; i < found_.size(); ++i)
    if (found_[i].by_stream > 0) newest_ms = std::max(newest_ms, truth_.rows[i].sent_ms - slack_ms);
  return std::min(last_ms - slack_ms, newest_ms);
}

void VenueCheck::conclude(CheckReport& report) {
  const std::int64_t under_way_ms = first_under_way_ms();
  for (std::size_t i = 0; i < truth_.rows.size(); ++i) {
    const TruthRow& row = truth_.rows[i];
    const Found& found = found_[i];
    const CheckedKind kind = kind_of(row);
    CheckCounts& count = counts(kind);
    const auto is_removed_row = [&] {
      return is_removed(kind, row.market, kind == CheckedKind::liquidation ? row.time_ms : row.id);
    };
    if (kind == CheckedKind::trade && found.by_stream > 0 && found.by_request == 0 &&
        fills_.contains(static_cast<std::uint32_t>(i))) {
      ++count.doubled;
      example(report, "some of its fills stored, too", row);
    }
    if (kind == CheckedKind::trade && found.by_stream + found.by_request > 1) {
      count.doubled += found.by_stream + found.by_request - 1U;
      example(report, "stored twice", row);
    }
    if (found.is_altered && !is_removed_row()) {
      ++count.altered;
      example(report, "stored with other values", row);
    }
    if (row.connections == 0) continue;
    ++count.sent;
    if (found.by_stream > 0) {
      ++count.stored;
    } else if (found.by_request > 0) {
      ++count.filled;
    } else if (is_told(row, kind)) {
      ++count.told;
    } else if (is_removed_row()) {
      ++count.removed;
    } else if (row.sent_ms >= under_way_ms) {
      ++count.under_way;
    } else {
      ++count.lost;
      example(report, "lost silently", row);
    }
  }
  recovery_.conclude(truth_, last_ns_);
  report.gap_records += holes_.size();
  report.rows.insert(report.rows.end(), counts_.begin(), counts_.end());
  report.examples.insert(report.examples.end(), examples_.begin(), examples_.end());
}

void VenueCheck::example(CheckReport& report, std::string_view what, const TruthRow& row) const {
  if (report.examples.size() >= examples_max) return;
  report.examples.push_back(
      fmt::format("{} {} {} id {} matched at {} ms, left at {} ms to {} connections: {}",
                  market::find_venue(truth_.venue)->key, truth_.markets[row.market].native,
                  name_of(kind_of(row)), row.id == TruthRow::no_id ? row.time_ms : row.id,
                  row.time_ms, row.sent_ms, row.connections, what));
}

void VenueCheck::example(std::string_view what, std::uint32_t market, std::int64_t id) {
  if (examples_.size() >= examples_max) return;
  examples_.push_back(fmt::format("{} {} record with id {}: {}",
                                  market::find_venue(truth_.venue)->key,
                                  truth_.markets[market].native, id, what));
}

}  // namespace perp::sim
