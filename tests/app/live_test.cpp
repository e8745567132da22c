// Goal: the daemon does live what a replay does, tells the truth about itself, takes signals as
// documented and loses nothing that came. Method: the program itself against simulated venues, over
// TLS; what these put on the wire is their own log, read independently of the feeds.
#include "app/manager_socket.hpp"
#include "app/process.hpp"

#include <perp/journal/reader.hpp>
#include <perp/sim/truth_log.hpp>
#include <perp/warehouse/connection.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using Environment = std::vector<std::pair<std::string, std::string>>;

/// What a truth file or a journal knows of a market's trades.
using Trades = std::map<std::string, std::multiset<std::int64_t>>;

class Live : public ::testing::Test {
 protected:
  void SetUp() override { write_config(""); }

  void serve(const std::string& rate, const std::string& venues = "binance") {
    venues_ = std::make_unique<Process>(std::vector<std::string>{
        "sim", "serve", "--venues", venues, "--symbols", "8", "--rate", rate, "--seed", "3",
        "--tls-folder", folder_ / "tls", "--truth", folder_ / "truth", "--format", "json"});
    const auto count = std::count(venues.begin(), venues.end(), ',') + 1;
    ASSERT_TRUE(await(30, [&] {
      const std::string out = venues_->out();
      return std::count(out.begin(), out.end(), '\n') >= count;
    })) << venues_->err();
    std::stringstream lines(venues_->out());
    for (std::string line; std::getline(lines, line);) {
      const json address = json::parse(line);
      addresses_[address["venue"]] = {address["websocket"], address["rest"]};
    }
    write_config("");
  }

  /// The configuration, with lines of the test's own behind it.
  void write_config(const std::string& more) {
    std::ofstream file(folder_ / "perp.toml");
    std::string venues;
    for (const auto& [venue, at] : addresses_) {
      venues += (venues.empty() ? "" : ",") + venue;
      file << "exchanges." << venue << ".websocket_url = \"" << at.first << "\"\nexchanges."
           << venue << ".rest_url = \"" << at.second << "\"\n";
    }
    file << "venues = \"" << venues << "\"\nledger_folder = \"" << folder_ / "run"
         << "\"\ntls_ca = \"" << (venues_ == nullptr ? std::string() : folder_ / "tls/ca.pem")
         << "\"\njournal.folder = \"" << folder_ / "journal"
         << "\"\nlogging.status_s = 1\n"
         << more;
  }

  std::unique_ptr<Process> start(Environment environment = {},
                                 const std::vector<std::string>& more = {}) {
    environment.emplace_back("NOTIFY_SOCKET", folder_ / "notify");
    environment.emplace_back("DATABASE_URL", "");
    std::vector<std::string> words{"run", "--config", folder_ / "perp.toml", "--format", "json"};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Process>(words, environment);
  }

  Trades sent_trades() const {
    const sim::TruthFile truth =
        sim::TruthFile::read(sim::TruthLog::path_of(folder_ / "truth", market::VenueId::binance));
    Trades trades;
    for (const sim::TruthRow& row : truth.rows)
      if (row.kind == sim::TruthKind::trade && row.connections > 0)
        trades[truth.markets.at(row.market).native].insert(row.id);
    return trades;
  }
  Trades journalled_trades(const std::string& journal) const {
    Trades trades;
    journal::Reader reader(journal);
    while (const market::RecordHeader* record = reader.next())
      if (!reader.is_repeat() && record->type == market::RecordType::trade &&
          record->venue == market::VenueId::binance)
        trades[std::string(reader.find_instrument(record->instrument)->native.view())].insert(
            market::payload<market::Trade>(*record).trade_id);
    return trades;
  }

