#include "sim/faults/fault_link.hpp"

#include "sim/faults/fault_link_limits.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace perp::sim {
namespace {

constexpr std::int64_t leave_ns = 2 * core::ns_per_second;
constexpr std::int64_t reset_wait_ns = 200 * core::ns_per_ms;

net::WebSocketOpcode opcode_of(net::WebSocketEvent event) noexcept {
  switch (event) {
    case net::WebSocketEvent::binary: return net::WebSocketOpcode::binary;
    case net::WebSocketEvent::ping: return net::WebSocketOpcode::ping;
    case net::WebSocketEvent::pong: return net::WebSocketOpcode::pong;
    default: return net::WebSocketOpcode::text;
  }
}

}  // namespace

FaultLink::FaultLink(FaultVenue& venue, std::uint64_t number, net::Socket socket)
    : venue_(venue),
      number_(number),
      near_parser_(net::WebSocketRole::server, relayed_limits),
      near_writer_(net::WebSocketRole::server),
      far_parser_(net::WebSocketRole::client, relayed_limits),
      far_writer_(net::WebSocketRole::client),
      slow_(relayed_transport_limits.send_bytes),
      trickle_timer_(venue.around().loop, [this] { trickle(); }),
      near_timer_(venue.around().loop, [this] { on_near_time(); }),
      far_timer_(venue.around().loop, [this] { on_far_time(); }),
      near_handler_(*this),
      far_handler_(*this),
      near_(venue.around().loop, near_handler_, relayed_transport_limits),
      far_(venue.around().loop, far_handler_, relayed_transport_limits) {
  near_.accept(std::move(socket), venue.around().server_tls);
}

FaultLink::~FaultLink() {
  if (asked_ != 0) venue_.http().cancel(asked_);
}

// --- perp's side ---

void FaultLink::near_received(net::StreamBuffer& received) {
  near_received_ = &received;
  switch (state_) {
    case State::requests: read_requests(received); break;
    case State::answering:
    case State::upgrading: break;  // it waits for its turn
    case State::relaying:
    case State::leaving: relay_to_venue(received); break;
  }
}

void FaultLink::relay_to_venue(net::StreamBuffer& received) {
  if (!handshake_) {  // HTTP that is over
    received.clear();
    return;
  }
  for (;;) {
    const net::WebSocketMessage message = near_parser_.next(received);
    switch (message.event) {
      case net::WebSocketEvent::need_more: break;
      case net::WebSocketEvent::text:
      case net::WebSocketEvent::binary:
      case net::WebSocketEvent::ping:
      case net::WebSocketEvent::pong: {
        const Opcode opcode = opcode_of(message.event);
        if (is_deaf_) {
          venue_.book().removed(*muted_, place(true), opcode, message.text());
        } else if (far_.is_open()) {
          ++venue_.traffic().messages_to_venue;
          if (!far_writer_.write(opcode, message.payload, far_.outgoing())) {
            far_.abort();
            near_.finish();
            return;
          }
        }
        continue;
      }
      case net::WebSocketEvent::close:
        if (state_ == State::leaving && !is_deaf_) break;
        if (state_ == State::leaving) {
          near_.finish();  // it has answered the fault's close frame
          return;
        }
        if (!is_deaf_ && far_.is_open() && !std::exchange(is_far_closing_, true))
          static_cast<void>(
              far_writer_.write_close(message.close_code, message.text(), far_.outgoing()));
        break;
      case net::WebSocketEvent::failed:
        received.clear();
        if (muted_) return;
        // What a server says to a client that breaks the protocol.
        static_cast<void>(near_writer_.write_close(net::close_code_of(near_parser_.error()),
                                                   to_string(near_parser_.error()), near_out()));
        near_.finish();
        return;
    }
    break;
  }
  far_.flush();
  if (!is_near_paused_ && far_.unsent_bytes() > high_water_bytes) {
    is_near_paused_ = true;
    near_.pause_receiving();
  }
}

void FaultLink::near_flushed() {
  pump_stalled();
  if (is_far_paused_ && near_.unsent_bytes() < high_water_bytes &&
      stalled_bytes_ < stalled_bytes_max) {
    is_far_paused_ = false;
    far_.resume_receiving();
  }
}

void FaultLink::near_ended(const net::TransportEnd&) { near_gone(); }

