#pragma once
// Test support: what the tables must hold in the end, computed the slow way from the whole tape at
// once: lists of raw events, no incremental state. Knows nothing of the fold's code; written from
// the specification.
#include "state/tape.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace perp::test {

class Oracle {
 public:
  using Key = std::tuple<std::uint32_t, SpecKind, std::int64_t>;
  using Values = std::map<std::string, double>;

  std::map<Key, Values> table;
  std::set<Key> tradeless;  ///< rows of minutes in which no price happened

  explicit Oracle(const Tape& tape) {
    for (std::size_t i = 0; i < tape.size(); ++i) read(tape[i]);
    for (const std::uint32_t id : instruments_)
      for (std::int64_t open = noon; open + min + 2 * s <= end_ns_; open += min) rows_of(id, open);
    for (const std::uint32_t id : instruments_) rsi_of(id);
    for (auto& [key, values] : table) changes_of(key, values);
  }

 private:
  template <class Payload>
  struct Event {
    std::int64_t ns;
    std::int64_t seen_ns;
    Payload what;
  };
  template <class Payload>
  using Events = std::map<std::uint32_t, std::vector<Event<Payload>>>;

  struct Switch {
    std::int64_t ns;
    std::int64_t seen_ns;
    bool is_live;
    std::uint32_t instrument;  ///< 0 for the whole venue
  };

  template <class Payload>
  static void keep(Events<Payload>& events, const market::RecordHeader& header) {
    events[header.instrument].push_back(
        {header.exchange_ns, header.receive_ns, market::payload<Payload>(header)});
  }

  void read(const market::RecordHeader& header) {
    if (header.receive_ns != core::unknown_ns) end_ns_ = std::max(end_ns_, header.receive_ns);
    const auto venue = header.venue;
    switch (header.type) {
      case RecordType::instrument: instruments_.push_back(header.instrument); break;
      case RecordType::trade:
        keep(trades_, header);
        if (market::payload<market::Trade>(header).is_block != market::Tristate::yes)
          told_[header.instrument].push_back(header.receive_ns);
        switches_[{venue, RecordType::trade}].push_back(
            {header.exchange_ns, header.receive_ns, true, header.instrument});
        break;
      case RecordType::kline: keep(klines_, header); break;
      case RecordType::open_interest: keep(interests_, header); break;
      case RecordType::funding: keep(fundings_, header); break;
      case RecordType::mark_price:
        keep(marks_, header);
        told_[header.instrument].push_back(header.receive_ns);
        break;
      case RecordType::bbo: told_[header.instrument].push_back(header.receive_ns); break;
      case RecordType::ticker:
        if (!std::isnan(market::payload<market::Ticker>(header).last_price))
          told_[header.instrument].push_back(header.receive_ns);
        break;
      case RecordType::long_short_ratio: keep(ratios_, header); break;
      case RecordType::liquidation:
        keep(liquidations_, header);
        switches_[{venue, RecordType::liquidation}].push_back(
            {header.exchange_ns, header.receive_ns, true, header.instrument});
        break;
      case RecordType::feed_status: {
        const auto& status = market::payload<market::FeedStatus>(header);
        switches_[{venue, status.stream}].push_back(
            {header.exchange_ns, header.receive_ns, status.state == market::FeedState::live, 0});
        break;
      }
      default: break;
    }
  }

  /// Live spans of an instrument's stream, as known when the minute closes, in order of arrival. A
  /// message from before a break does not end it.
  bool is_whole(std::uint32_t id, RecordType stream, std::int64_t from, std::int64_t to) {
    const auto venue = static_cast<VenueId>(id >> 24);
    bool is_live = false;
    std::int64_t since = 0;
    std::int64_t broken = std::numeric_limits<std::int64_t>::min();
    for (const Switch& change : switches_[{venue, stream}]) {
      if (change.instrument != 0 && change.instrument != id) continue;
      if (change.seen_ns >= to + 2 * s) break;
      if (change.is_live && !is_live && change.ns >= broken) {
        is_live = true;
        since = change.ns;
      } else if (!change.is_live) {
        if (is_live && since <= from && change.ns >= to) return true;
        is_live = false;
        broken = change.ns;
      }
    }
    return is_live && since <= from;
  }

