// Every recorded Hyperliquid message and reply, read again independently: each field of each record
// must be equal.
#include "venue/capture.hpp"

#include <map>
#include <set>

namespace perp::venue::test {
namespace {

using market::Level;
using market::RecordType;
using market::Side;

/// kPEPE and its like count thousands.
int shift_of(const std::string& coin) {
  return coin.size() > 2 && coin[0] == 'k' && coin[1] >= 'A' && coin[1] <= 'Z' ? 3 : 0;
}

std::string bytes_of_address(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 2; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

Expected trade_of(const Json& row) {
  const std::string coin = row["coin"];
  market::Trade trade;
  trade.price = number(row["px"], -shift_of(coin));
  trade.quantity = number(row["sz"], shift_of(coin));
  trade.trade_id = row["tid"];
  trade.fill_count = 1;
  trade.taker_side = row["side"] == "B" ? Side::buy : Side::sell;
  std::string tail;
  if (row.contains("users")) {
    trade.has_parties = 1;
    tail = bytes_of_address(row["users"][0]) + bytes_of_address(row["users"][1]);
  }
  return expect(RecordType::trade, coin, time_of(row["time"]), 0, trade, tail);
}

Expected book_of(const Json& data) {
  const std::string coin = data["coin"];
  std::vector<Level> sides[2];
  for (std::size_t side = 0; side < 2; ++side)
    for (const Json& level : data["levels"][side])
      sides[side].push_back(
          {number(level["px"], -shift_of(coin)), number(level["sz"], shift_of(coin))});
  market::Book book;
  book.bid_count = static_cast<std::uint32_t>(sides[0].size());
  book.ask_count = static_cast<std::uint32_t>(sides[1].size());
  book.depth = 20;
  book.continuity = static_cast<std::uint8_t>(market::Continuity::restart);
  return expect(RecordType::book_snapshot, coin, time_of(data["time"]), 0, book,
                level_bytes(sides[0], sides[1]));
}

Expected bbo_of(const Json& data) {
  const std::string coin = data["coin"];
  market::Bbo bbo;
  const Json& quotes = data["bbo"];
  if (!quotes.empty() && !quotes[0].is_null()) {
    bbo.bid_price = number(quotes[0]["px"], -shift_of(coin));
    bbo.bid_quantity = number(quotes[0]["sz"], shift_of(coin));
    bbo.bid_orders = quotes[0]["n"];
  }
  if (quotes.size() > 1 && !quotes[1].is_null()) {
    bbo.ask_price = number(quotes[1]["px"], -shift_of(coin));
    bbo.ask_quantity = number(quotes[1]["sz"], shift_of(coin));
    bbo.ask_orders = quotes[1]["n"];
  }
  return expect(RecordType::bbo, coin, time_of(data["time"]), 0, bbo);
}

market::Kline candle_of(const Json& row) {
  const int shift = shift_of(row["s"]);
  market::Kline kline;
  kline.open_ns = time_of(row["t"]);
  kline.interval_ns = (row["T"].get<std::int64_t>() + 1 - row["t"].get<std::int64_t>()) * 1'000'000;
  kline.open = number(row["o"], -shift);
  kline.high = number(row["h"], -shift);
  kline.low = number(row["l"], -shift);
  kline.close = number(row["c"], -shift);
  kline.volume_base = number(row["v"], shift);
  kline.trade_count = row["n"];
  return kline;
}

void append_context(std::vector<Expected>& result, const std::string& coin, const Json& ctx,
                    std::uint8_t flags) {
  const int shift = shift_of(coin);
  market::MarkPrice price;
  price.mark_price = optional_number(ctx, "markPx", -shift);
  price.index_price = optional_number(ctx, "oraclePx", -shift);
  price.premium = optional_number(ctx, "premium");
  if (ctx.contains("impactPxs") && !ctx["impactPxs"].is_null()) {
    price.impact_bid = number(ctx["impactPxs"][0], -shift);
    price.impact_ask = number(ctx["impactPxs"][1], -shift);
  }
  result.push_back(expect(RecordType::mark_price, coin, core::unknown_ns, flags, price));
  market::Ticker ticker;
  ticker.open_24h = optional_number(ctx, "prevDayPx", -shift);
  ticker.volume_quote_24h = optional_number(ctx, "dayNtlVlm");
  ticker.volume_base_24h = optional_number(ctx, "dayBaseVlm", shift);
  ticker.mid_price = optional_number(ctx, "midPx", -shift);
  result.push_back(expect(RecordType::ticker, coin, core::unknown_ns, flags, ticker));
  if (!ctx.contains("funding")) return;
  market::Funding funding;
  funding.rate = number(ctx["funding"]);
  funding.premium = price.premium;
  funding.interval_ns = core::ns_per_hour;
  funding.kind = market::FundingKind::predicted;
  result.push_back(expect(RecordType::funding, coin, core::unknown_ns, flags, funding));
  market::OpenInterest interest;
  interest.quantity = number(ctx["openInterest"], shift);
  interest.contracts = number(ctx["openInterest"]);
  result.push_back(expect(RecordType::open_interest, coin, core::unknown_ns, flags, interest));
}

/// The recordings' only liquidation: the account's own, a long that was sold.
Expected liquidation_of(const Json& fill) {
  market::Liquidation want;
  want.price = want.average_price = number(fill["px"]);
  want.quantity = want.filled_quantity = number(fill["sz"]);
  EXPECT_EQ(fill["dir"], "Close Long");
  EXPECT_EQ(fill["side"], "A");
  want.order_side = Side::sell;
  want.position_side = market::PositionSide::long_side;
  return expect(RecordType::liquidation, fill["coin"], time_of(fill["time"]), market::flag_sampled,
                want);
}

class HyperliquidCapture : public testing::Test {
 protected:
  void SetUp() override {
    if (!captures_dir().has_value()) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recordings";
    dir_ = *captures_dir() + "/hyperliquid/";
  }
  Json load(const std::string& file) {
    body_ = read_file(dir_ + file);
    return Json::parse(body_);
  }
  void run(const Query& query, const std::vector<Expected>& expected) {
    RecordSink sink;
    const DecodeStatus status = decode_rest(state_, query, body_, sink);
    EXPECT_EQ(status, DecodeStatus::ok) << name_of(status) << " " << state_.fault_field;
    matches(state_, sink, expected, query.receive_ns, body_);
    EXPECT_EQ(state_.decode_errors, 0U);
  }

  std::string dir_;
  std::string body_;
  VenueState state_{hyperliquid_adapter()};
};

TEST_F(HyperliquidCapture, EveryFieldOfTheStreams) {
  const std::pair<const char*, std::size_t> files[] = {{"ws_l2Book_trades_BTC_2025-01-26.tsv", 37},
                                                       {"ws_misc_2026-09-24.jsonl", 11},
                                                       {"ws_l2Book_trimmed_2026-09-24.jsonl", 3},
                                                       {"ws_misc_2025-2026.jsonl", 13},
                                                       {"ws_misc_2024-2025_tardis.jsonl", 6}};
  for (const auto& [file, count] : files) {
    SCOPED_TRACE(file);
    VenueState state(hyperliquid_adapter());
    std::map<std::string, std::uint64_t> counts;
    std::set<std::pair<std::string, std::int64_t>> told;
    std::uint64_t repeats = 0;
    RecordSink sink;
    const auto lines = split_lines(read_file(dir_ + file), '\t');
    EXPECT_EQ(lines.size(), count);
    for (const Line& line : lines) {
      const Json message = Json::parse(line.payload);
      const std::string channel = message["channel"];
      ++counts[channel];
      std::vector<Expected> expected;
      bool is_error = channel == "error";
      if (channel == "trades") {
        for (const Json& row : message["data"]) {
          if (told.emplace(row["coin"].get<std::string>(), row["tid"].get<std::int64_t>()).second)
            expected.push_back(trade_of(row));
          else
            ++repeats;
        }
        std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
          return a.exchange_ns < b.exchange_ns;
        });
      }
      if (channel == "l2Book") expected.push_back(book_of(message["data"]));
      if (channel == "bbo") expected.push_back(bbo_of(message["data"]));
      if (channel == "candle")
        expected.push_back(expect(RecordType::kline, message["data"]["s"], core::unknown_ns, 0,
                                  candle_of(message["data"])));
      if (channel == "activeAssetCtx")
        append_context(expected, message["data"]["coin"], message["data"]["ctx"], 0);
      if ((channel == "user" || channel == "userFills") && message["data"].contains("fills"))
        for (const Json& fill : message["data"]["fills"])
          if (fill.contains("liquidation")) expected.push_back(liquidation_of(fill));
      if (channel == "post") is_error = message["data"]["response"]["payload"]["data"].is_null();
      sink.reset();
      const DecodeStatus status = decode(state, line.payload, sink, line.receive_ns);
      EXPECT_EQ(status, is_error ? DecodeStatus::venue_error : DecodeStatus::ok)
          << name_of(status) << " " << line.payload.substr(0, 200);
      if (!matches(state, sink, expected, line.receive_ns, line.payload)) break;
    }
    std::uint64_t total = 0;
    for (const auto& [channel, messages] : counts) {
      EXPECT_EQ(messages_of(state, channel), messages) << channel;
      total += messages;
    }
    EXPECT_EQ(messages_total(state), total);
    EXPECT_EQ(state.duplicates, repeats);
    EXPECT_EQ(state.decode_errors, 0U);
  }
}

TEST_F(HyperliquidCapture, TheTradeReplayAtSubscribeIsToldOnce) {
  const auto lines = split_lines(read_file(dir_ + "ws_l2Book_trades_BTC_2025-01-26.tsv"), '\t');
  RecordSink sink;
  std::size_t trades = 0;
  for (int pass = 0; pass < 2; ++pass) {  // a reconnect that sends all of it again
    for (const Line& line : lines) {
      if (line.payload.find("\"trades\"") == std::string::npos) continue;
      sink.reset();
      ASSERT_EQ(decode(state_, line.payload, sink, line.receive_ns), DecodeStatus::ok);
      std::size_t found = 0;
      for_each_record(sink.bytes(), [&](const market::RecordHeader& header) {
        found += header.type == RecordType::trade;
      });
      if (pass == 0) trades += found;
      EXPECT_TRUE(pass == 0 || found == 0);
    }
  }
  EXPECT_GE(trades, 30U);
  EXPECT_GE(state_.duplicates, trades);
}

TEST_F(HyperliquidCapture, MetaAndContexts) {
  for (const char* file :
       {"rest_metaAndAssetCtxs_2025-08-22.json", "rest_metaAndAssetCtxs_xyz_2026-02-06.json"}) {
    SCOPED_TRACE(file);
    VenueState state(hyperliquid_adapter());
    const Json reply = load(file);
    const Json& universe = reply[0]["universe"];
    std::vector<Expected> expected;
    for (std::size_t i = 0; i < universe.size(); ++i)
      append_context(expected, universe[i]["name"], reply[1][i], market::flag_snapshot);
    RecordSink sink;
    ASSERT_EQ(decode_rest(state, {.endpoint = "metaAndAssetCtxs"}, body_, sink), DecodeStatus::ok)
        << state.fault_field;
    matches(state, sink, expected, core::unknown_ns, body_);
    ASSERT_EQ(state.instruments.size(), universe.size());
    for (std::size_t i = 0; i < universe.size(); ++i) {
      const auto& instrument = state.instruments.entries()[i].instrument;
      const std::string name = universe[i]["name"];
      const bool is_first_dex = name.find(':') == std::string::npos;
      const bool is_delisted = universe[i].contains("isDelisted");
      EXPECT_EQ(instrument.native.view(), name);
      EXPECT_EQ(instrument.max_leverage, universe[i]["maxLeverage"].get<double>());
      EXPECT_EQ(instrument.lot_size,
                number("1", shift_of(name) - universe[i]["szDecimals"].get<int>()))
          << name;
      EXPECT_EQ(instrument.quote.view(), "USDC");
      EXPECT_EQ(instrument.is_primary, is_first_dex && !is_delisted) << name;
      EXPECT_EQ(instrument.contract_type, is_first_dex ? market::ContractType::linear_perpetual
                                                       : market::ContractType::other);
      EXPECT_EQ(instrument.status,
                is_delisted ? market::InstrumentStatus::delisted : market::InstrumentStatus::live);
      if (is_first_dex) {
        EXPECT_EQ(instrument.base.view(), shift_of(name) == 3 ? name.substr(1) : name);
      }
    }
    // A second poll brings figures only.
    sink.reset();
    ASSERT_EQ(decode_rest(state, {.endpoint = "metaAndAssetCtxs"}, body_, sink), DecodeStatus::ok);
    EXPECT_EQ(sink.record_count(), expected.size());
    matches(state, sink, expected, core::unknown_ns, body_);
  }
}

TEST_F(HyperliquidCapture, ContextsWithoutNamesAreJoinedWithTheUniverse) {
  const Json meta = load("rest_meta_2025-12-13.json");
  RecordSink sink;
  ASSERT_EQ(decode_rest(state_, {.endpoint = "meta"}, body_, sink), DecodeStatus::ok);
  const Json xyz = load("rest_metaAndAssetCtxs_xyz_2026-02-06.json");
  ASSERT_EQ(decode_rest(state_, {.endpoint = "metaAndAssetCtxs"}, body_, sink), DecodeStatus::ok);
  const Json message = load("ws_allDexsAssetCtxs_2026.json");
  std::vector<Expected> expected;
  std::uint64_t unnamed = 0;
  for (const Json& dex : message["data"]["ctxs"]) {
    const Json& universe = dex[0] == "" ? meta["universe"] : xyz[0]["universe"];
    const bool is_known = dex[0] == "" || dex[0] == "xyz";
    for (std::size_t i = 0; i < dex[1].size(); ++i) {
      if (is_known && i < universe.size())
        append_context(expected, universe[i]["name"], dex[1][i], 0);
      else
        ++unnamed;
    }
  }
  sink.reset();
  ASSERT_EQ(decode(state_, body_, sink), DecodeStatus::ok) << state_.fault_field;
  matches(state_, sink, expected, core::unknown_ns, body_);
  EXPECT_GT(unnamed, 0U);
  EXPECT_EQ(state_.unnamed_rows, unnamed);
  EXPECT_EQ(state_.provisional_instruments, 0U);
}

TEST_F(HyperliquidCapture, WithoutAUniverseNoNameIsInvented) {
  const Json message = load("ws_allDexsAssetCtxs_2026.json");
  std::uint64_t rows = 0;
  for (const Json& dex : message["data"]["ctxs"]) rows += dex[1].size();
  RecordSink sink;
  ASSERT_EQ(decode(state_, body_, sink), DecodeStatus::ok);
  EXPECT_EQ(sink.record_count(), 0U);
  EXPECT_EQ(state_.unnamed_rows, rows);
  EXPECT_EQ(messages_of(state_, "allDexsAssetCtxs"), 1U);
}

TEST_F(HyperliquidCapture, Meta) {
  const Json meta = load("rest_meta_2025-12-13.json");
  RecordSink sink;
  ASSERT_EQ(decode_rest(state_, {.endpoint = "meta"}, body_, sink), DecodeStatus::ok);
  EXPECT_EQ(sink.record_count(), meta["universe"].size());
  std::size_t live = 0;
  std::size_t primary = 0;
  for (const Json& row : meta["universe"]) live += !row.contains("isDelisted");
  for (const auto& entry : state_.instruments.entries()) primary += entry.instrument.is_primary;
  EXPECT_EQ(primary, live);
}

TEST_F(HyperliquidCapture, SpotMetaAndContexts) {
  const Json reply = load("rest_spotMetaAndAssetCtxs_2025-08-22.json");
  std::vector<Expected> expected;
  for (const Json& ctx : reply[1])
    append_context(expected, ctx["coin"], ctx, market::flag_snapshot);
  RecordSink sink;
  ASSERT_EQ(decode_rest(state_, {.endpoint = "spotMetaAndAssetCtxs"}, body_, sink),
            DecodeStatus::ok)
      << state_.fault_field;
  matches(state_, sink, expected, core::unknown_ns, body_);
  EXPECT_EQ(state_.other_instruments, reply[1].size());
  std::map<std::int64_t, std::string> tokens;
  for (const Json& token : reply[0]["tokens"]) tokens[token["index"]] = token["name"];
  for (const Json& pair : reply[0]["universe"]) {
    const auto* entry = state_.instruments.find(pair["name"].get<std::string>());
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->instrument.contract_type, market::ContractType::spot);
    EXPECT_EQ(entry->instrument.base.view(), tokens[pair["tokens"][0]]);
    EXPECT_EQ(entry->instrument.quote.view(), tokens[pair["tokens"][1]]);
    EXPECT_EQ(entry->instrument.is_primary, 0);
  }
}