void FaultLink::near_gone() {
  near_timer_.cancel();
  trickle_timer_.cancel();
  state_ = State::leaving;
  if (asked_ != 0) venue_.http().cancel(std::exchange(asked_, 0));
  drop_held();
  if (muted_)
    drain_far();
  else if (far_.is_open() && is_far_closing_)
    far_timer_.start_in(leave_ns);
  else if (far_.is_open())
    far_.finish();
  else
    far_.abort();
  bury_if_over();
}

// --- the venue's side ---

void FaultLink::far_received(net::StreamBuffer& received) {
  if (state_ == State::upgrading && !read_handshake(received)) return;
  if (handshake_ && (state_ == State::relaying || state_ == State::leaving)) {
    relay_to_perp(received);
    return;
  }
  received.clear();
}

void FaultLink::relay_to_perp(net::StreamBuffer& received) {
  for (;;) {
    const net::WebSocketMessage message = far_parser_.next(received);
    switch (message.event) {
      case net::WebSocketEvent::need_more: break;
      case net::WebSocketEvent::text:
      case net::WebSocketEvent::binary:
      case net::WebSocketEvent::ping:
      case net::WebSocketEvent::pong: to_perp(opcode_of(message.event), message.text()); continue;
      case net::WebSocketEvent::close:
        if (state_ == State::leaving) {
          far_.finish();
        } else if (!stalled_.empty() && !is_far_closing_) {
          pending_close_ = {message.close_code, std::string(message.text())};
        } else {
          close_to_perp(message.close_code, message.text());
        }
        break;
      case net::WebSocketEvent::failed:
        // The venue itself broke the protocol: perp is told as a server tells an inner error.
        received.clear();
        if (!muted_) close_to_perp(net::close_code::internal_error, to_string(far_parser_.error()));
        far_.finish();
        break;
    }
    break;
  }
  flush_near();
}

void FaultLink::far_flushed() {
  if (!is_near_paused_) return;
  is_near_paused_ = false;
  near_.resume_receiving();
}

void FaultLink::far_ended(const net::TransportEnd& end) {
  far_timer_.cancel();
  switch (state_) {
    case State::upgrading:
      if (handshake_ && handshake_->finish() == net::HttpProgress::failed)
        refuse_upgrade();
      else
        respond(502, end.text, {}, true);
      break;
    case State::relaying:
      if (muted_ && muted_->rule->lasts()) break;  // perp is not to notice
      if (!stalled_.empty())
        pending_end_ = end;
      else
        follow_far(end);
      break;
    case State::requests:
    case State::answering:
    case State::leaving: break;
  }
  bury_if_over();
}

void FaultLink::follow_far(const net::TransportEnd& end) {
  if (trickling_) end_trickle();
  state_ = State::leaving;
  if (end.kind == net::TransportEnd::Kind::broken) {
    wants_reset_ = true;
    reset_deadline_ = core::mono_now() + reset_wait_ns;
    near_.flush();
    near_timer_.start_in(0);
  } else {
    near_.finish();
  }
}

// --- messages to perp ---

void FaultLink::to_perp(Opcode opcode, std::string_view payload) {
  if (muted_) {
    venue_.book().removed(*muted_, place(), opcode, payload);
    return;
  }
  if (state_ != State::relaying) return;  // perp has left by itself
  if (venue_.message_faults().empty() && armed_.empty() && stalled_.empty() && reordered_.empty())
    emit(opcode, payload);
  else
    to_perp_with_faults(opcode, payload);
}

void FaultLink::emit(Opcode opcode, std::string_view payload) {
  if (muted_) {
    venue_.book().removed(*muted_, place(), opcode, payload);
    return;
  }
  if (!armed_.empty() && !net::is_control(opcode) && emit_broken(opcode, payload)) return;
  FaultTraffic& traffic = venue_.traffic();
  ++traffic.messages_to_perp;
  traffic.bytes_to_perp += payload.size();
  if (!near_writer_.write(opcode, bytes_of(payload), near_out())) break_near();
}

void FaultLink::close_to_perp(std::uint16_t code, std::string_view reason) {
  if (muted_ || state_ != State::relaying) return;
  static_cast<void>(near_writer_.write_close(code, reason, near_out()));
}

// --- ending and breaking ---

