#include "sim/serve/bybit_server.hpp"

#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <array>

namespace perp::sim {
namespace {

constexpr std::int64_t dials_max = 500;
constexpr std::size_t open_max = 1000;
constexpr std::size_t topic_bytes_max = 21'000;
constexpr std::int64_t without_topics_ms = 61'000;  // seen, not documented
constexpr std::int64_t idle_ms_max = 600'000;

std::string connection_id(Random& random) {
  static constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuv";
  std::string id;
  for (int i = 0; i < 26; ++i) id += i == 20 ? '-' : alphabet[random.below(32)];
  return id;
}

}  // namespace

VenueServer::Path BybitServer::on_handshake(Session& session, std::string_view path,
                                            std::string_view) {
  if (path != "/v5/public/linear") return {404, "Not Found"};
  if (dials_.add(1, now_ms()) > dials_max || session_count() >= open_max)
    return {403, "access too frequent"};
  session.id = connection_id(random());
  return {};
}

void BybitServer::answer(Session& session, bool is_success, std::string_view message,
                         const Json& frame, std::string_view operation) {
  if (!is_success) count_refusal();
  static_cast<void>(send(
      session, fmt::format(R"({{"success":{},"ret_msg":{},"conn_id":"{}","req_id":{},"op":{}}})",
                           is_success, json_quoted(message), session.id,
                           json_quoted(frame.text_of("req_id")), json_quoted(operation))));
}

void BybitServer::on_text(Session& session, std::string_view text) {
  const std::optional<Json> frame = Json::parse(text);
  if (!frame || !frame->is_object()) {
    count_refusal();
    static_cast<void>(send(session, "Request is not a valid JSON"));
    return;
  }
  const std::string_view operation = frame->text_of("op");
  if (operation == "ping") {
    answer(session, true, "pong", *frame, "ping");
  } else if (operation == "subscribe" || operation == "unsubscribe") {
    subscribe_all(session, *frame);
  } else {
    answer(session, false, "error:invalid op", *frame, operation);
  }
}

std::string BybitServer::read_topic(std::string_view topic, Subscription& subscription) {
  const wire::Bybit::Streams& streams = model().streams();
  struct Kind {
    std::string_view prefix;
    std::size_t stream;
  };
  const auto kinds = std::to_array<Kind>({{"publicTrade.", streams.trade},
                                          {"orderbook.50.", streams.book},
                                          {"orderbook.1.", streams.touch},
                                          {"tickers.", streams.ticker},
                                          {"kline.1.", streams.kline},
                                          {"allLiquidation.", streams.liquidation}});
  subscription.topic = topic;
  for (const Kind& kind : kinds) {
    if (!topic.starts_with(kind.prefix)) continue;
    const MarketModel* const market = find_market(topic.substr(kind.prefix.size()));
    if (market == nullptr || market->status != MarketStatus::listed) break;
    subscription.stream = static_cast<std::uint32_t>(kind.stream);
    subscription.market = market->index;
    return {};
  }
  return "error:handler not found,topic:" + std::string(topic);
}

/// One bad topic refuses the whole frame.
void BybitServer::subscribe_all(Session& session, const Json& frame) {
  const std::string_view operation = frame.text_of("op");
  const Json* const topics = frame.find("args");
  if (topics == nullptr || !topics->is_array() || topics->items().empty()) {
    answer(session, false, "error:invalid args", frame, operation);
    return;
  }
  std::size_t bytes = 0;
  for (const Subscription& subscription : session.subscriptions) bytes += subscription.topic.size();
  std::vector<Subscription> wanted;
  for (const Json& topic : topics->items()) {
    Subscription subscription;
    std::string why = topic.is_text() ? read_topic(topic.text(), subscription)
                                      : std::string("error:invalid args");
    bytes += topic.text().size();
    if (why.empty() && operation == "subscribe" && session.find(topic.text()) != nullptr)
      why = "error:already subscribed,topic:" + topic.text();
    if (why.empty() && operation == "subscribe" && bytes > topic_bytes_max)
      why = "error:args size exceeds the limit,topic:" + topic.text();
    if (!why.empty()) {
      answer(session, false, why, frame, operation);
      return;
    }
    wanted.push_back(std::move(subscription));
  }
  for (Subscription& subscription : wanted)
    if (operation == "unsubscribe")
      unsubscribe(session, subscription.topic);
    else if (session.find(subscription.topic) == nullptr)
      subscribe(session, std::move(subscription));
  answer(session, true, "", frame, operation);
}

void BybitServer::on_begun(Session& session, const Subscription& subscription) {
  const wire::Bybit::Streams& streams = model().streams();
  const MarketModel& market = markets()[subscription.market];
  message_.clear();
  if (subscription.stream == streams.book)
    model().write_book(message_, market, now_ms());
  else if (subscription.stream == streams.touch)
    model().write_touch(message_, market, now_ms());
  else if (subscription.stream == streams.ticker)
    model().write_ticker(message_, market, now_ms());
  if (message_.size() > 0) static_cast<void>(send(session, message_.view()));
}

void BybitServer::keep(Session& session) {
  const std::int64_t given = options().idle_ns / core::ns_per_ms;
  const std::int64_t silent_ms = now_ms() - session.heard_ms;
  if (session.subscriptions.empty() && silent_ms >= (given > 0 ? given : without_topics_ms))
    vanish(session);
  if (silent_ms >= (given > 0 ? given : idle_ms_max) &&
      now_ms() - session.spoken_ms >= (given > 0 ? given : idle_ms_max))
    drop(session);
}

}  // namespace perp::sim
