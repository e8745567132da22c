// The REST half of the Binance wire model.
#include "sim/wire/binance.hpp"

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ratio_period_ms = 5 * minute_ms;
constexpr std::uint64_t past_ratios_stream = 1'200'000;

constexpr std::string_view exchange_info_head =
    R"("futuresType":"U_MARGINED","rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400},)"
    R"({"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":1200},)"
    R"({"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300}],"exchangeFilters":[],)"
    R"("assets":[{"asset":"USDT","marginAvailable":true,"autoAssetExchange":"-10000"},)"
    R"({"asset":"BTC","marginAvailable":true,"autoAssetExchange":"-0.10000000"},)"
    R"({"asset":"BNB","marginAvailable":true,"autoAssetExchange":"0"},{"asset":"ETH","marginAvailable":true,"autoAssetExchange":"0"},)"
    R"({"asset":"USDC","marginAvailable":true,"autoAssetExchange":"-10000"}],"symbols":[)";

void instrument(Text& text, const MarketModel& market) {
  const Listing& listing = market.listing();
  const Grid& grid = listing.grid;
  const bool is_dated = listing.kind == ListingKind::dated;
  const Decimal step{grid.lot, grid.quantity_digits};
  text.raw("{\"symbol\":\"")
      .raw(listing.native)
      .raw("\",\"pair\":\"")
      .raw(listing.asset)
      .raw(listing.quote);
  text.raw("\",\"contractType\":\"").raw(is_dated ? "CURRENT_QUARTER" : "PERPETUAL");
  text.raw("\",\"deliveryDate\":").integer(is_dated ? listing.delivery_ms : 4'133'404'800'000);
  text.raw(",\"onboardDate\":")
      .integer(is_dated ? 1'790'323'200'000
                        : 1'569'398'400'000 +
                              static_cast<std::int64_t>(listing.coin_index) * 3'024'000'000);
  text.raw(market.status == MarketStatus::delisted ? R"(,"status":"SETTLING")"
                                                   : R"(,"status":"TRADING")");
  text.raw(R"(,"maintMarginPercent":"2.5000","requiredMarginPercent":"5.0000","baseAsset":")")
      .raw(listing.asset);
  text.raw("\",\"quoteAsset\":\"")
      .raw(listing.quote)
      .raw("\",\"marginAsset\":\"")
      .raw(listing.quote);
  text.raw("\",\"pricePrecision\":")
      .integer(grid.price_digits)
      .raw(",\"quantityPrecision\":")
      .integer(grid.quantity_digits);
  text.raw(
      R"(,"baseAssetPrecision":8,"quotePrecision":8,"underlyingType":"COIN","underlyingSubType":["Layer-1"],"triggerProtect":"0.0500",)");
  text.raw(
      R"("liquidationFee":"0.012500","marketTakeBound":"0.05","maxMoveOrderLimit":10000,"filters":[{"filterType":"PRICE_FILTER","minPrice":")");
  text.fixed({grid.tick, grid.price_digits})
      .raw("\",\"maxPrice\":\"")
      .trimmed({market.last_price() * 50, grid.price_digits});
  text.raw("\",\"tickSize\":\"")
      .fixed({grid.tick, grid.price_digits})
      .raw(R"("},{"filterType":"LOT_SIZE","maxQty":"10000000","minQty":")");
  text.fixed(step)
      .raw("\",\"stepSize\":\"")
      .fixed(step)
      .raw(R"("},{"filterType":"MARKET_LOT_SIZE","maxQty":"1000000","minQty":")")
      .fixed(step);
  text.raw("\",\"stepSize\":\"")
      .fixed(step)
      .raw(
          R"("},{"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MAX_NUM_ALGO_ORDERS","limit":10},)");
  text.raw(R"({"filterType":"MIN_NOTIONAL","notional":")")
      .raw(listing.coin_index == 0   ? "100"
           : listing.coin_index == 1 ? "20"
                                     : "5");
  text.raw(
      R"("},{"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDown":"0.9500","multiplierDecimal":"4"},)");
  text.raw(
      R"({"filterType":"POSITION_RISK_CONTROL","positionControlSide":"NONE"}],"orderTypes":["LIMIT","MARKET","STOP","STOP_MARKET",)");
  text.raw(
      R"("TAKE_PROFIT","TAKE_PROFIT_MARKET","TRAILING_STOP_MARKET"],"timeInForce":["GTC","IOC","FOK","GTX","GTD"],"permissionSets":["GRID","COPY"]})");
}

}  // namespace

void Binance::write_instruments(Text& text, const std::vector<MarketModel>& markets,
                                std::int64_t now_ms) {
  text.raw("{\"timezone\":\"UTC\",\"serverTime\":")
      .integer(now_ms - 3'417'220)
      .raw(",")
      .raw(exchange_info_head);
  bool is_first = true;
  for (const MarketModel& market : markets) {
    if (market.status == MarketStatus::unlisted) continue;
    if (!is_first) text.raw(",");
    is_first = false;
    instrument(text, market);
  }
  text.raw("]}");
}

