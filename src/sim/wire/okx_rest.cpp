// The REST half of the OKX wire model. Rows are newest first.
#include "sim/wire/okx.hpp"

#include <algorithm>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t ratio_period_ms = 5 * minute_ms;
constexpr std::uint64_t past_ratios_stream = 3'200'000;

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

void Okx::announce(const std::vector<MarketModel>& markets, std::string_view kind,
                   std::int64_t now_ms) {
  Text& text = rest_->compose();
  write_instruments(text.raw("{\"code\":\"0\",\"data\":["), markets, kind);
  text.raw("],\"msg\":\"\"}");
  rest_->commit(replies_.instruments, 0, no_market, now_ms, endpoint_tail("instruments"));
}

void Okx::write_instruments(Text& text, const std::vector<MarketModel>& markets,
                            std::string_view kind) {
  bool is_first = true;
  for (const MarketModel& market : markets) {
    if ((kind == "SPOT") != (market.listing().kind == ListingKind::spot)) continue;
    if (market.status != MarketStatus::listed) continue;
    if (!is_first) text.raw(",");
    is_first = false;
    instrument(text, market);
  }
}

void Okx::write_depth(Text& text, const MarketModel& market, std::size_t levels_max,
                      std::int64_t time_ms) const {
  const auto side = [&](std::string_view name, const std::vector<BookLevel>& levels) {
    text.raw(name);
    for (std::size_t i = 0; i < levels_max && i < levels.size(); ++i) {
      const BookLevel& level = levels[levels.size() - 1 - i];
      text.raw(i == 0 ? "[\"" : ",[\"").trimmed(price_of(market, level.price)).raw("\",\"");
      text.trimmed(quantity_of(market, level.quantity))
          .raw("\",\"0\",\"")
          .integer(level.orders)
          .raw("\"]");
    }
  };
  side("{\"asks\":[", market.book().asks());
  side("],\"bids\":[", market.book().bids());
  text.raw("],\"ts\":\"").integer(time_ms).raw("\",\"seqId\":");
  text.integer(states_[market.index].sent_sequence).raw("}");
}

void Okx::keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) {
  RatioHistory& ratios = states_[market].ratios;
  if (ratios.size() > 0) ratios.keep_past(rows, seed, past_ratios_stream + market);
}

void Okx::ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms) {
  const std::int64_t newest = now_ms / ratio_period_ms * ratio_period_ms;
  state.ratio_due_ms = newest + ratio_period_ms + 5000 + 160 * static_cast<std::int64_t>(index) +
                       market.random().between(0, 900);
  market.drift_ratio();
  state.ratios.add(newest, market.long_share_e8());
  if (rest_ == nullptr) return;
  Text& text = rest_->compose();
  write_ratio(text.raw("{\"code\":\"0\",\"data\":["), market, state.ratios.newest(2));
  text.raw("],\"msg\":\"\"}");
  rest_->commit(replies_.ratio, 0, no_market, now_ms,
                endpoint_tail("long-short-account-ratio-contract", market.listing().native, "5m"));
}

void Okx::write_ratio(Text& text, MarketModel& market, RatioHistory::Rows rows) const {
  const RatioHistory& history = states_[market.index].ratios;
  constexpr std::int64_t one_e8 = 100'000'000;
  const auto ratio_of = [](std::int64_t long_share) {
    return Decimal{multiply_divide(long_share, power_of_ten(16), one_e8 - long_share), 16};
  };
  for (std::size_t row = rows.first; row < rows.last; ++row)
    text.raw(row == rows.first ? "[\"" : ",[\"")
        .integer(history.time_ms(row))
        .raw("\",\"")
        .trimmed(ratio_of(history.share(row)))
        .raw("\"]");
  if (rows.first != 0 || rows.last == 0) return;
  market.published.has_ratio = true;
  market.published.ratio_long = ratio_of(history.share(0));
  market.published.ratio_short = {1, 0};
}

void Okx::backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) {
  if (rest_ == nullptr || market.listing().kind != ListingKind::primary) return;
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
  rest_->commit(replies_.candles, 0, no_market, sent_ms,
                endpoint_tail("history-candles", market.listing().native, period, true));
}

}  // namespace perp::sim::wire