  /// Of each market, what came is what was sent, from the first to the last that came, once each.
  void expect_nothing_is_lost(const std::string& journal) const {
    const Trades sent = sent_trades();
    std::size_t compared = 0;
    for (const auto& [symbol, ids] : journalled_trades(journal)) {
      const std::multiset<std::int64_t>& all = sent.at(symbol);
      const std::multiset<std::int64_t> expected(all.lower_bound(*ids.begin()),
                                                 all.upper_bound(*ids.rbegin()));
      EXPECT_EQ(ids, expected) << symbol;
      compared += ids.size();
    }
    EXPECT_GT(compared, 100U);
  }

  Folder folder_;
  ManagerSocket manager_{folder_ / "notify"};
  std::unique_ptr<Process> venues_;
  std::unique_ptr<Process> daemon_;
  /// By venue: WebSocket and REST. At first where nobody answers.
  std::map<std::string, std::pair<std::string, std::string>> addresses_{
      {"binance", {"wss://127.0.0.1:1", "https://127.0.0.1:1"}}};
};

TEST_F(Live, EndsWithinFiveSecondsAndNothingThatCameIsLost) {
  serve("4000");
  const auto daemon = start({{"WATCHDOG_USEC", "800000"}});
  EXPECT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
  EXPECT_EQ(manager_.receive_until("WATCHDOG=1"), "WATCHDOG=1");
  EXPECT_NE(manager_.receive_until("STATUS=binance live").find("journal at"), std::string::npos);
  ASSERT_TRUE(daemon->await_err("component=status"));
  EXPECT_NE(daemon->err().find("io engine"), std::string::npos) << "which engine, and why";
  const auto begin = std::chrono::steady_clock::now();
  daemon->signal(SIGTERM);
  EXPECT_EQ(manager_.receive_until("STOPPING=1"), "STOPPING=1");
  ASSERT_EQ(daemon->wait(), 0) << daemon->err();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  venues_->signal(SIGTERM);
  ASSERT_EQ(venues_->wait(), 0) << venues_->err();

  const json summary = json::parse(daemon->out());
  EXPECT_EQ(summary["lost_at_stop"], 0);
  EXPECT_EQ(summary["decode_errors"], 0) << summary["errors"].dump(1);
  EXPECT_GT(summary["live"]["binance"]["messages"], 100);
  EXPECT_TRUE(summary["database"].is_null());
  EXPECT_EQ(run("journal verify " + (folder_ / "journal")).exit_code, 0);
  expect_nothing_is_lost(folder_ / "journal");
  EXPECT_EQ(json::parse(run("gaps " + (folder_ / "journal") + " --format json").out).size(), 0U);
}

TEST_F(Live, AJournalGoesOnWithItsInstruments) {
  serve("500");
  const auto ids = [&] {
    std::map<std::string, std::uint32_t> found;
    journal::Reader reader(folder_ / "journal");
    while (const market::RecordHeader* record = reader.next())
      if (record->type == market::RecordType::instrument)
        found[std::string(market::payload<market::Instrument>(*record).native.view())] =
            record->instrument;
    return found;
  };
  for (int round = 0; round < 2; ++round) {
    std::map<std::string, std::uint32_t> before;
    if (round > 0) before = ids();
    const auto daemon = start();
    ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
    daemon->signal(SIGINT);
    ASSERT_EQ(daemon->wait(), 0) << daemon->err();
    for (const auto& [symbol, id] : before) EXPECT_EQ(ids().at(symbol), id) << symbol;
    while (!manager_.receive(0).empty()) {
    }
  }
  EXPECT_EQ(run("journal verify " + (folder_ / "journal")).exit_code, 0);
}

