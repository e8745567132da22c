#include "sim/wire/hyperliquid.hpp"

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ping_ms = 30'000;
constexpr std::int64_t contexts_ms = 5 * minute_ms;
constexpr std::int64_t book_ms = 540;
constexpr std::int64_t deep_book_ms = 5400;
constexpr std::size_t deep_levels = 20;
constexpr std::size_t fast_levels = 5;
constexpr std::size_t user_count = 400;

struct MarginTable {
  int id;
  std::string_view description;
  int leverage;
  std::int64_t next_tier_usd;
  int next_leverage;
};
constexpr auto margin_tables = std::to_array<MarginTable>({
    {51, "tiered 10x", 10, 3'000'000, 5},
    {52, "tiered 10x (2)", 10, 20'000'000, 5},
    {53, "tiered 20x", 20, 40'000'000, 10},
    {54, "tiered 20x (2)", 20, 70'000'000, 10},
    {55, "tiered 25x", 25, 100'000'000, 15},
    {56, "tiered 40x", 40, 150'000'000, 20},
});

void level(Text& text, const MarketModel& market, const BookLevel& level) {
  text.raw("{\"px\":\"")
      .pointed(price_of(market, level.price))
      .raw("\",\"sz\":\"")
      .pointed(quantity_of(market, level.quantity));
  text.raw("\",\"n\":").integer(level.orders).raw("}");
}

template <std::size_t Size>
std::array<std::uint8_t, Size> random_bytes(Random& random) {
  std::array<std::uint8_t, Size> bytes{};
  std::uint64_t draw = 0;
  for (std::size_t i = 0; i < Size; ++i, draw >>= 8) {
    if (i % 8 == 0) draw = random.bits();
    bytes[i] = static_cast<std::uint8_t>(draw & 0xff);
  }
  return bytes;
}

}  // namespace

Hyperliquid::Hyperliquid(Outlet& stream, Outlet* rest, std::uint64_t seed)
    : stream_(&stream), rest_(rest), random_(seed, 74'000) {
  for (std::size_t i = 0; i < user_count; ++i) users_.push_back(random_bytes<20>(random_));
  streams_.ack = stream.add_stream("subscriptionResponse");
  streams_.trade = stream.add_stream("trades");
  streams_.book = stream.add_stream("l2Book");
  streams_.touch = stream.add_stream("bbo");
  streams_.context = stream.add_stream("activeAssetCtx");
  streams_.candle = stream.add_stream("candle");
  streams_.pong = stream.add_stream("pong");
  if (rest == nullptr) {
    streams_.deep_book = stream.add_stream("l2Book.20");
    return;
  }
  replies_.meta = rest->add_stream("meta");
  replies_.contexts = rest->add_stream("metaAndAssetCtxs");
  replies_.candles = rest->add_stream("candleSnapshot");
}

void Hyperliquid::acknowledge(std::string_view type, std::string_view coin, std::string_view more,
                              std::int64_t sent_ms) {
  Text& text = stream_->compose();
  text.raw(
          R"({"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":")")
      .raw(type);
  text.raw("\",\"coin\":\"").raw(coin).raw("\"").raw(more).raw("}}}");
  stream_->commit(streams_.ack, 0, no_market, sent_ms);
}

