#include "sim/wire/bybit.hpp"

#include <algorithm>
#include <array>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ping_ms = 20'000;
constexpr std::int64_t touch_repeat_ms = 3000;
constexpr std::size_t topics_per_frame = 10;
constexpr auto tick_directions =
    std::to_array<std::string_view>({"PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"});
constexpr auto field_names = std::to_array<std::string_view>({"tickDirection",
                                                              "price24hPcnt",
                                                              "lastPrice",
                                                              "prevPrice24h",
                                                              "highPrice24h",
                                                              "lowPrice24h",
                                                              "prevPrice1h",
                                                              "markPrice",
                                                              "indexPrice",
                                                              "openInterest",
                                                              "openInterestValue",
                                                              "singleOpenInterest",
                                                              "singleOpenInterestValue",
                                                              "turnover24h",
                                                              "volume24h",
                                                              "fundingIntervalHour",
                                                              "fundingCap",
                                                              "nextFundingTime",
                                                              "fundingRate",
                                                              "bid1Price",
                                                              "bid1Size",
                                                              "ask1Price",
                                                              "ask1Size"});

std::string connection_id(Random& random) {
  static constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuv";
  std::string id;
  for (int i = 0; i < 26; ++i) id += i == 20 ? '-' : alphabet[random.below(32)];
  return id;
}

/// Eight bytes as a number, most significant first.
std::int64_t number_of(std::span<const std::uint8_t> bytes) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return static_cast<std::int64_t>(number);
}

/// A version 5 UUID's text, and its halves as the trade's id.
void uuid(Text& text, Random& random, Fact& fact) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t draw = random.bits();
    for (std::size_t i = 0; i < 8; ++i, draw >>= 8)
      bytes[half * 8 + i] = static_cast<std::uint8_t>(draw & 0xff);
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x50);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  const std::span<const std::uint8_t> all(bytes);
  text.hex(all.subspan(0, 4))
      .raw("-")
      .hex(all.subspan(4, 2))
      .raw("-")
      .hex(all.subspan(6, 2))
      .raw("-");
  text.hex(all.subspan(8, 2)).raw("-").hex(all.subspan(10, 6));
  fact.id_high = number_of(all.first(8));
  fact.id = number_of(all.subspan(8));
}

template <class Iterator>
void levels(Text& text, const MarketModel& market, Iterator begin, Iterator end) {
  for (Iterator level = begin; level != end; ++level) {
    text.raw(level == begin ? "[\"" : ",[\"").fixed(price_of(market, level->price)).raw("\",\"");
    if (level->quantity == 0)
      text.raw("0\"]");
    else
      text.fixed(quantity_of(market, level->quantity)).raw("\"]");
  }
}

}  // namespace

Bybit::Bybit(Outlet& stream, Outlet* rest, std::uint64_t seed)
    : stream_(&stream), rest_(rest), random_(seed, 72'000), connection_id_(connection_id(random_)) {
  static_assert(field_names.size() == field_count);
  streams_.control = stream.add_stream("control");
  streams_.trade = stream.add_stream("publicTrade");
  streams_.book = stream.add_stream("orderbook.50");
  streams_.ticker = stream.add_stream("tickers");
  streams_.kline = stream.add_stream("kline.1");
  streams_.liquidation = stream.add_stream("allLiquidation");
  if (rest == nullptr) {
    streams_.touch = stream.add_stream("orderbook.1");
    return;
  }
  replies_.instruments = rest->add_stream("instruments-info");
  replies_.kline = rest->add_stream("kline");
  replies_.ratio = rest->add_stream("account-ratio");
}

void Bybit::acknowledge(std::string_view request, std::string_view operation,
                        std::string_view message, std::int64_t sent_ms) {
  stream_->compose()
      .raw("{\"success\":true,\"ret_msg\":\"")
      .raw(message)
      .raw("\",\"conn_id\":\"")
      .raw(connection_id_)
      .raw("\",\"req_id\":\"")
      .raw(request)
      .raw("\",\"op\":\"")
      .raw(operation)
      .raw("\"}");
  stream_->commit(streams_.control, 0, no_market, sent_ms);
}

