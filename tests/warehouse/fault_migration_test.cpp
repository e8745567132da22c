// The server, or the session, ends in the middle of a migration: nothing of it is left, and running
// it again completes it. An event trigger stands at each step of it.
#include "warehouse/cluster.hpp"
#include "warehouse/database.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace perp::warehouse {
namespace {

using test::Text;

/// Counts the steps of a migration (each statement that makes or changes something) and, at one of
/// them, runs what it is given inside the migration's own session.
class AtStep {
 public:
  AtStep(std::string dsn, const std::string& what) : dsn_(std::move(dsn)) {
    run("CREATE SCHEMA steps");
    run("CREATE SEQUENCE steps.done");  // sequences count on whatever is rolled back
    run("CREATE TABLE steps.at (step BIGINT)");
    run("CREATE FUNCTION steps.look() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF "
        "nextval('steps.done') = (SELECT step FROM steps.at) THEN PERFORM " +
        what + "; END IF; END $$");
    run("CREATE EVENT TRIGGER steps ON ddl_command_end EXECUTE FUNCTION steps.look()");
  }
  ~AtStep() {
    run("DROP EVENT TRIGGER steps");
    run("DROP SCHEMA steps CASCADE");
  }
  AtStep(const AtStep&) = delete;
  AtStep& operator=(const AtStep&) = delete;
  void at(int step) {
    run("DELETE FROM steps.at");
    run("INSERT INTO steps.at VALUES (" + std::to_string(step) + ")");
    run("SELECT setval('steps.done', 1, false)");
  }
  int done() { return std::atoi(Text(dsn_).one("SELECT last_value FROM steps.done").c_str()); }

 private:
  void run(const std::string& sql) { Text(dsn_).rows(sql); }  // the server may have been killed
  std::string dsn_;
};

/// Everything of a schema that a migration makes.
std::vector<std::string> catalog(const std::string& dsn) {
  return Text(dsn).list(
      "SELECT relname || ' ' || coalesce(attname, '') || ' ' || coalesce(format_type(atttypid, "
      "atttypmod), '') FROM pg_class c LEFT JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 "
      "AND NOT attisdropped WHERE relnamespace = 'public'::regnamespace AND relname !~ "
      "'_p[0-9]{8}' "
      "UNION ALL SELECT proname || ' ' || md5(prosrc) FROM pg_proc WHERE pronamespace = "
      "'public'::regnamespace UNION ALL SELECT name FROM perp_migrations UNION ALL SELECT "
      "perpspec_name || fields::text FROM perpspec_schema UNION ALL SELECT table_name || chunk_ms "
      "|| "
      "' ' || retention_days FROM perp_series UNION ALL SELECT name || value FROM perp_settings "
      "ORDER BY 1");
}

class Interrupted : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped() || GetParam() == test::Server::plain) return;
    Text(dsn_).rows("CREATE EXTENSION IF NOT EXISTS timescaledb");  // not the migration's steps
  }
};

TEST_P(Interrupted, TerminatedAtAnyStepItLeavesNothingAndIsRunAgain) {
  std::vector<std::string> whole;
  {
    AtStep steps(dsn_, "pg_terminate_backend(pg_backend_pid())");
    steps.at(0);
    setup(dsn_, {});
    whole = catalog(dsn_);
    const int last = steps.done();
    ASSERT_GT(last, 50);
    SetupOptions again;
    again.drop = true;  // what is there is dropped in the same transaction, or not at all
    for (const int step : {1, last / 3, 2 * last / 3, last}) {
      steps.at(step);
      EXPECT_THROW(setup(dsn_, again), DatabaseError) << step;
      EXPECT_EQ(catalog(dsn_), whole) << step;
    }
  }
  SetupOptions again;
  again.drop = true;
  setup(dsn_, again);
  EXPECT_EQ(catalog(dsn_), whole);
}

TEST_P(Interrupted, OfTwoStartersTheSecondCompletesWhatTheFirstDidNot) {
  std::string error;
  std::thread first, second;
  {
    AtStep steps(dsn_, "pg_sleep(1000)");
    steps.at(40);
    Text text(server_dsn_);
    const auto count = [&](const std::string& condition) {
      return text.one("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + database_ +
                      "' AND application_name = 'perp db setup' AND " + condition);
    };
    first = std::thread([&] {
      try {
        setup(dsn_, {});
      } catch (const std::exception& refused) {
        error = refused.what();
      }
    });
    while (count("wait_event = 'PgSleep'") == "0") std::this_thread::yield();
    second = std::thread([&] { setup(dsn_, {}); });
    while (count("wait_event = 'advisory'") == "0") std::this_thread::yield();
    text.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
              database_ + "' AND wait_event = 'PgSleep'");
    first.join();
    second.join();
  }
  EXPECT_NE(error.find("administrator command"), std::string::npos) << error;
  const std::vector<std::string> whole = catalog(dsn_);
  EXPECT_EQ(info(dsn_).seed_perpspecs, 19);
  EXPECT_TRUE(migrate(dsn_).applied.empty());
  EXPECT_EQ(catalog(dsn_), whole);
}

INSTANTIATE_TEST_SUITE_P(Servers, Interrupted, test::both_servers(), test::server_name);

class Crashed : public test::ClusterTest {};

TEST_P(Crashed, AServerThatDiesInAMigrationHasNothingOfIt) {
  const test::Cluster cluster(GetParam());
  const std::string& dsn = cluster.dsn();
  if (GetParam() == test::Server::timescale)
    Text(dsn).rows("CREATE EXTENSION IF NOT EXISTS timescaledb");
  std::string error;
  std::thread starter;
  {
    AtStep steps(dsn, "pg_sleep(1000)");
    steps.at(60);
    starter = std::thread([&] {
      try {
        setup(dsn, {});
      } catch (const std::exception& refused) {
        error = refused.what();
      }
    });
    {
      Text text(dsn);
      while (text.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0")
        std::this_thread::yield();
    }
    kill(cluster.postmaster(), SIGKILL);
    starter.join();
    cluster.start();
    EXPECT_NE(error, "");
    EXPECT_EQ(Text(dsn).one("SELECT count(*) FROM pg_class WHERE relnamespace = "
                            "'public'::regnamespace AND relname LIKE 'perp%'"),
              "0");
  }
  EXPECT_FALSE(setup(dsn, {}).applied.empty());
  EXPECT_EQ(info(dsn).seed_perpspecs, 19);
}

INSTANTIATE_TEST_SUITE_P(Servers, Crashed, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
