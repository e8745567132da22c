#pragma once
// What the servers of all venues have in common: connections and their subscriptions, messages that
// leave at their time, the truth about them, counts. A venue's own server adds its protocol. One
// owner thread: the loop's.
#include "sim/serve/dispatch_queue.hpp"
#include "sim/serve/query.hpp"
#include "sim/serve/trade_history.hpp"
#include "sim/simulated_venue.hpp"

#include <perp/net/web_server.hpp>
#include <perp/sim/server.hpp>
#include <perp/sim/truth_log.hpp>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace perp::sim {

inline constexpr std::uint32_t all_markets = no_market;
inline constexpr std::uint32_t silent_stream = ~std::uint32_t{0};

/// What a connection asked for. A silent one was acknowledged and brings nothing.
struct Subscription {
  std::string topic;  ///< as the venue spells it
  std::uint32_t stream = silent_stream;
  std::uint32_t market = all_markets;
  std::uint8_t form = 0;  ///< how the venue's server words it; 0 = as composed
};

/// A WebSocket of a client.
struct Session {
  net::WebConnection* connection = nullptr;
  std::string id;  ///< as the venue names connections
  std::uint8_t path = 0;
  bool is_combined = true;  ///< Binance
  bool is_doomed = false;   ///< to be ended when nobody holds it
  bool vanishes = false;    ///< without a close frame, TLS or TCP end
  std::vector<Subscription> subscriptions;
  std::int64_t opened_ms = 0;
  std::int64_t heard_ms = 0;   ///< anything from the client
  std::int64_t spoken_ms = 0;  ///< anything to the client
  std::int64_t pinged_ms = 0;
  std::int64_t pong_ms = 0;
  SpentInWindow frames{1000};

  Subscription* find(std::string_view topic);
};

/// An answer in the making.
struct RestReply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> fields;
  Text body;
};

class VenueServer : private net::WebServerHandler {
 public:
  VenueServer(market::VenueId venue, net::Loop& loop, const ServerOptions& options,
              LatentMarket& latent, const std::vector<std::vector<std::int64_t>>& past_levels,
              std::int64_t start_ms, double activity);
  virtual ~VenueServer();

  market::VenueId venue() const { return venue_; }
  const net::Endpoint& endpoint() const { return web_->endpoint(); }
  /// Once, before anything else: the market of the last seconds, which nobody saw.
  void open(std::int64_t start_ms);
  void listen(std::uint16_t port);
  /// What leaves before `until_ms`, leaves.
  void dispatch(std::int64_t until_ms, std::int64_t now_ms);
  /// A step begins: nothing older waits, so that what a new subscription begins with fits what
  /// follows.
  void begin_step(std::int64_t now_ms);
  void step(const LatentMarket& latent, std::int64_t now_ms) { market_.step(latent, now_ms, true); }
  /// Recorded messages that are due, if that is what is served.
  void replay(std::int64_t now_ms);
  void close_minute(std::int64_t closed_ms, Truth* truth);
  /// Days before the kept one can be asked for, too. @param levels by coin, outlive this
  void keep_past(const std::vector<std::vector<std::int64_t>>& levels);
  /// Bars of the past days of the primary contracts, for the truth.
  void tell_past(Truth& truth, std::int64_t days) const;
  /// Pings, idle and old connections.
  void every_second(std::int64_t now_ms);
  void set_activity(double activity) { market_.set_activity(activity); }
  /// Lists the next spare contract of a coin, or delists one. @returns what it did, or empty.
  std::string change_listing(bool lists);
  void stop();

  const DispatchQueue& queue() const { return queue_; }
  std::size_t connection_count() const { return web_ ? web_->connection_count() : 0; }
  void report(ServerReport& report) const;
  std::int64_t lateness_ms_max() const { return lateness_ms_max_; }

 protected:
  /// The next instant at which a recorded message is due.
  struct Path {
    int status = 101;  ///< or why there is no WebSocket
    std::string body{};
  };

  // A venue's own protocol.
  /// A handshake asks for this. Fills path and forms of the session.
  virtual Path on_handshake(Session& session, std::string_view path, std::string_view query) = 0;
  virtual void on_opened(Session&) {}
  virtual void on_text(Session& session, std::string_view text) = 0;
  /// A WebSocket ping or pong came.
  virtual void on_control(Session&) {}
  /// A request that is no handshake.
  virtual void on_rest(const net::HttpRequestParser& request, RestReply& reply) = 0;
  /// The subscription is about to bring data: what it begins with.
  virtual void on_begun(Session&, const Subscription&) {}
  /// @returns the payload in another form, valid until the next call
  virtual std::string_view in_form(std::uint8_t form, std::string_view payload,
                                   const MarketModel& market);
  /// Its venue's rules for this connection, each second.
  virtual void keep(Session& session) = 0;

