// Names from outside are data. Everything that takes one is called with 120 hostile names, and the
// server is asked afterwards which statements it saw: none but those that harmless names cause.
#include "warehouse/injection.hpp"

#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/verify.hpp>

#include <set>

namespace perp::warehouse {
namespace {

using market::RecordType;
using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Text;
using test::Whole;

class Injection : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    Text text(dsn_);
    if (text.one("SHOW shared_preload_libraries").find("pg_stat_statements") == std::string::npos)
      GTEST_SKIP() << "the server does not preload pg_stat_statements: run under "
                      "scripts/test-databases";
    text.rows("CREATE EXTENSION pg_stat_statements");
    setup(dsn_, {});
  }

  /// A journal in which every text that a venue chooses is one of `names`, loaded; then every call
  /// that takes a name.
  void do_all(const std::vector<std::string>& names) {
    load(names);
    Connection connection(dsn_);
    for (const std::string& name : names) {
      ask(connection, name, "bin-ohlcv");
      ask(connection, "BTC", name);
      tried([&] { query_gaps(connection, {name, {}}, 0, day_0, 60'000); });
      tried([&] { query_gaps(connection, {"klines", {{name, "x"}}}, 0, day_0, 60'000); });
      tried([&] {
        query_gaps(connection,
                   {"klines", {{"exchange_id", "bin"}, {"symbol", name}, {"interval", name}}}, 0,
                   day_0, 60'000);
      });
      tried([&] { query_gaps(connection, {"klines", {{"exchange_id", name}}}, 0, day_0, 60'000); });
      // Every part of a key: a number, a text, the column itself.
      const std::pair<std::string, std::string> btc{"symbol", "BTC"}, bin{"exchange_id", "bin"};
      tried([&] {
        query_gaps(connection, {"slippage", {bin, btc, {"trade_amount", name}}}, 0, day_0, 60'000);
      });
      tried([&] {
        query_gaps(connection, {"slippage", {bin, btc, {"trade_amount", "1000"}, {name, "1"}}}, 0,
                   day_0, 60'000);
      });
      tried([&] {
        query_gaps(connection, {"long_short_ratio", {bin, btc, {"period", name}, {"kind", name}}},
                   0, day_0, 60'000);
      });
      tried([&] {
        query_gaps(connection, {"leaderboard_snapshots", {{"name", name}}}, 0, day_0, 60'000);
      });
      tried([&] {
        query_gaps(connection, {"leaderboard_snapshots", {{"name", "x"}, {"rank", name}}}, 0, day_0,
                   60'000);
      });
      PruneOptions prune_options;
      prune_options.table = name;
      prune_options.is_dry_run = true;
      tried([&] { prune(connection, stored_backend(connection), prune_options, day_0); });
      tried([&] { ensure_partition(connection, name, day_0); });
      tried([&] { ensure_chunk(connection, name, day_0); });
    }
    // Each of these connects anew.
    for (const std::string& name : names) {
      SetupOptions setup_options;
      setup_options.retention[name] = 5;
      tried([&] { setup(dsn_, setup_options); });
      VerifyOptions verify_options{.dsn = dsn_, .journal_folder = "/nowhere", .tables = {name}};
      tried([&] { verify(verify_options); });
      LoaderOptions loader_options;
      loader_options.fact_tables = {name};
      tried([&] { Loader refused(loader_options); });
    }
  }
  void ask(Connection& connection, const std::string& symbol, const std::string& spec) {
    const std::vector<std::string> symbols{symbol}, specs{spec};
    tried([&] { query_perp_data(connection, spec, symbol, day_0, day_0 + 1); });
    tried([&] { query_metrics(connection, symbols, specs, day_0, day_0); });
    tried([&] { query_metrics_wide(connection, symbols, specs, day_0, day_0); });
    tried([&] { query_metrics_at(connection, symbol, specs, day_0); });
    tried([&] { query_wick_rejections(connection, symbol, spec, day_0, day_0 + 1, 1); });
    tried([&] { query_gaps(connection, spec, symbol, day_0, day_0 + 1); });
  }
  /// A refusal is an answer; what else may be wrong with the call shows in the statements.
  template <class Call>
  void tried(Call call) {
    try {
      call();
    } catch (const core::Error&) {
      ++refusals_;
    }
  }

  void load(const std::vector<std::string>& names) {
    test::Folder folder;
    journal::Writer journal({.folder = folder.path()});
    test::Generator generator(7);
    for (std::uint32_t i = 0; i < names.size(); ++i) {
      const std::string& name = names[i];
      const std::string number = std::to_string(i) + " ";
      journal.append(
          test::instrument_record(VenueId::binance, i, name, true, "USDT", number).header);
      journal.append(
          test::instrument_record(VenueId::bybit, i, "B" + number, false, name, name + number)
              .header);
      Fact minute = generator.fact(VenueId::binance, 0, SpecKind::ohlcv, day_0);
      minute.index = i;
      append(journal, minute);
      Whole<market::Kline> kline;
      fill(kline.header, sizeof kline, RecordType::kline, i);
      kline.payload.open_ns = day_0 * 1'000'000;
      kline.payload.interval_ns = core::ns_per_minute;
      kline.payload.close = 1;
      kline.payload.is_closed = market::Tristate::yes;
      journal.append(kline.header);
      Whole<market::FeedStatus> status;
      fill(status.header, sizeof status, RecordType::feed_status, i);
      status.payload.state = market::FeedState::stale;
      status.payload.reason.assign_cut(name);
      journal.append(status.header);
      Whole<market::DecodeFailure> failure;
      fill(failure.header, sizeof failure, RecordType::error, i);
      failure.payload.stream.assign_cut(name);
      failure.payload.field.assign_cut(name);
      failure.payload.excerpt.assign_cut(name);
      failure.payload.excerpt_size = static_cast<std::uint16_t>(name.size());
      journal.append(failure.header);
      Whole<market::Gap> gap;
      fill(gap.header, sizeof gap, RecordType::gap, i);
      gap.payload.stream = RecordType::trade;
      gap.payload.from_ns = gap.payload.to_ns = day_0 * 1'000'000;
      journal.append(gap.header);
    }
    journal.sync();
    LoaderOptions options;
    options.dsn = dsn_;
    options.journal_folder = folder.path();
    options.lanes = 1;
    options.on_event = [](const std::string&) {};
    const std::atomic<bool> stop{false};
    loaded_ = Loader(options).run(journal.end(), stop);
    // As a proof that each text arrived as it was sent.
    VerifyOptions with{.dsn = dsn_, .journal_folder = folder.path()};
    for (const VerifiedRange& range : verify(with).ranges)
      for (const Difference& difference : range.differences)
        EXPECT_EQ(difference.kind, DifferenceKind::extra) << range.table << " " << difference.key;
  }
  static void fill(market::RecordHeader& header, std::size_t size, RecordType type,
                   std::uint32_t index) {
    header.size = static_cast<std::uint32_t>(size);
    header.type = type;
    header.venue = VenueId::binance;
    header.instrument = 1u << 24 | index;
    header.exchange_ns = header.receive_ns = day_0 * 1'000'000;
  }

  std::set<std::string> statements() {
    std::set<std::string> out;
    for (const std::string& one : Text(dsn_).list(
             "SELECT query FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE "
             "datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'"))
      out.insert(one);
    return out;
  }
  std::vector<std::string> objects() {
    return Text(dsn_).list(
        "SELECT concat_ws(' ', 'relation', relname, relkind, (SELECT string_agg(attname, ',' ORDER "
        "BY attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0)) FROM pg_class c "
        "WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg_temp%' OR "
        "nspname LIKE 'pg_toast%') UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc "
        "UNION ALL SELECT 'role ' || rolname FROM pg_roles UNION ALL SELECT 'schema ' || nspname "
        "FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1");
  }

  int refusals_ = 0;
  LoadReport loaded_;
};

TEST_P(Injection, NoStatementButTheKnownOnesAppears) {
  const std::vector<std::string> payloads = test::injection_payloads();
  ASSERT_EQ(payloads.size(), 120u);
  // Names that are data, names of what there is, names that are refused: all ways are gone once.
  std::vector<std::string> harmless{"SOL",    "byb-oi",  "perp_data", "klines",
                                    "symbol", "No Such", "\xff"};
  while (harmless.size() < payloads.size())
    harmless.push_back("NAME" + std::to_string(harmless.size()));
  do_all(harmless);
  const std::vector<std::string> before = objects();
  const std::set<std::string> known = statements();
  ASSERT_GT(known.size(), 20u);
  refusals_ = 0;
  do_all(payloads);
  // Of what takes identifiers every payload was refused: a table, a column, a venue, a spec (6
  // queries), to prune, to cut, to keep, to compare, to load.
  EXPECT_GE(refusals_, 120 * (3 + 6 + 5));
  for (const std::string& statement : statements())
    EXPECT_TRUE(known.contains(statement)) << statement;
  EXPECT_EQ(objects(), before);
  // What can be stored of a name is there, as a name.
  EXPECT_GT(loaded_.rows_data, 100u);
  EXPECT_GE(Text(dsn_).one("SELECT count(*) FROM instruments WHERE base LIKE '%;DROP TABLE%'"),
            "1");
}

INSTANTIATE_TEST_SUITE_P(Servers, Injection, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
