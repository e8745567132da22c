#include "feed/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

using core::ns_per_second;
using venue::kinds_of;
using enum venue::StreamKind;

/// How long both connections' messages are compared after the old one was given up: what it brought
/// last, the new one brings within this.
constexpr std::int64_t overlap_tail_ns = 5 * ns_per_second;
constexpr std::int64_t lag_ns_max = core::ns_per_minute;

LivenessOptions hastened_liveness(double haste) {
  const auto by = [haste](std::int64_t ns) {
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(ns) / haste));
  };
  return {.bound_ns_min = by(topic_liveness.bound_ns_min),
          .bound_ns_max = by(topic_liveness.bound_ns_max),
          .acknowledge_ns = by(topic_liveness.acknowledge_ns),
          .memory_ns = by(topic_liveness.memory_ns)};
}
BackoffOptions hastened_backoff(double haste) {
  BackoffOptions options;
  for (std::int64_t* ns :
       {&options.base_ns, &options.cap_ns, &options.scout_cap_ns, &options.healthy_ns})
    *ns = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(*ns) / haste));
  return options;
}

}  // namespace

Shard::Shard(std::uint32_t number, ShardSetting setting, std::vector<venue::Topic> topics,
             const std::vector<std::uint32_t>& instruments)
    : number_(number),
      setting_(std::move(setting)),
      liveness_(hastened_liveness(setting_.haste)),
      backoff_(hastened_backoff(setting_.haste), setting_.random) {
  add(std::move(topics), instruments);
}

void Shard::say(core::LogLevel level, const std::string& what) const {
  setting_.log(level, fmt::format("{} connection {} ({}): {}", setting_.venue_key, number_,
                                  socket().name, what));
}

std::unique_ptr<Line> Shard::make_line() {
  LineOwner& owner = *this;  // a private base: nobody else can say so
  return std::make_unique<Line>(setting_.line, owner, table_, topics_);
}

void Shard::start() {
  line_ = make_line();
  raise(LifeEvent::start);
}

void Shard::stop() { raise(LifeEvent::stop); }

bool Shard::is_live() const noexcept {
  return state_ == LifeState::live || state_ == LifeState::rolling;
}

void Shard::raise(LifeEvent event) {
  const LifeStep step = next_step(state_, event);
  if (step.action == LifeAction::none) return;
  state_ = step.state;
  act(step.action);
}

void Shard::act(LifeAction action) {
  switch (action) {
    case LifeAction::none: break;
    case LifeAction::dial: dial_wanted_ = true; break;
    case LifeAction::wait: wait(); break;
    case LifeAction::cancel_wait:
      setting_.scout.leave(number_);
      tell_open_holes();
      break;
    case LifeAction::subscribe: subscribe(); break;
    case LifeAction::begin:
      say(core::LogLevel::info, fmt::format("live with {} topics", topics_.size()));
      break;
    case LifeAction::resubscribe: break;  // topic by topic, in watch()
    case LifeAction::dial_successor:
      successor_wanted_ = true;
      roll_is_due_ = false;
      say(core::LogLevel::info, "is replaced before the venue cuts it");
      break;
    case LifeAction::adopt_successor: adopt(); break;
    case LifeAction::drop_successor:
      if (successor_ != nullptr) retired_ = std::move(successor_);
      successor_wanted_ = awaits_token_ = false;
      // What it brought first, the old one brings yet: that is still a repeat.
      overlap_ends_ = setting_.line.loop.now() + overlap_tail_ns;
      for (Pulse& pulse : pulses_) pulse.is_cut_over = false;
      roll_at_ = now_.mono + backoff_.on_lost();
      break;
    case LifeAction::close:
      dial_wanted_ = successor_wanted_ = awaits_token_ = false;
      if (successor_ != nullptr) successor_->abort();
      if (line_->is_open()) {
        line_->close("good-bye");
      } else {
        line_->abort();
        raise(LifeEvent::closed);
      }
      break;
    case LifeAction::finish:
      setting_.scout.leave(number_);
      tell_open_holes();
      break;
  }
}

