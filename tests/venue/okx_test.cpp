// What the OKX adapter does beyond the recordings: contract sizes, chains of ids, checksums,
// repeats. Expected numbers are worked out by hand.
#include "support/malloc_counter.hpp"
#include "venue/okx_messages.hpp"

namespace perp::test::okx {
namespace {

using market::Continuity;
using market::RecordType;
using venue::DecodeStatus;

TEST(OkxTrades, TheGreatestIdIsOneLikeAnyOther) {
  DecodeSession session(venue::okx_adapter());
  const std::string message = data(
      "trades", "BTC-USDT-SWAP",
      R"({"instId":"BTC-USDT-SWAP","tradeId":"9223372036854775807","px":"1","sz":"2","side":"buy","ts":"9","count":"3"})");
  ASSERT_EQ(session.frame(message), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).as<market::Trade>().first_id, 9223372036854775805);
  ASSERT_EQ(session.frame(message), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty());
  EXPECT_EQ(session.state.duplicates, 1u);
}

TEST(OkxControl, IsCountedByKind) {
  DecodeSession session(venue::okx_adapter());
  EXPECT_EQ(session.frame("pong"), DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "pong");
  EXPECT_EQ(
      session.frame(
          R"({"event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"connId":"d0b44253"})"),
      DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "unsubscribe");
  EXPECT_EQ(
      session.frame(
          R"({"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"})"),
      DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "channel-conn-count");
  EXPECT_EQ(
      session.frame(
          R"({"event":"subscribe","arg":{"channel":"some-new-channel"},"connId":"d0b44253"})"),
      DecodeStatus::ok);
  EXPECT_EQ(session.kind(), "subscribe");
  EXPECT_EQ(session.message_total(), 4u);
}

TEST(OkxInstruments, SizesAreContractsTimesValueTimesMultiplier) {
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.frame(data("trades", "BTC-USDT-SWAP", trade(1))), DecodeStatus::ok);
  EXPECT_TRUE(std::isnan(session.records.at(0).as<market::Trade>().quantity))
      << "the contract size is not known yet";
  EXPECT_EQ(session.instruments.at(0).is_provisional, 1);
  const std::uint32_t id = session.entry("BTC-USDT-SWAP").id;
  ASSERT_EQ(
      session.rest("instruments",
                   rest(instrument("BTC-USDT-SWAP", "0.01", "BTC") + "," +
                        instrument("PEPE-USDT-SWAP", "10000000", "PEPE") + "," +
                        instrument("ODD-USDT-SWAP", "0.3", "ODD", "0.1") + "," +
                        instrument("BTC-USD-SWAP", "100", "USD", "1", "inverse", "BTC") + "," +
                        instrument("PRE-USDT-SWAP", "", "", "") + "," +
                        instrument("BTC-USD_UM-SWAP", "0.0001", "BTC", "1", "linear", "USD"))),
      DecodeStatus::ok)
      << session.state.fault_field;
  EXPECT_EQ(session.entry("BTC-USDT-SWAP").id, id);
  const auto quantity = [&](const std::string& inst, std::int64_t n) {
    EXPECT_EQ(session.frame(data("trades", inst, trade(n, inst))), DecodeStatus::ok);
    return session.records.at(0).as<market::Trade>().quantity;
  };
  EXPECT_EQ(quantity("BTC-USDT-SWAP", 2), 0.07);
  EXPECT_EQ(quantity("PEPE-USDT-SWAP", 2), 70'000'000);
  EXPECT_EQ(quantity("ODD-USDT-SWAP", 2), 0.21)
      << "0.3 x 0.1 x 7 would be 0.20999999999999999 in doubles";
  EXPECT_TRUE(std::isnan(quantity("BTC-USD-SWAP", 2)))
      << "100 dollars are no fixed number of coins";
  EXPECT_TRUE(std::isnan(quantity("PRE-USDT-SWAP", 2))) << "not listed yet";
  EXPECT_EQ(quantity("BTC-USD_UM-SWAP", 2), 0.0007);
  EXPECT_EQ(session.entry("BTC-USDT-SWAP").instrument.lot_size, 0.001);
  EXPECT_EQ(session.entry("BTC-USDT-SWAP").instrument.min_quantity, 0.002);
  const auto& union_margined = session.entry("BTC-USD_UM-SWAP").instrument;
  EXPECT_EQ(union_margined.contract_type, market::ContractType::linear_perpetual);
  EXPECT_EQ(union_margined.quote.view(), "USD");
  EXPECT_EQ(union_margined.is_primary, 0);
  EXPECT_EQ(session.entry("BTC-USDT-SWAP").instrument.is_primary, 1);
}

