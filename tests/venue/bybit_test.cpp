// What the Bybit adapter does beyond the recordings: merging, sequences, categories, repeats.
// Expected numbers are worked out by hand.
#include "support/malloc_counter.hpp"
#include "venue/bybit_messages.hpp"

namespace perp::test::bybit {
namespace {

using market::Continuity;
using market::RecordType;
using venue::DecodeStatus;

TEST(BybitBooks, FollowTheChainOfUpdateIds) {
  DecodeSession session(venue::bybit_adapter());
  const std::string bid = R"(["10","1"])";
  const auto next = [&](const std::string& type, std::int64_t u) {
    EXPECT_EQ(session.frame(book("200", type, u, bid, "")), DecodeStatus::ok);
    return session.records.empty() ? Continuity::unchecked : continuity(session.records[0]);
  };
  EXPECT_EQ(next("delta", 7), Continuity::gap) << "no snapshot yet";
  EXPECT_EQ(session.records.size(), 2u);
  EXPECT_EQ(next("delta", 8), Continuity::stale);
  EXPECT_EQ(next("snapshot", 20), Continuity::restart);
  EXPECT_EQ(next("delta", 21), Continuity::continuous);
  EXPECT_EQ(next("delta", 23), Continuity::gap);
  ASSERT_EQ(session.records.size(), 2u);
  EXPECT_EQ(session.records[1].type, RecordType::gap);
  EXPECT_EQ(session.records[1].as<market::Gap>().expected_id, 22);
  EXPECT_EQ(session.records[1].as<market::Gap>().got_id, 23);
  EXPECT_EQ(session.records[1].as<market::Gap>().cause, market::GapCause::sequence);
  EXPECT_EQ(next("delta", 24), Continuity::stale) << "until the next snapshot";
  EXPECT_EQ(next("delta", 1), Continuity::restart) << "u == 1: the service was restarted";
  EXPECT_EQ(session.records[0].type, RecordType::book_snapshot);
  EXPECT_EQ(next("delta", 2), Continuity::continuous);
  EXPECT_EQ(session.frame(book("200", "delta", 2, bid, "")), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty()) << "a repeat";
  EXPECT_EQ(session.state.duplicates, 1u);
  EXPECT_EQ(session.state.gaps, 2u);
  // Each depth has ids of its own.
  EXPECT_EQ(session.frame(book("50", "snapshot", 900, bid, "")), DecodeStatus::ok);
  EXPECT_EQ(next("delta", 3), Continuity::continuous);
  EXPECT_EQ(session.records[0].as<market::Book>().depth, 200);
  EXPECT_EQ(session.records[0].exchange_ns, (t0 + 3 - 2) * core::ns_per_ms)
      << "cts, the matching engine's time";
}

TEST(BybitBooks, LevelOneGivesTheTouch) {
  DecodeSession session(venue::bybit_adapter());
  const auto touch = [&](const std::string& message) {
    EXPECT_EQ(session.frame(message), DecodeStatus::ok);
    EXPECT_EQ(session.records.at(0).type, RecordType::bbo);
    return session.records.at(0).as<market::Bbo>();
  };
  market::Bbo top = touch(book("1", "snapshot", 5, R"(["100","1"])", R"(["101","2"])"));
  EXPECT_EQ(top.bid_price, 100);
  EXPECT_EQ(top.ask_quantity, 2);
  EXPECT_EQ(top.update_id, 5);
  top = touch(book("1", "delta", 6, R"(["100","0"],["99.5","4"])", ""));
  EXPECT_EQ(top.bid_price, 99.5);
  EXPECT_EQ(top.bid_quantity, 4);
  EXPECT_EQ(top.ask_price, 101) << "the side that did not change";
  top = touch(book("1", "delta", 7, R"(["100","3"],["99.5","0"])", R"(["101","0"])"));
  EXPECT_EQ(top.bid_price, 100) << "in whatever order the old level goes";
  EXPECT_TRUE(std::isnan(top.ask_price));
  // A hole: the touch is not known until a snapshot.
  EXPECT_EQ(session.frame(book("1", "delta", 9, R"(["100","3"])", "")), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).type, RecordType::book_delta);
  EXPECT_EQ(session.frame(book("1", "delta", 10, R"(["100","3"])", "")), DecodeStatus::ok);
  EXPECT_EQ(session.records.size(), 1u);
  top = touch(book("1", "snapshot", 30, "", R"(["101","2"])"));
  EXPECT_TRUE(std::isnan(top.bid_price));
}

TEST(BybitBooks, RpiSizesComeOnTopAndHaveADepthOfTheirOwn) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.frame(book("rpi", "snapshot", 5, R"(["100","1","0.5"],["99","0","0.25"])",
                               R"(["101","2","0"])")),
            DecodeStatus::ok);
  const auto levels = session.records.at(0).levels();
  ASSERT_EQ(levels.size(), 3u);
  EXPECT_EQ(levels[0].quantity, 1.5);
  EXPECT_EQ(levels[1].quantity, 0.25);
  EXPECT_EQ(levels[2].quantity, 2);
  EXPECT_EQ(session.records[0].as<market::Book>().depth, 51) << "not to be taken for orderbook.50";
  ASSERT_EQ(session.frame(book("rpi", "delta", 6, R"(["100","0","0"])", "")), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).levels().at(0).quantity, 0);
  ASSERT_EQ(session.frame(book("full", "snapshot", 6, R"(["100","0.1"])", "")), DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::Book>().depth, 0);
}

