#include "market/recorded.hpp"

#include <perp/market/continuity.hpp>

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace perp::market {
namespace {

using testing::read_messages;

// The worked situations of the venue's procedure ----------------------------------------------

TEST(BinanceBookSequence, DropsEventsBeforeTheSnapshotAndRestartsOnTheOneThatSpansIt) {
  BinanceBookSequence sequence;
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.snapshot(100), Continuity::restart);
  EXPECT_FALSE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.delta(80, 85, 79), Continuity::stale);
  EXPECT_EQ(sequence.delta(90, 99, 85), Continuity::stale);
  EXPECT_EQ(sequence.delta(100, 104, 99), Continuity::restart);
  EXPECT_EQ(sequence.delta(120, 121, 104),
            Continuity::continuous);  // ids are global: U is not u + 1
  EXPECT_EQ(sequence.last_id(), 121);
}

TEST(BinanceBookSequence, JoinsAtBothEndsOfTheSpanAndAtPu) {
  struct Case {
    std::int64_t first, last, previous;
    Continuity expected;
  };
  for (const Case& at :
       {Case{100, 110, 90, Continuity::restart}, Case{90, 100, 80, Continuity::restart},
        Case{105, 110, 100, Continuity::restart}, Case{101, 110, 99, Continuity::gap},
        Case{90, 99, 80, Continuity::stale}}) {
    BinanceBookSequence sequence;
    ASSERT_EQ(sequence.snapshot(100), Continuity::restart);
    EXPECT_EQ(sequence.delta(at.first, at.last, at.previous), at.expected)
        << at.first << ".." << at.last;
  }
}

TEST(BinanceBookSequence, LateSnapshotIsJoinedThroughTheEventsAlreadyGiven) {
  BinanceBookSequence sequence;
  EXPECT_EQ(sequence.delta(10, 15, 9), Continuity::unchecked);
  EXPECT_EQ(sequence.delta(20, 25, 15), Continuity::unchecked);
  EXPECT_EQ(sequence.delta(30, 35, 25), Continuity::unchecked);
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.snapshot(22), Continuity::restart);
  EXPECT_EQ(sequence.delta(40, 45, 35), Continuity::restart);
  EXPECT_EQ(sequence.delta(46, 48, 45), Continuity::continuous);
}

TEST(BinanceBookSequence, SnapshotOlderThanAllEventsIsRefusedAndANewerOneTaken) {
  BinanceBookSequence sequence;
  EXPECT_EQ(sequence.delta(110, 115, 105), Continuity::unchecked);
  EXPECT_EQ(sequence.snapshot(100), Continuity::stale);
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.snapshot(105), Continuity::restart);  // pu == lastUpdateId
  EXPECT_EQ(sequence.delta(116, 118, 115), Continuity::restart);
}

TEST(BinanceBookSequence, HoleInvalidatesUntilASnapshotAndIsToldOnce) {
  BinanceBookSequence sequence;
  ASSERT_EQ(sequence.snapshot(100), Continuity::restart);
  ASSERT_EQ(sequence.delta(99, 101, 98), Continuity::restart);
  EXPECT_EQ(sequence.delta(110, 112, 105), Continuity::gap);
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.delta(113, 114, 112), Continuity::unchecked);
  EXPECT_EQ(sequence.delta(120, 121, 119),
            Continuity::gap);  // a second hole, in the run of pending events
  EXPECT_EQ(sequence.snapshot(112), Continuity::stale);  // lies before the second hole
  EXPECT_EQ(sequence.snapshot(120), Continuity::restart);
  EXPECT_EQ(sequence.delta(122, 125, 121), Continuity::restart);
}

