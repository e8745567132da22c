#include "sim/wire/okx.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::size_t public_socket = 0;
constexpr std::size_t business_socket = 1;
constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr std::int64_t keep_alive_ms = 60'000;
constexpr std::string_view funding_row_head = R"({"formulaType":"withRate","fundingRate":")";

template <class Iterator>
void levels(Text& text, const MarketModel& market, Iterator begin, Iterator end) {
  for (Iterator level = begin; level != end; ++level) {
    text.raw(level == begin ? "[\"" : ",[\"").trimmed(price_of(market, level->price)).raw("\",\"");
    text.trimmed(quantity_of(market, level->quantity))
        .raw("\",\"0\",\"")
        .integer(level->orders)
        .raw("\"]");
  }
}

void side(Text& text, const MarketModel& market, const BookLevel& level) {
  text.raw("[[\"")
      .trimmed(price_of(market, level.price))
      .raw("\",\"")
      .trimmed(quantity_of(market, level.quantity));
  text.raw("\",\"0\",\"").integer(level.orders).raw("\"]]");
}

std::string connection_id(Random& random) {
  Text text;
  const std::uint64_t draw = random.bits();
  const std::uint8_t bytes[] = {
      static_cast<std::uint8_t>(draw & 0xff), static_cast<std::uint8_t>(draw >> 8 & 0xff),
      static_cast<std::uint8_t>(draw >> 16 & 0xff), static_cast<std::uint8_t>(draw >> 24 & 0xff)};
  return std::string(text.hex(bytes).view());
}

std::string_view instrument_type(const MarketModel& market) {
  return market.listing().kind == ListingKind::spot ? "SPOT" : "SWAP";
}

/// The price when the day began that has its midnight at `offset_ms` UTC.
std::int64_t day_open(const MarketModel& market, std::int64_t now_ms, std::int64_t offset_ms) {
  const std::int64_t since_ms = (now_ms - offset_ms) % day_ms;
  return market.price_ago(since_ms / minute_ms + 1);
}

}  // namespace

Okx::Okx(Outlet& stream, Outlet* rest, std::uint64_t seed)
    : stream_(&stream), rest_(rest), random_(seed, 73'000) {
  for (std::string& id : connection_ids_) id = connection_id(random_);
  streams_.ack = stream.add_stream("ack");
  streams_.trade = stream.add_stream("trades");
  streams_.book = stream.add_stream("books");
  streams_.touch = stream.add_stream("bbo-tbt");
  streams_.ticker = stream.add_stream("tickers");
  streams_.mark = stream.add_stream("mark-price");
  streams_.funding = stream.add_stream("funding-rate");
  streams_.interest = stream.add_stream("open-interest");
  streams_.candle = stream.add_stream("candle1m");
  streams_.liquidation = stream.add_stream("liquidation-orders");
  if (rest == nullptr) return;
  replies_.instruments = rest->add_stream("instruments");
  replies_.candles = rest->add_stream("history-candles");
  replies_.ratio = rest->add_stream("long-short-account-ratio-contract");
}

void Okx::acknowledge(std::size_t socket, std::string_view channel, std::string_view instrument,
                      std::int64_t sent_ms) {
  if (rest_ == nullptr) return;
  Text& text = stream_->compose();
  text.raw("{\"event\":\"subscribe\",\"arg\":{\"channel\":\"").raw(channel);
  text.raw(instrument.empty() ? "\",\"instType\":\"SWAP" : "\",\"instId\":\"").raw(instrument);
  text.raw("\"},\"connId\":\"").raw(connection_ids_[socket]).raw("\"}");
  stream_->commit(streams_.ack, socket, no_market, sent_ms);
}

