#include <perp/core/error.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace perp::venue {
namespace {

struct Load {
  std::size_t topics = 0;
  std::size_t heavy = 0;
  std::size_t bytes = 0;
};

bool within(std::size_t count, std::uint32_t limit) { return limit == 0 || count <= limit; }

bool has_room(const SocketLimits& limits, const Load& load, const Stream& stream,
              std::string_view topic) {
  return within(load.topics + 1, limits.topics_per_connection) &&
         (!stream.is_heavy || within(load.heavy + 1, limits.heavy_per_connection)) &&
         within(load.bytes + topic_cost_bytes(topic), limits.topic_bytes_per_connection);
}

std::string topic_of(const Connect& connect, const Stream& stream, std::string_view symbol) {
  std::string topic(stream.prefix);
  if (stream.is_venue_wide) return topic;
  for (const char byte : symbol) {
    const bool is_upper = byte >= 'A' && byte <= 'Z';
    topic += connect.is_symbol_lower_case && is_upper ? static_cast<char>(byte - 'A' + 'a') : byte;
  }
  topic += stream.suffix;
  return topic;
}

/// Places topics, first fit, so that one more contract moves nothing.
class Planner {
 public:
  Planner(const Connect& connect, Plan& plan, std::span<const Shard> has)
      : connect_(connect), plan_(plan), has_(has.size()), loads_(has.size()) {
    for (const Shard& shard : has) plan_.shards.push_back({.socket = shard.socket});
  }

  /// It is there already.
  void keep(std::size_t shard, Topic topic) { put(shard, std::move(topic)); }

  void place(Topic topic) {
    const Stream& stream = connect_.streams[topic.stream];
    const SocketLimits& limits = connect_.sockets[stream.socket].limits;
    if (topic.text.size() > topic_bytes_max)
      throw core::Error("too long a topic", topic.text,
                        "a topic has at most " + std::to_string(topic_bytes_max) + " bytes");
    std::size_t open = 0;
    std::size_t topics = 0;
    std::size_t found = plan_.shards.size();
    for (std::size_t i = 0; i < plan_.shards.size(); ++i) {
      if (plan_.shards[i].socket != stream.socket) continue;
      ++open;
      topics += plan_.shards[i].topics.size();
      // What exists was dialled for its own topic, where the topic is the address.
      const bool is_taken = i < has_ && connect_.sockets[stream.socket].is_topic_the_target;
      if (found == plan_.shards.size() && !is_taken &&
          has_room(limits, loads_[i], stream, topic.text))
        found = i;
    }
    const bool is_new = found == plan_.shards.size();
    if (!within(topics + 1, limits.topics_per_address) ||
        (is_new && (!within(open + 1, limits.connections_open) ||
                    !has_room(limits, {}, stream, topic.text)))) {
      ++plan_.left_out;
      return;
    }
    if (is_new) {
      plan_.shards.push_back({.socket = stream.socket});
      loads_.emplace_back();
    }
    put(found, std::move(topic));
  }

 private:
  void put(std::size_t shard, Topic topic) {
    Load& load = loads_[shard];
    ++load.topics;
    load.heavy += connect_.streams[topic.stream].is_heavy ? 1U : 0U;
    load.bytes += topic_cost_bytes(topic.text);
    plan_.shards[shard].topics.push_back(std::move(topic));
  }

  const Connect& connect_;
  Plan& plan_;
  std::size_t has_;  ///< connections that exist: the first ones
  std::vector<Load> loads_;
};

}  // namespace

Plan plan_subscriptions(const Connect& connect, StreamKinds wanted,
                        std::span<const std::string_view> symbols, std::span<const Shard> has) {
  std::unordered_set<std::string_view> seen;
  for (const std::string_view symbol : symbols) {
    if (symbol.empty()) throw core::Error("an empty symbol", "subscriptions", "it names nothing");
    if (!seen.insert(symbol).second)
      throw core::Error("symbol '" + std::string(symbol) + "' is there twice", "subscriptions",
                        "a contract has one subscription of a kind");
  }
  std::vector<Topic> topics;
  const auto add = [&](bool is_venue_wide, std::uint32_t symbol) {
    for (std::uint32_t i = 0; i < connect.streams.size(); ++i) {
      const Stream& stream = connect.streams[i];
      if ((stream.kinds & wanted) == 0 || stream.is_venue_wide != is_venue_wide) continue;
      topics.push_back(
          {.text = topic_of(connect, stream, is_venue_wide ? std::string_view() : symbols[symbol]),
           .stream = i,
           .symbol = symbol});
    }
  };
  add(true, no_symbol);
  for (std::uint32_t i = 0; i < symbols.size(); ++i) add(false, i);

  Plan plan;
  Planner planner(connect, plan, has);
  if (!has.empty()) {
    std::unordered_map<std::string_view, std::size_t> by_text;
    for (std::size_t i = 0; i < topics.size(); ++i) by_text.emplace(topics[i].text, i);
    std::vector<bool> is_kept(topics.size());
    for (std::size_t shard = 0; shard < has.size(); ++shard)
      for (const Topic& topic : has[shard].topics) {
        const auto found = by_text.find(topic.text);
        if (found == by_text.end() || is_kept[found->second]) continue;
        is_kept[found->second] = true;
        planner.keep(shard, topics[found->second]);
      }
    std::vector<Topic> fresh;
    for (std::size_t i = 0; i < topics.size(); ++i)
      if (!is_kept[i]) fresh.push_back(std::move(topics[i]));
    topics = std::move(fresh);
  }
  for (Topic& topic : topics) planner.place(std::move(topic));
  StreamKinds streamed = 0;
  for (const Stream& stream : connect.streams) streamed |= stream.kinds;
  StreamKinds polled = 0;
  for (const RestCall& call : connect.calls)
    if (call.purpose == RestPurpose::poll) polled |= call.kinds;
  plan.polled = wanted & polled & ~streamed;
  plan.absent = wanted & ~streamed & ~polled;
  return plan;
}

std::string dial_target(const Connect& connect, const Shard& shard) {
  const Socket& socket = connect.sockets[shard.socket];
  std::string target(socket.target);
  if (socket.is_topic_the_target && !shard.topics.empty()) target += shard.topics.front().text;
  return target;
}

std::vector<ClientFrame> make_frames(const Connect& connect, std::uint32_t socket, Verb verb,
                                     std::span<const Topic> topics, std::uint64_t first_id) {
  std::vector<ClientFrame> frames;
  if (connect.write_frame == nullptr || connect.sockets[socket].is_topic_the_target) return frames;
  const SocketLimits& limits = connect.sockets[socket].limits;
  for (std::size_t first = 0; first < topics.size();) {
    ClientFrame frame;
    frame.id = first_id + frames.size();
    std::size_t count = std::min<std::size_t>(topics.size() - first,
                                              std::max<std::uint32_t>(1, limits.topics_per_frame));
    for (;; count = (count + 1) / 2) {
      frame.text.clear();
      connect.write_frame(verb, frame.id, topics.subspan(first, count), frame.text);
      if (count == 1 || within(frame.text.size(), limits.frame_bytes)) break;
    }
    frame.first = static_cast<std::uint32_t>(first);
    frame.count = static_cast<std::uint32_t>(count);
    first += count;
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace perp::venue