void Binance::open_interest(MarketModel& market, std::int64_t at_ms) {
  write_open_interest(rest_->compose(), market, at_ms);
  rest_->commit(replies_.open_interest, 0, no_market, at_ms,
                endpoint_tail("openInterest", market.listing().native));
}

void Binance::write_open_interest(Text& text, MarketModel& market, std::int64_t at_ms) {
  const Listing& listing = market.listing();
  text.raw("{\"symbol\":\"")
      .raw(listing.native)
      .raw("\",\"openInterest\":\"")
      .fixed(quantity_of(market, market.open_interest()));
  text.raw("\",\"time\":").integer(at_ms).raw("}");
  market.published.has_open_interest = true;
  market.published.open_interest = {market.open_interest(), listing.coin_quantity_digits()};
  market.published.open_interest_value = {0, -1};
}

void Binance::keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) {
  RatioHistory& ratios = states_[market].ratios;
  if (ratios.size() > 0) ratios.keep_past(rows, seed, past_ratios_stream + market);
}

void Binance::ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms) {
  const std::int64_t newest = now_ms / ratio_period_ms * ratio_period_ms;
  state.ratio_due_ms = newest + ratio_period_ms + 4000 + 160 * static_cast<std::int64_t>(index) +
                       market.random().between(0, 900);
  market.drift_ratio();
  state.ratios.add(newest, market.long_share_e8());
  if (rest_ == nullptr) return;
  write_ratio(rest_->compose(), market, Ratio::accounts, state.ratios.newest(2));
  rest_->commit(replies_.ratio, 0, no_market, now_ms,
                endpoint_tail("globalLongShortAccountRatio", market.listing().native, "5m"));
}

void Binance::write_ratio(Text& text, MarketModel& market, Ratio ratio,
                          RatioHistory::Rows rows) const {
  // Larger accounts lean less to the long side.
  const std::int64_t lean_e4 = ratio == Ratio::accounts       ? 0
                               : ratio == Ratio::top_accounts ? -120
                                                              : -540;
  const RatioHistory& history = states_[market.index].ratios;
  text.raw("[");
  Decimal newest;
  bool is_first = true;
  for (std::size_t back = rows.last; back-- > rows.first; is_first = false) {
    const std::int64_t long_e4 = rescale(history.share(back), 8, 4) + lean_e4;
    const std::int64_t short_e4 = 10'000 - long_e4;
    newest = {(long_e4 * 10'000 + short_e4 / 2) / short_e4, 4};
    text.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"").raw(market.listing().native);
    text.raw("\",\"longAccount\":\"")
        .fixed({long_e4, 4})
        .raw("\",\"longShortRatio\":\"")
        .fixed(newest);
    text.raw("\",\"shortAccount\":\"")
        .fixed({short_e4, 4})
        .raw("\",\"timestamp\":")
        .integer(history.time_ms(back))
        .raw("}");
  }
  text.raw("]");
  if (ratio != Ratio::accounts || rows.first != 0 || rows.last == 0) return;
  market.published.has_ratio = true;
  market.published.ratio_long = newest;
  market.published.ratio_short = {1, 0};
}

void Binance::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  if (rest_ == nullptr || market.listing().kind != ListingKind::primary) return;
  const std::int64_t sent = start_ms + 60 + 55 * static_cast<std::int64_t>(index);
  klines(market, market.past_bars(30), minute_ms, "1m", sent);
  klines(market, merge_bars(market.past_bars(1440), 60), 60 * minute_ms, "1h", sent + 27);
}

void Binance::klines(MarketModel& market, const std::vector<Bar>& bars, std::int64_t length_ms,
                     std::string_view period, std::int64_t sent_ms) {
  write_klines(rest_->compose(), market, bars, length_ms);
  rest_->commit(replies_.klines, 0, no_market, sent_ms,
                endpoint_tail("klines", market.listing().native, period, true));
}

void Binance::write_klines(Text& text, const MarketModel& market, std::span<const Bar> bars,
                           std::int64_t length_ms) {
  const int quote_digits =
      market.listing().grid.price_digits + market.listing().grid.quantity_digits;
  text.raw("[");
  bool is_first = true;
  for (const Bar& bar : bars) {
    text.raw(is_first ? "[" : ",[").integer(bar.open_ms);
    is_first = false;
    for (const std::int64_t price : {bar.open, bar.high, bar.low, bar.close})
      text.raw(",\"").fixed(price_of(market, price)).raw("\"");
    text.raw(",\"")
        .fixed(quantity_of(market, bar.quantity))
        .raw("\",")
        .integer(bar.open_ms + length_ms - 1);
    text.raw(",\"").fixed({bar.notional, quote_digits}).raw("\",").integer(bar.fills);
    text.raw(",\"")
        .fixed(quantity_of(market, bar.buy_quantity))
        .raw("\",\"")
        .fixed({bar.buy_notional, quote_digits})
        .raw("\",\"0\"]");
  }
  text.raw("]");
}

}  // namespace perp::sim::wire
