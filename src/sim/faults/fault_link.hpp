#pragma once
// One connection of perp's, and where it is a WebSocket the one to the venue behind it. Frames are
// read on one side and written on the other, message by message; pings, pongs and close frames pass
// as the others do: neither side is answered by the proxy. Belongs to its loop's thread; must not
// be destroyed inside its own events.
#include "sim/faults/fault_venue.hpp"

#include <perp/net/http_request.hpp>
#include <perp/net/http_writer.hpp>
#include <perp/net/transport.hpp>
#include <perp/net/websocket_handshake.hpp>
#include <perp/net/websocket_parser.hpp>
#include <perp/net/websocket_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

class FaultLink {
 public:
  FaultLink(FaultVenue& venue, std::uint64_t number, net::Socket socket);
  ~FaultLink();

  /// A fault acts on this connection from now on, or once.
  void act(const FaultEpisode& episode);
  /// A fault that lasted is over.
  void end(const FaultEpisode& episode);
  /// The proxy ends: both sides are told in order.
  void stop();

  bool is_websocket() const noexcept { return state_ == State::relaying; }
  bool is_over() const noexcept { return !near_.exists() && !far_.exists(); }
  const std::string& target() const noexcept { return target_; }

 private:
  using Opcode = net::WebSocketOpcode;
  enum class State : std::uint8_t {
    requests,   ///< HTTP, in turn
    answering,  ///< the venue is asked, or nobody answers
    upgrading,  ///< the venue is dialled for a WebSocket
    relaying,   ///< a WebSocket
    leaving,    ///< perp's side ends; what the venue still sends is removed
  };
  struct Near final : net::TransportHandler {
    explicit Near(FaultLink& owner) : link(owner) {}
    void on_open() override {}
    void on_received(net::StreamBuffer& received, core::WallNs) override {
      link.near_received(received);
    }
    void on_flushed() override { link.near_flushed(); }
    void on_end(const net::TransportEnd& end) override { link.near_ended(end); }
    FaultLink& link;
  };
  struct Far final : net::TransportHandler {
    explicit Far(FaultLink& owner) : link(owner) {}
    void on_open() override { link.far_opened(); }
    void on_received(net::StreamBuffer& received, core::WallNs) override {
      link.far_received(received);
    }
    void on_flushed() override { link.far_flushed(); }
    void on_end(const net::TransportEnd& end) override { link.far_ended(end); }
    FaultLink& link;
  };
  struct Held {
    FaultEpisode episode;
    Opcode opcode;
    std::string payload;
    std::uint64_t left = 0;  ///< reorder: messages that pass before it
    bool is_due = false;     ///< stall: it is over
  };
  struct PendingClose {
    std::uint16_t code;
    std::string reason;
  };

  FaultPlace place(bool is_to_venue = false) const noexcept {
    return {venue_.index(), number_, target_, is_to_venue};
  }

  // HTTP (fault_link_http.cpp).
  void read_requests(net::StreamBuffer& received);
  void take_request();
  void ask_venue();
  void relay_answer(const net::HttpReply& reply);
  void answer_as(ActiveFault& fault);
  void respond(int status, std::string_view body, std::span<const net::HttpField> fields = {},
               bool closes = false);
  void dial_venue();
  void far_opened();
  bool read_handshake(net::StreamBuffer& received);
  void refuse_upgrade();

  // WebSocket.
  void near_received(net::StreamBuffer& received);
  void near_flushed();
  void near_ended(const net::TransportEnd& end);
  void near_gone();
  void far_received(net::StreamBuffer& received);
  void far_flushed();
  void far_ended(const net::TransportEnd& end);
  void relay_to_venue(net::StreamBuffer& received);
  void relay_to_perp(net::StreamBuffer& received);
  void to_perp(Opcode opcode, std::string_view payload);
  void to_perp_with_faults(Opcode opcode, std::string_view payload);
  void close_to_perp(std::uint16_t code, std::string_view reason);
  void emit(Opcode opcode, std::string_view payload);
  bool emit_broken(Opcode opcode, std::string_view payload);
  void pass_reordered();
  void hold(const FaultEpisode& episode, Opcode opcode, std::string_view payload, bool is_due);
  void release(const FaultEpisode& episode);
  void pump_stalled();
  void drop_held();
  void follow_far(const net::TransportEnd& end);

  // Ending and breaking.
  void end_near(const FaultEpisode& episode, FaultRule::Ending ending);
  void reset_when_sent();
  void break_near();
  void mute(const FaultEpisode& episode, std::string_view how);
  void drain_far();
  void on_near_time();
  void on_far_time();
  void begin_trickle(const FaultEpisode& episode);
  void end_trickle();
  void trickle();
  net::StreamBuffer& near_out() noexcept { return trickling_ ? slow_ : near_.outgoing(); }
  void flush_near();
  void append_near(std::string_view bytes);
  void bury_if_over();

  FaultVenue& venue_;
  std::uint64_t number_;
  State state_ = State::requests;
  std::string target_;
  net::HttpRequestParser request_;
  bool closes_ = false;  ///< behind the answer
  bool is_reading_ = false;
  net::StreamBuffer* near_received_ = nullptr;
  net::HttpClient::RequestId asked_ = 0;  ///< 0: none is under way
  std::optional<FaultEpisode> unanswered_;
  std::optional<net::WebSocketClientHandshake> handshake_;

  net::WebSocketParser near_parser_;
  net::WebSocketWriter near_writer_;
  net::WebSocketParser far_parser_;
  net::WebSocketWriter far_writer_;
  std::optional<FaultEpisode> muted_;  ///< nothing more goes to perp; what comes is removed by it
  bool is_deaf_ = false;               ///< nor to the venue
  std::vector<FaultEpisode> armed_;    ///< partial, rsv1: the next message
  std::deque<Held> stalled_;
  std::size_t stalled_bytes_ = 0;
  std::vector<Held> reordered_;
  std::optional<PendingClose> pending_close_;     ///< behind what is stalled
  std::optional<net::TransportEnd> pending_end_;  ///< the same
  std::string edited_;
  std::string original_;

  std::optional<FaultEpisode> trickling_;
  net::StreamBuffer slow_;
  net::Timer trickle_timer_;
  net::Timer near_timer_;  ///< of leaving
  net::Timer far_timer_;   ///< of the handshake, and of leaving
  core::MonoNs reset_deadline_{};
  bool wants_reset_ = false;
  bool is_far_closing_ = false;  ///< a close frame went to the venue
  bool is_far_paused_ = false;
  bool is_near_paused_ = false;

  Near near_handler_;
  Far far_handler_;
  net::Transport near_;
  net::Transport far_;
};

}  // namespace perp::sim
