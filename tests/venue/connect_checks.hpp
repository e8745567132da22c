#pragma once
// What holds for the connect data of every venue, and the reading of recorded frames by it. The
// independent truth: nlohmann_json reads what builders write and what recordings say.
#include "venue/capture.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/rest_request.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue::test {

/// A table of these topics.
inline SubscriptionTable table_of(const std::vector<std::string>& topics) {
  const std::vector<std::string_view> views(topics.begin(), topics.end());
  return SubscriptionTable(views);
}

/// In a heap block of its own without padding, so that a sanitizer sees a read behind it.
inline Incoming classify(const Connect& connect, const SubscriptionTable& table,
                         const std::string& payload) {
  static std::vector<char> held;  // views point into it
  held.assign(payload.begin(), payload.end());
  held.shrink_to_fit();
  return connect.classify(table, {held.data(), held.size()});
}

inline const RestCall* find_call(const Connect& connect, RestPurpose purpose,
                                 std::string_view endpoint) {
  for (const RestCall& call : connect.calls)
    if (call.purpose == purpose && call.endpoint == endpoint) return &call;
  ADD_FAILURE() << "no call " << endpoint;
  return nullptr;
}

inline std::string frame_text(const Connect& connect, Verb verb, std::uint64_t id,
                              const std::vector<std::string>& texts) {
  std::vector<Topic> topics;
  for (const std::string& text : texts) topics.push_back({.text = text});
  std::string out;
  connect.write_frame(verb, id, topics, out);
  return out;
}

/// All topics of a plan, sorted.
inline std::vector<std::string> topics_of(const Plan& plan) {
  std::vector<std::string> topics;
  for (const Shard& shard : plan.shards)
    for (const Topic& topic : shard.topics) topics.push_back(topic.text);
  std::sort(topics.begin(), topics.end());
  return topics;
}

inline std::vector<std::string> topics_of(const Connect& connect, StreamKinds wanted,
                                          const std::vector<std::string_view>& symbols) {
  return topics_of(plan_subscriptions(connect, wanted, symbols));
}

/// Whether the data of a venue is whole: every index means something, every kind has one source,
/// every call an endpoint that the adapter decodes.
inline void check_data(const Adapter& adapter) {
  ASSERT_NE(adapter.connect, nullptr);
  const Connect& connect = *adapter.connect;
  ASSERT_NE(connect.classify, nullptr);
  EXPECT_FALSE(connect.sockets.empty());
  EXPECT_TRUE(connect.rest_origin == adapter.spec.rest_url);
  for (const Socket& socket : connect.sockets) {
    EXPECT_TRUE(socket.origin.starts_with("wss://")) << socket.name;
    EXPECT_TRUE(socket.target.starts_with("/")) << socket.name;
    EXPECT_NE(adapter.spec.ws_urls.find(std::string(socket.origin) + std::string(socket.target)),
              std::string_view::npos)
        << socket.name << " is not among the adapter's addresses";
    EXPECT_LT(socket.limits.roll_over_ns, socket.limits.lifetime_ns + 1);
    if (socket.ping.interval_ns != 0) {
      EXPECT_FALSE(socket.ping.text.empty());
      EXPECT_GT(socket.ping.pong_timeout_ns, 0);
      if (socket.limits.idle_cut_ns != 0) {
        EXPECT_LT(socket.ping.interval_ns, socket.limits.idle_cut_ns);
      }
    }
  }
  StreamKinds streamed = 0;
  for (const Stream& stream : connect.streams) {
    EXPECT_LT(stream.socket, connect.sockets.size());
    EXPECT_NE(stream.kinds, 0U);
    EXPECT_EQ(streamed & stream.kinds, 0U) << "two streams of one kind: " << stream.prefix;
    streamed |= stream.kinds;
    EXPECT_TRUE(stream.silence_ns == 0 || stream.silence_ns > stream.interval_ns);
    EXPECT_TRUE(stream.silence_ns_quiet == 0 || stream.silence_ns_quiet >= stream.silence_ns);
  }
  StreamKinds polled = 0;
  for (const RestCall& call : connect.calls) {
    EXPECT_LT(call.pool, connect.pools.size()) << call.endpoint;
    EXPECT_GT(call.weight, 0U) << call.endpoint;
    EXPECT_EQ(call.purpose == RestPurpose::poll,
              call.purpose == RestPurpose::poll && call.interval_ns > 0 && call.kinds != 0)
        << call.endpoint;
    if (call.purpose == RestPurpose::poll) polled |= call.kinds;
    const auto request = make_request(
        adapter, call, {.symbol = "BTC", .from_id = 1, .until_id = 2, .start_ms = 3, .end_ms = 4});
    ASSERT_TRUE(request.has_value()) << call.endpoint;
    EXPECT_EQ((request->target + request->body).find_first_of("<>"), std::string::npos)
        << request->target << request->body;
    if (!request->body.empty()) {
      EXPECT_TRUE(Json::accept(request->body)) << request->body;
    }
    if (call.is_per_symbol) {
      EXPECT_FALSE(make_request(adapter, call, {.start_ms = 1, .end_ms = 2}).has_value())
          << call.endpoint << " without its symbol";
    }
  }
  EXPECT_EQ(streamed & polled, 0U) << "polled although a stream has it";
  EXPECT_EQ(all_kinds & ~streamed & ~polled, connect.without_source);
  EXPECT_EQ(connect.book_resync == BookResync::rest_snapshot,
            std::any_of(connect.calls.begin(), connect.calls.end(), [](const RestCall& call) {
              return call.purpose == RestPurpose::book_snapshot;
            }));
}

