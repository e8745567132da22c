// What a shard's connection carries: topics that come and go, live and stale, their holes, and
// whose silence means something.
#include "feed/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

using core::ns_per_second;
using venue::kinds_of;
using enum venue::StreamKind;

/// What comes later than this behind its event is late; venues' clocks differ from ours by less.
constexpr std::int64_t late_ns = ns_per_second;

std::vector<std::string_view> texts_of(const std::vector<venue::Topic>& topics) {
  std::vector<std::string_view> texts;
  texts.reserve(topics.size());
  for (const venue::Topic& topic : topics) texts.push_back(topic.text);
  return texts;
}

}  // namespace

void Shard::want(std::vector<venue::Topic> topics, std::vector<std::uint32_t> instruments) {
  std::vector<bool> is_wanted(topics_.size());
  std::vector<venue::Topic> fresh;
  std::vector<std::uint32_t> fresh_instruments;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const std::uint32_t known = table_.find(topics[i].text);
    if (known != venue::no_subscription) is_wanted[known] = true;
    if (known != venue::no_subscription && !subscriptions_[known].is_ended) continue;
    fresh.push_back(std::move(topics[i]));
    fresh_instruments.push_back(instruments[i]);
  }
  std::vector<std::uint32_t> ended;
  for (std::uint32_t i = 0; i < is_wanted.size(); ++i)
    if (!is_wanted[i] && !subscriptions_[i].is_ended) ended.push_back(i);
  // First what makes room.
  end(ended, "not wanted any more");
  if (!fresh.empty()) add(std::move(fresh), fresh_instruments);
}

void Shard::add(std::vector<venue::Topic> topics, const std::vector<std::uint32_t>& instruments) {
  std::vector<std::uint32_t> fresh;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    ++unanswered_;
    const std::uint32_t known = table_.find(topics[i].text);
    if (known != venue::no_subscription) {  // it was given back, and begins anew without a hole
      subscriptions_[known] = {.instrument = instruments[i]};
      pulses_[known] = {};
      fresh.push_back(known);
      continue;
    }
    fresh.push_back(static_cast<std::uint32_t>(topics_.size()));
    topics_.push_back(std::move(topics[i]));
    subscriptions_.push_back(subscription_of(instruments[i], stream_of(fresh.back()).kinds));
    pulses_.push_back({});
    liveness_.add(setting_.line.loop.now(), Liveness::no_interval);
  }
  table_ = venue::SubscriptionTable(texts_of(topics_));
  for (const std::uint32_t subscription : fresh)
    liveness_.on_request(subscription, setting_.line.loop.now());
  ask(venue::Verb::subscribe, fresh);
}

void Shard::end_symbol(std::uint32_t symbol) {
  std::vector<std::uint32_t> ended;
  for (std::uint32_t i = 0; i < topics_.size(); ++i)
    if (topics_[i].symbol == symbol && !subscriptions_[i].is_ended) ended.push_back(i);
  end(ended, "delisted");
}

void Shard::end(const std::vector<std::uint32_t>& ended, std::string_view reason) {
  for (const std::uint32_t i : ended) {
    Subscription& subscription = subscriptions_[i];
    if (!pulses_[i].is_live && !subscription.is_refused) --unanswered_;
    // What was never live needs no end; what is missing at the moment will not come back.
    if (pulses_[i].is_live || subscription.lost.ns != core::unknown_ns)
      setting_.status.status(subscription.instrument, stream_of(i).kinds, market::FeedState::down,
                             number_, reason, core::wall_now());
    pulses_[i].is_live = pulses_[i].wants_book = false;
    subscription.is_ended = true;
    liveness_.expect(i, Liveness::no_interval);
    liveness_.on_acknowledged(i, setting_.line.loop.now());  // nothing is awaited of it
  }
  if (ended.empty()) return;
  ask(venue::Verb::unsubscribe, ended);
  if (unanswered_ == 0) raise(LifeEvent::acknowledged);
}

/// On whatever is open: a replacement that is still on its way asks for what is wanted then.
void Shard::ask(venue::Verb verb, const std::vector<std::uint32_t>& subscriptions) {
  for (Line* line : {line_.get(), successor_.get()})
    if (line != nullptr && line->is_open()) line->ask(verb, subscriptions);
}