  /// Whether a price was told between the minute's open and its close two seconds after its end.
  bool is_told(std::uint32_t id, std::int64_t open) {
    const std::vector<std::int64_t>& all = told_[id];
    return std::any_of(all.begin(), all.end(), [&](std::int64_t seen_ns) {
      return seen_ns >= open && seen_ns < open + min + 2 * s;
    });
  }

  /// Whether the running candle, as it stood when the minute closed, had a volume.
  bool was_moving(std::uint32_t id, std::int64_t open) {
    double volume = 0;
    for (const auto& event : klines_[id])
      if (event.what.open_ns == open && event.what.is_closed == market::Tristate::no &&
          event.seen_ns < open + min + 2 * s)
        volume = event.what.volume_quote;
    return volume != 0;
  }

  void put(std::uint32_t id, SpecKind kind, std::int64_t open, Values values) {
    if (!market::has_perpspec(static_cast<VenueId>(id >> 24), kind)) return;
    std::erase_if(values, [](const auto& value) { return std::isnan(value.second); });
    if (!values.empty()) table[{id, kind, open}] = values;
  }

  template <class Payload, class Take>
  static const Event<Payload>* newest(const Events<Payload>& events, std::uint32_t id,
                                      std::int64_t end, Take take) {
    const Event<Payload>* found = nullptr;
    const auto all = events.find(id);
    if (all == events.end()) return nullptr;
    for (const Event<Payload>& event : all->second) {
      if (event.ns >= end || event.seen_ns >= end + 2 * s || !take(event.what)) continue;
      if (found == nullptr || event.ns >= found->ns) found = &event;
    }
    return found;
  }

  static double age(std::int64_t open, std::int64_t ns) {
    return ns >= open ? 0 : std::floor(static_cast<double>(open - ns) / 1e6);
  }

  void rows_of(std::uint32_t id, std::int64_t open) {
    const std::int64_t end = open + min;
    const auto in_minute = [&](std::int64_t ns) { return ns >= open && ns < end; };

    // The candle that counts: the last closed one; of a venue that never says, the last of all.
    const Event<market::Kline>* candle = nullptr;
    std::int64_t candle_since = 0;
    for (const auto& event : klines_[id]) {
      if (event.what.open_ns != open || event.what.is_closed == market::Tristate::no) continue;
      const bool differs = candle == nullptr || candle->what.open != event.what.open ||
                           candle->what.high != event.what.high ||
                           candle->what.close != event.what.close;
      if (differs) candle_since = event.seen_ns;
      candle = &event;
    }
    const bool is_trade_whole = is_whole(id, RecordType::trade, open, end);
    double o = market::missing, h = 0, l = 1e300, c = 0, v = 0, v_then = 0, buy = 0, sell = 0;
    std::int64_t first = 0, last = 0;
    bool is_sided = true;
    for (const auto& event : trades_[id]) {
      if (!in_minute(event.ns)) continue;
      const market::Trade& trade = event.what;
      const double notional = trade.price * trade.quantity;
      v += notional;
      // A candle's volume is summed when the minute closes, and again when the candle is corrected.
      if (event.seen_ns < std::max(end + 2 * s, candle_since)) v_then += notional;
      if (trade.taker_side == market::Side::buy) buy += notional;
      if (trade.taker_side == market::Side::sell) sell += notional;
      if (trade.taker_side == market::Side::unknown) is_sided = false;
      if (trade.is_block == market::Tristate::yes) continue;
      if (std::isnan(o) || event.ns < first) {
        o = trade.price;
        first = event.ns;
      }
      if (c == 0 || event.ns >= last) {
        c = trade.price;
        last = event.ns;
      }
      h = std::max(h, trade.price);
      l = std::min(l, trade.price);
    }
    if (candle != nullptr) {
      const market::Kline& k = candle->what;
      const double volume = !std::isnan(k.volume_quote) ? k.volume_quote
                            : is_trade_whole            ? v_then
                                                        : market::missing;
      put(id, SpecKind::ohlcv, open,
          {{"o", k.open}, {"h", k.high}, {"l", k.low}, {"c", k.close}, {"v", volume}});
    } else if (is_trade_whole && !std::isnan(o)) {
      put(id, SpecKind::ohlcv, open, {{"o", o}, {"h", h}, {"l", l}, {"c", c}, {"v", v}});
    } else if (is_trade_whole && is_told(id, open) && !was_moving(id, open)) {
      // Minutes are made in their order: what is before this one is final.
      const auto before = table.find({id, SpecKind::ohlcv, open - min});
      if (before != table.end()) {
        const double still = before->second.at("c");
        put(id, SpecKind::ohlcv, open,
            {{"o", still}, {"h", still}, {"l", still}, {"c", still}, {"v", v}});
        tradeless.insert({id, SpecKind::ohlcv, open});
      }
    }
    if (candle != nullptr && !std::isnan(candle->what.taker_buy_quote)) {
      const market::Kline& k = candle->what;
      put(id, SpecKind::tv, open,
          {{"tbv", k.taker_buy_quote}, {"tsv", k.volume_quote - k.taker_buy_quote}});
    } else if (is_trade_whole && is_sided) {
      put(id, SpecKind::tv, open, {{"tbv", buy}, {"tsv", sell}});
    }
    samples_of(id, open);
    if (is_whole(id, RecordType::liquidation, open, end)) liquidations_of(id, open);
  }

