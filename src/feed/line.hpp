#pragma once
// One WebSocket connection of a venue: dialled, asked for its topics at the venue's pace, pinged by
// the venue's rule, and given up when nothing answers. It decides nothing about life: its shard
// does. Belongs to the feed's thread.
#include "feed/rate_window.hpp"

#include <perp/net/loop.hpp>
#include <perp/net/websocket_client.hpp>
#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::feed {

class Line;

class LineOwner {
 public:
  virtual void on_line_open(Line& line) = 0;
  /// Data, or something that the decoder is to judge. @param subscription may be none of ours
  virtual void on_line_data(Line& line, std::uint32_t subscription, std::string_view text,
                            core::WallNs receive_ns) = 0;
  virtual void on_line_acknowledged(Line& line, std::uint32_t subscription) = 0;
  virtual void on_line_refused(Line& line, std::uint32_t subscription, venue::Refusal refusal,
                               std::string_view words) = 0;
  virtual void on_line_batch(Line& line) = 0;
  /// The venue will cut it soon.
  virtual void on_line_closing(Line& line) = 0;
  virtual void on_line_end(Line& line, const net::WebSocketEnd& end) = 0;

 protected:
  ~LineOwner() = default;
};

/// What the lines of a feed share.
struct LineSetting {
  net::Loop& loop;
  net::Resolver& resolver;
  const net::TlsContext& tls;
  const venue::Connect& connect;
  std::uint32_t socket = 0;              ///< index into Connect::sockets
  RateWindow* address_frames = nullptr;  ///< of all lines
  double haste = 1;                      ///< LiveFeedOptions::haste
};

class Line final : private net::WebSocketHandler {
 public:
  /// @param table of the topics, numbered as `topics`; both are the shard's and may grow
  Line(const LineSetting& setting, LineOwner& owner, const venue::SubscriptionTable& table,
       const std::vector<venue::Topic>& topics);

  /// @param token what the venue said of this connection; nullptr where it is not asked
  void dial(const net::Url& url, const net::WebSocketConnectOptions& options,
            const venue::TokenReply* token = nullptr);
  /// Queues frames about these topics, by their numbers.
  void ask(venue::Verb verb, std::span<const std::uint32_t> subscriptions);
  /// Sends what a message asked for at once (a venue's own ping).
  void answer(std::string_view text) { static_cast<void>(send(text)); }
  /// Sends what the venue's pace allows, pings, and ends the connection if nothing answers. Each
  /// 100 ms.
  void tick(core::MonoNs now);
  /// The close handshake; on_line_end() follows.
  void close(std::string_view reason);
  /// Gone, without an event.
  void abort() noexcept;

  bool is_open() const noexcept { return client_.is_open(); }
  bool exists() const noexcept { return client_.exists(); }
  core::MonoNs opened_at() const noexcept { return opened_at_; }
  /// When anything came last.
  core::MonoNs heard_at() const noexcept { return heard_at_; }
  std::uint64_t messages() const noexcept { return messages_; }
  std::uint64_t unexpected() const noexcept { return unexpected_; }
  std::string security() const { return client_.security(); }
  const std::string& why() const noexcept { return why_; }

  static constexpr std::int64_t quiet_ns = 5 * core::ns_per_second;
  static constexpr std::int64_t answer_ns = 5 * core::ns_per_second;

 private:
  struct Frame {
    std::uint64_t id = 0;
    venue::Verb verb = venue::Verb::subscribe;
    std::vector<std::uint32_t> subscriptions{};
    std::string text{};
  };

  void on_open(const net::WebSocketClientHandshake& handshake) override;
  void on_message(const net::WebSocketMessage& message, core::WallNs receive_ns) override;
  void on_batch() override;
  void on_end(const net::WebSocketEnd& end) override;

  void read(const venue::Incoming& incoming, std::string_view text, core::WallNs receive_ns);
  void acknowledge(const venue::Incoming& incoming);
  void refuse(const venue::Incoming& incoming);
  void send_frames(core::MonoNs now);
  void ping(core::MonoNs now);
  bool send(std::string_view text);
  void give_up(std::string why);
  void end_dead(std::string why);
  std::int64_t hastened(std::int64_t ns) const noexcept {
    return static_cast<std::int64_t>(static_cast<double>(ns) / setting_.haste);
  }
  const venue::Socket& socket() const { return setting_.connect.sockets[setting_.socket]; }

  LineSetting setting_;
  LineOwner& owner_;
  const venue::SubscriptionTable& table_;
  const std::vector<venue::Topic>& topics_;
  venue::PingRule ping_rule_;
  RateWindow frame_rate_;
  std::deque<Frame> frames_;  ///< to be sent
  std::deque<Frame> asked_;   ///< sent, not answered; without their text
  std::uint64_t next_id_ = 1;
  bool waits_for_greeting_ = false;
  core::MonoNs opened_at_{};
  core::MonoNs heard_at_{};
  core::MonoNs told_at_{};    ///< when a message came last, pings and pongs apart
  core::MonoNs pinged_at_{};  ///< in either way
  core::MonoNs asked_at_{};   ///< by the venue's own rule
  bool awaits_pong_ = false;
  std::uint64_t messages_ = 0;
  std::uint64_t unexpected_ = 0;
  std::string why_;  ///< we gave it up
  net::WebSocketClient client_;
};

}  // namespace perp::feed
