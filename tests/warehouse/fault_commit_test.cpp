// Exactly once, whatever becomes of the answer to COMMIT. After each history the tables are
// compared, row by row and column by column, with the oracle.
#include "warehouse/fault.hpp"
#include "warehouse/proxy.hpp"

namespace perp::warehouse {
namespace {

using test::Loading;
using test::Text;
using test::Told;

class CommitFault : public test::FaultTest {};

TEST_P(CommitFault, AnswerToCommitIsLost) {
  write_history(15);
  std::atomic<int> left{12};
  test::Proxy proxy(dsn_, [&](bool from_server, std::string_view bytes) {
    return test::is_answer_to_commit(from_server, bytes) && left.fetch_sub(1) > 0;
  });
  const LoadReport report = load(options(proxy.dsn()));
  EXPECT_EQ(proxy.cuts(), 12);
  // The first cut hits the claim of the cursors, before there is a batch.
  EXPECT_EQ(report.commits_found, 11u);
  EXPECT_EQ(report.unexpected_conflicts, 0u);
  expect_exactly_once();
}

TEST_P(CommitFault, AnswersToCommitAreLostAgainAndAgain) {
  const int wanted = test::number_of("PERP_LOST_COMMITS", 100);
  write_history(20 + wanted / 5);  // 20 rows to a batch: enough of them
  std::atomic<int> left{wanted};
  test::Proxy proxy(dsn_, [&](bool from_server, std::string_view bytes) {
    return test::is_answer_to_commit(from_server, bytes) && left.fetch_sub(1) > 0;
  });
  LoaderOptions with = options(proxy.dsn());
  with.batch_rows = 20;
  const LoadReport report = load(with);
  EXPECT_EQ(proxy.cuts(), wanted);
  EXPECT_EQ(report.commits_found, static_cast<std::uint64_t>(wanted) - 1);
  expect_exactly_once();
}

TEST_P(CommitFault, RowsAndCursorAreOneTransaction) {
  write_history(4);
  // The cursor, which moves last, is refused for as long as the test likes: nothing else may be
  // there by then.
  Text text(dsn_);
  text.rows(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not "
      "yet' USING ERRCODE = '53400'; END $$");
  text.rows(
      "CREATE TRIGGER refuse BEFORE UPDATE ON perp_load_cursors FOR EACH ROW EXECUTE FUNCTION "
      "refuse()");
  LoaderOptions with = options();
  Told told;
  with.on_event = std::ref(told);
  Loading loading(with, journal_.end());
  told.await("53400", 6);
  for (const char* table : {"perp_data", "perp_metrics", "perp_status", "instruments"})
    EXPECT_EQ(text.one(std::string("SELECT count(*) FROM ") + table), "0") << table;
  text.rows("DROP TRIGGER refuse ON perp_load_cursors");
  EXPECT_GE(loading.finish().retries, 6u);
  expect_exactly_once();
}

INSTANTIATE_TEST_SUITE_P(Servers, CommitFault, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
