// The part of a link where faults act: what becomes of a message, what is held and let go, what
// happens to a connection at once.
#include "sim/faults/fault_link.hpp"
#include "sim/faults/fault_link_limits.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace perp::sim {

void FaultLink::to_perp_with_faults(Opcode opcode, std::string_view payload) {
  FaultBook& book = venue_.book();
  std::uint64_t copies = 1;
  for (ActiveFault* const fault : venue_.message_faults()) {
    if (net::is_control(opcode) &&
        (fault->rule().kind != FaultKind::stall || !fault->is_of_everything()))
      continue;
    if (!fault->selects(target_, payload)) continue;
    const FaultEpisode& episode = fault->episode();
    switch (fault->rule().kind) {
      case FaultKind::stall: hold(episode, opcode, payload, false); return;
      case FaultKind::silence:
      case FaultKind::heartbeats:
      case FaultKind::ack_only:
      case FaultKind::gap: book.removed(episode, place(), opcode, payload); return;
      case FaultKind::duplicate:
        book.doubled(episode, place(), opcode, payload, fault->rule().copies);
        copies *= fault->rule().copies;
        break;
      case FaultKind::reorder:
        book.moved(episode, place(), opcode, payload, fault->rule().hold);
        reordered_.push_back({.episode = episode,
                              .opcode = opcode,
                              .payload = std::string(payload),
                              .left = fault->rule().hold});
        return;
      default:
        if (opcode != Opcode::text) break;
        original_.assign(payload);
        if (!fault->edit(original_, edited_)) break;
        book.changed(episode, place(), original_, edited_);
        payload = edited_;
        break;
    }
  }
  // What a stall let go is still before it.
  if (!stalled_.empty() && stalled_.front().is_due) {
    for (std::uint64_t i = 0; i < copies; ++i)
      hold(stalled_.front().episode, opcode, payload, true);
    return;
  }
  for (std::uint64_t i = 0; i < copies; ++i) emit(opcode, payload);
  if (!net::is_control(opcode)) pass_reordered();
}

/// As armed faults want it. @returns false where none does
bool FaultLink::emit_broken(Opcode opcode, std::string_view payload) {
  for (std::size_t i = 0; i < armed_.size(); ++i) {
    const FaultEpisode episode = armed_[i];
    const FaultRule& rule = *episode.rule;
    if (!rule.match.empty() && payload.find(rule.match) == std::string_view::npos) continue;
    if (!rule.symbol.empty() && !has_word(payload, rule.symbol)) continue;
    armed_.erase(armed_.begin() + static_cast<std::ptrdiff_t>(i));
    std::array<std::byte, net::WebSocketFrameHead::size_max> head{};
    const std::size_t head_size =
        net::encode_frame_head({.payload_size = payload.size(),
                                .opcode = opcode,
                                .is_compressed = rule.kind == FaultKind::rsv1},
                               head);
    append_near(text_of(std::span(head).first(head_size)));
    const std::size_t size = rule.kind == FaultKind::rsv1 ? payload.size() : payload.size() / 2;
    append_near(payload.substr(0, size));
    venue_.book().removed(episode, place(), opcode, payload);
    mute(episode, "broken");
    return true;
  }
  return false;
}

void FaultLink::pass_reordered() {
  for (std::size_t i = 0; i < reordered_.size();) {
    if (--reordered_[i].left > 0) {
      ++i;
      continue;
    }
    const Held held = std::move(reordered_[i]);
    reordered_.erase(reordered_.begin() + static_cast<std::ptrdiff_t>(i));
    emit(held.opcode, held.payload);
  }
}

void FaultLink::hold(const FaultEpisode& episode, Opcode opcode, std::string_view payload,
                     bool is_due) {
  stalled_.push_back(
      {.episode = episode, .opcode = opcode, .payload = std::string(payload), .is_due = is_due});
  stalled_bytes_ += payload.size();
  if (stalled_bytes_ < stalled_bytes_max || std::exchange(is_far_paused_, true)) return;
  far_.pause_receiving();
}

void FaultLink::release(const FaultEpisode& episode) {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  for (Held& held : stalled_) {
    if (held.episode.number != episode.number) continue;
    held.is_due = true;
    ++messages;
    bytes += held.payload.size();
  }
  if (messages > 0) venue_.book().released(episode, place(), messages, bytes);
  for (std::size_t i = 0; i < reordered_.size();) {
    if (reordered_[i].episode.number != episode.number) {
      ++i;
      continue;
    }
    const Held held = std::move(reordered_[i]);
    reordered_.erase(reordered_.begin() + static_cast<std::ptrdiff_t>(i));
    emit(held.opcode, held.payload);
  }
  pump_stalled();
  flush_near();
}

