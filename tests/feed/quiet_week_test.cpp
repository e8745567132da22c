// Goal: a quiet market raises no alarm in a week, and what breaks in it is still found within the
// stated bound. Method: no real time passes. Each venue's streams, as its table has them, for three
// contracts (steady, quiet, all but dead): events by chance (Poisson) with a day's rhythm and a
// weekend, and what the venue repeats by its clock; judged a second at a time by what a shard uses.
#include "feed/topic_activity.hpp"

#include <perp/core/prng.hpp>
#include <perp/feed/liveness.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <numbers>
#include <string>
#include <vector>

namespace perp::feed {
namespace {

using core::ns_per_second;
using market::VenueId;
using venue::kinds_of;
using enum venue::StreamKind;

constexpr std::int64_t week_s = 7 * 86'400;

/// How often a stream speaks, in messages a second at the day's busiest.
struct Rhythm {
  double per_second = 0;
  double every_s = 0;  ///< by the venue's clock, whatever happens; 0: it has none
};

/// A steady contract has two changes of its book a second at noon and a trade in three; a quiet one
/// a tenth of that, a dead one a trade in an hour.
Rhythm rhythm_of(VenueId venue, const venue::Stream& stream, int contract) {
  const double scale = contract == 0 ? 1 : contract == 1 ? 0.1 : 0.001;
  const venue::StreamKinds kinds = stream.kinds;
  if ((kinds & kinds_of(liquidations)) != 0) return {.per_second = 1 / 21'600.0};
  if ((kinds & kinds_of(book)) != 0) {
    if (venue == VenueId::hyperliquid) return {.every_s = 0.54};
    return {.per_second = 2 * scale, .every_s = venue == VenueId::okx ? 60.0 : 0};
  }
  if ((kinds & kinds_of(bbo)) != 0)
    return {.per_second = 1.2 * scale, .every_s = venue == VenueId::bybit ? 3.0 : 0};
  if ((kinds & kinds_of(trades)) != 0) return {.per_second = 0.3 * scale};
  if ((kinds & kinds_of(kline_1m)) != 0)
    return {.per_second = 0.3 * scale, .every_s = venue == VenueId::bybit ? 60.0 : 0};
  if (venue == VenueId::hyperliquid) return {.every_s = 1};
  if (venue == VenueId::bybit) return {.per_second = 2 * scale, .every_s = 30};
  if ((kinds & kinds_of(mark_price)) != 0) return {.every_s = venue == VenueId::okx ? 10.0 : 1.0};
  if ((kinds & kinds_of(funding)) != 0) return {.every_s = 75};
  if ((kinds & kinds_of(open_interest)) != 0) return {.per_second = 0.2 * scale, .every_s = 30};
  return {.per_second = 1.2 * scale};  // tickers follow quotes
}

/// From 1 at noon to 0.1 at midnight, half of it on the weekend.
double activity_at(double second) {
  const double day = second / 86'400;
  const double rhythm = 0.55 - 0.45 * std::cos(2 * std::numbers::pi * day);
  return rhythm * (std::fmod(day, 7) >= 5 ? 0.5 : 1);
}

/// One connection's topics, and what a shard does about them.
class Market {
 public:
  Market(VenueId venue, std::uint64_t seed) : random_(seed), liveness_(topic_liveness) {
    const venue::Connect& connect = *venue::find_adapter(venue)->connect;
    for (int contract = 0; contract < 3; ++contract)
      for (const venue::Stream& stream : connect.streams) {
        if (stream.is_venue_wide && contract > 0) continue;
        topics_.push_back({.rhythm = rhythm_of(venue, stream, contract), .contract = contract});
        activities_.push_back({.stream = &stream, .symbol = static_cast<std::uint32_t>(contract)});
        liveness_.add({0}, Liveness::no_interval);
        liveness_.on_acknowledged(activities_.size() - 1, {0});
        schedule(topics_.back(), 0);
        if (stream.sends_at_once) topics_.back().next_s = 0;
      }
  }

  std::size_t size() const { return topics_.size(); }
  const venue::Stream& stream(std::size_t i) const { return *activities_[i].stream; }
  int contract(std::size_t i) const { return topics_[i].contract; }
  std::string name(std::size_t i) const {
    std::string name;
    for (std::size_t kind = 0; kind < venue::stream_kind_count; ++kind)
      if ((stream(i).kinds >> kind & 1) != 0)
        name += std::string(venue::name_of(static_cast<venue::StreamKind>(kind))) + " ";
    return name + "of contract " + std::to_string(contract(i));
  }
  /// From now on nothing of it arrives.
  void silence(std::size_t i) { topics_[i].is_broken = true; }

  /// Plays up to that second. @returns alarms: topic and second of each
  std::multimap<std::size_t, std::int64_t> play_until(std::int64_t end_s) {
    std::multimap<std::size_t, std::int64_t> alarms;
    for (; now_s_ < end_s; ++now_s_) {
      const core::MonoNs now{now_s_ * ns_per_second};
      for (std::size_t i = 0; i < topics_.size(); ++i)
        for (Topic& topic = topics_[i]; topic.next_s <= static_cast<double>(now_s_);
             schedule(topic, topic.next_s)) {
          if (topic.is_broken) continue;
          liveness_.on_data(i, {static_cast<std::int64_t>(topic.next_s * 1e9)});
          ++activities_[i].messages;
        }
      liveness_.on_heartbeat(now);
      if (now_s_ % (TopicActivity::window_ns / ns_per_second) == 0) {
        for (std::size_t i = 0; i < topics_.size(); ++i)
          activities_[i].is_mute = liveness_.state(i) == Liveness::State::acknowledged;
        judge_activity(activities_);
        for (std::size_t i = 0; i < topics_.size(); ++i)
          liveness_.expect(i, expected_ns(activities_[i]));
      }
      liveness_.scan(now, [&](const Liveness::Change& change) {
        if (change.after == Liveness::State::silent) alarms.emplace(change.subscription, now_s_);
      });
      for (std::size_t i = 0; i < topics_.size(); ++i) ask_again(i, now);
    }
    return alarms;
  }

 private:
  struct Topic {
    Rhythm rhythm;
    int contract = 0;
    bool is_broken = false;
    double next_s = 0;
    double next_event_s = 0;
    double next_repeat_s = 0;
    std::int64_t ask_again_s = 0;
  };

  void schedule(Topic& topic, double at_s) {
    constexpr double never = 1e18;
    if (topic.next_event_s <= at_s)
      topic.next_event_s = topic.rhythm.per_second == 0
                               ? never
                               : at_s - std::log(1 - random_.uniform()) /
                                            (topic.rhythm.per_second * activity_at(at_s));
    // Its clock is late by up to a tenth.
    if (topic.next_repeat_s <= at_s)
      topic.next_repeat_s = topic.rhythm.every_s == 0
                                ? never
                                : at_s + topic.rhythm.every_s * (1 + 0.1 * random_.uniform());
    topic.next_s = std::min(topic.next_event_s, topic.next_repeat_s);
  }

  void ask_again(std::size_t i, core::MonoNs now) {
    if (liveness_.state(i) != Liveness::State::silent || now_s_ < topics_[i].ask_again_s) return;
    std::uint8_t& fruitless = activities_[i].fruitless;
    if (fruitless < TopicActivity::fruitless_max) ++fruitless;
    topics_[i].ask_again_s = now_s_ + asked_again_for_ns(fruitless) / ns_per_second;
    liveness_.on_request(i, now);
    liveness_.on_acknowledged(i, now);
  }

  core::Prng random_;
  Liveness liveness_;
  std::vector<Topic> topics_;
  std::vector<TopicActivity> activities_;
  std::int64_t now_s_ = 0;
};

class QuietWeek : public testing::TestWithParam<VenueId> {};

TEST_P(QuietWeek, RaisesNoAlarm) {
  Market market(GetParam(), 1);
  for (const auto& [topic, second] : market.play_until(week_s))
    ADD_FAILURE() << market.name(topic) << " at second " << second;
}

TEST_P(QuietWeek, WhatBreaksAtNoonIsFoundWithinItsBound) {
  constexpr std::int64_t noon_s = 43'200;
  std::size_t judged = 0;
  for (std::size_t i = 0; i < Market(GetParam(), 2).size(); ++i) {
    Market market(GetParam(), 2);
    // What the venue repeats by its clock speaks for every contract; else the steady one's book
    // and quotes do. A trade in three seconds is no stated bound's.
    const venue::Stream& stream = market.stream(i);
    const bool is_steady = market.contract(i) == 0 && (stream.kinds & kinds_of(book, bbo)) != 0;
    if (stream.silence_ns_quiet == 0 && !is_steady) continue;
    ++judged;
    market.play_until(noon_s - 3600 - 1);
    EXPECT_TRUE(market.play_until(noon_s).empty());
    market.silence(i);
    // Twice the longest gap that was seen to end may be more than the stated bound.
    const std::int64_t stated_s =
        std::max(stream.silence_ns_quiet, stream.silence_ns) / ns_per_second;
    const auto alarms = market.play_until(noon_s + 2 * std::max<std::int64_t>(stated_s, 15) + 10);
    EXPECT_GE(alarms.count(i), 1U) << market.name(i);
    EXPECT_EQ(alarms.count(i), alarms.size()) << "and nothing else is called silent";
  }
  EXPECT_GE(judged, 2U);
}

TEST_P(QuietWeek, WhatIsAcknowledgedAndNeverSpeaksIsFound) {
  for (std::size_t i = 0; i < Market(GetParam(), 3).size(); ++i) {
    Market market(GetParam(), 3);
    const venue::Stream& stream = market.stream(i);
    const bool has_state =
        stream.sends_at_once && (stream.kinds & kinds_of(trades)) == 0;  // and says it at once
    // Hyperliquid's book repeats itself, which is no sign that its quotes should move.
    const bool has_sign = market.contract(i) == 0 && (stream.kinds & kinds_of(book, bbo)) != 0 &&
                          GetParam() != VenueId::hyperliquid;
    if (stream.silence_ns_quiet == 0 && !has_sign && !has_state) continue;
    market.silence(i);
    if (has_state) {
      EXPECT_GE(market
                    .play_until(std::max<std::int64_t>(15, stream.silence_ns / ns_per_second) +
                                TopicActivity::window_ns / ns_per_second + 1)
                    .count(i),
                1U)
          << market.name(i);
      continue;
    }
    // From nine in the morning on: at midnight the steady contract is no such thing.
    const std::int64_t stated_s =
        std::max(stream.silence_ns_quiet, stream.silence_ns) / ns_per_second;
    EXPECT_GE(market.play_until(9 * 3600 + stated_s).count(i), 1U) << market.name(i);
  }
}

INSTANTIATE_TEST_SUITE_P(Venues, QuietWeek,
                         testing::Values(VenueId::binance, VenueId::bybit, VenueId::okx,
                                         VenueId::hyperliquid),
                         [](const auto& venue) {
                           return std::string(market::find_venue(venue.param)->key);
                         });

TEST(TopicActivity, ATickerIsNoSignThatTradesShouldSpeak) {
  const venue::Stream trades_stream{.kinds = kinds_of(trades), .silence_ns = core::ns_per_minute};
  const venue::Stream ticker_stream{.kinds = kinds_of(ticker)};
  const venue::Stream candle_stream{.kinds = kinds_of(kline_1m)};
  std::vector<TopicActivity> topics{{.stream = &trades_stream},
                                    {.stream = &ticker_stream, .messages = 100}};
  judge_activity(topics);
  EXPECT_EQ(expected_ns(topics[0]), Liveness::no_interval);
  topics[1] = {.stream = &candle_stream, .messages = 100};
  judge_activity(topics);
  EXPECT_EQ(expected_ns(topics[0]), core::ns_per_minute / 2);
  topics[1] = {.stream = &candle_stream, .symbol = 1, .messages = 100};
  topics[0] = {.stream = &trades_stream};
  judge_activity(topics);
  EXPECT_EQ(expected_ns(topics[0]), Liveness::no_interval) << "another contract's";
}

TEST(TopicActivity, WhatBeginsWithItsStateIsMissedWhereItHasNot) {
  const venue::Stream stream{
      .kinds = kinds_of(book), .sends_at_once = true, .silence_ns = 10 * ns_per_second};
  TopicActivity topic{.stream = &stream};
  EXPECT_EQ(expected_ns(topic), Liveness::no_interval);
  topic.is_mute = true;
  EXPECT_EQ(expected_ns(topic), 5 * ns_per_second);
  const venue::Stream without{.kinds = kinds_of(book), .silence_ns = 10 * ns_per_second};
  topic.stream = &without;
  EXPECT_EQ(expected_ns(topic), Liveness::no_interval);
}

TEST(TopicActivity, TheBoundFollowsTheRate) {
  const venue::Stream stream{.kinds = kinds_of(book), .silence_ns = 10 * ns_per_second};
  std::vector<TopicActivity> topics{{.stream = &stream}};
  const auto bound_s = [&](std::uint32_t messages) {
    topics[0].messages = messages;
    judge_activity(topics);
    return 2.0 * static_cast<double>(expected_ns(topics[0])) / 1e9;
  };
  EXPECT_EQ(bound_s(9), 0) << "never busy";
  EXPECT_EQ(bound_s(91), 10) << "five a second: the stated bound";
  EXPECT_NEAR(bound_s(0), 10, 1e-9) << "once busy it stays so";
  for (int i = 0; i < 1000; ++i) bound_s(10);
  EXPECT_NEAR(bound_s(10), 20, 0.1) << "one a second may be silent for 20 s";
  for (int i = 0; i < 1000; ++i) bound_s(1);
  EXPECT_NEAR(bound_s(1), 200, 1) << "one in ten seconds for 200 s";
  for (int i = 0; i < 1000; ++i) bound_s(0);
  EXPECT_EQ(bound_s(0), 0) << "a market that sleeps is not judged";
}

}  // namespace
}  // namespace perp::feed
