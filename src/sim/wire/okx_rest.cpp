// The REST half of the OKX wire model. Rows are newest first.
#include "sim/wire/okx.hpp"

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ratio_period_ms = 5 * minute_ms;

/// One row of public/instruments, with the keys of 2026.
void instrument(Text& text, const MarketModel& market) {
  const Listing& listing = market.listing();
  const Grid& grid = listing.grid;
  const bool is_spot = listing.kind == ListingKind::spot;
  const Decimal lot{grid.lot, grid.quantity_digits};
  const auto field = [&text](std::string_view name, std::string_view value) {
    text.raw("\"").raw(name).raw("\":\"").raw(value).raw("\",");
  };
  const std::string family = is_spot ? "" : listing.asset + "-" + listing.quote;
  text.raw(R"({"alias":"","auctionEndTime":"","baseCcy":")")
      .raw(is_spot ? listing.asset : "")
      .raw("\",");
  field("category", "1");
  // The day continuous trading began, where that was later than the listing.
  const bool is_old = listing.is_inverse() || listing.coin->okx_listed_ms < 1'640'000'000'000;
  field("contTdSwTime", is_old && !is_spot ? "1611916860000" : "");
  field("ctMult", is_spot ? "" : "1");
  field("ctType", is_spot ? "" : listing.is_inverse() ? "inverse" : "linear");
  text.raw("\"ctVal\":\"");
  if (listing.is_inverse())
    text.raw("100");
  else if (!is_spot)
    text.trimmed({1, -listing.size_exponent});
  text.raw("\",");
  field("ctValCcy", is_spot ? "" : listing.is_inverse() ? "USD" : listing.asset);
  text.raw(R"("expTime":"","freq":"","futureSettlement":false,"groupId":"4","instCategory":"1",)");
  field("instFamily", family);
  field("instId", listing.native);
  text.raw("\"instIdCode\":")
      .integer(listing.is_inverse() ? 10'458
               : is_spot            ? 3
                                    : listing.coin->okx_code)
      .raw(",");
  field("instType", is_spot ? "SPOT" : "SWAP");
  text.raw("\"lever\":\"").integer(is_spot ? 10 : listing.leverage).raw("\",\"listTime\":\"");
  text.integer(listing.is_inverse() || is_spot ? 1'535'424'203'000 : listing.coin->okx_listed_ms);
  text.raw("\",\"longPosRemainingQuota\":\"\",\"lotSz\":\"").trimmed(lot);
  text.raw(
      R"(","maxIcebergSz":"100000000.0000000000000000","maxLmtAmt":"20000000","maxLmtSz":"100000000","maxMktAmt":"","maxMktSz":"34000",)");
  text.raw(
      R"("maxPlatOILmt":"10000000000000","maxStopSz":"34000","maxTriggerSz":"100000000.0000000000000000",)");
  text.raw(R"("maxTwapSz":"100000000.0000000000000000","method":"","minSz":")").trimmed(lot);
  text.raw(
      R"(","openType":"call_auction","optType":"","posLmtAmt":"250000","posLmtPct":"30","preMktSwTime":"",)");
  field("quoteCcy", is_spot ? listing.quote : "");
  text.raw(R"("ruleType":"normal","seriesId":"",)");
  field("settleCcy", is_spot ? "" : listing.is_inverse() ? listing.asset : listing.quote);
  text.raw(R"("shortPosRemainingQuota":"","state":"live","stk":"","tickSz":")")
      .trimmed({grid.tick, grid.price_digits});
  text.raw(R"(","tradeQuoteCcyList":[],"uly":")").raw(family).raw("\",\"upcChg\":[]}");
}

}  // namespace

void Okx::instruments(const std::vector<MarketModel>& markets, std::string_view kind,
                      std::int64_t now_ms) {
  Text& text = rest_->compose();
  text.raw("{\"code\":\"0\",\"data\":[");
  bool is_first = true;
  for (const MarketModel& market : markets) {
    if ((kind == "SPOT") != (market.listing().kind == ListingKind::spot)) continue;
    if (!is_first) text.raw(",");
    is_first = false;
    instrument(text, market);
  }
  text.raw("],\"msg\":\"\"}");
  rest_->commit(replies_.instruments, 0, now_ms, endpoint_tail("instruments"));
}

void Okx::ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms) {
  const std::int64_t newest = now_ms / ratio_period_ms * ratio_period_ms;
  state.ratio_due_ms = newest + ratio_period_ms + 5000 + 160 * static_cast<std::int64_t>(index) +
                       market.random().between(0, 900);
  market.drift_ratio();
  constexpr std::int64_t one_e8 = 100'000'000;
  const auto ratio_of = [](std::int64_t long_share) {
    return Decimal{multiply_divide(long_share, power_of_ten(16), one_e8 - long_share), 16};
  };
  Text& text = rest_->compose();
  text.raw("{\"code\":\"0\",\"data\":[[\"")
      .integer(newest)
      .raw("\",\"")
      .trimmed(ratio_of(market.long_share_e8()));
  text.raw("\"],[\"")
      .integer(newest - ratio_period_ms)
      .raw("\",\"")
      .trimmed(ratio_of(state.previous_long_share))
      .raw("\"]],\"msg\":\"\"}");
  rest_->commit(replies_.ratio, 0, now_ms,
                endpoint_tail("long-short-account-ratio-contract", market.listing().native, "5m"));
  market.published.has_ratio = true;
  market.published.ratio_long = ratio_of(market.long_share_e8());
  market.published.ratio_short = {1, 0};
  state.previous_long_share = market.long_share_e8();
}

void Okx::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  if (market.listing().kind != ListingKind::primary) return;
  const std::int64_t sent = start_ms + 80 + 55 * static_cast<std::int64_t>(index);
  candles(market, market.past_bars(30), "1m", sent);
  candles(market, merge_bars(market.past_bars(1440), 60), "1H", sent + 21);
}

void Okx::candles(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
                  std::int64_t sent_ms) {
  Text& text = rest_->compose();
  text.raw("{\"code\":\"0\",\"msg\":\"\",\"data\":[");
  for (auto bar = bars.rbegin(); bar != bars.rend(); ++bar) {
    if (bar != bars.rbegin()) text.raw(",");
    candle_row(text, market, *bar, true);
  }
  text.raw("]}");
  rest_->commit(replies_.candles, 0, sent_ms,
                endpoint_tail("history-candles", market.listing().native, period, true));
}

}  // namespace perp::sim::wire