TEST(BinanceBookSequence, RepeatsAreStaleButIdsThatStayBehindAreAGap) {
  BinanceBookSequence sequence;
  ASSERT_EQ(sequence.snapshot(1000), Continuity::restart);
  ASSERT_EQ(sequence.delta(990, 1010, 989), Continuity::restart);
  EXPECT_EQ(sequence.delta(990, 1010, 989), Continuity::stale);
  EXPECT_EQ(sequence.delta(1011, 1012, 1010), Continuity::continuous);
  std::int64_t id = 1;
  for (std::uint32_t i = 1; i < repeat_limit; ++i, ++id)
    ASSERT_EQ(sequence.delta(id, id, id - 1), Continuity::stale);
  EXPECT_EQ(sequence.delta(id, id, id - 1), Continuity::gap);
  EXPECT_EQ(sequence.snapshot(id), Continuity::restart);  // the new numbering is taken from there
}

TEST(BinanceBookSequence, ContradictoryIdsAreAGap) {
  BinanceBookSequence sequence;
  ASSERT_EQ(sequence.snapshot(100), Continuity::restart);
  EXPECT_EQ(sequence.delta(105, 101, 100), Continuity::gap);
}

TEST(BinanceBookSequence, ResetForgetsEverything) {
  BinanceBookSequence sequence;
  ASSERT_EQ(sequence.snapshot(100), Continuity::restart);
  ASSERT_EQ(sequence.delta(99, 101, 98), Continuity::restart);
  sequence.reset();
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.delta(1, 2, 0), Continuity::unchecked);
}

// The venue's procedure as written, over the whole history at once: nothing of the checker's
// bookkeeping. The newest joinable snapshot decides; an event may be used iff an unbroken chain
// leads to it from there.
struct Event {
  std::int64_t first, last, previous;
};

bool is_joinable(const std::vector<Event>& given, std::size_t run_begin, std::int64_t snapshot) {
  for (std::size_t i = run_begin; i < given.size(); ++i) {
    if (given[i].last < snapshot) continue;
    return (given[i].first <= snapshot && snapshot <= given[i].last) ||
           given[i].previous == snapshot;
  }
  return true;  // all are older: the joining event is still to come
}

TEST(BinanceBookSequence, AgreesWithTheWrittenProcedureOnRandomStreams) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto roll = [&](int sides) {
      return static_cast<int>(random() % static_cast<unsigned>(sides));
    };
    BinanceBookSequence sequence;
    std::vector<Event> given;
    std::size_t run_begin = 0;
    std::int64_t snapshot = unknown_id;
    bool is_restart_due = false;
    std::int64_t id = 1000;
    std::int64_t previous = 990;
    for (int step = 0; step < 100; ++step) {
      if (roll(8) == 0) {  // a REST reply: now, a little old, or ahead of the stream
        const std::int64_t last_id = id + roll(40) - 30;
        // The procedure restarts from an older snapshot only if it needs one or can still join it.
        const bool is_ahead =
            snapshot != unknown_id && (given.empty() || snapshot > given.back().last);
        const bool is_behind_newer = is_ahead && last_id < snapshot;
        const bool is_good = !is_behind_newer && is_joinable(given, run_begin, last_id);
        ASSERT_EQ(sequence.snapshot(last_id), is_good ? Continuity::restart : Continuity::stale);
        if (is_good) {
          snapshot = last_id;
          is_restart_due = true;
          if (given.empty() || last_id > given.back().last) run_begin = given.size();
        }
        continue;
      }
      Event event{id + roll(3), 0, previous};
      event.last = event.first + roll(6);
      id = event.last + 1 + roll(4);
      previous = event.last;
      if (roll(25) == 0) continue;  // lost on the way
      Continuity expected;
      if (snapshot != unknown_id && given.size() == run_begin) {
        if (event.last < snapshot) {
          ASSERT_EQ(sequence.delta(event.first, event.last, event.previous), Continuity::stale);
          continue;
        }
        const bool joins =
            (event.first <= snapshot && snapshot <= event.last) || event.previous == snapshot;
        expected = joins ? Continuity::restart : Continuity::gap;
      } else if (given.size() == run_begin) {
        expected = Continuity::unchecked;
      } else if (event.previous != given.back().last) {
        expected = Continuity::gap;
      } else {
        expected = snapshot == unknown_id ? Continuity::unchecked
                   : is_restart_due       ? Continuity::restart
                                          : Continuity::continuous;
      }
      ASSERT_EQ(sequence.delta(event.first, event.last, event.previous), expected);
      if (expected == Continuity::gap) {
        snapshot = unknown_id;
        run_begin = given.size();
      }
      if (expected == Continuity::restart) is_restart_due = false;
      given.push_back(event);
      ASSERT_EQ(sequence.needs_snapshot(), !(snapshot != unknown_id));
    }
  }
}