venue::Shard Shard::carried() const {
  venue::Shard carried{.socket = setting_.line.socket};
  for (std::size_t i = 0; i < topics_.size(); ++i)
    if (!subscriptions_[i].is_ended) carried.topics.push_back(topics_[i]);
  return carried;
}

void Shard::go_live(std::uint32_t index) {
  Pulse& pulse = pulses_[index];
  Subscription& subscription = subscriptions_[index];
  if (pulse.is_live || subscription.is_ended) return;
  pulse.is_live = true;
  if (state_ == LifeState::subscribing && !setting_.scout.is_back_since(line_->opened_at()))
    setting_.scout.on_back(setting_.line.loop.now());
  if (!subscription.is_refused) --unanswered_;
  subscription.is_refused = false;
  const venue::StreamKinds kinds = stream_of(index).kinds;
  pulse.wants_book = (kinds & kinds_of(book)) != 0 &&
                     setting_.line.connect.book_resync == venue::BookResync::rest_snapshot;
  const core::WallNs now = core::wall_now();
  if (subscription.lost.ns != core::unknown_ns) {
    setting_.status.gap(subscription.instrument, kinds, subscription.lost, now, subscription.cause);
    setting_.owner.on_hole(topics_[index], subscription.instrument, subscription.lost, now);
    subscription.lost = {core::unknown_ns};
  }
  setting_.status.status(subscription.instrument, kinds, market::FeedState::live, number_, "", now);
  if (unanswered_ == 0) raise(LifeEvent::acknowledged);
}

void Shard::go_stale(std::uint32_t index, market::FeedState state, market::GapCause cause,
                     core::WallNs since, std::string_view reason) {
  Pulse& pulse = pulses_[index];
  Subscription& subscription = subscriptions_[index];
  if (!pulse.is_live) return;
  pulse.is_live = pulse.wants_book = false;
  ++unanswered_;
  subscription.lost = since;
  subscription.cause = cause;
  setting_.status.status(subscription.instrument, stream_of(index).kinds, state, number_, reason,
                         core::wall_now());
}

/// Up to when the venue's messages are here: it sent what it sent next after the time that the last
/// one names, however late that one was read. A time that lies far back is not believed as it is.
core::WallNs Shard::told_until() const {
  if (heard_ns_.ns == core::unknown_ns) return core::wall_now();
  return {heard_ns_.ns - lag_ns_};
}

/// What is missing as we stop stays so. Of a stream that runs late what it is behind by is missing,
/// too: it lies in sockets that nobody will read.
void Shard::tell_open_holes() {
  const core::WallNs now = core::wall_now();
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    Subscription& subscription = subscriptions_[i];
    if (pulses_[i].is_live && lag_ns_ > late_ns) subscription.lost = {now.ns - lag_ns_};
    if (subscription.lost.ns == core::unknown_ns || subscription.is_ended) continue;
    setting_.status.gap(subscription.instrument, stream_of(i).kinds, subscription.lost, now,
                        subscription.cause);
    subscription.lost = {core::unknown_ns};
  }
}

/// What a former run left off with has been missing since.
Shard::Subscription Shard::subscription_of(std::uint32_t instrument,
                                           venue::StreamKinds kinds) const {
  const core::WallNs until = setting_.owner.known_until(instrument, kinds);
  return {.instrument = instrument,
          .lost = until,
          .cause = until.ns == core::unknown_ns ? market::GapCause::disconnect
                                                : market::GapCause::not_running};
}

void Shard::lose_all(core::WallNs since, std::string_view reason) {
  for (std::uint32_t i = 0; i < topics_.size(); ++i)
    go_stale(i, market::FeedState::reconnecting, market::GapCause::disconnect, since, reason);
}

