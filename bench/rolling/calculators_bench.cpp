// The other calculators: banks of 900 lanes beside the serial loop over single forms, single forms
// beside what one writes first (recompute over the window, a multiset). Each contest gives the same
// answers, which is checked before it is timed.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "rolling/market_data.hpp"

#include <perp/rolling/ema.hpp>
#include <perp/rolling/extrema.hpp>
#include <perp/rolling/extrema_bank.hpp>
#include <perp/rolling/quantile_bank.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rolling.hpp>
#include <perp/rolling/rsi_bank.hpp>
#include <perp/rolling/sum_banks.hpp>
#include <perp/rolling/sums.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t series_count = 900;
constexpr std::size_t length = 300;
constexpr std::size_t minutes = 64;

/// A walk per series, `minutes` long, going round; no holes.
const std::vector<double>& closes_of_market() {
  static const std::vector<double> closes = [] {
    std::vector<double> made(series_count * minutes);
    std::mt19937_64 random(11);
    std::normal_distribution<double> step(0, 0.1);
    for (std::size_t s = 0; s < series_count; ++s) {
      double price = 100 + static_cast<double>(s);
      for (std::size_t m = 0; m < minutes; ++m) made[m * series_count + s] = price += step(random);
    }
    return made;
  }();
  return closes;
}
std::span<const double> market_at(std::int64_t minute) {
  return std::span(closes_of_market())
      .subspan(static_cast<std::size_t>(minute) % minutes * series_count, series_count);
}

/// Like prices: each value is near the one before.
const std::vector<double>& walk() {
  static const std::vector<double> values = [] {
    std::vector<double> made(1 << 16);
    std::mt19937_64 random(12);
    std::normal_distribution<double> step(0, 0.1);
    double price = 1'000;
    for (double& value : made) value = price += step(random);
    return made;
  }();
  return values;
}
/// Like returns or volumes: each value is anywhere.
const std::vector<double>& noise() {
  static const std::vector<double> values = [] {
    std::vector<double> made(1 << 16);
    std::mt19937_64 random(13);
    std::lognormal_distribution<double> size(0, 2);
    for (double& value : made) value = size(random);
    return made;
  }();
  return values;
}

// ---- contestants with push(minute) for the market and read(out)

struct PerpRsi {
  rolling::RsiBank bank{{}, series_count};
  void push(std::int64_t minute) { static_cast<void>(bank.push(minute, market_at(minute))); }
  void read(std::span<double> out) const {
    std::copy_n(bank.values().begin(), out.size(), out.begin());
  }
};
/// Our own single form, series by series: the bits that the bank must have.
struct SingleRsi {
  rolling::RsiRule rule;
  std::vector<rolling::RsiState> states{series_count};
  void push(std::int64_t minute) {
    const std::span<const double> closes = market_at(minute);
    for (std::size_t s = 0; s < series_count; ++s)
      rolling::push_close(rule, states[s], minute, closes[s]);
  }
  void read(std::span<double> out) const {
    for (std::size_t s = 0; s < series_count; ++s) out[s] = rolling::rsi_value(rule, states[s]);
  }
};
/// The loop that one writes, by the definition: Wilder's averages, then 100 - 100 / (1 + RS).
struct SerialRsi {
  struct Series {
    double gain = 0;
    double loss = 0;
    double last = std::numeric_limits<double>::quiet_NaN();
    int count = 0;
  };
  static constexpr int period = rolling::RsiRule{}.period;
  std::vector<Series> all{series_count};
  std::vector<double> values = std::vector<double>(series_count, std::nan(""));
  void push(std::int64_t minute) {
    const std::span<const double> closes = market_at(minute);
    for (std::size_t s = 0; s < series_count; ++s) {
      Series& one = all[s];
      const double delta = closes[s] - one.last;
      one.last = closes[s];
      if (std::isnan(delta)) continue;
      const double gain = delta > 0 ? delta : 0;
      const double loss = delta < 0 ? -delta : 0;
      if (one.count < period) {
        one.gain += gain / period;
        one.loss += loss / period;
        if (++one.count < period) continue;
      } else {
        one.gain = (one.gain * (period - 1) + gain) / period;
        one.loss = (one.loss * (period - 1) + loss) / period;
      }
      values[s] =
          one.loss == 0 ? (one.gain == 0 ? 50 : 100) : 100 - 100 / (1 + one.gain / one.loss);
    }
  }
  void read(std::span<double> out) const { std::copy_n(values.begin(), out.size(), out.begin()); }
};