void Bybit::open(std::vector<MarketModel>& markets, std::int64_t now_ms) {
  if (rest_ != nullptr) {
    write_instruments(rest_->compose(), markets, now_ms - 1000);
    rest_->commit(replies_.instruments, 0, no_market, now_ms - 1000,
                  endpoint_tail("instruments-info"));
    for (std::size_t i = 0; i * topics_per_frame < markets.size() * 5; ++i)
      acknowledge("s" + std::to_string(i + 1), "subscribe", "",
                  now_ms + static_cast<std::int64_t>(i) * 9);
  }
  next_ping_ms_ = now_ms + ping_ms;
  states_.resize(markets.size());
  for (std::size_t i = 0; i < markets.size(); ++i) {
    MarketModel& market = markets[i];
    State& state = states_[i];
    const std::string native = market.listing().native;
    const auto offset = static_cast<std::int64_t>(i);
    state.trade_head = "{\"topic\":\"publicTrade." + native + "\",\"type\":\"snapshot\",\"ts\":";
    state.book_head = "{\"topic\":\"orderbook.50." + native + "\",\"type\":\"";
    state.ticker_head = "{\"topic\":\"tickers." + native + "\",\"type\":\"";
    state.kline_head = "{\"topic\":\"kline.1." + native + "\",\"type\":\"snapshot\",\"ts\":";
    state.liquidation_head =
        "{\"topic\":\"allLiquidation." + native + "\",\"type\":\"snapshot\",\"ts\":";
    state.touch_head = "{\"topic\":\"orderbook.1." + native + "\",\"ts\":";
    state.update_id = market.random().between(1'000'000, 99'000'000);
    state.sequence = 816'000'000'000 + market.random().between(0, 2'000'000'000);
    state.last_event_ms = now_ms + 20 + 7 * offset;
    state.last_trade_price = market.last_price();
    state.ratio_due_ms = now_ms + 2300 + 43 * offset;
    state.ratios.open(now_ms, market.long_share_e8());
    state.touch_id = state.update_id * 3;
    state.touch.update(market.book());
    const std::int64_t quiet = 1000 - std::min(market.listing().activity, 1000);
    state.ticker = Timer(now_ms + 1000 + 13 * offset, 200 + quiet * 6 / 10, 200);
    state.kline = Timer(now_ms + 2500 + market.random().between(0, 1500), 1000 + quiet * 2, 1500);
    market.book().clear_changes();
    book_message(market, state, true, now_ms + 25 + 7 * offset);
    ticker(market, state, true, now_ms + 26 + 7 * offset);
  }
}

