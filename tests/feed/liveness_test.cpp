// Goal: an acknowledged subscription that stays silent is found within its bound, a quiet market is
// not called broken, heartbeats are not data. Method: each edge by hand; recorded sessions' receive
// times (PERP_CAPTURES_DIR), whole and with one stream cut off.
#include <perp/core/error.hpp>
#include <perp/feed/liveness.hpp>
#include <perp/feed/recording.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace perp::feed {
namespace {

using core::ns_per_second;
using State = Liveness::State;

constexpr core::MonoNs at(std::int64_t seconds) { return {seconds * ns_per_second}; }

State scanned(Liveness& liveness, core::MonoNs now) {
  liveness.scan(now, [](const Liveness::Change&) {});
  return liveness.state(0);
}

TEST(Liveness, AcknowledgedThenSilentIsFoundWithinItsBoundDespiteHeartbeats) {
  Liveness liveness;
  liveness.add(at(0), ns_per_second);
  EXPECT_EQ(scanned(liveness, at(1)), State::pending);
  liveness.on_acknowledged(0, at(2));
  for (std::int64_t second = 2; second <= 17; ++second) {
    liveness.on_heartbeat(at(second));
    EXPECT_EQ(scanned(liveness, at(second)), State::acknowledged) << second;
  }
  liveness.on_acknowledged(0, at(17));
  std::vector<Liveness::Change> changes;
  liveness.scan(at(18), [&](const Liveness::Change& change) { changes.push_back(change); });
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].before, State::acknowledged);
  EXPECT_EQ(changes[0].after, State::silent);
  EXPECT_EQ(changes[0].silent_ns, 16 * ns_per_second);
  EXPECT_EQ(liveness.last_heartbeat(), at(17));
}

TEST(Liveness, ARequestWithoutAnswerIsSilentAndMayBeMadeAnew) {
  Liveness liveness;
  liveness.add(at(0), ns_per_second);
  EXPECT_EQ(scanned(liveness, at(10)), State::pending);
  EXPECT_EQ(scanned(liveness, at(11)), State::silent);
  liveness.on_request(0, at(12));
  EXPECT_EQ(scanned(liveness, at(12)), State::pending);
  liveness.on_data(0, at(13));
  EXPECT_EQ(scanned(liveness, at(13)), State::live) << "data needs no acknowledgement";
}

TEST(Liveness, LiveQuietSilentAndBack) {
  Liveness liveness;
  liveness.add(at(0), 20 * ns_per_second);
  liveness.on_acknowledged(0, at(0));
  liveness.on_data(0, at(1));
  EXPECT_EQ(liveness.bound_ns(0), 40 * ns_per_second);
  EXPECT_EQ(scanned(liveness, at(21)), State::live);
  EXPECT_EQ(scanned(liveness, at(22)), State::quiet);
  EXPECT_EQ(scanned(liveness, at(41)), State::quiet);
  EXPECT_EQ(scanned(liveness, at(42)), State::silent);
  liveness.on_data(0, at(43));
  EXPECT_EQ(scanned(liveness, at(43)), State::live);
  EXPECT_EQ(liveness.bound_ns(0), 40 * ns_per_second) << "an outage teaches nothing of the market";
}

TEST(Liveness, TheBoundFollowsGapsThatEndedAndHasBothEnds) {
  Liveness liveness;
  liveness.add(at(0), ns_per_second);
  EXPECT_EQ(liveness.bound_ns(0), 15 * ns_per_second);
  std::int64_t second = 0;
  for (const std::int64_t gap : {1, 14, 25, 45, 80}) {
    liveness.on_data(0, at(second));
    EXPECT_NE(scanned(liveness, at(second)), State::silent) << gap;
    second += gap;
    EXPECT_NE(scanned(liveness, at(second)), State::silent) << gap;
  }
  liveness.on_data(0, at(second));
  EXPECT_NE(scanned(liveness, at(second)), State::silent);
  EXPECT_EQ(liveness.bound_ns(0), 90 * ns_per_second);
  EXPECT_NE(scanned(liveness, at(second + 90)), State::silent);
  EXPECT_EQ(scanned(liveness, at(second + 91)), State::silent);
}

TEST(Liveness, ALongGapIsForgottenAfterTwoHours) {
  Liveness liveness;
  liveness.add(at(0), ns_per_second);
  liveness.on_data(0, at(0));
  EXPECT_EQ(scanned(liveness, at(0)), State::live);
  liveness.on_data(0, at(14));
  scanned(liveness, at(14));
  EXPECT_EQ(liveness.bound_ns(0), 28 * ns_per_second);
  std::int64_t second = 14;
  const auto speak_until = [&](std::int64_t end) {
    for (; second < end; second += 5) {
      liveness.on_data(0, at(second));
      ASSERT_NE(scanned(liveness, at(second)), State::silent);
    }
  };
  speak_until(2 * 3600 - 10);
  EXPECT_EQ(liveness.bound_ns(0), 28 * ns_per_second) << "it is remembered for an hour at least";
  speak_until(2 * 3600 + 10);
  EXPECT_EQ(liveness.bound_ns(0), 15 * ns_per_second);
}