  /// Sends now. @returns false if the connection is at its end.
  bool send(Session& session, std::string_view text);
  /// Notes a subscription; it brings data from the next step on.
  void subscribe(Session& session, Subscription subscription);
  void unsubscribe(Session& session, std::string_view topic);
  /// Ends the connection by a close frame, when it is safe.
  void cut(Session& session, std::uint16_t code, std::string_view why);
  /// Ends it without one.
  void drop(Session& session);
  /// Breaks it off, without a word.
  void vanish(Session& session);
  void count_refusal() { ++counts_.refusals; }

  wire::WireModel& wire() { return *wire_; }
  std::vector<MarketModel>& markets() { return market_.markets(); }
  MarketModel* find_market(std::string_view native);
  const TradeHistory& trades(const MarketModel& market) const { return histories_[market.index]; }
  /// Closed bars and the running one, from and to these opens, oldest first.
  /// @param newest_max not more of them than so many, the newest
  std::vector<Bar> bars(const MarketModel& market, std::size_t minutes_per_bar,
                        std::int64_t from_ms, std::int64_t to_ms,
                        std::size_t newest_max = std::numeric_limits<std::size_t>::max()) const;
  /// Of five minutes each, named by their ends.
  struct PastInterest {
    std::int64_t time_ms = 0;
    std::int64_t quantity = 0;     ///< native units
    std::int64_t value_cents = 0;  ///< dollars x 100 at the price of then
  };
  /// Ascending; the newest `limit` of from_ms <= time <= to_ms.
  std::vector<PastInterest> past_interest(const MarketModel& market, std::int64_t from_ms,
                                          std::int64_t to_ms, std::size_t limit);
  struct PastFunding {
    std::int64_t time_ms = 0;
    std::int64_t rate_e16 = 0;
  };
  /// Settlements, ascending; at most `limit`: the newest, or the oldest.
  std::vector<PastFunding> past_funding(const MarketModel& market, std::int64_t from_ms,
                                        std::int64_t to_ms, std::size_t limit, bool keeps_oldest);
  std::int64_t now_ms() const { return now_ms_; }
  const ServerOptions& options() const { return options_; }
  std::size_t session_count() const { return sessions_.size(); }
  std::size_t subscription_count() const;
  Random& random() { return random_; }
  bool is_replay() const { return static_cast<bool>(options_.replay); }
  /// A recorded answer to it, if there is one.
  bool answer_recorded(std::string_view endpoint, std::string_view symbol, RestReply& reply) const;

 private:
  struct Subscriber {
    Session* session = nullptr;
    std::uint8_t form = 0;
  };
  struct Begun {
    Session* session = nullptr;
    std::string topic;
  };

  void on_request(net::WebConnection& connection, const net::HttpRequestParser& request) override;
  void on_message(net::WebConnection& connection, const net::WebSocketMessage& message) override;
  void on_end(net::WebConnection& connection, const net::TransportEnd& end) override;

  std::vector<Subscriber>& subscribers(const Subscription& subscription);
  void forget(Session& session);
  void bury();
  void deliver(const DispatchQueue::Message& message, std::int64_t sent_ms);
  std::uint32_t deliver_to(const std::vector<Subscriber>& subscribers,
                           const DispatchQueue::Message& message);
  void note(const DispatchQueue::Message& message, std::uint32_t connections, std::int64_t sent_ms);
  void deliver_recorded(const ServedMessage& message);
  void read_clock();

  market::VenueId venue_;
  net::Loop& loop_;
  const ServerOptions& options_;
  DispatchQueue queue_;
  std::unique_ptr<wire::WireModel> wire_;
  SimulatedVenue market_;
  Random random_;
  std::unordered_map<std::string, std::uint32_t> by_native_;
  std::vector<TradeHistory> histories_;                        // by market
  std::vector<std::vector<std::int64_t>> interest_;            // by market: each five minutes
  std::vector<std::map<std::int64_t, std::int64_t>> settled_;  // by market: time, rate
  std::int64_t interest_begin_ms_ = 0;
  std::vector<std::vector<Subscriber>> by_channel_;  // stream x markets + market
  std::vector<std::vector<Subscriber>> by_stream_;   // those of all markets
  std::vector<std::shared_ptr<Session>> sessions_;
  std::vector<Begun> begun_;
  std::unique_ptr<TruthLog> truth_;
  std::vector<ServedStream> streams_;
  ServedVenue counts_;
  std::int64_t now_ms_ = 0;
  std::int64_t lateness_ms_max_ = 0;
  std::optional<ServedMessage> next_recorded_;
  std::int64_t replay_begin_ms_ = 0;  ///< when the first recorded message leaves
  std::int64_t recorded_begin_ns_ = 0;
  bool has_replay_begun_ = false;
  std::size_t replay_stream_ = 0;  ///< its row of the report
  std::unordered_map<std::string, std::string> recorded_answers_;
  bool has_begun_ = false;
  bool has_doomed_ = false;
  bool is_stopped_ = false;
  std::unique_ptr<net::WebServer> web_;
};

std::unique_ptr<VenueServer> make_venue_server(
    market::VenueId venue, net::Loop& loop, const ServerOptions& options, LatentMarket& latent,
    const std::vector<std::vector<std::int64_t>>& past_levels, std::int64_t start_ms,
    double activity);

}  // namespace perp::sim
