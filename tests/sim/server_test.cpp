// Goal: each simulated venue speaks as its documentation says. Method: a foreign client (Python's
// websockets and urllib) plays scenarios of tests/sim/peers against a server of this process; the
// books are kept there by brute force.
#include "net/foreign_peer.hpp"
#include "sim/recording.hpp"

#include <perp/core/error.hpp>
#include <perp/net/loop.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/listing.hpp>
#include <perp/sim/server.hpp>
#include <perp/sim/truth_log.hpp>

#include <atomic>
#include <future>
#include <thread>

namespace perp::sim::test {
namespace {

using market::VenueId;
using net::test::ForeignPeer;

/// A server that runs in a thread of its own for as long as it exists.
class RunningServer {
 public:
  explicit RunningServer(const ServerOptions& given) {
    static const TemporaryFolder tls_folder;
    static const CertificateFiles files = certificate_files(tls_folder.path());
    ca_file_ = files.ca_file;
    ServerOptions options = given;
    options.tls = net::TlsContext::server(
        {.certificate_file = files.certificate_file, .key_file = files.key_file});
    std::promise<std::uint16_t> port;
    std::future<std::uint16_t> known = port.get_future();
    thread_ = std::thread([this, options, &port] {
      net::Loop loop;
      Server server(loop, options);
      port.set_value(server.addresses().front().endpoint.port);
      while (!stops_) loop.run_once(core::ns_per_ms);
      server.stop();
      while (!server.is_closed()) loop.run_once(core::ns_per_ms);
      report_ = server.report();
    });
    port_ = known.get();
  }
  ~RunningServer() { stop(); }

  std::uint16_t port() const { return port_; }
  const std::string& ca_file() const { return ca_file_; }
  const ServerReport& stop() {
    stops_ = true;
    if (thread_.joinable()) thread_.join();
    return report_;
  }

 private:
  std::string ca_file_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stops_{false};  // set by the test, read by the server's thread
  ServerReport report_;
  std::thread thread_;
};

struct Scenario {
  VenueId venue;
  std::string name;
  double rate = 400;
  std::int64_t ping_every_ns = 0;
  std::int64_t pong_within_ns = 0;
  std::int64_t idle_ns = 0;
  std::int64_t lifetime_ns = 0;
};

class SimServer : public testing::TestWithParam<Scenario> {};

TEST_P(SimServer, SpeaksAsItsDocumentationSays) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  const Scenario& scenario = GetParam();
  RunningServer server({.venues = {scenario.venue},
                        .symbols = 3,
                        .seed = 11,
                        .rate = scenario.rate,
                        .lifetime_ns = scenario.lifetime_ns,
                        .ping_every_ns = scenario.ping_every_ns,
                        .pong_within_ns = scenario.pong_within_ns,
                        .idle_ns = scenario.idle_ns});
  const std::string key(market::find_venue(scenario.venue)->key);
  ForeignPeer peer("../../sim/peers/" + key + "_scenarios.py",
                   {scenario.name, std::to_string(server.port()), server.ca_file()});
  EXPECT_EQ(peer.line(), "passed");
}

constexpr std::int64_t second = core::ns_per_second;

std::string played(const RunningServer& server, const std::string& script,
                   const std::string& scenario) {
  ForeignPeer peer("../../sim/peers/" + script,
                   {scenario, std::to_string(server.port()), server.ca_file()});
  return peer.line();
}

TEST(SimServerReplay, ServesWhatWasRecorded) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  std::vector<ServedMessage> messages = {
      {.receive_ns = 0,
       .payload = R"({"lastUpdateId":5})",
       .endpoint = "depth",
       .symbol = "LTCUSDT"},
      {.receive_ns = 5 * second,
       .payload = R"({"stream":"ltcusdt@trade","data":{"e":"trade","s":"LTCUSDT","t":1}})"},
      {.receive_ns = 5 * second + 300 * core::ns_per_ms,
       .payload = R"({"e":"depthUpdate","s":"LTCUSDT","u":2})"},
      {.receive_ns = 6 * second + 500 * core::ns_per_ms,
       .payload = R"({"e":"trade","s":"LTCUSDT","t":3})"}};
  std::size_t next = 0;
  RunningServer server({.venues = {VenueId::binance},
                        .symbols = 1,
                        .replay = [&](VenueId) -> std::optional<ServedMessage> {
                          if (next == messages.size()) return std::nullopt;
                          return messages[next++];
                        }});
  EXPECT_EQ(played(server, "binance_scenarios.py", "recorded"), "passed");
  const ServerReport& report = server.stop();
  EXPECT_EQ(report.streams.back().stream, "recorded");
  EXPECT_EQ(report.streams.back().made, 3U);
  EXPECT_EQ(report.streams.back().sent, 3U);
}

TEST(SimServerListings, ListsAndDelistsInTurn) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  RunningServer server({.venues = {VenueId::binance},
                        .symbols = 3,
                        .spare_symbols = 1,
                        .rate = 400,
                        .list_every_ns = 2 * second});
  EXPECT_EQ(played(server, "binance_scenarios.py", "listings"), "passed");
}

