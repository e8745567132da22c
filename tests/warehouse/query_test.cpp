// Queries against the same question asked in plain SQL over libpq's text protocol, and the wick
// query against a brute-force scan in this file.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/query.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>

namespace perp::warehouse {
namespace {

using market::SpecKind;
using market::VenueId;
using test::day_0;
using test::Fact;
using test::Generator;
using test::Text;
using test::TextRow;

class Query : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    setup(dsn_, {});
    journal_.emplace(journal::WriterOptions{.folder = folder_.path()});
    generator_.define_all(*journal_);
  }
  void load(const std::vector<Fact>& facts) {
    for (const Fact& fact : facts) append(*journal_, fact);
    journal_->sync();
    LoaderOptions options;
    options.dsn = dsn_;
    options.journal_folder = folder_.path();
    const std::atomic<bool> stop{false};
    Loader(options).run(journal_->end(), stop);
  }
  /// Our columns and the text answer to `sql` (same columns, same order) are the same.
  void expect_same(const QueryResult& got, const std::string& sql) {
    const std::vector<TextRow> rows = Text(dsn_).rows(sql);
    ASSERT_EQ(got.rows, rows.size()) << sql;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      ASSERT_EQ(got.columns.size(), rows[r].size());
      for (std::size_t c = 0; c < rows[r].size(); ++c) {
        const ColumnData& column = got.columns[c];
        ASSERT_EQ(column.is_null(r), !rows[r][c].has_value()) << column.name << " row " << r;
        if (!rows[r][c]) {
          ASSERT_TRUE(column.kind != ColumnKind::float64 || std::isnan(column.floats[r]));
          continue;
        }
        switch (column.kind) {
          case ColumnKind::int64:
            ASSERT_EQ(std::to_string(column.ints[r]), *rows[r][c] == "t"   ? "1"
                                                      : *rows[r][c] == "f" ? "0"
                                                                           : *rows[r][c])
                << column.name;
            break;
          case ColumnKind::float64:
            ASSERT_EQ(column.floats[r], std::strtod(rows[r][c]->c_str(), nullptr)) << column.name;
            break;
          case ColumnKind::text: ASSERT_EQ(column.text(r), *rows[r][c]) << column.name; break;
        }
      }
    }
  }
  /// Of three days' partitions or chunks the plan of the prepared `statement` touches that of
  /// day_ms alone, whether the values are known when it is planned or not.
  void expect_asked_day_only(Text& text, const std::string& statement, const std::string& values,
                             std::int64_t day_ms) {
    EXPECT_EQ(statement.find("SELECT *"), std::string::npos) << statement;
    EXPECT_NE(statement.find("perpspec"), std::string::npos) << statement;
    for (const char* mode : {"force_custom_plan", "force_generic_plan"}) {
      text.rows(std::string("SET plan_cache_mode = ") + mode);
      text.rows("PREPARE asked AS " + statement);
      std::string plan;
      for (const std::string& line :
           text.list("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE asked(" +
                     values + ")"))
        plan += line + "\n";
      text.rows("DEALLOCATE asked");
      // Of the other days' partitions or chunks nothing was read.
      const std::vector<std::string> others = text.list(
          GetParam() == test::Server::plain
              ? "SELECT relname FROM pg_class WHERE relname ~ "
                "'^perp_(data|metrics)_p(20250101|20250103)$'"
              : "SELECT chunk_name FROM timescaledb_information.chunks WHERE hypertable_name IN "
                "('perp_data', 'perp_metrics') AND range_start_integer <> " +
                    std::to_string(day_ms));
      ASSERT_EQ(others.size(), 4u);
      const std::vector<std::string> asked = text.list(
          GetParam() == test::Server::plain
              ? "SELECT relname FROM pg_class WHERE relname ~ '^perp_(data|metrics)_p20250102$'"
              : "SELECT chunk_name FROM timescaledb_information.chunks WHERE hypertable_name IN "
                "('perp_data', 'perp_metrics') AND range_start_integer = " +
                    std::to_string(day_ms));
      EXPECT_TRUE(std::any_of(asked.begin(), asked.end(), [&](const std::string& name) {
        return plan.find(name + " ") != std::string::npos;
      })) << plan;
      for (const std::string& other : others)
        EXPECT_EQ(plan.find(other + " "), std::string::npos) << other << "\n"
                                                             << statement << "\n"
                                                             << plan;
    }
  }
  static std::string ms(std::int64_t minute) { return std::to_string(day_0 + minute * 60'000); }

  test::Folder folder_;
  Generator generator_{41};
  std::optional<journal::Writer> journal_;
};

TEST_P(Query, PerpDataIsHalfOpenAndAscending) {
  load(generator_.minutes(day_0, 30));
  Connection connection(dsn_);
  for (const char* spec : {"bin-ohlcv", "okx-lq", "byb-oi", "rsi"}) {
    const QueryResult got =
        query_perp_data(connection, spec, "ETH", day_0 + 5 * 60'000, day_0 + 20 * 60'000);
    EXPECT_GT(got.rows, 5u);
    expect_same(got, std::string("SELECT * FROM perp_data WHERE perpspec = '") + spec +
                         "' AND symbol = 'ETH' AND ts >= " + ms(5) + " AND ts < " + ms(20) +
                         " ORDER BY ts");
  }
  EXPECT_EQ(query_perp_data(dsn_, "bin-ohlcv", "ETH", day_0 + 60'000, day_0 + 60'000).rows, 0u);
}

TEST_P(Query, MetricsAreClosedAndOrdered) {
  load(generator_.minutes(day_0, 30));
  Connection connection(dsn_);
  const std::vector<std::string> symbols = {"SOL", "BTC"}, specs = {"rsi", "bin-lq", "byb-tv"};
  const QueryResult got =
      query_metrics(connection, symbols, specs, day_0 + 3 * 60'000, day_0 + 21 * 60'000);
  EXPECT_GT(got.rows, 90u);
  expect_same(got,
              "SELECT * FROM perp_metrics WHERE symbol IN ('BTC', 'SOL') AND perpspec IN ('rsi', "
              "'bin-lq', 'byb-tv') AND ts BETWEEN " +
                  ms(3) + " AND " + ms(21) + " ORDER BY ts, symbol, perpspec");
  EXPECT_EQ(query_metrics(connection, symbols, {}, day_0, day_0 + 86'400'000).rows, 0u);
}

TEST_P(Query, OnlyTheAskedColumns) {
  load(generator_.minutes(day_0, 30));
  Connection connection(dsn_);
  const std::vector<std::string> symbols = {"SOL", "BTC"}, specs = {"bin-lq", "byb-tv"},
                                 columns = {"tbv_chg_5m", "lqside",     "symbol",       "c",
                                            "exchange",   "tbv_chg_5m", "window_sizes", "source"};
  const QueryResult got =
      query_metrics(connection, symbols, specs, day_0, day_0 + 21 * 60'000, columns);
  EXPECT_GT(got.rows, 60u);
  expect_same(got,
              "SELECT ts, symbol, perpspec, tbv_chg_5m, lqside, c, exchange, window_sizes, source "
              "FROM perp_metrics WHERE symbol IN ('BTC', 'SOL') AND perpspec IN ('bin-lq', "
              "'byb-tv') AND ts BETWEEN " +
                  ms(0) + " AND " + ms(21) + " ORDER BY ts, symbol, perpspec");
  const std::vector<std::string> wide = {"tbv", "lqqty"};
  std::vector<std::string> names;
  for (const ColumnData& column :
       query_metrics_wide(connection, symbols, specs, day_0, day_0 + 60'000, wide).columns)
    names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"ts", "symbol", "bin-lq.lqqty", "byb-tv.tbv"}));
  for (const char* bad : {"nothing", "c; DROP TABLE perp_metrics", ""}) {
    const std::vector<std::string> unknown = {bad};
    EXPECT_THROW(query_metrics(connection, symbols, specs, day_0, day_0, unknown), core::Error);
    EXPECT_THROW(query_metrics_wide(connection, symbols, specs, day_0, day_0, unknown),
                 core::Error);
  }
}

// Each perpspec is asked by a statement of its own; what commits in between is not seen.
TEST_P(Query, StatementsOfOneQuestionSeeOneMoment) {
  Connection connection(dsn_), writing(dsn_);
  writing.execute("CREATE TABLE seen (n INT)");
  const std::vector<QueryResult> answers = connection.snapshot(
      {{"SELECT count(*) FROM seen", {}},
       {"SELECT pg_sleep(0)::text", {}},
       {"SELECT current_setting('transaction_isolation'), pg_current_xact_id_if_assigned()::text",
        {}}});
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[2].columns[0].text(0), "repeatable read");
  EXPECT_THROW(connection.snapshot({{"SELECT 1", {}}, {"SELECT 1 / 0", {}}}), DatabaseError);
  // The transaction is over either way.
  EXPECT_EQ(connection.query("SELECT current_setting('transaction_isolation')").columns[0].text(0),
            "read committed");
  // Inside the caller's own transaction it stays that one.
  connection.execute("BEGIN; INSERT INTO seen VALUES (1)");
  EXPECT_EQ(connection.snapshot({{"SELECT count(*) FROM seen", {}}, {"SELECT 1", {}}})[0]
                .columns[0]
                .ints[0],
            1);
  connection.execute("ROLLBACK");
}

