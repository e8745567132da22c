// Goal: the coins are ones that the venues list, in grids that the venues allow. Method: the
// venues' documented rules, recomputed from the printed decimals; where PERP_CAPTURES_DIR names the
// folder of recordings, the recorded instruments themselves.
#include "sim/recording.hpp"

#include <perp/sim/listing.hpp>
#include <perp/sim/record.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

namespace perp::sim::test {
namespace {

using market::VenueId;

std::vector<Listing> primaries(VenueId venue) {
  std::vector<Listing> list = listings(venue, coins().size());
  std::erase_if(list, [](const Listing& row) { return row.kind != ListingKind::primary; });
  return list;
}

long double value_of(std::int64_t units, int digits) {
  return static_cast<long double>(units) * std::pow(10.0L, -digits);
}
/// In the venue's own unit: of a thousand coins where it names them so.
long double native_price(const Listing& listing) {
  return value_of(listing.coin->price.units, listing.coin->price.digits - listing.price_exponent);
}
long double tick_of(const Listing& listing) {
  return value_of(listing.grid.tick, listing.grid.price_digits);
}
long double lot_of(const Listing& listing) {
  return value_of(listing.grid.lot, listing.grid.quantity_digits);
}
std::string named(const Listing& listing) {
  return std::string(market::find_venue(listing.venue)->key) + " " + listing.native;
}

TEST(Listing, TheTableIsSound) {
  ASSERT_GE(coins().size(), 100U);
  EXPECT_EQ(symbol_limit(), coins().size());
  std::set<std::string_view> names;
  std::set<int> codes;
  for (const Coin& coin : coins()) {
    EXPECT_TRUE(names.insert(coin.base).second) << coin.base << " twice";
    EXPECT_TRUE(codes.insert(coin.okx_code).second) << coin.base << "'s code twice";
    EXPECT_EQ(coin.base.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), coin.base.npos);
    EXPECT_GT(coin.price.units, 0) << coin.base;
    EXPECT_GE(coin.volatility, 10) << coin.base;
    EXPECT_LE(coin.volatility, 60) << coin.base;
    EXPECT_GE(coin.market_share, 50) << coin.base;
    EXPECT_LE(coin.market_share, 170) << coin.base;
    EXPECT_GT(coin.activity, 0) << coin.base;
    EXPECT_LE(coin.activity, 1000) << coin.base;
    EXPECT_GT(coin.open_interest_musd, 0) << coin.base;
    EXPECT_TRUE(coin.named_exponent == 0 || coin.named_exponent == 3) << coin.base;
  }
}

TEST(Listing, WhatComesLaterIsQuieter) {
  const std::span<const Coin> all = coins();
  const auto activity = [&](std::size_t first, std::size_t last) {
    int sum = 0;
    for (std::size_t i = first; i < last; ++i) sum += all[i].activity;
    return sum;
  };
  EXPECT_LT(activity(30, 100), activity(0, 30)) << "a hundred coins say less than twice thirty's";
  for (std::size_t i = 31; i < all.size(); ++i)
    EXPECT_LE(all[i].activity, all[i - 1].activity) << all[i].base;
}

TEST(Listing, EachVenueListsEachCoinOnce) {
  for (const market::Venue& venue : market::venues) {
    std::set<std::string> natives;
    std::set<std::string_view> bases;
    for (const Listing& listing : primaries(venue.id)) {
      EXPECT_TRUE(natives.insert(listing.native).second) << named(listing) << " twice";
      EXPECT_TRUE(bases.insert(listing.coin->base).second) << named(listing) << " twice";
      EXPECT_EQ(listing.coin, &coins()[listing.coin_index]);
    }
    EXPECT_EQ(bases.size(), coins().size()) << venue.key;
    EXPECT_EQ(listings(venue.id, coins().size() + 1).size(),
              listings(venue.id, coins().size()).size());
  }
}

TEST(Listing, GridsSuitTheirPrices) {
  for (const market::Venue& venue : market::venues) {
    for (const Listing& listing : primaries(venue.id)) {
      const Grid& grid = listing.grid;
      ASSERT_GE(grid.tick, 1) << named(listing);
      ASSERT_GE(grid.lot, 1) << named(listing);
      const long double tick = tick_of(listing);
      EXPECT_GE(native_price(listing) / tick, 400) << named(listing) << ": 25 basis points a tick";
      EXPECT_LE(native_price(listing) / tick, 2'000'000) << named(listing);
      // A lot is a fraction of the typical order, which venue_model.cpp makes of the activity.
      const long double lot_usd = value_of(grid.lot, grid.quantity_digits - listing.size_exponent) *
                                  value_of(listing.coin->price.units, listing.coin->price.digits);
      EXPECT_LE(lot_usd, (350.0L + 3.15L * listing.activity) / 8) << named(listing);
      EXPECT_GE(listing.leverage, 3) << named(listing);
      EXPECT_LE(listing.leverage, 150) << named(listing);
    }
  }
}

// "Prices can have up to 5 significant figures, but no more than 6 - szDecimals decimal places;
// integer prices are always allowed": its page of tick and lot size.
TEST(Listing, HyperliquidPricesHaveFiveDigits) {
  for (const Listing& listing : primaries(VenueId::hyperliquid)) {
    const Grid& grid = listing.grid;
    EXPECT_EQ(grid.lot, 1) << named(listing);
    EXPECT_EQ(grid.tick, 1) << named(listing);
    ASSERT_GE(grid.quantity_digits, 0) << named(listing);
    ASSERT_LE(grid.quantity_digits, 6) << named(listing);
    EXPECT_LE(grid.price_digits, 6 - grid.quantity_digits) << named(listing);
    // Also when the market has moved up by a seventh.
    const auto units = static_cast<std::int64_t>(native_price(listing) / tick_of(listing));
    EXPECT_TRUE(grid.price_digits <= 0 || units * 8 / 7 <= 99'999) << named(listing);
    // No coarser than the venue's.
    EXPECT_TRUE(grid.price_digits == 6 - grid.quantity_digits || units >= 10'000) << named(listing);
  }
}

class RecordedInstruments : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("PERP_CAPTURES_DIR");
    if (folder == nullptr) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set";
    folder_ = folder;
  }
  /// Rows of a recorded list by the name in them.
  std::map<std::string, Json> rows(const std::string& file, const std::string& list,
                                   const std::string& name) const {
    const Json json = Json::parse(read_file(folder_ + "/" + file));
    std::map<std::string, Json> by_name;
    for (const Json& row : json.at(list)) by_name[row.at(name)] = row;
    return by_name;
  }

 private:
  std::string folder_;
};

/// Texts of short decimals: what they mean is equal to far more digits than they have.
bool is_equal(long double a, long double b) { return std::fabs(a / b - 1) < 1e-12L; }

long double number(const Json& text) { return std::stold(text.get<std::string>()); }

TEST_F(RecordedInstruments, OkxListsEachCoinSo) {
  const auto recorded = rows("okx/rest_public_instruments_SWAP.json", "data", "instId");
  for (const Listing& listing : primaries(VenueId::okx)) {
    ASSERT_TRUE(recorded.contains(listing.native)) << listing.native;
    const Json& row = recorded.at(listing.native);
    EXPECT_EQ(row.at("state"), "live") << listing.native;
    EXPECT_TRUE(is_equal(number(row.at("ctVal")), std::pow(10.0L, listing.size_exponent)))
        << listing.native << " " << row.at("ctVal");
    EXPECT_TRUE(is_equal(number(row.at("tickSz")), tick_of(listing)))
        << listing.native << " " << row.at("tickSz");
    EXPECT_TRUE(is_equal(number(row.at("lotSz")), lot_of(listing)))
        << listing.native << " " << row.at("lotSz");
    EXPECT_EQ(row.at("instIdCode"), listing.coin->okx_code) << listing.native;
    EXPECT_EQ(row.at("listTime"), std::to_string(listing.coin->okx_listed_ms)) << listing.native;
  }
}

TEST_F(RecordedInstruments, HyperliquidListsEachCoinSo) {
  const auto recorded = rows("hyperliquid/rest_meta_2025-12-13.json", "universe", "name");
  for (const Listing& listing : primaries(VenueId::hyperliquid)) {
    ASSERT_TRUE(recorded.contains(listing.native)) << listing.native;
    const Json& row = recorded.at(listing.native);
    EXPECT_FALSE(row.value("isDelisted", false)) << listing.native;
    EXPECT_EQ(row.at("szDecimals"), listing.grid.quantity_digits) << listing.native;
    EXPECT_EQ(row.at("maxLeverage"), listing.leverage) << listing.native;
    EXPECT_EQ(row.at("marginTableId"), listing.coin->hyperliquid_margin_table) << listing.native;
  }
}

TEST_F(RecordedInstruments, BinanceListsThoseThatWereRecordedSo) {
  const auto recorded =
      rows("binance/rest_exchangeInfo_2025-08_25symbols.json", "symbols", "symbol");
  std::size_t compared = 0;
  for (const Listing& listing : primaries(VenueId::binance)) {
    const auto found = recorded.find(listing.native);
    if (found == recorded.end()) continue;
    ++compared;
    EXPECT_EQ(found->second.at("pricePrecision"), listing.grid.price_digits) << listing.native;
    for (const Json& filter : found->second.at("filters")) {
      const bool is_price = filter.at("filterType") == "PRICE_FILTER";
      if (!is_price && filter.at("filterType") != "LOT_SIZE") continue;
      EXPECT_TRUE(is_equal(number(filter.at(is_price ? "tickSize" : "stepSize")),
                           is_price ? tick_of(listing) : lot_of(listing)))
          << listing.native << " " << filter;
    }
  }
  EXPECT_GE(compared, 15U);
}

}  // namespace
}  // namespace perp::sim::test
