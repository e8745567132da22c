#include "feed/line.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace perp::feed {
namespace {

/// Frames whose answer is still awaited, for venues that answer by id; the oldest makes room.
constexpr std::size_t asked_max = 256;
/// What a venue sends in one message: the largest seen are lists of tickers of some 500 KB.
constexpr net::WebSocketLimits message_limits{.message_bytes = std::size_t{4} << 20};

}  // namespace

Line::Line(const LineSetting& setting, LineOwner& owner, const venue::SubscriptionTable& table,
           const std::vector<venue::Topic>& topics)
    : setting_(setting),
      owner_(owner),
      table_(table),
      topics_(topics),
      frame_rate_(socket().limits.frames),
      client_(setting.loop, *this, message_limits) {}

void Line::dial(const net::Url& url, const net::WebSocketConnectOptions& options,
                const venue::TokenReply* token) {
  ping_rule_ = socket().ping;
  if (token != nullptr && token->ping_interval_ns > 0)
    ping_rule_.interval_ns = token->ping_interval_ns;
  if (token != nullptr && token->pong_timeout_ns > 0)
    ping_rule_.pong_timeout_ns = token->pong_timeout_ns;
  frames_.clear();
  asked_.clear();
  why_.clear();
  awaits_pong_ = false;
  waits_for_greeting_ = socket().waits_for_greeting;
  client_.dial(setting_.resolver, url, setting_.tls, options);
}

void Line::ask(venue::Verb verb, std::span<const std::uint32_t> subscriptions) {
  std::vector<venue::Topic> topics;
  topics.reserve(subscriptions.size());
  for (const std::uint32_t subscription : subscriptions) topics.push_back(topics_[subscription]);
  std::vector<venue::ClientFrame> made =
      venue::make_frames(setting_.connect, setting_.socket, verb, topics, next_id_);
  next_id_ += made.size();
  for (venue::ClientFrame& frame : made)
    frames_.push_back({.id = frame.id,
                       .verb = verb,
                       .subscriptions = {subscriptions.begin() + frame.first,
                                         subscriptions.begin() + frame.first + frame.count},
                       .text = std::move(frame.text)});
  if (client_.is_open()) send_frames(setting_.loop.now());
}

bool Line::send(std::string_view text) {
  if (client_.send_text(text)) return true;
  give_up("the venue does not take what is sent");
  return false;
}

void Line::send_frames(core::MonoNs now) {
  if (waits_for_greeting_) return;
  while (!frames_.empty() && frame_rate_.may(now) &&
         (setting_.address_frames == nullptr || setting_.address_frames->may(now))) {
    if (!send(frames_.front().text)) return;
    frame_rate_.note(now);
    if (setting_.address_frames != nullptr) setting_.address_frames->note(now);
    frames_.front().text.clear();
    if (asked_.size() == asked_max) asked_.pop_front();
    asked_.push_back(std::move(frames_.front()));
    frames_.pop_front();
  }
}

void Line::ping(core::MonoNs now) {
  const venue::PingRule& rule = ping_rule_;
  if (awaits_pong_) {
    const std::int64_t limit_ns =
        hastened(rule.pong_timeout_ns > 0 ? rule.pong_timeout_ns : answer_ns);
    // Anything that came behind the ping shows that the other end lives.
    if (heard_at_ > pinged_at_ && rule.pong_timeout_ns == 0)
      awaits_pong_ = false;
    else if (now - pinged_at_ >= limit_ns)
      end_dead("no answer to a ping");
    return;
  }
  // The venue counts its own pings and messages: a WebSocket ping puts none of them off.
  const core::MonoNs asked = std::max(asked_at_, opened_at_);
  if (rule.interval_ns > 0 && now - (rule.is_only_when_quiet ? std::max(asked, told_at_) : asked) >=
                                  hastened(rule.interval_ns)) {
    pinged_at_ = asked_at_ = now;
    awaits_pong_ = rule.pong_timeout_ns > 0;
    static_cast<void>(send(rule.text));
    return;
  }
  // A connection on which nothing comes may be half open; a WebSocket ping tells, whatever the
  // venue's own rule is.
  if (now - std::max({pinged_at_, opened_at_, heard_at_}) >= hastened(quiet_ns)) {
    pinged_at_ = now;
    awaits_pong_ = true;
    if (!client_.send_ping({})) give_up("the venue does not take what is sent");
  }
}

void Line::tick(core::MonoNs now) {
  if (!client_.is_open()) return;
  send_frames(now);
  if (client_.is_open()) ping(now);
}

void Line::give_up(std::string why) {
  why_ = std::move(why);
  client_.close(net::close_code::going_away, why_);
}

/// Nobody is there to exchange closes with.
void Line::end_dead(std::string why) {
  why_ = std::move(why);
  client_.abort();
  net::WebSocketEnd end;
  end.was_open = true;
  end.text = why_;
  on_end(end);
}

void Line::close(std::string_view reason) {
  if (client_.exists()) client_.close(net::close_code::going_away, reason);
}