TEST_F(Live, WhatPassedBetweenTwoRunsIsToldAsAHole) {
  serve("2000");
  const auto watched = [&] {
    const auto daemon = start();
    EXPECT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
    EXPECT_TRUE(daemon->await_err("live with 33 topics")) << daemon->err();
    daemon->signal(SIGTERM);
    EXPECT_EQ(daemon->wait(), 0) << daemon->err();
    while (!manager_.receive(0).empty()) {
    }
  };
  struct Found {
    std::string symbol;
    market::Gap gap;
  };
  const auto holes = [&] {
    std::vector<Found> found;
    journal::Reader reader(folder_ / "journal");
    while (const market::RecordHeader* record = reader.next()) {
      if (reader.is_repeat() || record->type != market::RecordType::gap) continue;
      const auto& gap = market::payload<market::Gap>(*record);
      if (gap.cause != market::GapCause::not_running) continue;
      const market::Instrument* instrument = reader.find_instrument(record->instrument);
      found.push_back({instrument == nullptr ? "" : std::string(instrument->native.view()), gap});
    }
    return found;
  };
  watched();
  EXPECT_TRUE(holes().empty()) << "nobody watched before the first run";
  const core::WallNs ended = core::wall_now();
  ASSERT_TRUE(await(5, [&] { return core::wall_now().ns > ended.ns + 300 * core::ns_per_ms; }));
  const core::WallNs started = core::wall_now();
  watched();
  std::map<std::string, int> of_trades;
  int of_all_liquidations = 0;  // one stream of the whole venue
  for (const Found& hole : holes()) {
    EXPECT_LE(hole.gap.from_ns, ended.ns) << hole.symbol;
    EXPECT_GE(hole.gap.to_ns, started.ns) << hole.symbol;
    if (hole.gap.stream == market::RecordType::trade) ++of_trades[hole.symbol];
    if (hole.symbol.empty() && hole.gap.stream == market::RecordType::liquidation)
      ++of_all_liquidations;
  }
  EXPECT_EQ(of_all_liquidations, 1);
  EXPECT_EQ(of_trades.size(), 8U);
  for (const auto& [symbol, count] : of_trades) EXPECT_EQ(count, 1) << symbol;
  EXPECT_NE(run("gaps --cause not_running " + (folder_ / "journal")).out.find("not_running"),
            std::string::npos);
}

