#include "sim/wire/binance.hpp"

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::size_t public_socket = 0;
constexpr std::size_t market_socket = 1;
constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t first_update_id = 12'480'117'350'000;
constexpr std::int64_t ids_per_ms = 104;  // one id space for all symbols

void levels(Text& text, const MarketModel& market, const std::vector<BookLevel>& side) {
  bool is_first = true;
  for (const BookLevel& level : side) {
    text.raw(is_first ? "[\"" : ",[\"").fixed(price_of(market, level.price)).raw("\",\"");
    text.fixed(quantity_of(market, level.quantity)).raw("\"]");
    is_first = false;
  }
}

}  // namespace

Binance::Binance(Outlet& stream, Outlet* rest) : stream_(&stream), rest_(rest) {
  streams_.ack = stream.add_stream("ack");
  streams_.trade = stream.add_stream("aggTrade");
  streams_.ticker = stream.add_stream("bookTicker");
  streams_.depth = stream.add_stream("depth@100ms");
  streams_.mark = stream.add_stream("markPrice@1s");
  streams_.kline = stream.add_stream("kline_1m");
  streams_.force = stream.add_stream("forceOrder");
  if (rest == nullptr) {
    streams_.day = stream.add_stream("ticker");
    return;
  }
  replies_.instruments = rest->add_stream("exchangeInfo");
  replies_.depth = rest->add_stream("depth");
  replies_.klines = rest->add_stream("klines");
  replies_.open_interest = rest->add_stream("openInterest");
  replies_.ratio = rest->add_stream("globalLongShortAccountRatio");
}

/// What a feed asked for first, and its acknowledgements.
void Binance::announce(const std::vector<MarketModel>& markets, std::int64_t now_ms) {
  write_instruments(rest_->compose(), markets, now_ms - 1000);
  rest_->commit(replies_.instruments, 0, no_market, now_ms - 1000, endpoint_tail("exchangeInfo"));
  std::int64_t request = 0;
  for (const std::size_t socket : {public_socket, market_socket}) {
    // Fifty names a SUBSCRIBE frame: two streams a symbol on /public, four on /market.
    const std::size_t frames = (markets.size() * (socket == public_socket ? 2 : 4) + 49) / 50;
    for (std::size_t i = 0; i < frames; ++i) {
      stream_->compose().raw("{\"result\":null,\"id\":").integer(++request).raw("}");
      stream_->commit(streams_.ack, socket, no_market, now_ms + static_cast<std::int64_t>(i) * 200);
    }
  }
}