void Okx::open(std::vector<MarketModel>& markets, std::int64_t now_ms) {
  if (rest_ != nullptr) {
    announce(markets, "SWAP", now_ms - 1000);
    announce(markets, "SPOT", now_ms - 900);
  }
  acknowledge(public_socket, "liquidation-orders", {}, now_ms);
  states_.resize(markets.size());
  for (std::size_t i = 0; i < markets.size(); ++i) {
    MarketModel& market = markets[i];
    Random& random = market.random();
    State& state = states_[i];
    const std::string& native = market.listing().native;
    const auto head = [&](std::string_view channel) {
      return "{\"arg\":{\"channel\":\"" + std::string(channel) + "\",\"instId\":\"" + native +
             "\"},";
    };
    const std::string_view type = instrument_type(market);
    const std::string row = "\"data\":[{\"instId\":\"" + native + "\",";
    state.trade_head = head("trades") + row + "\"tradeId\":\"";
    state.touch_head = head("bbo-tbt") + "\"data\":[{\"asks\":";
    state.book_head = head("books") + "\"action\":\"";
    state.ticker_head = fmt::format(R"({}"data":[{{"instType":"{}","instId":"{}","last":")",
                                    head("tickers"), type, native);
    state.mark_head =
        fmt::format(R"({}{}"instType":"{}","markPx":")", head("mark-price"), row, type);
    state.funding_head = head("funding-rate") + "\"data\":[" + std::string(funding_row_head);
    state.interest_head =
        fmt::format(R"({}{}"instType":"{}","oi":")", head("open-interest"), row, type);
    state.candle_head = head("candle1m") + "\"data\":[";

    const std::int64_t at = now_ms + 10 + 11 * static_cast<std::int64_t>(i);
    const bool is_spot = market.listing().kind == ListingKind::spot;
    acknowledge(public_socket, "tickers", native, at);
    if (!is_spot)
      for (const std::string_view channel :
           {"trades", "bbo-tbt", "mark-price", "funding-rate", "open-interest"})
        acknowledge(public_socket, channel, native, at);
    if (streams_books(market)) {
      acknowledge(public_socket, "books", native, at);
      acknowledge(business_socket, "candle1m", native, at);
    }
    state.sequence = 333'900'000'000 + random.between(0, 900'000'000);
    state.last_event_ms = state.last_book_ms = at;
    state.trade_id = random.between(40'000'000, 2'900'000'000);
    state.ratio_due_ms = now_ms + 2350 + 47 * static_cast<std::int64_t>(i);
    state.ratios.open(now_ms, market.long_share_e8());
    const std::int64_t quiet = 1000 - std::min(market.listing().activity, 1000);
    state.ticker = Timer(at + 40, 200 + quiet * 8 / 10, 200);
    state.mark = Timer(at + 50, 600 + quiet, 400);
    state.funding = Timer(at + 60, 30'000, 60'000);
    state.open_interest = Timer(at + 70, 3000, 30);
    state.candle = Timer(now_ms + 2400 + random.between(0, 900), 1000 + quiet * 2, 600);
    state.next_funding_ms = market.next_funding_ms(now_ms);
    market.book().clear_changes();
    if (streams_books(market)) book_message(market, state, true, at + 2);
  }
}

