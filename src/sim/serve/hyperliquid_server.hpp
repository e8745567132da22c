#pragma once
// Hyperliquid as a server: one subscription a frame, acknowledged with its defaults filled in; an
// unknown coin breaks the socket off; every request is a POST to /info. Source:
// hyperliquid.gitbook.io, API.
#include "sim/serve/json.hpp"
#include "sim/serve/venue_server.hpp"
#include "sim/wire/hyperliquid.hpp"

#include <string>
#include <string_view>

namespace perp::sim {

class HyperliquidServer final : public VenueServer {
 public:
  using VenueServer::VenueServer;

 private:
  Path on_handshake(Session& session, std::string_view path, std::string_view query) override;
  void on_text(Session& session, std::string_view text) override;
  void on_rest(const net::HttpRequestParser& request, RestReply& reply) override;
  void on_begun(Session& session, const Subscription& subscription) override;
  void keep(Session& session) override;

  wire::Hyperliquid& model() { return static_cast<wire::Hyperliquid&>(wire()); }
  void refuse(Session& session, std::string_view message);
  void take_subscription(Session& session, std::string_view text, const Json& frame);
  bool read_subscription(const Json& wanted, Subscription& subscription, std::string& filled);
  void replay_trades(const MarketModel& market);

  struct Call;
  static const Call* find_call(std::string_view type);
  void meta(const Json& request, RestReply& reply);
  void contexts(const Json& request, RestReply& reply);
  void mids(const Json& request, RestReply& reply);
  void l2_book(const Json& request, RestReply& reply);
  void recent_trades(const Json& request, RestReply& reply);
  void candle_snapshot(const Json& request, RestReply& reply);
  void funding_history(const Json& request, RestReply& reply);
  void exchange_status(const Json& request, RestReply& reply);
  static void unreadable(RestReply& reply);

  Text message_;
  SpentInWindow weight_{60'000};
  SpentInWindow dials_{60'000};
  SpentInWindow frames_{60'000};
};

}  // namespace perp::sim