void FaultLink::end_near(const FaultEpisode& episode, FaultRule::Ending ending) {
  if (trickling_) end_trickle();
  drop_held();
  const bool is_websocket = state_ == State::relaying;
  const bool was_muted = muted_.has_value();
  state_ = State::leaving;
  if (!was_muted) muted_ = episode;
  is_deaf_ = true;
  if (asked_ != 0) venue_.http().cancel(std::exchange(asked_, 0));
  switch (ending) {
    case FaultRule::Ending::rst:
      venue_.book().connection(episode, place(), "reset", near_.unsent_bytes());
      wants_reset_ = true;
      reset_deadline_ = core::mono_now() + reset_wait_ns;
      near_.flush();
      near_timer_.start_in(0);
      break;
    case FaultRule::Ending::close:
      if (is_websocket && !was_muted) {
        venue_.book().connection(episode, place(), "closed", near_.unsent_bytes());
        static_cast<void>(near_writer_.write_close(static_cast<std::uint16_t>(episode.rule->code),
                                                   episode.rule->reason, near_.outgoing()));
        near_.flush();
        near_timer_.start_in(leave_ns);
        break;
      }
      [[fallthrough]];
    case FaultRule::Ending::fin:
      venue_.book().connection(episode, place(), "finished", near_.unsent_bytes());
      near_.finish();
      break;
  }
  if (is_websocket)
    drain_far();
  else
    far_.abort();
}

/// Resets perp's side as soon as what was relayed before is with the kernel: no relayed message is
/// in doubt for being in our hands.
void FaultLink::reset_when_sent() {
  if (near_.exists() && near_.unsent_bytes() > 0 && core::mono_now() < reset_deadline_) {
    near_timer_.start_in(core::ns_per_ms / 4);
    return;
  }
  wants_reset_ = false;
  break_near();
}

void FaultLink::break_near() {
  near_.break_off();
  near_gone();
}

void FaultLink::mute(const FaultEpisode& episode, std::string_view how) {
  if (muted_) return;
  flush_near();
  venue_.book().connection(episode, place(), how);
  muted_ = episode;
  drop_held();
}

/// The venue's side is closed in order, so that each message it sent is either relayed or removed.
void FaultLink::drain_far() {
  if (!far_.is_open()) {
    far_.abort();
    return;
  }
  if (!std::exchange(is_far_closing_, true)) {
    static_cast<void>(far_writer_.write_close(net::close_code::going_away, {}, far_.outgoing()));
    far_.flush();
  }
  if (is_far_paused_) far_.resume_receiving();
  is_far_paused_ = false;
  if (!far_timer_.is_started()) far_timer_.start_in(leave_ns);
}

void FaultLink::on_near_time() {
  if (wants_reset_)
    reset_when_sent();
  else
    near_.finish();  // it did not answer a close frame
}

void FaultLink::on_far_time() {
  if (state_ == State::upgrading) {
    far_.abort();
    respond(504, "the venue did not answer the WebSocket handshake", {}, true);
    return;
  }
  far_.abort();
  if (state_ == State::relaying) {
    state_ = State::leaving;
    near_.finish();
  }
  bury_if_over();
}

void FaultLink::flush_near() {
  if (!trickling_) near_.flush();
  if (!is_far_paused_ && near_.unsent_bytes() + slow_.data().size() > high_water_bytes) {
    is_far_paused_ = true;
    far_.pause_receiving();
  }
}

void FaultLink::append_near(std::string_view bytes) {
  if (bytes.empty()) return;
  net::StreamBuffer& out = near_out();
  const std::span<std::byte> room = out.writable(bytes.size());
  if (room.empty()) return;  // 128 MiB wait already: the connection is beyond repair
  std::memcpy(room.data(), bytes.data(), bytes.size());
  out.commit(bytes.size());
}

void FaultLink::stop() {
  if (trickling_) end_trickle();
  drop_held();
  if (state_ == State::relaying && !muted_ && far_.is_open()) {
    // What the venue sends until it has closed is relayed, its close frame behind it.
    drain_far();
    return;
  }
  if (state_ == State::leaving && (wants_reset_ || is_far_closing_)) return;  // on its way
  state_ = State::leaving;
  if (asked_ != 0) venue_.http().cancel(std::exchange(asked_, 0));
  near_.finish();
  if (far_.is_open())
    far_.finish();
  else
    far_.abort();
  bury_if_over();
}

void FaultLink::bury_if_over() {
  if (is_over()) venue_.bury_later();
}

}  // namespace perp::sim