TEST(BinanceBookSequence, RecordedStreamsJoinTheirSnapshotAndNeverBreak) {
  PERP_REQUIRE_CAPTURES(dir);
  for (const char* name : {"btcusdt_2023-04-04", "btcusdt_2024-08-08", "ethusdt_2024-07-18"}) {
    SCOPED_TRACE(name);
    BinanceBookSequence sequence;
    std::array<int, 5> counts{};
    bool has_snapshot = false;
    for (const auto& message : read_messages(dir + "/binance/ws_combined_" + name + ".tsv")) {
      const auto& data = message.json.contains("data") ? message.json["data"] : message.json;
      if (data.contains("lastUpdateId")) {
        ASSERT_EQ(sequence.snapshot(data["lastUpdateId"]), Continuity::restart);
        has_snapshot = true;
      } else if (data["e"] == "depthUpdate") {
        const Continuity found = sequence.delta(data["U"], data["u"], data["pu"]);
        ASSERT_NE(found, Continuity::gap);
        ASSERT_EQ(found == Continuity::unchecked, !has_snapshot);
        ++counts[static_cast<std::size_t>(found)];
      }
    }
    EXPECT_TRUE(has_snapshot);
    EXPECT_EQ(counts[static_cast<std::size_t>(Continuity::restart)], 1);
    EXPECT_GT(counts[static_cast<std::size_t>(Continuity::continuous)], 1000);
  }
}

// Bybit ---------------------------------------------------------------------------------------

TEST(BybitBookSequence, RisesByOneRestartsAtOneAndRepeatsAreStale) {
  BybitBookSequence sequence;
  EXPECT_EQ(sequence.snapshot(500), Continuity::restart);
  EXPECT_EQ(sequence.delta(501), Continuity::continuous);
  EXPECT_EQ(sequence.delta(501), Continuity::stale);
  EXPECT_EQ(sequence.delta(502), Continuity::continuous);
  EXPECT_EQ(sequence.delta(1), Continuity::restart);
  EXPECT_EQ(sequence.delta(2), Continuity::continuous);
  EXPECT_EQ(sequence.snapshot(900), Continuity::restart);  // also in mid-stream
  EXPECT_EQ(sequence.snapshot(900),
            Continuity::stale);  // level 1 repeats itself after 3 s of quiet
  EXPECT_EQ(sequence.snapshot(1), Continuity::restart);
  EXPECT_EQ(sequence.snapshot(1), Continuity::restart);  // a restart is never a repeat
}

TEST(BybitBookSequence, GapIsToldOnceAndLastsUntilTheSnapshot) {
  BybitBookSequence sequence;
  EXPECT_EQ(sequence.delta(7), Continuity::gap);  // before any snapshot
  EXPECT_EQ(sequence.delta(8), Continuity::stale);
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.snapshot(20), Continuity::restart);
  EXPECT_EQ(sequence.delta(22), Continuity::gap);
  EXPECT_EQ(sequence.delta(23), Continuity::stale);
  EXPECT_EQ(sequence.snapshot(23), Continuity::restart);
  EXPECT_EQ(sequence.delta(22), Continuity::gap);  // backwards by more than a repeat
}