TEST_P(Query, MetricsAtAMinute) {
  load(generator_.minutes(day_0, 3));
  const std::vector<std::string> specs = {"bin-ohlcv", "okx-pfr", "byb-lsr", "bin-rsi"};
  expect_same(query_metrics_at(dsn_, "DOGE", specs, day_0 + 60'000),
              "SELECT * FROM perp_metrics WHERE symbol = 'DOGE' AND perpspec IN ('bin-ohlcv', "
              "'okx-pfr', 'byb-lsr', 'rsi') AND ts = " +
                  ms(1) + " ORDER BY perpspec");
}

TEST_P(Query, AcceptsEverySpelling) {
  auto pepe = test::instrument_record(VenueId::bybit, 40, "MOG", true, "USDT", "1000000MOGUSDT");
  journal_->append(pepe.header);
  journal_->append(
      test::instrument_record(VenueId::hyperliquid, 41, "BONK", true, "USDC", "kBONK").header);
  load(generator_.minutes(day_0, 1));
  Connection connection(dsn_);
  for (const char* spelling : {"SOL", "sol", "SOLUSDT", "SOL/USDT", "SOL-USDT", "sol_usdt",
                               "SOL-USDT-PERP", "SOL-USDT-SWAP", "binance:SOL-USDT-PERP"})
    EXPECT_EQ(resolve_symbol(connection, spelling), "SOL") << spelling;
  EXPECT_EQ(resolve_symbol(connection, "1000000MOGUSDT"), "MOG");
  EXPECT_EQ(resolve_symbol(connection, "kBONK"), "BONK");
  EXPECT_EQ(resolve_symbol(connection, "BONK-USDC"), "BONK");
  EXPECT_EQ(resolve_symbol(connection, "NEVER-USDT-PERP"), "NEVER");  // nothing explains it
  EXPECT_EQ(resolve_symbol(connection, "USDT"), "USDT");
  EXPECT_EQ(resolve_symbol(connection, "okx:BTC-USD-PERP:BTC"), "BTC");
  for (const char* bad :
       {"", "-/_", "0123456789012345678901234567890123456789012345678901234567890123456789"})
    EXPECT_THROW(resolve_symbol(connection, bad), core::Error);
}

TEST_P(Query, NamesAreDataNotSql) {
  load(generator_.minutes(day_0, 1));
  Connection connection(dsn_);
  EXPECT_EQ(query_perp_data(connection, "bin-ohlcv", "BTC' OR '1'='1", 0, day_0 * 2).rows, 0u);
  for (const char* spec : {"bin-ohlcv' OR '1'='1", "", "Bin", "a;b", "x\"y"})
    EXPECT_THROW(query_perp_data(connection, spec, "BTC", 0, 1), core::Error);
}

struct Bar {
  std::int64_t ts;
  std::optional<double> o, h, l, c;
};
struct Wick {
  std::int64_t ts;
  std::string side;
  double pct;
  std::optional<double> ratio;
  std::optional<bool> is_rejection;
};

TEST_P(Query, WickRejectionsEqualABruteForceScan) {
  std::vector<Bar> bars;
  std::vector<Fact> facts;
  std::mt19937& random = generator_.random();
  std::uniform_real_distribution<> unit(0, 1);
  double price = 100;
  for (int minute = 0; minute < 600; ++minute) {
    if (unit(random) < 0.05) continue;
    const double o = price, c = price * (1 + 0.01 * (unit(random) - 0.5));
    Bar bar{day_0 + minute * 60'000, o, std::max(o, c) * (1 + 0.02 * std::pow(unit(random), 4)),
            std::min(o, c) * (1 - 0.02 * std::pow(unit(random), 4)), c};
    if (minute % 50 == 0) bar.h = bar.l = bar.o = bar.c = price;  // no range at all
    if (minute % 71 == 0) bar.c.reset();
    price = c;
    bars.push_back(bar);
    Fact fact;
    fact.symbol = "BTC";
    fact.ts = bar.ts;
    for (const auto& [name, cell] : {std::pair(market::column("o"), bar.o),
                                     {market::column("h"), bar.h},
                                     {market::column("l"), bar.l},
                                     {market::column("c"), bar.c}})
      if (cell) fact.values[name] = *cell;
    facts.push_back(fact);
  }
  load(facts);
  Connection connection(dsn_);
  for (double threshold : {0.0, 0.2, 0.7, 5.0}) {
    std::vector<Wick> expected;
    for (const Bar& bar : bars) {
      if (!bar.o || !bar.h || !bar.l || !bar.c || bar.ts < day_0 + 60 * 60'000 ||
          bar.ts >= day_0 + 500 * 60'000)
        continue;
      const double high = std::max(*bar.o, *bar.c), low = std::min(*bar.o, *bar.c),
                   range = *bar.h - *bar.l;
      const auto next = std::find_if(bars.begin(), bars.end(),
                                     [&](const Bar& other) { return other.ts == bar.ts + 60'000; });
      const bool has_next = next != bars.end() && next->c;
      const auto add = [&](const char* side, double size, double body, bool holds) {
        const double pct = size / body * 100;
        if (!(pct > threshold)) return;
        Wick wick{bar.ts, side, pct, {}, {}};
        if (range != 0) wick.ratio = size / range;
        if (wick.ratio && *wick.ratio < 0.5)
          wick.is_rejection = false;
        else if (wick.ratio && has_next)
          wick.is_rejection = holds;
        expected.push_back(wick);
      };
      add("upper", *bar.h - high, high, has_next && *next->c <= *bar.h);
      add("lower", low - *bar.l, low, has_next && *next->c >= *bar.l);
    }
    const QueryResult got = query_wick_rejections(
        connection, "BTC-USDT", "bin-ohlcv", day_0 + 60 * 60'000, day_0 + 500 * 60'000, threshold);
    ASSERT_EQ(got.rows, expected.size()) << threshold;
    EXPECT_EQ(expected.empty(), threshold == 5.0);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const Wick& want = expected[i];
      EXPECT_EQ(got.column("ts").ints[i], want.ts);
      EXPECT_EQ(got.column("side").text(i), want.side);
      EXPECT_EQ(got.column(want.side + "_wick_pct").floats[i], want.pct);
      EXPECT_EQ(got.column("wick_ratio").is_null(i), !want.ratio);
      if (want.ratio) {
        EXPECT_EQ(got.column("wick_ratio").floats[i], *want.ratio);
      }
      EXPECT_EQ(got.column("is_rejection").is_null(i), !want.is_rejection);
      if (want.is_rejection) {
        EXPECT_EQ(got.column("is_rejection").ints[i] != 0, *want.is_rejection);
      }
    }
  }
}

TEST_P(Query, GapsAreTheMissingMinutes) {
  std::vector<Fact> facts;
  for (int minute : {0, 1, 2, 5, 6, 20})
    facts.push_back(generator_.fact(VenueId::binance, 0, SpecKind::oi, day_0 + minute * 60'000));
  load(facts);
  Connection connection(dsn_);
  const QueryResult gaps = query_gaps(connection, "bin-oi", "BTC", day_0, day_0 + 86'400'000);
  ASSERT_EQ(gaps.rows, 2u);
  EXPECT_EQ(gaps.column("prev_ts").ints,
            (std::vector<std::int64_t>{day_0 + 2 * 60'000, day_0 + 6 * 60'000}));
  EXPECT_EQ(gaps.column("ts").ints,
            (std::vector<std::int64_t>{day_0 + 5 * 60'000, day_0 + 20 * 60'000}));
  EXPECT_EQ(gaps.column("missing").ints, (std::vector<std::int64_t>{2, 13}));
  EXPECT_THROW(query_gaps(connection, "bin-oi", "BTC", 0, 1, 0), core::Error);
}

TEST_P(Query, WideViewJoinsTheSpecsOfAVenue) {
  const Fact bar = generator_.fact(VenueId::okx, 0, SpecKind::ohlcv, day_0),
             oi = generator_.fact(VenueId::okx, 0, SpecKind::oi, day_0),
             rsi = generator_.fact(VenueId::binance, 0, SpecKind::rsi, day_0);
  load({bar, oi, rsi});
  Text text(dsn_);
  EXPECT_EQ(text.one("SELECT count(*) FROM perp_wide"), "1");
  EXPECT_EQ(text.one("SELECT concat_ws(' ', w.exchange, w.c IS NOT DISTINCT FROM b.c, w.oi IS NOT "
                     "DISTINCT FROM o.oi, w.rsi1 IS NOT DISTINCT FROM r.rsi1, w.oi_chg_5m IS NOT "
                     "DISTINCT FROM o.oi_chg_5m) "
                     "FROM latest_perp w, perp_metrics b, perp_metrics o, perp_metrics r WHERE "
                     "b.perpspec = 'okx-ohlcv' AND o.perpspec = 'okx-oi' AND r.perpspec = 'rsi'"),
            "okx t t t t");
}

TEST_P(Query, AnyResultBecomesColumns) {
  const std::string sql =
      "SELECT g AS i8, g::int4 AS i4, g::int2 AS i2, g % 2 = 0 AS flag, g / 3.0::float8 AS f8, (g "
      "/ 3.0::float8)::float4 AS f4, round(g * 1234567.891, 3) AS num, "
      "(g * -0.00001)::numeric AS small, 1e40::numeric * g AS big, 'text ' || g AS t, CASE WHEN g "
      "% 3 = 0 THEN NULL ELSE 'x' END AS maybe, CASE WHEN g % 3 = 1 THEN NULL ELSE g END AS "
      "maybe_i, "
      "ARRAY[g, NULL, -g]::int2[] AS a, ARRAY['a', 'b c']::text[] AS ta, '{\"k\": [1, "
      "null]}'::jsonb AS j, 'n'::name AS n FROM generate_series(-2::bigint, 200) g ORDER BY 1";
  Connection connection(dsn_);
  const QueryResult got = connection.query(sql);
  // Text arrays are written with quotes wherever they could matter; float4 and booleans as the
  // wider type.
  const std::vector<TextRow> rows = Text(dsn_).rows(sql);
  ASSERT_EQ(got.rows, rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (const char* name : {"i8", "i4", "i2"})
      EXPECT_EQ(std::to_string(got.column(name).ints[r]), *rows[r][0]);
    EXPECT_EQ(got.column("flag").ints[r], *rows[r][3] == "t" ? 1 : 0);
    EXPECT_EQ(got.column("f8").floats[r], std::strtod(rows[r][4]->c_str(), nullptr));
    EXPECT_EQ(static_cast<float>(got.column("f4").floats[r]),
              std::strtof(rows[r][5]->c_str(), nullptr));
    EXPECT_EQ(got.column("num").floats[r], std::strtod(rows[r][6]->c_str(), nullptr));
    EXPECT_EQ(got.column("small").floats[r], std::strtod(rows[r][7]->c_str(), nullptr));
    EXPECT_EQ(got.column("big").floats[r], std::strtod(rows[r][8]->c_str(), nullptr));
    EXPECT_EQ(got.column("t").text(r), *rows[r][9]);
    EXPECT_EQ(got.column("maybe").is_null(r), !rows[r][10]);
    EXPECT_EQ(got.column("maybe_i").is_null(r), !rows[r][11]);
    EXPECT_EQ(got.column("a").text(r), *rows[r][12]);
    EXPECT_EQ(got.column("ta").text(r), "{\"a\",\"b c\"}");
    EXPECT_EQ(got.column("j").text(r), *rows[r][14]);
    EXPECT_EQ(got.column("n").text(r), "n");
  }
  EXPECT_EQ(connection.query("SELECT timestamptz '2025-01-01 00:00:00.999999+00' AS t")
                .columns[0]
                .ints[0],
            day_0 + 999);
  EXPECT_EQ(
      connection.query("SELECT timestamptz '1969-12-31 23:59:59.9985+00' AS t").columns[0].ints[0],
      -2);
  EXPECT_THROW(connection.query("SELECT '1 day'::interval AS span"), core::Error);
  EXPECT_THROW(got.column("nothing"), core::Error);
}

TEST_P(Query, ParametersKeepTheirTypes) {
  Connection connection(dsn_);
  const QueryResult got = connection.query(
      "SELECT $1::text || pg_typeof($1), pg_typeof($2)::text, pg_typeof($3)::text, "
      "pg_typeof($4)::text, pg_typeof($5)::text, $6 IS NULL, $7[2], $8[1]",
      {std::string("a'\"\\"), std::int64_t{1}, 1.5, true, std::int16_t{3},
       number_or_null(std::nan("")), std::vector<std::string>{"x", "y"},
       std::vector<std::int64_t>{7}});
  EXPECT_EQ(got.columns[0].text(0), "a'\"\\text");
  EXPECT_EQ(got.columns[1].text(0), "bigint");
  EXPECT_EQ(got.columns[2].text(0), "double precision");
  EXPECT_EQ(got.columns[3].text(0), "boolean");
  EXPECT_EQ(got.columns[4].text(0), "smallint");
  EXPECT_EQ(got.columns[5].ints[0], 1);
  EXPECT_EQ(got.columns[6].text(0), "y");
  EXPECT_EQ(got.columns[7].ints[0], 7);
}

TEST_P(Query, AFailedStatementLeavesTheConnectionUsable) {
  Connection connection(dsn_);
  for (int i = 0; i < 3; ++i) {
    try {
      connection.query("SELECT 1 / $1::int4", {std::int32_t{0}});
      FAIL() << "accepted";
    } catch (const DatabaseError& error) {
      EXPECT_EQ(error.sqlstate(), "22012");
      EXPECT_FALSE(error.is_connection_lost());
    }
    EXPECT_THROW(connection.pipeline({{"SELECT 1", {}}, {"SELECT nonsense", {}}, {"SELECT 2", {}}}),
                 DatabaseError);
    EXPECT_EQ(connection.query("SELECT 1 / $1::int4", {std::int32_t{1}}).columns[0].ints[0], 1);
  }
  EXPECT_THROW(Connection("host=127.0.0.1 port=1 user=perp connect_timeout=2"), DatabaseError);
}

TEST_P(Query, PerpspecsSideBySideWithTheMissingOnesAsNull) {
  load(generator_.minutes(day_0, 30));
  // Some minutes of one spec are missing, and one whole spec.
  Text(dsn_).rows("DELETE FROM perp_metrics WHERE perpspec = 'byb-oi' AND ts % 180000 = 0");
  Text(dsn_).rows("DELETE FROM perp_metrics WHERE perpspec = 'okx-lq'");
  Connection connection(dsn_);
  const std::vector<std::string> symbols{"SOLUSDT", "BTC"},
      specs{"bin-ohlcv", "byb-oi", "bin-rsi", "okx-lq"};
  QueryResult got =
      query_metrics_wide(connection, symbols, specs, day_0 + 3 * 60'000, day_0 + 21 * 60'000);
  // In plain SQL: an outer join over every moment that any of them has.
  std::string columns = "k.ts, k.symbol", joins;
  std::vector<ColumnData> asked;
  asked.push_back(got.column("ts"));
  asked.push_back(got.column("symbol"));
  for (const auto& [spec, column] :
       {std::pair("bin-ohlcv", "c"), std::pair("bin-ohlcv", "v_chg_5m"), std::pair("byb-oi", "oi"),
        std::pair("byb-oi", "oi_chg_10m"), std::pair("rsi", "rsi60"), std::pair("okx-lq", "lqside"),
        std::pair("okx-lq", "lql_chg_1m")}) {
    asked.push_back(got.column(std::string(spec) + "." + column));
    columns += std::string(", (SELECT ") + column +
               " FROM perp_metrics m WHERE m.ts = k.ts AND m.symbol = k.symbol AND m.perpspec = '" +
               spec + "')";
  }
  got.columns = std::move(asked);
  EXPECT_GT(got.rows, 30u);
  expect_same(got,
              "SELECT " + columns +
                  " FROM (SELECT DISTINCT ts, symbol FROM perp_metrics WHERE symbol IN "
                  "('SOL', 'BTC') AND perpspec IN ('bin-ohlcv', 'byb-oi', 'rsi', 'okx-lq') AND "
                  "ts BETWEEN " +
                  ms(3) + " AND " + ms(21) + ") k ORDER BY k.ts, k.symbol");
  // Only what a spec fills: no c beside open interest.
  EXPECT_EQ(query_metrics_wide(connection, symbols, specs, day_0, day_0).find("byb-oi.c"), nullptr);
}

TEST_P(Query, ColumnsAddedToTheRunningSystemAreAnswered) {
  load(generator_.minutes(day_0, 5));
  Text text(dsn_);
  for (const char* table : {"perp_data", "perp_metrics"})
    text.rows(std::string("ALTER TABLE ") + table + " ADD COLUMN vwap DOUBLE PRECISION");
  text.rows("ALTER TABLE perp_metrics ADD COLUMN vwap_chg_5m DOUBLE PRECISION");
  text.rows("ALTER TABLE perp_metrics ADD COLUMN document JSONB");  // somebody else's
  text.rows(
      "INSERT INTO perpspec_schema (perpspec_name, fields, extension_fields, native_interval_ms, "
      "seed) VALUES ('bin-vwap', '[\"ts\", \"symbol\", \"vwap\"]', '[]', 60000, false)");
  text.rows("INSERT INTO perp_data (ts, symbol, perpspec, vwap) VALUES (" + ms(1) +
            ", 'ETH', 'bin-vwap', 7.5)");
  text.rows("INSERT INTO perp_metrics (ts, symbol, perpspec, vwap, vwap_chg_5m) VALUES (" + ms(1) +
            ", 'ETH', 'bin-vwap', 7.5, -0.25)");
  Connection connection(dsn_);
  expect_same(query_perp_data(connection, "bin-vwap", "ETH", day_0, day_0 + 300'000),
              "SELECT * FROM perp_data WHERE perpspec = 'bin-vwap'");
  const std::vector<std::string> symbols{"ETH"}, specs{"bin-vwap", "bin-oi"};
  const QueryResult got = query_metrics(connection, symbols, specs, day_0, day_0 + 300'000);
  EXPECT_EQ(got.find("document"), nullptr);
  EXPECT_EQ(got.column("vwap_chg_5m").floats[2], -0.25);  // behind two minutes of open interest
  EXPECT_TRUE(got.column("vwap").is_null(0));
  EXPECT_EQ(query_metrics_at(connection, "ETH", specs, day_0 + 60'000).column("vwap").floats[1],
            7.5);
  EXPECT_EQ(query_metrics_wide(connection, symbols, specs, day_0 + 60'000, day_0 + 60'000)
                .column("bin-vwap.vwap_chg_5m")
                .floats[0],
            -0.25);
}

TEST_P(Query, GapsOfAnySeries) {
  load(generator_.minutes(day_0, 1));
  Text text(dsn_);
  if (GetParam() == test::Server::plain)
    text.rows("SELECT perp_ensure_partition(t, " + ms(0) +
              ") FROM unnest(ARRAY['klines', 'open_interest', 'trades']) t");
  text.rows(
      "INSERT INTO klines (ts, exchange_id, symbol, interval) SELECT " + ms(0) +
      " + 300000 * g, e, s, i FROM generate_series(0, 20) g, unnest(ARRAY[1, 2]) e, "
      "unnest(ARRAY['BTC', 'BTC-USDC']) s, unnest(ARRAY['5m', '1h']) i WHERE NOT (e = 1 AND s "
      "= 'BTC' AND i = '5m' AND g IN (3, 4, 5, 11)) AND NOT (s = 'BTC-USDC' AND g = 7)");
  text.rows("INSERT INTO open_interest (ts, exchange_id, symbol, period) SELECT " + ms(0) +
            " + 300000 * g, 3, 'SOL', '5m' FROM generate_series(0, 20) g WHERE g <> 9");
  journal_->append(test::instrument_record(VenueId::binance, 50, "BTC", false, "USDC").header);
  load({});
  Connection connection(dsn_);
  const auto expect_gaps = [&](const SeriesKey& key,
                               const std::vector<std::vector<std::int64_t>>& expected) {
    const QueryResult got = query_gaps(connection, key, day_0, day_0 + 86'400'000, 300'000);
    ASSERT_EQ(got.rows, expected.size()) << key.table;
    for (std::size_t i = 0; i < got.rows; ++i) {
      EXPECT_EQ(got.column("prev_ts").ints[i], day_0 + 300'000 * expected[i][0]);
      EXPECT_EQ(got.column("ts").ints[i], day_0 + 300'000 * expected[i][1]);
      EXPECT_EQ(got.column("missing").ints[i], expected[i][2]);
    }
  };
  expect_gaps({"klines", {{"exchange_id", "binance"}, {"symbol", "BTC/USDT"}, {"interval", "5m"}}},
              {{2, 6, 3}, {10, 12, 1}});
  expect_gaps({"klines", {{"exchange_id", "byb"}, {"symbol", "BTC"}, {"interval", "5m"}}}, {});
  expect_gaps({"klines", {{"exchange_id", "bin"}, {"symbol", "BTC-USDC"}, {"interval", "5m"}}},
              {{6, 8, 1}});
  expect_gaps({"open_interest", {{"exchange_id", "okx"}, {"symbol", "SOL"}, {"period", "5m"}}},
              {{8, 10, 1}});
  for (const SeriesKey& bad :
       {SeriesKey{"perp_status", {}}, SeriesKey{"klines; DROP TABLE klines", {}},
        SeriesKey{"klines", {{"close", "1"}}}, SeriesKey{"klines", {{"none", "1"}}},
        SeriesKey{"klines", {{"exchange_id", "nyse"}}},
        SeriesKey{"klines", {{"exchange_id", "bin"}, {"symbol", "BTC"}}},
        SeriesKey{"klines", {{"symbol", "BTC"}, {"interval", "5m"}}},
        SeriesKey{"perp_data", {{"symbol", "BTC"}}},
        SeriesKey{"perp_data", {{"symbol", "BTC"}, {"perpspec", "bin-oi"}, {"interval", "1min"}}}})
    EXPECT_THROW(query_gaps(connection, bad, 0, day_0, 60'000), core::Error);
  EXPECT_THROW(query_gaps(connection, {"klines", {}}, 0, day_0, 0), core::Error);
}

// Seven amounts of one book, two ratios of one period, two lists: each is a series of its own, and
// none has the holes that the rows of all together, or of another one, have.
TEST_P(Query, GapsOfASeriesThatItsWholeKeyTells) {
  Text text(dsn_);
  if (GetParam() == test::Server::plain)
    text.rows("SELECT perp_ensure_partition(t, " + ms(0) +
              ") FROM unnest(ARRAY['slippage', 'long_short_ratio', 'leaderboard_snapshots']) t");
  text.rows(
      "INSERT INTO slippage (ts, exchange_id, symbol, trade_amount, buy_feasible, "
      "sell_feasible) SELECT " +
      ms(0) +
      " + 30000 * g, 1, 'BTC', a, true, true FROM generate_series(0, 20) g, unnest(ARRAY[1000, "
      "50000]::float8[]) a WHERE NOT (a = 1000 AND g IN (4, 5)) AND NOT (a = 50000 AND g = 9)");
  text.rows("INSERT INTO long_short_ratio (ts, exchange_id, symbol, period, kind) SELECT " + ms(0) +
            " + 300000 * g, 1, 'BTC', '5m', k FROM generate_series(0, 20) g, "
            "unnest(ARRAY['global_account', 'top_account']) k WHERE k <> 'top_account' OR g <> 7");
  text.rows("INSERT INTO leaderboard_snapshots (ts, name, rank, market_id) SELECT " + ms(0) +
            " + 60000 * g, n, r, 'x' FROM generate_series(0, 20) g, unnest(ARRAY['gainers', "
            "'losers']) n, generate_series(1, 3) r WHERE NOT (n = 'losers' AND g = 3) AND NOT (r = "
            "2 AND g = 8)");
  Connection connection(dsn_);
  using Equal = std::vector<std::pair<std::string, std::string>>;
  const auto gaps = [&](const std::string& table, Equal equal, std::int64_t every) {
    const QueryResult got =
        query_gaps(connection, {table, std::move(equal)}, day_0, day_0 + 86'400'000, every);
    std::string told;
    for (std::size_t i = 0; i < got.rows; ++i)
      told += std::to_string((got.column("prev_ts").ints[i] - day_0) / every) + "-" +
              std::to_string((got.column("ts").ints[i] - day_0) / every) + " ";
    return told;
  };
  const Equal btc{{"exchange_id", "bin"}, {"symbol", "BTC"}};
  const auto with = [&](Equal equal, const std::string& column, const std::string& value) {
    equal.emplace_back(column, value);
    return equal;
  };
  EXPECT_EQ(gaps("slippage", with(btc, "trade_amount", "1000"), 30'000), "3-6 ");
  EXPECT_EQ(gaps("slippage", with(btc, "trade_amount", "5e4"), 30'000), "8-10 ");
  const Equal five = with(btc, "period", "5m");
  EXPECT_EQ(gaps("long_short_ratio", with(five, "kind", "global_account"), 300'000), "");
  EXPECT_EQ(gaps("long_short_ratio", with(five, "kind", "top_account"), 300'000), "6-8 ");
  EXPECT_EQ(gaps("leaderboard_snapshots", {{"name", "gainers"}}, 60'000), "");
  EXPECT_EQ(gaps("leaderboard_snapshots", {{"name", "losers"}}, 60'000), "2-4 ");
  EXPECT_EQ(gaps("leaderboard_snapshots", {{"name", "gainers"}, {"rank", "2"}}, 60'000), "7-9 ");
  const auto refusal = [&](const std::string& table, const Equal& equal) -> std::string {
    try {
      query_gaps(connection, {table, equal}, 0, day_0, 60'000);
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal("slippage", btc).find("a series for each trade_amount"), std::string::npos);
  for (const char* wrong : {"1k", "", " 1000", "1000 ", "nan", "inf", "0x10"})
    EXPECT_NE(refusal("slippage", with(btc, "trade_amount", wrong)).find("is no number"),
              std::string::npos)
        << wrong;
  EXPECT_NE(
      refusal("leaderboard_snapshots", {{"name", "gainers"}, {"rank", "1.5"}}).find("is no number"),
      std::string::npos);
  EXPECT_NE(refusal("slippage", with(with(btc, "trade_amount", "1000"), "trade_amount", "5e4"))
                .find("said twice"),
            std::string::npos);
  EXPECT_NE(refusal("slippage", with(btc, "mid_price", "1"))
                .find("told by: exchange_id, symbol, trade_amount"),
            std::string::npos);
}

// Whatever columns a key has, they can be said, and those that tell series apart have to be. What a
// key has says the standard's own catalog.
TEST_P(Query, EveryKeyOfEverySeriesCanBeSaid) {
  const std::set<std::string> of_rows{"trade_id", "liq_id", "id",         "side",
                                      "level",    "rank",   "price_level"};
  Connection connection(dsn_);
  Text text(dsn_);
  std::size_t tables = 0;
  for (const std::string& table : text.list("SELECT table_name FROM perp_series ORDER BY 1")) {
    SeriesKey key{table, {}};
    for (const TextRow& row : text.rows(
             "SELECT k.column_name, c.data_type FROM information_schema.table_constraints t JOIN "
             "information_schema.key_column_usage k ON k.constraint_schema = t.constraint_schema "
             "AND "
             "k.constraint_name = t.constraint_name AND k.table_name = t.table_name JOIN "
             "information_schema.columns c ON c.table_schema = k.table_schema AND c.table_name = "
             "k.table_name AND c.column_name = k.column_name WHERE t.constraint_type = 'PRIMARY "
             "KEY' "
             "AND k.column_name <> 'ts' AND t.table_name = '" +
             table + "'")) {
      const std::string& column = *row[0];
      key.equal.emplace_back(column, column == "exchange_id" ? "okx"
                                     : column == "perpspec"  ? "bin-oi"
                                     : *row[1] == "text"     ? "BTC"
                                                             : "1");
    }
    ASSERT_FALSE(key.equal.empty()) << table;
    ++tables;
    EXPECT_EQ(query_gaps(connection, key, day_0, day_0 + 60'000, 60'000).rows, 0u) << table;
    for (std::size_t i = 0; i < key.equal.size(); ++i) {
      SeriesKey less = key;
      less.equal.erase(less.equal.begin() + static_cast<std::ptrdiff_t>(i));
      if (of_rows.contains(key.equal[i].first))
        EXPECT_NO_THROW(query_gaps(connection, less, day_0, day_0 + 60'000, 60'000)) << table;
      else
        EXPECT_THROW(query_gaps(connection, less, day_0, day_0 + 60'000, 60'000), core::Error)
            << table << " " << key.equal[i].first;
    }
  }
  EXPECT_GE(tables, 20u);
}

// What the server really ran, as pg_stat_statements keeps it: named columns only, perpspec in every
// condition, and of three days' partitions only the asked one in the plan, whether the values are
// known when it is planned or not.
TEST_P(Query, StatementsNameColumnsAndTouchOnlyTheAskedDays) {
  Text text(dsn_);
  if (text.one("SHOW shared_preload_libraries").find("pg_stat_statements") == std::string::npos)
    GTEST_SKIP() << "the server does not preload pg_stat_statements";
  text.rows("CREATE EXTENSION pg_stat_statements");
  for (int day = 0; day < 3; ++day) load(generator_.minutes(day_0 + day * 86'400'000, 2));
  for (const char* table : {"perp_data", "perp_metrics"})
    text.rows(std::string("ANALYZE ") + table);
  const std::int64_t from = day_0 + 86'400'000, to = from + 600'000;
  struct Asked {
    std::function<void(Connection&)> ask;
    std::string values;  // of the statement, as SQL
    std::size_t statements = 1;
  };
  const std::vector<std::string> symbols{"BTC"}, specs{"bin-ohlcv", "rsi"};
  const std::string begin = std::to_string(from), end = std::to_string(to),
                    series = "'BTC', 'bin-ohlcv', ";
  const std::vector<Asked> all{
      {[&](Connection& c) { query_perp_data(c, "bin-ohlcv", "BTC", from, to); },
       series + begin + ", " + end},
      {[&](Connection& c) { query_metrics(c, symbols, specs, from, to); },
       series + begin + ", " + end, 2},
      {[&](Connection& c) { query_metrics_wide(c, symbols, specs, from, to); },
       series + begin + ", " + end, 2},
      {[&](Connection& c) { query_metrics_at(c, "BTC", specs, from); },
       "'BTC', ARRAY['bin-ohlcv','rsi'], " + begin + ", " + begin},
      {[&](Connection& c) { query_wick_rejections(c, "BTC", "bin-ohlcv", from, to, 0.1); },
       series + begin + ", " + end + ", 0.1, " + std::to_string(to + 60'000)},
      {[&](Connection& c) { query_gaps(c, "bin-ohlcv", "BTC", from, to); },
       begin + ", " + end + ", 60000, 'bin-ohlcv', 'BTC'"},
  };
  for (const Asked& one : all) {
    Connection connection(dsn_);
    one.ask(connection);  // what it reads once per connection is read
    text.rows("SELECT pg_stat_statements_reset()");
    one.ask(connection);
    std::vector<std::string> seen = text.list(
        "SELECT query FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE "
        "datname = current_database()) AND query ~ 'FROM \"?perp_(data|metrics)' AND query !~ "
        "'pg_stat_statements'");
    ASSERT_EQ(seen.size(), one.statements);
    for (const std::string& statement : seen)
      expect_asked_day_only(text, statement, one.values, from);
  }
}

// From the sixth time on the server would choose one plan for any day, with every partition in it.
TEST_P(Query, StatementsArePlannedForTheAskedDay) {
  for (int day = 0; day < 3; ++day) load(generator_.minutes(day_0 + day * 86'400'000, 2));
  Connection connection(dsn_);
  const std::vector<std::string> symbols{"BTC"}, specs{"bin-ohlcv", "rsi"};
  for (int i = 0; i < 8; ++i) {
    query_perp_data(connection, "bin-ohlcv", "BTC", day_0, day_0 + 600'000);
    query_metrics(connection, symbols, specs, day_0, day_0 + 600'000);
  }
  const QueryResult plans = connection.query(
      "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements WHERE statement "
      "LIKE '%FROM perp\\_data%' OR statement LIKE '%FROM perp\\_metrics%'");
  ASSERT_EQ(plans.rows, 3u);
  for (std::size_t i = 0; i < plans.rows; ++i) {
    EXPECT_EQ(plans.column("generic_plans").ints[i], 0) << plans.column("statement").text(i);
    EXPECT_EQ(plans.column("custom_plans").ints[i], 8) << plans.column("statement").text(i);
  }
  const QueryResult plan = connection.query(
      "EXPLAIN (COSTS OFF) SELECT ts, c FROM perp_metrics WHERE symbol = 'BTC' AND perpspec = "
      "'bin-ohlcv' AND ts BETWEEN " +
      ms(0) + " AND " + ms(10));
  std::string lines;
  for (std::size_t i = 0; i < plan.rows; ++i) lines += std::string(plan.columns[0].text(i)) + "\n";
  std::size_t scans = 0;
  for (std::size_t at = 0; (at = lines.find("Scan using", at)) != std::string::npos; ++at) ++scans;
  for (std::size_t at = 0; (at = lines.find("Scan on", at)) != std::string::npos; ++at) ++scans;
  EXPECT_LE(scans, 2u) << lines;  // a bitmap's two halves are two
  EXPECT_GE(scans, 1u) << lines;
}

INSTANTIATE_TEST_SUITE_P(Servers, Query, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
