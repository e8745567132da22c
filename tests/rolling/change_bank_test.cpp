// The three forms of the change engine against change_percent on minutes kept in a map, bit for
// bit, on every instruction set.
#include "rolling/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_bank.hpp>
#include <perp/rolling/change_columns.hpp>
#include <perp/rolling/change_ring.hpp>

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

using test::nan;
using test::same;

/// Mostly the next minute, sometimes the same one again, sometimes a hole of any length.
std::int64_t step_of(std::mt19937_64& random) {
  if (random() % 8 == 0) return 0;
  return random() % 9 == 0 ? 1 + static_cast<std::int64_t>(random() % 25) : 1;
}

constexpr std::array<std::int64_t, 3> windows{1, 5, 10};

/// Values that provoke every branch: zeros of both signs, signs, halves, limits, nonsense.
class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed) {}
  double operator()() {
    static constexpr std::array<double, 14> special{
        0.0,    -0.0, nan,   test::infinity, -test::infinity, 1e308,   -1e308,
        5e-324, 1e-9, 1'600, 1'601,          200'000,         200'001, -0.0001};
    if (random_() % 4 == 0) return special[random_() % special.size()];
    return 100 + 0.001 * static_cast<double>(random_() % 1'000) - (random_() % 7 == 0 ? 200 : 0);
  }

 private:
  std::mt19937_64 random_;
};

/// The definition, from minutes in a map.
class Oracle {
 public:
  void put(std::int64_t minute, std::size_t key, double value) { values_[{minute, key}] = value; }
  double change(std::int64_t minute, std::size_t key, std::int64_t window) const {
    const auto now = values_.find({minute, key});
    const auto before = values_.find({minute - window, key});
    if (now == values_.end() || before == values_.end()) return nan;
    return change_percent(now->second, before->second);
  }

 private:
  std::map<std::pair<std::int64_t, std::size_t>, double> values_;
};

TEST(ChangeRing, HasTheBitsOfChangePercent) {
  for (const std::size_t parameters : {1u, 2u, 3u, 5u, 8u, 11u, 12u, 17u}) {
    test::on_every_target([&] {
      constexpr std::size_t series_count = 3;
      const std::uint64_t seed = 20'240 + parameters;
      std::mt19937_64 random(seed);
      Values value(seed);
      ChangeRing ring(series_count, parameters, windows);
      Oracle oracle;
      std::array<std::int64_t, series_count> minutes{-30, 0, 28'000'000};
      std::vector<double> row(parameters);
      std::vector<double> changes(ring.change_count());
      for (int i = 0; i < 600; ++i) {
        const std::size_t series = random() % series_count;
        minutes[series] += step_of(random);
        for (std::size_t p = 0; p < parameters; ++p) {
          row[p] = value();
          oracle.put(minutes[series], series * 100 + p, row[p]);
        }
        ASSERT_TRUE(ring.update(series, minutes[series], row, changes));
        for (std::size_t w = 0; w < windows.size(); ++w)
          for (std::size_t p = 0; p < parameters; ++p) {
            const double expected = oracle.change(minutes[series], series * 100 + p, windows[w]);
            ASSERT_TRUE(same(changes[w * parameters + p], expected))
                << "seed " << seed << " step " << i << " parameter " << p << " window "
                << windows[w] << ": " << changes[w * parameters + p] << " instead of " << expected;
          }
      }
    });
  }
}

TEST(ChangeRing, RefusesAMinuteWhosePlaceIsTaken) {
  ChangeRing ring(1, 2, windows);
  std::vector<double> out(6);
  const std::vector<double> row{1, 2};
  EXPECT_TRUE(ring.update(0, 100, row, out));
  EXPECT_TRUE(ring.update(0, 99, row, out)) << "late, but its place is free";
  EXPECT_FALSE(ring.update(0, 100 - 11, row, out)) << "minute 100 is there";
  EXPECT_TRUE(ring.update(0, 100, row, out));
  EXPECT_EQ(out[0], 0.0) << "against the late minute 99";
}

TEST(ChangeRing, RefusesNonsenseShapes) {
  EXPECT_THROW(ChangeRing(1, 0, windows), core::Error);
  EXPECT_THROW(ChangeRing(1, 1, {}), core::Error);
  EXPECT_THROW(ChangeRing(1, 1, std::array<std::int64_t, 2>{1, 0}), core::Error);
  EXPECT_THROW(ChangeRing(1, 1, std::array<std::int64_t, 9>{1, 2, 3, 4, 5, 6, 7, 8, 9}),
               core::Error);
  EXPECT_THROW(ChangeBank(1, 0, windows), core::Error);
}

