// Goal: depth, slippage, summaries and tickers reach the tables by both paths, at their cadence,
// once, and with right values. Method: the program itself. A recorded day of Binance against books
// made of the raw messages; live venues against books made of the journal's records; a simulated
// market in both databases.
#include "app/process.hpp"
#include "app/program.hpp"
#include "app/server.hpp"

#include <perp/journal/reader.hpp>
#include <perp/market/liquidity.hpp>
#include <perp/market/record.hpp>
#include <perp/warehouse/connection.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace perp::app::testing {
namespace {

using nlohmann::json;

/// A book as plain maps, and every answer about it from its definition, in long double.
struct PlainBook {
  std::map<double, double, std::greater<>> bids;
  std::map<double, double> asks;
  std::int64_t last_id = market::unknown_id;

  static void set(auto& side, double price, double quantity) {
    if (quantity == 0)
      side.erase(price);
    else
      side[price] = quantity;
  }
  bool is_whole() const { return !bids.empty() && !asks.empty(); }
  long double mid() const {
    return (static_cast<long double>(bids.begin()->first) + asks.begin()->first) / 2;
  }
  long double depth(bool is_bid, double bps) const {
    long double sum = 0;
    const auto add = [&](const auto& side, int sign) {
      for (const auto& [price, quantity] : side)
        if (sign * (mid() - price) / mid() * 10000 <= bps + 1e-10L)
          sum += static_cast<long double>(price) * quantity;
    };
    if (is_bid)
      add(bids, 1);
    else
      add(asks, -1);
    return sum;
  }
  long double fill(bool is_buy, double amount) const {
    long double left = amount;
    long double coins = 0;
    const auto take = [&](const auto& side) {
      for (const auto& [price, quantity] : side) {
        const long double taken = std::min<long double>(left, price * quantity);
        coins += taken / price;
        left -= taken;
        if (left <= 0) return;
      }
    };
    if (is_buy)
      take(asks);
    else
      take(bids);
    return left <= 0 ? amount / coins : std::nanl("");
  }
};

void expect_near(double found, long double expected, const std::string& what) {
  if (std::isnan(expected))
    EXPECT_TRUE(std::isnan(found)) << what << " " << found;
  else
    EXPECT_LE(std::fabs(found - expected), 1e-11L * (1 + std::fabs(expected)))
        << what << " " << found << " " << static_cast<double>(expected);
}

/// @param bands the first so many, where the book is known to the end of them
void expect_equal(const market::Liquidity& found, const PlainBook& book, std::size_t bands,
                  std::size_t amounts) {
  ASSERT_TRUE(book.is_whole());
  EXPECT_EQ(found.bid_price, book.bids.begin()->first);
  EXPECT_EQ(found.bid_quantity, book.bids.begin()->second);
  EXPECT_EQ(found.ask_price, book.asks.begin()->first);
  EXPECT_EQ(found.ask_quantity, book.asks.begin()->second);
  expect_near(found.mid_price, book.mid(), "mid");
  for (std::size_t i = 0; i < bands; ++i) {
    const double bps = market::depth_bands_bps[i];
    expect_near(found.bid_depth[i], book.depth(true, bps), "bids within " + std::to_string(bps));
    expect_near(found.ask_depth[i], book.depth(false, bps), "asks within " + std::to_string(bps));
  }
  for (std::size_t i = 0; i < amounts; ++i) {
    const double amount = market::slippage_amounts[i];
    expect_near(found.buy_price[i], book.fill(true, amount), "buy " + std::to_string(amount));
    expect_near(found.sell_price[i], book.fill(false, amount), "sell " + std::to_string(amount));
  }
}

// The raw text is read by another parser into other containers. The REST snapshot in it has 1,000
// levels a side, and reaches some 30 bps.
TEST(Sampling, OfARecordingEqualsTheBookOfItsRawMessages) {
  const char* captures = std::getenv("PERP_CAPTURES_DIR");
  if (captures == nullptr || *captures == '\0') GTEST_SKIP() << "PERP_CAPTURES_DIR is not set";
  const std::string file = std::string(captures) + "/binance/ws_combined_btcusdt_2023-04-04.tsv";
  const Folder folder;
  const Outcome replay = run("replay " + file + " --journal " + (folder / "journal"));
  ASSERT_EQ(replay.exit_code, 0) << replay.err << replay.out;
  std::map<std::int64_t, market::Liquidity> found;
  std::map<std::int64_t, market::TickerSample> tickers;
  journal::Reader reader(folder / "journal");
  while (const market::RecordHeader* record = reader.next()) {
    if (record->type == market::RecordType::liquidity) {
      EXPECT_TRUE(
          found.emplace(record->exchange_ns, market::payload<market::Liquidity>(*record)).second);
    }
    if (record->type == market::RecordType::ticker_sample) {
      EXPECT_TRUE(
          tickers.emplace(record->exchange_ns, market::payload<market::TickerSample>(*record))
              .second);
    }
  }
  PlainBook book;
  std::vector<json> waiting;
  double mark = 0;
  double last = 0;
  std::pair<double, double> touch;
  const auto apply = [&](const json& data, const char* bids, const char* asks) {
    const auto number = [](const json& text) { return std::stod(text.get<std::string>()); };
    for (const json& level : data[bids])
      PlainBook::set(book.bids, number(level[0]), number(level[1]));
    for (const json& level : data[asks])
      PlainBook::set(book.asks, number(level[0]), number(level[1]));
  };
  std::size_t compared = 0;
  const auto compare = [&](std::int64_t due) {
    const std::int64_t ns = due * 30 * core::ns_per_second;
    ASSERT_EQ(found.count(ns), 1U) << ns;
    expect_equal(found[ns], book, 5, 5);
    ++compared;
    if (due % 2 != 0) return;
    ASSERT_EQ(tickers.count(ns), 1U) << ns;
    EXPECT_EQ(tickers[ns].mark_price, mark);
    EXPECT_EQ(tickers[ns].bid_price, touch.first);
    EXPECT_EQ(tickers[ns].ask_price, touch.second);
    EXPECT_EQ(tickers[ns].last_price, last) << "of trades: no ticker was recorded";
    EXPECT_TRUE(std::isnan(tickers[ns].high_24h));
  };
  std::ifstream in(file);
  std::int64_t moment = 0;
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    const double receive_s = std::stod(line.substr(0, tab));
    const json message = json::parse(line.substr(tab + 1));
    const auto due = static_cast<std::int64_t>(receive_s) / 30;
    if (moment != 0 && due != moment) compare(due);
    moment = due;
    const json& data = message.contains("data") ? message["data"] : message;
    if (data.contains("lastUpdateId")) {
      book = {};
      apply(data, "bids", "asks");
      for (const json& delta : waiting)
        if (delta["u"].get<std::int64_t>() >= data["lastUpdateId"].get<std::int64_t>())
          apply(delta, "b", "a");
    } else if (data["e"] == "depthUpdate") {
      if (book.is_whole())
        apply(data, "b", "a");
      else
        waiting.push_back(data);
      // Which of the two was told last is the best there is.
      if (book.is_whole()) touch = {book.bids.begin()->first, book.asks.begin()->first};
    } else if (data["e"] == "markPriceUpdate") {
      mark = std::stod(data["p"].get<std::string>());
    } else if (data["e"] == "trade") {
      last = std::stod(data["p"].get<std::string>());
    } else if (data["e"] == "bookTicker") {
      touch = {std::stod(data["b"].get<std::string>()), std::stod(data["a"].get<std::string>())};
    }
  }
  compare(moment + 1);  // the last record is 10 ms before it, and a tick follows
  EXPECT_EQ(compared, 4U);
  EXPECT_EQ(found.size(), compared) << "and no other";
}