TEST(BybitBooks, ARestBookNeverReplacesALiveStream) {
  DecodeSession session(venue::bybit_adapter());
  const std::string body =
      rest(R"({"s":"BTCUSDT","b":[["1","1"]],"a":[],"ts":1700000000001,"u":3,"seq":4})");
  ASSERT_EQ(session.rest("orderbook", body), DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::unchecked);
  ASSERT_EQ(session.frame(book("1", "snapshot", 5, R"(["100","1"])", R"(["101","2"])")),
            DecodeStatus::ok);
  ASSERT_EQ(session.rest("orderbook", body), DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::stale);
  EXPECT_EQ(session.records.at(0).exchange_ns, 1700000000001 * core::ns_per_ms)
      << "ts where there is no cts";
}

TEST(BybitTickers, DeltasAreMergedFieldByField) {
  DecodeSession session(venue::bybit_adapter());
  const auto kinds = [&] {
    std::vector<std::string_view> out;
    for (const Seen& record : session.records) out.push_back(market::name_of(record.type));
    return out;
  };
  ASSERT_EQ(
      session.frame(ticker(
          "snapshot",
          R"("lastPrice":"10","highPrice24h":"12","volume24h":"100","turnover24h":"1000","markPrice":"10.1","indexPrice":"10.2","openInterest":"50","openInterestValue":"505","nextFundingTime":"1700000000000","fundingRate":"0.0001","bid1Price":"9.9","bid1Size":"1","ask1Price":"10","ask1Size":"2")",
          100)),
      DecodeStatus::ok);
  EXPECT_EQ(kinds(), (std::vector<std::string_view>{"ticker", "bbo", "mark_price", "funding",
                                                    "open_interest"}));
  for (const Seen& record : session.records) EXPECT_EQ(record.flags, market::flag_snapshot);
  EXPECT_EQ(session.records[4].as<market::OpenInterest>().quantity, 25);
  EXPECT_EQ(session.records[4].as<market::OpenInterest>().notional, 252.5);
  EXPECT_EQ(session.records[4].as<market::OpenInterest>().was_both_sides, 1);

  ASSERT_EQ(session.frame(ticker("delta", R"("markPrice":"10.3")", 101)), DecodeStatus::ok);
  ASSERT_EQ(kinds(), (std::vector<std::string_view>{"mark_price"}));
  EXPECT_EQ(session.records[0].as<market::MarkPrice>().mark_price, 10.3);
  EXPECT_EQ(session.records[0].as<market::MarkPrice>().index_price, 10.2)
      << "kept from the snapshot";
  EXPECT_EQ(session.records[0].flags, 0);

  ASSERT_EQ(session.frame(ticker("delta", R"("fundingRate":"0.0002")", 102)), DecodeStatus::ok);
  ASSERT_EQ(kinds(), (std::vector<std::string_view>{"funding"}));
  EXPECT_EQ(session.records[0].as<market::Funding>().rate, 0.0002);
  EXPECT_EQ(session.records[0].as<market::Funding>().funding_ns, 1700000000000 * core::ns_per_ms);

  ASSERT_EQ(session.frame(ticker("delta", R"("bid1Price":"9.9","bid1Size":"1")", 103)),
            DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty()) << "the touch sent along unchanged";
  ASSERT_EQ(session.frame(ticker("delta", R"("bid1Size":"5")", 104)), DecodeStatus::ok);
  ASSERT_EQ(kinds(), (std::vector<std::string_view>{"bbo"}));
  EXPECT_EQ(session.records[0].as<market::Bbo>().bid_price, 9.9);
  EXPECT_EQ(session.records[0].as<market::Bbo>().bid_quantity, 5);
  EXPECT_EQ(session.records[0].as<market::Bbo>().ask_quantity, 2);

  ASSERT_EQ(session.frame(ticker("delta", R"("singleOpenInterest":"26","openInterest":"52")", 105)),
            DecodeStatus::ok);
  ASSERT_EQ(kinds(), (std::vector<std::string_view>{"open_interest"}));
  EXPECT_EQ(session.records[0].as<market::OpenInterest>().quantity, 26);
  EXPECT_EQ(session.records[0].as<market::OpenInterest>().was_both_sides, 1)
      << "its value still is";
  ASSERT_EQ(session.frame(ticker("delta", R"("openInterest":"60")", 106)), DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::OpenInterest>().quantity, 30)
      << "the single figure has become old";

  ASSERT_EQ(session.frame(ticker("delta", R"("lastPrice":"99")", 105)), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty()) << "an older cs";
  EXPECT_EQ(session.state.duplicates, 1u);
  ASSERT_EQ(session.frame(ticker("delta", R"("prevPrice1h":"8")", 107)), DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::Ticker>().last_price, 10);
  EXPECT_EQ(session.records[0].as<market::Ticker>().previous_1h, 8);

  ASSERT_EQ(session.frame(ticker("snapshot", R"("markPrice":"11")", 50)), DecodeStatus::ok);
  ASSERT_EQ(kinds(), (std::vector<std::string_view>{"mark_price"}));
  EXPECT_TRUE(std::isnan(session.records[0].as<market::MarkPrice>().index_price))
      << "a snapshot forgets";
}