TEST(Liveness, AStreamOfRareEventsIsQuietForADay) {
  Liveness liveness;
  liveness.add(at(0), Liveness::no_interval);
  liveness.on_acknowledged(0, at(0));
  EXPECT_EQ(scanned(liveness, at(86'400)), State::acknowledged);
  liveness.on_data(0, at(86'400));
  EXPECT_EQ(scanned(liveness, at(2 * 86'400)), State::quiet);
}

TEST(Liveness, RefusesWhatMakesNoBound) {
  EXPECT_THROW(Liveness({.bound_ns_min = 0}), core::Error);
  EXPECT_THROW(Liveness({.bound_ns_max = 1}), core::Error);
  EXPECT_THROW(Liveness({.acknowledge_ns = 0}), core::Error);
  EXPECT_THROW(Liveness({.memory_ns = 0}), core::Error);
  EXPECT_THROW(Liveness().add(at(0), -1), core::Error);
}

/// Times of one recorded session per stream: the text of a message up to its data names it.
using Session = std::vector<std::pair<std::int64_t, std::string>>;

std::vector<Session> recorded_sessions() {
  std::vector<Session> sessions;
  const char* const root = std::getenv("PERP_CAPTURES_DIR");
  if (root == nullptr) return sessions;
  std::vector<std::string> paths;
  for (const char* name :
       {"binance/ws_combined_btcusdt_2023-04-04.tsv", "binance/ws_combined_btcusdt_2024-08-08.tsv",
        "binance/ws_combined_ethusdt_2024-07-18.tsv",
        "history/binance_um_raw_ws_btcusdt_20240808.txt.gz"})
    paths.push_back(std::string(root) + "/" + name);
  std::vector<SkippedFile> skipped;
  for (const RecordingFile& file : find_recordings(paths, {}, skipped)) {
    RecordingReader reader(file);
    Session session;
    for (RecordedMessage message; reader.next(message);) {
      if (message.is_rest || !message.payload.starts_with("{\"stream\":\"")) continue;
      const std::string_view rest = message.payload.substr(11);
      session.emplace_back(message.receive_ns, rest.substr(0, rest.find('"')));
    }
    sessions.push_back(session);
  }
  return sessions;
}

/// Plays a session with a scan each 100 ms and for `tail_ns` behind its end. Alarms by stream, with
/// their times. Data of `killed` stops after a third of the session, which `cut_ns` takes.
std::map<std::string, std::int64_t> alarms(const Session& session, const std::string& killed,
                                           std::int64_t tail_ns, std::int64_t& cut_ns) {
  Liveness liveness;
  std::map<std::string, std::size_t> numbers;
  std::vector<std::string> names;
  std::map<std::string, std::int64_t> found;
  std::int64_t next_scan = session.front().first;
  const std::int64_t begin = session.front().first;
  const std::int64_t end = session.back().first;
  cut_ns = begin + (end - begin) / 3;
  for (const auto& [ns, name] : session)
    if (numbers.emplace(name, names.size()).second) {
      names.push_back(name);
      liveness.on_acknowledged(liveness.add({begin}, 2 * ns_per_second), {begin});
    }
  const auto scan_until = [&](std::int64_t until) {
    for (; next_scan <= until; next_scan += ns_per_second / 10)
      liveness.scan({next_scan}, [&](const Liveness::Change& change) {
        if (change.after == State::silent) found.emplace(names[change.subscription], next_scan);
      });
  };
  std::int64_t last_kept = begin;
  for (const auto& [ns, name] : session) {
    scan_until(ns);
    if (name == killed && ns > cut_ns) continue;
    if (name == killed) last_kept = ns;
    liveness.on_data(numbers.at(name), {ns});
  }
  scan_until(end + tail_ns);
  cut_ns = last_kept;
  return found;
}

TEST(Liveness, RecordedSessionsRaiseNoAlarmAndAKilledStreamIsFoundInTime) {
  const std::vector<Session> sessions = recorded_sessions();
  if (sessions.empty()) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recordings to read";
  for (const Session& session : sessions) {
    ASSERT_GT(session.size(), 1'000u);
    std::int64_t cut_ns = 0;
    EXPECT_TRUE(alarms(session, "", 0, cut_ns).empty());
    const std::string killed = session.front().second;
    const auto found = alarms(session, killed, 90 * ns_per_second, cut_ns);
    ASSERT_TRUE(found.contains(killed)) << killed;
    EXPECT_LE(found.at(killed) - cut_ns, 15 * ns_per_second + ns_per_second / 5) << killed;
  }
}

}  // namespace
}  // namespace perp::feed