void Hyperliquid::open(std::vector<MarketModel>& markets, std::int64_t now_ms) {
  markets_ = &markets;
  if (rest_ != nullptr) {
    meta(rest_->compose());
    rest_->commit(replies_.meta, 0, no_market, now_ms - 1000, endpoint_tail("meta"));
    contexts_reply(now_ms - 800);
  }
  next_contexts_ms_ = now_ms + contexts_ms;
  next_ping_ms_ = now_ms + ping_ms;
  states_.resize(markets.size());
  for (std::size_t i = 0; i < markets.size(); ++i) {
    MarketModel& market = markets[i];
    State& state = states_[i];
    const std::string& coin = market.listing().native;
    const std::int64_t at = now_ms + 12 * static_cast<std::int64_t>(i);
    if (rest_ == nullptr) state.touch.update(market.book());
    acknowledge("trades", coin, "", at);
    acknowledge("l2Book", coin, R"(,"nSigFigs":null,"mantissa":null,"fast":true)", at);
    acknowledge("bbo", coin, "", at);
    acknowledge("activeAssetCtx", coin, "", at);
    acknowledge("candle", coin, R"(,"interval":"1m")", at);
    if (rest_ != nullptr) replay(market, at + 4);
    state.deep_book = Timer(at + 6, deep_book_ms, 50);
    state.book = Timer(at + 6, book_ms, 12);
    state.context = Timer(at + 90, 1000, 40);
    const std::int64_t quiet = 1000 - std::min(market.listing().activity, 1000);
    state.candle = Timer(now_ms + 2600 + market.random().between(0, 900), 800 + quiet * 2, 700);
  }
}