void Shard::dial(Line& line) {
  const Grant grant = setting_.ledger.may_connect(now_);
  if (!grant) {
    wait_until_ = grant.retry_at;
    return;
  }
  (is_from_successor(line) ? successor_wanted_ : dial_wanted_) = false;
  setting_.status.connection(market::FeedState::connecting, number_, socket().name, now_.wall);
  if (socket().token == nullptr) {
    line.dial(setting_.url, setting_.connect);
    return;
  }
  awaits_token_ = true;
  setting_.owner.on_token_wanted(number_, ++token_ticket_, *socket().token);
}

void Shard::on_token(std::uint64_t ticket, const venue::TokenReply* token, const net::Url& url,
                     const std::optional<net::Proxy>& proxy, const std::string& why) {
  if (!awaits_token_ || ticket != token_ticket_) return;
  awaits_token_ = false;
  // While one is replaced it is alive: the token is the replacement's.
  Line& line = state_ == LifeState::rolling ? *successor_ : *line_;
  if (token != nullptr) {
    setting_.connect.transport.proxy = proxy;
    line.dial(url, setting_.connect, token);
    return;
  }
  net::WebSocketEnd end;
  end.text = fmt::format("no token: {}", why);
  on_line_end(line, end);
}

void Shard::on_line_open(Line& line) {
  ++opened_;
  if (is_from_successor(line)) {
    is_overlapping_ = true;
    is_adopted_ = false;
    overlap_.clear();
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < topics_.size(); ++i) {
      pulses_[i].is_answered_by_successor = pulses_[i].is_cut_over = false;
      if (!subscriptions_[i].is_ended && !subscriptions_[i].is_refused) all.push_back(i);
    }
    line.ask(venue::Verb::subscribe, all);
    return;
  }
  say(core::LogLevel::info, fmt::format("open ({})", line.security()));
  raise(LifeEvent::opened);
}

void Shard::subscribe() {
  const venue::SocketLimits& limits = socket().limits;
  if (limits.roll_over_ns > 0) {
    // Connections that were opened together are not replaced together.
    core::Prng& random = setting_.random;
    const std::int64_t age_ns = hastened(limits.roll_over_ns);
    roll_at_ = line_->opened_at() + (age_ns - random.between(0, age_ns / 20));
  }
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    if (pulses_[i].is_live || subscriptions_[i].is_refused || subscriptions_[i].is_ended) continue;
    liveness_.on_request(i, setting_.line.loop.now());
    wanted.push_back(i);
  }
  activity_at_ = setting_.line.loop.now();
  line_->ask(venue::Verb::subscribe, wanted);
  if (socket().is_topic_the_target)
    for (const std::uint32_t subscription : wanted) go_live(subscription);
  if (unanswered_ == 0) raise(LifeEvent::acknowledged);
}

void Shard::wait() {
  const std::int64_t wait_ns = backoff_.on_lost(setting_.scout.appoint(number_));
  waits_from_ = setting_.line.loop.now();
  wait_until_ = waits_from_ + wait_ns;
  dial_wanted_ = false;
  say(core::LogLevel::warn,
      fmt::format("lost: {}; again in {:.1f} s", last_end_, static_cast<double>(wait_ns) / 1e9));
}

void Shard::adopt() {
  ++roll_overs_;
  successor_wanted_ = awaits_token_ = false;  // one that comes yet was for another dial
  is_adopted_ = true;
  messages_ += line_->messages();
  unexpected_ += line_->unexpected();
  std::swap(line_, successor_);
  retired_ = std::move(successor_);
  retired_->close("replaced");
  overlap_ends_ = setting_.line.loop.now() + overlap_tail_ns;
  heard_ns_ = core::wall_now();
  if (state_ == LifeState::live) {
    say(core::LogLevel::info,
        fmt::format("replaced, {} messages came twice", overlap_duplicates()));
    roll_at_ = line_->opened_at() + hastened(socket().limits.roll_over_ns);
    return;
  }
  // The old one was lost first: what the new one has not been given yet is missed from now on.
  if (line_->is_open())
    raise(LifeEvent::opened);
  else if (!line_->exists())
    dial_wanted_ = true;
}