TEST(SimServerListings, EveryVenueListsEveryCoin) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  for (const market::Venue& venue : market::venues) {
    RunningServer server({.venues = {venue.id}, .symbols = static_cast<int>(coins().size())});
    std::vector<std::string> words{std::string(venue.key), std::to_string(server.port()),
                                   server.ca_file()};
    for (const Listing& listing : listings(venue.id, coins().size()))
      if (listing.kind == ListingKind::primary) words.push_back(listing.native);
    ForeignPeer peer("../../sim/peers/lists.py", words);
    EXPECT_EQ(peer.line(), "passed") << venue.key;
  }
}

TEST(SimServerTruth, TellsWhatLeftToWhom) {
  if (!ForeignPeer::has_module("websockets")) GTEST_SKIP() << "python3-websockets is not installed";
  const TemporaryFolder folder;
  RunningServer server(
      {.venues = {VenueId::binance}, .symbols = 2, .rate = 400, .truth_folder = folder.path()});
  ASSERT_EQ(played(server, "binance_scenarios.py", "trades"), "passed");
  std::uint64_t sent = 0;
  for (const ServedStream& stream : server.stop().streams)
    if (stream.stream == "aggTrade") sent = stream.sent;
  const TruthFile truth = TruthFile::read(TruthLog::path_of(folder.path(), VenueId::binance));
  EXPECT_EQ(truth.markets.at(0).native, "BTCUSDT");
  std::uint64_t told = 0;
  std::int64_t last_id = 0;
  for (const TruthRow& row : truth.rows) {
    if (row.kind != TruthKind::trade || row.market != 0) continue;
    EXPECT_TRUE(last_id == 0 || row.id == last_id + 1) << row.id << " after " << last_id;
    last_id = row.id;
    told += row.connections;
    EXPECT_GE(row.sent_ms, row.time_ms);
  }
  EXPECT_EQ(told, sent);
  EXPECT_GE(sent, 40U);
}

TEST(SimServerOptions, RefusesWhatIsOutOfRange) {
  net::Loop loop;
  const auto refuses = [&](auto change) {
    ServerOptions options;
    options.symbols = 2;
    change(options);
    EXPECT_THROW(Server(loop, options), core::Error);
  };
  refuses([](ServerOptions& options) { options.symbols = 0; });
  const auto limit = static_cast<int>(coins().size());
  refuses([&](ServerOptions& options) { options.symbols = limit + 1; });
  refuses([&](ServerOptions& options) { options.spare_symbols = limit - 1; });
  refuses([](ServerOptions& options) { options.rate = -1; });
  refuses([](ServerOptions& options) { options.rate = 3e6; });
  refuses([](ServerOptions& options) { options.trade_history = 0; });
  refuses([](ServerOptions& options) { options.venues = {VenueId::none}; });
  refuses([](ServerOptions& options) { options.venues = {VenueId::okx, VenueId::okx}; });
  refuses([](ServerOptions& options) { options.address = "not an address"; });
}

INSTANTIATE_TEST_SUITE_P(
    Venues, SimServer,
    testing::Values(
        Scenario{VenueId::binance, "streams"}, Scenario{VenueId::binance, "forms"},
        Scenario{VenueId::binance, "errors"}, Scenario{VenueId::binance, "book"},
        Scenario{VenueId::binance, "trades"}, Scenario{VenueId::binance, "requests"},
        Scenario{VenueId::binance, "limits"},
        Scenario{VenueId::binance, "pings", 400, second, 2 * second},
        Scenario{VenueId::binance, "lifetime", 400, 0, 0, 0, second},
        Scenario{VenueId::bybit, "streams"}, Scenario{VenueId::bybit, "errors"},
        Scenario{VenueId::bybit, "book"}, Scenario{VenueId::bybit, "trades"},
        Scenario{VenueId::bybit, "requests"}, Scenario{VenueId::bybit, "limits"},
        Scenario{VenueId::bybit, "idle", 400, 0, 0, second}, Scenario{VenueId::okx, "streams"},
        Scenario{VenueId::okx, "errors"}, Scenario{VenueId::okx, "book"},
        Scenario{VenueId::okx, "trades"}, Scenario{VenueId::okx, "requests"},
        Scenario{VenueId::okx, "limits"}, Scenario{VenueId::okx, "idle", 400, 0, 0, second},
        Scenario{VenueId::hyperliquid, "streams"}, Scenario{VenueId::hyperliquid, "errors"},
        Scenario{VenueId::hyperliquid, "trades"}, Scenario{VenueId::hyperliquid, "requests"},
        Scenario{VenueId::hyperliquid, "limits"},
        Scenario{VenueId::hyperliquid, "idle", 400, 0, 0, second}),
    [](const auto& test) {
      return std::string(market::find_venue(test.param.venue)->key) + "_" + test.param.name;
    });

}  // namespace
}  // namespace perp::sim::test
