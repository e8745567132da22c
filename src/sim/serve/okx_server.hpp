#pragma once
// OKX v5 as a server: the public and the business socket, one answer per argument, text pings,
// budgets per endpoint. Source: www.okx.com/docs-v5.
#include "sim/serve/json.hpp"
#include "sim/serve/venue_server.hpp"
#include "sim/wire/okx.hpp"

#include <string>
#include <string_view>
#include <unordered_map>

namespace perp::sim {

class OkxServer final : public VenueServer {
 public:
  using VenueServer::VenueServer;

 private:
  enum PathKind : std::uint8_t { public_path, business_path };

  Path on_handshake(Session& session, std::string_view path, std::string_view query) override;
  void on_text(Session& session, std::string_view text) override;
  void on_rest(const net::HttpRequestParser& request, RestReply& reply) override;
  void on_begun(Session& session, const Subscription& subscription) override;
  void keep(Session& session) override;

  wire::Okx& model() { return static_cast<wire::Okx&>(wire()); }
  void refuse(Session& session, std::string_view code, std::string_view message);
  bool count_operation(Session& session);
  bool read_argument(const Session& session, const Json& argument, Subscription& subscription);
  void take_argument(Session& session, const Json& frame, const Json& argument);

  struct Call;
  static const Call* find_call(std::string_view path);
  static void fail(RestReply& reply, int status, std::string_view code, std::string_view message);
  MarketModel* market_of(const Query& query, RestReply& reply);
  static std::size_t limit_of(const Query& query, std::int64_t usual, std::int64_t most);
  void instruments(const Query& query, RestReply& reply);
  void time(const Query& query, RestReply& reply);
  void books(const Query& query, RestReply& reply);
  void trade_list(const Query& query, RestReply& reply);
  void history_trades(const Query& query, RestReply& reply);
  struct Bounds {
    std::int64_t from_ms = 0;
    std::int64_t to_ms = 0;
  };
  Bounds bounds_of(const Query& query) const;
  void candles(const Query& query, RestReply& reply);
  void history_candles(const Query& query, RestReply& reply);
  void candle_rows(const Query& query, RestReply& reply, std::int64_t reach, std::int64_t most);
  void funding_history(const Query& query, RestReply& reply);
  void interest_history(const Query& query, RestReply& reply);
  void mark_price(const Query& query, RestReply& reply);
  void funding_rate(const Query& query, RestReply& reply);
  void open_interest(const Query& query, RestReply& reply);
  void account_ratio(const Query& query, RestReply& reply);
  void taker_volume(const Query& query, RestReply& reply);
  void fill_row(Text& text, const MarketModel& market, const Fact& trade, std::int64_t id);
  void fill_rows(Text& text, const MarketModel& market, std::size_t end, std::int64_t after_id,
                 std::int64_t until_id, std::size_t limit);

  Text message_;
  SpentInWindow dials_{1000};
  std::unordered_map<std::string, SpentInWindow> budgets_;
};

}  // namespace perp::sim