void Bybit::trade(MarketModel& market, std::size_t index, const TakerOrder& order) {
  State& state = states_[index];
  Text& text = stream_->compose();
  state.sequence += market.random().between(2, 90);
  const std::int64_t sent = order.time_ms + market.random().between(1, 4);
  text.raw(state.trade_head).integer(sent).raw(",\"data\":[");
  bool is_first = true;
  for (const Fill& fill : order.fills) {
    const int zero = state.direction < 2 ? 1 : 3;
    state.direction = fill.price > state.last_trade_price   ? 0
                      : fill.price < state.last_trade_price ? 2
                                                            : zero;
    state.last_trade_price = fill.price;
    const std::int64_t lot = market.listing().grid.lot;
    const std::int64_t part = fill.quantity / lot / fill.makers * lot;
    for (std::int64_t maker = 0; maker < fill.makers; ++maker) {
      const bool is_last = maker + 1 == fill.makers;
      text.raw(is_first ? "{\"T\":" : ",{\"T\":")
          .integer(order.time_ms)
          .raw(",\"s\":\"")
          .raw(market.listing().native);
      text.raw(order.is_buy ? "\",\"S\":\"Buy\",\"v\":\"" : "\",\"S\":\"Sell\",\"v\":\"");
      text.fixed(quantity_of(market, is_last ? fill.quantity - part * (fill.makers - 1) : part));
      text.raw("\",\"p\":\"").fixed(price_of(market, fill.price)).raw("\",\"L\":\"");
      text.raw(tick_directions[static_cast<std::size_t>(state.direction)]).raw("\",\"i\":\"");
      Fact fact{.kind = Fact::Kind::trade,
                .is_buy = order.is_buy,
                .time_ms = order.time_ms,
                .price = fill.price,
                .quantity = is_last ? fill.quantity - part * (fill.makers - 1) : part,
                .sequence = state.sequence};
      uuid(text, market.random(), fact);
      fact.is_retail = market.random().chance(20'000);
      stream_->note(fact);
      text.raw("\",\"BT\":false,\"RPI\":").raw(fact.is_retail ? "true" : "false");
      text.raw(",\"seq\":").integer(state.sequence).raw("}");
      is_first = false;
      if (state.direction % 2 == 0) ++state.direction;  // the same price again
    }
  }
  text.raw("]}");
  stream_->commit(streams_.trade, 0, market.index, sent);
}

void Bybit::book(MarketModel& market, std::size_t index, std::int64_t time_ms) {
  states_[index].sequence += market.random().between(20, 900);
  states_[index].last_event_ms = time_ms;
  if (rest_ == nullptr && states_[index].touch.update(market.book())) {
    ++states_[index].touch_id;
    touch(market, states_[index], time_ms + 2);
  }
}

/// Level 1, in whole messages; unchanged for three seconds it is said again.
void Bybit::touch(MarketModel& market, State& state, std::int64_t sent_ms) {
  state.touch_sent_ms = sent_ms;
  write_touch(stream_->compose(), market, sent_ms);
  stream_->commit(streams_.touch, 0, market.index, sent_ms);
}

void Bybit::write_touch(Text& text, const MarketModel& market, std::int64_t sent_ms) const {
  const State& state = states_[market.index];
  const BookLevel bid[] = {state.touch.bid};
  const BookLevel ask[] = {state.touch.ask};
  text.raw(state.touch_head).integer(sent_ms).raw(",\"type\":\"snapshot\",\"data\":{\"s\":\"");
  text.raw(market.listing().native).raw("\",\"b\":[");
  levels(text, market, std::begin(bid), std::end(bid));
  text.raw("],\"a\":[");
  levels(text, market, std::begin(ask), std::end(ask));
  text.raw("],\"u\":")
      .integer(state.touch_id)
      .raw(",\"seq\":")
      .integer(state.sequence)
      .raw("},\"cts\":")
      .integer(state.last_event_ms)
      .raw("}");
}

void Bybit::book_message(MarketModel& market, State& state, bool is_snapshot,
                         std::int64_t sent_ms) {
  ++state.update_id;
  Book& book = market.book();
  write_book(stream_->compose(), market, state, is_snapshot,
             is_snapshot ? book.bids() : book.changed_bids(),
             is_snapshot ? book.asks() : book.changed_asks(), sent_ms);
  if (!is_snapshot)
    stream_->note(
        {.kind = Fact::Kind::book, .id = state.update_id, .time_ms = state.last_event_ms});
  stream_->commit(streams_.book, 0, market.index, sent_ms);
  book.clear_changes();
}

void Bybit::write_book(Text& text, const MarketModel& market, std::int64_t sent_ms) const {
  write_book(text, market, states_[market.index], true, market.book().bids(), market.book().asks(),
             sent_ms);
}

void Bybit::write_book(Text& text, const MarketModel& market, const State& state, bool is_snapshot,
                       std::span<const BookLevel> bids, std::span<const BookLevel> asks,
                       std::int64_t sent_ms) const {
  text.raw(state.book_head)
      .raw(is_snapshot ? "snapshot\",\"ts\":" : "delta\",\"ts\":")
      .integer(sent_ms);
  text.raw(",\"data\":{\"s\":\"").raw(market.listing().native).raw("\",\"b\":[");
  levels(text, market, bids.rbegin(), bids.rend());
  text.raw("],\"a\":[");
  if (is_snapshot)
    levels(text, market, asks.rbegin(), asks.rend());
  else
    levels(text, market, asks.begin(), asks.end());
  text.raw("],\"u\":")
      .integer(state.update_id)
      .raw(",\"seq\":")
      .integer(state.sequence)
      .raw("},\"cts\":")
      .integer(state.last_event_ms)
      .raw("}");
}

Bybit::TickerFields Bybit::ticker_fields(const MarketModel& market, const State& state,
                                         std::int64_t now_ms) const {
  const Listing& listing = market.listing();
  const int price = listing.grid.price_digits;
  const int size = listing.grid.quantity_digits;
  const DayStatistics day = market.day();
  const Decimal mark{market.mark_price(price), price};
  const Decimal interest{market.open_interest(), size};
  const std::int64_t value = multiply(interest, mark, 2);
  TickerFields fields{};
  fields[tick_direction] = {state.direction, 0};
  fields[change_24h] = {multiply_divide(market.last_price() - day.open, 1'000'000, day.open), 6};
  fields[last_price] = {market.last_price(), price};
  fields[previous_24h] = {day.open, price};
  fields[high_24h] = {day.high, price};
  fields[low_24h] = {day.low, price};
  fields[previous_1h] = {market.price_ago(60), price};
  fields[mark_price] = mark;
  fields[index_price] = {market.index_price(price), price};
  fields[open_interest] = {2 * interest.units, size};
  fields[open_interest_value] = {2 * value, 2};
  fields[single_interest] = interest;
  fields[single_interest_value] = {value, 2};
  fields[turnover_24h] = {rescale(day.notional, price + size, 4), 4};
  fields[volume_24h] = {rescale(day.quantity, size, 4), 4};
  fields[funding_interval] = {listing.funding_hours, 0};
  fields[funding_cap] = {5, 3};
  fields[next_funding] = {market.next_funding_ms(now_ms), 0};
  fields[funding_rate] = {rescale(market.rate_e16(), 16, 8), 8};
  fields[bid_price] = {market.book().best_bid().price, price};
  fields[bid_size] = {market.book().best_bid().quantity, size};
  fields[ask_price] = {market.book().best_ask().price, price};
  fields[ask_size] = {market.book().best_ask().quantity, size};
  return fields;
}

void Bybit::ticker(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms) {
  const TickerFields fields = ticker_fields(market, state, sent_ms);
  if (!is_snapshot && fields == state.sent) return;
  write_ticker(stream_->compose(), market, fields, is_snapshot ? nullptr : &state.sent, sent_ms);
  stream_->commit(streams_.ticker, 0, market.index, sent_ms);
  state.sent = fields;
  const Listing& listing = market.listing();
  Published& published = market.published;
  published.has_open_interest = published.has_mark = published.has_rate = true;
  published.open_interest = {fields[single_interest].units, listing.coin_quantity_digits()};
  published.mark = {fields[mark_price].units, listing.coin_price_digits()};
  published.open_interest_value = {0, -1};
  published.rate = fields[funding_rate];
}

void Bybit::write_ticker(Text& text, const MarketModel& market, std::int64_t sent_ms) const {
  write_ticker(text, market, states_[market.index].sent, nullptr, sent_ms);
}

void Bybit::write_ticker(Text& text, const MarketModel& market, const TickerFields& fields,
                         const TickerFields* since, std::int64_t sent_ms) const {
  const State& state = states_[market.index];
  const bool is_snapshot = since == nullptr;
  text.raw(state.ticker_head)
      .raw(is_snapshot ? "snapshot" : "delta")
      .raw("\",\"data\":{\"symbol\":\"")
      .raw(market.listing().native)
      .raw("\"");
  write_ticker_fields(text, fields, since);
  if (is_snapshot) text.raw(R"(,"preOpenPrice":"","preQty":"","curPreListingPhase":"")");
  text.raw("},\"cs\":").integer(state.sequence).raw(",\"ts\":").integer(sent_ms).raw("}");
}

/// What differs from `since`, or all.
void Bybit::write_ticker_fields(Text& text, const TickerFields& fields, const TickerFields* since) {
  for (std::size_t i = 0; i < field_count; ++i) {
    if (since != nullptr && fields[i] == (*since)[i]) continue;
    text.raw(",\"").raw(field_names[i]).raw("\":\"");
    if (i == tick_direction)
      text.raw(tick_directions[static_cast<std::size_t>(fields[i].units)]);
    else if (i == funding_rate)
      text.trimmed(fields[i]);
    else
      text.fixed(fields[i]);
    text.raw("\"");
  }
}

void Bybit::write_ticker_row(Text& text, const MarketModel& market, std::int64_t now_ms) const {
  const TickerFields fields = ticker_fields(market, states_[market.index], now_ms);
  text.raw("{\"symbol\":\"").raw(market.listing().native).raw("\"");
  write_ticker_fields(text, fields, nullptr);
  text.raw(R"(,"basis":"","deliveryTime":"0","deliveryFeeRate":""})");
}

void Bybit::kline(MarketModel& market, const State& state, const Bar& bar, std::int64_t sent_ms,
                  bool is_closed) {
  Text& text = stream_->compose();
  text.raw(state.kline_head)
      .integer(sent_ms)
      .raw(",\"data\":[{\"start\":")
      .integer(bar.open_ms)
      .raw(",\"end\":")
      .integer(bar.open_ms + minute_ms - 1);
  text.raw(",\"interval\":\"1\",\"open\":\"")
      .trimmed(price_of(market, bar.open))
      .raw("\",\"close\":\"")
      .trimmed(price_of(market, bar.close));
  text.raw("\",\"high\":\"")
      .trimmed(price_of(market, bar.high))
      .raw("\",\"low\":\"")
      .trimmed(price_of(market, bar.low));
  text.raw("\",\"volume\":\"").trimmed(quantity_of(market, bar.quantity)).raw("\",\"turnover\":\"");
  text.trimmed(
      {bar.notional, market.listing().grid.price_digits + market.listing().grid.quantity_digits});
  text.raw("\",\"confirm\":")
      .raw(is_closed ? "true" : "false")
      .raw(",\"timestamp\":")
      .integer(sent_ms)
      .raw("}]}");
  if (is_closed)
    stream_->note({.kind = Fact::Kind::kline,
                   .id = bar.open_ms,
                   .time_ms = sent_ms,
                   .price = bar.close,
                   .quantity = bar.quantity});
  stream_->commit(streams_.kline, 0, market.index, sent_ms);
}

void Bybit::minute(MarketModel& market, std::size_t index, const Bar& bar) {
  State& state = states_[index];
  kline(market, state, bar, bar.open_ms + minute_ms + market.random().between(60, 700), true);
  state.fills_in_last_kline = 0;
}

void Bybit::liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) {
  states_[index].forced.push_back(forced);
  market.count(forced);
}

