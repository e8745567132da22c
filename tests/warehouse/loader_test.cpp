// Journal in, tables out, on both servers: content against an oracle, every report counter against
// what was sent.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <mutex>
#include <thread>

namespace perp::warehouse {
namespace {

using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Generator;
using test::Oracle;
using test::Text;

class Load : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {});
    journal_.emplace(journal::WriterOptions{.folder = folder_.path()});
  }
  void write(const std::vector<Fact>& facts) {
    for (const Fact& fact : facts) {
      append(*journal_, fact);
      oracle_.apply(fact);
    }
  }
  LoaderOptions options() {
    LoaderOptions out;
    out.dsn = dsn_;
    out.journal_folder = folder_.path();
    out.on_event = [this](const std::string& line) {
      const std::lock_guard guard(mutex_);
      events_.push_back(line);
    };
    return out;
  }
  LoadReport load(const LoaderOptions& with) {
    journal_->sync();
    const std::atomic<bool> stop{false};
    return Loader(with).run(journal_->end(), stop);
  }
  LoadReport load() { return load(options()); }
  std::string one(const std::string& sql) { return Text(dsn_).one(sql); }

  test::Folder folder_;
  std::optional<journal::Writer> journal_;
  Oracle oracle_;
  std::mutex mutex_;
  std::vector<std::string> events_;  // guarded by mutex_
};