void Shard::on_line_refused(Line& line, std::uint32_t index, venue::Refusal refusal,
                            std::string_view words) {
  if (&line == retired_.get()) return;
  say(core::LogLevel::error,
      fmt::format("the venue refuses {}: {} ({})",
                  index == venue::no_subscription ? "a request" : topics_[index].text, words,
                  venue::name_of(refusal)));
  if (index == venue::no_subscription) return;
  answered_by_successor(index);
  Subscription& subscription = subscriptions_[index];
  if (is_from_successor(line) || subscription.is_refused || subscription.is_ended) return;
  if (!pulses_[index].is_live) --unanswered_;
  pulses_[index].is_live = false;
  subscription.is_refused = true;
  liveness_.expect(index, Liveness::no_interval);
  liveness_.on_acknowledged(index, setting_.line.loop.now());
  setting_.status.status(subscription.instrument, stream_of(index).kinds, market::FeedState::down,
                         number_, words, core::wall_now());
  if (unanswered_ == 0) raise(LifeEvent::acknowledged);
}

void Shard::ask_again(std::uint32_t index) {
  ++resubscribed_;
  Subscription& subscription = subscriptions_[index];
  std::uint8_t& fruitless = activity_of(index).fruitless;
  if (fruitless < TopicActivity::fruitless_max) ++fruitless;
  subscription.ask_again = now_.mono + hastened(asked_again_for_ns(fruitless));
  liveness_.on_request(index, now_.mono);
  line_->ask(venue::Verb::unsubscribe, std::span(&index, 1));
  line_->ask(venue::Verb::subscribe, std::span(&index, 1));
}

bool Shard::resubscribe_book(std::uint32_t instrument) {
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    if (subscriptions_[i].instrument != instrument || subscriptions_[i].is_ended ||
        (stream_of(i).kinds & kinds_of(book)) == 0)
      continue;
    if (line_->is_open() && pulses_[i].is_live && now_.mono >= subscriptions_[i].ask_again) {
      go_stale(i, market::FeedState::stale, market::GapCause::sequence, core::wall_now(),
               "the book lost a step");
      ask_again(i);
      subscriptions_[i].ask_again = now_.mono + hastened(ns_per_second);
    }
    return true;
  }
  return false;
}

/// Whose contract is busy: silence means something there.
void Shard::judge_activity(core::MonoNs now) {
  if (now - activity_at_ < hastened(TopicActivity::window_ns)) return;
  activity_at_ = now;
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    TopicActivity& activity = activity_of(i);
    activity.stream = &stream_of(i);
    activity.symbol = topics_[i].symbol;
    activity.messages = std::exchange(pulses_[i].messages, 0);
    activity.is_watched = !subscriptions_[i].is_ended && !subscriptions_[i].is_refused;
    activity.is_mute = liveness_.state(i) == Liveness::State::acknowledged;
  }
  feed::judge_activity(activities_);
  for (std::uint32_t i = 0; i < topics_.size(); ++i)
    if (activities_[i].is_watched) liveness_.expect(i, hastened(expected_ns(activities_[i])));
}

void Shard::watch(Moment moment) {
  judge_activity(moment.mono);
  std::size_t silent = 0;
  std::size_t watched = 0;
  liveness_.scan(moment.mono, [](const Liveness::Change&) {});
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    if (subscriptions_[i].is_ended || subscriptions_[i].is_refused) continue;
    const Liveness::State state = liveness_.state(i);
    watched += state == Liveness::State::live || state == Liveness::State::quiet ||
                       state == Liveness::State::silent
                   ? 1U
                   : 0U;
    if (state != Liveness::State::silent) continue;
    ++silent;
    go_stale(i, market::FeedState::stale, market::GapCause::silence,
             {moment.wall.ns - liveness_.silent_ns(i, moment.mono) - lag_ns_}, "silent");
  }
  if (silent == 0) return;
  if (is_connection_silent(silent, watched)) {
    say(core::LogLevel::warn, fmt::format("{} of {} topics are silent", silent, watched));
    last_end_ = "most topics are silent";
    line_->close("no data");
    return;
  }
  for (std::uint32_t i = 0; i < topics_.size(); ++i) {
    Subscription& subscription = subscriptions_[i];
    if (subscription.is_ended || subscription.is_refused ||
        liveness_.state(i) != Liveness::State::silent || moment.mono < subscription.ask_again)
      continue;
    say(core::LogLevel::warn, fmt::format("{} is silent and asked for again", topics_[i].text));
    raise(LifeEvent::silent);
    ask_again(i);
  }
}

}  // namespace perp::feed
