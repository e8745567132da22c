#include "sim/serve/venue_server.hpp"

#include "sim/serve/replay_topics.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/websocket_handshake.hpp>

#include <algorithm>
#include <limits>

namespace perp::sim {
namespace {

constexpr std::int64_t lead_ms = 2000;  // quoting before the first trade
constexpr std::int64_t minute_ms = 60'000;
// A reader that is so far behind is cut, as venues do.
constexpr std::size_t send_bytes_max = std::size_t{16} << 20;
constexpr std::size_t request_bytes_max = std::size_t{256} << 10;
constexpr std::uint16_t going_away = 1001;
constexpr std::uint64_t random_stream = 90'000;

}  // namespace

Subscription* Session::find(std::string_view topic) {
  for (Subscription& subscription : subscriptions)
    if (subscription.topic == topic) return &subscription;
  return nullptr;
}

VenueServer::VenueServer(market::VenueId venue, net::Loop& loop, const ServerOptions& options,
                         LatentMarket& latent,
                         const std::vector<std::vector<std::int64_t>>& past_levels,
                         std::int64_t start_ms, double activity)
    : venue_(venue),
      loop_(loop),
      options_(options),
      wire_(wire::make_wire(venue, queue_, nullptr, options.seed)),
      market_({.venue = venue,
               .seed = options.seed,
               .symbols = static_cast<std::size_t>(options.symbols + options.spare_symbols),
               .activity = activity,
               .start_ms = start_ms / minute_ms * minute_ms,
               .has_usual_limits = false},
              latent, past_levels, *wire_),
      random_(options.seed, random_stream + static_cast<std::uint64_t>(venue)) {
  for (MarketModel& market : markets()) {
    by_native_.emplace(market.listing().native, market.index);
    if (market.listing().coin_index >= static_cast<std::size_t>(options.symbols))
      market.status = MarketStatus::unlisted;
  }
  histories_.assign(markets().size(), TradeHistory(options.trade_history));
  by_stream_.resize(queue_.streams().size());
  by_channel_.resize(queue_.streams().size() * markets().size());
  for (const std::string& name : queue_.streams()) streams_.push_back({venue, name});
  counts_.venue = venue;
  replay_stream_ = streams_.size();
  if (is_replay()) streams_.push_back({venue, "recorded"});
  if (options.truth_folder.empty() || is_replay()) return;
  truth_ = std::make_unique<TruthLog>(options.truth_folder, venue);
  for (const MarketModel& market : markets()) {
    const Listing& listing = market.listing();
    // Contracts of 100 USD are no quantity of coins: not to be compared.
    truth_->define(static_cast<std::uint16_t>(market.index), listing.native,
                   listing.coin_price_digits(),
                   listing.is_inverse() ? std::numeric_limits<std::int16_t>::min()
                                        : listing.coin_quantity_digits());
  }
}

VenueServer::~VenueServer() = default;

void VenueServer::open(std::int64_t start_ms) {
  queue_.start(start_ms - lead_ms);
  market_.open(start_ms - lead_ms);
}

void VenueServer::listen(std::uint16_t port) {
  net::Endpoint at;
  if (!net::Endpoint::parse(options_.address, port, at))
    throw core::Error("'" + options_.address + "' is no address", "simulated venues",
                      "an IPv4 or IPv6 address is accepted");
  net::WebServerOptions options;
  options.websocket.message_bytes = request_bytes_max;
  options.transport.receive_bytes = 4 * request_bytes_max;
  options.transport.send_bytes = send_bytes_max;
  net::WebServerHandler& handler = *this;
  web_ = std::make_unique<net::WebServer>(loop_, at, options_.tls ? &*options_.tls : nullptr,
                                          handler, options);
}

void VenueServer::read_clock() {
  now_ms_ = std::max(now_ms_, core::wall_now().ns / core::ns_per_ms);
}

MarketModel* VenueServer::find_market(std::string_view native) {
  const auto found = by_native_.find(std::string(native));
  if (found == by_native_.end()) return nullptr;
  MarketModel& market = markets()[found->second];
  return market.status == MarketStatus::unlisted ? nullptr : &market;
}

std::size_t VenueServer::subscription_count() const {
  std::size_t count = 0;
  for (const auto& session : sessions_) count += session->subscriptions.size();
  return count;
}

// --- connections

void VenueServer::on_request(net::WebConnection& connection,
                             const net::HttpRequestParser& request) {
  read_clock();
  if (!net::asks_for_websocket(request)) {
    ++counts_.requests;
    RestReply reply;
    on_rest(request, reply);
    if (reply.status >= 400) ++counts_.refusals;
    std::vector<net::HttpField> fields{{"Content-Type", reply.content_type},
                                       {"X-Content-Type-Options", "nosniff"}};
    for (const auto& [name, value] : reply.fields) fields.push_back({name, value});
    connection.respond({.status = reply.status, .fields = fields, .body = reply.body.view()});
    return;
  }
  auto session = std::make_shared<Session>();
  session->connection = &connection;
  session->opened_ms = session->heard_ms = session->spoken_ms = now_ms_;
  session->pinged_ms = session->pong_ms = now_ms_;
  const Path path = on_handshake(*session, request.path(), request.query());
  if (path.status != 101) {
    ++counts_.refusals;
    connection.respond({.status = path.status, .body = path.body, .closes = true});
    return;
  }
  if (!connection.accept_websocket()) return;
  ++counts_.connections;
  connection.context = session;
  sessions_.push_back(session);
  on_opened(*session);
}

void VenueServer::on_message(net::WebConnection& connection, const net::WebSocketMessage& message) {
  auto* const session = static_cast<Session*>(connection.context.get());
  if (session == nullptr || session->is_doomed) return;
  read_clock();
  session->heard_ms = now_ms_;
  if (message.event == net::WebSocketEvent::text || message.event == net::WebSocketEvent::binary) {
    on_text(*session, message.text());
  } else {
    if (message.event == net::WebSocketEvent::pong) session->pong_ms = now_ms_;
    on_control(*session);
  }
}

void VenueServer::on_end(net::WebConnection& connection, const net::TransportEnd&) {
  if (auto* const session = static_cast<Session*>(connection.context.get())) forget(*session);
}

void VenueServer::forget(Session& session) {
  const auto is_its = [&session](const auto& entry) { return entry.session == &session; };
  for (const Subscription& subscription : session.subscriptions)
    if (subscription.stream != silent_stream) std::erase_if(subscribers(subscription), is_its);
  std::erase_if(begun_, is_its);
  std::erase_if(sessions_, [&session](const auto& entry) { return entry.get() == &session; });
}

std::vector<VenueServer::Subscriber>& VenueServer::subscribers(const Subscription& subscription) {
  return subscription.market == all_markets
             ? by_stream_[subscription.stream]
             : by_channel_[subscription.stream * markets().size() + subscription.market];
}

void VenueServer::subscribe(Session& session, Subscription subscription) {
  if (subscription.stream != silent_stream) begun_.push_back({&session, subscription.topic});
  session.subscriptions.push_back(std::move(subscription));
}

void VenueServer::unsubscribe(Session& session, std::string_view topic) {
  const Subscription* const subscription = session.find(topic);
  if (subscription == nullptr) return;
  if (subscription->stream != silent_stream)
    std::erase_if(subscribers(*subscription), [&](const Subscriber& entry) {
      return entry.session == &session && entry.form == subscription->form;
    });
  std::erase_if(begun_, [&](const Begun& entry) {
    return entry.session == &session && entry.topic == topic;
  });
  std::erase_if(session.subscriptions,
                [&](const Subscription& entry) { return entry.topic == topic; });
}

bool VenueServer::send(Session& session, std::string_view text) {
  if (session.is_doomed) return false;
  if (!session.connection->send_text(text)) {
    drop(session);  // at its end already, or too far behind
    return false;
  }
  session.spoken_ms = now_ms_;
  return true;
}

void VenueServer::cut(Session& session, std::uint16_t code, std::string_view why) {
  if (session.is_doomed) return;
  session.connection->close(code, why);
  session.is_doomed = has_doomed_ = true;
  ++counts_.cuts;
}

void VenueServer::drop(Session& session) {
  if (session.is_doomed) return;
  session.is_doomed = has_doomed_ = true;
}

void VenueServer::vanish(Session& session) {
  if (session.is_doomed) return;
  session.is_doomed = session.vanishes = has_doomed_ = true;
  ++counts_.cuts;
}

void VenueServer::bury() {
  if (!std::exchange(has_doomed_, false)) return;
  const auto sessions = sessions_;
  for (const auto& session : sessions) {
    if (!session->is_doomed) continue;
    // finish() tells of its end later; from here on it has no subscriptions.
    session->connection->context.reset();
    if (session->vanishes)
      session->connection->abort();
    else
      session->connection->finish();
    forget(*session);
  }
}

// --- what leaves

void VenueServer::dispatch(std::int64_t until_ms, std::int64_t now) {
  now_ms_ = std::max(now_ms_, now);
  queue_.take_before(until_ms, [this](const DispatchQueue::Message& message, std::int64_t at_ms) {
    if (has_begun_) lateness_ms_max_ = std::max(lateness_ms_max_, now_ms_ - at_ms);
    deliver(message, at_ms);
  });
  bury();
}

void VenueServer::deliver(const DispatchQueue::Message& message, std::int64_t sent_ms) {
  ServedStream& count = streams_[message.stream];
  ++count.made;
  const bool is_listed =
      message.market == no_market || markets()[message.market].status == MarketStatus::listed;
  std::uint32_t connections = 0;
  // Where a recording is served the model's market goes on unheard, for requests without a record.
  if (is_listed && !is_stopped_ && !is_replay()) {
    connections = deliver_to(by_stream_[message.stream], message);
    if (message.market != no_market)
      connections +=
          deliver_to(by_channel_[message.stream * markets().size() + message.market], message);
  }
  count.sent += connections;
  count.bytes += connections * message.payload.size();
  if (!message.facts.empty()) note(message, connections, sent_ms);
}

std::uint32_t VenueServer::deliver_to(const std::vector<Subscriber>& subscribers,
                                      const DispatchQueue::Message& message) {
  std::uint32_t connections = 0;
  for (const Subscriber& subscriber : subscribers) {
    const std::string_view payload =
        subscriber.form == 0 ? message.payload
                             : in_form(subscriber.form, message.payload, markets()[message.market]);
    if (send(*subscriber.session, payload)) ++connections;
  }
  return connections;
}

std::string_view VenueServer::in_form(std::uint8_t, std::string_view payload, const MarketModel&) {
  return payload;
}

void VenueServer::note(const DispatchQueue::Message& message, std::uint32_t connections,
                       std::int64_t sent_ms) {
  for (const Fact& fact : message.facts) {
    if (fact.kind == Fact::Kind::trade) histories_[message.market].add(fact);
    if (truth_ == nullptr) continue;
    TruthRow row;
    row.kind = static_cast<TruthKind>(fact.kind);
    row.is_buy = fact.is_buy ? 1 : 0;
    row.market = static_cast<std::uint16_t>(message.market);
    row.connections = connections;
    row.id = fact.id;
    row.id_high = fact.id_high;
    row.time_ms = fact.time_ms;
    row.sent_ms = sent_ms;
    row.price = fact.price;
    row.quantity = fact.quantity;
    truth_->add(row);
  }
}

void VenueServer::begin_step(std::int64_t now) {
  now_ms_ = std::max(now_ms_, now);
  has_begun_ = true;
  const std::vector<Begun> begun = std::move(begun_);
  begun_.clear();
  for (const Begun& entry : begun) {
    const Subscription* const subscription = entry.session->find(entry.topic);
    if (subscription == nullptr || entry.session->is_doomed) continue;
    subscribers(*subscription).push_back({entry.session, subscription->form});
    if (!is_replay()) on_begun(*entry.session, *subscription);
  }
  bury();
}

void VenueServer::every_second(std::int64_t now) {
  now_ms_ = std::max(now_ms_, now);
  const std::int64_t lifetime_ms = options_.lifetime_ns / core::ns_per_ms;
  for (const auto& session : sessions_) {
    keep(*session);
    if (lifetime_ms > 0 && now_ms_ - session->opened_ms >= lifetime_ms)
      cut(*session, going_away, "");
  }
  bury();
  if (truth_ != nullptr) truth_->flush();
}

// --- recordings

void VenueServer::replay(std::int64_t now) {
  if (!is_replay() || is_stopped_) return;
  now_ms_ = std::max(now_ms_, now);
  if (!std::exchange(has_replay_begun_, true)) {
    next_recorded_ = options_.replay(venue_);
    if (next_recorded_) recorded_begin_ns_ = next_recorded_->receive_ns;
    replay_begin_ms_ = now_ms_;
  }
  while (next_recorded_) {
    const bool is_answer = !next_recorded_->endpoint.empty();
    // The clock of a recording stands until somebody has subscribed; answers are there before.
    const bool waits =
        streams_[replay_stream_].made == 0 &&
        (sessions_.empty() || (subscription_count() == 0 && !options_.replays_to_all));
    const std::int64_t recorded_ms =
        (next_recorded_->receive_ns - recorded_begin_ns_) / core::ns_per_ms;
    if (waits) replay_begin_ms_ = now_ms_ - recorded_ms;
    if ((waits && !is_answer) || replay_begin_ms_ + recorded_ms > now_ms_) break;
    if (is_answer)
      recorded_answers_[next_recorded_->endpoint + " " + next_recorded_->symbol] =
          std::move(next_recorded_->payload);
    else
      deliver_recorded(*next_recorded_);
    next_recorded_ = options_.replay(venue_);
  }
  bury();
}

void VenueServer::deliver_recorded(const ServedMessage& message) {
  const ReplayTopics found = topics_of(venue_, message.payload);
  ServedStream& count = streams_[replay_stream_];
  ++count.made;
  const auto brings = [&](const Subscription& subscription) {
    return std::any_of(found.topics.begin(), found.topics.end(), [&](const std::string& topic) {
      return found.is_prefix ? subscription.topic.starts_with(topic) : subscription.topic == topic;
    });
  };
  for (const auto& session : sessions_) {
    const auto subscription =
        std::find_if(session->subscriptions.begin(), session->subscriptions.end(), brings);
    const bool is_wanted = subscription != session->subscriptions.end();
    if (!is_wanted && !options_.replays_to_all) continue;
    std::string wrapped;
    std::string_view payload = message.payload;
    if (venue_ == market::VenueId::binance && is_wanted) {
      // Each connection has its envelope or none, whatever the recording had.
      const std::string_view bare = found.bare.empty() ? payload : found.bare;
      wrapped = R"({"stream":")" + subscription->topic + R"(","data":)" + std::string(bare) + "}";
      payload = session->is_combined ? std::string_view(wrapped) : bare;
    }
    if (!send(*session, payload)) continue;
    ++count.sent;
    count.bytes += payload.size();
  }
}

bool VenueServer::answer_recorded(std::string_view endpoint, std::string_view symbol,
                                  RestReply& reply) const {
  for (const std::string_view of : {symbol, std::string_view()}) {
    const auto found = recorded_answers_.find(std::string(endpoint) + " " + std::string(of));
    if (found == recorded_answers_.end()) continue;
    reply.body.raw(found->second);
    return true;
  }
  return false;
}

std::string VenueServer::change_listing(bool lists) {
  std::vector<MarketModel>& all = markets();
  const auto is_candidate = [&](const MarketModel& market) {
    return market.listing().kind == ListingKind::primary &&
           market.status == (lists ? MarketStatus::unlisted : MarketStatus::listed) &&
           (lists || market.listing().coin_index > 0);
  };
  // Listings from the front, delistings from the back: the busiest stay.
  MarketModel* chosen = nullptr;
  for (MarketModel& market : all)
    if (is_candidate(market) && (chosen == nullptr || !lists)) chosen = &market;
  if (chosen == nullptr) return {};
  chosen->status = lists ? MarketStatus::listed : MarketStatus::delisted;
  return std::string(market::find_venue(venue_)->key) + (lists ? " lists " : " delists ") +
         chosen->listing().native;
}

void VenueServer::stop() {
  is_stopped_ = true;
  const ServedVenue counts = counts_;
  for (const auto& session : sessions_) cut(*session, going_away, "");
  counts_ = counts;
  bury();
  if (web_) web_->for_each([](net::WebConnection& connection) { connection.finish(); });
  if (truth_ != nullptr) truth_->flush();
}

void VenueServer::report(ServerReport& report) const {
  report.streams.insert(report.streams.end(), streams_.begin(), streams_.end());
  report.venues.push_back(counts_);
  report.venues.back().truth_rows = truth_ == nullptr ? 0 : truth_->rows();
}

}  // namespace perp::sim