TEST_F(Live, AHangupTakesWhatItCanAndNamesTheRest) {
  serve("100");
  const auto daemon = start();
  ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
  write_config("io = \"epoll\"\nlogging.level = \"error\"\nvenuse = 1\njournal.sync_ms = -1\n");
  daemon->signal(SIGHUP);
  ASSERT_TRUE(manager_.receive_until("RELOADING=1").starts_with("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(manager_.receive_until("READY=1"), "READY=1") << "the reload is over";
  EXPECT_TRUE(daemon->await_err("unknown key 'venuse'; did you mean 'venues'?")) << daemon->err();
  EXPECT_TRUE(daemon->await_err("expected an integer from 0 to 60000"));
  EXPECT_TRUE(daemon->await_err("nothing is changed: the configuration has faults"));

  write_config("io = \"epoll\"\nlogging.level = \"error\"\n");
  daemon->signal(SIGHUP);
  EXPECT_TRUE(daemon->await_err("these take effect with the next start\" settings=io"))
      << daemon->err();
  EXPECT_TRUE(daemon->await_err("read again and taken\" settings=logging.level"));
  EXPECT_EQ(manager_.receive_until("READY=1"), "READY=1");
  // From here on only errors are logged: the end, told at info before, is not.
  daemon->signal(SIGTERM);
  ASSERT_EQ(daemon->wait(), 0);
  EXPECT_EQ(daemon->err().find("a signal asks for the end"), std::string::npos);
}

TEST_F(Live, AHangupTakesVenuesSymbolsAndStreamsAndTheRestNoticesNothing) {
  serve("3000", "binance,bybit");
  const auto symbols_of_trades = [&](market::VenueId venue) {
    std::set<std::string> found;
    journal::Reader reader(folder_ / "journal");
    while (const market::RecordHeader* record = reader.next())
      if (record->type == market::RecordType::trade && record->venue == venue)
        found.emplace(reader.find_instrument(record->instrument)->native.view());
    return found;
  };
  const auto reload = [&](const std::string& config) {
    write_config(config);
    daemon_->signal(SIGHUP);
    EXPECT_TRUE(manager_.receive_until("RELOADING=1").starts_with("RELOADING=1"));
    EXPECT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon_->err();
  };
  const auto count = [&](const std::string& text) {
    const std::string log = daemon_->err();
    std::size_t found = 0;
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  write_config("symbols = \"BTC\"\nexchanges.bybit.enabled = false\n");
  daemon_ = start();
  ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon_->err();
  ASSERT_TRUE(daemon_->await_err("binance live")) << daemon_->err();

  // A venue that cannot run: nothing is changed.
  reload("symbols = \"BTC,ETH\"\npins.bybit = 4095\n");
  EXPECT_TRUE(daemon_->await_err("nothing is changed: ")) << daemon_->err();
  EXPECT_NE(daemon_->err().find("4095"), std::string::npos) << daemon_->err();

  // More of both: a contract and a venue.
  reload("symbols = \"BTC,ETH\"\n");
  EXPECT_TRUE(daemon_->await_err("a venue is new\" venue=bybit"));
  EXPECT_TRUE(daemon_->await_err("read again and taken"));
  EXPECT_TRUE(await(20, [&] {
    return symbols_of_trades(market::VenueId::bybit).size() == 2 &&
           symbols_of_trades(market::VenueId::binance).size() == 2;
  })) << daemon_->err();

  // What cannot be changes nothing, whatever else the file says.
  reload(
      "symbols = \"SOL\"\nexchanges.bybit.symbols = \"BTC\"\nexchanges.okx.enabled = true\n"
      "exchanges.okx.rest_url = \"https://127.0.0.1:1\"\n");
  EXPECT_TRUE(daemon_->await_err(
      "nothing is changed: exchanges.okx.websocket_url: one address without the other"));
  reload("symbols = \"SOL\"\nstreams = \"trade\"\n");
  EXPECT_TRUE(daemon_->await_err("perp.toml:")) << "it says where";
  EXPECT_TRUE(daemon_->await_err("did you mean 'trades'?"));
  EXPECT_EQ(count("contracts on"), 3U) << "binance twice, bybit once: " << daemon_->err();

  // Less of both, and the venue again.
  reload("symbols = \"BTC\"\nexchanges.bybit.enabled = false\n");
  EXPECT_TRUE(daemon_->await_err("a venue has ended\" venue=bybit")) << daemon_->err();
  reload("symbols = \"BTC\"\nstreams = \"trades,bbo\"\nexchanges.bybit.symbols = \"SOL\"\n");
  EXPECT_TRUE(await(20, [&] {
    return symbols_of_trades(market::VenueId::bybit) ==
           std::set<std::string>{"BTCUSDT", "ETHUSDT", "SOLUSDT"};
  })) << daemon_->err();
  EXPECT_EQ(count("these take effect with the next start"), 0U) << daemon_->err();
  daemon_->signal(SIGTERM);
  ASSERT_EQ(daemon_->wait(), 0) << daemon_->err();
  venues_->signal(SIGTERM);
  ASSERT_EQ(venues_->wait(), 0) << venues_->err();

  const json summary = json::parse(daemon_->out());
  EXPECT_EQ(summary["lost_at_stop"], 0);
  EXPECT_EQ(summary["decode_errors"], 0) << summary["errors"].dump(1);
  EXPECT_EQ(summary["live"]["binance"]["losses"], 0) << daemon_->err();
  EXPECT_EQ(summary["live"]["binance"]["symbols"], 1);
  EXPECT_EQ(symbols_of_trades(market::VenueId::binance),
            (std::set<std::string>{"BTCUSDT", "ETHUSDT"}));
  expect_nothing_is_lost(folder_ / "journal");
  // The same symbol is the same number, and what was given back says so.
  std::map<std::string, std::set<std::uint32_t>> ids;
  std::set<std::string> down;
  journal::Reader reader(folder_ / "journal");
  while (const market::RecordHeader* record = reader.next()) {
    if (record->type == market::RecordType::trade && record->venue == market::VenueId::bybit)
      ids[std::string(reader.find_instrument(record->instrument)->native.view())].insert(
          record->instrument);
    if (record->type != market::RecordType::feed_status || record->instrument == 0) continue;
    const auto& status = market::payload<market::FeedStatus>(*record);
    if (status.state == market::FeedState::down &&
        status.reason.view().find("not wanted") != std::string_view::npos)
      down.emplace(reader.find_instrument(record->instrument)->native.view());
  }
  for (const auto& [symbol, numbers] : ids) EXPECT_EQ(numbers.size(), 1U) << symbol;
  EXPECT_TRUE(down.contains("ETHUSDT"));
  EXPECT_EQ(run("journal verify " + (folder_ / "journal")).exit_code, 0);
}

TEST_F(Live, EndsByItselfAfterItsTime) {
  const auto daemon = start({}, {"--for", "0.3"});
  ASSERT_EQ(daemon->wait(), 0) << daemon->err();
  EXPECT_NE(daemon->err().find("the time is over"), std::string::npos);
  const json summary = json::parse(daemon->out());
  EXPECT_EQ(summary["stopped"], false);
  EXPECT_EQ(summary["live"]["binance"]["messages"], 0) << "nobody answers at that address";
  EXPECT_GT(summary["records"]["feed_status"], 0) << "and the journal says so";
}

TEST_F(Live, AVenueOrAFileThatIsNotThereIsToldAtOnce) {
  for (const auto& [option, text] :
       {std::pair{"tls_ca=/does/not/exist.pem", "/does/not/exist.pem"},
        std::pair{"journal.folder=/proc/nowhere/j", "/proc/nowhere"},
        std::pair{"exchanges.binance.rest_url=", "exchanges.binance.rest_url"},
        std::pair{"exchanges.binance.enabled=false", "no venue takes part"}}) {
    const auto daemon = start({}, {"--set", option});
    EXPECT_EQ(daemon->wait(), 1) << option << daemon->err();
    EXPECT_NE(daemon->err().find(text), std::string::npos) << daemon->err();
    EXPECT_EQ(daemon->out(), "");
  }
  const auto pinned = start({}, {"--pin", "binance=4095"});
  EXPECT_EQ(pinned->wait(), 1) << pinned->err();
  EXPECT_NE(pinned->err().find("4095"), std::string::npos) << pinned->err();
}

/// A server that takes a connection and never answers.
class SilentServer {
 public:
  SilentServer() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<const sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(descriptor_, 8), 0);
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  ~SilentServer() { close(descriptor_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  std::string dsn() const { return "host=127.0.0.1 user=x port=" + std::to_string(port_); }

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

TEST_F(Live, ADatabaseThatNeverAnswersHoldsNothingUp) {
  serve("300");
  const SilentServer database;
  const auto daemon = start({{"PERP_DATABASE_DSN", database.dsn() + " password=hunter2"}});
  ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
  EXPECT_NE(manager_.receive_until("STATUS=binance live"), "");
  const auto begin = std::chrono::steady_clock::now();
  daemon->signal(SIGTERM);
  ASSERT_EQ(daemon->wait(), 0) << daemon->err();
  // Its budget is 4.7 s; a busy machine gets some more.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
  EXPECT_NE(daemon->err().find("stays in the journal"), std::string::npos) << daemon->err();
  EXPECT_GT(json::parse(daemon->out())["records"]["trade"], 0) << "the journal has it";
  EXPECT_EQ(run("journal verify " + (folder_ / "journal")).exit_code, 0);
  EXPECT_EQ((daemon->err() + daemon->out()).find("hunter2"), std::string::npos);
}

TEST_F(Live, ASecondSignalEndsItAtOnce) {
  const SilentServer database;
  const auto daemon = start({{"PERP_DATABASE_DSN", database.dsn()}});
  ASSERT_TRUE(daemon->await_err("component=status")) << daemon->err();
  daemon->signal(SIGTERM);
  ASSERT_EQ(manager_.receive_until("STOPPING=1"), "STOPPING=1");
  daemon->signal(SIGTERM);
  EXPECT_EQ(daemon->wait(2), 128 + SIGTERM) << daemon->err();
}

TEST_F(Live, EveryVenueRunsInOneProcess) {
  serve("2000", "binance,bybit,okx,hyperliquid");
  const auto daemon = start();
  ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
  const auto count = [&](const std::string& text) {
    const std::string log = daemon->err();
    std::size_t found = 0;
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  for (const auto& [venue, at] : addresses_)
    EXPECT_TRUE(daemon->await_err(venue + " live ")) << venue << daemon->err();
  EXPECT_EQ(count("io engine"), 4U);
  const std::size_t lines = count("component=status");
  EXPECT_TRUE(await(20, [&] { return count("component=status") > lines + 1; }));
  daemon->signal(SIGTERM);
  ASSERT_EQ(daemon->wait(), 0) << daemon->err();
  const json summary = json::parse(daemon->out());
  EXPECT_EQ(summary["decode_errors"], 0) << summary["errors"].dump(1);
  EXPECT_EQ(summary["lost_at_stop"], 0);
  for (const auto& [venue, at] : addresses_) {
    EXPECT_GT(summary["live"][venue]["messages"], 100) << venue;
    EXPECT_EQ(summary["live"][venue]["losses"], 0) << venue;
    EXPECT_EQ(summary["venues"][venue]["gaps"], 0) << venue;
  }
}

TEST_F(Live, AFullDiskIsWaitedFor) {
  serve("4000");
  // A disk of its own, all but full, in a mount namespace of its own; emptied when told.
  const std::string journal = folder_ / "journal";
  std::filesystem::create_directories(journal);
  const std::string script =
      "mount -t tmpfs -o size=6m none '" + journal + "' || exit 77\n" +
      "head -c 5000000 /dev/zero >'" + journal + "/filler'\n" + PERP_PROGRAM + " run --config '" +
      (folder_ / "perp.toml") + "' --format json >'" + (folder_ / "summary") + "' &\n" +
      "pid=$!; echo $pid >'" + (folder_ / "pid") + "'\n" + "(until [ -e '" + (folder_ / "go") +
      "' ]; do sleep 0.05; done; rm '" + journal + "/filler') &\n" + "wait $pid; code=$?; cp -r '" +
      journal + "' '" + (folder_ / "copy") + "'; exit $code\n";
  setenv("NOTIFY_SOCKET", (folder_ / "notify").c_str(), 1);
  Process shell("/usr/bin/unshare", {"-rm", "sh", "-c", script}, {}, "");
  unsetenv("NOTIFY_SOCKET");
  if (manager_.receive_until("READY=1") != "READY=1") {
    if (shell.wait(1) != 0) GTEST_SKIP() << "no mount namespaces here: " << shell.err();
  }
  ASSERT_TRUE(shell.await_err("the journal waits: ")) << shell.err();
  EXPECT_NE(shell.err().find("No space left on device"), std::string::npos) << shell.err();
  std::ofstream(folder_ / "go").put('\n');
  ASSERT_TRUE(shell.await_err("the journal goes on")) << shell.err();
  kill(static_cast<pid_t>(std::stol(read_file(folder_ / "pid"))), SIGTERM);
  EXPECT_EQ(shell.wait(), 0) << shell.err();
  venues_->signal(SIGTERM);
  ASSERT_EQ(venues_->wait(), 0) << venues_->err();
  EXPECT_EQ(run("journal verify " + (folder_ / "copy")).exit_code, 0);
  expect_nothing_is_lost(folder_ / "copy");
}

TEST_F(Live, TheExamplesAreDaemons) {
  serve("500");
  const auto& [websocket, rest] = addresses_.at("binance");
  const std::vector<std::string> there{websocket, rest, folder_ / "tls/ca.pem"};
  const auto words = [&](std::vector<std::string> first) {
    first.insert(first.end(), there.begin(), there.end());
    return first;
  };
  // Both keep the machine's accounts under var/run of where they run.
  Process feed(PERP_FEED_DAEMON, words({"binance", "BTC,ETH"}), {}, folder_.path());
  Process recorder(PERP_RECORDER_DAEMON, words({"binance", folder_ / "journal"}), {},
                   folder_.path());
  ASSERT_TRUE(await(20, [&] {
    const std::string out = feed.out();
    return out.find("\"trade\"") != std::string::npos &&
           out.find("\"book_delta\"") != std::string::npos;
  })) << feed.err();
  ASSERT_TRUE(await(20, [&] {
    return std::filesystem::exists(folder_ / "journal") &&
           !journalled_trades(folder_ / "journal").empty();
  })) << recorder.err();
  feed.signal(SIGTERM);
  recorder.signal(SIGTERM);
  EXPECT_EQ(feed.wait(5), 0) << feed.err();
  EXPECT_EQ(recorder.wait(5), 0) << recorder.err();
  const std::string lines = feed.out();
  for (std::size_t from = 0; from < lines.size(); from = lines.find('\n', from) + 1)
    ASSERT_TRUE(json::accept(lines.substr(from, lines.find('\n', from) - from)));
  EXPECT_EQ(run("journal verify " + (folder_ / "journal")).exit_code, 0);
}

TEST_F(Live, ADatabaseThatComesLaterGetsEverything) {
  const char* admin = std::getenv("PERP_TEST_PLAIN_DSN");
  if (admin == nullptr || *admin == '\0')
    GTEST_SKIP() << "PERP_TEST_PLAIN_DSN is not set: scripts/test-databases starts the servers";
  serve("300");
  const std::string name = "perp_live_" + std::to_string(getpid());
  const std::string dsn = std::string(admin) + " dbname=" + name;
  const auto daemon = start();  // without a database
  ASSERT_EQ(manager_.receive_until("READY=1"), "READY=1") << daemon->err();
  write_config("database.dsn = \"" + dsn + "\"\nloader.flush_ms = 50\n");
  daemon->signal(SIGHUP);
  ASSERT_TRUE(daemon->await_err("trying again"))
      << "there is no such database yet: " << daemon->err();
  warehouse::Connection(admin).execute("CREATE DATABASE " + name);
  ASSERT_TRUE(daemon->await_err("run `perp db setup` first")) << daemon->err();
  ASSERT_EQ(run("db setup --db '" + dsn + "'").exit_code, 0);
  const auto loaded = [&] {
    warehouse::Connection connection(dsn);
    return connection.query("SELECT count(*) FROM perp_status WHERE script_name LIKE 'feed %'")
        .columns[0]
        .ints[0];
  };
  EXPECT_TRUE(await(30, [&] { return loaded() > 0; })) << daemon->err();
  daemon->signal(SIGTERM);
  ASSERT_EQ(daemon->wait(), 0) << daemon->err();
  const json summary = json::parse(daemon->out());
  EXPECT_EQ(summary["database"]["perp_status"], loaded());
  EXPECT_EQ(summary["records"]["feed_status"], loaded())
      << "to the journal's last record: that the feed is down; " << daemon->err();
  warehouse::Connection connection(dsn);
  const warehouse::QueryResult life = connection.query(
      "SELECT string_agg(status, ',' ORDER BY task_id), (max(details->>'rows_data'))::bigint FROM "
      "perp_status WHERE script_name = 'perp run'");
  // Of an end that takes too long the loader is told to leave at once; it then tells nothing.
  if (daemon->err().find("the time is up") == std::string::npos) {
    EXPECT_EQ(life.columns[0].text(0), "started,connected,stopped") << daemon->err();
    EXPECT_EQ(life.columns[1].ints[0], summary["database"]["perp_data"]);
  }
  warehouse::Connection(admin).execute("DROP DATABASE " + name + " WITH (FORCE)");
}

}  // namespace
}  // namespace perp::app::testing