TEST(BybitBookSequence, RecordedTopicIsContiguous) {
  PERP_REQUIRE_CAPTURES(dir);
  for (const char* name :
       {"ws_orderbook500_xrpusdt_2024-12-01", "ws_orderbook50_btcusdt_2026-03"}) {
    SCOPED_TRACE(name);
    BybitBookSequence sequence;
    const auto messages = read_messages(dir + "/bybit/" + name + ".jsonl");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto& json = messages[i].json;
      const std::int64_t id = json["data"]["u"];
      if (json["type"] == "snapshot") {
        EXPECT_EQ(sequence.snapshot(id), Continuity::restart);
      } else {
        EXPECT_EQ(sequence.delta(id), Continuity::continuous) << "message " << i;
      }
    }
  }
}

// OKX -----------------------------------------------------------------------------------------

TEST(OkxBookSequence, FollowsPreviousIdsThroughKeepAliveAndReset) {
  OkxBookSequence sequence;
  EXPECT_EQ(sequence.snapshot(10, -1), Continuity::restart);
  EXPECT_EQ(sequence.delta(15, 10), Continuity::continuous);
  EXPECT_EQ(sequence.delta(15, 15), Continuity::continuous);  // keep-alive
  EXPECT_EQ(sequence.delta(3, 15), Continuity::continuous);   // reset in maintenance
  EXPECT_EQ(sequence.delta(5, 3), Continuity::continuous);
  EXPECT_EQ(sequence.delta(9, 7), Continuity::gap);
  EXPECT_EQ(sequence.delta(10, 9), Continuity::stale);
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.snapshot(40, -1), Continuity::restart);
  EXPECT_EQ(sequence.delta(41, 40), Continuity::continuous);
}

TEST(OkxBookSequence, DeltaBeforeASnapshotIsAGap) {
  OkxBookSequence sequence;
  EXPECT_EQ(sequence.delta(11, 10), Continuity::gap);
  EXPECT_EQ(sequence.delta(12, 11), Continuity::stale);
}

TEST(OkxBookSequence, RecordingsWithoutIdsAreUnchecked) {
  OkxBookSequence sequence;
  EXPECT_EQ(sequence.snapshot(unknown_id, unknown_id), Continuity::restart);
  EXPECT_EQ(sequence.delta(unknown_id, unknown_id), Continuity::unchecked);
}

TEST(OkxBookSequence, AMismatchedChecksumInvalidates) {
  OkxBookSequence sequence;
  ASSERT_EQ(sequence.snapshot(10, -1), Continuity::restart);
  sequence.invalidate();
  EXPECT_TRUE(sequence.needs_snapshot());
  EXPECT_EQ(sequence.delta(11, 10), Continuity::stale);
}

TEST(SnapshotBookSequence, TimeThatGoesBackIsStaleUnlessItStaysBack) {
  SnapshotBookSequence sequence;
  EXPECT_EQ(sequence.snapshot(100), Continuity::restart);
  EXPECT_EQ(sequence.snapshot(100), Continuity::restart);  // an unchanged book is sent again
  EXPECT_EQ(sequence.snapshot(99), Continuity::stale);
  EXPECT_EQ(sequence.snapshot(core::unknown_ns), Continuity::restart);
  EXPECT_EQ(sequence.snapshot(101), Continuity::restart);
  for (std::uint32_t i = 1; i < repeat_limit; ++i)
    ASSERT_EQ(sequence.snapshot(50), Continuity::stale);
  EXPECT_EQ(sequence.snapshot(50), Continuity::restart);
  EXPECT_EQ(sequence.snapshot(51), Continuity::restart);
}

TEST(BybitBookSequence, TheGreatestIdHasNoneBehindIt) {
  constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
  BybitBookSequence sequence;
  EXPECT_EQ(sequence.snapshot(greatest), Continuity::restart);
  EXPECT_EQ(sequence.delta(5), Continuity::gap);
}

}  // namespace
}  // namespace perp::market