void Shard::answered_by_successor(std::uint32_t subscription) {
  pulses_[subscription].is_answered_by_successor = true;
}

/// Both sides of a roll-over speak: whether this message is to be left out.
bool Shard::is_taken_twice(Line& line, std::uint32_t subscription, std::string_view text) {
  const bool is_new = is_from_successor(line) || is_adopted_;
  if (subscription != venue::no_subscription) {
    Pulse& pulse = pulses_[subscription];
    const venue::Stream& stream = stream_of(subscription);
    if (is_new) answered_by_successor(subscription);
    // A stream that begins with its whole state goes over at that message: what the old connection
    // still brings is part of it.
    if (stream.sends_at_once && (stream.kinds & kinds_of(book, bbo)) != 0) {
      if (is_new) {
        pulse.is_cut_over = true;
        return false;
      }
      cut_over_ += pulse.is_cut_over ? 1U : 0U;
      return pulse.is_cut_over;
    }
  }
  return overlap_.is_repeat(is_new ? Overlap::Side::new_line : Overlap::Side::old_line, text);
}

void Shard::on_line_data(Line& line, std::uint32_t subscription, std::string_view text,
                         core::WallNs receive_ns) {
  if (&line == retired_.get()) return;
  if (is_overlapping_ && is_taken_twice(line, subscription, text)) [[unlikely]]
    return;
  heard_ns_ = receive_ns;
  if (subscription != venue::no_subscription) {
    const core::MonoNs now = setting_.line.loop.now();
    Pulse& pulse = pulses_[subscription];
    if (!pulse.is_live) [[unlikely]] {
      if (subscriptions_[subscription].is_ended) return;  // on its way when it was given back
      if (!is_from_successor(line)) go_live(subscription);
    }
    liveness_.on_data(subscription, now);
    backoff_.on_data(now);
    ++pulse.messages;
    if (pulse.wants_book) [[unlikely]] {
      pulse.wants_book = false;
      setting_.owner.on_book_wanted(topics_[subscription]);
    }
  }
  venue::Reply reply;
  reply.size = 0;
  static_cast<void>(setting_.writer.frame(
      setting_.state,
      {.payload = text, .receive_ns = receive_ns.ns, .connection = number_, .reply = &reply}));
  if (const std::int64_t event_ns = setting_.writer.last_event_ns(); event_ns != core::unknown_ns)
    lag_ns_ = std::clamp<std::int64_t>(receive_ns.ns - event_ns, 0, lag_ns_max);
  if (reply.size > 0) [[unlikely]]
    line.answer({reply.data.data(), reply.size});
}

void Shard::on_line_acknowledged(Line& line, std::uint32_t subscription) {
  if (&line == retired_.get()) return;
  if (is_from_successor(line)) {
    answered_by_successor(subscription);
    return;
  }
  liveness_.on_acknowledged(subscription, setting_.line.loop.now());
  go_live(subscription);
}

void Shard::on_line_batch(Line&) { setting_.writer.publish(); }

void Shard::on_line_closing(Line& line) {
  if (&line == line_.get()) roll_is_due_ = true;
}