template <class Bank, void (Bank::*answer)(std::span<double>) const noexcept>
struct PerpBank {
  Bank bank{rolling::last_rows(length), series_count};
  void push(std::int64_t minute) {
    if constexpr (requires { bank.push(market_at(0), market_at(0)); }) {
      bank.push(market_at(minute), market_at(minute + 1));
    } else {
      bank.push(market_at(minute));
    }
  }
  void read(std::span<double> out) const { (bank.*answer)(out); }
};
template <class Calculator, double (Calculator::*answer)() const noexcept>
struct SerialForms {
  std::vector<rolling::Rolling<Calculator>> forms;
  SerialForms() {
    for (std::size_t s = 0; s < series_count; ++s) forms.emplace_back(rolling::last_rows(length));
  }
  void push(std::int64_t minute) {
    const std::span<const double> x = market_at(minute);
    const std::span<const double> y = market_at(minute + 1);
    for (std::size_t s = 0; s < series_count; ++s) {
      if constexpr (Calculator::input_count == 2) {
        forms[s].push(x[s], y[s]);
      } else {
        forms[s].push(x[s]);
      }
    }
  }
  void read(std::span<double> out) const {
    for (std::size_t s = 0; s < series_count; ++s) out[s] = (forms[s].value().*answer)();
  }
};

struct PerpEma {
  rolling::EmaBank bank{rolling::ema_of_period(length), series_count};
  void push(std::int64_t minute) { bank.push(market_at(minute)); }
  void read(std::span<double> out) const { bank.value(out); }
};
struct SerialEma {
  std::vector<rolling::Ema> forms{series_count, rolling::Ema(rolling::ema_of_period(length))};
  void push(std::int64_t minute) {
    const std::span<const double> x = market_at(minute);
    for (std::size_t s = 0; s < series_count; ++s) forms[s].push(x[s]);
  }
  void read(std::span<double> out) const {
    for (std::size_t s = 0; s < series_count; ++s) out[s] = forms[s].value();
  }
};

bool is_same(double a, double b, double tolerance) {
  return same_bits(a, b) || std::fabs(a - b) <= tolerance;
}

/// @tparam Peer whose answers the contestant must have: in every bit, or within a tolerance of 1e-9
/// where it computes another way.
template <class Contestant, class Peer, bool is_read, bool is_exact = true>
void over_market(benchmark::State& state) {
  Contestant contestant;
  Peer peer;
  std::vector<double> out(series_count);
  std::vector<double> expected(series_count);
  std::int64_t minute = 0;
  for (; minute < 2 * static_cast<std::int64_t>(length); ++minute) {
    contestant.push(minute);
    peer.push(minute);
    contestant.read(out);
    peer.read(expected);
    for (std::size_t s = 0; s < series_count; ++s)
      require(is_same(out[s], expected[s], is_exact ? 0 : 1e-9), "the answers differ");
  }
  for (auto _ : state) {
    contestant.push(minute++);
    if constexpr (is_read) contestant.read(out);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(series_count));
}

template <class Ours, class Serial>
void add_market(const std::string& unit) {
  const std::string name = "rolling/" + unit;
  benchmark::RegisterBenchmark((name + "/perp/bank/900").c_str(), over_market<Ours, Serial, true>);
  benchmark::RegisterBenchmark((name + "/serial/bank/900").c_str(),
                               over_market<Serial, Serial, true>);
}

// ---- one series, contestants with push(x) and read()

template <class Calculator, double (Calculator::*answer)() const noexcept>
struct PerpSingle {
  rolling::Rolling<Calculator> form;
  explicit PerpSingle(std::size_t window) : form(rolling::last_rows(window)) {}
  void push(double x, double y) {
    if constexpr (Calculator::input_count == 2) {
      form.push(x, y);
    } else {
      form.push(x);
    }
  }
  double read() const { return (form.value().*answer)(); }
};

/// The window in a deque, the answer from scratch.
template <double (*answer)(const std::deque<std::pair<double, double>>&)>
struct Recompute {
  std::size_t window;
  std::deque<std::pair<double, double>> values;
  explicit Recompute(std::size_t size) : window(size) {}
  void push(double x, double y) {
    values.emplace_back(x, y);
    if (values.size() > window) values.pop_front();
  }
  double read() const { return answer(values); }
};
using Window = std::deque<std::pair<double, double>>;