TEST_F(HyperliquidCapture, AllMids) {
  const Json mids = load("rest_allMids_2025-12-13.json");
  std::vector<Expected> expected;
  std::size_t others = 0;
  for (const auto& [coin, mid] : mids.items()) {
    market::Ticker ticker;
    ticker.mid_price = number(mid, -shift_of(coin));
    others += coin.find_first_of("@/#:") != std::string::npos;
    expected.push_back(
        expect(RecordType::ticker, coin, core::unknown_ns, market::flag_snapshot, ticker));
  }
  EXPECT_GT(expected.size(), 100U);
  run({.endpoint = "allMids"}, expected);
  EXPECT_EQ(state_.other_instruments, others);
}

TEST_F(HyperliquidCapture, Candles) {
  const Json rows = load("rest_candleSnapshot_kPEPE_1h_2023-07-17.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    market::Kline kline = candle_of(row);
    kline.is_closed = &row == &rows.back() ? market::Tristate::unknown : market::Tristate::yes;
    EXPECT_EQ(kline.interval_ns, core::ns_per_hour);
    expected.push_back(
        expect(RecordType::kline, "kPEPE", time_of(row["T"]), market::flag_backfill, kline));
  }
  EXPECT_GT(expected.size(), 10U);
  run({.endpoint = "candleSnapshot", .symbol = "kPEPE", .period = "1h", .is_backfill = true},
      expected);
  EXPECT_EQ(state_.instruments.find("kPEPE")->instrument.base.view(), "PEPE");
}

