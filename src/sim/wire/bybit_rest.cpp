// The REST half of the Bybit wire model. Lists are newest first.
#include "sim/wire/bybit.hpp"

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ratio_period_ms = 5 * minute_ms;
constexpr std::string_view ok_head = R"({"retCode":0,"retMsg":"OK","result":{)";

void finish(Text& text, std::int64_t time_ms) {
  text.raw("},\"retExtInfo\":{},\"time\":").integer(time_ms).raw("}");
}

}  // namespace

void Bybit::instruments(const std::vector<MarketModel>& markets, std::int64_t now_ms) {
  Text& text = rest_->compose();
  text.raw(ok_head).raw("\"category\":\"linear\",\"list\":[");
  for (std::size_t i = 0; i < markets.size(); ++i) {
    const MarketModel& market = markets[i];
    const Listing& listing = market.listing();
    const Grid& grid = listing.grid;
    const Decimal step{grid.lot, grid.quantity_digits};
    const Decimal tick{grid.tick, grid.price_digits};
    text.raw(i > 0 ? ",{\"symbol\":\"" : "{\"symbol\":\"").raw(listing.native);
    text.raw(R"(","contractType":"LinearPerpetual","status":"Trading","baseCoin":")")
        .raw(listing.asset);
    text.raw("\",\"quoteCoin\":\"USDT\",\"launchTime\":\"")
        .integer(1'584'230'400'000 + static_cast<std::int64_t>(i) * 3'456'000'000);
    text.raw(R"(","deliveryTime":"0","deliveryFeeRate":"","priceScale":")")
        .integer(grid.price_digits);
    text.raw(R"(","leverageFilter":{"minLeverage":"1","maxLeverage":")")
        .integer(listing.leverage)
        .raw(R"(.00","leverageStep":"0.01"},)");
    text.raw("\"priceFilter\":{\"minPrice\":\"")
        .fixed(tick)
        .raw("\",\"maxPrice\":\"")
        .fixed({market.last_price() * 20, grid.price_digits});
    text.raw("\",\"tickSize\":\"")
        .fixed(tick)
        .raw(R"("},"lotSizeFilter":{"maxOrderQty":")")
        .trimmed({grid.lot * 1'000'000, grid.quantity_digits});
    text.raw("\",\"minOrderQty\":\"")
        .fixed(step)
        .raw("\",\"qtyStep\":\"")
        .fixed(step)
        .raw("\",\"postOnlyMaxOrderQty\":\"");
    text.trimmed({grid.lot * 1'000'000, grid.quantity_digits})
        .raw("\",\"maxMktOrderQty\":\"")
        .trimmed({grid.lot * 100'000, grid.quantity_digits});
    text.raw(R"(","minNotionalValue":"5"},"unifiedMarginTrade":true,"fundingInterval":)")
        .integer(listing.funding_hours * 60);
    text.raw(
        R"(,"settleCoin":"USDT","copyTrading":"both","upperFundingRate":"0.005","lowerFundingRate":"-0.005","isPreListing":false,)");
    text.raw(
        R"("preListingInfo":null,"riskParameters":{"priceLimitRatioX":"0.01","priceLimitRatioY":"0.02"},"symbolType":""})");
  }
  text.raw("],\"nextPageCursor\":\"\"");
  finish(text, now_ms);
  rest_->commit(replies_.instruments, 0, now_ms, endpoint_tail("instruments-info"));
}

void Bybit::ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms) {
  const std::int64_t newest = now_ms / ratio_period_ms * ratio_period_ms;
  state.ratio_due_ms = newest + ratio_period_ms + 4500 + 160 * static_cast<std::int64_t>(index) +
                       market.random().between(0, 900);
  market.drift_ratio();
  Text& text = rest_->compose();
  text.raw(ok_head).raw("\"list\":[");
  const std::int64_t shares[] = {market.long_share_e8(), state.previous_long_share};
  for (int row = 0; row < 2; ++row) {
    const std::int64_t buy_e4 = rescale(shares[row], 8, 4);
    text.raw(row == 0 ? "{\"symbol\":\"" : ",{\"symbol\":\"")
        .raw(market.listing().native)
        .raw("\",\"buyRatio\":\"")
        .trimmed({buy_e4, 4});
    text.raw("\",\"sellRatio\":\"")
        .trimmed({10'000 - buy_e4, 4})
        .raw("\",\"timestamp\":\"")
        .integer(newest - row * ratio_period_ms)
        .raw("\"}");
  }
  text.raw("],\"nextPageCursor\":\"lastid%3D0%26lasttime%3D")
      .integer((newest - ratio_period_ms) / 1000)
      .raw("\"");
  finish(text, now_ms);
  rest_->commit(replies_.ratio, 0, now_ms,
                endpoint_tail("account-ratio", market.listing().native, "5m"));
  const std::int64_t buy_e4 = rescale(market.long_share_e8(), 8, 4);
  market.published.has_ratio = true;
  market.published.ratio_long = {buy_e4, 4};
  market.published.ratio_short = {10'000 - buy_e4, 4};
  state.previous_long_share = market.long_share_e8();
}

void Bybit::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  const std::int64_t sent = start_ms + 70 + 55 * static_cast<std::int64_t>(index);
  klines(market, market.past_bars(30), "1m", sent);
  klines(market, merge_bars(market.past_bars(1440), 60), "1h", sent + 24);
}

void Bybit::klines(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
                   std::int64_t sent_ms) {
  Text& text = rest_->compose();
  text.raw(ok_head)
      .raw("\"symbol\":\"")
      .raw(market.listing().native)
      .raw("\",\"category\":\"linear\",\"list\":[");
  for (auto bar = bars.rbegin(); bar != bars.rend(); ++bar) {
    text.raw(bar == bars.rbegin() ? "[\"" : ",[\"").integer(bar->open_ms).raw("\"");
    for (const std::int64_t price : {bar->open, bar->high, bar->low, bar->close})
      text.raw(",\"").trimmed(price_of(market, price)).raw("\"");
    text.raw(",\"").trimmed(quantity_of(market, bar->quantity)).raw("\",\"");
    text.trimmed({bar->notional,
                  market.listing().grid.price_digits + market.listing().grid.quantity_digits})
        .raw("\"]");
  }
  text.raw("]");
  finish(text, sent_ms);
  rest_->commit(replies_.kline, 0, sent_ms,
                endpoint_tail("kline", market.listing().native, period, true));
}

}  // namespace perp::sim::wire