  void samples_of(std::uint32_t id, std::int64_t open) {
    const std::int64_t end = open + min;
    const auto any = [](const auto&) { return true; };
    const auto* now =
        newest(interests_, id, end, [](const market::OpenInterest& x) { return x.period_ns == 0; });
    const auto* period =
        newest(interests_, id, end, [](const market::OpenInterest& x) { return x.period_ns != 0; });
    if (now != nullptr && end - now->ns > 180 * s) now = nullptr;
    if (period != nullptr && end - period->ns > 11 * min) period = nullptr;
    const auto* interest =
        now == nullptr || (period != nullptr && period->ns > now->ns) ? period : now;
    if (interest != nullptr) {
      const auto* mark = newest(marks_, id, end, any);
      const bool has_mark = mark != nullptr && end - mark->ns <= 3 * min;
      double usd = interest->what.notional;
      if (std::isnan(usd) && has_mark) usd = interest->what.quantity * mark->what.mark_price;
      if (!std::isnan(usd) || !std::isnan(interest->what.contracts))
        put(id, SpecKind::oi, open,
            {{"oi", usd},
             {"oi_contracts", interest->what.contracts},
             {"age_ms", age(open, interest->ns)}});
    }
    const auto* funding = newest(fundings_, id, end, [](const market::Funding& x) {
      return x.kind == market::FundingKind::predicted;
    });
    if (funding != nullptr && end - funding->ns <= 2 * min)
      put(id, SpecKind::pfr, open,
          {{"pfr", funding->what.rate}, {"age_ms", age(open, funding->ns)}});
    const auto* ratio = newest(ratios_, id, end, any);
    if (ratio != nullptr && end - ratio->ns <= 11 * min)
      put(id, SpecKind::lsr, open, {{"lsr", ratio->what.ratio}, {"age_ms", age(open, ratio->ns)}});
  }

