#pragma once
// A small Binance for tests of the live feed: two contracts, the routed paths, lists of what it was
// asked, and messages only when the test says so. It speaks by the venue's documentation and knows
// nothing of our decoders.
#include <perp/net/loop.hpp>
#include <perp/net/web_server.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::feed::test {

class FakeBinance final : public net::WebServerHandler {
 public:
  /// @param tls null: plain
  explicit FakeBinance(net::Loop& loop, const net::TlsContext* tls = nullptr)
      : security_(tls == nullptr ? "" : "s"),
        server_(loop, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), tls, *this) {}

  std::string websocket_origin() const {
    return fmt::format("ws{}://127.0.0.1:{}", security_, server_.endpoint().port);
  }
  std::string rest_origin() const {
    return fmt::format("http{}://127.0.0.1:{}", security_, server_.endpoint().port);
  }

  /// One side of the venue's two kinds of connection that subscribed to a topic, in opening order.
  struct Client {
    net::WebConnection* connection;
    std::string path;
    bool is_answered = true;
    std::set<std::string> topics{};
    std::vector<std::string> frames{};
  };
  std::vector<Client*> clients_of(const std::string& topic) {
    std::vector<Client*> found;
    for (auto& [number, client] : clients_)
      if (client.topics.contains(topic)) found.push_back(&client);
    return found;
  }
  std::size_t client_count() const { return clients_.size(); }
  std::map<std::uint64_t, Client>& clients() { return clients_; }

  /// To every connection that subscribed to the topic.
  void push(const std::string& topic, const std::string& data) {
    const std::string text = fmt::format(R"({{"stream":"{}","data":{}}})", topic, data);
    // One that is closing takes nothing any more.
    for (Client* client : clients_of(topic))
      if (client->is_answered) static_cast<void>(client->connection->send_text(text));
  }
  void trade(std::int64_t id, double price = 100) {
    push("btcusdt@aggTrade", trade_text(id, price));
    trades[id] = price;
  }
  static std::string trade_text(std::int64_t id, double price) {
    return fmt::format(
        R"({{"e":"aggTrade","E":{0},"a":{1},"s":"BTCUSDT","p":"{2:.1f}","q":"0.010","nq":"0.010","f":{1},"l":{1},"T":{0},"m":false,"st":1}})",
        time_of(id), id, price);
  }
  /// Trades happen a millisecond apart, so that a trade's id tells its time.
  static std::int64_t time_of(std::int64_t id) { return 1'790'000'000'000 + id; }
  void depth(std::int64_t first, std::int64_t last, std::int64_t previous) {
    push(
        "btcusdt@depth@100ms",
        fmt::format(
            R"({{"e":"depthUpdate","E":{0},"T":{0},"s":"BTCUSDT","ps":"BTCUSDT","U":{1},"u":{2},"pu":{3},"b":[["99.0","1.000"]],"a":[["101.0","1.000"]],"st":1}})",
            time_of(last), first, last, previous));
  }
  void mark(std::int64_t at_ms) {
    push(
        "btcusdt@markPrice@1s",
        fmt::format(
            R"({{"e":"markPriceUpdate","E":{0},"s":"BTCUSDT","p":"100.00000000","ap":"100.00000000","P":"100.00000000","i":"100.00000000","r":"0.00010000","T":1790006400000,"st":1}})",
            at_ms));
  }
  /// Connections are taken, and hear nothing from now on.
  void stop_answering() { clients_answered_max = clients_seen_; }
  /// Cuts every connection that carries the topic, without a word.
  void cut(const std::string& topic) {
    for (Client* client : clients_of(topic)) {
      client->connection->abort();
      gone_.push_back(client->connection->number());
    }
    for (const std::uint64_t number : gone_) clients_.erase(number);
    gone_.clear();
  }

  /// It wants a token before each dial: the n-th one is "n".
  std::string token_endpoint;     ///< empty: its own
  std::size_t tokens_failed = 0;  ///< so many requests get a 503
  bool gives_tokens = true;       ///< otherwise nothing is answered
  std::size_t tokens = 0;         ///< given
  std::size_t pings = 0;          ///< by text

  std::map<std::int64_t, double> trades;  ///< that happened, told or not
  std::vector<std::string> requests;      ///< targets asked
  std::vector<std::string> listed{"BTCUSDT", "ETHUSDT"};
  std::set<std::string> status_break;  ///< contracts that are SETTLING
  bool acknowledges = true;
  std::size_t clients_answered_max = 1'000'000;  ///< those that connect later hear nothing
  std::int64_t book_id = 1000;                   ///< lastUpdateId of the snapshot
  std::string book_asks = R"(["102.0","1.000"])";
  bool holds_books = false;  ///< snapshots are answered by answer_books()
  void answer_books() {
    for (const auto& [connection, target] : std::exchange(held_books_, {}))
      respond(*connection, target);
  }

 private:
  void on_request(net::WebConnection& connection, const net::HttpRequestParser& request) override {
    const std::string target(request.target());
    if (target.starts_with("/public/") || target.starts_with("/market/")) {
      if (connection.accept_websocket())
        clients_.emplace(connection.number(),
                         Client{.connection = &connection,
                                .path = target,
                                .is_answered = clients_seen_++ < clients_answered_max});
      return;
    }
    requests.push_back(target);
    net::HttpResponse response;
    if (target == "/api/v1/token") {
      EXPECT_EQ(request.method(), "POST");
      if (!gives_tokens) return;
      if (tokens_failed > 0) {
        --tokens_failed;
        response.status = 503;
        connection.respond(response);
        return;
      }
    }
    if (holds_books && target.starts_with("/fapi/v1/depth"))
      held_books_.emplace_back(&connection, target);
    else
      respond(connection, target);
  }
  void respond(net::WebConnection& connection, const std::string& target) {
    net::HttpResponse response;
    const std::string body = answer(target);
    response.body = body;
    connection.respond(response);
  }

  std::string answer(const std::string& target) {
    if (target.starts_with("/fapi/v1/exchangeInfo")) {
      std::string rows;
      for (const std::string& symbol : listed)
        rows += fmt::format(
            R"({}{{"symbol":"{}","pair":"{}","contractType":"PERPETUAL","deliveryDate":4133404800000,"onboardDate":1569398400000,"status":"{}","baseAsset":"{}","quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":1,"quantityPrecision":3,"underlyingType":"COIN","filters":[{{"filterType":"PRICE_FILTER","minPrice":"0.1","maxPrice":"100000","tickSize":"0.1"}},{{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"}},{{"filterType":"MIN_NOTIONAL","notional":"5"}}]}})",
            rows.empty() ? "" : ",", symbol, symbol,
            status_break.contains(symbol) ? "CLOSE" : "TRADING",
            symbol.substr(0, symbol.size() - 4));
      return R"({"timezone":"UTC","serverTime":1790000000000,"symbols":[)" + rows + "]}";
    }
    if (target == "/api/v1/token")
      return fmt::format(
          R"({{"data":{{"token":"{}","instanceServers":[{{"endpoint":"{}","pingInterval":18000,"pingTimeout":10000}}]}}}})",
          ++tokens,
          token_endpoint.empty() ? websocket_origin() + "/market/stream" : token_endpoint);
    if (target.starts_with("/fapi/v1/time")) return R"({"serverTime":1790000000000})";
    if (target.starts_with("/fapi/v1/depth"))
      return fmt::format(
          R"({{"lastUpdateId":{},"E":1790000000000,"T":1790000000000,"bids":[["98.0","1.000"]],"asks":[{}]}})",
          book_id, book_asks);
    if (target.starts_with("/fapi/v1/aggTrades")) {
      const std::size_t at = target.find("fromId=");
      const std::int64_t from = at == std::string::npos ? 0 : std::stoll(target.substr(at + 7));
      std::string rows;
      for (auto trade = trades.lower_bound(from); trade != trades.end(); ++trade)
        rows += fmt::format(
            R"({}{{"a":{},"p":"{:.1f}","q":"0.010","nq":"0.010","f":{},"l":{},"T":{},"m":false}})",
            rows.empty() ? "" : ",", trade->first, trade->second, trade->first, trade->first,
            time_of(trade->first));
      return "[" + rows + "]";
    }
    if (target.starts_with("/fapi/v1/openInterest"))
      return R"({"symbol":"BTCUSDT","openInterest":"10.000","time":1790000000000})";
    return "[]";
  }

  void on_message(net::WebConnection& connection, const net::WebSocketMessage& message) override {
    if (message.event != net::WebSocketEvent::text) return;
    Client& client = clients_.at(connection.number());
    client.frames.emplace_back(message.text());
    const auto frame = nlohmann::json::parse(message.text());
    if (frame.contains("type")) {
      ++pings;
      return;
    }
    for (const auto& topic : frame.at("params"))
      if (frame.at("method") == "SUBSCRIBE")
        client.topics.insert(topic.get<std::string>());
      else
        client.topics.erase(topic.get<std::string>());
    if (!acknowledges || !client.is_answered) return;
    EXPECT_TRUE(connection.send_text(
        fmt::format(R"({{"result":null,"id":{}}})", frame.at("id").get<std::int64_t>())));
  }
  void on_end(net::WebConnection& connection, const net::TransportEnd&) override {
    clients_.erase(connection.number());
  }

  std::map<std::uint64_t, Client> clients_;
  std::vector<std::uint64_t> gone_;
  std::vector<std::pair<net::WebConnection*, std::string>> held_books_;
  std::size_t clients_seen_ = 0;
  const char* security_;  ///< of a scheme's name
  net::WebServer server_;
};

}  // namespace perp::feed::test
