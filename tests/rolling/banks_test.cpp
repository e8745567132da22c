// Each lane of a bank has the bits of the single form over the same samples, on every instruction
// set of this machine. The single forms are tested against brute force elsewhere.
#include "rolling/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/ema.hpp>
#include <perp/rolling/extrema.hpp>
#include <perp/rolling/extrema_bank.hpp>
#include <perp/rolling/quantile_bank.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rolling.hpp>
#include <perp/rolling/rsi_bank.hpp>
#include <perp/rolling/sum_banks.hpp>
#include <perp/rolling/sums.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace perp::rolling {
namespace {

using test::nan;
using test::same;

/// A market's sample at a time: two inputs per series.
struct Column {
  std::int64_t time;
  std::vector<double> x;
  std::vector<double> y;
};

std::vector<Column> market(std::size_t series_count, const WindowRule& rule, std::uint64_t seed,
                           int count) {
  std::vector<test::Walk> walks;
  for (std::size_t s = 0; s < series_count; ++s) walks.emplace_back(seed * 1'000 + s, 100, 7);
  std::mt19937_64 random(seed);
  std::vector<Column> columns;
  std::int64_t time = 0;
  for (int i = 0; i < count; ++i) {
    time += rule.span == 0 ? 1 : static_cast<std::int64_t>(random() % 4);
    Column column{time, {}, {}};
    const bool is_dead =
        i % 200 > 150;  // long enough for windows of zeros and of nothing but holes
    for (std::size_t s = 0; s < series_count; ++s) {
      const double walk = walks[s]();
      column.x.push_back(is_dead ? (s % 3 == 0 ? 100.25 : s % 3 == 1 ? 0.0 : nan) : walk);
      column.y.push_back(is_dead             ? 0
                         : random() % 9 == 0 ? nan
                                             : static_cast<double>(random() % 50));
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

const std::vector<WindowRule> rules{
    last_rows(1),     last_rows(2, 1),      last_rows(10),
    last_rows(33, 1), last_span(20, 8, 64), last_span(20, 8, 9)};  // too little room now and then

/// `push(column)`, then each `answer(out)` is compared with `expected(series, answer)`.
struct Check {
  std::function<void(const Column&)> push;
  std::vector<std::function<void(std::span<double>)>> answers;
  std::function<double(std::size_t, std::size_t)> expected;
};

template <class Make>
void compare(Make make) {
  std::uint64_t seed = 1;
  for (const WindowRule& rule : rules)
    for (const std::size_t series_count : {1u, 8u, 21u}) {
      ++seed;
      const std::vector<Column> columns = market(series_count, rule, seed, 700);
      test::on_every_target([&] {
        const Check check = make(rule, series_count);
        std::vector<double> out(series_count);
        for (std::size_t i = 0; i < columns.size(); ++i) {
          check.push(columns[i]);
          for (std::size_t a = 0; a < check.answers.size(); ++a) {
            check.answers[a](out);
            for (std::size_t s = 0; s < series_count; ++s)
              ASSERT_TRUE(same(out[s], check.expected(s, a)))
                  << "seed " << seed << " step " << i << " series " << s << " answer " << a << ": "
                  << out[s] << " instead of " << check.expected(s, a);
          }
        }
      });
    }
}

/// A bank and as many single forms.
template <class Bank, class Calculator>
struct Pair {
  Pair(const WindowRule& rule, std::size_t series_count) : bank(rule, series_count) {
    for (std::size_t s = 0; s < series_count; ++s) singles.emplace_back(rule);
  }
  Bank bank;
  std::vector<Rolling<Calculator>> singles;
};

TEST(SumBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<SumBank, Sum>>(rule, n);
    return Check{[pair](const Column& c) {
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.sum(out); },
                  [pair](std::span<double> out) { pair->bank.mean(out); }},
                 [pair](std::size_t s, std::size_t a) {
                   const Sum& sum = pair->singles[s].value();
                   return a == 0 ? sum.sum() : sum.mean();
                 }};
  });
}

TEST(MomentBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<MomentBank, Moments>>(rule, n);
    const auto last = std::make_shared<std::vector<double>>();
    return Check{[pair, last](const Column& c) {
                   *last = c.x;
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.mean(out); },
                  [pair](std::span<double> out) { pair->bank.variance(out); },
                  [pair](std::span<double> out) { pair->bank.deviation(out); },
                  [pair](std::span<double> out) { pair->bank.z_score(out); }},
                 [pair, last](std::size_t s, std::size_t a) {
                   const Moments& m = pair->singles[s].value();
                   return a == 0   ? m.mean()
                          : a == 1 ? m.variance()
                          : a == 2 ? m.deviation()
                                   : m.z_score((*last)[s]);
                 }};
  });
}