  void liquidations_of(std::uint32_t id, std::int64_t open) {
    double usd[2] = {0, 0};
    int count[2] = {0, 0};
    double quantity = 0;
    double weighted = 0;
    for (const auto& event : liquidations_[id]) {
      if (event.ns < open || event.ns >= open + min) continue;
      const int side = event.what.position_side == market::PositionSide::long_side ? 0 : 1;
      ++count[side];
      usd[side] += event.what.price * event.what.quantity;
      quantity += event.what.quantity;
      weighted += event.what.price * event.what.quantity;
    }
    double side = market::missing;
    if (count[0] != count[1])
      side = count[0] > count[1] ? 1 : 2;
    else if (usd[0] != usd[1])
      side = usd[0] > usd[1] ? 1 : 2;
    put(id, SpecKind::lq, open,
        {{"lqside", side},
         {"lqprice", quantity == 0 ? market::missing : weighted / quantity},
         {"lqqty", quantity},
         {"lql", usd[0]},
         {"lqs", usd[1]}});
  }

  void rsi_of(std::uint32_t id) {
    if (static_cast<VenueId>(id >> 24) != VenueId::binance) return;
    std::vector<long double> closes;
    std::int64_t last = 0;
    for (std::int64_t open = noon; open < end_ns_; open += min) {
      const auto row = table.find({id, SpecKind::ohlcv, open});
      if (row == table.end()) continue;
      const std::int64_t hole = closes.empty() ? 0 : (open - last) / min - 1;
      if (hole > 3) closes.clear();
      for (std::int64_t i = 0; i < hole && hole <= 3; ++i) closes.push_back(closes.back());
      closes.push_back(row->second.at("c"));
      last = open;
      if (closes.size() < 12) continue;
      long double gain = 0, loss = 0;
      for (std::size_t i = 1; i < closes.size(); ++i) {
        const long double d = closes[i] - closes[i - 1];
        if (i <= 11) {
          gain += std::max(d, 0.0L) / 11;
          loss += std::max(-d, 0.0L) / 11;
        } else {
          gain = (gain * 10 + std::max(d, 0.0L)) / 11;
          loss = (loss * 10 + std::max(-d, 0.0L)) / 11;
        }
      }
      const long double rsi = loss == 0 ? (gain == 0 ? 50 : 100) : 100 - 100 / (1 + gain / loss);
      // To four decimals: closes with all their bits do not come within 1e-12 of a half.
      table[{id, SpecKind::rsi, open}] = {
          {"rsi1", static_cast<double>(std::round(rsi * 10'000)) / 10'000}};
    }
  }

  void changes_of(const Key& key, Values& values) {
    const auto [id, kind, open] = key;
    const Values now = values;
    for (const int window : {1, 5, 10}) {
      const auto before = table.find({id, kind, open - window * min});
      if (before == table.end()) continue;
      const std::string tail = "_chg_" + std::to_string(window) + "m";
      for (const auto& [name, x] : now) {
        if (name.find("_chg_") != std::string::npos || name == "o" || name == "h" || name == "l" ||
            name == "oi_contracts" || name == "age_ms")
          continue;
        const auto found = before->second.find(name);
        if (name == "lqside") {
          if (found == before->second.end() || found->second != x) values[name + tail] = x;
          continue;
        }
        if (found == before->second.end() || found->second == 0) continue;
        const double percent = ((x - found->second) / std::fabs(found->second)) * 100;
        double rounded = std::copysign(std::floor(std::fabs(percent) * 1000 + 0.5) / 1000, percent);
        rounded = std::clamp(rounded, -9999.999, 9999.999);
        values[name + tail] = rounded == 0 ? 0 : rounded;
      }
    }
  }

  std::vector<std::uint32_t> instruments_;
  std::int64_t end_ns_ = 0;
  std::map<std::uint32_t, std::vector<std::int64_t>> told_;  ///< when a price was received
  Events<market::Trade> trades_;
  Events<market::Kline> klines_;
  Events<market::OpenInterest> interests_;
  Events<market::Funding> fundings_;
  Events<market::MarkPrice> marks_;
  Events<market::LongShortRatio> ratios_;
  Events<market::Liquidation> liquidations_;
  std::map<std::pair<VenueId, RecordType>, std::vector<Switch>> switches_;
};

}  // namespace perp::test