TEST(OkxInstruments, AnIdSaysWhatItIs) {
  const struct {
    std::string native, base, quote, settle;
    market::ContractType type;
    bool has_size;
  } cases[] = {
      {"BTC-USDT-SWAP", "BTC", "USDT", "USDT", market::ContractType::linear_perpetual, false},
      {"BTC-USDC-SWAP", "BTC", "USDC", "USDC", market::ContractType::linear_perpetual, false},
      {"BTC-USD-SWAP", "BTC", "USD", "BTC", market::ContractType::inverse_perpetual, false},
      {"ETH-USD_UM-SWAP", "ETH", "USD", "USD", market::ContractType::linear_perpetual, false},
      {"BTC-USD-220527", "BTC", "USD", "BTC", market::ContractType::dated_future, false},
      {"LTC-USD_UM_XPERP-310404", "LTC", "USD", "USD", market::ContractType::dated_future, false},
      {"BTC-USD-220527-30000-C", "BTC", "USD", "BTC", market::ContractType::other, false},
      {"1INCH-USDT", "1INCH", "USDT", "", market::ContractType::spot, true}};
  DecodeSession session(venue::okx_adapter());
  for (const auto& row : cases) {
    ASSERT_EQ(session.frame(data("trades", row.native, trade(1, row.native))), DecodeStatus::ok)
        << row.native;
    const market::InstrumentEntry& entry = session.entry(row.native);
    EXPECT_EQ(entry.instrument.base.view(), row.base) << row.native;
    EXPECT_EQ(entry.instrument.quote.view(), row.quote) << row.native;
    EXPECT_EQ(entry.instrument.settle.view(), row.settle) << row.native;
    EXPECT_EQ(entry.instrument.contract_type, row.type) << row.native;
    EXPECT_EQ(entry.has_quantity_factor, row.has_size) << row.native;
    EXPECT_EQ(entry.instrument.is_primary != 0, row.native == "BTC-USDT-SWAP") << row.native;
  }
  EXPECT_EQ(session.state.provisional_instruments, std::size(cases));
  EXPECT_EQ(session.state.other_instruments, std::size(cases) - 1);
}

TEST(OkxInstruments, AnIndexIsNotTheSpotPairOfItsName) {
  DecodeSession session(venue::okx_adapter());
  const std::string index = data("index-tickers", "BTC-USDT",
                                 R"({"instId":"BTC-USDT","idxPx":"35.5","ts":"1640140200581"})");
  ASSERT_EQ(session.frame(data("trades", "BTC-USDT", trade(1, "BTC-USDT"))), DecodeStatus::ok);
  ASSERT_EQ(session.frame(index), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).native, "index:BTC-USDT");
  EXPECT_EQ(session.entry("index:BTC-USDT").instrument.contract_type, market::ContractType::other);
  EXPECT_EQ(session.records[0].as<market::MarkPrice>().index_price, 35.5);
  EXPECT_TRUE(std::isnan(session.records[0].as<market::MarkPrice>().mark_price));
  ASSERT_EQ(session.rest("instruments", btc_list()), DecodeStatus::ok);
  ASSERT_EQ(session.frame(index), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).native, "BTC-USDT-SWAP") << "now its swap is known";
}

TEST(OkxBooks, FollowTheChainOfIds) {
  DecodeSession session(venue::okx_adapter());
  const std::string bid = R"(["10","1","0","1"])";
  const auto next = [&](const std::string& action, std::int64_t previous, std::int64_t sequence) {
    EXPECT_EQ(session.frame(book(action, previous, sequence, bid, "")), DecodeStatus::ok);
    return continuity(session.records.at(0));
  };
  EXPECT_EQ(next("update", 5, 6), Continuity::gap) << "no snapshot yet";
  EXPECT_EQ(next("update", 6, 7), Continuity::stale);
  EXPECT_EQ(next("snapshot", -1, 100), Continuity::restart);
  EXPECT_EQ(next("update", 100, 117), Continuity::continuous) << "ids are not consecutive";
  EXPECT_EQ(next("update", 117, 117), Continuity::continuous) << "a keep-alive";
  EXPECT_EQ(next("update", 117, 3), Continuity::continuous) << "the ids were reset in maintenance";
  EXPECT_EQ(next("update", 3, 15), Continuity::continuous);
  EXPECT_EQ(next("update", 14, 20), Continuity::gap);
  ASSERT_EQ(session.records.size(), 2u);
  EXPECT_EQ(session.records[1].as<market::Gap>().expected_id, 15);
  EXPECT_EQ(session.records[1].as<market::Gap>().got_id, 14);
  EXPECT_EQ(next("update", 20, 21), Continuity::stale);
  EXPECT_EQ(next("snapshot", -1, 30), Continuity::restart);
  EXPECT_EQ(session.state.gaps, 2u);
  // Each channel has a chain of its own.
  ASSERT_EQ(session.frame(book("snapshot", -1, 900, bid, "", "0", "books50-l2-tbt")),
            DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).as<market::Book>().depth, 50);
  EXPECT_EQ(next("update", 30, 31), Continuity::continuous);
}