void Bybit::liquidations(MarketModel& market, State& state, std::int64_t sent_ms) {
  Text& text = stream_->compose();
  text.raw(state.liquidation_head).integer(sent_ms).raw(",\"data\":[");
  bool is_first = true;
  for (const ForcedOrder& forced : state.forced) {
    text.raw(is_first ? "{\"T\":" : ",{\"T\":")
        .integer(forced.time_ms)
        .raw(",\"s\":\"")
        .raw(market.listing().native);
    text.raw(forced.is_long ? "\",\"S\":\"Buy\",\"v\":\""
                            : "\",\"S\":\"Sell\",\"v\":\"");  // the position's side
    text.fixed(quantity_of(market, forced.quantity))
        .raw("\",\"p\":\"")
        .fixed(price_of(market, forced.price))
        .raw("\"}");
    stream_->note({.kind = Fact::Kind::liquidation,
                   .is_buy = !forced.is_long,
                   .time_ms = forced.time_ms,
                   .price = forced.price,
                   .quantity = forced.quantity});
    is_first = false;
  }
  text.raw("]}");
  stream_->commit(streams_.liquidation, 0, market.index, sent_ms);
  state.forced.clear();
}

void Bybit::step(MarketModel& market, std::size_t index, std::int64_t now_ms) {
  State& state = states_[index];
  const std::int64_t end_ms = now_ms + step_ms;
  if (market.book().has_changes()) book_message(market, state, false, end_ms - 1);
  if (rest_ == nullptr && end_ms - state.touch_sent_ms >= touch_repeat_ms)
    touch(market, state, end_ms - 1);
  if (!state.forced.empty() && end_ms % 500 == 0) liquidations(market, state, end_ms - 1);
  std::int64_t at_ms = 0;
  if (state.ticker.fire(market.random(), now_ms, at_ms)) ticker(market, state, false, at_ms);
  if (state.kline.fire(market.random(), now_ms, at_ms) &&
      market.bar().fills != state.fills_in_last_kline) {
    state.fills_in_last_kline = market.bar().fills;
    kline(market, state, market.bar(), end_ms - 1, false);
  }
  if (now_ms >= state.ratio_due_ms) ratio(market, state, index, now_ms);
}

void Bybit::connection(std::int64_t now_ms) {
  if (rest_ == nullptr || now_ms < next_ping_ms_) return;
  next_ping_ms_ += ping_ms;
  acknowledge("p" + std::to_string(++pings_), "ping", "pong", now_ms + 3);
}

}  // namespace perp::sim::wire