/// Plans for random wishes never exceed a limit, lose or double a topic, and grow at their end
/// only. The limits are counted here anew, from the plan.
inline void check_plans(const Connect& connect, std::size_t symbols_max) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    const std::string trace = "seed " + std::to_string(seed) + " round " + std::to_string(round);
    const auto wanted = static_cast<StreamKinds>(random() & all_kinds);
    std::vector<std::string> names;
    const std::size_t count = random() % (symbols_max + 1);
    for (std::size_t i = 0; i < count; ++i)
      names.push_back(std::string(1 + random() % 20, static_cast<char>('A' + random() % 26)) +
                      std::to_string(i) + "USDT");
    const std::vector<std::string_view> symbols(names.begin(), names.end());
    const Plan plan = plan_subscriptions(connect, wanted, symbols);
    std::size_t expected = 0;
    for (const Stream& stream : connect.streams)
      if ((stream.kinds & wanted) != 0) expected += stream.is_venue_wide ? 1U : count;
    std::set<std::string> all;
    std::size_t placed = 0;
    std::map<std::uint32_t, std::size_t> connections;
    std::map<std::uint32_t, std::size_t> topics_of_socket;
    for (const Shard& shard : plan.shards) {
      ASSERT_LT(shard.socket, connect.sockets.size()) << trace;
      const SocketLimits& limits = connect.sockets[shard.socket].limits;
      ++connections[shard.socket];
      ASSERT_FALSE(shard.topics.empty()) << trace;
      std::size_t heavy = 0;
      std::size_t bytes = 0;
      for (const Topic& topic : shard.topics) {
        const Stream& stream = connect.streams[topic.stream];
        ASSERT_EQ(stream.socket, shard.socket) << trace << ' ' << topic.text;
        ASSERT_NE(stream.kinds & wanted, 0U) << trace << ' ' << topic.text;
        ASSERT_TRUE(all.insert(topic.text).second) << trace << " twice " << topic.text;
        heavy += stream.is_heavy ? 1U : 0U;
        bytes += topic.text.size() + 3;
      }
      placed += shard.topics.size();
      topics_of_socket[shard.socket] += shard.topics.size();
      ASSERT_TRUE(limits.topics_per_connection == 0 ||
                  shard.topics.size() <= limits.topics_per_connection)
          << trace;
      ASSERT_TRUE(limits.heavy_per_connection == 0 || heavy <= limits.heavy_per_connection)
          << trace;
      ASSERT_TRUE(limits.topic_bytes_per_connection == 0 ||
                  bytes <= limits.topic_bytes_per_connection)
          << trace;
      // The frames that ask for it.
      std::size_t next = 0;
      std::uint64_t id = 7;
      for (const Verb verb : {Verb::subscribe, Verb::unsubscribe}) {
        next = 0;
        id = 7;
        for (const ClientFrame& frame : make_frames(connect, shard.socket, verb, shard.topics, 7)) {
          ASSERT_EQ(frame.id, id++) << trace;
          ASSERT_EQ(frame.first, next) << trace;
          next += frame.count;
          ASSERT_LE(frame.count, limits.topics_per_frame) << trace;
          ASSERT_TRUE(limits.frame_bytes == 0 || frame.text.size() <= limits.frame_bytes) << trace;
          ASSERT_TRUE(Json::accept(frame.text)) << trace << ' ' << frame.text;
        }
        ASSERT_EQ(next, shard.topics.size()) << trace;
      }
    }
    ASSERT_EQ(placed + plan.left_out, expected) << trace;
    for (const auto& [socket, open] : connections) {
      const SocketLimits& limits = connect.sockets[socket].limits;
      ASSERT_TRUE(limits.connections_open == 0 || open <= limits.connections_open) << trace;
      ASSERT_TRUE(limits.topics_per_address == 0 ||
                  topics_of_socket[socket] <= limits.topics_per_address)
          << trace;
    }
    // One contract less: what is left stands where it stood.
    if (count == 0) continue;
    const Plan less = plan_subscriptions(
        connect, wanted, std::span<const std::string_view>(symbols).first(count - 1));
    ASSERT_LE(less.shards.size(), plan.shards.size()) << trace;
    for (std::size_t i = 0; i < less.shards.size(); ++i)
      for (std::size_t k = 0; k < less.shards[i].topics.size(); ++k)
        ASSERT_EQ(less.shards[i].topics[k].text, plan.shards[i].topics[k].text) << trace;
  }
}

/// Whatever is cut off a message or changed in it: no read outside it, an index of the table or
/// none.
inline void check_damaged(const Connect& connect, const SubscriptionTable& table,
                          const std::vector<std::string>& messages) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (const std::string& message : messages) {
    for (std::size_t size = 0; size <= message.size(); ++size) {
      const Incoming found = classify(connect, table, message.substr(0, size));
      ASSERT_TRUE(found.subscription == no_subscription || found.subscription < table.size())
          << "seed " << seed << ' ' << message.substr(0, size);
    }
    for (int round = 0; round < 200; ++round) {
      std::string damaged = message;
      static constexpr std::string_view bytes = "\"\\{}[]:, \0ex1";
      for (int change = 0; change < 3; ++change)
        damaged[random() % damaged.size()] = bytes[random() % bytes.size()];
      const Incoming found = classify(connect, table, damaged);
      ASSERT_TRUE(found.subscription == no_subscription || found.subscription < table.size())
          << "seed " << seed << ' ' << damaged;
    }
  }
}

}  // namespace perp::venue::test
