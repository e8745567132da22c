#pragma once
// Some of a venue's topics on one connection, kept alive: the table of connection_life.hpp carried
// out. It knows of each topic whether it is live, since when it is not, and tells the ring so; what
// a hole needs besides (trades, candles, books) its owner fetches. While a connection is replaced
// on purpose the two overlap, and what both bring is taken once. Belongs to the feed's thread.
#include "feed/host_scout.hpp"
#include "feed/line.hpp"
#include "feed/overlap.hpp"
#include "feed/status_writer.hpp"
#include "feed/topic_activity.hpp"

#include <perp/core/log.hpp>
#include <perp/core/prng.hpp>
#include <perp/feed/backoff.hpp>
#include <perp/feed/connection_life.hpp>
#include <perp/feed/host_ledger.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/feed/liveness.hpp>
#include <perp/feed/ring_writer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::feed {

class ShardOwner {
 public:
  /// A topic is live again after a hole: both ends in wall time.
  virtual void on_hole(const venue::Topic& topic, std::uint32_t instrument, core::WallNs from,
                       core::WallNs to) = 0;
  /// Up to when a former run watched the instrument; unknown: it never did.
  virtual core::WallNs known_until(std::uint32_t instrument, venue::StreamKinds kinds) const = 0;
  /// A book stream runs that needs a snapshot by HTTP.
  virtual void on_book_wanted(const venue::Topic& topic) = 0;
  /// The venue is to say where to dial; Shard::on_token() of that shard, if it is still there, is
  /// to be told. @param ticket to be given back
  virtual void on_token_wanted(std::uint32_t shard, std::uint64_t ticket,
                               const venue::TokenStep& step) = 0;

 protected:
  ~ShardOwner() = default;
};

/// What the shards of a feed share.
struct ShardSetting {
  LineSetting line;
  ShardOwner& owner;
  std::string_view venue_key;
  venue::VenueState& state;
  RingWriter& writer;
  StatusWriter& status;
  HostLedger& ledger;  ///< of the host that is dialled
  HostScout& scout;    ///< of that host
  net::Url url{};      ///< with its target
  net::WebSocketConnectOptions connect{};
  std::function<void(core::LogLevel, const std::string&)> log;
  core::Prng random;
  double haste = 1;  ///< LiveFeedOptions::haste
};

class Shard final : private LineOwner {
 public:
  /// @param number of the connection in records, from 1
  Shard(std::uint32_t number, ShardSetting setting, std::vector<venue::Topic> topics,
        const std::vector<std::uint32_t>& instruments);

  void start();
  /// The close handshake; then is_idle().
  void stop();
  bool is_idle() const noexcept { return state_ == LifeState::idle; }
  bool is_live() const noexcept;
  std::uint32_t number() const noexcept { return number_; }
  /// What was asked for by ShardOwner::on_token_wanted(); one that is not wanted any more is passed
  /// over. @param token nullptr: there is none, for what reason is in `why`
  void on_token(std::uint64_t ticket, const venue::TokenReply* token, const net::Url& url,
                const std::optional<net::Proxy>& proxy, const std::string& why);
  /// Each 100 ms. @param moment both clocks now
  void tick(Moment moment);

  /// All topics that this connection is to carry from now on: those that it lacks are asked for,
  /// those that are not among them given back, all others notice nothing.
  void want(std::vector<venue::Topic> topics, std::vector<std::uint32_t> instruments);
  /// The contract is no more: its topics are given back and not missed.
  void end_symbol(std::uint32_t symbol);
  /// A book lost a step: its topic is asked for again, so that a snapshot follows.
  /// @returns whether the topic of that instrument's book is here.
  bool resubscribe_book(std::uint32_t instrument);

  /// What it carries: as planned, without what was given back.
  venue::Shard carried() const;
  ConnectionStatus status() const;
  std::uint64_t losses() const noexcept { return losses_; }
  std::uint64_t roll_overs() const noexcept { return roll_overs_; }
  std::uint64_t resubscribed() const noexcept { return resubscribed_; }
  std::uint64_t overlap_duplicates() const noexcept { return overlap_.repeats() + cut_over_; }
  std::uint64_t unexpected() const noexcept;
  std::uint64_t messages() const noexcept;

 private:
  /// What every message touches of its subscription.
  struct Pulse {
    std::uint32_t messages = 0;  ///< since the last look at how busy it is
    bool is_live = false;
    bool wants_book = false;
    bool is_answered_by_successor = false;
    bool is_cut_over = false;  ///< its messages are the successor's from now on
  };
  struct Subscription {
    std::uint32_t instrument = 0;
    core::WallNs lost{core::unknown_ns};  ///< since when it is not live; unknown: it never was
    market::GapCause cause = market::GapCause::disconnect;
    bool is_refused = false;
    bool is_ended = false;
    core::MonoNs ask_again{};
  };