TEST_F(HyperliquidCapture, FundingHistory) {
  for (const auto& [file, count] : {std::pair{"rest_fundingHistory_BTC_2023-07-17.json", 1038},
                                    {"rest_fundingHistory_BTC_2026-09-25.json", 3}}) {
    SCOPED_TRACE(file);
    VenueState state(hyperliquid_adapter());
    const Json rows = load(file);
    EXPECT_EQ(rows.size(), static_cast<std::size_t>(count));
    std::vector<Expected> expected;
    for (const Json& row : rows) {
      market::Funding funding;
      funding.rate = number(row["fundingRate"]);
      funding.premium = number(row["premium"]);
      funding.kind = market::FundingKind::settled;
      funding.funding_ns =
          row["time"].get<std::int64_t>() / 3'600'000 * core::ns_per_hour;  // always a whole hour
      expected.push_back(
          expect(RecordType::funding, "BTC", time_of(row["time"]), market::flag_backfill, funding));
    }
    RecordSink sink;
    EXPECT_EQ(decode_rest(state, {.endpoint = "fundingHistory", .is_backfill = true}, body_, sink),
              DecodeStatus::ok);
    matches(state, sink, expected, core::unknown_ns, body_);
  }
}

Expected position_of(const Json& position, std::int64_t exchange_ns, const std::string& user) {
  const std::string coin = position["coin"];
  market::Position want;
  if (!user.empty()) std::memcpy(want.address, bytes_of_address(user).data(), 20);
  want.is_isolated = position["leverage"]["type"] == "isolated";
  want.size = number(position["szi"], shift_of(coin));
  want.entry_price = number(position["entryPx"], -shift_of(coin));
  want.liquidation_price = number(position["liquidationPx"], -shift_of(coin));
  want.notional = number(position["positionValue"]);
  want.margin_used = number(position["marginUsed"]);
  want.unrealized_pnl = number(position["unrealizedPnl"]);
  want.leverage = number(position["leverage"]["value"]);
  want.max_leverage = optional_number(position, "maxLeverage");
  if (position.contains("cumFunding"))
    want.cumulative_funding = number(position["cumFunding"]["sinceOpen"]);
  return expect(RecordType::position, coin, exchange_ns, market::flag_snapshot, want);
}