TEST(BybitTickers, AnEmptyFundingRateIsNone) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(
      session.frame(ticker("snapshot", R"("markPrice":"10","fundingRate":"","nextFundingTime":"")",
                           1, "BTCUSDT-26DEC25")),
      DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 1u);
  EXPECT_EQ(session.entry("BTCUSDT-26DEC25").instrument.contract_type,
            market::ContractType::dated_future);
  EXPECT_EQ(session.state.other_instruments, 1u);
}

TEST(BybitInstruments, NamesWithMultipliersAreScaledOnce) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.frame(trade(uuid(1), "1000PEPEUSDT", "0.0123457", "3")), DecodeStatus::ok);
  EXPECT_EQ(session.instruments.at(0).base.view(), "PEPE");
  EXPECT_EQ(session.instruments.at(0).multiplier, 1000);
  EXPECT_EQ(session.instruments.at(0).is_provisional, 1);
  EXPECT_EQ(session.records.at(0).as<market::Trade>().price, 0.0000123457);
  EXPECT_EQ(session.records.at(0).as<market::Trade>().quantity, 3000);
  ASSERT_EQ(session.frame(trade(uuid(2), "SHIB1000USDT", "0.012", "2")), DecodeStatus::ok);
  EXPECT_EQ(session.instruments.at(0).base.view(), "SHIB");
  EXPECT_EQ(session.records.at(0).as<market::Trade>().price, 0.000012);
  ASSERT_EQ(session.frame(trade(uuid(3), "1INCHUSDT", "0.3", "2")), DecodeStatus::ok);
  EXPECT_EQ(session.instruments.at(0).base.view(), "1INCH");
  EXPECT_EQ(session.records.at(0).as<market::Trade>().price, 0.3);
}