void Shard::on_line_end(Line& line, const net::WebSocketEnd& end) {
  if (&line == retired_.get()) return;
  const std::string& why = line.why().empty() ? end.text : line.why();
  if (end.kind == net::WebSocketEnd::Kind::refused)
    static_cast<void>(setting_.ledger.on_status(now_, end.status, end.retry_after));
  if (is_from_successor(line)) {
    say(core::LogLevel::warn, fmt::format("its replacement was lost: {}", why));
    raise(LifeEvent::successor_lost);
    return;
  }
  if (state_ != LifeState::closing) {
    last_end_ = why;
    ++losses_;
    const core::WallNs since = told_until();
    if (state_ == LifeState::rolling) {
      for (std::uint32_t i = 0; i < topics_.size(); ++i)
        if (!pulses_[i].is_answered_by_successor)
          go_stale(i, market::FeedState::reconnecting, market::GapCause::disconnect, since, why);
    } else {
      lose_all(since, why);
    }
  }
  raise(LifeEvent::lost);
}

void Shard::tick(Moment moment) {
  now_ = moment;
  if (retired_ != nullptr && !retired_->exists()) retired_.reset();
  if (is_overlapping_ && successor_ == nullptr && moment.mono >= overlap_ends_) {
    is_overlapping_ = false;
    overlap_.clear();
  }
  switch (state_) {
    case LifeState::idle: return;
    case LifeState::waiting:
      if (setting_.scout.is_back_since(waits_from_)) {
        waits_from_ = moment.mono;
        wait_until_ = std::min(wait_until_, moment.mono + backoff_.on_host_back());
      }
      if (moment.mono >= wait_until_) raise(LifeEvent::wait_over);
      break;
    case LifeState::dialling:
    case LifeState::subscribing:
    case LifeState::live:
    case LifeState::rolling:
    case LifeState::closing: break;
  }
  if (dial_wanted_ && moment.mono >= wait_until_) dial(*line_);
  if (line_->is_open() && (state_ == LifeState::subscribing || is_live())) {
    line_->tick(moment.mono);
    if (line_->is_open()) watch(moment);
  }
  const venue::SocketLimits& limits = socket().limits;
  if (limits.roll_over_ns > 0 && moment.mono >= roll_at_ && roll_at_.ns > 0) roll_is_due_ = true;
  if (roll_is_due_ && state_ == LifeState::live) {
    successor_ = make_line();
    raise(LifeEvent::roll_due);
  }
  if (state_ != LifeState::rolling || successor_ == nullptr) return;
  if (successor_wanted_ && moment.mono >= wait_until_) dial(*successor_);
  successor_->tick(moment.mono);
  if (!successor_->is_open()) return;
  for (std::uint32_t i = 0; i < topics_.size(); ++i)
    if (!pulses_[i].is_answered_by_successor && !subscriptions_[i].is_ended &&
        !subscriptions_[i].is_refused) {
      if (is_successor_overdue()) {
        say(core::LogLevel::warn,
            fmt::format("its replacement is given up: no answer to {}", topics_[i].text));
        successor_->abort();
        raise(LifeEvent::successor_lost);
      }
      return;
    }
  raise(LifeEvent::successor_live);
}

/// One that is open and not whole after so long is no better than the one that it is to replace,
/// and what both bring is remembered meanwhile.
bool Shard::is_successor_overdue() const noexcept {
  return now_.mono - successor_->opened_at() > hastened(core::ns_per_minute);
}

std::uint64_t Shard::messages() const noexcept {
  return messages_ + (line_ != nullptr ? line_->messages() : 0);
}
std::uint64_t Shard::unexpected() const noexcept {
  return unexpected_ + (line_ != nullptr ? line_->unexpected() : 0);
}

ConnectionStatus Shard::status() const {
  ConnectionStatus status{.number = number_,
                          .socket = std::string(socket().name),
                          .state = std::string(to_text(state_)),
                          .opened = opened_,
                          .lost = losses_,
                          .messages = messages(),
                          .last_end = last_end_};
  if (line_ != nullptr && line_->is_open()) status.security = line_->security();
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    if (subscriptions_[i].is_ended) continue;
    ++status.topics;
    status.refused += subscriptions_[i].is_refused ? 1U : 0U;
    status.silent += liveness_.state(i) == Liveness::State::silent ? 1U : 0U;
  }
  return status;
}

}  // namespace perp::feed