TEST(OkxBooks, ADeletionIsZeroAlsoWhileTheContractSizeIsUnknown) {
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(
      session.frame(book("snapshot", -1, 1, R"(["10","1","0","1"])", R"(["11","0","0","0"])")),
      DecodeStatus::ok);
  const auto levels = session.records.at(0).levels();
  EXPECT_TRUE(std::isnan(levels.at(0).quantity));
  EXPECT_EQ(levels.at(1).quantity, 0);
}

// Expected sums: the venue's rule, "bid:size:ask:size..." over the best 25, by a bitwise CRC-32.
std::string crc(const std::string& text) {
  std::uint32_t state = 0xffff'ffffU;
  for (const char c : text) {
    state ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      state = (state & 1U) != 0 ? state >> 1 ^ 0xedb8'8320U : state >> 1;
  }
  return std::to_string(static_cast<std::int32_t>(~state));
}

TEST(OkxBooks, AWrongChecksumInvalidatesTheBookUntilASnapshot) {
  DecodeSession session(venue::okx_adapter());
  const auto next = [&](const std::string& action, std::int64_t previous, std::int64_t sequence,
                        const std::string& bids, const std::string& checksum) {
    EXPECT_EQ(session.frame(book(action, previous, sequence, bids,
                                 action == "snapshot" ? R"(["3","7.50","0","1"])" : "", checksum)),
              DecodeStatus::ok);
    return session.records.at(0).as<market::Book>();
  };
  market::Book found = next("snapshot", -1, 1, R"(["2","5","0","1"])", crc("2:5:3:7.50"));
  EXPECT_EQ(found.checksum_state, 1);
  EXPECT_EQ(found.continuity, static_cast<std::uint8_t>(Continuity::restart));
  found = next("update", 1, 2, R"(["1","4","0","1"])", crc("2:5:3:7.50:1:4"));
  EXPECT_EQ(found.checksum_state, 1);
  EXPECT_EQ(session.state.checksums_verified, 2u);
  found = next("update", 2, 3, R"(["1","4.5","0","1"])", "12345");
  EXPECT_EQ(found.checksum_state, 2);
  EXPECT_EQ(found.checksum, 12345u);
  EXPECT_EQ(found.continuity, static_cast<std::uint8_t>(Continuity::gap));
  ASSERT_EQ(session.records.size(), 2u);
  EXPECT_EQ(session.records[1].as<market::Gap>().cause, market::GapCause::checksum);
  EXPECT_EQ(session.state.checksum_mismatches, 1u);
  EXPECT_EQ(session.state.gaps, 1u);
  found = next("update", 3, 4, R"(["1","4","0","1"])", crc("2:5:3:7.50:1:4"));
  EXPECT_EQ(found.checksum_state, 0) << "there is no book to check";
  EXPECT_EQ(found.continuity, static_cast<std::uint8_t>(Continuity::stale));
  found = next("snapshot", -1, 9, R"(["2","5","0","1"])", crc("2:5:3:7.50"));
  EXPECT_EQ(found.checksum_state, 1);
  found = next("update", 9, 10, R"(["2","6","0","1"])", "0");
  EXPECT_EQ(found.checksum_state, 0) << "retired: zero is none";
  EXPECT_EQ(found.continuity, static_cast<std::uint8_t>(Continuity::continuous));
}