void FaultLink::pump_stalled() {
  bool has_pumped = false;
  while (!stalled_.empty() && near_.unsent_bytes() + slow_.data().size() < high_water_bytes) {
    // Two stalls of different messages: what is due goes, in its order.
    const auto due = std::find_if(stalled_.begin(), stalled_.end(),
                                  [](const Held& held) { return held.is_due; });
    if (due == stalled_.end()) break;
    const Held held = std::move(*due);
    stalled_.erase(due);
    stalled_bytes_ -= held.payload.size();
    emit(held.opcode, held.payload);
    has_pumped = true;
  }
  if (!stalled_.empty()) {
    if (has_pumped) flush_near();
    return;
  }
  if (pending_close_) close_to_perp(pending_close_->code, pending_close_->reason);
  pending_close_.reset();
  if (has_pumped) flush_near();
  if (is_far_paused_ && near_.unsent_bytes() < high_water_bytes) {
    is_far_paused_ = false;
    far_.resume_receiving();
  }
  if (pending_end_ && state_ == State::relaying) {
    const net::TransportEnd end = *pending_end_;
    pending_end_.reset();
    follow_far(end);
  }
}

/// What faults held and perp will never see.
void FaultLink::drop_held() {
  for (const Held& held : stalled_)
    venue_.book().removed(held.episode, place(), held.opcode, held.payload);
  for (const Held& held : reordered_)
    venue_.book().removed(held.episode, place(), held.opcode, held.payload);
  stalled_.clear();
  reordered_.clear();
  stalled_bytes_ = 0;
  pending_close_.reset();
}

void FaultLink::act(const FaultEpisode& episode) {
  const FaultRule& rule = *episode.rule;
  if (state_ == State::leaving) return;
  switch (rule.kind) {
    case FaultKind::cut: end_near(episode, rule.ending); return;
    case FaultKind::rst: end_near(episode, FaultRule::Ending::rst); return;
    case FaultKind::fin: end_near(episode, FaultRule::Ending::fin); return;
    case FaultKind::close: end_near(episode, FaultRule::Ending::close); return;
    case FaultKind::half_open:
      if (muted_) return;
      mute(episode, "half-open");
      is_deaf_ = true;
      return;
    case FaultKind::partial:
    case FaultKind::rsv1: armed_.push_back(episode); return;
    case FaultKind::garbage: {
      if (muted_) return;
      std::string bytes(rule.bytes, '\0');
      for (char& byte : bytes) byte = static_cast<char>(venue_.random().next() & 0xff);
      bytes[0] = static_cast<char>(bytes[0] | 0x70);  // reserved bits: no frame begins so
      append_near(bytes);
      venue_.book().added(episode, place(), Opcode::continuation, bytes);
      mute(episode, "garbage");
      return;
    }
    case FaultKind::big: {
      if (muted_) return;
      constexpr std::string_view front = R"({"fault":")";
      constexpr std::string_view back = R"("})";
      std::string text(std::max(rule.bytes, front.size() + back.size()), 'x');
      std::copy(front.begin(), front.end(), text.begin());
      std::copy(back.begin(), back.end(), text.end() - back.size());
      venue_.book().added(episode, place(), Opcode::text, text);
      if (!near_writer_.write_text(text, near_out())) break_near();
      flush_near();
      return;
    }
    case FaultKind::trickle: begin_trickle(episode); return;
    default: return;
  }
}

void FaultLink::end(const FaultEpisode& episode) {
  std::erase_if(armed_, [&](const FaultEpisode& armed) {
    return armed.number == episode.number && armed.rule->kind == FaultKind::partial;
  });
  if (trickling_ && trickling_->number == episode.number) {
    end_trickle();
    if (state_ == State::leaving && !muted_) near_.finish();  // behind the last answer
  }
  if (unanswered_ && unanswered_->number == episode.number) {
    unanswered_.reset();
    near_.break_off();
    near_gone();
    return;
  }
  if (state_ == State::leaving) return;
  if (muted_ && muted_->number == episode.number && episode.rule->lasts()) {
    end_near(episode, FaultRule::Ending::rst);
    return;
  }
  release(episode);
}

void FaultLink::begin_trickle(const FaultEpisode& episode) {
  if (trickling_) return;
  flush_near();
  trickling_ = episode;
  venue_.book().connection(episode, place(), "trickling");
  trickle_timer_.start_in(episode.rule->each_ns);
}

void FaultLink::end_trickle() {
  trickle_timer_.cancel();
  trickling_.reset();
  append_near(text_of(slow_.data()));
  slow_.clear();
  flush_near();
}

void FaultLink::trickle() {
  const std::size_t size = std::min(trickling_->rule->bytes, slow_.data().size());
  if (size > 0) {
    net::StreamBuffer& out = near_.outgoing();
    if (const std::span<std::byte> room = out.writable(size); !room.empty()) {
      std::memcpy(room.data(), slow_.data().data(), size);
      out.commit(size);
      slow_.consume(size);
      near_.flush();
    }
  }
  trickle_timer_.start_in(trickling_->rule->each_ns);
}

}  // namespace perp::sim