TEST(BybitInstruments, CategoriesDoNotMeet) {
  DecodeSession session(venue::bybit_adapter());
  const auto rest_trade = [&](const std::string& category, const std::string& symbol,
                              const std::string& id) {
    return session.rest(
        "recent-trade",
        rest(
            R"({"category":")" + category + R"(","list":[{"execId":")" + id + R"(","symbol":")" +
            symbol +
            R"(","price":"5","size":"2","side":"Buy","time":"1700000000000","isBlockTrade":false}]})"));
  };
  ASSERT_EQ(rest_trade("spot", "BTCUSDT", "2100000000007764263"), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).native, "spot:BTCUSDT");
  EXPECT_EQ(session.records.at(0).as<market::Trade>().trade_id, 2100000000007764263);
  EXPECT_EQ(session.records.at(0).as<market::Trade>().trade_id_high, market::unknown_id);
  ASSERT_EQ(rest_trade("linear", "BTCUSDT", uuid(1)), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).native, "BTCUSDT");
  EXPECT_EQ(session.entry("spot:BTCUSDT").instrument.is_primary, 0);
  EXPECT_EQ(session.entry("BTCUSDT").instrument.is_primary, 1);
  ASSERT_EQ(rest_trade("inverse", "BTCUSD", uuid(2)), DecodeStatus::ok);
  EXPECT_EQ(session.entry("inverse:BTCUSD").instrument.contract_type,
            market::ContractType::inverse_perpetual);
  EXPECT_TRUE(std::isnan(session.records.at(0).as<market::Trade>().quantity))
      << "a dollar is no fixed number of coins";
  EXPECT_EQ(session.records.at(0).as<market::Trade>().price, 5);
  EXPECT_EQ(session.state.other_instruments, 2u);
  // A stream does not say its category: the symbol's form does.
  ASSERT_EQ(session.frame(trade(uuid(3), "BTCUSDM26")), DecodeStatus::ok);
  EXPECT_EQ(session.entry("inverse:BTCUSDM26").instrument.contract_type,
            market::ContractType::dated_future);
  ASSERT_EQ(session.frame(trade(uuid(4), "BTC-26DEC25")), DecodeStatus::ok);
  EXPECT_EQ(session.entry("BTC-26DEC25").instrument.settle.view(), "USDC");
  ASSERT_EQ(session.frame(trade(uuid(5), "ETHPERP")), DecodeStatus::ok);
  EXPECT_EQ(session.entry("ETHPERP").instrument.quote.view(), "USDC");
  EXPECT_EQ(session.entry("ETHPERP").instrument.contract_type,
            market::ContractType::linear_perpetual);
  ASSERT_EQ(session.frame(trade(uuid(6), "BTC-26DEC25-90000-C")), DecodeStatus::ok);
  EXPECT_EQ(session.entry("option:BTC-26DEC25-90000-C").instrument.contract_type,
            market::ContractType::other);
  for (const auto& entry : session.state.instruments.entries())
    EXPECT_EQ(entry.instrument.is_primary != 0, entry.instrument.native.view() == "BTCUSDT");
}