TEST_F(HyperliquidCapture, Positions) {
  const std::string user = "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303";
  const std::pair<const char*, std::size_t> files[] = {
      {"rest_clearinghouseState_2023-03-27.json", 0},
      {"rest_clearinghouseState_2026.jsonl", 11},
      {"rest_clearinghouseState_large_2026-01.json", 16},
      {"rest_clearinghouseState_roq_0.json", 0}};
  for (const auto& [file, count] : files) {
    SCOPED_TRACE(file);
    VenueState state(hyperliquid_adapter());
    std::size_t positions = 0;
    for (const Line& line : split_lines(read_file(dir_ + file), '\t')) {
      const Json account = Json::parse(line.payload);
      std::vector<Expected> expected;
      const std::int64_t exchange_ns =
          account.contains("time") ? time_of(account["time"]) : core::unknown_ns;
      for (const Json& row : account["assetPositions"])
        expected.push_back(position_of(row["position"], exchange_ns, user));
      positions += expected.size();
      RecordSink sink;
      EXPECT_EQ(decode_rest(state, {.endpoint = "clearinghouseState", .symbol = user}, line.payload,
                            sink),
                DecodeStatus::ok)
          << state.fault_field;
      matches(state, sink, expected, core::unknown_ns, line.payload);
    }
    EXPECT_TRUE(count == 0 || positions == count) << positions;
  }
}

