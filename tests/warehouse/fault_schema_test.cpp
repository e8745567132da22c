// Tables that somebody changed, or that are changed while others work.
#include "warehouse/community.hpp"
#include "warehouse/fault.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Fact;
using test::Loading;
using test::Oracle;
using test::Text;

class SchemaFault : public test::FaultTest {};

TEST_P(SchemaFault, ColumnsOfSomebodyElseAreLeftAlone) {
  write_history(2);
  for (const char* table : {"perp_data", "perp_metrics"})
    Text(dsn_).rows(std::string("ALTER TABLE ") + table + " ADD COLUMN theirs TEXT");
  load(options());
  expect_exactly_once();
}

TEST_P(SchemaFault, APartitionDroppedBehindTheLoadersBackIsMadeAgain) {
  if (GetParam() != test::Server::plain) GTEST_SKIP() << "chunks are the server's to make";
  write_history(2);
  LoaderOptions with = options();
  with.lanes = 1;
  with.flush_ms = 1;
  Loading loading(with);
  await_end(loading);
  Text text(dsn_);
  for (const char* table : {"perp_data", "perp_metrics"})
    text.rows(std::string("DROP TABLE ") + table + "_p20250101");
  oracle_ = Oracle();
  write_history(2);
  await_end(loading);
  loading.stop();
  expect_exactly_once();
}

// A server process may keep an old list of partitions. Seen on PostgreSQL 15 when two lanes began
// at once: one made the partition, the other never found it. Here a trigger says for one process
// what the server said.
TEST_P(SchemaFault, AServerProcessThatDoesNotKnowAPartitionIsLeftAndNoRowRefused) {
  Text text(dsn_);
  text.rows(
      "CREATE TABLE blind (pid int); CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN IF EXISTS (SELECT FROM blind WHERE pid = pg_backend_pid()) THEN RAISE EXCEPTION "
      "'no partition of relation \"%\" found for row', TG_TABLE_NAME USING ERRCODE = "
      "'check_violation', TABLE = TG_TABLE_NAME; END IF; RETURN NEW; END $$; CREATE TRIGGER refuse "
      "BEFORE INSERT ON "
      "perp_metrics FOR EACH ROW EXECUTE FUNCTION refuse()");
  LoaderOptions with = options();
  with.lanes = 1;
  with.flush_ms = 1;
  write_history(2);
  Loading loading(with);
  await_end(loading);
  text.rows(
      "INSERT INTO blind SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
      "application_name = 'perp loader lane 0'");
  write_history(2, day_0 + 10 * 60'000);
  await_end(loading);
  const LoadReport report = loading.stop();
  EXPECT_EQ(text.one("SELECT count(*) FROM blind"), "1");
  EXPECT_EQ(report.reconnects, 1u);
  EXPECT_EQ(report.rows_refused, 0u);
  expect_exactly_once();
}

// PostgreSQL has at most 1,600 columns in a table, dropped ones included, and each new field takes
// four in perp_metrics.
TEST_P(SchemaFault, MoreColumnsThanATableCanHaveAreRefusedWhole) {
  const auto state = [&] {
    return Text(dsn_).list(
        "SELECT relname || ' ' || count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
        "WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped GROUP BY "
        "relname UNION ALL SELECT perpspec_name || fields::text FROM perpspec_schema ORDER BY 1");
  };
  const auto fields = [](const std::string& stem, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + stem + std::to_string(i);
    return out;
  };
  Connection connection(dsn_);
  const std::vector<std::string> before = state();
  try {
    add_perpspec(connection, parse_perpspec("bin-wide", fields("w", 400)), true);
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    const std::string what = error.what();
    for (const char* part : {"perp_metrics", "400 new fields need 1600", "1600 columns"})
      EXPECT_NE(what.find(part), std::string::npos) << what;
  }
  EXPECT_EQ(state(), before);
  // The connection goes on, and what fits is taken.
  add_perpspec(connection, parse_perpspec("bin-narrow", fields("n", 100)), true);
  EXPECT_GT(state().size(), before.size());
  write_history(1);
  load(options());
  expect_exactly_once();
}

// Community edition alone has compression. Late rows, corrections and repeats of a day whose chunks
// are compressed already.
TEST(CompressedChunk, TakesLateRowsAndCorrections) {
  const std::string server = test::community_server();
  if (server.empty())
    GTEST_SKIP()
        << "PERP_TEST_COMMUNITY_DSN is not set: no server of TimescaleDB's Community edition";
  class Compressed : public test::History {
   public:
    void run(const std::string& dsn) {
      SetupOptions setup_options;
      setup_options.compress = true;
      setup_options.retention_days = 0;
      setup(dsn, setup_options);
      test::hold_policies(dsn);
      write_history(10);
      load(options(dsn));
      Text text(dsn);
      // As little as this is what a batch of late rows reaches on a busy day.
      text.rows("ALTER DATABASE " + test::value_of(dsn, "dbname") +
                " SET timescaledb.max_tuples_decompressed_per_dml_transaction = 20");
      for (const char* table : {"perp_data", "perp_metrics"})
        text.rows(
            std::string("SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('") +
            table + "') c");
      EXPECT_NE(text.one("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"),
                "0");
      write_history(12);
      load(options(dsn));
      expect_exactly_once(dsn);
    }
  };
  const std::string name = "perp_compressed_" + std::to_string(getpid());
  Text(server).rows("CREATE DATABASE " + name);
  Compressed().run(test::with(server, {{"dbname", name}}));
  Text(server).rows("DROP DATABASE " + name + " WITH (FORCE)");
}

INSTANTIATE_TEST_SUITE_P(Servers, SchemaFault, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