// Four venues over TLS, sampled each second. Between two records of a journal nothing happens but
// what they say: a sample lies behind the input that made time reach its moment, and is of the book
// that the inputs before that one make.
TEST(Sampling, OfLiveVenuesEqualsTheBooksOfTheJournalsRecords) {
  const Folder folder;
  Process venues({"sim", "serve", "--venues", "binance,bybit,okx,hyperliquid", "--symbols", "3",
                  "--rate", "400", "--seed", "9", "--tls-folder", folder / "tls", "--format",
                  "json"});
  ASSERT_TRUE(await(30, [&] {
    const std::string out = venues.out();
    return std::count(out.begin(), out.end(), '\n') >= 4;
  })) << venues.err();
  std::ofstream config(folder / "perp.toml");
  std::stringstream lines(venues.out());
  for (std::string line; std::getline(lines, line);) {
    const json address = json::parse(line);
    const std::string venue = address["venue"];
    config << "exchanges." << venue << ".websocket_url = \"" << std::string(address["websocket"])
           << "\"\nexchanges." << venue << ".rest_url = \"" << std::string(address["rest"])
           << "\"\n";
  }
  config << "venues = \"binance,bybit,okx,hyperliquid\"\nledger_folder = \"" << folder / "run"
         << "\"\ntls_ca = \"" << folder / "tls/ca.pem"
         << "\"\njournal.folder = \"" << folder / "journal"
         << "\"\ndepth_interval_s = 1\nticker_interval_s = 2\nlevels_interval_s = 3\n";
  config.close();
  Process daemon({"run", "--config", folder / "perp.toml", "--format", "json"},
                 {{"DATABASE_URL", ""}});
  const auto count_of = [&](market::RecordType type) {
    std::map<market::VenueId, std::size_t> counts;
    try {
      journal::Reader reader(folder / "journal");
      while (const market::RecordHeader* record = reader.next())
        if (record->type == type) ++counts[record->venue];
    } catch (const core::Error&) {
      // there is no journal yet
    }
    std::size_t least = counts.size() == 4 ? 1'000'000 : 0;
    for (const auto& [venue, count] : counts) least = std::min(least, count);
    return least;
  };
  EXPECT_TRUE(await(60, [&] { return count_of(market::RecordType::liquidity) >= 12; }))
      << daemon.err();
  daemon.signal(SIGTERM);
  ASSERT_EQ(daemon.wait(), 0) << daemon.err();

  std::map<std::uint32_t, std::map<std::uint16_t, PlainBook>> books;
  std::map<std::uint32_t, std::vector<std::vector<std::uint64_t>>> waiting;
  std::map<std::uint32_t, market::TickerSample> known;
  const auto apply_levels = [](PlainBook& book, const market::Book& from) {
    for (const market::Level& level : market::bids(from))
      PlainBook::set(book.bids, level.price, level.quantity);
    for (const market::Level& level : market::asks(from))
      PlainBook::set(book.asks, level.price, level.quantity);
    book.last_id = from.last_id;
  };
  const auto take_book = [&](const market::RecordHeader& record) {
    const auto& told = market::payload<market::Book>(record);
    const auto continuity = static_cast<market::Continuity>(told.continuity);
    ASSERT_NE(continuity, market::Continuity::gap) << "these venues lose nothing";
    if (continuity == market::Continuity::stale) return;
    PlainBook& book = books[record.instrument][told.depth];
    if (record.type == market::RecordType::book_delta) {
      if (book.is_whole()) return apply_levels(book, told);
      const auto* words = reinterpret_cast<const std::uint64_t*>(&record);
      waiting[record.instrument].emplace_back(words, words + record.size / 8);
      return;
    }
    if (record.venue == market::VenueId::binance && book.is_whole()) return;
    book = {};
    apply_levels(book, told);
    for (const auto& words : waiting[record.instrument]) {
      const auto& delta = market::payload<market::Book>(
          *reinterpret_cast<const market::RecordHeader*>(words.data()));
      if (delta.last_id >= told.last_id) apply_levels(book, delta);
    }
    waiting[record.instrument].clear();
  };
  const auto take = [&](const market::RecordHeader& record) {
    if (record.type == market::RecordType::book_snapshot ||
        record.type == market::RecordType::book_delta)
      take_book(record);
    const bool is_of_now = (record.flags & (market::flag_snapshot | market::flag_backfill)) == 0;
    if (record.type == market::RecordType::trade && is_of_now)
      known[record.instrument].last_price = market::payload<market::Trade>(record).price;
    if (record.type == market::RecordType::mark_price)
      known[record.instrument].mark_price = market::payload<market::MarkPrice>(record).mark_price;
    if (record.type == market::RecordType::ticker &&
        !std::isnan(market::payload<market::Ticker>(record).last_price))
      known[record.instrument].last_price = market::payload<market::Ticker>(record).last_price;
  };
  std::set<std::tuple<market::RecordType, std::uint32_t, std::int64_t>> keys;
  std::map<market::VenueId, std::size_t> compared;
  std::map<market::VenueId, std::size_t> statistics;
  std::map<market::RecordType, std::int64_t> seconds{{market::RecordType::liquidity, 1},
                                                     {market::RecordType::ticker_sample, 2},
                                                     {market::RecordType::book_snapshot, 3}};
  std::vector<std::uint64_t> newest;  // the input that made engine time reach the moment
  journal::Reader reader(folder / "journal");
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.is_repeat()) continue;
    if ((record->flags & market::flag_derived) == 0) {
      if (!newest.empty()) take(*reinterpret_cast<const market::RecordHeader*>(newest.data()));
      const auto* words = reinterpret_cast<const std::uint64_t*>(record);
      newest.assign(words, words + record->size / 8);
      continue;
    }
    const auto interval = seconds.find(record->type);
    if (interval == seconds.end()) continue;
    EXPECT_EQ(record->exchange_ns % (interval->second * core::ns_per_second), 0);
    EXPECT_LE(record->exchange_ns, record->receive_ns);
    EXPECT_TRUE(keys.emplace(record->type, record->instrument, record->exchange_ns).second);
    if (record->type == market::RecordType::liquidity) {
      const auto& sample = market::payload<market::Liquidity>(*record);
      const PlainBook& book = books[record->instrument][sample.depth];
      ASSERT_EQ(sample.last_id, book.last_id);
      expect_equal(sample, book, market::depth_band_count, market::slippage_amount_count);
      ++compared[record->venue];
    } else if (record->type == market::RecordType::ticker_sample) {
      const auto& sample = market::payload<market::TickerSample>(*record);
      const market::TickerSample& last = known[record->instrument];
      for (const auto field :
           {&market::TickerSample::mark_price, &market::TickerSample::last_price})
        if (!std::isnan(sample.*field)) {
          EXPECT_EQ(sample.*field, last.*field);
        }
      // Open interest of Binance is asked for once a minute.
      if (!std::isnan(sample.last_price) && !std::isnan(sample.volume_base_24h) &&
          !std::isnan(sample.bid_price) && !std::isnan(sample.mark_price) &&
          !std::isnan(sample.change_fraction_24h) &&
          (!std::isnan(sample.open_interest_notional) || record->venue == market::VenueId::binance))
        ++statistics[record->venue];
    }
  }
  EXPECT_EQ(compared.size(), 4U);
  for (const auto& [venue, count] : compared) EXPECT_GE(count, 12U) << static_cast<int>(venue);
  EXPECT_EQ(statistics.size(), 4U) << "every venue tells all of these";
  EXPECT_TRUE(std::any_of(keys.begin(), keys.end(), [](const auto& key) {
    return std::get<0>(key) == market::RecordType::book_snapshot;
  })) << "levels were asked for";
}