TEST(VwapBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<VwapBank, Vwap>>(rule, n);
    return Check{[pair](const Column& c) {
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x, c.y));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s], c.y[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.price(out); }},
                 [pair](std::size_t s, std::size_t) { return pair->singles[s].value().price(); }};
  });
}

TEST(RegressionBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<RegressionBank, Regression>>(rule, n);
    return Check{[pair](const Column& c) {
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x, c.y));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s], c.y[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.slope(out); },
                  [pair](std::span<double> out) { pair->bank.correlation(out); }},
                 [pair](std::size_t s, std::size_t a) {
                   const Regression& r = pair->singles[s].value();
                   return a == 0 ? r.slope() : r.correlation();
                 }};
  });
}

TEST(RegressionBank, TakesOneXForAllSeries) {
  RegressionBank bank(last_rows(5), 3);
  for (int i = 0; i < 8; ++i) {
    const std::vector<double> y{2.0 * i, 5.0, -0.5 * i};
    ASSERT_TRUE(bank.push_at(i, 1'000 + i, y));
  }
  std::vector<double> slope(3);
  bank.slope(slope);
  EXPECT_EQ(slope, (std::vector<double>{2, 0, -0.5}));
}

TEST(ExtremaBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<ExtremaBank, Extrema>>(rule, n);
    return Check{[pair](const Column& c) {
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.min(out); },
                  [pair](std::span<double> out) { pair->bank.max(out); }},
                 [pair](std::size_t s, std::size_t a) {
                   const Extrema& e = pair->singles[s].value();
                   return a == 0 ? e.min() : e.max();
                 }};
  });
}

TEST(QuantileBank, HasTheBitsOfTheSingleForm) {
  compare([](const WindowRule& rule, std::size_t n) {
    const auto pair = std::make_shared<Pair<QuantileBank, Quantiles>>(rule, n);
    return Check{[pair](const Column& c) {
                   ASSERT_TRUE(pair->bank.push_at(c.time, c.x));
                   for (std::size_t s = 0; s < c.x.size(); ++s)
                     pair->singles[s].push_at(c.time, c.x[s]);
                 },
                 {[pair](std::span<double> out) { pair->bank.median(out); },
                  [pair](std::span<double> out) { pair->bank.at(0.99, out); },
                  [pair](std::span<double> out) { pair->bank.at(2, out); }},
                 [pair](std::size_t s, std::size_t a) {
                   const Quantiles& q = pair->singles[s].value();
                   return q.at(a == 0 ? 0.5 : a == 1 ? 0.99 : 2);
                 }};
  });
}

TEST(EmaBank, HasTheBitsOfTheSingleForm) {
  test::on_every_target([] {
    for (const std::size_t series_count : {1u, 8u, 21u}) {
      const EmaRule rule = ema_of_period(10);
      EmaBank bank(rule, series_count);
      std::vector<Ema> singles(series_count, Ema(rule));
      std::vector<double> out(series_count);
      for (const Column& c : market(series_count, last_rows(1), 5, 500)) {
        bank.push(c.x);
        bank.value(out);
        for (std::size_t s = 0; s < series_count; ++s) {
          singles[s].push(c.x[s]);
          ASSERT_TRUE(same(out[s], singles[s].value())) << s;
        }
      }
    }
  });
}

// Holes of every length around the bridge's limit, indices skipped by all, dead stretches in which
// the averages decay into denormals, prices that rise only, prices whose differences overflow.
TEST(RsiBank, HasTheBitsOfTheSingleForm) {
  for (const int period : {2, 11, 14, 200})
    for (const std::size_t series_count : {1u, 8u, 21u}) {
      const std::uint64_t seed = static_cast<std::uint64_t>(period) * 100 + series_count;
      test::on_every_target([&] {
        const RsiRule rule{.period = period};
        RsiBank bank(rule, series_count);
        std::vector<RsiState> states(series_count);
        std::vector<test::Walk> walks;
        for (std::size_t s = 0; s < series_count; ++s) walks.emplace_back(seed + s, 100, 0);
        std::vector<double> last(series_count, 100);
        std::vector<double> closes(series_count);
        std::vector<int> hole(series_count);
        std::mt19937_64 random(seed);
        std::int64_t index = -50;
        for (int i = 0; i < 25'000; ++i) {
          index += random() % 300 == 0 ? 1 + static_cast<std::int64_t>(random() % 6) : 1;
          const bool is_dead = i > 3'000 && i < 20'000;
          for (std::size_t s = 0; s < series_count; ++s) {
            if (hole[s] == 0 && random() % 700 == 0) hole[s] = 1 + static_cast<int>(random() % 6);
            if (!is_dead) last[s] = s % 5 == 4 ? last[s] + 0.5 : walks[s]();
            if (!is_dead && s % 5 == 3) last[s] = 5e-324 * static_cast<double>(random() % 99);
            const bool is_huge = s % 5 == 2 && random() % 90 == 0;
            if (!is_dead && is_huge) last[s] = random() % 2 == 0 ? 1.7e308 : -1.7e308;
            closes[s] = hole[s] > 0 ? nan : last[s];
            if (hole[s] > 0) --hole[s];
            if (!std::isnan(closes[s])) push_close(rule, states[s], index, closes[s]);
          }
          ASSERT_TRUE(bank.push(index, closes));
          const std::span<const double> out = bank.values();
          for (std::size_t s = 0; s < series_count; ++s)
            ASSERT_TRUE(same(out[s], rsi_value(rule, states[s])))
                << "seed " << seed << " step " << i << " series " << s << ": " << out[s]
                << " instead of " << rsi_value(rule, states[s]);
        }
        EXPECT_FALSE(bank.push(index, closes));
      });
    }
}