void Line::abort() noexcept { client_.abort(); }

void Line::on_open(const net::WebSocketClientHandshake&) {
  opened_at_ = heard_at_ = setting_.loop.now();
  owner_.on_line_open(*this);
}

void Line::on_message(const net::WebSocketMessage& message, core::WallNs receive_ns) {
  heard_at_ = setting_.loop.now();
  if (message.event == net::WebSocketEvent::pong) {
    awaits_pong_ = false;
    return;
  }
  if (message.event == net::WebSocketEvent::ping) return;
  told_at_ = heard_at_;
  ++messages_;
  const venue::Incoming incoming = setting_.connect.classify(table_, message.text());
  if (incoming.kind == venue::IncomingKind::data && incoming.subscription != venue::no_subscription)
      [[likely]] {
    owner_.on_line_data(*this, incoming.subscription, message.text(), receive_ns);
    return;
  }
  read(incoming, message.text(), receive_ns);
}

void Line::read(const venue::Incoming& incoming, std::string_view text, core::WallNs receive_ns) {
  switch (incoming.kind) {
    case venue::IncomingKind::ack: acknowledge(incoming); break;
    case venue::IncomingKind::pong: awaits_pong_ = false; break;
    case venue::IncomingKind::greeting:
      waits_for_greeting_ = false;
      send_frames(setting_.loop.now());
      break;
    case venue::IncomingKind::closing: owner_.on_line_closing(*this); break;
    case venue::IncomingKind::list: break;
    case venue::IncomingKind::refusal:
      refuse(incoming);
      if (incoming.refusal == venue::Refusal::already_subscribed) break;
      owner_.on_line_data(*this, venue::no_subscription, text, receive_ns);  // an error record
      break;
    case venue::IncomingKind::data:
    case venue::IncomingKind::other:
      ++unexpected_;
      owner_.on_line_data(*this, venue::no_subscription, text, receive_ns);
      break;
  }
}

void Line::acknowledge(const venue::Incoming& incoming) {
  if (incoming.verb == venue::Verb::unsubscribe) return;
  if (incoming.subscription != venue::no_subscription) {
    owner_.on_line_acknowledged(*this, incoming.subscription);
    return;
  }
  const auto frame = std::find_if(asked_.begin(), asked_.end(), [&](const Frame& asked) {
    return asked.id == incoming.id && incoming.id != 0;
  });
  if (frame == asked_.end()) return;
  const Frame answered = std::move(*frame);
  asked_.erase(frame);
  if (answered.verb == venue::Verb::subscribe)
    for (const std::uint32_t subscription : answered.subscriptions)
      owner_.on_line_acknowledged(*this, subscription);
}

void Line::refuse(const venue::Incoming& incoming) {
  const auto concerns = [&](const Frame& asked) {
    if (incoming.id != 0) return asked.id == incoming.id;
    return std::find(asked.subscriptions.begin(), asked.subscriptions.end(),
                     incoming.subscription) != asked.subscriptions.end();
  };
  const auto found = std::find_if(asked_.begin(), asked_.end(), concerns);
  std::vector<std::uint32_t> others;
  bool was_subscribing = true;
  if (found != asked_.end()) {
    was_subscribing = found->verb == venue::Verb::subscribe;
    others = found->subscriptions;
  }
  std::uint32_t culprit = incoming.subscription;
  if (culprit == venue::no_subscription && others.size() == 1) culprit = others.front();

  if (incoming.refusal == venue::Refusal::too_fast && found != asked_.end()) {
    asked_.erase(found);
    ask(was_subscribing ? venue::Verb::subscribe : venue::Verb::unsubscribe, others);
    return;
  }
  if (was_subscribing && culprit != venue::no_subscription &&
      incoming.refusal == venue::Refusal::already_subscribed)
    owner_.on_line_acknowledged(*this, culprit);
  else if (was_subscribing && incoming.refusal != venue::Refusal::not_subscribed)
    owner_.on_line_refused(*this, culprit, incoming.refusal, incoming.text);

  // Where one topic spoils its frame the others are asked for again; where nobody says which one it
  // was, one by one.
  const bool is_frame_lost =
      found != asked_.end() && was_subscribing && others.size() > 1 &&
      (setting_.connect.unknown_topic == venue::UnknownTopic::refuses_frame ||
       culprit == venue::no_subscription);
  if (found != asked_.end() && (is_frame_lost || others.size() == 1)) asked_.erase(found);
  if (!is_frame_lost) return;
  std::erase(others, culprit);
  if (culprit != venue::no_subscription) {
    ask(venue::Verb::subscribe, others);
    return;
  }
  for (const std::uint32_t subscription : others)
    ask(venue::Verb::subscribe, std::span(&subscription, 1));
}

void Line::on_batch() { owner_.on_line_batch(*this); }

void Line::on_end(const net::WebSocketEnd& end) {
  frames_.clear();
  asked_.clear();
  owner_.on_line_end(*this, end);
}

}  // namespace perp::feed
