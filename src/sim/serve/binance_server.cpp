#include "sim/serve/binance_server.hpp"

#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <array>

namespace perp::sim {
namespace {

constexpr std::size_t streams_per_connection = 1024;
constexpr std::int64_t frames_per_second = 10;
constexpr std::int64_t dials_max = 300;
constexpr std::uint16_t going_away = 1001;
constexpr std::uint16_t policy_violation = 1008;
constexpr std::string_view all_forced = "!forceOrder@arr";

/// "null" or the id as it was written.
std::string id_of(const Json& frame) {
  const Json* const id = frame.find("id");
  return id == nullptr ? "null" : std::string(id->raw());
}

}  // namespace

VenueServer::Path BinanceServer::on_handshake(Session& session, std::string_view path,
                                              std::string_view query) {
  if (dials_.add(1, now_ms()) > dials_max) return {429, "Too many requests"};
  // Without a route only streams of /public are served.
  session.path = root_path;
  if (path.starts_with("/public/")) {
    session.path = public_path;
    path.remove_prefix(7);
  } else if (path.starts_with("/market/")) {
    session.path = market_path;
    path.remove_prefix(7);
  }
  std::string_view topics;
  if (path == "/ws" || path.starts_with("/ws/")) {
    session.is_combined = false;
    topics = path.size() > 4 ? path.substr(4) : std::string_view();
  } else if (path == "/stream") {
    if (query.starts_with("streams=")) topics = query.substr(8);
  } else {
    return {404, "Not Found"};
  }
  while (!topics.empty()) {
    const std::size_t end = std::min(topics.find('/'), topics.size());
    subscribe_to(session, topics.substr(0, end));
    topics.remove_prefix(std::min(end + 1, topics.size()));
  }
  return {};
}

void BinanceServer::subscribe_to(Session& session, std::string_view topic) {
  if (session.find(topic) != nullptr) return;  // acknowledged, and said once
  Subscription subscription{.topic = std::string(topic)};
  const wire::Binance::Streams& streams = model().streams();
  struct Kind {
    std::string_view suffix;
    std::size_t stream;
    bool is_public;
  };
  const auto kinds = std::to_array<Kind>({{"aggTrade", streams.trade, false},
                                          {"bookTicker", streams.ticker, true},
                                          {"depth@100ms", streams.depth, true},
                                          {"markPrice@1s", streams.mark, false},
                                          {"kline_1m", streams.kline, false},
                                          {"forceOrder", streams.force, false},
                                          {"ticker", streams.day, false}});
  const bool serves_public = session.path != market_path;
  const bool serves_market = session.path == market_path;
  const std::size_t at = topic.find('@');
  if (topic == all_forced) {
    if (serves_market) subscription.stream = static_cast<std::uint32_t>(streams.force);
    subscription.form = session.is_combined ? of_all : bare_of_all;
  } else if (at != std::string_view::npos) {
    // Names are lower case in topics.
    std::string native(topic.substr(0, at));
    bool is_lower = true;
    for (char& c : native) {
      is_lower &= c < 'A' || c > 'Z';
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    const MarketModel* const market = is_lower ? find_market(native) : nullptr;
    for (const Kind& kind : kinds) {
      if (market == nullptr || kind.suffix != topic.substr(at + 1)) continue;
      if (kind.is_public ? serves_public : serves_market) {
        subscription.stream = static_cast<std::uint32_t>(kind.stream);
        subscription.market = market->index;
      }
    }
    subscription.form = session.is_combined ? as_composed : bare;
  }
  subscribe(session, std::move(subscription));
}

std::string_view BinanceServer::in_form(std::uint8_t form, std::string_view payload,
                                        const MarketModel&) {
  // {"stream":"btcusdt@aggTrade","data":{...}}
  static constexpr std::string_view mark = "\",\"data\":";
  const std::size_t data = payload.find(mark) + mark.size();
  const std::string_view event = payload.substr(data, payload.size() - data - 1);
  if (form == bare || form == bare_of_all) return event;
  formed_ = R"({"stream":"!forceOrder@arr","data":)";
  formed_.append(event).append("}");
  return formed_;
}

bool BinanceServer::count_frame(Session& session) {
  if (session.frames.add(1, now_ms()) <= frames_per_second) return true;
  count_refusal();
  cut(session, policy_violation, "Too many requests");
  return false;
}

void BinanceServer::on_control(Session& session) { static_cast<void>(count_frame(session)); }

void BinanceServer::answer(Session& session, std::string_view result, std::string_view id) {
  static_cast<void>(send(session, fmt::format(R"({{"result":{},"id":{}}})", result, id)));
}

void BinanceServer::refuse(Session& session, int code, std::string_view message,
                           std::string_view id) {
  count_refusal();
  static_cast<void>(send(session, fmt::format(R"({{"error":{{"code":{},"msg":{}}},"id":{}}})", code,
                                              json_quoted(message), id)));
}

void BinanceServer::on_text(Session& session, std::string_view text) {
  if (!count_frame(session)) return;
  const std::optional<Json> frame = Json::parse(text);
  if (!frame) {
    count_refusal();
    static_cast<void>(
        send(session, R"({"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"})"));
    return;
  }
  const std::string id = id_of(*frame);
  const std::string_view method = frame->text_of("method");
  const Json* const parameters = frame->find("params");
  const Json* const number = frame->find("id");
  if (number == nullptr || number->kind() != Json::Kind::number) {
    refuse(session, 2, "Invalid request: request ID must be an unsigned integer", "null");
    return;
  }
  if (method == "LIST_SUBSCRIPTIONS") {
    std::string list = "[";
    for (const Subscription& subscription : session.subscriptions)
      list.append(list.size() > 1 ? "," : "").append(json_quoted(subscription.topic));
    answer(session, list + "]", id);
    return;
  }
  if (method == "SET_PROPERTY" || method == "GET_PROPERTY") {
    set_property(session, *frame, id);
    return;
  }
  if (method != "SUBSCRIBE" && method != "UNSUBSCRIBE") {
    count_refusal();
    const std::string why = fmt::format(
        "Invalid request: unknown variant {}, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
        "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column {}",
        method, text.size());
    static_cast<void>(send(session, fmt::format(R"({{"code":2,"msg":{}}})", json_quoted(why))));
    return;
  }
  if (parameters == nullptr || !parameters->is_array() || parameters->items().empty()) {
    refuse(session, 2, "Invalid request: params must be a list of stream names", id);
    return;
  }
  for (const Json& topic : parameters->items())
    if (!topic.is_text()) {
      refuse(session, 2, "Invalid request: params must be a list of stream names", id);
      return;
    }
  if (method == "SUBSCRIBE" &&
      session.subscriptions.size() + parameters->items().size() > streams_per_connection) {
    refuse(session, 2, "Invalid request: too many streams on one connection", id);
    return;
  }
  // A misspelt name is acknowledged like any other, and never brings anything.
  for (const Json& topic : parameters->items())
    if (method == "SUBSCRIBE")
      subscribe_to(session, topic.text());
    else
      unsubscribe(session, topic.text());
  answer(session, "null", id);
}

/// {"method":"SET_PROPERTY","params":["combined",true],"id":5}
void BinanceServer::set_property(Session& session, const Json& frame, std::string_view id) {
  const Json* const parameters = frame.find("params");
  const bool sets = frame.text_of("method") == "SET_PROPERTY";
  if (parameters == nullptr || !parameters->is_array() || parameters->items().empty() ||
      parameters->items().front().text() != "combined") {
    refuse(session, 0, "Unknown property", id);
    return;
  }
  if (!sets) {
    answer(session, session.is_combined ? "true" : "false", id);
    return;
  }
  if (parameters->items().size() != 2 || parameters->items()[1].kind() != Json::Kind::boolean) {
    refuse(session, 1, "Invalid value type: expected Boolean", id);
    return;
  }
  session.is_combined = parameters->items()[1].is_true();
  const std::vector<Subscription> subscriptions = session.subscriptions;
  for (const Subscription& subscription : subscriptions) {
    unsubscribe(session, subscription.topic);
    subscribe_to(session, subscription.topic);
  }
  answer(session, "null", id);
}

void BinanceServer::keep(Session& session) {
  const std::int64_t ping_ms =
      options().ping_every_ns > 0 ? options().ping_every_ns / core::ns_per_ms : 180'000;
  const std::int64_t pong_ms =
      options().pong_within_ns > 0 ? options().pong_within_ns / core::ns_per_ms : 600'000;
  constexpr std::int64_t lifetime_ms = std::int64_t{24} * 3'600'000;
  if (now_ms() - session.pong_ms >= pong_ms && session.pinged_ms > session.pong_ms) {
    cut(session, policy_violation, "Pong timeout");
    return;
  }
  if (options().lifetime_ns == 0 && now_ms() - session.opened_ms >= lifetime_ms) {
    cut(session, going_away, "");
    return;
  }
  if (now_ms() - session.pinged_ms < ping_ms) return;
  session.pinged_ms = now_ms();
  const std::string payload = std::to_string(now_ms());
  static_cast<void>(session.connection->send_ping(std::as_bytes(std::span(payload))));
}

}  // namespace perp::sim