void Okx::trade(MarketModel& market, std::size_t index, const TakerOrder& order) {
  if (market.listing().kind == ListingKind::spot) return;
  State& state = states_[index];
  const std::int64_t sequence = state.sequence + 1;  // the book event of these fills
  for (const Fill& fill : order.fills) {
    state.trade_id += fill.makers;
    const bool is_retail = market.random().chance(15'000);
    Text& text = stream_->compose();
    text.raw(state.trade_head)
        .integer(state.trade_id)
        .raw("\",\"px\":\"")
        .trimmed(price_of(market, fill.price));
    text.raw("\",\"sz\":\"")
        .trimmed(quantity_of(market, fill.quantity))
        .raw(order.is_buy ? "\",\"side\":\"buy" : "\",\"side\":\"sell");
    text.raw("\",\"ts\":\"").integer(order.time_ms).raw("\",\"count\":\"").integer(fill.makers);
    text.raw(is_retail ? "\",\"source\":\"1\",\"seqId\":" : "\",\"source\":\"0\",\"seqId\":")
        .integer(sequence)
        .raw("}]}");
    stream_->note({.kind = Fact::Kind::trade,
                   .is_buy = order.is_buy,
                   .is_retail = is_retail,
                   .id = state.trade_id,
                   .time_ms = order.time_ms,
                   .price = fill.price,
                   .quantity = fill.quantity,
                   .first_id = state.trade_id - fill.makers + 1,
                   .last_id = state.trade_id,
                   .sequence = sequence});
    stream_->commit(streams_.trade, public_socket, market.index, order.time_ms + 1);
  }
}

void Okx::book(MarketModel& market, std::size_t index, std::int64_t time_ms) {
  if (market.listing().kind == ListingKind::spot) return;
  State& state = states_[index];
  state.sequence += market.random().between(1, 12);
  state.last_event_ms = time_ms;
  if (!state.touch.update(market.book())) return;
  Text& text = stream_->compose();
  text.raw(state.touch_head);
  side(text, market, state.touch.ask);
  text.raw(",\"bids\":");
  side(text, market, state.touch.bid);
  text.raw(",\"ts\":\"").integer(time_ms).raw("\",\"seqId\":").integer(state.sequence).raw("}]}");
  stream_->commit(streams_.touch, public_socket, market.index, time_ms + 1);
}

void Okx::book_message(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms) {
  Book& book = market.book();
  write_book(stream_->compose(), market, is_snapshot,
             is_snapshot ? book.bids() : book.changed_bids(),
             is_snapshot ? book.asks() : book.changed_asks(),
             is_snapshot || !book.has_changes() ? sent_ms : state.last_event_ms, state.sequence);
  if (!is_snapshot && state.sequence != state.sent_sequence)
    stream_->note({.kind = Fact::Kind::book, .id = state.sequence, .time_ms = state.last_event_ms});
  stream_->commit(streams_.book, public_socket, market.index, sent_ms);
  state.sent_sequence = state.sequence;
  state.last_book_ms = sent_ms;
  book.clear_changes();
}

void Okx::write_book(Text& text, const MarketModel& market, std::int64_t sent_ms) const {
  // The last update's id: the next one names it as the previous.
  write_book(text, market, true, market.book().bids(), market.book().asks(), sent_ms,
             states_[market.index].sent_sequence);
}

void Okx::write_book(Text& text, const MarketModel& market, bool is_snapshot,
                     std::span<const BookLevel> bids, std::span<const BookLevel> asks,
                     std::int64_t time_ms, std::int64_t sequence) const {
  const State& state = states_[market.index];
  text.raw(state.book_head)
      .raw(is_snapshot ? "snapshot" : "update")
      .raw("\",\"data\":[{\"asks\":[");
  if (is_snapshot)
    levels(text, market, asks.rbegin(), asks.rend());
  else
    levels(text, market, asks.begin(), asks.end());
  text.raw("],\"bids\":[");
  levels(text, market, bids.rbegin(), bids.rend());
  text.raw("],\"ts\":\"").integer(time_ms);
  text.raw("\",\"checksum\":0,\"seqId\":").integer(sequence);
  text.raw(",\"prevSeqId\":").integer(is_snapshot ? -1 : state.sent_sequence).raw("}]}");
}

void Okx::ticker(MarketModel& market, State& state, std::int64_t at_ms) {
  const Listing& listing = market.listing();
  const DayStatistics day = market.day();
  const Book& book = market.book();
  const auto price = [&](std::int64_t units) { return price_of(market, units); };
  Decimal currency{day.quantity, listing.coin_quantity_digits()};  // coins on a swap
  if (listing.is_inverse())
    currency = {multiply_divide(day.quantity, 1'000'000, market.last_price()), 4};
  if (listing.kind == ListingKind::spot) currency = {day.notional, listing.notional_digits()};
  Text& text = stream_->compose();
  text.raw(state.ticker_head)
      .trimmed(price(market.last_price()))
      .raw("\",\"lastSz\":\"")
      .trimmed(quantity_of(market, market.last_quantity()));
  text.raw("\",\"askPx\":\"")
      .trimmed(price(book.best_ask().price))
      .raw("\",\"askSz\":\"")
      .trimmed(quantity_of(market, book.best_ask().quantity));
  text.raw("\",\"bidPx\":\"")
      .trimmed(price(book.best_bid().price))
      .raw("\",\"bidSz\":\"")
      .trimmed(quantity_of(market, book.best_bid().quantity));
  text.raw("\",\"open24h\":\"")
      .trimmed(price(day.open))
      .raw("\",\"high24h\":\"")
      .trimmed(price(day.high));
  text.raw("\",\"low24h\":\"")
      .trimmed(price(day.low))
      .raw("\",\"sodUtc0\":\"")
      .trimmed(price(day_open(market, at_ms, 0)));
  text.raw("\",\"sodUtc8\":\"")
      .trimmed(price(day_open(market, at_ms, 16 * hour_ms)))
      .raw("\",\"volCcy24h\":\"")
      .trimmed(currency);
  text.raw("\",\"vol24h\":\"")
      .trimmed(quantity_of(market, day.quantity))
      .raw("\",\"ts\":\"")
      .integer(at_ms)
      .raw("\"}]}");
  stream_->commit(streams_.ticker, public_socket, market.index, at_ms);
}

void Okx::mark(MarketModel& market, State& state, std::int64_t at_ms) {
  const int digits = market.listing().grid.price_digits;
  const Decimal mark{market.mark_price(digits), digits};
  stream_->compose()
      .raw(state.mark_head)
      .trimmed(mark)
      .raw("\",\"ts\":\"")
      .integer(at_ms)
      .raw("\"}]}");
  stream_->commit(streams_.mark, public_socket, market.index, at_ms);
  market.published.has_mark = true;
  market.published.mark = {mark.units, market.listing().coin_price_digits()};
}

void Okx::funding(MarketModel& market, std::int64_t at_ms) {
  write_funding_message(stream_->compose(), market, at_ms);
  stream_->commit(streams_.funding, public_socket, market.index, at_ms);
}

void Okx::write_funding_message(Text& text, MarketModel& market, std::int64_t at_ms) {
  State& state = states_[market.index];
  // The head ends where the row's first field has its value.
  text.raw(state.funding_head);
  write_funding_row(text, market, state, at_ms);
  text.raw("]}");
}

void Okx::write_funding(Text& text, MarketModel& market, std::int64_t at_ms) {
  text.raw(funding_row_head);
  write_funding_row(text, market, states_[market.index], at_ms);
}

void Okx::write_funding_row(Text& text, MarketModel& market, State& state, std::int64_t at_ms) {
  const Listing& listing = market.listing();
  const std::int64_t next = market.next_funding_ms(at_ms);
  if (next != state.next_funding_ms) {
    market.settle_funding();
    state.next_funding_ms = next;
  }
  const Decimal rate{market.rate_e16(), 16};
  text.fixed(rate).raw("\",\"fundingTime\":\"").integer(next).raw("\",\"impactValue\":\"");
  text.integer(listing.coin_index < 2 ? 20'000 : 5'000)
      .raw(".0000000000000000\",\"instId\":\"")
      .raw(listing.native);
  text.raw(
      R"(","instType":"SWAP","interestRate":"0.0001000000000000","maxFundingRate":"0.015","method":"current_period",)");
  text.raw(R"("minFundingRate":"-0.015","nextFundingRate":"","nextFundingTime":")")
      .integer(next + listing.funding_hours * hour_ms);
  text.raw("\",\"premium\":\"").fixed({market.premium_e16(), 16}).raw("\",\"settFundingRate\":\"");
  text.fixed({market.settled_rate_e16(), 16})
      .raw("\",\"settState\":\"settled\",\"ts\":\"")
      .integer(at_ms)
      .raw("\"}");
  market.published.has_rate = true;
  market.published.rate = rate;
}

void Okx::open_interest(MarketModel& market, State& state, std::int64_t at_ms) {
  Text& text = stream_->compose();
  text.raw(state.interest_head);
  write_interest_row(text, market, at_ms);
  text.raw("]}");
  stream_->commit(streams_.interest, public_socket, market.index, at_ms);
}

void Okx::write_open_interest(Text& text, MarketModel& market, std::int64_t at_ms) const {
  text.raw("{\"instId\":\"").raw(market.listing().native).raw("\",\"instType\":\"");
  text.raw(instrument_type(market)).raw("\",\"oi\":\"");
  write_interest_row(text, market, at_ms);
}

void Okx::write_interest_row(Text& text, MarketModel& market, std::int64_t at_ms) {
  const Listing& listing = market.listing();
  const Decimal coins{market.open_interest(), listing.coin_quantity_digits()};
  const int digits = listing.grid.price_digits;
  const Decimal value = listing.is_inverse()
                            ? Decimal{market.open_interest() * 100, listing.grid.quantity_digits}
                            : Decimal{multiply(coins, {market.mark_price(digits), digits}, 2), 2};
  const Decimal currency =
      listing.is_inverse()
          ? Decimal{multiply_divide(market.open_interest(), 1'000'000, market.last_price()), 4}
          : coins;
  text.trimmed(quantity_of(market, market.open_interest()))
      .raw("\",\"oiCcy\":\"")
      .trimmed(currency);
  text.raw("\",\"oiUsd\":\"").trimmed(value).raw("\",\"ts\":\"").integer(at_ms).raw("\"}");
  market.published.has_open_interest = true;
  market.published.open_interest = coins;
  market.published.open_interest_value = value;
}

void Okx::candle_row(Text& text, const MarketModel& market, const Bar& bar, bool is_closed) {
  const Listing& listing = market.listing();
  text.raw("[\"").integer(bar.open_ms).raw("\"");
  for (const std::int64_t price : {bar.open, bar.high, bar.low, bar.close})
    text.raw(",\"").trimmed(price_of(market, price)).raw("\"");
  text.raw(",\"")
      .trimmed(quantity_of(market, bar.quantity))
      .raw("\",\"")
      .trimmed({bar.quantity, listing.coin_quantity_digits()});
  text.raw("\",\"")
      .trimmed({bar.notional, listing.notional_digits()})
      .raw(is_closed ? "\",\"1\"]" : "\",\"0\"]");
}

void Okx::candle(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
                 bool is_closed) {
  Text& text = stream_->compose();
  candle_row(text.raw(state.candle_head), market, bar, is_closed);
  text.raw("]}");
  if (is_closed)
    stream_->note({.kind = Fact::Kind::kline,
                   .id = bar.open_ms,
                   .time_ms = sent_ms,
                   .price = bar.close,
                   .quantity = bar.quantity});
  stream_->commit(streams_.candle, business_socket, market.index, sent_ms);
}

void Okx::minute(MarketModel& market, std::size_t index, const Bar& bar) {
  State& state = states_[index];
  state.fills_in_last_candle = 0;
  if (!streams_books(market) || bar.is_empty()) return;  // a silent minute says nothing
  candle(market, state, bar, bar.open_ms + minute_ms + market.random().between(90, 900), true);
}

void Okx::liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) {
  State& state = states_[index];
  if (forced.time_ms < state.last_forced_ms + 1000)
    return;  // at most one a second and instrument is told
  state.last_forced_ms = forced.time_ms;
  const Listing& listing = market.listing();
  const std::string family = listing.asset + "-" + listing.quote;
  Text& text = stream_->compose();
  text.raw(
      R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":")");
  text.trimmed(price_of(market, forced.price))
      .raw("\",\"ccy\":\"\",\"posSide\":\"")
      .raw(forced.is_long ? "long" : "short");
  text.raw("\",\"side\":\"")
      .raw(forced.is_long ? "sell" : "buy")
      .raw("\",\"sz\":\"")
      .trimmed(quantity_of(market, forced.quantity));
  text.raw("\",\"ts\":\"")
      .integer(forced.time_ms)
      .raw("\"}],\"instFamily\":\"")
      .raw(family)
      .raw("\",\"instId\":\"")
      .raw(listing.native);
  text.raw("\",\"instType\":\"SWAP\",\"uly\":\"").raw(family).raw("\"}]}");
  stream_->note({.kind = Fact::Kind::liquidation,
                 .is_buy = !forced.is_long,
                 .time_ms = forced.time_ms,
                 .price = forced.price,
                 .quantity = forced.quantity});
  stream_->commit(streams_.liquidation, public_socket, market.index,
                  forced.time_ms + market.random().between(8, 120));
  market.count(forced);
}