void Binance::open(std::vector<MarketModel>& markets, std::int64_t now_ms) {
  open_ms_ = now_ms;
  if (rest_ != nullptr) announce(markets, now_ms);
  states_.resize(markets.size());
  for (std::size_t i = 0; i < markets.size(); ++i) {
    MarketModel& market = markets[i];
    Random& random = market.random();
    State& state = states_[i];
    const auto offset = static_cast<std::int64_t>(i);
    const std::string stream = "{\"stream\":\"" + lower_case(market.listing().native) + "@";
    state.trade_head = stream + "aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":";
    state.ticker_head = stream + "bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":";
    state.depth_head = stream + "depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":";
    state.mark_head = stream + "markPrice@1s\",\"data\":{\"e\":\"markPriceUpdate\",\"E\":";
    state.kline_head = stream + "kline_1m\",\"data\":{\"e\":\"kline\",\"E\":";
    state.force_head = stream + "forceOrder\",\"data\":{\"e\":\"forceOrder\",\"E\":";
    state.day_head = stream + "ticker\",\"data\":{\"e\":\"24hrTicker\",\"E\":";
    state.update_id = state.sent_update_id = first_update_id + random.between(0, 99);
    state.last_event_ms = now_ms;
    state.snapshot_from_ms = now_ms + 500 + 31 * offset % 900;
    state.aggregate_id = random.between(80'000'000, 3'900'000'000);
    state.trade_id = state.aggregate_id * 2 + random.between(0, 1'000'000'000);
    state.minute_first_trade = state.trade_id + 1;
    state.mark = Timer((now_ms / 1000 + 1) * 1000, 1000, 0);
    state.kline = Timer(now_ms + 2500 + random.between(0, 2000),
                        1200 + (1000 - market.listing().activity) * 2, 1500);
    state.open_interest = Timer(now_ms + 300 + 53 * offset, 15'000, 2'000);
    state.ratio_due_ms = now_ms + 2300 + 41 * offset;
    state.day = Timer(now_ms + 700 + 37 * offset, 2000, 0);
    state.ratios.open(now_ms, market.long_share_e8());
    market.book().clear_changes();
  }
}

void Binance::trade(MarketModel& market, std::size_t index, const TakerOrder& order) {
  State& state = states_[index];
  // Aggregates leave the matching engine's gateway in batches, in order.
  const std::int64_t sent =
      std::max(state.last_trade_sent_ms, order.time_ms + market.random().between(30, 158));
  state.last_trade_sent_ms = sent;
  for (const Fill& fill : order.fills) {
    Text& text = stream_->compose();
    // Retail price improvement orders are part of q only.
    std::int64_t plain = fill.quantity;
    const std::int64_t lot = market.listing().grid.lot;
    if (market.random().chance(40'000))
      plain -= fill.quantity / lot * market.random().between(0, 100) / 100 * lot;
    text.raw(state.trade_head).integer(sent).raw(",\"a\":").integer(++state.aggregate_id);
    text.raw(",\"s\":\"")
        .raw(market.listing().native)
        .raw("\",\"p\":\"")
        .fixed(price_of(market, fill.price));
    text.raw("\",\"q\":\"")
        .fixed(quantity_of(market, fill.quantity))
        .raw("\",\"nq\":\"")
        .fixed(quantity_of(market, plain));
    text.raw("\",\"f\":")
        .integer(state.trade_id + 1)
        .raw(",\"l\":")
        .integer(state.trade_id + fill.makers);
    text.raw(",\"T\":")
        .integer(order.time_ms)
        .raw(order.is_buy ? ",\"m\":false" : ",\"m\":true")
        .raw(",\"st\":1}}");
    stream_->note({.kind = Fact::Kind::trade,
                   .is_buy = order.is_buy,
                   .id = state.aggregate_id,
                   .time_ms = order.time_ms,
                   .price = fill.price,
                   .quantity = fill.quantity,
                   .plain_quantity = plain,
                   .first_id = state.trade_id + 1,
                   .last_id = state.trade_id + fill.makers});
    stream_->commit(streams_.trade, market_socket, market.index, sent);
    state.trade_id += fill.makers;
  }
}

void Binance::book(MarketModel& market, std::size_t index, std::int64_t time_ms) {
  State& state = states_[index];
  const std::int64_t id = first_update_id + (time_ms - open_ms_) * ids_per_ms +
                          market.random().between(0, ids_per_ms - 4);
  state.update_id = std::max(state.update_id + 1, id);
  state.last_event_ms = time_ms;
  // An event of the engine takes several ids, most of them elsewhere in the book or at other
  // symbols.
  if (state.first_update_id == 0)
    state.first_update_id = std::max(state.sent_update_id + 1,
                                     state.update_id - market.random().between(0, 2 * ids_per_ms));
  if (state.touch.update(market.book())) {
    const std::int64_t sent =
        std::max(state.last_ticker_sent_ms, time_ms + market.random().heads(2));
    state.last_ticker_sent_ms = sent;
    Text& text = stream_->compose();
    text.raw(state.ticker_head)
        .integer(state.update_id)
        .raw(",\"s\":\"")
        .raw(market.listing().native);
    text.raw("\",\"ps\":\"")
        .raw(market.listing().asset)
        .raw(market.listing().quote)
        .raw("\",\"b\":\"");
    text.fixed(price_of(market, state.touch.bid.price))
        .raw("\",\"B\":\"")
        .fixed(quantity_of(market, state.touch.bid.quantity));
    text.raw("\",\"a\":\"").fixed(price_of(market, state.touch.ask.price)).raw("\",\"A\":\"");
    text.fixed(quantity_of(market, state.touch.ask.quantity)).raw("\",\"T\":").integer(time_ms);
    text.raw(",\"E\":").integer(sent).raw(",\"st\":1}}");
    stream_->commit(streams_.ticker, public_socket, market.index, sent);
  }
  // A snapshot from inside an interval: the interval's depth event then has U <= lastUpdateId <= u.
  // It must arrive before that event, as a reader of a file cannot ask again.
  const bool is_early = time_ms % step_ms <= 50;
  if (rest_ != nullptr && !state.has_snapshot && index % 2 == 0 &&
      time_ms >= state.snapshot_from_ms && is_early)
    snapshot(market, state, time_ms + 1);
}

void Binance::snapshot(MarketModel& market, State& state, std::int64_t time_ms) {
  state.has_snapshot = true;
  write_depth(rest_->compose(), market, book_depth(), time_ms);
  rest_->commit(replies_.depth, 0, no_market, time_ms,
                endpoint_tail("depth", market.listing().native));
}

void Binance::write_depth(Text& text, const MarketModel& market, std::size_t limit,
                          std::int64_t time_ms) const {
  const State& state = states_[market.index];
  const auto top = [limit](const std::vector<BookLevel>& side) {
    return std::vector<BookLevel>(
        side.rbegin(), side.rbegin() + static_cast<std::ptrdiff_t>(std::min(limit, side.size())));
  };
  text.raw("{\"lastUpdateId\":")
      .integer(state.update_id)
      .raw(",\"E\":")
      .integer(time_ms)
      .raw(",\"T\":")
      .integer(std::min(state.last_event_ms, time_ms));
  levels(text.raw(",\"bids\":["), market, top(market.book().bids()));
  levels(text.raw("],\"asks\":["), market, top(market.book().asks()));
  text.raw("]}");
}

void Binance::depth(MarketModel& market, State& state, std::int64_t now_ms) {
  const std::int64_t sent = now_ms + step_ms - 1;
  Text& text = stream_->compose();
  text.raw(state.depth_head)
      .integer(sent)
      .raw(",\"T\":")
      .integer(state.last_event_ms)
      .raw(",\"s\":\"")
      .raw(market.listing().native);
  text.raw("\",\"ps\":\"")
      .raw(market.listing().asset)
      .raw(market.listing().quote)
      .raw("\",\"U\":")
      .integer(state.first_update_id);
  text.raw(",\"u\":").integer(state.update_id).raw(",\"pu\":").integer(state.sent_update_id);
  levels(text.raw(",\"b\":["), market, market.book().changed_bids());
  levels(text.raw("],\"a\":["), market, market.book().changed_asks());
  text.raw("],\"st\":1}}");
  stream_->note({.kind = Fact::Kind::book, .id = state.update_id, .time_ms = state.last_event_ms});
  stream_->commit(streams_.depth, public_socket, market.index, sent);
  state.sent_update_id = state.update_id;
  state.first_update_id = 0;
  market.book().clear_changes();
}

void Binance::mark(MarketModel& market, State& state, std::int64_t at_ms) {
  constexpr int digits = 8;
  const bool has_funding = market.listing().kind != ListingKind::dated;
  const std::int64_t mark = market.mark_price(digits);
  Text& text = stream_->compose();
  text.raw(state.mark_head)
      .integer(at_ms)
      .raw(",\"s\":\"")
      .raw(market.listing().native)
      .raw("\",\"p\":\"")
      .fixed({mark, digits});
  text.raw("\",\"ap\":\"")
      .fixed({mark, digits})
      .raw("\",\"P\":\"")
      .fixed({(market.index_price(digits) + mark) / 2, digits});
  text.raw("\",\"i\":\"").fixed({market.index_price(digits), digits}).raw("\",\"r\":\"");
  const Decimal rate{rescale(market.rate_e16(), 16, 8), 8};
  if (has_funding) text.fixed(rate);
  text.raw("\",\"T\":").integer(has_funding ? market.next_funding_ms(at_ms) : 0).raw(",\"st\":1}}");
  stream_->commit(streams_.mark, market_socket, market.index, at_ms);
  market.published.has_mark = true;
  market.published.mark = {mark, digits + market.listing().price_exponent};
  market.published.has_rate = has_funding;
  market.published.rate = rate;
}

/// The past day's figures. Weighted mean and changes are rounded as the venue rounds them.
void Binance::day(MarketModel& market, const State& state, std::int64_t at_ms) {
  const DayStatistics day = market.day();
  const int price_digits = market.listing().grid.price_digits;
  const int quantity_digits = market.listing().grid.quantity_digits;
  const std::int64_t change = market.last_price() - day.open;
  const std::int64_t mean = day.quantity == 0 ? market.last_price() : day.notional / day.quantity;
  Text& text = stream_->compose();
  const auto price = [&](std::string_view name, std::int64_t units) {
    text.raw(name).fixed(price_of(market, units)).raw("\"");
  };
  text.raw(state.day_head).integer(at_ms).raw(",\"s\":\"").raw(market.listing().native).raw("\"");
  price(",\"p\":\"", change);
  text.raw(",\"P\":\"").fixed({multiply_divide(change, 10'000, day.open), 2}).raw("\"");
  price(",\"w\":\"", mean);
  price(",\"c\":\"", market.last_price());
  text.raw(",\"Q\":\"").fixed(quantity_of(market, market.last_quantity())).raw("\"");
  price(",\"o\":\"", day.open);
  price(",\"h\":\"", day.high);
  price(",\"l\":\"", day.low);
  text.raw(",\"v\":\"").fixed(quantity_of(market, day.quantity));
  text.raw("\",\"q\":\"").fixed({rescale(day.notional, price_digits + quantity_digits, 2), 2});
  text.raw("\",\"O\":").integer(at_ms - minute_ms * 60 * 24).raw(",\"C\":").integer(at_ms);
  text.raw(",\"F\":").integer(state.trade_id - day.fills).raw(",\"L\":").integer(state.trade_id);
  text.raw(",\"n\":").integer(day.fills + 1).raw(",\"ps\":\"");
  text.raw(market.listing().asset).raw(market.listing().quote).raw("\",\"st\":1}}");
  stream_->commit(streams_.day, market_socket, market.index, at_ms);
}

void Binance::kline(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
                    bool is_closed) {
  const int quote_digits =
      market.listing().grid.price_digits + market.listing().grid.quantity_digits;
  const bool is_empty = bar.is_empty();
  Text& text = stream_->compose();
  text.raw(state.kline_head)
      .integer(sent_ms)
      .raw(",\"s\":\"")
      .raw(market.listing().native)
      .raw("\",\"k\":{\"t\":")
      .integer(bar.open_ms);
  text.raw(", \"T\":")
      .integer(bar.open_ms + minute_ms - 1)
      .raw(", \"s\":\"")
      .raw(market.listing().native);
  text.raw("\", \"i\":\"1m\", \"f\":").integer(is_empty ? -1 : state.minute_first_trade);
  text.raw(", \"L\":").integer(is_empty ? -1 : state.minute_first_trade + bar.fills - 1);
  text.raw(", \"o\":\"")
      .fixed(price_of(market, bar.open))
      .raw("\", \"c\":\"")
      .fixed(price_of(market, bar.close));
  text.raw("\", \"h\":\"")
      .fixed(price_of(market, bar.high))
      .raw("\", \"l\":\"")
      .fixed(price_of(market, bar.low));
  text.raw("\", \"v\":\"")
      .fixed(quantity_of(market, bar.quantity))
      .raw("\", \"n\":")
      .integer(bar.fills);
  text.raw(is_closed ? ", \"x\":true" : ", \"x\":false")
      .raw(", \"q\":\"")
      .fixed({bar.notional, quote_digits});
  text.raw("\", \"V\":\"")
      .fixed(quantity_of(market, bar.buy_quantity))
      .raw("\", \"Q\":\"")
      .fixed({bar.buy_notional, quote_digits});
  text.raw("\", \"B\":\"0\"}}}");
  if (is_closed)
    stream_->note({.kind = Fact::Kind::kline,
                   .id = bar.open_ms,
                   .time_ms = sent_ms,
                   .price = bar.close,
                   .quantity = bar.quantity});
  stream_->commit(streams_.kline, market_socket, market.index, sent_ms);
}

void Binance::minute(MarketModel& market, std::size_t index, const Bar& bar) {
  State& state = states_[index];
  const std::int64_t delay =
      200 + (1000 - std::min(market.listing().activity, 1000)) + market.random().between(0, 400);
  kline(market, state, bar, bar.open_ms + minute_ms + delay, true);
  state.minute_first_trade = state.trade_id + 1;
  state.fills_in_last_kline = 0;
}

void Binance::liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) {
  State& state = states_[index];
  if (forced.time_ms < state.last_forced_ms + 1000) return;  // at most one a second is told
  state.last_forced_ms = forced.time_ms;
  const std::int64_t sent = forced.time_ms + market.random().between(1000, 1010);
  const Decimal quantity = quantity_of(market, forced.quantity);
  Text& text = stream_->compose();
  text.raw(state.force_head)
      .integer(sent)
      .raw(",\"o\":{\"s\":\"")
      .raw(market.listing().native)
      .raw("\",\"S\":\"");
  text.raw(forced.is_long ? "SELL" : "BUY")
      .raw("\",\"o\":\"LIMIT\",\"f\":\"IOC\",\"q\":\"")
      .fixed(quantity);
  text.raw("\",\"p\":\"")
      .fixed(price_of(market, forced.price))
      .raw("\",\"ap\":\"")
      .fixed(price_of(market, forced.average));
  text.raw("\",\"X\":\"FILLED\",\"l\":\"")
      .fixed(quantity)
      .raw("\",\"z\":\"")
      .fixed(quantity)
      .raw("\",\"T\":")
      .integer(forced.time_ms);
  text.raw(",\"ps\":\"")
      .raw(market.listing().asset)
      .raw(market.listing().quote)
      .raw("\",\"st\":1}}}");
  stream_->note({.kind = Fact::Kind::liquidation,
                 .is_buy = !forced.is_long,
                 .time_ms = forced.time_ms,
                 .price = forced.price,
                 .quantity = forced.quantity});
  stream_->commit(streams_.force, market_socket, market.index, sent);
  market.count(forced);
}

void Binance::step(MarketModel& market, std::size_t index, std::int64_t now_ms) {
  State& state = states_[index];
  if (state.first_update_id != 0) {
    depth(market, state, now_ms);
    // Or one taken between two events: the next one then has pu == lastUpdateId.
    if (rest_ != nullptr && !state.has_snapshot && index % 2 == 1 &&
        now_ms >= state.snapshot_from_ms)
      snapshot(market, state, now_ms + step_ms);
  }
  if (rest_ != nullptr && !state.has_snapshot && now_ms >= open_ms_ + 1700)
    snapshot(market, state, now_ms + step_ms);

  std::int64_t at_ms = 0;
  if (state.mark.fire(market.random(), now_ms, at_ms)) mark(market, state, at_ms);
  if (state.kline.fire(market.random(), now_ms, at_ms) &&
      market.bar().fills != state.fills_in_last_kline) {
    state.fills_in_last_kline = market.bar().fills;
    kline(market, state, market.bar(), now_ms + step_ms - 1, false);
  }
  if (rest_ == nullptr && state.day.fire(market.random(), now_ms, at_ms)) day(market, state, at_ms);
  if (market.listing().kind != ListingKind::primary) return;
  if (rest_ != nullptr && state.open_interest.fire(market.random(), now_ms, at_ms))
    open_interest(market, at_ms);
  if (now_ms >= state.ratio_due_ms) ratio(market, state, index, now_ms);
}

}  // namespace perp::sim::wire