TEST_F(HyperliquidCapture, LiquidationsAmongFills) {
  const Json rows = load("rest_userFills_roq.json");
  std::vector<Expected> expected;
  for (const Json& row : rows) {
    if (!row.contains("liquidation")) continue;
    expected.push_back(liquidation_of(row));
  }
  ASSERT_EQ(expected.size(), 1U);
  run({.endpoint = "userFills", .symbol = "0x61fb9e7583dc92cc76eb52f93d88addaa0f02265"}, expected);
  // The same fills again, and the same without knowing whose they are: nothing new.
  run({.endpoint = "userFills"}, {});
  EXPECT_EQ(state_.duplicates, 1U);
  VenueState other(hyperliquid_adapter());
  RecordSink sink;
  EXPECT_EQ(decode_rest(other, {.endpoint = "userFills"}, body_, sink), DecodeStatus::ok);
  matches(other, sink, expected, core::unknown_ns, body_);
}

TEST_F(HyperliquidCapture, TheOtherRepliesAreKnownAndCounted) {
  const std::pair<const char*, const char*> files[] = {
      {"rest_userFills_2023-07-17.json", "userFills"},
      {"rest_perpDexs_2025-12-13.json", "perpDexs"},
      {"rest_perpDexLimits_xyz_2025-12-13.json", "perpDexLimits"},
      {"rest_portfolio_2025-08-22.json", "portfolio"},
      {"rest_userNonFundingLedgerUpdates_2025-08-30.json", "userNonFundingLedgerUpdates"},
      {"rest_userRateLimit_2025-08-22.json", "userRateLimit"},
      {"rest_userRole_2025-08-22.json", "userRole"},
      {"rest_userVaultEquities_2025-08-22.json", "userVaultEquities"},
      {"leaderboard_rows_2026-10.json", "leaderboard"}};
  for (const auto& [file, endpoint] : files) {
    SCOPED_TRACE(file);
    load(file);
    run({.endpoint = endpoint}, {});
    EXPECT_EQ(messages_of(state_, std::string("rest_") + endpoint), 1U);
  }
}

}  // namespace
}  // namespace perp::venue::test