TEST(OkxBooks, BehindAGapThereIsNoChecksumToVerify) {
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.frame(book("snapshot", -1, 1, R"(["2","5","0","1"])", "", crc("2:5"))),
            DecodeStatus::ok);
  ASSERT_EQ(session.frame(book("update", 5, 6, R"(["1","4","0","1"])", "", crc("2:6:1:4"))),
            DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::gap);
  EXPECT_EQ(session.records.at(0).as<market::Book>().checksum_state, 0);
  EXPECT_EQ(session.records.at(1).as<market::Gap>().cause, market::GapCause::sequence);
  EXPECT_EQ(session.state.checksum_mismatches, 0u);
  EXPECT_EQ(session.state.gaps, 1u);
}

TEST(OkxBooks, OldUpdatesWithoutIdsOrSnapshotAreUnchecked) {
  DecodeSession session(venue::okx_adapter());
  const std::string update = data(
      "books-l2-tbt", "REN-USDT-SWAP",
      R"({"asks":[["0.65442","14","0","2"]],"bids":[],"ts":"1640131236035","checksum":2017579879})",
      "update");
  ASSERT_EQ(session.frame(update), DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::unchecked);
  EXPECT_EQ(session.records.at(0).as<market::Book>().checksum_state, 0);
  EXPECT_EQ(session.records.at(0).as<market::Book>().checksum, 2017579879u);
  EXPECT_EQ(session.state.gaps, 0u);
}

TEST(OkxBooks, ARestBookNeverReplacesALiveStream) {
  DecodeSession session(venue::okx_adapter());
  std::string bids;
  for (int i = 400; i > 0; --i)
    bids += (bids.empty() ? "[\"" : ",[\"") + std::to_string(i) + R"(","1","0","1"])";
  const std::string body =
      rest(R"({"asks":[],"bids":[)" + bids + R"(],"ts":"1629966436396","seqId":77})");
  ASSERT_EQ(session.rest("books", body, "BTC-USDT"), DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::unchecked);
  EXPECT_EQ(session.records[0].as<market::Book>().depth, 400);
  EXPECT_EQ(session.records[0].as<market::Book>().last_id, 77);
  ASSERT_EQ(session.frame(book("snapshot", -1, 100, "", "", "0", "books", "BTC-USDT")),
            DecodeStatus::ok);
  ASSERT_EQ(session.rest("books", body, "BTC-USDT"), DecodeStatus::ok);
  EXPECT_EQ(continuity(session.records.at(0)), Continuity::stale);
}

TEST(OkxTrades, AreTakenOnceHoweverTheyCome) {
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.frame(
                data("trades", "BTC-USDT-SWAP",
                     trade(100, "BTC-USDT-SWAP", "7", R"(,"count":"4","source":"1","seqId":5)"))),
            DecodeStatus::ok);
  const market::Trade aggregate = session.records.at(0).as<market::Trade>();
  EXPECT_EQ(aggregate.first_id, 97);
  EXPECT_EQ(aggregate.last_id, 100);
  EXPECT_EQ(aggregate.fill_count, 4u);
  EXPECT_EQ(aggregate.is_rpi, market::Tristate::yes);
  ASSERT_EQ(session.frame(data("trades", "BTC-USDT-SWAP", trade(100))), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty()) << "a second connection while the first is still open";
  // A reply after a break: what the aggregate had summed up is known, the rest is new and goes out
  // oldest first.
  ASSERT_EQ(session.rest("trades",
                         rest(trade(102) + "," + trade(101) + "," + trade(99) + "," + trade(96)),
                         "", "", true),
            DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 3u);
  EXPECT_EQ(session.records[0].as<market::Trade>().trade_id, 96);
  EXPECT_EQ(session.records[1].as<market::Trade>().trade_id, 101);
  EXPECT_EQ(session.records[2].as<market::Trade>().trade_id, 102);
  EXPECT_EQ(session.records[2].flags, market::flag_backfill);
  EXPECT_EQ(session.state.duplicates, 2u);
  // Single fills are another stream of the same ids.
  ASSERT_EQ(session.frame(data("trades-all", "BTC-USDT-SWAP", trade(100))), DecodeStatus::ok);
  EXPECT_EQ(session.records.size(), 1u);
  ASSERT_EQ(session.frame(data("trades-all", "BTC-USDT-SWAP", trade(100))), DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty());
}

