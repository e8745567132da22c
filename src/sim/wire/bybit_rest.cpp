// The REST half of the Bybit wire model. Lists are newest first.
#include "sim/wire/bybit.hpp"

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ratio_period_ms = 5 * minute_ms;
constexpr std::uint64_t past_ratios_stream = 2'200'000;
constexpr std::string_view ok_head = R"({"retCode":0,"retMsg":"OK","result":{)";

void finish(Text& text, std::int64_t time_ms) {
  text.raw("},\"retExtInfo\":{},\"time\":").integer(time_ms).raw("}");
}

}  // namespace

void Bybit::write_instruments(Text& text, const std::vector<MarketModel>& markets,
                              std::int64_t now_ms, std::size_t first, std::size_t limit) {
  text.raw(ok_head).raw("\"category\":\"linear\",\"list\":[");
  bool is_first = true;
  bool has_more = false;
  std::size_t place = 0;
  for (const MarketModel& market : markets) {
    // Without a status asked for, the venue tells of trading contracts alone.
    if (market.status != MarketStatus::listed || place++ < first) continue;
    if (place > first + limit) {
      has_more = true;
      break;
    }
    const Listing& listing = market.listing();
    const Grid& grid = listing.grid;
    const Decimal step{grid.lot, grid.quantity_digits};
    const Decimal tick{grid.tick, grid.price_digits};
    text.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"").raw(listing.native);
    is_first = false;
    text.raw(R"(","contractType":"LinearPerpetual","status":"Trading","baseCoin":")")
        .raw(listing.asset);
    text.raw("\",\"quoteCoin\":\"USDT\",\"launchTime\":\"")
        .integer(1'584'230'400'000 + std::int64_t{market.index} * 3'456'000'000);
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
        .integer(std::int64_t{listing.funding_hours} * 60);
    text.raw(
        R"(,"settleCoin":"USDT","copyTrading":"both","upperFundingRate":"0.005","lowerFundingRate":"-0.005","isPreListing":false,)");
    text.raw(
        R"("preListingInfo":null,"riskParameters":{"priceLimitRatioX":"0.01","priceLimitRatioY":"0.02"},"symbolType":""})");
  }
  text.raw("],\"nextPageCursor\":\"");
  if (has_more) text.raw("first%3D").integer(static_cast<std::int64_t>(first + limit));
  text.raw("\"");
  finish(text, now_ms);
}

void Bybit::keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) {
  RatioHistory& ratios = states_[market].ratios;
  if (ratios.size() > 0) ratios.keep_past(rows, seed, past_ratios_stream + market);
}

void Bybit::ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms) {
  const std::int64_t newest = now_ms / ratio_period_ms * ratio_period_ms;
  state.ratio_due_ms = newest + ratio_period_ms + 4500 + 160 * static_cast<std::int64_t>(index) +
                       market.random().between(0, 900);
  market.drift_ratio();
  state.ratios.add(newest, market.long_share_e8());
  if (rest_ == nullptr) return;
  write_ratio(rest_->compose(), market, state.ratios.newest(2), now_ms);
  rest_->commit(replies_.ratio, 0, no_market, now_ms,
                endpoint_tail("account-ratio", market.listing().native, "5m"));
}

void Bybit::write_ratio(Text& text, MarketModel& market, RatioHistory::Rows rows,
                        std::int64_t now_ms) const {
  const RatioHistory& history = states_[market.index].ratios;
  text.raw(ok_head).raw("\"list\":[");
  for (std::size_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t buy_e4 = rescale(history.share(row), 8, 4);
    text.raw(row == rows.first ? "{\"symbol\":\"" : ",{\"symbol\":\"")
        .raw(market.listing().native)
        .raw("\",\"buyRatio\":\"")
        .trimmed({buy_e4, 4});
    text.raw("\",\"sellRatio\":\"")
        .trimmed({10'000 - buy_e4, 4})
        .raw("\",\"timestamp\":\"")
        .integer(history.time_ms(row))
        .raw("\"}");
  }
  text.raw("],\"nextPageCursor\":\"lastid%3D0%26lasttime%3D")
      .integer((history.newest_ms - ratio_period_ms) / 1000)
      .raw("\"");
  finish(text, now_ms);
  if (rows.first != 0 || rows.last == 0) return;
  const std::int64_t buy_e4 = rescale(history.share(0), 8, 4);
  market.published.has_ratio = true;
  market.published.ratio_long = {buy_e4, 4};
  market.published.ratio_short = {10'000 - buy_e4, 4};
}

void Bybit::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  if (rest_ == nullptr) return;
  const std::int64_t sent = start_ms + 70 + 55 * static_cast<std::int64_t>(index);
  klines(market, market.past_bars(30), "1m", sent);
  klines(market, merge_bars(market.past_bars(1440), 60), "1h", sent + 24);
}

void Bybit::klines(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
                   std::int64_t sent_ms) {
  write_klines(rest_->compose(), market, bars, sent_ms);
  rest_->commit(replies_.kline, 0, no_market, sent_ms,
                endpoint_tail("kline", market.listing().native, period, true));
}

void Bybit::write_klines(Text& text, const MarketModel& market, std::span<const Bar> bars,
                         std::int64_t now_ms) {
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
  finish(text, now_ms);
}

}  // namespace perp::sim::wire
