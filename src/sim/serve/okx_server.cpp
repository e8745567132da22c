#include "sim/serve/okx_server.hpp"

#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <array>

namespace perp::sim {
namespace {

constexpr std::int64_t dials_per_second = 3;
constexpr std::int64_t operations_per_hour = 480;
constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t idle_ms = 30'000;
constexpr std::size_t arguments_bytes_max = std::size_t{64} << 10;
constexpr std::uint16_t no_data = 4004;

std::string connection_id(Random& random) {
  return fmt::format("{:08x}", static_cast<std::uint32_t>(random.bits()));
}

}  // namespace

VenueServer::Path OkxServer::on_handshake(Session& session, std::string_view path,
                                          std::string_view) {
  if (path == "/ws/v5/public")
    session.path = public_path;
  else if (path == "/ws/v5/business")
    session.path = business_path;
  else
    return {404, "Not Found"};
  if (dials_.add(1, now_ms()) > dials_per_second) return {429, "Too Many Requests"};
  session.id = connection_id(random());
  session.frames = SpentInWindow(hour_ms);
  return {};
}

void OkxServer::refuse(Session& session, std::string_view code, std::string_view message) {
  count_refusal();
  static_cast<void>(
      send(session, fmt::format(R"({{"event":"error","msg":{},"code":"{}","connId":"{}"}})",
                                json_quoted(message), code, session.id)));
}

bool OkxServer::count_operation(Session& session) {
  // An hour of the connection's own, from its opening on.
  if (session.frames.add(1, now_ms() - session.opened_ms) <= operations_per_hour) return true;
  refuse(session, "60014", "Requests too frequent");
  return false;
}

void OkxServer::on_text(Session& session, std::string_view text) {
  if (text == "ping") {
    static_cast<void>(send(session, "pong"));
    return;
  }
  const std::optional<Json> frame = Json::parse(text);
  const std::string_view operation = frame ? frame->text_of("op") : std::string_view();
  const Json* const arguments = frame ? frame->find("args") : nullptr;
  if ((operation != "subscribe" && operation != "unsubscribe") || arguments == nullptr ||
      !arguments->is_array() || arguments->items().empty() ||
      arguments->raw().size() > arguments_bytes_max) {
    refuse(session, "60012", "Invalid request: " + std::string(text));
    return;
  }
  if (!count_operation(session)) return;
  for (const Json& argument : arguments->items()) take_argument(session, *frame, argument);
}

/// @returns whether there is such a channel on this socket
bool OkxServer::read_argument(const Session& session, const Json& argument,
                              Subscription& subscription) {
  const wire::Okx::Streams& streams = model().streams();
  struct Kind {
    std::string_view channel;
    std::size_t stream;
    PathKind path;
    bool has_books_only = false;  ///< of contracts whose book is told
  };
  const auto kinds = std::to_array<Kind>({{"trades", streams.trade, public_path},
                                          {"books", streams.book, public_path, true},
                                          {"bbo-tbt", streams.touch, public_path},
                                          {"tickers", streams.ticker, public_path},
                                          {"mark-price", streams.mark, public_path},
                                          {"funding-rate", streams.funding, public_path},
                                          {"open-interest", streams.interest, public_path},
                                          {"candle1m", streams.candle, business_path, true}});
  const std::string_view channel = argument.text_of("channel");
  const std::string_view name = argument.text_of("instId");
  subscription.topic = fmt::format("{}:{}", channel, name);
  if (channel == "liquidation-orders") {
    subscription.topic = "liquidation-orders:SWAP";
    subscription.stream = static_cast<std::uint32_t>(streams.liquidation);
    return session.path == public_path && argument.text_of("instType") == "SWAP";
  }
  if (is_replay()) return true;  // whatever was recorded
  const MarketModel* const market = find_market(name);
  if (market == nullptr || market->status != MarketStatus::listed) return false;
  for (const Kind& kind : kinds) {
    if (kind.channel != channel || kind.path != session.path) continue;
    // Others are acknowledged and bring nothing here.
    if (!kind.has_books_only || wire::Okx::streams_books(*market))
      subscription.stream = static_cast<std::uint32_t>(kind.stream);
    subscription.market = market->index;
    return true;
  }
  return false;
}

void OkxServer::take_argument(Session& session, const Json& frame, const Json& argument) {
  const std::string_view operation = frame.text_of("op");
  Subscription subscription;
  if (!argument.is_object() || !read_argument(session, argument, subscription)) {
    std::string what = fmt::format("channel:{}", argument.text_of("channel"));
    for (const std::string_view name : {"instId", "instType"})
      if (argument.find(name) != nullptr)
        what += fmt::format(", {}:{}", name, argument.text_of(name));
    refuse(session, "60018",
           fmt::format("Wrong URL or {} doesn't exist. Please use the correct URL, channel and "
                       "parameters referring to API document.",
                       what));
    return;
  }
  const std::string_view id = frame.text_of("id");
  std::string answer = "{";
  if (!id.empty()) answer += fmt::format(R"("id":{},)", json_quoted(id));
  answer += fmt::format(R"("event":"{}","arg":{},"connId":"{}"}})", operation, argument.raw(),
                        session.id);
  if (!send(session, answer)) return;
  if (operation == "unsubscribe")
    unsubscribe(session, subscription.topic);
  else if (session.find(subscription.topic) == nullptr)
    subscribe(session, std::move(subscription));
}

void OkxServer::on_begun(Session& session, const Subscription& subscription) {
  if (subscription.market == all_markets) return;
  const wire::Okx::Streams& streams = model().streams();
  MarketModel& market = markets()[subscription.market];
  message_.clear();
  if (subscription.stream == streams.book)
    model().write_book(message_, market, now_ms());
  else if (subscription.stream == streams.funding)
    model().write_funding_message(message_, market, now_ms());
  if (message_.size() > 0) static_cast<void>(send(session, message_.view()));
}

void OkxServer::keep(Session& session) {
  const std::int64_t given = options().idle_ns / core::ns_per_ms;
  const std::int64_t last_ms = std::max(session.heard_ms, session.spoken_ms);
  if (now_ms() - last_ms >= (given > 0 ? given : idle_ms))
    cut(session, no_data, "No data received in 30s.");
}

}  // namespace perp::sim