void Okx::step(MarketModel& market, std::size_t index, std::int64_t now_ms) {
  State& state = states_[index];
  const std::int64_t end_ms = now_ms + step_ms;
  if (streams_books(market)) {
    if (market.book().has_changes() || end_ms - state.last_book_ms > keep_alive_ms)
      book_message(market, state, false, end_ms - 1);
  } else {
    market.book().clear_changes();
  }
  std::int64_t at_ms = 0;
  Random& random = market.random();
  if (state.ticker.fire(random, now_ms, at_ms)) ticker(market, state, at_ms);
  if (market.listing().kind == ListingKind::spot) return;
  if (state.mark.fire(random, now_ms, at_ms)) mark(market, state, at_ms);
  if (state.funding.fire(random, now_ms, at_ms)) funding(market, at_ms);
  if (state.open_interest.fire(random, now_ms, at_ms)) open_interest(market, state, at_ms);
  if (!streams_books(market)) return;
  if (state.candle.fire(random, now_ms, at_ms) &&
      market.bar().fills != state.fills_in_last_candle) {
    state.fills_in_last_candle = market.bar().fills;
    candle(market, state, market.bar(), end_ms - 1, false);
  }
  if (now_ms >= state.ratio_due_ms) ratio(market, state, index, now_ms);
}

}  // namespace perp::sim::wire
