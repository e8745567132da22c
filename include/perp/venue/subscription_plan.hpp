#pragma once
// From "these kinds of these contracts" to connections: topics, shards within the venue's limits,
// and the frames that ask for them. Deterministic: the same wish gives the same plan, and a
// contract at the end of the list moves none of those before it. Cold path, any thread.
#include <perp/venue/connect.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue {

inline constexpr std::uint32_t no_symbol = ~std::uint32_t{0};

struct Topic {
  std::string text{};
  std::uint32_t stream = 0;          ///< index into Connect::streams
  std::uint32_t symbol = no_symbol;  ///< index into the symbols asked for; none if venue-wide
};

/// One connection to be.
struct Shard {
  std::uint32_t socket = 0;  ///< index into Connect::sockets
  std::vector<Topic> topics{};
};

struct Plan {
  std::vector<Shard> shards{};
  StreamKinds polled = 0;    ///< wanted, no stream has it: RestPurpose::poll brings it
  StreamKinds absent = 0;    ///< wanted, and the venue has it nowhere
  std::size_t left_out = 0;  ///< topics beyond what one address may have: the last contracts'
};

/// @param symbols native names as the instrument list spells them
/// @param has connections that exist, with the topics that they carry. What is wanted of those
/// stays where it is, what is not is absent from the answer, the rest goes where there is room, on
/// those first. They keep their places in the answer, without topics where nothing of theirs is
/// wanted.
/// @throws core::Error for a symbol that is empty, twice there, or makes too long a topic.
Plan plan_subscriptions(const Connect& connect, StreamKinds wanted,
                        std::span<const std::string_view> symbols, std::span<const Shard> has = {});

/// What a topic counts in SocketLimits::topic_bytes_per_connection.
constexpr std::size_t topic_cost_bytes(std::string_view topic) { return topic.size() + 3; }

/// The path to dial for a shard: the socket's, and the topic where that is the target.
std::string dial_target(const Connect& connect, const Shard& shard);

struct ClientFrame {
  std::uint64_t id = 0;
  std::uint32_t first = 0;  ///< index into the topics given
  std::uint32_t count = 0;
  std::string text{};
};

/// Messages that (un)subscribe all the topics, each within the limits of a frame.
/// @param first_id the first frame's; the others count on
std::vector<ClientFrame> make_frames(const Connect& connect, std::uint32_t socket, Verb verb,
                                     std::span<const Topic> topics, std::uint64_t first_id);

}  // namespace perp::venue
