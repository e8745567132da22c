#pragma once
// Binance USD-M as a server: the routed sockets, SUBSCRIBE and its kin, weights told in headers.
// Source: developers.binance.com, derivatives, USD-M futures, "Websocket Market Streams", "General
// Info" and the pages of the requests.
#include "sim/serve/json.hpp"
#include "sim/serve/venue_server.hpp"
#include "sim/wire/binance.hpp"

#include <string>
#include <string_view>

namespace perp::sim {

class BinanceServer final : public VenueServer {
 public:
  using VenueServer::VenueServer;

 private:
  enum PathKind : std::uint8_t { root_path, public_path, market_path };
  enum Form : std::uint8_t { as_composed, bare, of_all, bare_of_all };

  Path on_handshake(Session& session, std::string_view path, std::string_view query) override;
  void on_text(Session& session, std::string_view text) override;
  void on_control(Session& session) override;
  void on_rest(const net::HttpRequestParser& request, RestReply& reply) override;
  std::string_view in_form(std::uint8_t form, std::string_view payload,
                           const MarketModel& market) override;
  void keep(Session& session) override;

  wire::Binance& model() { return static_cast<wire::Binance&>(wire()); }
  bool count_frame(Session& session);
  void subscribe_to(Session& session, std::string_view topic);
  void answer(Session& session, std::string_view result, std::string_view id);
  void refuse(Session& session, int code, std::string_view message, std::string_view id);
  void set_property(Session& session, const Json& frame, std::string_view id);

  // Requests.
  struct Call;
  static const Call* find_call(std::string_view path);
  bool admit(RestReply& reply, std::int64_t weight, std::uint8_t pool);
  static void fail(RestReply& reply, int status, int code, std::string_view message);
  MarketModel* market_of(const Query& query, RestReply& reply);
  bool limit_of(const Query& query, std::int64_t usual, std::int64_t most, RestReply& reply,
                std::size_t& limit);
  void exchange_info(const Query&, RestReply& reply);
  void funding_info(const Query&, RestReply& reply);
  void time(const Query&, RestReply& reply);
  void ping(const Query&, RestReply& reply);
  void depth(const Query& query, RestReply& reply);
  void aggregate_trades(const Query& query, RestReply& reply);
  void klines(const Query& query, RestReply& reply);
  void premium_index(const Query& query, RestReply& reply);
  void funding_rate(const Query& query, RestReply& reply);
  void open_interest(const Query& query, RestReply& reply);
  void open_interest_history(const Query& query, RestReply& reply);
  void book_ticker(const Query& query, RestReply& reply);
  void account_ratio(const Query& query, RestReply& reply);
  void top_account_ratio(const Query& query, RestReply& reply);
  void top_position_ratio(const Query& query, RestReply& reply);
  void ratio(const Query& query, RestReply& reply, wire::Binance::Ratio kind);
  void taker_ratio(const Query& query, RestReply& reply);

  std::string formed_;
  SpentInWindow weight_{60'000};
  SpentInWindow funding_{300'000};
  SpentInWindow data_{300'000};
  SpentInWindow dials_{300'000};
  std::int64_t refused_in_row_ = 0;
  std::int64_t banned_until_ms_ = 0;
  std::int64_t ban_ms_ = 120'000;
};

}  // namespace perp::sim
