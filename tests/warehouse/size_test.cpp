// Goal: ten days of 100 symbols in both hot tables, indexes included, stay below the disk that is
// planned for them. Method: a day of a few symbols through the loader, as `perp db stats` counts
// its bytes; what a row takes does not depend on how many symbols there are. Nothing is missing in
// it but what most minutes do not have: liquidations.
#include "warehouse/database.hpp"
#include "warehouse/history.hpp"

#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>

#include <array>
#include <cmath>

namespace perp::warehouse {
namespace {

using test::day_0;
using test::Fact;
using test::Text;

constexpr int minutes_of_day = 1440;
constexpr std::size_t symbols = 3;
constexpr std::int64_t planned_rows = std::int64_t{10} * minutes_of_day * 100 * 18;
constexpr double planned_bytes = 15e9;

class Size : public test::DatabaseTest, protected test::SeededJournal {
 protected:
  /// The 18 perpspecs of the three venues: all of the seed but the RSI.
  static std::vector<market::PerpspecId> specs() {
    std::vector<market::PerpspecId> out;
    for (const market::Perpspec& spec : market::perpspecs)
      if (spec.is_seed && market::kind_of(spec.id) != market::SpecKind::rsi) out.push_back(spec.id);
    return out;
  }
  /// Every value and every change. Of liquidations, which are there in one minute of five (more
  /// than even a large coin has), the others have sums of 0, and from 0 there is no change.
  Fact whole_fact(market::PerpspecId spec, std::uint32_t index, std::int64_t ts) {
    Fact out;
    out.venue = market::venue_of(spec);
    out.index = index;
    out.symbol = test::Generator::symbols[index];
    out.kind = market::kind_of(spec);
    out.ts = ts;
    const bool is_empty = out.kind == market::SpecKind::lq && !generator_.chance(0.2);
    std::uniform_real_distribution<> number(1, 2);
    const market::SpecRow& row = market::spec_row(out.kind);
    for (const std::span<const market::ColumnId> ids : {market::fields(row), market::extras(row)})
      for (const market::ColumnId id : ids) {
        if (is_empty) {
          if (id != market::column("lqside") && id != market::column("lqprice")) out.values[id] = 0;
          continue;
        }
        const auto value = [&] {
          if (id == market::column("lqside")) return 1.0;
          return std::floor(number(generator_.random()) * 1e5);
        };
        out.values[id] = value();
        if (!market::columns[static_cast<std::size_t>(id)].has_change) continue;
        for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
          out.values[market::change_column(id, window)] = value();
      }
    return out;
  }
  /// What the server counts of the table and all that hangs on it.
  std::string counted(const std::string& table) {
    return Text(dsn_).one("WITH RECURSIVE tree AS (SELECT '" + table +
                          "'::regclass::oid AS oid UNION ALL SELECT i.inhrelid FROM pg_inherits i "
                          "JOIN tree ON i.inhparent = tree.oid) SELECT sum(pg_table_size(oid) + "
                          "pg_indexes_size(oid)) FROM tree");
  }
};

TEST_P(Size, TenDaysOfAHundredSymbolsFitTheirDisk) {
  setup(dsn_, {});
  generator_.define_all(journal_);
  ASSERT_EQ(specs().size(), 18u);
  for (int minute = 0; minute < minutes_of_day; ++minute)
    for (std::uint32_t index = 0; index < symbols; ++index)
      for (const market::PerpspecId spec : specs())
        append(journal_, whole_fact(spec, index, day_0 + minute * 60'000));
  journal_.sync();
  LoaderOptions options;
  options.dsn = dsn_;
  options.journal_folder = folder_.path();
  // As many rows of a series together as a loader that keeps up has of 100 symbols: a few minutes.
  options.batch_rows = 10 * symbols * 18;
  const std::atomic<bool> stop{false};
  Loader(options).run(journal_.end(), stop);

  const Info told = info(dsn_);
  double bytes_per_minute = 0;
  for (const char* table : {"perp_data", "perp_metrics"}) {
    const auto found = std::find_if(told.tables.begin(), told.tables.end(),
                                    [&](const auto& one) { return one.name == table; });
    ASSERT_NE(found, told.tables.end());
    ASSERT_EQ(found->rows, std::int64_t{minutes_of_day} * symbols * 18) << table;
    EXPECT_EQ(std::to_string(found->bytes), counted(table)) << table;
    const double bytes = static_cast<double>(found->bytes) / static_cast<double>(found->rows);
    RecordProperty(std::string(table) + "_bytes_per_row", std::to_string(bytes));
    std::printf("%s: %.0f bytes a row\n", table, bytes);
    bytes_per_minute += bytes;
  }
  EXPECT_LT(bytes_per_minute * static_cast<double>(planned_rows), planned_bytes);
}

INSTANTIATE_TEST_SUITE_P(Servers, Size, test::both_servers(), test::server_name);

}  // namespace
}  // namespace perp::warehouse