TEST(OkxLiquidations, GoOutInOrderOfTimeWithThePositionsSide) {
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.rest("instruments", btc_list()), DecodeStatus::ok);
  const std::string rows =
      R"({"details":[{"bkPx":"82655.7","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"},{"bkPx":"82655.6","posSide":"short","side":"buy","sz":"1","ts":"1791565600001"}],"instId":"BTC-USDT-SWAP"})";
  ASSERT_EQ(session.frame(R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[)" +
                          rows + "]}"),
            DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 2u);
  EXPECT_EQ(session.records[0].exchange_ns, 1791565600001 * core::ns_per_ms);
  const auto& second = session.records[1].as<market::Liquidation>();
  EXPECT_EQ(second.position_side, market::PositionSide::long_side);
  EXPECT_EQ(second.order_side, market::Side::sell);
  EXPECT_EQ(second.quantity, 0.0855);
  EXPECT_EQ(second.is_venue_wide, 1);
  EXPECT_EQ(session.records[1].flags, market::flag_sampled);
  ASSERT_EQ(session.rest("liquidation-orders", rest(rows)), DecodeStatus::ok);
  EXPECT_EQ(session.records.at(0).as<market::Liquidation>().is_venue_wide, 0)
      << "a reply is about one family";
  EXPECT_EQ(session.records.at(0).flags, 0);
}

TEST(OkxFunding, ASettledRateNeedsItsSettlement) {
  DecodeSession session(venue::okx_adapter());
  const auto row = [](const std::string& extra) {
    return R"({"fundingRate":"0.00005","fundingTime":"1777291200000","instId":"BTC-USDT-SWAP","nextFundingTime":"1777305600000","settFundingRate":"0.00004","ts":"1777284963648")" +
           extra + "}";
  };
  ASSERT_EQ(session.rest("funding-rate", rest(row(R"(,"settState":"settled")"))), DecodeStatus::ok);
  EXPECT_EQ(session.records.size(), 1u);
  ASSERT_EQ(
      session.rest("funding-rate",
                   rest(row(R"(,"settState":"processing","prevFundingTime":"1777276800000")"))),
      DecodeStatus::ok);
  EXPECT_EQ(session.records.size(), 1u);
  ASSERT_EQ(session.rest("funding-rate",
                         rest(row(R"(,"settState":"settled","prevFundingTime":"1777276800000")"))),
            DecodeStatus::ok);
  ASSERT_EQ(session.records.size(), 2u);
  const auto& settled = session.records[0].as<market::Funding>();
  EXPECT_EQ(settled.kind, market::FundingKind::settled);
  EXPECT_EQ(settled.rate, 0.00004);
  EXPECT_EQ(settled.funding_ns, 1777276800000 * core::ns_per_ms);
  EXPECT_EQ(settled.interval_ns, 4 * core::ns_per_hour);
  EXPECT_EQ(session.records[1].as<market::Funding>().interval_ns, 4 * core::ns_per_hour);
}

TEST(OkxFrames, OfKnownInstrumentsAllocateNothing) {
  if (!malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.rest("instruments", btc_list()), DecodeStatus::ok);
  std::vector<Padded> frames;
  for (int n = 1; n <= 64; ++n) {
    frames.emplace_back(data("trades", "BTC-USDT-SWAP", trade(n)));
    frames.emplace_back(book(n == 1 ? "snapshot" : "update", n - 1, n,
                             R"(["64000.1","1.5","0","3"])", R"(["64000.2","3","0","1"])"));
    frames.emplace_back(data(
        "bbo-tbt", "BTC-USDT-SWAP",
        R"({"asks":[["20386.8","7","0","2"]],"bids":[["1","2","0","2"]],"ts":"1656642503092","seqId":123})"));
    frames.emplace_back(data(
        "tickers", "BTC-USDT-SWAP",
        R"({"instId":"BTC-USDT-SWAP","last":"1","askPx":"2","askSz":"3","ts":"1656642503092"})"));
    frames.emplace_back(book(n == 1 ? "snapshot" : "update", n - 1, n,
                             R"(["64000.1","1.5","0","3"])", "",
                             n == 1 ? crc("64000.1:1.5") : crc("64000.1:1.5"), "books-l2-tbt"));
  }
  std::vector<std::uint64_t> space(1 << 16);
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i == 10) before = malloc_count();  // two rounds to warm up
    venue::RecordSink sink(std::as_writable_bytes(std::span(space)));
    ASSERT_EQ(session.state.adapter.decode(session.state, {.payload = frames[i].view()}, sink),
              DecodeStatus::ok);
  }
  EXPECT_EQ(malloc_count() - before, 0u);
  EXPECT_EQ(session.state.checksums_verified, 64u);
}

}  // namespace
}  // namespace perp::test::okx