TEST(ChangeBank, HasTheBitsOfChangePercent) {
  for (const std::size_t series : {1u, 7u, 8u, 21u}) {
    test::on_every_target([&] {
      constexpr std::size_t parameters = 3;
      const std::uint64_t seed = 77 + series;
      std::mt19937_64 random(seed);
      Values value(seed);
      ChangeBank bank(series, parameters, windows);
      Oracle oracle;
      std::int64_t minute = -20;  // the epoch is not special
      std::vector<std::vector<double>> columns(parameters, std::vector<double>(series));
      const std::vector<std::span<const double>> views(columns.begin(), columns.end());
      for (int i = 0; i < 150; ++i) {
        minute += step_of(random);
        for (std::size_t p = 0; p < parameters; ++p)
          for (std::size_t s = 0; s < series; ++s) {
            columns[p][s] = value();
            oracle.put(minute, p * 100 + s, columns[p][s]);
          }
        ASSERT_TRUE(bank.push(minute, views));
        for (std::size_t p = 0; p < parameters; ++p)
          for (std::size_t w = 0; w < windows.size(); ++w) {
            const std::span<const double> got = bank.changes(p, w);
            ASSERT_EQ(got.size(), series);
            for (std::size_t s = 0; s < series; ++s)
              ASSERT_TRUE(same(got[s], oracle.change(minute, p * 100 + s, windows[w])))
                  << "seed " << seed << " step " << i << " series " << s << " window "
                  << windows[w];
          }
      }
      EXPECT_FALSE(bank.push(minute - 1, views));
    });
  }
}

TEST(ChangeColumns, HasTheBitsOfChangePercentInEveryRun) {
  struct Shape {
    std::size_t run_length;
    std::size_t runs;
    std::vector<std::size_t> lags;
  };
  // The last two are written past the caches.
  const std::vector<Shape> shapes{
      {1, 3, {1, 5, 10}},       {7, 4, {1, 5, 10}},       {40, 3, {10, 1, 5}}, {41, 2, {2, 3}},
      {1'300, 2, {1, 300, 10}}, {1'200, 2, {1, 2, 3, 4}}, {64, 2, {1}},        {25, 2, {9, 30, 1}},
      {60'000, 4, {1, 5, 10}},  {8, 30'000, {1, 5, 10}}};
  for (const Shape& shape : shapes) {
    test::on_every_target([&] {
      const std::size_t count = shape.run_length * shape.runs;
      Values value(count);
      AlignedDoubles values(count, 0);
      for (std::size_t i = 0; i < count; ++i) values.data()[i] = value();
      std::vector<AlignedDoubles> outs;
      std::vector<double*> pointers;
      for (std::size_t w = 0; w < shape.lags.size(); ++w) {
        outs.emplace_back(count, -1);
        pointers.push_back(outs.back().data());
      }
      change_columns({values.data(), count}, shape.run_length, shape.lags, pointers);
      for (std::size_t w = 0; w < shape.lags.size(); ++w)
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t lag = shape.lags[w];
          const double expected = i % shape.run_length < lag
                                      ? nan
                                      : change_percent(values.data()[i], values.data()[i - lag]);
          ASSERT_TRUE(same(pointers[w][i], expected))
              << "run of " << shape.run_length << " at " << i << " lag " << lag;
        }
    });
  }
}

TEST(ChangeColumns, RefusesShapesThatDoNotFit) {
  std::vector<double> values(10);
  std::vector<double> out(10);
  const std::vector<double*> one{out.data()};
  const std::vector<std::size_t> lag{1};
  EXPECT_THROW(change_columns(values, 3, lag, one), core::Error);
  EXPECT_THROW(change_columns(values, 0, lag, one), core::Error);
  EXPECT_THROW(change_columns(values, 10, std::vector<std::size_t>{0}, one), core::Error);
  EXPECT_THROW(change_columns(values, 10, {}, {}), core::Error);
  EXPECT_THROW(change_columns(values, 10, std::vector<std::size_t>{1, 2}, one), core::Error);
}

// Where a fused instruction exists the kernels do not divide by 1000. All ten million thousandths
// that a change can have, and some beyond the limit: from 100 000 to 100 000 + k is k thousandths
// of a percent.
TEST(ChangeColumns, RoundsEveryThousandthAsTheDivisionDoes) {
  constexpr std::size_t piece = 100'000;
  AlignedDoubles values(2 * piece, 100'000);
  AlignedDoubles changes(2 * piece, 0);
  const std::array<double*, 1> out{changes.data()};
  for (std::size_t first = 0; first <= 10'000'000; first += piece) {
    for (std::size_t i = 0; i < piece; ++i)
      values.data()[2 * i + 1] = 100'000 + static_cast<double>(first + i);
    test::on_every_target([&] {
      change_columns({values.data(), 2 * piece}, 2, std::array<std::size_t, 1>{1}, out);
      for (std::size_t i = 0; i < piece; ++i) {
        const std::size_t k = first + i;
        const double expected = k > 9'999'999 ? change_limit : static_cast<double>(k) / 1000;
        if (!same(changes.data()[2 * i + 1], expected)) FAIL() << k;
      }
    });
  }
}

TEST(ChangeForms, AllocateNothingAfterConstruction) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  ChangeRing ring(4, 11, windows);
  ChangeBank bank(9, 2, windows);
  std::vector<double> row(11, 1.5);
  std::vector<double> out(33);
  const std::vector<double> column(9, 2.5);
  const std::vector<std::span<const double>> columns{column, column};
  static_cast<void>(ring.update(0, 1, row, out));
  const std::uint64_t before = perp::test::malloc_count();
  for (std::int64_t minute = 2; minute < 200; ++minute) {
    ASSERT_TRUE(ring.update(3, minute, row, out));
    ASSERT_TRUE(bank.push(minute, columns));
  }
  EXPECT_EQ(perp::test::malloc_count(), before);
}

}  // namespace
}  // namespace perp::rolling