TEST(BybitInstruments, AProvisionalOneKeepsItsIdWhenTheListComes) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.frame(trade(uuid(1), "1000BONKUSDT")), DecodeStatus::ok);
  const std::uint32_t id = session.entry("1000BONKUSDT").id;
  ASSERT_EQ(
      session.rest(
          "instruments-info",
          rest(
              R"({"category":"linear","list":[{"symbol":"AUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"A","quoteCoin":"USDT","settleCoin":"USDT"},{"symbol":"1000BONKUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"1000BONK","quoteCoin":"USDT","settleCoin":"USDT","priceFilter":{"tickSize":"0.000001"},"lotSizeFilter":{"qtyStep":"100","minOrderQty":"200"}}]})")),
      DecodeStatus::ok);
  EXPECT_EQ(session.instruments.size(), 2u);
  const market::InstrumentEntry& entry = session.entry("1000BONKUSDT");
  EXPECT_EQ(entry.id, id);
  EXPECT_EQ(entry.instrument.is_provisional, 0);
  EXPECT_EQ(entry.instrument.tick_size, 0.000000001);
  EXPECT_EQ(entry.instrument.lot_size, 100'000);
  EXPECT_EQ(entry.instrument.min_quantity, 200'000);
}

TEST(BybitInstruments, TheSettlementCoinIsTheQuote) {
  DecodeSession session(venue::bybit_adapter());
  const std::string list = rest(
      R"({"category":"linear","list":[{"symbol":"ETHPERP","contractType":"LinearPerpetual","status":"Trading","baseCoin":"ETH","quoteCoin":"USD","settleCoin":"USDC"},{"symbol":"BTCUSDT-26DEC25","contractType":"LinearFutures","status":"Delivering","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","deliveryTime":"1766736000000"}]})");
  ASSERT_EQ(session.rest("instruments-info", list), DecodeStatus::ok);
  EXPECT_EQ(session.entry("ETHPERP").instrument.quote.view(), "USDC");
  EXPECT_EQ(session.entry("ETHPERP").instrument.is_primary, 0);
  const market::Instrument& dated = session.entry("BTCUSDT-26DEC25").instrument;
  EXPECT_EQ(dated.contract_type, market::ContractType::dated_future);
  EXPECT_EQ(dated.status, market::InstrumentStatus::suspended);
  EXPECT_EQ(dated.delisted_ns, 1766736000000 * core::ns_per_ms);
}

TEST(BybitTrades, AreTakenOnceHoweverTheyCome) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.frame(trade(uuid(1))), DecodeStatus::ok);
  EXPECT_EQ(session.records.size(), 1u);
  ASSERT_EQ(session.frame(trade(uuid(1))), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty());
  for (int n = 2; n < 2002; ++n) ASSERT_EQ(session.frame(trade(uuid(n))), DecodeStatus::ok);
  EXPECT_EQ(session.state.duplicates, 1u);
  // The last thousand, as a reply may bring them, and one that the stream missed.
  std::string rows;
  for (int n = 2002; n > 1002; --n)
    rows +=
        (rows.empty() ? "" : ",") +
        (R"({"execId":")" + uuid(n) +
         R"(","symbol":"BTCUSDT","price":"5","size":"2","side":"Buy","time":")" + at(n) + R"("})");
  ASSERT_EQ(session.rest("recent-trade", rest(R"({"category":"linear","list":[)" + rows + "]}")),
            DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 1u);
  EXPECT_EQ(session.records[0].exchange_ns, (t0 + 2002) * core::ns_per_ms);
  EXPECT_EQ(session.state.duplicates, 1000u);
}

TEST(BybitTrades, OfEqualTimeGoOutInTheOrderTheyHappened) {
  DecodeSession session(venue::bybit_adapter());
  const auto row = [](int n) {
    return R"({"execId":")" + uuid(n) + R"(","symbol":"BTCUSDT","price":")" + std::to_string(n) +
           R"(","size":"2","side":"Buy","time":"1700000000000"})";
  };
  ASSERT_EQ(session.rest("recent-trade",
                         rest(R"({"category":"linear","list":[)" + row(3) + "," + row(2) + "," +
                              row(1) + "]}"),
                         "", "", true),
            DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 3u);
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(session.records[static_cast<std::size_t>(n - 1)].as<market::Trade>().price, n);
    EXPECT_EQ(session.records[static_cast<std::size_t>(n - 1)].flags, market::flag_backfill);
  }
}