TEST(RsiBank, FollowsTheFlatRulesAndRefusesNonsense) {
  for (const double flat : {50.0, 0.0, 100.0}) {
    RsiBank bank({.period = 2, .flat = flat}, 3);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(bank.push(i, std::vector<double>{7, 7.0 + i, 7.0 - i}));
    const std::vector<double> values(bank.values().begin(), bank.values().end());
    EXPECT_EQ(values, (std::vector<double>{flat, 100, 0}));
  }
  EXPECT_THROW(RsiBank({.period = 1}, 3), core::Error);
  EXPECT_THROW(RsiBank({.period = 201}, 3), core::Error);
}

TEST(Banks, LetTimePassAndRefuseThatItGoesBack) {
  const WindowRule rule = last_span(10, 1, 16);
  SumBank sums(rule, 2);
  ExtremaBank extrema(rule, 2);
  QuantileBank quantiles(rule, 2);
  for (std::int64_t time = 0; time < 5; ++time) {
    const std::vector<double> x{static_cast<double>(time), nan};
    EXPECT_TRUE(sums.push_at(time, x) && extrema.push_at(time, x) && quantiles.push_at(time, x));
  }
  const std::vector<double> x{100, 100};
  EXPECT_FALSE(sums.push_at(3, x) || extrema.push_at(3, x) || quantiles.push_at(3, x));
  const auto all = [&](std::int64_t time) {
    sums.advance(time);
    extrema.advance(time);
    quantiles.advance(time);
    std::vector<double> out;
    std::vector<double> two(2);
    sums.sum(two);
    out.insert(out.end(), two.begin(), two.end());
    extrema.min(two);
    out.insert(out.end(), two.begin(), two.end());
    quantiles.median(two);
    out.insert(out.end(), two.begin(), two.end());
    return out;
  };
  const auto expect = [&](const std::vector<double>& got, const std::vector<double>& wanted) {
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same(got[i], wanted[i])) << i;
  };
  expect(all(9), {10, nan, 0, nan, 2, nan});
  expect(all(11), {9, nan, 2, nan, 3, nan});
  expect(all(13), {4, nan, 4, nan, 4, nan});
  expect(all(14), {nan, nan, nan, nan, nan, nan});
  std::vector<double> counts(2);
  sums.count(counts);
  EXPECT_EQ(counts, (std::vector<double>{0, 0}));
}

TEST(Banks, AllocateNothingAfterConstruction) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  constexpr std::size_t n = 13;
  MomentBank moments(last_rows(20), n);
  RegressionBank regression(last_rows(20), n);
  ExtremaBank extrema(last_rows(20), n);
  QuantileBank quantiles(last_rows(20), n);
  RsiBank rsi({}, n);
  EmaBank ema(ema_of_period(10), n);
  std::vector<double> x(n, 1.5);
  std::vector<double> out(n);
  const std::uint64_t before = perp::test::malloc_count();
  for (int i = 0; i < 200; ++i) {
    x[static_cast<std::size_t>(i) % n] += i % 7 == 0 ? nan : 1;
    moments.push(x);
    regression.push(x, x);
    extrema.push(x);
    quantiles.push(x);
    ema.push(x);
    ASSERT_TRUE(rsi.push(i, x));
    moments.z_score(out);
    regression.slope(out);
    extrema.max(out);
    quantiles.median(out);
    out[0] += rsi.values()[0];
    ema.value(out);
  }
  EXPECT_EQ(perp::test::malloc_count(), before);
}

}  // namespace
}  // namespace perp::rolling