  void on_line_open(Line& line) override;
  void on_line_data(Line& line, std::uint32_t subscription, std::string_view text,
                    core::WallNs receive_ns) override;
  void on_line_acknowledged(Line& line, std::uint32_t subscription) override;
  void on_line_refused(Line& line, std::uint32_t subscription, venue::Refusal refusal,
                       std::string_view words) override;
  void on_line_batch(Line& line) override;
  void on_line_closing(Line& line) override;
  void on_line_end(Line& line, const net::WebSocketEnd& end) override;

  /// Asks for topics that it never had or gave back.
  void add(std::vector<venue::Topic> topics, const std::vector<std::uint32_t>& instruments);
  void end(const std::vector<std::uint32_t>& ended, std::string_view reason);
  void ask(venue::Verb verb, const std::vector<std::uint32_t>& subscriptions);
  std::unique_ptr<Line> make_line();
  void raise(LifeEvent event);
  void act(LifeAction action);
  void dial(Line& line);
  void subscribe();
  void wait();
  void adopt();
  bool is_from_successor(const Line& line) const noexcept { return &line == successor_.get(); }
  bool is_taken_twice(Line& line, std::uint32_t subscription, std::string_view text);
  void go_live(std::uint32_t subscription);
  void go_stale(std::uint32_t subscription, market::FeedState state, market::GapCause cause,
                core::WallNs since, std::string_view reason);
  void lose_all(core::WallNs since, std::string_view reason);
  core::WallNs told_until() const;
  void tell_open_holes();
  Subscription subscription_of(std::uint32_t instrument, venue::StreamKinds kinds) const;
  void answered_by_successor(std::uint32_t subscription);
  bool is_successor_overdue() const noexcept;
  void watch(Moment moment);
  void judge_activity(core::MonoNs now);
  TopicActivity& activity_of(std::uint32_t subscription) {
    if (activities_.size() < topics_.size()) activities_.resize(topics_.size());
    return activities_[subscription];
  }
  void ask_again(std::uint32_t subscription);
  std::int64_t hastened(std::int64_t ns) const noexcept {
    return static_cast<std::int64_t>(static_cast<double>(ns) / setting_.haste);
  }
  void say(core::LogLevel level, const std::string& what) const;
  const venue::Stream& stream_of(std::uint32_t subscription) const {
    return setting_.line.connect.streams[topics_[subscription].stream];
  }
  const venue::Socket& socket() const {
    return setting_.line.connect.sockets[setting_.line.socket];
  }

  std::uint32_t number_;
  ShardSetting setting_;
  std::vector<venue::Topic> topics_;
  std::vector<Subscription> subscriptions_;
  std::vector<Pulse> pulses_;
  venue::SubscriptionTable table_;
  Liveness liveness_;
  Backoff backoff_;
  LifeState state_ = LifeState::idle;
  std::size_t unanswered_ = 0;  ///< subscriptions neither live, refused nor ended
  std::unique_ptr<Line> line_;
  std::unique_ptr<Line> successor_;
  std::unique_ptr<Line> retired_;  ///< on its way out
  Overlap overlap_;
  bool is_overlapping_ = false;
  bool is_adopted_ = false;  ///< of the two that overlap line_ is the new one
  core::MonoNs overlap_ends_{};
  std::uint64_t token_ticket_ = 0;  ///< the last one that was asked for; older ones are not wanted
  bool awaits_token_ = false;
  bool dial_wanted_ = false;
  bool successor_wanted_ = false;
  bool roll_is_due_ = false;
  core::MonoNs roll_at_{};
  core::MonoNs wait_until_{};
  core::MonoNs waits_from_{};
  core::MonoNs activity_at_{};
  std::vector<TopicActivity> activities_;    ///< by subscription; may be behind those that are new
  core::WallNs heard_ns_{core::unknown_ns};  ///< when the line's last message came
  std::int64_t lag_ns_ = 0;  ///< of its last event: from the venue's time to our receipt
  Moment now_{};
  std::string last_end_;
  std::uint64_t opened_ = 0;
  std::uint64_t losses_ = 0;
  std::uint64_t roll_overs_ = 0;
  std::uint64_t resubscribed_ = 0;
  std::uint64_t cut_over_ = 0;
  std::uint64_t messages_ = 0;    ///< of lines that are gone
  std::uint64_t unexpected_ = 0;  ///< of lines that are gone
};

/// Of several, those that are gone among them.
struct ShardCounts {
  std::uint64_t losses = 0;
  std::uint64_t roll_overs = 0;
  std::uint64_t resubscribed = 0;
  std::uint64_t overlap_duplicates = 0;
  std::uint64_t unexpected = 0;

  void add(const Shard& shard) {
    losses += shard.losses();
    roll_overs += shard.roll_overs();
    resubscribed += shard.resubscribed();
    overlap_duplicates += shard.overlap_duplicates();
    unexpected += shard.unexpected();
  }
};

}  // namespace perp::feed
