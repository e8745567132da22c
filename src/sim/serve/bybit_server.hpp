#pragma once
// Bybit v5 linear as a server: op frames, one answer a frame, snapshots at each subscription; lists
// newest first. Source: bybit-exchange.github.io/docs/v5.
#include "sim/serve/json.hpp"
#include "sim/serve/venue_server.hpp"
#include "sim/wire/bybit.hpp"

#include <string>
#include <string_view>

namespace perp::sim {

class BybitServer final : public VenueServer {
 public:
  using VenueServer::VenueServer;

 private:
  Path on_handshake(Session& session, std::string_view path, std::string_view query) override;
  void on_text(Session& session, std::string_view text) override;
  void on_rest(const net::HttpRequestParser& request, RestReply& reply) override;
  void on_begun(Session& session, const Subscription& subscription) override;
  void keep(Session& session) override;

  wire::Bybit& model() { return static_cast<wire::Bybit&>(wire()); }
  void answer(Session& session, bool is_success, std::string_view message, const Json& frame,
              std::string_view operation);
  /// @returns why not, or empty. Fills the subscription.
  std::string read_topic(std::string_view topic, Subscription& subscription);
  void subscribe_all(Session& session, const Json& frame);

  struct Call;
  static const Call* find_call(std::string_view path);
  void fail(RestReply& reply, int code, std::string_view message);
  void begin(RestReply& reply);
  void finish(RestReply& reply);
  MarketModel* market_of(const Query& query, RestReply& reply);
  static std::size_t limit_of(const Query& query, std::int64_t usual, std::int64_t most);
  void time(const Query& query, RestReply& reply);
  void instruments(const Query& query, RestReply& reply);
  void klines(const Query& query, RestReply& reply);
  void recent_trades(const Query& query, RestReply& reply);
  void order_book(const Query& query, RestReply& reply);
  void tickers(const Query& query, RestReply& reply);
  void open_interest(const Query& query, RestReply& reply);
  void funding_history(const Query& query, RestReply& reply);
  void account_ratio(const Query& query, RestReply& reply);

  Text message_;
  SpentInWindow requests_{5000};
  SpentInWindow dials_{300'000};
  std::int64_t banned_until_ms_ = 0;
};

}  // namespace perp::sim