std::array<std::uint8_t, 32> Hyperliquid::make_hash(Random& random) {
  // System fills, of which time-weighted orders are the most, have no transaction.
  if (random.chance(60'000)) return {};
  return random_bytes<32>(random);
}

Fact Hyperliquid::trade_row(Text& text, MarketModel& market, std::int64_t time_ms, bool is_buy,
                            std::int64_t price, std::int64_t quantity,
                            const std::array<std::uint8_t, 32>& hash) {
  Random& random = market.random();
  Fact fact{.kind = Fact::Kind::trade,
            .is_buy = is_buy,
            .time_ms = time_ms,
            .price = price,
            .quantity = quantity,
            .hash = hash};
  fact.id = static_cast<std::int64_t>(random.bits() >> 14);
  fact.buyer = static_cast<std::uint16_t>(random.below(user_count));
  fact.seller = static_cast<std::uint16_t>(random.below(user_count));
  write_trade(text, market, fact);
  return fact;
}

void Hyperliquid::write_trade(Text& text, const MarketModel& market, const Fact& trade) const {
  text.raw("{\"coin\":\"")
      .raw(market.listing().native)
      .raw(trade.is_buy ? "\",\"side\":\"B\",\"px\":\"" : "\",\"side\":\"A\",\"px\":\"");
  text.pointed(price_of(market, trade.price))
      .raw("\",\"sz\":\"")
      .pointed(quantity_of(market, trade.quantity));
  text.raw("\",\"time\":").integer(trade.time_ms).raw(",\"hash\":\"0x").hex(trade.hash);
  text.raw("\",\"tid\":").integer(trade.id).raw(",\"users\":[\"0x");
  text.hex(users_[trade.buyer]).raw("\",\"0x").hex(users_[trade.seller]).raw("\"]}");
}

void Hyperliquid::replay(MarketModel& market, std::int64_t now_ms) {
  Random& random = market.random();
  const std::int64_t count = random.between(6, 14);
  const Grid& grid = market.listing().grid;
  Text& text = stream_->compose();
  text.raw("{\"channel\":\"trades\",\"data\":[");
  for (std::int64_t i = 0; i < count; ++i) {
    const bool is_buy = random.chance(500'000);
    const std::int64_t price = market.last_price() + random.between(-2, 2) * grid.tick;
    const std::int64_t quantity = std::max(grid.lot, market.quantity_for(random.between(20, 4000)));
    if (i > 0) text.raw(",");
    trade_row(text, market, now_ms - (count - i) * 1900 + random.between(0, 1500), is_buy, price,
              quantity, make_hash(random));
  }
  text.raw("]}");
  stream_->commit(streams_.trade, 0, market.index, now_ms);
}

void Hyperliquid::trade(MarketModel& market, std::size_t, const TakerOrder& order) {
  const std::array<std::uint8_t, 32> hash = make_hash(market.random());
  const std::int64_t lot = market.listing().grid.lot;
  Text& text = stream_->compose();
  text.raw("{\"channel\":\"trades\",\"data\":[");
  bool is_first = true;
  for (const Fill& fill : order.fills) {
    const std::int64_t part = fill.quantity / lot / fill.makers * lot;
    for (std::int64_t maker = 0; maker < fill.makers; ++maker) {
      if (!is_first) text.raw(",");
      is_first = false;
      const std::int64_t quantity =
          maker + 1 == fill.makers ? fill.quantity - part * (fill.makers - 1) : part;
      stream_->note(
          trade_row(text, market, order.time_ms, order.is_buy, fill.price, quantity, hash));
    }
  }
  text.raw("]}");
  stream_->commit(streams_.trade, 0, market.index, order.time_ms + 2);
}

void Hyperliquid::book(MarketModel& market, std::size_t index, std::int64_t time_ms) {
  State& state = states_[index];
  if (!state.touch.update(market.book())) return;
  write_touch(stream_->compose(), market, time_ms);
  stream_->commit(streams_.touch, 0, market.index, time_ms + 2);
}

void Hyperliquid::write_touch(Text& text, const MarketModel& market, std::int64_t time_ms) const {
  const State& state = states_[market.index];
  text.raw("{\"channel\":\"bbo\",\"data\":{\"coin\":\"")
      .raw(market.listing().native)
      .raw("\",\"time\":")
      .integer(time_ms)
      .raw(",\"bbo\":[");
  level(text, market, state.touch.bid);
  text.raw(",");
  level(text, market, state.touch.ask);
  text.raw("]}}");
}

void Hyperliquid::write_levels(Text& text, const MarketModel& market, std::size_t levels_max,
                               std::int64_t sent_ms) {
  text.raw("{\"channel\":\"l2Book\",\"data\":{\"coin\":\"")
      .raw(market.listing().native)
      .raw("\",\"time\":")
      .integer(sent_ms);
  text.raw(",\"levels\":[[");
  for (const auto* side : {&market.book().bids(), &market.book().asks()}) {
    if (side == &market.book().asks()) text.raw("],[");
    for (std::size_t i = 0; i < levels_max && i < side->size(); ++i) {
      if (i > 0) text.raw(",");
      level(text, market, (*side)[side->size() - 1 - i]);
    }
  }
  text.raw("]]}}");
}

void Hyperliquid::context(Text& text, const MarketModel& market) {
  const Listing& listing = market.listing();
  const int price = listing.grid.price_digits;
  const DayStatistics day = market.day();
  const Book& book = market.book();
  text.raw("{\"funding\":\"").pointed({rescale(market.rate_e16(), 16, 10), 10});
  text.raw("\",\"openInterest\":\"").pointed(quantity_of(market, market.open_interest()));
  text.raw("\",\"prevDayPx\":\"").pointed(price_of(market, day.open));
  text.raw("\",\"dayNtlVlm\":\"").pointed({day.notional, listing.notional_digits()});
  text.raw("\",\"premium\":\"").pointed({rescale(market.premium_e16(), 16, 10), 10});
  text.raw("\",\"oraclePx\":\"").pointed(price_of(market, market.index_price(price)));
  text.raw("\",\"markPx\":\"").pointed(price_of(market, market.mark_price(price)));
  text.raw("\",\"midPx\":\"")
      .pointed({(book.best_bid().price + book.best_ask().price) * 5, price + 1});
  text.raw("\",\"impactPxs\":[\"").pointed(price_of(market, book.best_bid().price));
  text.raw("\",\"").pointed(price_of(market, book.best_ask().price)).raw("\"],\"dayBaseVlm\":\"");
  text.pointed(quantity_of(market, day.quantity)).raw("\"}");
}

void Hyperliquid::write_context(Text& text, MarketModel& market) const {
  text.raw("{\"channel\":\"activeAssetCtx\",\"data\":{\"coin\":\"")
      .raw(market.listing().native)
      .raw("\",\"ctx\":");
  context(text, market);
  text.raw("}}");
  publish(market);
}

/// What context() has said.
void Hyperliquid::publish(MarketModel& market) const {
  const Listing& listing = market.listing();
  Published& published = market.published;
  published.has_open_interest = published.has_mark = published.has_rate = true;
  published.open_interest = {market.open_interest(), listing.coin_quantity_digits()};
  published.mark = {market.mark_price(listing.grid.price_digits), listing.coin_price_digits()};
  published.open_interest_value = {0, -1};
  published.rate = {rescale(market.rate_e16(), 16, 10), 10};
}

void Hyperliquid::candle_object(Text& text, const MarketModel& market, const Bar& bar,
                                std::int64_t length_ms, std::string_view period) {
  text.raw("{\"t\":")
      .integer(bar.open_ms)
      .raw(",\"T\":")
      .integer(bar.open_ms + length_ms - 1)
      .raw(",\"s\":\"")
      .raw(market.listing().native);
  text.raw("\",\"i\":\"")
      .raw(period)
      .raw("\",\"o\":\"")
      .pointed(price_of(market, bar.open))
      .raw("\",\"c\":\"")
      .pointed(price_of(market, bar.close));
  text.raw("\",\"h\":\"")
      .pointed(price_of(market, bar.high))
      .raw("\",\"l\":\"")
      .pointed(price_of(market, bar.low));
  text.raw("\",\"v\":\"")
      .pointed(quantity_of(market, bar.quantity))
      .raw("\",\"n\":")
      .integer(bar.fills)
      .raw("}");
}

void Hyperliquid::candle(MarketModel& market, const Bar& bar, std::int64_t sent_ms) {
  write_candle(stream_->compose(), market, bar);
  stream_->commit(streams_.candle, 0, market.index, sent_ms);
}

void Hyperliquid::write_candle(Text& text, const MarketModel& market, const Bar& bar) {
  candle_object(text.raw("{\"channel\":\"candle\",\"data\":"), market, bar, minute_ms, "1m");
  text.raw("}");
}

void Hyperliquid::minute(MarketModel& market, std::size_t index, const Bar& bar) {
  State& state = states_[index];
  const std::int64_t sent = bar.open_ms + minute_ms + market.random().between(70, 240);
  if (bar.fills != state.fills_in_last_candle) {
    stream_->note({.kind = Fact::Kind::kline,
                   .id = bar.open_ms,
                   .time_ms = sent,
                   .price = bar.close,
                   .quantity = bar.quantity});
    candle(market, bar, sent);  // the last block's trades
  }
  state.fills_in_last_candle = 0;
  state.candle_from_ms = sent;
}

void Hyperliquid::step(MarketModel& market, std::size_t index, std::int64_t now_ms) {
  State& state = states_[index];
  Random& random = market.random();
  market.book().clear_changes();
  std::int64_t at_ms = 0;
  const std::int64_t end_ms = now_ms + step_ms - 1;
  if (state.book.fire(random, now_ms, at_ms)) {
    write_levels(stream_->compose(), market, fast_levels, end_ms);
    stream_->note({.kind = Fact::Kind::book, .id = end_ms, .time_ms = end_ms});
    stream_->commit(streams_.book, 0, market.index, end_ms);
  }
  if (rest_ == nullptr && state.deep_book.fire(random, now_ms, at_ms)) {
    write_levels(stream_->compose(), market, deep_levels, end_ms);
    stream_->commit(streams_.deep_book, 0, market.index, end_ms);
  }
  if (state.context.fire(random, now_ms, at_ms)) {
    write_context(stream_->compose(), market);
    stream_->commit(streams_.context, 0, market.index, at_ms);
  }
  if (now_ms > state.candle_from_ms && state.candle.fire(random, now_ms, at_ms) &&
      market.bar().fills != state.fills_in_last_candle) {
    state.fills_in_last_candle = market.bar().fills;
    candle(market, market.bar(), now_ms + step_ms - 1);
  }
}

void Hyperliquid::connection(std::int64_t now_ms) {
  if (rest_ == nullptr) return;
  if (now_ms >= next_ping_ms_) {
    next_ping_ms_ += ping_ms;
    stream_->compose().raw("{\"channel\":\"pong\"}");
    stream_->commit(streams_.pong, 0, no_market, now_ms + 5);
  }
  if (now_ms >= next_contexts_ms_) {
    next_contexts_ms_ += contexts_ms;
    contexts_reply(Timer::inside_minute(now_ms + step_ms));
  }
}

void Hyperliquid::contexts_reply(std::int64_t sent_ms) {
  write_contexts(rest_->compose());
  rest_->commit(replies_.contexts, 0, no_market, sent_ms, endpoint_tail("metaAndAssetCtxs"));
}

void Hyperliquid::write_contexts(Text& text) {
  meta(text.raw("["));
  text.raw(",[");
  bool is_first = true;
  for (MarketModel& market : *markets_) {
    if (market.status == MarketStatus::unlisted) continue;
    if (!is_first) text.raw(",");
    is_first = false;
    context(text, market);
    publish(market);
  }
  text.raw("]]");
}

void Hyperliquid::meta(Text& text) const {
  text.raw("{\"universe\":[");
  bool is_first = true;
  for (const MarketModel& market : *markets_) {
    if (market.status == MarketStatus::unlisted) continue;
    const Listing& listing = market.listing();
    if (!is_first) text.raw(",");
    is_first = false;
    text.raw("{\"szDecimals\":")
        .integer(listing.grid.quantity_digits)
        .raw(",\"name\":\"")
        .raw(listing.native);
    text.raw("\",\"maxLeverage\":")
        .integer(listing.leverage)
        .raw(",\"marginTableId\":")
        .integer(listing.coin->hyperliquid_margin_table);
    text.raw(market.status == MarketStatus::delisted ? ",\"isDelisted\":true}" : "}");
  }
  text.raw(
      R"(],"marginTables":[[50,{"description":"","marginTiers":[{"lowerBound":"0.0","maxLeverage":50}]}])");
  for (const MarginTable& table : margin_tables) {
    text.raw(",[").integer(table.id).raw(R"(,{"description":")").raw(table.description);
    text.raw(R"(","marginTiers":[{"lowerBound":"0.0","maxLeverage":)").integer(table.leverage);
    text.raw(R"(},{"lowerBound":")")
        .integer(table.next_tier_usd)
        .raw(R"(.0","maxLeverage":)")
        .integer(table.next_leverage)
        .raw("}]}]");
  }
  text.raw("],");
  text.raw("\"collateralToken\":0}");
}

void Hyperliquid::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  if (rest_ == nullptr) return;
  const std::int64_t sent = start_ms + 90 + 55 * static_cast<std::int64_t>(index);
  snapshot(market, market.past_bars(30), minute_ms, "1m", sent);
  snapshot(market, merge_bars(market.past_bars(1440), 60), 60 * minute_ms, "1h", sent + 19);
}

void Hyperliquid::snapshot(MarketModel& market, const std::vector<Bar>& bars,
                           std::int64_t length_ms, std::string_view period, std::int64_t sent_ms) {
  Text& text = rest_->compose();
  bool is_first = true;
  for (const Bar& bar : bars) {
    candle_object(text.raw(is_first ? "[" : ","), market, bar, length_ms, period);
    is_first = false;
  }
  text.raw("]");
  rest_->commit(replies_.candles, 0, no_market, sent_ms,
                endpoint_tail("candleSnapshot", market.listing().native, period, true));
}

}  // namespace perp::sim::wire
