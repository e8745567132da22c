#include "feed/topic_activity.hpp"

#include <algorithm>

namespace perp::feed {
namespace {

using venue::kinds_of;
using enum venue::StreamKind;

/// Streams whose messages show that another one of the contract should speak: the best quote moves
/// with the book, and a candle with a trade. A ticker moves without trades, and a book moves far
/// from its best quotes, but of what has never spoken that is the only sign.
constexpr venue::StreamKinds signs_for(venue::StreamKinds kinds) {
  if ((kinds & kinds_of(book, bbo)) != 0) return kinds_of(book, bbo);
  if ((kinds & kinds_of(trades, kline_1m, ticker)) != 0) return kinds_of(trades, kline_1m);
  return 0;
}

void learn_rate(TopicActivity& topic) {
  if (topic.windows == 0 && topic.messages == 0) return;
  if (topic.windows < TopicActivity::rate_windows) ++topic.windows;
  topic.rate += (topic.messages - topic.rate) / topic.windows;
}

}  // namespace

void judge_activity(std::span<TopicActivity> topics) {
  for (std::size_t i = 0; i < topics.size(); ++i) {
    TopicActivity& topic = topics[i];
    if (!topic.is_watched) continue;
    const venue::StreamKinds signs = signs_for(topic.stream->kinds);
    const auto moves_with = [&](std::size_t other) {
      return (topics[other].stream->kinds & signs) != 0 && !topics[other].stream->is_clocked &&
             topics[other].messages >= TopicActivity::busy_messages;
    };
    bool is_busy = topic.messages >= TopicActivity::busy_messages;
    for (std::size_t j = i; !is_busy && j-- > 0 && topics[j].symbol == topic.symbol;)
      is_busy = moves_with(j);
    for (std::size_t j = i + 1; !is_busy && j < topics.size() && topics[j].symbol == topic.symbol;
         ++j)
      is_busy = moves_with(j);
    if (topic.messages > 0) topic.fruitless = 0;
    // What was busy stays so until it has been asked for again in vain: then its market is quiet.
    topic.is_busy = is_busy || (topic.is_busy && topic.fruitless < 2);
  }
  for (TopicActivity& topic : topics) {
    if (topic.is_watched) learn_rate(topic);
    topic.messages = 0;
  }
}

std::int64_t expected_ns(const TopicActivity& topic) {
  // Trades that begin with those of before may have none.
  if (topic.is_mute && topic.stream->sends_at_once && (topic.stream->kinds & kinds_of(trades)) == 0)
    return topic.stream->silence_ns / 2;
  const std::int64_t quiet_ns = topic.stream->silence_ns_quiet;
  if (!topic.is_busy || topic.stream->silence_ns == 0) return quiet_ns / 2;
  if (topic.windows == 0) return topic.stream->silence_ns / 2;
  const double improbable_ns = TopicActivity::improbable_messages *
                               static_cast<double>(TopicActivity::window_ns) /
                               std::max(topic.rate, 1e-3);
  if (improbable_ns > static_cast<double>(quiet_ns > 0 ? quiet_ns : topic_liveness.bound_ns_max))
    return quiet_ns / 2;
  return std::max(topic.stream->silence_ns, static_cast<std::int64_t>(improbable_ns)) / 2;
}

}  // namespace perp::feed
