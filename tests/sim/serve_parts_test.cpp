// The parts of the simulated venues' servers: what a client's text means, when a message leaves,
// certificates.
#include "sim/recording.hpp"
#include "sim/serve/dispatch_queue.hpp"
#include "sim/serve/json.hpp"
#include "sim/serve/query.hpp"
#include "sim/serve/replay_topics.hpp"
#include "sim/serve/trade_history.hpp"

#include <perp/core/error.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/sim/certificates.hpp>

namespace perp::sim::test {
namespace {

using Foreign = nlohmann::json;
using Topics = std::vector<std::string>;

TEST(SimJson, AgreesWithAnotherParserOnWhatIsJson) {
  for (const char* text : {"{}",
                           "[]",
                           "null",
                           "true",
                           "1",
                           "-0",
                           "1.5e-3",
                           "\"\"",
                           R"("a\u00e9\n\"\\\/")",
                           "[1,[2,{}]]",
                           R"({"a":1,"b":[true,false,null]})",
                           " { \"a\" : 1 } ",
                           R"("😀")",
                           "",
                           "{",
                           "}",
                           "[1,]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "01",
                           "1.",
                           ".5",
                           "+1",
                           "1e",
                           "tru",
                           "nul",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           R"("\ud83d")",
                           "\"\n\"",
                           "1 2",
                           "[1 2]",
                           "{\"a\":1,}",
                           "'a'"}) {
    EXPECT_EQ(sim::Json::parse(text).has_value(), Foreign::accept(text)) << text;
  }
  EXPECT_FALSE(sim::Json::parse(std::string(20, '[') + std::string(20, ']'))) << "too deep";
}

TEST(SimJson, GivesWhatWasWritten) {
  const auto json =
      sim::Json::parse(R"({"a": {"b": [1, "x\u00e9"]}, "id": 12, "t": true, "n": "7"})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->find("a")->raw(), R"({"b": [1, "x\u00e9"]})");
  EXPECT_EQ(json->find("a")->find("b")->items()[1].text(), "x\xc3\xa9");
  EXPECT_EQ(json->find("id")->integer(), 12);
  EXPECT_EQ(json->find("n")->integer(), 7);
  EXPECT_FALSE(json->find("t")->integer());
  EXPECT_TRUE(json->find("t")->is_true());
  EXPECT_EQ(json->find("nothing"), nullptr);
  EXPECT_EQ(json->text_of("id"), "") << "a number is no text";
  EXPECT_EQ(Foreign::parse(json_quoted("a\"\\\n\x01")).get<std::string>(), "a\"\\\n\x01");
}

TEST(SimQuery, ReadsParameters) {
  const Query query("symbol=BTC%2DUSDT&limit=5&empty=&bad=5x&plus=a+b&alone");
  EXPECT_EQ(query.value("symbol"), "BTC-USDT");
  EXPECT_EQ(query.integer("limit", 1), 5);
  EXPECT_EQ(query.integer("none", 9), 9);
  EXPECT_EQ(query.find("empty"), nullptr);
  EXPECT_FALSE(query.integer("bad", 1));
  EXPECT_EQ(query.value("plus"), "a b");
  EXPECT_EQ(query.find("alone"), nullptr);
}

TEST(SimSpentInWindow, ForgetsWithTheWindow) {
  SpentInWindow spent(1000);
  EXPECT_EQ(spent.add(3, 1000), 3);
  EXPECT_EQ(spent.add(4, 1999), 7);
  EXPECT_EQ(spent.add(1, 2000), 1);
  EXPECT_EQ(spent.left_ms(2400), 600);
}

TEST(DispatchQueue, HandsOutByTimeThenByOrder) {
  DispatchQueue queue;
  const std::size_t stream = queue.add_stream("x");
  queue.start(10'000);
  const auto say = [&](const std::string& text, std::int64_t at_ms) {
    queue.compose().raw(text);
    queue.commit(stream, 0, no_market, at_ms, {});
  };
  say("third", 10'007);
  say("first", 10'003);
  queue.note({.id = 42});
  say("second", 10'003);
  say("late", 9'000);  // leaves at once
  say("far", 10'000 + DispatchQueue::reach_ms - 1);
  std::vector<std::pair<std::string, std::int64_t>> seen;
  std::size_t facts = 0;
  const auto visit = [&](const DispatchQueue::Message& message, std::int64_t at_ms) {
    seen.emplace_back(message.payload, at_ms);
    facts += message.facts.size();
  };
  EXPECT_EQ(queue.first_busy(20'000), 10'000);
  queue.take_before(10'004, visit);
  EXPECT_EQ(facts, 1U);
  EXPECT_EQ(queue.first_busy(10'005), 10'005) << "nothing before the limit";
  EXPECT_EQ(queue.first_busy(20'000), 10'007);
  queue.take_before(10'000 + DispatchQueue::reach_ms, visit);
  const std::vector<std::pair<std::string, std::int64_t>> wanted = {
      {"late", 10'000},
      {"first", 10'003},
      {"second", 10'003},
      {"third", 10'007},
      {"far", 10'000 + DispatchQueue::reach_ms - 1}};
  EXPECT_EQ(seen, wanted);
  EXPECT_EQ(queue.made(), 5U);
}

TEST(TradeHistory, KeepsTheLastOnes) {
  TradeHistory history(3);
  for (std::int64_t id = 1; id <= 5; ++id) history.add({.id = 10 * id, .time_ms = 100 * id});
  EXPECT_EQ(history.size(), 3U);
  EXPECT_EQ(history.at(0).id, 30);
  EXPECT_EQ(history.count_below(40), 1U);
  EXPECT_EQ(history.count_below(41), 2U);
  EXPECT_EQ(history.count_before(301), 1U);
}

TEST(SimReplayTopics, KnowWhoAskedForAMessage) {
  using market::VenueId;
  const auto topics = [](VenueId venue, std::string_view text) {
    return topics_of(venue, text).topics;
  };
  EXPECT_EQ(
      topics(VenueId::binance,
             R"({"stream":"btcusdt@kline_1m","data":{"e":"kline","s":"BTCUSDT","k":{"i":"1m"}}})"),
      Topics{"btcusdt@kline_1m"});
  EXPECT_EQ(topics(VenueId::binance, R"({"e":"forceOrder","o":{"s":"BTCUSDT"}})"),
            (Topics{"btcusdt@forceOrder", "!forceOrder@arr"}));
  EXPECT_EQ(topics_of(VenueId::binance, R"({"stream":"a@x","data": {"e":"y"}})").bare,
            R"({"e":"y"})");
  EXPECT_EQ(topics(VenueId::bybit, R"({"topic":"tickers.BTCUSDT","data":{}})"),
            Topics{"tickers.BTCUSDT"});
  EXPECT_EQ(topics(VenueId::okx, R"({"arg":{"channel":"trades","instId":"X"},"data":[]})"),
            Topics{"trades:X"});
  EXPECT_EQ(topics(VenueId::okx,
                   R"({"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]})"),
            Topics{"liquidation-orders:SWAP"});
  const ReplayTopics book =
      topics_of(VenueId::hyperliquid, R"({"channel":"l2Book","data":{"coin":"BTC"}})");
  EXPECT_TRUE(book.is_prefix);
  EXPECT_EQ(book.topics, Topics{R"({"type":"l2Book","coin":"BTC")"});
  EXPECT_EQ(topics(VenueId::hyperliquid, R"({"channel":"trades","data":[{"coin":"ETH"}]})"),
            Topics{R"({"type":"trades","coin":"ETH")"});
  for (const VenueId venue : {VenueId::binance, VenueId::bybit, VenueId::okx, VenueId::hyperliquid})
    for (const char* text :
         {"pong", "{}", "[]", R"({"result":null,"id":1})", R"({"event":"subscribe"})",
          R"({"channel":"pong"})", R"({"channel":"trades","data":[]})"})
      EXPECT_TRUE(topics(venue, text).empty()) << text;
}

TEST(SimCertificates, AreMadeOnceAndKept) {
  const TemporaryFolder folder;
  const std::string at = folder.path() + "/tls";
  const CertificateFiles files = certificate_files(at);
  const auto read = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string ca = read(files.ca_file);
  const std::string certificate = read(files.certificate_file);
  EXPECT_NO_THROW(net::TlsContext::server(
      {.certificate_file = files.certificate_file, .key_file = files.key_file}));
  EXPECT_NO_THROW(net::TlsContext::client({.ca_file = files.ca_file}));
  certificate_files(at);
  EXPECT_EQ(read(files.certificate_file), certificate) << "kept";
  std::filesystem::remove(files.certificate_file);
  certificate_files(at);
  EXPECT_NE(read(files.certificate_file), certificate) << "made anew by the same authority";
  EXPECT_EQ(read(files.ca_file), ca);
  EXPECT_THROW(certificate_files("/proc/nothing"), core::Error);
}

}  // namespace
}  // namespace perp::sim::test
