// When faults begin and end, against times worked out by hand; and what edits make of texts.
#include "sim/faults/fault_schedule.hpp"

#include "sim/faults/active_fault.hpp"
#include "sim/faults/json_numbers.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

namespace perp::sim {
namespace {

const std::vector<std::string> venues{"binance", "okx"};

/// What happens up to `until_s`, as "10 begin okx stall".
std::vector<std::string> events_of(std::string_view script, std::int64_t until_s) {
  const FaultScript parsed = FaultScript::parse(script, "t", venues);
  FaultSchedule schedule(parsed, venues, 1);
  std::vector<std::string> events;
  const auto write = [&](const char* what, const FaultEpisode& episode, std::int64_t at_ns) {
    events.push_back(fmt::format("{} {} {} {}", at_ns / core::ns_per_second, what,
                                 venues[episode.venue], name_of(episode.rule->kind)));
  };
  schedule.advance(
      until_s * core::ns_per_second,
      [&](const FaultEpisode& episode) { write("begin", episode, episode.begin_ns); },
      [&](const FaultEpisode& episode) { write("end", episode, episode.end_ns); });
  return events;
}

using Events = std::vector<std::string>;

TEST(FaultSchedule, EpisodesBeginAndEndInTheOrderOfTime) {
  EXPECT_EQ(events_of("10s okx stall for=5s\n12s binance cut", 11), (Events{"10 begin okx stall"}));
  EXPECT_EQ(events_of("10s okx stall for=5s\n12s binance cut", 20),
            (Events{"10 begin okx stall", "12 begin binance cut", "12 end binance cut",
                    "15 end okx stall"}));
  EXPECT_EQ(events_of("10s..20s okx stall for=4s", 100),
            (Events{"10 begin okx stall", "14 end okx stall", "14 begin okx stall",
                    "18 end okx stall", "18 begin okx stall", "20 end okx stall"}))
      << "the last episode is cut at the interval's end";
  EXPECT_EQ(events_of("every 10s binance rst", 35),
            (Events{"10 begin binance rst", "10 end binance rst", "20 begin binance rst",
                    "20 end binance rst", "30 begin binance rst", "30 end binance rst"}));
  EXPECT_EQ(events_of("every 10s 5s..25s okx rst", 100),
            (Events{"5 begin okx rst", "5 end okx rst", "15 begin okx rst", "15 end okx rst"}))
      << "an interval's end does not belong to it";
  EXPECT_EQ(events_of("always okx gap", 1'000), (Events{"0 begin okx gap"}));
  EXPECT_EQ(events_of("5s..10s okx rst", 100), (Events{"5 begin okx rst", "10 end okx rst"}));
}

TEST(FaultSchedule, AStarIsEveryVenueAndAnUnknownOneIsNone) {
  EXPECT_EQ(events_of("1s * cut", 2), (Events{"1 begin binance cut", "1 end binance cut",
                                              "1 begin okx cut", "1 end okx cut"}));
  const FaultScript script = FaultScript::parse("1s kraken cut", "t");
  EXPECT_EQ(FaultSchedule(script, venues, 1).next_ns(), FaultRule::never_ns);
}

TEST(FaultSchedule, RandomPicksEachKindAndVenueBySeed) {
  const std::string_view text = "every 1s * random kinds=cut,rst,fin";
  const Events events = events_of(text, 300);
  EXPECT_EQ(events.size(), 600U);
  std::set<std::string> seen;
  for (const std::string& event : events) seen.insert(event.substr(event.find("n ") + 2));
  EXPECT_EQ(events, events_of(text, 300)) << "the same seed picks the same";
  for (const char* const kind : {"cut", "rst", "fin"})
    for (const std::string& venue : venues)
      EXPECT_TRUE(seen.contains(venue + " " + kind)) << venue << " " << kind;
}

ActiveFault fault_of(std::string_view line) {
  static std::map<std::string, FaultRule, std::less<>> rules;
  const auto [at, is_new] = rules.emplace(line, FaultScript::parse(line, "t", {"okx"}).rules.at(0));
  return ActiveFault({.rule = &at->second, .number = 1}, 1);
}
std::string edited(ActiveFault& fault, std::string_view text) {
  std::string out;
  return fault.edit(text, out) ? out : "nothing";
}

TEST(FaultEdits, NumbersBehindKeysAreReplacedAndAllElseStays) {
  const std::vector<std::string> keys{"E", "ts"};
  const auto star = [](std::string_view, std::string_view, std::string& out) {
    out += '*';
    return true;
  };
  std::string out;
  EXPECT_EQ(edit_numbers(R"({"E" : 12, "e":12,"ts":"-5","p":"12"})", keys, out, star), 2U);
  EXPECT_EQ(out, R"({"E" : *, "e":12,"ts":"*","p":"12"})");
  // No whole numbers, values that look like keys, a key at the end, an escaped quote.
  for (const char* const text :
       {R"({"E":1.5})", R"({"E":1e3})", R"({"E":"1.5"})", R"({"E":"12)", R"({"E":null,"ts":[1]})",
        R"(["E",1])", R"({"E")", R"({"E":)", R"({"a":"\"E\":12"})", R"(")", R"(\)", R"("E\)", ""}) {
    EXPECT_EQ(edit_numbers(text, keys, out, star), 0U) << text;
    EXPECT_EQ(out, text);
  }
}

TEST(FaultEdits, TimesAreToldInOtherUnitsShiftedFrozenAndZeroed) {
  const std::string text = R"({"E":1700000000123,"T":1700000000100,"t":42,"ts":"1700000000999"})";
  ActiveFault seconds = fault_of("1s okx time-unit unit=s");
  EXPECT_EQ(edited(seconds, text), R"({"E":1700000000,"T":1700000000,"t":42,"ts":"1700000000"})");
  ActiveFault micros = fault_of("1s okx time-unit unit=us keys=E");
  EXPECT_EQ(edited(micros, text),
            R"({"E":1700000000123000,"T":1700000000100,"t":42,"ts":"1700000000999"})");
  ActiveFault nanos = fault_of("1s okx time-unit unit=ns keys=ts");
  EXPECT_EQ(edited(nanos, text),
            R"({"E":1700000000123,"T":1700000000100,"t":42,"ts":"1700000000999000000"})");
  ActiveFault late = fault_of("1s okx time-shift by=-24h keys=E,t");
  EXPECT_EQ(edited(late, text),
            R"({"E":1699913600123,"T":1700000000100,"t":42,"ts":"1700000000999"})")
      << "42 is no time";
  ActiveFault frozen = fault_of("1s okx time-frozen keys=E");
  EXPECT_EQ(edited(frozen, text), "nothing");
  EXPECT_EQ(edited(frozen, R"({"E":1700000009999})"), R"({"E":1700000000123})");
  ActiveFault epoch = fault_of("1s okx time-1970 keys=E,ts");
  EXPECT_EQ(edited(epoch, text), R"({"E":0,"T":1700000000100,"t":42,"ts":"0"})");
  ActiveFault overflow = fault_of("1s okx time-unit unit=ns keys=E");
  EXPECT_EQ(edited(overflow, R"({"E":9999999999999})"), "nothing") << "beyond 64 bits";
}

TEST(FaultEdits, SequencesCountAnewPerInstrument) {
  ActiveFault fault = fault_of("1s okx sequence keys=u,U,pu");
  EXPECT_EQ(edited(fault, R"({"s":"A","U":501,"u":510,"pu":500})"),
            R"({"s":"A","U":2,"u":11,"pu":1})");
  EXPECT_EQ(edited(fault, R"({"s":"B","U":91,"u":92,"pu":90})"), R"({"s":"B","U":2,"u":3,"pu":1})");
  EXPECT_EQ(edited(fault, R"({"s":"A","U":511,"u":512,"pu":510})"),
            R"({"s":"A","U":12,"u":13,"pu":11})")
      << "what follows joins on";
  EXPECT_EQ(edited(fault, R"({"s":"A","x":1})"), "nothing");
  EXPECT_EQ(edited(fault, R"({"s":"C","u":-1})"), "nothing");
}

TEST(FaultEdits, TextsAreRewrittenEverywhere) {
  ActiveFault fault = fault_of(R"(1s okx rewrite from="ab" to="abab")");
  EXPECT_EQ(edited(fault, "ab-ab"), "abab-abab");
  EXPECT_EQ(edited(fault, "ba"), "nothing");
}

TEST(FaultSelection, NarrowsByTargetTextWordChanceAndCount) {
  ActiveFault all = fault_of("always okx silence");
  EXPECT_TRUE(all.selects("/ws", "anything"));
  ActiveFault path = fault_of("always okx silence path=/public");
  EXPECT_FALSE(path.selects("/private", "x"));
  EXPECT_TRUE(path.selects("/ws/public?x", "x"));
  ActiveFault match = fault_of("always okx silence match=aggTrade");
  EXPECT_FALSE(match.selects("/ws", "btcusdt@AggTrade"));
  EXPECT_TRUE(match.selects("/ws", "btcusdt@aggTrade"));
  ActiveFault word = fault_of("always okx silence symbol=BTC");
  EXPECT_TRUE(word.selects("/ws", R"({"coin":"btc"})"));
  EXPECT_TRUE(word.selects("/ws", R"(BTC-USDT-SWAP)"));
  EXPECT_FALSE(word.selects("/ws", R"({"coin":"BTCDOM","s":"WBTC"})"));
  ActiveFault third = fault_of("always okx silence every=3 count=2");
  std::string hits;
  for (int i = 0; i < 12; ++i) hits += third.selects("/ws", "x") ? 'x' : '.';
  EXPECT_EQ(hits, "..x..x......");
  EXPECT_EQ(third.hits(), 2U);
  ActiveFault chance = fault_of("always okx gap 1/100");
  for (int i = 0; i < 100'000; ++i) static_cast<void>(chance.selects("/ws", "x"));
  // 1,000 expected, deviation 31.
  EXPECT_NEAR(static_cast<double>(chance.hits()), 1'000, 200);
}

TEST(FaultSelection, HeartbeatsAndAcknowledgementsAreToldFromData) {
  // As the venues' documentations show them.
  for (const char* const text :
       {"pong", R"({"channel":"pong"})",
        R"({"success":true,"ret_msg":"pong","conn_id":"1","op":"ping"})", R"({"op":"pong"})"})
    EXPECT_TRUE(is_heartbeat(text)) << text;
  for (const char* const text :
       {R"({"result":null,"id":1})",
        R"({"success":true,"ret_msg":"subscribe","conn_id":"2324d924","op":"subscribe"})",
        R"({"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4"})",
        R"({"channel":"subscriptionResponse","data":{"method":"subscribe"}})",
        R"({"error":{"code":2,"msg":"Invalid request"},"id":1})"}) {
    EXPECT_TRUE(is_acknowledgement(text)) << text;
    EXPECT_FALSE(is_heartbeat(text)) << text;
  }
  for (const char* const text :
       {R"({"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1","q":"1"})",
        R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[]})",
        R"({"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT"}]})",
        R"({"channel":"trades","data":[{"coin":"BTC","side":"A"}]})"}) {
    EXPECT_FALSE(is_acknowledgement(text)) << text;
    EXPECT_FALSE(is_heartbeat(text)) << text;
  }
}

}  // namespace
}  // namespace perp::sim
