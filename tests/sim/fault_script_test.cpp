// The language of fault scripts: what a line means, and each way to get it wrong, with its place.
#include "sim/faults/words.hpp"

#include <perp/core/error.hpp>
#include <perp/sim/fault_script.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

namespace perp::sim {
namespace {

constexpr std::int64_t s = core::ns_per_second;
constexpr std::int64_t ms = core::ns_per_ms;
const std::vector<std::string> venues{"binance", "okx"};

FaultRule one(std::string_view line) {
  const FaultScript script = FaultScript::parse(line, "t.faults", venues);
  EXPECT_EQ(script.rules.size(), 1U) << line;
  return script.rules.empty() ? FaultRule{} : script.rules[0];
}

std::string error_of(std::string_view text) {
  try {
    static_cast<void>(FaultScript::parse(text, "t.faults", venues));
  } catch (const core::Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(FaultScript, CommentsAndEmptyLinesAreNoFaults) {
  const FaultScript script = FaultScript::parse(
      "# a script\n\n  \t\r\n10s binance cut # behind a fault\n11s okx rst", "t", venues);
  ASSERT_EQ(script.rules.size(), 2U);
  EXPECT_EQ(script.rules[0].line, 4U);
  EXPECT_EQ(script.rules[0].kind, FaultKind::cut);
  EXPECT_EQ(script.rules[1].line, 5U);
  EXPECT_EQ(script.rules[1].venue, "okx");
  EXPECT_TRUE(FaultScript::parse("", "t").rules.empty());
}

TEST(FaultScript, AMomentIsOneEpisodeOfTheUsualLength) {
  const FaultRule cut = one("1.5s binance cut");
  EXPECT_EQ(cut.start_ns, 1500 * ms);
  EXPECT_EQ(cut.period_ns, 0);
  EXPECT_FALSE(cut.lasts());
  const FaultRule stall = one("10s * stall");
  EXPECT_TRUE(stall.venue.empty());
  EXPECT_EQ(stall.length_ns, row_of(FaultKind::stall).usual_ns);
  EXPECT_EQ(stall.end_ns, 10 * s + stall.length_ns);
  EXPECT_EQ(one("10s * stall for=250ms").length_ns, 250 * ms);
}

TEST(FaultScript, AnIntervalLastsAndForCutsItIntoEpisodes) {
  const FaultRule whole = one("10s..20s okx silence");
  EXPECT_EQ(whole.start_ns, 10 * s);
  EXPECT_EQ(whole.end_ns, 20 * s);
  EXPECT_EQ(whole.length_ns, 10 * s);
  EXPECT_EQ(whole.period_ns, 0);
  const FaultRule cycles = one("10s..20s okx stall for=5s");
  EXPECT_EQ(cycles.length_ns, 5 * s);
  EXPECT_EQ(cycles.period_ns, 5 * s);
  const FaultRule open = one("5s.. okx rst");
  EXPECT_EQ(open.end_ns, FaultRule::never_ns);
  EXPECT_EQ(open.length_ns, FaultRule::never_ns);
  EXPECT_EQ(one("always okx gap").start_ns, 0);
}

TEST(FaultScript, EveryRepeatsFromItsFirstPeriodOrInAnInterval) {
  const FaultRule cut = one("every 10s okx cut");
  EXPECT_EQ(cut.start_ns, 10 * s);
  EXPECT_EQ(cut.period_ns, 10 * s);
  EXPECT_EQ(cut.end_ns, FaultRule::never_ns);
  const FaultRule flapping = one("every 4s 10s..40s okx status code=503 for=2s");
  EXPECT_EQ(flapping.start_ns, 10 * s);
  EXPECT_EQ(flapping.end_ns, 40 * s);
  EXPECT_EQ(flapping.period_ns, 4 * s);
  EXPECT_EQ(flapping.length_ns, 2 * s);
  EXPECT_EQ(one("every 2s okx stall").length_ns, 2 * s) << "no longer than the period";
}

TEST(FaultScript, ArgumentsAreWhatTheySay) {
  const FaultRule gap =
      one(R"(always okx gap 1/250 match=btcusdt@aggTrade symbol=BTC path=/ws count=7)");
  EXPECT_EQ(gap.one_in, 250U);
  EXPECT_EQ(gap.match, "btcusdt@aggTrade");
  EXPECT_EQ(gap.symbol, "BTC");
  EXPECT_EQ(gap.path, "/ws");
  EXPECT_EQ(gap.count, 7U);
  EXPECT_EQ(one("always okx gap").one_in, 1000U);
  EXPECT_EQ(one("always okx silence every=3").every, 3U);
  const FaultRule status = one(R"(1s okx status code=418 retry-after=120 body="{\"code\":-1003}")");
  EXPECT_EQ(status.code, 418);
  EXPECT_EQ(status.retry_after, "120");
  EXPECT_EQ(status.body, R"({"code":-1003})");
  EXPECT_EQ(one("1s okx status").code, 429);
  const FaultRule cut = one(R"(1s okx cut how=close code=1012 reason="a \\ b")");
  EXPECT_EQ(cut.ending, FaultRule::Ending::close);
  EXPECT_EQ(cut.code, 1012);
  EXPECT_EQ(cut.reason, R"(a \ b)");
  EXPECT_TRUE(one("1s okx refuse how=silent").is_silent);
  EXPECT_EQ(one("1s okx big bytes=2MiB").bytes, std::size_t{2} << 20);
  const FaultRule trickle = one("1s okx trickle bytes=3 each=5ms");
  EXPECT_EQ(trickle.bytes, 3U);
  EXPECT_EQ(trickle.each_ns, 5 * ms);
  EXPECT_EQ(one("1s okx duplicate copies=3").copies, 3U);
  EXPECT_EQ(one("1s okx reorder hold=5").hold, 5U);
  const FaultRule ids = one("1s okx sequence keys=u,U from=100");
  EXPECT_EQ(ids.keys, (std::vector<std::string>{"u", "U"}));
  EXPECT_EQ(ids.first_id, 100);
  EXPECT_EQ(one("1s okx time-unit unit=us").unit, FaultRule::Unit::us);
  EXPECT_EQ(one("1s okx time-shift by=-24h").by_ns, -core::ns_per_day);
  EXPECT_EQ(one("1s okx time-shift by=+1.5s").by_ns, 1500 * ms);
  const FaultRule rewrite = one(R"(1s okx rewrite from="live" to="" of=answers)");
  EXPECT_EQ(rewrite.from, "live");
  EXPECT_TRUE(rewrite.to.empty());
  EXPECT_FALSE(rewrite.is_of_messages);
  EXPECT_TRUE(rewrite.is_of_answers);
}

TEST(FaultScript, RandomPicksAmongItsKinds) {
  const FaultRule some = one("every 10s * random kinds=cut,stall,gap");
  EXPECT_EQ(some.kinds, (std::vector<FaultKind>{FaultKind::cut, FaultKind::stall, FaultKind::gap}));
  const FaultRule stall = picked(some, FaultKind::stall);
  EXPECT_EQ(stall.kind, FaultKind::stall);
  EXPECT_EQ(stall.length_ns, row_of(FaultKind::stall).usual_ns);
  EXPECT_EQ(picked(some, FaultKind::gap).one_in, 1000U);
  EXPECT_FALSE(picked(some, FaultKind::cut).lasts());
  EXPECT_EQ(picked(one("every 10s * random for=2s"), FaultKind::stall).length_ns, 2 * s);
  const FaultRule all = one("every 10s * random");
  EXPECT_GE(all.kinds.size(), 18U) << "the kinds that section 4.6 of the programme lists";
}

TEST(FaultScript, EveryKindHasALineOfItsOwn) {
  for (const FaultKindRow& row : fault_kinds) {
    std::string line = "10s * " + std::string(row.name);
    if (row.kind == FaultKind::time_unit) line += " unit=s";
    if (row.kind == FaultKind::time_shift) line += " by=1h";
    if (row.kind == FaultKind::rewrite) line += " from=a to=b";
    EXPECT_EQ(one(line).kind, row.kind) << line;
    EXPECT_FALSE(row.does.empty());
  }
}

TEST(FaultScript, AnErrorTellsItsPlaceAndWhatWasExpected) {
  struct Case {
    std::string_view text;
    std::string_view place;
    std::string_view says;
  };
  const Case cases[] = {
      {"10s binance stal", "t.faults:1:13: ", "unknown kind 'stal': did you mean 'stall'?"},
      {"10s binance xylophone", "t.faults:1:13: ", "expected one of cut, rst"},
      {"\n\n10s binanze cut", "t.faults:3:5: ", "unknown venue 'binanze': did you mean 'binance'?"},
      {"10 binance cut", "t.faults:1:1: ", "'10' is no time: expected a number with its unit"},
      {"10x binance cut", "t.faults:1:1: ", "'10x' is no time"},
      {"evry 10s binance cut", "t.faults:1:1: ", "did you mean 'every'?"},
      {"soon binance cut", "t.faults:1:1: ", "expected 10s, 10s..20s, always or every 10s"},
      {"for=1s binance cut", "t.faults:1:1: ", "'for=' stands where the time stands"},
      {"20s..10s binance stall", "t.faults:1:6: ", "ends before it begins"},
      {"20s..x binance stall", "t.faults:1:6: ", "'x' is no time"},
      {"every 10us binance cut", "t.faults:1:7: ", "too short"},
      {"every", "t.faults:1:6: ", "the line ends here: expected a time, such as 10s"},
      {"10s", "t.faults:1:4: ", "the line ends here: expected a venue, or *"},
      {"10s binance", "t.faults:1:12: ", "the line ends here: expected a kind of fault"},
      {"10s a=b cut", "t.faults:1:5: ", "'a=' stands where the venue stands"},
      {"10s * cut=1", "t.faults:1:7: ", "'cut=' stands where the kind stands"},
      {"10s binance stall fro=5s", "t.faults:1:19: ", "stall takes no 'fro': did you mean 'for'?"},
      {"10s binance cut match=x", "t.faults:1:17: ", "cut takes no 'match'"},
      {"10s binance cut xyzzyxyzzy=1", "t.faults:1:17: ", "expected one of how, code, reason"},
      {"10s binance stall 5s", "t.faults:1:19: ", "'5s' is no argument: expected NAME=VALUE"},
      {"10s binance stall for=", "t.faults:1:23: ", "'' is no time"},
      {"10s binance stall for=0s", "t.faults:1:23: ", "for= is 0"},
      {"10s binance stall for=1s for=2s", "t.faults:1:26: ", "'for' is there twice"},
      {"10s binance gap 1/2 1/3", "t.faults:1:21: ", "'1/N' is there twice"},
      {"10s binance gap 1/0", "t.faults:1:19: ", "'0' is no count: expected a whole number from 1"},
      {"10s binance gap 1/", "t.faults:1:19: ", "'' is no count"},
      {"10s binance gap every=1.5", "t.faults:1:23: ", "'1.5' is no count"},
      {"10s binance gap count=x", "t.faults:1:23: ", "'x' is no count"},
      {"10s binance gap match=", "t.faults:1:23: ", "match= is empty"},
      {"10s binance gap match=\"a", "t.faults:1:23: ", "a quote that is not closed"},
      {"10s binance gap match=\"a\\q\"", "t.faults:1:25: ", "unknown escape '\\q'"},
      {"10s binance gap match=\"a\"b", "t.faults:1:26: ", "behind a closing quote"},
      {"10s binance gap match=a\"b", "t.faults:1:24: ", "a quote inside a value"},
      {"10s bin\"ance gap", "t.faults:1:8: ", "a quote inside a word"},
      {"10s binance ga\x01p", "t.faults:1:15: ", "a control byte"},
      {"10s binance gap match=\"\x01\"", "t.faults:1:24: ", "a control byte"},
      {"10s binance cut how=soft", "t.faults:1:21: ", "unknown how= 'soft'"},
      {"10s binance refuse how=fin", "t.faults:1:24: ", "expected one of rst, silent"},
      {"10s binance close code=1005", "t.faults:1:24: ", "1005 is no close code"},
      {"10s binance close code=66536", "t.faults:1:24: ", "66536 is no close code"},
      {"10s binance cut code=1001", "t.faults:1:13: ", "expected how=close"},
      {"10s binance status code=200", "t.faults:1:25: ", "200 is no status for this"},
      {"10s binance html code=204", "t.faults:1:23: ", "204 is no status for this"},
      {"10s binance handshake code=x", "t.faults:1:28: ", "'x' is no count"},
      {"10s binance status retry-after=\"a\\nb\"", "t.faults:1:32: ", "has a line end"},
      {"10s binance garbage bytes=0", "t.faults:1:27: ", "'0' is no size for this"},
      {"10s binance big bytes=33MiB", "t.faults:1:23: ", "'33MiB' is no size for this"},
      {"10s binance trickle each=0s", "t.faults:1:26: ", "each= is 0"},
      {"10s binance duplicate copies=1", "t.faults:1:30: ", "from 2"},
      {"10s binance duplicate copies=1001", "t.faults:1:30: ", "at most 1000"},
      {"10s binance reorder hold=0", "t.faults:1:26: ", "'0' is no count"},
      {"10s binance time-unit", "t.faults:1:13: ", "time-unit needs unit="},
      {"10s binance time-unit unit=ms", "t.faults:1:28: ", "one of s, us, ns"},
      {"10s binance time-shift", "t.faults:1:13: ", "time-shift needs by="},
      {"10s binance time-shift by=1us", "t.faults:1:27: ", "whole milliseconds"},
      {"10s binance time-frozen keys=E,,T", "t.faults:1:32: ", "keys= has an empty word"},
      {"10s binance rewrite to=b", "t.faults:1:13: ", "rewrite needs from="},
      {"10s binance rewrite from=a", "t.faults:1:13: ", "rewrite needs to="},
      {"10s binance rewrite from=a to=b of=none", "t.faults:1:36: ", "messages, answers, all"},
      {"10s binance random kinds=cut,stal", "t.faults:1:30: ", "did you mean 'stall'?"},
      {"10s binance random kinds=random", "t.faults:1:26: ", "unknown kind 'random'"},
      {"10s binance random kinds=cut,rewrite", "t.faults:1:30: ", "cannot be picked at random"},
      {"10s binance random 1/2", "t.faults:1:20: ", "'1/2' is no argument"},
      {"1s..2s binance random", "t.faults:1:1: ", "random in one interval"},
      {"every 4s binance stall for=5s", "t.faults:1:28: ", "for= is longer than its period"},
      {"10s binance cut for=5s", "t.faults:1:17: ", "cut takes no 'for'"},
  };
  for (const Case& test : cases) {
    const std::string error = error_of(test.text);
    EXPECT_TRUE(error.starts_with(test.place)) << test.text << "\n  " << error;
    EXPECT_NE(error.find(test.says), std::string::npos) << test.text << "\n  " << error;
  }
  const std::string reason = "10s binance close reason=" + std::string(124, 'x');
  EXPECT_NE(error_of(reason).find("reason= is too long"), std::string::npos);
  EXPECT_NE(error_of("# " + std::string(FaultScript::line_bytes_max, 'x')).find("too long"),
            std::string::npos);
  std::string many;
  for (std::size_t i = 0; i <= FaultScript::rules_max; ++i) many += "1s * cut\n";
  EXPECT_TRUE(error_of(many).starts_with("t.faults:10001:1: too many faults")) << error_of(many);
}

TEST(FaultScript, WithoutVenuesAnyNameIsTaken) {
  EXPECT_EQ(FaultScript::parse("1s kraken cut", "t").rules[0].venue, "kraken");
}

TEST(FaultScript, AFileThatIsNotThereIsNamed) {
  try {
    static_cast<void>(FaultScript::read("/nowhere/x.faults"));
    FAIL() << "read";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/x.faults"), std::string::npos);
  }
}

TEST(FaultScript, TheExamplesAreGood) {
  int read = 0;
  const std::vector<std::string> all{"binance", "bybit", "okx", "hyperliquid"};
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PERP_SOURCE_DIR) + "/examples/faults")) {
    if (entry.path().extension() != ".faults") continue;
    const FaultScript script = FaultScript::read(entry.path().string(), all);
    EXPECT_FALSE(script.rules.empty()) << entry.path();
    ++read;
    if (entry.path().filename() != "all_kinds.faults") continue;
    for (const FaultKindRow& row : fault_kinds)
      EXPECT_TRUE(std::any_of(script.rules.begin(), script.rules.end(),
                              [&](const FaultRule& rule) { return rule.kind == row.kind; }))
          << entry.path() << " lacks " << row.name;
  }
  EXPECT_GE(read, 3);
}

TEST(FaultScript, SixtyAreFifteenKindsAtEachVenue) {
  const std::vector<std::string> all{"binance", "bybit", "okx", "hyperliquid"};
  const FaultScript script =
      FaultScript::read(std::string(PERP_SOURCE_DIR) + "/examples/faults/sixty.faults", all);
  EXPECT_EQ(script.rules.size(), 60U);
  std::map<FaultKind, std::set<std::string>> places;
  for (const FaultRule& rule : script.rules) places[rule.kind].insert(rule.venue);
  EXPECT_EQ(places.size(), 15U);
  for (const auto& [kind, at] : places) EXPECT_EQ(at.size(), 4U) << name_of(kind);
}

TEST(FaultWords, DurationsAreExact) {
  EXPECT_EQ(parse_duration("0s"), 0);
  EXPECT_EQ(parse_duration("7ns"), 7);
  EXPECT_EQ(parse_duration("1.5us"), 1500);
  EXPECT_EQ(parse_duration("0.000000001s"), 1);
  EXPECT_EQ(parse_duration("1.25m"), 75 * s);
  EXPECT_EQ(parse_duration("0.333333333d"), 28'799'999'971'200);
  EXPECT_EQ(parse_duration("3650d"), 3650 * core::ns_per_day);
  for (const char* const bad : {"", "s", "1", "1.s", ".5s", "1,5s", "1 s", "-1s", "3651d", "1S",
                                "1.0000000001s", "99999999999999999999s", "3650.1d"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(parse_signed_duration("-2s"), -2 * s);
  EXPECT_EQ(parse_signed_duration("+2s"), 2 * s);
  EXPECT_FALSE(parse_signed_duration("+-2s"));
}

TEST(FaultWords, TheNearestWordIsOneThatIsNear) {
  const std::vector<std::string_view> known{"stall", "silence", "status"};
  EXPECT_EQ(nearest_word("stal", known), "stall");
  EXPECT_EQ(nearest_word("sttus", known), "status");
  EXPECT_EQ(nearest_word("wurst", known), "");
  EXPECT_EQ(nearest_word(std::string(65, 's'), known), "");
}

}  // namespace
}  // namespace perp::sim