TEST_P(Load, StoresEveryMinuteOnceInBothTables) {
  Generator generator(11);
  generator.define_all(*journal_);
  write(generator.minutes(day_0 + 23 * 3'600'000 + 50 * 60'000, 20));  // over midnight
  const LoadReport report = load();
  EXPECT_EQ(report.rows_data, oracle_.size());
  EXPECT_EQ(report.rows_metrics, oracle_.size());
  EXPECT_EQ(report.merged_batches, 0u);
  EXPECT_EQ(report.rows_refused, 0u);
  EXPECT_EQ(report.cursors.size(), 2u);
  oracle_.expect_equal(dsn_);
  // Nothing left: a second run stores nothing.
  const LoadReport again = load();
  EXPECT_EQ(again.rows_data, 0u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, AnyNumberOfLanesAndAnyBatchSizeStoresTheSame) {
  Generator generator(12);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 4));
  LoaderOptions with = options();
  with.lanes = 3;
  with.batch_rows = 7;
  LoadReport report = load(with);
  EXPECT_EQ(report.rows_data, oracle_.size());
  EXPECT_GT(report.batches, oracle_.size() / 7);
  oracle_.expect_equal(dsn_);
  // The number of lanes changes while there is more to come: nothing is lost or stored twice.
  write(generator.minutes(day_0 + 4 * 60'000, 4));
  for (unsigned lanes : {1u, 5u, 2u}) {
    with.lanes = lanes;
    load(with);
    oracle_.expect_equal(dsn_);
    write(generator.minutes(day_0 + (8 + lanes) * 60'000, 1));
  }
  load(with);
  oracle_.expect_equal(dsn_);
  EXPECT_EQ(one("SELECT count(*) FROM perp_load_cursors"), "2");
}

// Many rows of each series: a COPY for each kind, of its columns only. Nothing else may differ.
TEST_P(Load, ABacklogIsStoredByKind) {
  Generator generator(15);
  generator.define_all(*journal_);
  write(generator.minutes(day_0 + 23 * 3'600'000 + 50 * 60'000, 30));  // over midnight
  LoaderOptions with = options();
  with.lanes = 1;
  const LoadReport report = load(with);
  EXPECT_EQ(report.batches, 1u);
  EXPECT_EQ(report.merged_batches, 0u);
  EXPECT_EQ(report.rows_data, oracle_.size());
  oracle_.expect_equal(dsn_);
  // Rows of one kind lie together, but for those that fill up a page of another; series by series
  // the kind would change 228 times.
  EXPECT_LT(std::stoi(one(
                "SELECT count(*) FROM (SELECT kind, lag(kind) OVER (ORDER BY t, place) AS before "
                "FROM (SELECT tableoid AS t, ctid AS place, substring(perpspec FROM '[a-z]+$') AS "
                "kind FROM perp_metrics) rows) places WHERE kind <> before")),
            100);
  write(generator.minutes(day_0 + 86'400'000 + 3'600'000, 30));
  load(with);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, RevisionsAndBackfillReplaceByJournalOrder) {
  Generator generator(13);
  generator.define_all(*journal_);
  std::vector<Fact> facts = generator.minutes(day_0, 10);
  write(facts);
  load();
  std::vector<Fact> changes;
  for (int i = 0; i < 300; ++i) {
    Fact fact = facts[generator.random()() % facts.size()];
    fact = generator.fact(fact.venue, fact.index, fact.kind, fact.ts);
    fact.flags = static_cast<std::uint8_t>(
        fact.flags | (generator.chance(0.5) ? market::flag_revision : market::flag_backfill));
    changes.push_back(fact);  // some keys twice: the later one wins
  }
  write(changes);
  const LoadReport report = load();
  EXPECT_GE(report.merged_batches, 1u);
  EXPECT_GT(report.rows_folded, 0u);
  EXPECT_EQ(report.unexpected_conflicts, 0u);
  EXPECT_EQ(report.rows_data + report.rows_folded, 300u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, BackfillOfUnseenMinutesIsInserted) {
  Generator generator(14);
  generator.define_all(*journal_);
  write(generator.minutes(day_0 + 86'400'000, 3));
  std::vector<Fact> old = generator.minutes(day_0, 3);
  for (Fact& fact : old) fact.flags = static_cast<std::uint8_t>(fact.flags | market::flag_backfill);
  write(old);
  load();
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, ARepeatedMinuteWithoutFlagIsFoundByItsTime) {
  Generator generator(15);
  generator.define_all(*journal_);
  const std::vector<Fact> facts = generator.minutes(day_0, 3);
  write(facts);
  write(facts);  // in the same batch
  EXPECT_EQ(load().rows_folded, facts.size());
  oracle_.expect_equal(dsn_);
  write(facts);  // and against stored rows, by a loader that has to ask the database for its
                 // greatest times
  const LoadReport report = load();
  EXPECT_EQ(report.merged_batches, 2u);
  EXPECT_EQ(report.unexpected_conflicts, 0u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, AnUnexpectedConflictIsMerged) {
  Generator generator(16);
  generator.define_all(*journal_);
  write({generator.fact(VenueId::binance, 0, SpecKind::oi, day_0)});
  LoaderOptions with = options();
  with.lanes = 1;
  with.flush_ms = 1;
  Loader loader(with);
  std::atomic<bool> stop{false};
  journal_->sync();
  std::thread thread([&] { loader.follow(stop); });
  while (loader.progress().rows_data < 1) std::this_thread::yield();
  // The lane now believes that day_0 is the greatest minute; somebody stores the next one behind
  // its back.
  Text(dsn_).rows("INSERT INTO perp_metrics (ts, symbol, perpspec, oi) VALUES (" +
                  std::to_string(day_0 + 60'000) + ", 'BTC', 'bin-oi', 1)");
  write({generator.fact(VenueId::binance, 0, SpecKind::oi, day_0 + 60'000)});
  journal_->sync();
  while (loader.progress().rows_data < 2) std::this_thread::yield();
  stop = true;
  thread.join();
  EXPECT_EQ(loader.progress().unexpected_conflicts, 1u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, TakesOnlyPrimaryInstruments) {
  Generator generator(17);
  generator.define_all(*journal_);
  journal_->append(test::instrument_record(VenueId::binance, 77, "BTC", false, "USDC").header);
  write({generator.fact(VenueId::binance, 0, SpecKind::ohlcv, day_0)});
  Fact other = generator.fact(VenueId::binance, 77 % 6, SpecKind::ohlcv, day_0);
  other.index = 77;
  append(*journal_, other);
  other.index = 999;  // never defined
  append(*journal_, other);
  const LoadReport report = load();
  EXPECT_EQ(report.rows_data, 1u);
  EXPECT_EQ(report.not_primary, 1u);
  EXPECT_EQ(report.undefined, 1u);
  oracle_.expect_equal(dsn_);
  // It becomes the primary one: from then on its minutes are BTC's.
  journal_->append(test::instrument_record(VenueId::binance, 0, "BTC", false).header);
  journal_->append(test::instrument_record(VenueId::binance, 77, "BTC", true, "USDC").header);
  other = generator.fact(VenueId::binance, 0, SpecKind::ohlcv, day_0 + 60'000);
  other.index = 77;
  write({other});
  EXPECT_EQ(load().rows_data, 1u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, KeepsInstrumentsUpToDate) {
  journal_->append(test::instrument_record(VenueId::binance, 0, "BTC").header);
  journal_->append(test::instrument_record(VenueId::binance, 1, "BTC", false, "USDC").header);
  // Two contracts that would have one canonical id: the primary one keeps it.
  journal_->append(
      test::instrument_record(VenueId::bybit, 0, "PEPE", false, "USDT", "PEPEUSDT").header);
  auto pepe = test::instrument_record(VenueId::bybit, 1, "PEPE", true, "USDT", "1000PEPEUSDT");
  pepe.payload.multiplier = 1000;
  pepe.payload.funding_interval_ns = 4 * core::ns_per_hour;
  pepe.payload.listed_ns = day_0 * 1'000'000;
  journal_->append(pepe.header);
  EXPECT_EQ(load().instruments, 4u);
  EXPECT_EQ(one("SELECT string_agg(canonical_id || '=' || native_symbol || ' ' || is_primary, ',' "
                "ORDER BY exchange_id, id) FROM instruments"),
            "binance:BTC-USDT-PERP=BTCUSDT true,binance:BTC-USDC-PERP=BTCUSDC false,"
            "bybit:PEPE-USDT-PERP-PEPEUSDT=PEPEUSDT false,bybit:PEPE-USDT-PERP=1000PEPEUSDT true");
  EXPECT_EQ(
      one("SELECT concat_ws(' ', symbol, multiplier, tick_size, coalesce(contract_size::text, "
          "'NULL'), funding_interval_h, listed_at, coalesce(delisted_at::text, 'NULL'), status, "
          "record_id, metadata->>'settle') FROM instruments WHERE native_symbol = '1000PEPEUSDT'"),
      "PEPE 1000 0.1 NULL 4 1735689600000 NULL live " + std::to_string(2u << 24 | 1u) + " USDT");
  const std::string id = one("SELECT id FROM instruments WHERE native_symbol = '1000PEPEUSDT'");
  pepe.payload.status = market::InstrumentStatus::delisted;
  journal_->append(pepe.header);
  journal_->append(pepe.header);  // the same again: nothing to store
  EXPECT_EQ(load().instruments, 1u);
  EXPECT_EQ(one("SELECT status FROM instruments WHERE id = " + id), "delisted");
}

TEST_P(Load, StoresStatusAndErrorsExactlyOnce) {
  journal_->append(test::instrument_record(VenueId::okx, 0, "BTC").header);
  test::Whole<market::FeedStatus> status;
  status.header = {sizeof status,    market::RecordType::feed_status, VenueId::okx, 0, 0, 0,
                   core::unknown_ns, day_0 * 1'000'000 + 123'456'000};
  status.payload.state = market::FeedState::stale;
  status.payload.stream = market::RecordType::trade;
  status.payload.connection = 3;
  status.payload.reason.assign_cut("silent \"for\" 15 s");
  journal_->append(status.header);
  status.header.instrument = 3u << 24;
  status.payload.state = market::FeedState::live;
  journal_->append(status.header);
  test::Whole<market::DecodeFailure> failure;
  failure.header = {sizeof failure,   market::RecordType::error, VenueId::okx, 0, 0, 0,
                    core::unknown_ns, core::unknown_ns};
  failure.payload.status = 7;
  failure.payload.stream.assign_cut("trades");
  failure.payload.field.assign_cut("px");
  failure.payload.message_size = 900;
  failure.payload.excerpt_size = 9;
  failure.payload.excerpt.assign_cut("{\"a\":\xff\n\xc3\xa9");
  journal_->append(failure.header);
  LoadReport report = load();
  EXPECT_EQ(report.status_rows, 2u);
  EXPECT_EQ(report.error_rows, 1u);
  EXPECT_EQ(
      one("SELECT concat_ws('|', script_name, status, message, details->>'state', "
          "details->>'stream', details->>'connection', coalesce(details->>'instrument', 'NULL'), "
          "extract(epoch FROM ts)) FROM perp_status ORDER BY task_id LIMIT 1"),
      "feed okx|warning|silent \"for\" 15 s|stale|trade|3|NULL|1735689600.123456");
  EXPECT_EQ(one("SELECT concat_ws('|', status, details->>'instrument') FROM perp_status ORDER BY "
                "task_id DESC LIMIT 1"),
            "connected|BTCUSDT");
  EXPECT_EQ(one("SELECT concat_ws('|', script_name, error_type, error_code, details->>'status', "
                "details->>'message_size', details->>'excerpt') FROM perp_errors"),
            "feed okx|API|PARSE_ERROR|7|900|{\"a\":\u00ff\n\u00c3\u00a9");
  EXPECT_EQ(one("SELECT error_message FROM perp_errors"),
            "trades: message refused at px (status 7)");
  EXPECT_LT(std::atof(one("SELECT extract(epoch FROM now() - ts) FROM perp_errors").c_str()), 60);
  // Another number of lanes reads again from the least cursor (here one is far behind), but not
  // these.
  Text(dsn_).rows("UPDATE perp_load_cursors SET position = 0 WHERE lane = 1");
  LoaderOptions with = options();
  with.lanes = 5;
  load(with);
  with.lanes = 1;
  load(with);
  EXPECT_EQ(one("SELECT count(*) FROM perp_status"), "2");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors"), "1");
}

TEST_P(Load, KeepsCursorsPerJournal) {
  Generator generator(18);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 1));
  load();
  // A second journal, of definitions only: it moves cursors of its own and touches nobody's rows.
  test::Folder other;
  journal::Writer writer({.folder = other.path()});
  generator.define_all(writer);
  writer.sync();
  LoaderOptions with = options();
  with.journal_folder = other.path();
  const std::atomic<bool> stop{false};
  EXPECT_EQ(Loader(with).run(writer.end(), stop).rows_data, 0u);
  EXPECT_EQ(one("SELECT count(DISTINCT journal) FROM perp_load_cursors"), "2");
  oracle_.expect_equal(dsn_);
  // The first one goes on where it was.
  EXPECT_EQ(load().rows_data, 0u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, RefusesADatabaseWithoutSchema) {
  test::Generator(1).define_all(*journal_);
  LoaderOptions with = options();
  with.dsn = test::with(dsn_, {{"dbname", "postgres"}});
  try {
    load(with);
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("perp db setup"), std::string::npos) << error.what();
  }
}

TEST_P(Load, RefusesToRunBesideAnotherLoader) {
  Generator generator(26);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 2));
  journal_->sync();
  LoaderOptions with = options();
  with.flush_ms = 1;
  Loader first(with);
  std::atomic<bool> stop{false};
  std::thread thread([&] { first.follow(stop); });
  while (first.progress().rows_data < oracle_.size()) std::this_thread::yield();
  try {
    load();  // somebody starts a second one; the first does not notice
    ADD_FAILURE() << "accepted";
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("another loader is at work"), std::string::npos)
        << error.what();
  }
  write(generator.minutes(day_0 + 2 * 60'000, 2));
  journal_->sync();
  while (first.progress().rows_data < oracle_.size()) std::this_thread::yield();
  stop = true;
  thread.join();
  EXPECT_EQ(first.progress().reconnects, 0u);
  EXPECT_EQ(load().rows_data, 0u);  // its turn now, and nothing is left
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, IsolatesRowsThatTheServerRefuses) {
  Text(dsn_).rows("ALTER TABLE perp_data ADD CONSTRAINT sane CHECK (c IS NULL OR c < 1e300)");
  Generator generator(19);
  generator.define_all(*journal_);
  std::vector<Fact> facts = generator.minutes(day_0, 92);
  ASSERT_GT(facts.size(), 10'000u);  // one batch: its size is 50,000
  std::vector<Fact> bad;
  for (std::size_t i = 100; i < facts.size(); i += 3000) {
    Fact fact = generator.fact(VenueId::bybit, static_cast<std::uint32_t>(i % 6), SpecKind::ohlcv,
                               day_0 + (100 + static_cast<int>(i)) * 60'000);
    fact.values[market::column("c")] = 1e301;
    bad.push_back(fact);
  }
  for (std::size_t i = 0; i < facts.size(); ++i) {
    write({facts[i]});
    if (i % 3000 == 100) append(*journal_, bad[i / 3000]);
  }
  LoaderOptions with = options();
  with.lanes = 1;
  with.flush_ms = 60'000;
  const LoadReport report = load(with);
  EXPECT_EQ(report.batches, 1u);
  EXPECT_EQ(report.rows_refused, bad.size());
  EXPECT_EQ(report.rows_data, oracle_.size());
  oracle_.expect_equal(dsn_);
  const auto rows = Text(dsn_).rows(
      "SELECT details->>'symbol', details->>'ts', details->>'sqlstate', error_message, perpspec "
      "FROM perp_errors WHERE error_code = 'INSERT_FAILED' ORDER BY 2");
  ASSERT_EQ(rows.size(), bad.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(rows[i][0], bad[i].symbol);
    EXPECT_EQ(rows[i][1], std::to_string(bad[i].ts));
    EXPECT_EQ(rows[i][2], "23514");
    EXPECT_NE(rows[i][3]->find("sane"), std::string::npos);
    EXPECT_EQ(rows[i][4], "byb-ohlcv");
  }
}

TEST_P(Load, RefusesValuesThatNoColumnCanHold) {
  Generator generator(20);
  generator.define_all(*journal_);
  journal_->append(test::instrument_record(VenueId::binance, 50, "\xff\xfe").header);
  write({generator.fact(VenueId::binance, 0, SpecKind::oi, day_0)});
  Fact fact = generator.fact(VenueId::binance, 0, SpecKind::oi, day_0 + 60'000);
  fact.values[market::column("oi")] = std::numeric_limits<double>::infinity();
  append(*journal_, fact);
  fact = generator.fact(VenueId::binance, 0, SpecKind::lq, day_0);
  fact.values[market::column("lqside")] = 3;
  append(*journal_, fact);
  fact = generator.fact(VenueId::binance, 0, SpecKind::oi, day_0 + 1);
  append(*journal_, fact);
  fact = generator.fact(VenueId::binance, 0, SpecKind::oi, 60'000);
  append(*journal_, fact);
  fact = generator.fact(VenueId::binance, 0, SpecKind::oi, day_0);
  fact.index = 50;
  append(*journal_, fact);
  const LoadReport report = load();
  EXPECT_EQ(report.rows_data, 1u);
  EXPECT_EQ(report.rows_refused, 6u);  // five minutes and the instrument whose name is no text
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE script_name = 'perp warehouse'"), "6");
  EXPECT_EQ(one("SELECT count(*) FROM perp_errors WHERE details->>'symbol' = U&'\\00ff\\00fe'"),
            "2");
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, NamesWhatTheDatabaseRefusesWholly) {
  Generator generator(21);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 1));
  Text(dsn_).rows("ALTER TABLE perp_metrics DROP COLUMN v_chg_5m CASCADE");
  try {
    load();
    FAIL() << "accepted";
  } catch (const core::Error& error) {
    const std::string what = error.what();
    for (const char* part : {"lane", "journal positions", "v_chg_5m", "42703"})
      EXPECT_NE(what.find(part), std::string::npos) << what;
  }
  EXPECT_EQ(one("SELECT count(*) FROM perp_data"), "0");
}

TEST_P(Load, SkipsInactiveSpecsAndRegistersNewOnes) {
  Generator generator(22);
  generator.define_all(*journal_);
  journal_->append(test::instrument_record(VenueId::hyperliquid, 0, "BTC", true, "USDC").header);
  Text(dsn_).rows("UPDATE perpspec_schema SET active = false WHERE perpspec_name = 'bin-oi'");
  append(*journal_, generator.fact(VenueId::binance, 0, SpecKind::oi, day_0));
  write({generator.fact(VenueId::hyperliquid, 0, SpecKind::oi, day_0)});
  append(*journal_, generator.fact(VenueId::hyperliquid, 0, SpecKind::lq, day_0));  // no such spec
  const LoadReport report = load();
  EXPECT_EQ(report.inactive, 1u);
  EXPECT_EQ(report.undefined, 1u);
  EXPECT_EQ(one("SELECT seed FROM perpspec_schema WHERE perpspec_name = 'hyp-oi'"), "f");
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, RefusesExpiredRowsOnPlainPartitions) {
  if (GetParam() != test::Server::plain) GTEST_SKIP() << "chunks of any age can be made elsewhere";
  Generator generator(23);
  generator.define_all(*journal_);
  append(*journal_, generator.fact(VenueId::binance, 0, SpecKind::oi, day_0));
  const std::int64_t now = core::wall_now().ns / 60'000'000'000 * 60'000;
  write({generator.fact(VenueId::binance, 0, SpecKind::oi, now)});
  LoaderOptions with = options();
  with.keeps_retention = true;  // ten days, as setup made it
  EXPECT_EQ(load(with).rows_expired, 1u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, ARowOfADayWithoutPartitionMakesItUnlessItIsTooOld) {
  setup(dsn_, {.retention_days = 30, .retention = {{"trades", 30}}});
  Generator generator(25);
  generator.define_all(*journal_);
  const std::int64_t day = 86'400'000;
  const std::int64_t now = core::wall_now().ns / 60'000'000'000 * 60'000;
  const auto trade = [&](std::int64_t ts) {
    struct {
      market::RecordHeader header;
      market::Trade payload;
    } out;
    out.header.size = sizeof out;
    out.header.type = market::RecordType::trade;
    out.header.venue = VenueId::binance;
    out.header.instrument = static_cast<std::uint32_t>(VenueId::binance) << 24;
    out.header.exchange_ns = out.header.receive_ns = ts * 1'000'000;
    out.payload.price = 100;
    out.payload.quantity = 1;
    out.payload.trade_id = ts;
    journal_->append(out.header);
  };
  const auto is_there = [&](const std::string& table, std::int64_t ts) {
    const std::string at = std::to_string(ts);
    return one(GetParam() == test::Server::plain
                   ? "SELECT to_regclass('" + table + "_p' || to_char(to_timestamp(" + at +
                         " / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NOT NULL"
                   : "SELECT EXISTS (SELECT FROM timescaledb_information.chunks WHERE "
                     "hypertable_name = '" +
                         table + "' AND range_start_integer <= " + at +
                         " AND range_end_integer > " + at + ")") == "t";
  };
  const std::vector<std::string> tables{"perp_data", "perp_metrics", "trades"};
  for (const std::int64_t ts : {now + 10 * day, now - 10 * day}) {
    for (const std::string& table : tables) EXPECT_FALSE(is_there(table, ts)) << table;
    write({generator.fact(VenueId::binance, 0, SpecKind::oi, ts)});
    trade(ts);
  }
  LoaderOptions with = options();
  with.keeps_retention = true;
  with.fact_tables = {"trades"};
  const LoadReport stored = load(with);
  EXPECT_EQ(stored.rows_expired, 0u);
  EXPECT_EQ(stored.rows_facts, 2u);
  for (const std::int64_t ts : {now + 10 * day, now - 10 * day})
    for (const std::string& table : tables) EXPECT_TRUE(is_there(table, ts)) << table;
  oracle_.expect_equal(dsn_);
  // Where the server cuts series itself it drops them itself.
  if (GetParam() != test::Server::plain) return;
  const std::int64_t old = now - 40 * day;
  append(*journal_, generator.fact(VenueId::binance, 0, SpecKind::oi, old));
  trade(old);
  const LoadReport refused = load(with);
  EXPECT_EQ(refused.rows_expired, 2u) << "a minute and a trade";
  EXPECT_EQ(refused.rows_facts, 0u);
  EXPECT_EQ(one("SELECT count(*) FROM trades"), "2");
  for (const std::string& table : tables) EXPECT_FALSE(is_there(table, old)) << table;
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, FollowsTheJournalWithinTheFlushTime) {
  Generator generator(24);
  generator.define_all(*journal_);
  LoaderOptions with = options();
  with.flush_ms = 20;
  Loader loader(with);
  std::atomic<bool> stop{false};
  journal_->sync();
  std::thread thread([&] { loader.follow(stop); });
  for (int minute = 0; minute < 5; ++minute) {
    write(generator.minutes(day_0 + minute * 60'000, 1));
    journal_->sync();
    while (loader.progress().rows_data < oracle_.size()) std::this_thread::yield();
    oracle_.expect_equal(dsn_);
  }
  stop = true;
  thread.join();
}

TEST_P(Load, WaitsForALockAndThenGoesOn) {
  Generator generator(25);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 1));
  LoaderOptions with = options();
  with.lanes = 1;
  with.dsn = dsn_ + " options='-c lock_timeout=50'";
  Text blocker(dsn_);
  blocker.rows("BEGIN");
  blocker.rows("LOCK TABLE perp_metrics IN ACCESS EXCLUSIVE MODE");
  LoadReport report;
  std::thread thread([&] { report = load(with); });
  // Released only once the loader has met the lock.
  for (bool has_met = false; !has_met;) {
    const std::lock_guard guard(mutex_);
    for (const std::string& line : events_)
      has_met = has_met || line.find("55P03") != std::string::npos;
  }
  blocker.rows("ROLLBACK");
  thread.join();
  EXPECT_GE(report.retries, 1u);
  oracle_.expect_equal(dsn_);
}

TEST_P(Load, ItsLifeIsToldInPerpStatus) {
  Generator generator(31);
  generator.define_all(*journal_);
  write(generator.minutes(day_0, 2));
  journal_->sync();
  LoaderOptions with = options();
  with.program = "perp test";
  with.tells_each_ms = 20;
  const auto life = [&] {
    return one(
        "SELECT string_agg(status, ',' ORDER BY task_id) FROM perp_status WHERE script_name = "
        "'perp test'");
  };
  std::optional<Loader> loader(with);
  std::atomic<bool> stop{false};
  LoadReport report;
  std::thread follower([&] { report = loader->follow(stop); });
  for (int i = 0; i < 3000 && life().find("running,running") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  stop = true;
  follower.join();
  EXPECT_TRUE(report.has_told_start);
  stop = false;
  loader->run(journal_->end(), stop);
  loader.reset();
  const std::string told = life();
  EXPECT_TRUE(told.starts_with("started,connected,running,running")) << told;
  EXPECT_TRUE(told.ends_with("running,complete")) << told;
  EXPECT_EQ(told.find("started", 1), std::string::npos) << "once";
  // The next one takes over from it, as a daemon's does whose life ends by being stopped.
  with.tells_start = false;
  with.tells_each_ms = 600'000;
  with.keeps_retention = true;
  Loader(with).run(journal_->end(), stop);
  EXPECT_EQ(life(), told + ",stopped");
  with.keeps_retention = false;
  // What a program died of is told as well, and none of it is a row of a feed.
  Text(dsn_).rows("DROP TABLE perp_metrics CASCADE");
  write(generator.minutes(day_0 + 2 * 60'000, 1));
  journal_->sync();
  EXPECT_THROW(Loader(with).run(journal_->end(), stop), core::Error);
  EXPECT_EQ(life(), told + ",stopped,error");
  EXPECT_NE(
      one("SELECT message FROM perp_status ORDER BY task_id DESC LIMIT 1").find("perp_metrics"),
      std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Servers, Load, test::both_servers(), test::server_name);

TEST(Loader, RefusesOptionsOutOfRange) {
  EXPECT_THROW(Loader({.lanes = 0}), core::Error);
  EXPECT_THROW(Loader({.lanes = 17}), core::Error);
  EXPECT_THROW(Loader({.batch_rows = 0}), core::Error);
  EXPECT_THROW(Loader({.flush_ms = 0}), core::Error);
}

}  // namespace
}  // namespace perp::warehouse
