// Goal: what a feed asks by HTTP is asked in the right order, again where that helps, and never
// takes nonsense for an answer. Method: a scripted host on loopback, a clock that the test moves.
#include "feed/rest_support.hpp"
#include "net/client_support.hpp"
#include "venue/capture.hpp"

#include <perp/core/error.hpp>

namespace perp::feed {
namespace {

using market::RecordType;

class BinanceRest : public RestTest {
 protected:
  BinanceRest() : RestTest(venue::binance_adapter()) {}

  /// What a healthy host answers.
  static Answer healthy(const Asked& asked) {
    if (asked.is_about("exchangeInfo")) return {.body = lists::binance({"BTCUSDT", "ETHUSDT"})};
    if (asked.is_about("fundingInfo"))
      return {
          .body =
              R"([{"symbol":"BTCUSDT","adjustedFundingRateCap":"0.02","adjustedFundingRateFloor":"-0.02","fundingIntervalHours":8,"disclaimer":false}])"};
    if (asked.is_about("/time")) return {.body = R"({"serverTime":1790000100000})"};
    if (asked.is_about("/depth"))
      return {
          .body =
              R"({"lastUpdateId":7,"E":1790000100000,"T":1790000100000,"bids":[["99.0","1.000"]],"asks":[["101.0","2.000"]]})"};
    if (asked.is_about("bookTicker"))
      return {
          .body =
              R"([{"symbol":"BTCUSDT","bidPrice":"99.0","bidQty":"1.000","askPrice":"101.0","askQty":"2.000","time":1790000100000,"lastUpdateId":7},{"symbol":"XRPUSDT","bidPrice":"99.0","bidQty":"1.000","askPrice":"101.0","askQty":"2.000","time":1790000100000,"lastUpdateId":7}])"};
    if (asked.is_about("openInterest"))
      return {.body =
                  fmt::format(R"({{"symbol":"{}","openInterest":"5.000","time":1790000100000}})",
                              asked.parameter("symbol"))};
    if (asked.is_about("aggTrades") || asked.is_about("klines")) return {.body = "[]"};
    return {.status = 404, .body = R"({"code":-5000,"msg":"no such path"})"};
  }
};

TEST_F(BinanceRest, InstrumentsAreAskedUntilTheyAreInAndAgainEachInterval) {
  int loaded = 0;
  int failures = 4;
  host.script = [&](const Asked& asked) {
    if (asked.is_about("exchangeInfo") && failures-- > 0) return Answer{.status = 503};
    return healthy(asked);
  };
  start().load_instruments([&] { ++loaded; });
  advance(120);
  EXPECT_EQ(loaded, 1);
  EXPECT_EQ(host.count("exchangeInfo"), 5U);
  EXPECT_EQ(host.count("fundingInfo"), 1U);
  EXPECT_NE(state.instruments.find("ETHUSDT"), nullptr);
  EXPECT_GE(drain_count(RecordType::instrument), 2U);
  // An hour later the list names one more.
  host.script = [&](const Asked& asked) {
    if (asked.is_about("exchangeInfo"))
      return Answer{.body = lists::binance({"BTCUSDT", "ETHUSDT", "SOLUSDT"})};
    return healthy(asked);
  };
  advance(3400);
  EXPECT_EQ(loaded, 1);
  advance(200);
  EXPECT_EQ(loaded, 2);
  const std::vector<Bytes> news = drain();
  std::vector<std::string> natives;
  for (const Bytes& bytes : news)
    if (header_of(bytes).type == RecordType::instrument)
      natives.emplace_back(market::payload<market::Instrument>(header_of(bytes)).native.view());
  EXPECT_NE(std::find(natives.begin(), natives.end(), "SOLUSDT"), natives.end());
}

TEST_F(BinanceRest, AContractThatTheListsNameNoMoreIsDelisted) {
  std::vector<std::string> listed{"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOTUSDT"};
  host.script = [&](const Asked& asked) {
    return asked.is_about("exchangeInfo") ? Answer{.body = lists::binance(listed)} : healthy(asked);
  };
  stream(
      R"({"e":"bookTicker","u":1,"s":"NEWUSDT","b":"1.0","B":"1.0","a":"2.0","A":"1.0","T":1,"E":1})");
  start().load_instruments([] {});
  advance(1);
  drain();
  const auto statuses = [&] {
    std::map<std::string, market::InstrumentStatus> found;
    for (const Bytes& bytes : drain())
      if (header_of(bytes).type == RecordType::instrument) {
        const auto& instrument = market::payload<market::Instrument>(header_of(bytes));
        EXPECT_EQ(header_of(bytes).instrument,
                  state.instruments.find(instrument.native.view())->id);
        EXPECT_NE(header_of(bytes).receive_ns, core::unknown_ns);
        found[std::string(instrument.native.view())] = instrument.status;
      }
    return found;
  };
  using Statuses = std::map<std::string, market::InstrumentStatus>;
  listed.pop_back();
  advance(3601);
  EXPECT_EQ(statuses(), (Statuses{{"DOTUSDT", market::InstrumentStatus::delisted}}))
      << "and not NEWUSDT, which no list has named yet";
  EXPECT_EQ(state.instruments.find("DOTUSDT")->instrument.is_primary, 0);
  advance(3601);
  EXPECT_TRUE(statuses().empty()) << "told once";
  listed.push_back("DOTUSDT");
  advance(3601);
  EXPECT_EQ(statuses(), (Statuses{{"DOTUSDT", market::InstrumentStatus::live}}));
  EXPECT_EQ(state.instruments.find("DOTUSDT")->instrument.is_primary, 1);
  // Half a list is no list.
  listed.resize(1);
  advance(3601);
  EXPECT_TRUE(statuses().empty());
  ASSERT_FALSE(logged.empty());
  EXPECT_NE(logged.back().find("not believed"), std::string::npos) << logged.back();
}

TEST_F(BinanceRest, ALongOutageOfTheListIsWaitedOut) {
  bool is_up = false;
  bool is_loaded = false;
  host.script = [&](const Asked& asked) { return is_up ? healthy(asked) : Answer{.is_cut = true}; };
  start().load_instruments([&] { is_loaded = true; });
  advance(1200);
  EXPECT_FALSE(is_loaded);
  // The breaker and the back-off spare the host: less than once in ten seconds.
  EXPECT_LT(host.asked.size(), 120U);
  EXPECT_GT(host.asked.size(), 5U);
  is_up = true;
  advance(200);
  EXPECT_TRUE(is_loaded);
}

TEST_F(BinanceRest, RecordedListsAreTakenWhole) {
  const auto captures = venue::test::captures_dir();
  if (!captures) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recorded lists";
  const auto file = [&](const std::string& name) {
    return venue::test::read_file(*captures + "/binance/" + name);
  };
  host.script = [&](const Asked& asked) {
    if (asked.is_about("exchangeInfo"))
      return Answer{.body = file("rest_exchangeInfo_2025-08_25symbols.json")};
    if (asked.is_about("fundingInfo")) return Answer{.body = file("rest_fundingInfo_2025.json")};
    return healthy(asked);
  };
  bool is_loaded = false;
  start().load_instruments([&] { is_loaded = true; });
  advance(1);
  EXPECT_TRUE(is_loaded);
  EXPECT_GE(state.instruments.size(), 25U);
  EXPECT_EQ(rest->stats().bad_bodies, 0U);
}

TEST_F(BinanceRest, WhatMattersMostGoesFirst) {
  VenueRestOptions options = rest_options();
  options.connections_max = 1;
  host.script = healthy;
  VenueRest& asking = start(options);
  asking.start_polls(std::vector<std::string>{"BTCUSDT"},
                     venue::kinds_of(venue::StreamKind::open_interest));
  // The first tick gives the polls their slots, a minute makes one due; nothing is sent meanwhile.
  host.script = [](const Asked&) {
    return Answer{.status = 429, .fields = {{"Retry-After", "90"}}};
  };
  advance(0.1);
  advance(80);
  host.asked.clear();
  host.script = healthy;
  asking.fill_klines("BTCUSDT", 1'790'000'040'000, 1'790'000'100'000);
  asking.fill_trades({.symbol = "BTCUSDT", .last_id = 1, .first_id = 3});
  asking.fetch_book("BTCUSDT");
  asking.load_instruments([] {});
  advance(15);
  ASSERT_GE(host.asked.size(), 6U);
  const char* const expected[] = {"exchangeInfo", "depth", "klines", "aggTrades", "fundingInfo"};
  EXPECT_TRUE(host.asked[0].is_about(expected[0]));
  // fundingInfo became wanted when exchangeInfo was in: before the book.
  EXPECT_TRUE(host.asked[1].is_about(expected[4])) << host.asked[1].target;
  EXPECT_TRUE(host.asked[2].is_about(expected[1])) << host.asked[2].target;
  EXPECT_TRUE(host.asked[3].is_about(expected[2])) << host.asked[3].target;
  EXPECT_TRUE(host.asked[4].is_about(expected[3])) << host.asked[4].target;
  // The clock, and then what is polled.
  std::vector<std::string> behind;
  for (std::size_t i = 5; i < host.asked.size(); ++i)
    if (!host.asked[i].is_about("aggTrades"))
      behind.push_back(host.asked[i].is_about("/time") ? "clock" : "poll");
  ASSERT_GE(behind.size(), 2U);
  EXPECT_EQ(behind.front(), "clock");
  EXPECT_EQ(behind.back(), "poll");
}

TEST_F(BinanceRest, ASnapshotIsAskedOnceAtATimeAndItsFailureIsTold) {
  host.script = healthy;
  VenueRest& asking = start();
  asking.fetch_book("BTCUSDT");
  asking.fetch_book("BTCUSDT");
  asking.fetch_book("ETHUSDT");
  advance(1);
  EXPECT_EQ(host.count("depth?symbol=BTCUSDT&limit=1000"), 1U);
  EXPECT_EQ(host.count("depth?symbol=ETHUSDT&limit=1000"), 1U);
  EXPECT_EQ(drain_count(RecordType::book_snapshot), 2U);
  EXPECT_EQ(asking.stats().books, 2U);
  asking.fetch_book("BTCUSDT");
  advance(1);
  EXPECT_EQ(host.count("depth?symbol=BTCUSDT"), 2U);
  EXPECT_TRUE(failed_books.empty());

  host.script = [](const Asked&) { return Answer{.status = 500}; };
  asking.fetch_book("BTCUSDT");
  advance(300);
  EXPECT_EQ(host.count("depth?symbol=BTCUSDT"), 2U + 5U);  // attempts_max
  EXPECT_EQ(failed_books, std::vector<std::string>{"BTCUSDT"});
  host.script = healthy;
  asking.fetch_book("BTCUSDT");
  advance(130);
  EXPECT_EQ(asking.stats().books, 4U);
}

TEST_F(BinanceRest, TransportErrorsAndServerErrorsAreAskedAgainAfterABackOff) {
  int failures = 4;
  host.closes_each = true;  // a request that meets a cut on a kept connection goes out once more
  host.script = [&](const Asked& asked) {
    switch (failures--) {
      case 4: return Answer{.is_cut = true};
      case 3: return Answer{.status = 500};
      case 2: return Answer{.status = 502, .body = "<html>Bad gateway</html>"};
      case 1: return Answer{.is_cut = true};
      default: return healthy(asked);
    }
  };
  VenueRest& asking = start();
  asking.fetch_book("BTCUSDT");
  advance(60);
  EXPECT_EQ(asking.stats().books, 1U);
  EXPECT_EQ(asking.stats().failed, 4U);
  EXPECT_EQ(asking.stats().retries, 4U);
  const std::vector<double> times = host.times("depth");
  ASSERT_EQ(times.size(), 5U);
  double window = 1;
  for (std::size_t i = 1; i < times.size(); ++i, window *= 2)
    EXPECT_LE(times[i] - times[i - 1], window + 0.15 + slack()) << "attempt " << i;
  // Jittered: not all at once.
  EXPECT_GT(times.back() - times.front(), 0.5);
}

TEST_F(BinanceRest, AnHtmlPageWithStatus200IsAnErrorRecordAndARetry) {
  const std::string page = "<html><body>Down for maintenance</body></html>";
  int pages = 2;
  host.script = [&](const Asked& asked) {
    return pages-- > 0 ? Answer{.body = page, .fields = {{"Content-Type", "text/html"}}}
                       : healthy(asked);
  };
  bool is_loaded = false;
  start().load_instruments([&] { is_loaded = true; });
  advance(10);
  EXPECT_TRUE(is_loaded);
  EXPECT_EQ(rest->stats().bad_bodies, 2U);
  std::size_t errors = 0;
  for (const Bytes& bytes : drain()) {
    if (header_of(bytes).type != RecordType::error) continue;
    ++errors;
    const auto& failure = market::payload<market::DecodeFailure>(header_of(bytes));
    EXPECT_EQ(failure.stream.view(), "exchangeInfo");
    EXPECT_EQ(failure.excerpt.view(), page);
    EXPECT_EQ(failure.status, static_cast<std::uint16_t>(venue::DecodeStatus::malformed_json));
  }
  EXPECT_EQ(errors, 2U);
  ASSERT_EQ(logged.size(), 1U) << "told once";
  EXPECT_NE(logged[0].find("maintenance"), std::string::npos) << logged[0];
}

TEST_F(BinanceRest, ARefusalIsGivenUpAndToldOnceForEachText) {
  host.script = [](const Asked& asked) {
    return Answer{.status = 400,
                  .body = asked.is_about("BTCUSDT") ? R"({"code":-1121,"msg":"Invalid symbol."})"
                                                    : R"({"code":-1122,"msg":"Another."})"};
  };
  VenueRest& asking = start();
  for (int i = 0; i < 3; ++i) {
    asking.fetch_book("BTCUSDT");
    asking.fetch_book("ETHUSDT");
    advance(10);
  }
  EXPECT_EQ(host.asked.size(), 6U) << "not asked again by itself";
  EXPECT_EQ(failed_books.size(), 6U);
  EXPECT_EQ(asking.stats().refused, 6U);
  EXPECT_EQ(logged.size(), 2U);
}

TEST_F(BinanceRest, TheBreakerStopsAskingAHostThatDoesNotAnswer) {
  host.script = [](const Asked&) { return Answer{.is_cut = true}; };
  VenueRestOptions options = rest_options();
  options.attempts_max = 100;
  VenueRest& asking = start(options);
  for (int i = 0; i < 20; ++i) asking.fetch_book("S" + std::to_string(i) + "USDT");
  advance(1);
  EXPECT_TRUE(asking.stats().is_breaker_open);
  // Five failures open it; the other connection's request was under way.
  EXPECT_LE(host.asked.size(), 6U);
  const std::size_t before = host.asked.size();
  advance(8);
  EXPECT_EQ(host.asked.size(), before);
  advance(3);
  EXPECT_EQ(host.asked.size(), before + 1) << "one trial";
  host.script = healthy;
  advance(60);
  EXPECT_FALSE(asking.stats().is_breaker_open);
  EXPECT_EQ(asking.stats().books, 20U);
}

TEST_F(BinanceRest, TheClockIsReadWithHalfAStepAdded) {
  host.script = [](const Asked& asked) {
    if (!asked.is_about("/time")) return healthy(asked);
    const std::int64_t ahead_ms = 5'000;
    return Answer{.body = fmt::format(R"({{"serverTime":{}}})",
                                      core::wall_now().ns / core::ns_per_ms + ahead_ms)};
  };
  VenueRest& asking = start();
  asking.start_polls({}, 0);
  advance(200);
  EXPECT_EQ(host.count("/time"), 4U);  // each minute
  const auto estimate = asking.clock_offset().estimate(core::mono_now(), core::wall_now());
  ASSERT_TRUE(estimate.has_value());
  // The truth: 5 s ahead, cut to the millisecond below, half of which is given back.
  EXPECT_LE(std::abs(estimate->offset_ns - 5 * core::ns_per_second),
            core::ns_per_ms / 2 + estimate->error_ns_max);

  // One sample, whose stamp and moment are known: off by no more than half its round trip, which
  // on loopback is less than the half step.
  const std::int64_t stamp_ms = 1'790'000'100'000;
  std::int64_t answered_ns = 0;
  host.script = [&](const Asked&) {
    answered_ns = core::wall_now().ns;
    return Answer{.body = fmt::format(R"({{"serverTime":{}}})", stamp_ms)};
  };
  VenueRest& fresh = start();
  fresh.start_polls({}, 0);
  advance(1);
  const auto one = fresh.clock_offset().estimate(core::mono_now(), core::wall_now());
  ASSERT_TRUE(one.has_value());
  const std::int64_t truth_ns = stamp_ms * core::ns_per_ms + core::ns_per_ms / 2 - answered_ns;
  EXPECT_LE(std::abs(one->offset_ns - truth_ns), one->error_ns_max + 20'000);
}

TEST_F(BinanceRest, OptionsOutOfRangeAreRefused) {
  VenueRestOptions options = rest_options();
  options.haste = 0.5;
  EXPECT_THROW(start(options), core::Error);
  options = rest_options();
  options.connections_max = 0;
  EXPECT_THROW(start(options), core::Error);
  options = rest_options();
  options.origin = net::Url::parse("wss://127.0.0.1:1");
  EXPECT_THROW(start(options), core::Error);
}

TEST_F(BinanceRest, FieldsOfATestnetStandInEveryRequest) {
  host.script = healthy;
  VenueRestOptions options = rest_options();
  options.fields = {{"x-simulated-trading", "1"}};
  start(options).fetch_book("BTCUSDT");
  advance(0.2);
  ASSERT_EQ(host.asked.size(), 1U);
  EXPECT_EQ(host.asked[0].fields.at("x-simulated-trading"), "1");
}

class OkxRest : public RestTest {
 protected:
  OkxRest() : RestTest(venue::okx_adapter()) {}
};

TEST_F(OkxRest, TheVenuesNoWithStatus200IsARecordToldOnceAndAskedAgain) {
  int refusals = 2;
  host.script = [&](const Asked&) {
    return Answer{
        .body =
            refusals-- > 0
                ? R"({"code":"50001","msg":"Service temporarily unavailable","data":[]})"
                : R"({"code":"0","msg":"","data":[["1789999980000","1.0","2.0","0.5","1.5","10","1","15","1"]]})"};
  };
  VenueRest& asking = start();
  std::vector<KlineFill> results;
  asking.fill_klines("BTC-USDT-SWAP", 1'789'999'980'000, 1'790'000'040'000,
                     [&](const KlineFill& result) { results.push_back(result); });
  advance(10);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].candles, 1U);
  EXPECT_EQ(asking.stats().refused, 2U);
  EXPECT_EQ(asking.stats().bad_bodies, 0U);
  EXPECT_EQ(logged.size(), 1U);
  EXPECT_EQ(drain_count(RecordType::error), 2U);
}

class BybitRest : public RestTest {
 protected:
  BybitRest() : RestTest(venue::bybit_adapter()) {}
};

TEST_F(BybitRest, ListsAreReadPageByPage) {
  // The cursor stands in the body as a query wants it, and must not be encoded twice.
  const std::map<std::string, Answer> pages = {
      {"", {.body = lists::bybit({"AAAUSDT"}, "first%3DAAAUSDT%26last%3DBBBUSDT")}},
      {"first%3DAAAUSDT%26last%3DBBBUSDT", {.body = lists::bybit({"BBBUSDT"}, "page3")}},
      {"page3", {.body = lists::bybit({"CCCUSDT"}, "")}}};
  int failures = 1;
  host.script = [&](const Asked& asked) {
    if (asked.parameter("cursor") == "page3" && failures-- > 0) return Answer{.status = 500};
    const auto found = pages.find(asked.parameter("cursor"));
    return found == pages.end() ? Answer{.status = 404} : found->second;
  };
  int loaded = 0;
  start().load_instruments([&] { ++loaded; });
  advance(20);
  EXPECT_EQ(loaded, 1);
  EXPECT_EQ(host.asked.size(), 4U);  // the third page twice
  for (const char* symbol : {"AAAUSDT", "BBBUSDT", "CCCUSDT"})
    EXPECT_NE(state.instruments.find(symbol), nullptr) << symbol;
}

TEST_F(BybitRest, PagesThatDoNotEndAreNoList) {
  host.script = [](const Asked&) { return Answer{.body = lists::bybit({"AAAUSDT"}, "again")}; };
  bool is_loaded = false;
  start().load_instruments([&] { is_loaded = true; });
  advance(60);
  EXPECT_FALSE(is_loaded);
  EXPECT_GT(rest->stats().bad_bodies, 0U);
  EXPECT_LT(host.asked.size(), 60U);
}

class RestOverTls : public net::test::ClientTest {};
INSTANTIATE_TEST_SUITE_P(Ways, RestOverTls,
                         testing::Values(net::test::Way{net::IoEngine::epoll, true},
                                         net::test::Way{net::IoEngine::uring, true}),
                         net::test::name_of_way);

TEST_P(RestOverTls, AnswersComeThroughTlsAndTheHostIsVerified) {
  const auto& certificate = net::test::VenueCertificate::get();
  const net::TlsContext server = net::TlsContext::server(
      {.certificate_file = certificate.certificate_file, .key_file = certificate.key_file});
  ScriptedHost host(loop, &server);
  host.script = [](const Asked& asked) {
    return asked.is_about("exchangeInfo") ? Answer{.body = lists::binance({"BTCUSDT"})}
                                          : Answer{.body = "[]"};
  };
  std::string folder = (std::filesystem::temp_directory_path() / "perp-rest-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  venue::VenueState state(venue::binance_adapter());
  core::RecordRing ring(std::size_t{1} << 20);
  const std::atomic<bool> gives_up{false};
  RingWriter writer(
      ring, [] {}, gives_up);
  HostLedgerOptions account;
  account.folder = folder;
  account.host = "venue.test";
  account.pools = ledger_pools(*state.adapter.connect);
  HostLedger ledger(std::move(account));
  for (const bool is_trusted : {false, true}) {
    const net::TlsContext strange = net::TlsContext::client({});
    VenueRest asking(loop, resolver, is_trusted ? tls : strange, state, writer, ledger,
                     {.origin = url(net::Url::Scheme::http, host.port())});
    bool is_loaded = false;
    asking.load_instruments([&] { is_loaded = true; });
    ASSERT_TRUE(until([&] {
      asking.tick({core::mono_now(), core::wall_now()});
      return is_loaded || asking.stats().failed > 0;
    }));
    EXPECT_EQ(is_loaded, is_trusted);
    EXPECT_EQ(host.asked.empty(), !is_trusted) << "nothing is asked of a stranger";
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace perp::feed