double mean_of(const Window& window) {
  double sum = 0;
  for (const auto& [x, y] : window) sum += x;
  return sum / static_cast<double>(window.size());
}
double deviation_of(const Window& window) {
  const double mean = mean_of(window);
  double sum = 0;
  for (const auto& [x, y] : window) sum += (x - mean) * (x - mean);
  return std::sqrt(sum / static_cast<double>(window.size()));
}
double vwap_of(const Window& window) {
  double notional = 0;
  double quantity = 0;
  for (const auto& [x, y] : window) {
    notional += x * y;
    quantity += y;
  }
  return notional / quantity;
}
double correlation_of(const Window& window) {
  double mean_x = 0;
  double mean_y = 0;
  for (const auto& [x, y] : window) {
    mean_x += x;
    mean_y += y;
  }
  mean_x /= static_cast<double>(window.size());
  mean_y /= static_cast<double>(window.size());
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (const auto& [x, y] : window) {
    xx += (x - mean_x) * (x - mean_x);
    yy += (y - mean_y) * (y - mean_y);
    xy += (x - mean_x) * (y - mean_y);
  }
  return xy / std::sqrt(xx * yy);
}
double range_of(const Window& window) {
  const auto [least, greatest] = std::minmax_element(window.begin(), window.end());
  return greatest->first - least->first;
}

struct PerpRange {
  rolling::Rolling<rolling::Extrema> form;
  explicit PerpRange(std::size_t window) : form(rolling::last_rows(window)) {}
  void push(double x, double) { form.push(x); }
  double read() const { return form.value().max() - form.value().min(); }
};

struct PerpMedian : PerpSingle<rolling::Quantiles, &rolling::Quantiles::median> {
  using PerpSingle::PerpSingle;
};
/// What one writes first: a multiset of the window, walked to its middle.
struct MultisetMedian {
  std::size_t window;
  std::deque<double> order;
  std::multiset<double> values;
  explicit MultisetMedian(std::size_t size) : window(size) {}
  void push(double x, double) {
    order.push_back(x);
    values.insert(x);
    if (order.size() <= window) return;
    values.erase(values.find(order.front()));
    order.pop_front();
  }
  double read() const {
    if (values.size() < window) return std::nan("");
    const auto middle = std::next(values.begin(), static_cast<std::ptrdiff_t>(window / 2));
    const auto other = window % 2 != 0 ? middle : std::prev(middle);
    return *other + 0.5 * (*middle - *other);
  }
};
/// What one writes next: the iterator to the middle is kept, and follows what comes and goes.
struct TrackedMultisetMedian {
  std::size_t window;
  std::deque<double> order;
  std::multiset<double> values;
  std::multiset<double>::iterator middle;
  explicit TrackedMultisetMedian(std::size_t size) : window(size) {}
  void push(double x, double) {
    order.push_back(x);
    values.insert(x);
    if (order.size() <= window) {
      middle = std::next(values.begin(), static_cast<std::ptrdiff_t>(values.size() / 2));
      return;
    }
    if (x < *middle) --middle;
    const double leaving = order.front();
    order.pop_front();
    if (leaving <= *middle) ++middle;
    values.erase(values.lower_bound(leaving));
  }
  double read() const {
    if (values.size() < window) return std::nan("");
    const auto other = window % 2 != 0 ? middle : std::prev(middle);
    return *other + 0.5 * (*middle - *other);
  }
};
/// An ascending vector with erase and insert.
struct SortedVectorMedian {
  std::size_t window;
  std::deque<double> order;
  std::vector<double> values;
  explicit SortedVectorMedian(std::size_t size) : window(size) {}
  void push(double x, double) {
    order.push_back(x);
    values.insert(std::lower_bound(values.begin(), values.end(), x), x);
    if (order.size() <= window) return;
    values.erase(std::lower_bound(values.begin(), values.end(), order.front()));
    order.pop_front();
  }
  double read() const {
    if (values.size() < window) return std::nan("");
    const std::size_t middle = window / 2;
    const std::size_t other = window % 2 != 0 ? middle : middle - 1;
    return values[other] + 0.5 * (values[middle] - values[other]);
  }
};