TEST(BybitKlines, SayWhichBarIsClosed) {
  DecodeSession session(venue::bybit_adapter());
  const std::string open_bar = rest(
      R"({"category":"linear","symbol":"BTCUSDT","list":[["1700000040000","2","4","1","3","10","25"],["1699999980000","1","3","0.5","2","5","8"]]})");
  ASSERT_EQ(session.rest("kline", open_bar, "", "1"), DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 2u);
  EXPECT_EQ(session.records[0].as<market::Kline>().is_closed, market::Tristate::yes);
  EXPECT_EQ(session.records[1].as<market::Kline>().is_closed, market::Tristate::no)
      << "the reply is of 20 s later";
  EXPECT_EQ(session.records[1].as<market::Kline>().interval_ns, core::ns_per_minute);
  // A bare result tells no time: only that a newer bar follows closes the older.
  ASSERT_EQ(
      session.rest(
          "kline",
          R"({"category":"linear","symbol":"1000BONKUSDT","list":[["1700000040000","2","4","1","3","10","25"],["1699999980000","1","3","0.5","2","5","8"]]})",
          "", "M"),
      DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::Kline>().is_closed, market::Tristate::yes);
  EXPECT_EQ(session.records[1].as<market::Kline>().is_closed, market::Tristate::unknown);
  EXPECT_EQ(session.records[1].as<market::Kline>().interval_ns, core::unknown_ns)
      << "months differ";
  EXPECT_EQ(session.records[1].as<market::Kline>().open, 0.002);
  EXPECT_EQ(session.records[1].as<market::Kline>().volume_base, 10'000);
  EXPECT_EQ(session.records[1].as<market::Kline>().volume_quote, 25);
  ASSERT_EQ(
      session.rest(
          "premium-index-price-kline",
          R"({"category":"linear","symbol":"1000BONKUSDT","list":[["1700000040000","0.002","4","1","3"]]})",
          "", "1"),
      DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::Kline>().open, 0.002) << "a fraction, not a price";
  EXPECT_EQ(session.records[0].as<market::Kline>().price_kind, market::PriceKind::premium);
  ASSERT_EQ(
      session.rest(
          "mark-price-kline",
          R"({"category":"linear","symbol":"1000BONKUSDT","list":[["1700000040000","2","4","1","3"]]})",
          "", "D"),
      DecodeStatus::ok);
  EXPECT_EQ(session.records[0].as<market::Kline>().open, 0.002);
  EXPECT_EQ(session.records[0].as<market::Kline>().price_kind, market::PriceKind::mark);
  EXPECT_EQ(session.records[0].as<market::Kline>().interval_ns, core::ns_per_day);
  EXPECT_TRUE(std::isnan(session.records[0].as<market::Kline>().volume_base));
}

TEST(BybitControl, PongsOfBothKindsAreKnown) {
  DecodeSession session(venue::bybit_adapter());
  EXPECT_EQ(
      session.frame(R"({"success":true,"ret_msg":"pong","conn_id":"c","req_id":"p","op":"ping"})"),
      DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "pong");
  EXPECT_EQ(session.frame(R"({"args":["1672916271846"],"op":"pong"})"), DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "pong");
  EXPECT_EQ(session.frame(R"({"success":true,"ret_msg":"subscribe","op":"unsubscribe"})"),
            DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "ack");
  EXPECT_EQ(session.count("pong"), 2u);
  EXPECT_EQ(session.message_total(), 3u);
}

TEST(BybitFrames, CarryTheirReceiveTime) {
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.frame(trade(uuid(1)), 42), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).receive_ns, 42);
}

TEST(BybitFrames, OfKnownInstrumentsAllocateNothing) {
  if (!malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  DecodeSession session(venue::bybit_adapter());
  std::vector<Padded> frames;
  for (int n = 0; n < 64; ++n) {
    frames.emplace_back(trade(uuid(n)));
    frames.emplace_back(book("50", n == 0 ? "snapshot" : "delta", 100 + n,
                             R"(["64000.1","1.5"],["64000","2"])", R"(["64000.2","3"])"));
    frames.emplace_back(
        book("1", "snapshot", 100 + n, R"(["64000.1","1.5"])", R"(["64000.2","3"])"));
    frames.emplace_back(ticker(n == 0 ? "snapshot" : "delta",
                               R"("markPrice":"10.)" + std::to_string(n) +
                                   R"(","bid1Price":"9.9","fundingRate":"0.1","openInterest":"5")",
                               100 + n));
  }
  std::vector<std::uint64_t> space(1 << 16);
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i == 8) before = malloc_count();  // two rounds to warm up
    venue::RecordSink sink(std::as_writable_bytes(std::span(space)));
    ASSERT_EQ(session.state.adapter.decode(session.state, {.payload = frames[i].view()}, sink),
              DecodeStatus::ok);
  }
  EXPECT_EQ(malloc_count() - before, 0u);
}

}  // namespace
}  // namespace perp::test::bybit