class SampledMarket : public ServerTest {
 protected:
  std::int64_t number(const std::string& sql) const {
    return warehouse::Connection(dsn_).query("SELECT (" + sql + ")::bigint").columns[0].ints[0];
  }
  std::string digest() const {
    std::string all;
    for (const char* table : {"tickers", "orderbooks", "liquidity_depth", "slippage"})
      all += std::string(warehouse::Connection(dsn_)
                             .query(std::string("SELECT count(*) || md5(string_agg(t::text, ';' "
                                                "ORDER BY t::text)) FROM ") +
                                    table + " t")
                             .columns[0]
                             .text(0));
    return all;
  }

  Folder folder_;
};

TEST_P(SampledMarket, IsInTheTablesAtItsCadenceAndOnce) {
  const std::string journal = folder_ / "journal";
  ASSERT_EQ(run("sim record " + (folder_ / "sim") + " --seed 8 --minutes 6 --symbols 3").exit_code,
            0);
  ASSERT_EQ(run("db setup " + db() + " --venues binance,bybit,okx,hyperliquid").exit_code, 0);
  const Outcome first = run("replay " + (folder_ / "sim") + " --journal " + journal + " " + db());
  ASSERT_EQ(first.exit_code, 0) << first.err << first.out;
  for (const auto& [table, step_ms] :
       {std::pair{"tickers", 60'000}, std::pair{"orderbooks", 30'000},
        std::pair{"liquidity_depth", 30'000}, std::pair{"slippage", 30'000}}) {
    const std::string rows = std::string(table) == "slippage"
                                 ? "(SELECT * FROM slippage WHERE trade_amount = 1000) t"
                                 : std::string(table) + " t";
    EXPECT_EQ(number("SELECT count(DISTINCT (exchange_id, symbol)) FROM " + rows), 12) << table;
    EXPECT_EQ(
        number("SELECT count(*) FROM " + rows + " WHERE ts % " + std::to_string(step_ms) + " <> 0"),
        0)
        << table;
    EXPECT_EQ(number("SELECT count(*) FROM (SELECT ts - lag(ts) OVER (PARTITION BY exchange_id, "
                     "symbol ORDER BY ts) AS step FROM " +
                     rows + ") s WHERE step <> " + std::to_string(step_ms)),
              0)
        << table << ": no moment is left out";
    EXPECT_GE(number("SELECT min(n) FROM (SELECT count(*) AS n FROM " + rows +
                     " GROUP BY exchange_id, symbol) s"),
              300'000 / step_ms)
        << table;
  }
  EXPECT_EQ(number("SELECT count(*) FROM slippage"), number("SELECT 7 * count(*) FROM orderbooks"));
  EXPECT_EQ(number("SELECT count(*) FROM slippage WHERE buy_feasible <> (buy_avg_price IS NOT "
                   "NULL) OR sell_feasible <> (sell_avg_price IS NOT NULL)"),
            0);
  EXPECT_GT(number("SELECT count(*) FROM slippage WHERE NOT buy_feasible"), 0);
  EXPECT_GT(number("SELECT count(*) FROM slippage WHERE buy_feasible"), 0);
  // A band that is nearer than the book's end is whole; sums only grow with the band.
  EXPECT_EQ(number("SELECT count(*) FROM liquidity_depth WHERE NOT (bid_1bps <= bid_2_5bps AND "
                   "bid_2_5bps <= bid_5bps AND bid_5bps <= bid_10bps AND bid_10bps <= bid_20bps "
                   "AND bid_20bps <= bid_50bps AND bid_50bps <= bid_100bps AND bid_100bps = "
                   "bid_pct1 AND bid_50bps = bid_pct05 AND bid_pct1 <= bid_pct2 AND bid_pct2 <= "
                   "bid_pct5 AND bid_pct5 <= bid_pct10 AND max_bid_bps >= 0 AND max_ask_bps >= 0)"),
            0);
  // Complete, but for what a venue does not tell: OKX no turnover, Hyperliquid no high and low; the
  // recordings of Binance have no tickers.
  EXPECT_EQ(number("SELECT count(*) FROM tickers WHERE ts > (SELECT min(ts) FROM tickers) AND "
                   "(open_interest IS NULL OR open_interest_notional IS NULL OR last_price IS NULL "
                   "OR mark_price IS NULL OR best_bid_price IS NULL OR best_ask_qty IS NULL OR "
                   "volume_24h IS NULL AND exchange_id <> 1 OR "
                   "turnover_24h IS NULL AND exchange_id NOT IN (1, 3) OR "
                   "(high_24h IS NULL OR low_24h IS NULL) AND exchange_id NOT IN (1, 4))"),
            0);
  // One of the seven amounts is a series; all of them are not.
  const std::string gaps = "query gaps --table slippage --venue bybit --symbol BTC ";
  const Outcome whole = run(gaps + "--key trade_amount=1000 --every 30s --format json " + db());
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_EQ(nlohmann::json::parse(whole.out), nlohmann::json::array());
  EXPECT_EQ(nlohmann::json::parse(
                run(gaps + "--key trade_amount=1000 --every 10s --format json " + db()).out)
                .size(),
            static_cast<std::size_t>(number("SELECT count(*) - 1 FROM slippage WHERE exchange_id = "
                                            "2 AND symbol = 'BTC' AND trade_amount = 1000")));
  const Outcome mixed = run(gaps + db());
  EXPECT_EQ(mixed.exit_code, 1);
  EXPECT_NE(mixed.err.find("trade_amount"), std::string::npos) << mixed.err;
  for (const char* wrong : {"--key trade_amount", "--key =1000", "--key trade_amount="})
    EXPECT_NE(run(gaps + wrong + " " + db()).err.find("COLUMN=VALUE"), std::string::npos) << wrong;

  const std::string once = digest();
  const std::string samples = " --tables tickers,orderbooks,liquidity_depth,slippage ";

  EXPECT_EQ(run("verify --journal " + journal + " " + db()).exit_code, 0);
  ASSERT_EQ(run("replay " + (folder_ / "sim") + " --journal " + journal + " " + db()).exit_code, 0);
  EXPECT_EQ(digest(), once) << "the same recording behind itself";
  ASSERT_EQ(run("replay " + (folder_ / "sim") + " " + db()).exit_code, 0);
  EXPECT_EQ(digest(), once) << "another journal, the same samples";
  EXPECT_EQ(run("verify --journal " + journal + " " + db()).exit_code, 0)
      << "no minute has counted its trades twice";
  EXPECT_EQ(run("verify --journal " + journal + samples + db()).exit_code, 0);
  warehouse::Connection(dsn_).execute(
      "UPDATE liquidity_depth SET bid_10bps = bid_10bps + 1 WHERE (ts, exchange_id, symbol) = "
      "(SELECT ts, exchange_id, symbol FROM liquidity_depth LIMIT 1)");
  const Outcome wrong = run("verify --journal " + journal + samples + db());
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.out.find("bid_10bps"), std::string::npos) << wrong.out;
}

INSTANTIATE_TEST_SUITE_P(Servers, SampledMarket,
                         ::testing::Values(Server{"plain", "PERP_TEST_PLAIN_DSN"},
                                           Server{"timescale", "PERP_TEST_TIMESCALE_DSN"}),
                         [](const auto& server) { return std::string(server.param.name); });

}  // namespace
}  // namespace perp::app::testing