/// Contestant and peer over the same values; answers within `tolerance` of each other, relatively.
template <class Contestant, class Peer>
void over_values(benchmark::State& state, const std::vector<double>& values, double tolerance) {
  const auto window = static_cast<std::size_t>(state.range(0));
  const std::size_t mask = values.size() - 1;
  Contestant contestant(window);
  Peer peer(window);
  std::size_t i = 0;
  for (; i < window + 1'000; ++i) {
    const double x = values[i & mask];
    const double y = values[i * 7 & mask];
    contestant.push(x, y);
    peer.push(x, y);
    if (i < window || i % 16 != 0) continue;
    const double expected = peer.read();
    require(std::fabs(contestant.read() - expected) <= tolerance * std::fabs(expected),
            "the answers differ");
  }
  constexpr std::int64_t pushes = 1'024;
  double sum = 0;
  for (auto _ : state) {
    for (std::int64_t k = 0; k < pushes; ++k, ++i) {
      contestant.push(values[i & mask], values[i * 7 & mask]);
      sum += contestant.read();
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * pushes);
}

template <class Contestant, class Peer>
void add_one(const std::string& name, const std::vector<double>& (*values)(), double tolerance,
             long window) {
  benchmark::RegisterBenchmark(("rolling/" + name).c_str(), [=](benchmark::State& state) {
    over_values<Contestant, Peer>(state, values(), tolerance);
  })->Arg(window);
}
template <class Ours, class Peer>
void add_pair(const std::string& unit, double tolerance) {
  add_one<Ours, Peer>(unit + "/perp/one", walk, tolerance, static_cast<long>(length));
  add_one<Peer, Peer>(unit + "/recompute/one", walk, tolerance, static_cast<long>(length));
}
void add_medians(const std::string& on, const std::vector<double>& (*values)()) {
  constexpr auto window = static_cast<long>(length);
  add_one<PerpMedian, MultisetMedian>("median/perp/" + on, values, 0, window);
  add_one<MultisetMedian, MultisetMedian>("median/multiset/" + on, values, 0, window);
  add_one<TrackedMultisetMedian, MultisetMedian>("median/tracked_multiset/" + on, values, 0,
                                                 window);
  add_one<SortedVectorMedian, MultisetMedian>("median/sorted_vector/" + on, values, 0, window);
}

[[maybe_unused]] const bool are_added = [] {
  // The indices are there behind a push; our single form has to be asked for them.
  benchmark::RegisterBenchmark("rolling/rsi/perp/bank/900", over_market<PerpRsi, SingleRsi, false>);
  benchmark::RegisterBenchmark("rolling/rsi/serial/bank/900",
                               over_market<SerialRsi, SingleRsi, false, false>);
  benchmark::RegisterBenchmark("rolling/rsi/single/bank/900",
                               over_market<SingleRsi, SerialRsi, true, false>);
  at_least("rolling/rsi/*/bank/900", {"serial"}, 15);

  using namespace rolling;
  add_market<PerpEma, SerialEma>("ema");
  add_market<PerpBank<SumBank, &SumBank::sum>, SerialForms<Sum, &Sum::sum>>("sum");
  add_market<PerpBank<MomentBank, &MomentBank::deviation>,
             SerialForms<Moments, &Moments::deviation>>("moments");
  add_market<PerpBank<VwapBank, &VwapBank::price>, SerialForms<Vwap, &Vwap::price>>("vwap");
  add_market<PerpBank<RegressionBank, &RegressionBank::correlation>,
             SerialForms<Regression, &Regression::correlation>>("regression");
  add_market<PerpBank<ExtremaBank, &ExtremaBank::max>, SerialForms<Extrema, &Extrema::max>>(
      "extrema");
  add_market<PerpBank<QuantileBank, &QuantileBank::median>,
             SerialForms<Quantiles, &Quantiles::median>>("quantiles");

  add_pair<PerpSingle<Sum, &Sum::mean>, Recompute<mean_of>>("sum", 1e-12);
  add_pair<PerpSingle<Moments, &Moments::deviation>, Recompute<deviation_of>>("moments", 1e-9);
  add_pair<PerpSingle<Vwap, &Vwap::price>, Recompute<vwap_of>>("vwap", 1e-12);
  add_pair<PerpSingle<Regression, &Regression::correlation>, Recompute<correlation_of>>(
      "regression", 1e-7);
  add_pair<PerpRange, Recompute<range_of>>("extrema", 0);
  // A window that is much longer must cost the same.
  add_one<PerpRange, Recompute<range_of>>("extrema/perp/one", walk, 0, 10'000);
  at_least("rolling/extrema/*/one/10000", {"rolling/extrema/perp/one/300"}, 1 / 1.15);

  add_medians("noise", noise);
  add_medians("walk", walk);
  at_least("rolling/median/*/noise/300", {"multiset"}, 4.5);
  return true;
}();

}  // namespace
}  // namespace perp::bench
