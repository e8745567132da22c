// The live forms of the change engine: as a series' minute closes (store 11 parameters, compute 33
// changes over 1, 5 and 10 minutes) and as a whole market's minute closes, for 900 and 9 000
// series. Beside: what one writes first (a map of deques), what one writes next (an array per
// series, scalar), and scalar loops over structure of arrays with and without the promise that
// nothing aliases. All give the same bits, which is checked on the first minutes.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "rolling/market_data.hpp"

#include <perp/core/page_memory.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_bank.hpp>
#include <perp/rolling/change_ring.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t parameters = 11;
constexpr std::array<std::int64_t, 3> windows{1, 5, 10};
constexpr std::size_t changes = parameters * windows.size();
constexpr std::int64_t slots = 16;

/// The market's minutes. Few distinct ones, so that the caches hold what is measured and not its
/// input.
class Market {
 public:
  explicit Market(std::size_t series)
      : series_(series), pool_(made_values(row_pool * parameters, series)), order_(series) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::shuffle(order_.begin(), order_.end(), std::mt19937_64(5));
    for (std::size_t variant = 0; variant < variants; ++variant) {
      std::vector<double>& columns = columns_.emplace_back(parameters * series);
      for (std::size_t s = 0; s < series; ++s)
        for (std::size_t p = 0; p < parameters; ++p)
          columns[p * series + s] = row(s, static_cast<std::int64_t>(variant))[p];
    }
  }
  std::size_t series() const { return series_; }
  /// Events come in no particular order.
  const std::vector<std::uint32_t>& order() const { return order_; }
  const double* row(std::size_t series, std::int64_t minute) const {
    const std::size_t at = series * 7 + static_cast<std::size_t>(minute) % variants * 131;
    return pool_.data() + at % row_pool * parameters;
  }
  const double* column(std::size_t parameter, std::int64_t minute) const {
    return columns_[static_cast<std::size_t>(minute) % variants].data() + parameter * series_;
  }

 private:
  static constexpr std::size_t row_pool = 512;
  static constexpr std::size_t variants = 3;
  std::size_t series_;
  std::vector<double> pool_;
  std::vector<std::uint32_t> order_;
  std::vector<std::vector<double>> columns_;
};

double expected(const Market& market, std::size_t series, std::int64_t minute, std::size_t p,
                std::size_t w) {
  if (minute < windows[w]) return std::numeric_limits<double>::quiet_NaN();
  return rolling::change_percent(market.row(series, minute)[p],
                                 market.row(series, minute - windows[w])[p]);
}

// The peers are compiled for AVX2, which has rounding as an instruction: for the portable baseline
// each change would call the C library's floor(). What they do is change_percent, without fmin and
// fmax, which would be calls, too.
#define PERP_PEER __attribute__((target("avx2,fma")))
[[gnu::always_inline]] PERP_PEER inline double peer_change(double now, double before) {
  const double percent = ((now - before) / std::fabs(before)) * 100;
  const double size = std::fabs(percent);
  if (!(size <= std::numeric_limits<double>::max()))
    return std::numeric_limits<double>::quiet_NaN();
  const double rounded = std::floor(size * 1000 + 0.5) / 1000;
  const double limited = rounded < rolling::change_limit ? rounded : rolling::change_limit;
  return std::copysign(limited, percent) + 0.0;
}

// ---- one series at a time: update(series, minute, values, out), out[w * parameters + p]

struct PerpRing {
  static constexpr const char* name = "perp";
  explicit PerpRing(std::size_t series) : ring(series, parameters, windows) {}
  void update(std::size_t series, std::int64_t minute, const double* values, double* out) {
    static_cast<void>(ring.update(series, minute, {values, parameters}, {out, changes}));
  }
  rolling::ChangeRing ring;
};

struct ScalarRing {
  static constexpr const char* name = "scalar_ring";
  struct Series {
    std::array<std::array<double, parameters>, slots> rows;
    std::array<std::int64_t, slots> minutes;
    Series() { minutes.fill(std::numeric_limits<std::int64_t>::min()); }
  };
  // On the same kind of memory as ours: what differs is the code.
  explicit ScalarRing(std::size_t count)
      : memory(count * sizeof(Series), "bench"), all(reinterpret_cast<Series*>(memory.data())) {
    std::uninitialized_default_construct_n(all, count);
  }
  PERP_PEER void update(std::size_t series, std::int64_t minute, const double* values,
                        double* out) {
    Series& one = all[series];
    const auto slot = static_cast<std::size_t>(minute % slots);
    std::copy_n(values, parameters, one.rows[slot].begin());
    one.minutes[slot] = minute;
    for (std::size_t w = 0; w < windows.size(); ++w) {
      const auto earlier = static_cast<std::size_t>((minute - windows[w]) & (slots - 1));
      const bool is_there = one.minutes[earlier] == minute - windows[w];
      for (std::size_t p = 0; p < parameters; ++p)
        out[w * parameters + p] = is_there ? peer_change(values[p], one.rows[earlier][p])
                                           : std::numeric_limits<double>::quiet_NaN();
    }
  }
  core::PageMemory memory;
  Series* all;
};

struct MapOfDeques {
  static constexpr const char* name = "map_of_deques";
  explicit MapOfDeques(std::size_t) {}
  PERP_PEER void update(std::size_t series, std::int64_t, const double* values, double* out) {
    std::array<std::deque<double>, parameters>& one = all[series];
    for (std::size_t p = 0; p < parameters; ++p) {
      std::deque<double>& history = one[p];
      history.push_back(values[p]);
      if (history.size() > 11) history.pop_front();
      for (std::size_t w = 0; w < windows.size(); ++w) {
        const auto back = static_cast<std::size_t>(windows[w]) + 1;
        out[w * parameters + p] = history.size() >= back
                                      ? peer_change(values[p], history[history.size() - back])
                                      : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
  std::map<std::size_t, std::array<std::deque<double>, parameters>> all;
};

template <class Engine>
void event(benchmark::State& state) {
  const Market market(static_cast<std::size_t>(state.range(0)));
  Engine engine(market.series());
  std::array<double, changes> out{};
  std::int64_t minute = 0;
  for (; minute < 14; ++minute)
    for (const std::uint32_t series : market.order()) {
      engine.update(series, minute, market.row(series, minute), out.data());
      for (std::size_t i = 0; i < changes; ++i)
        require(same_bits(out[i], expected(market, series, minute, i % parameters, i / parameters)),
                "a change is wrong");
    }
  double sum = 0;
  for (auto _ : state) {
    for (const std::uint32_t series : market.order()) {
      engine.update(series, minute, market.row(series, minute), out.data());
      sum += out[0];
      benchmark::ClobberMemory();
    }
    ++minute;
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// ---- the whole market at once: push(minute), at(series, parameter, window)

struct PerpBank {
  static constexpr const char* name = "perp";
  explicit PerpBank(const Market& from) : market(from), bank(from.series(), parameters, windows) {}
  void push(std::int64_t minute) {
    std::array<std::span<const double>, parameters> columns;
    for (std::size_t p = 0; p < parameters; ++p)
      columns[p] = {market.column(p, minute), market.series()};
    static_cast<void>(bank.push(minute, columns));
  }
  double at(std::size_t s, std::size_t p, std::size_t w) const { return bank.changes(p, w)[s]; }
  const Market& market;
  rolling::ChangeBank bank;
};

struct ScalarRingMarket {
  static constexpr const char* name = "scalar_ring";
  explicit ScalarRingMarket(const Market& from)
      : market(from), ring(from.series()), out(from.series() * changes) {}
  void push(std::int64_t minute) {
    for (std::size_t s = 0; s < market.series(); ++s)
      ring.update(s, minute, market.row(s, minute), out.data() + s * changes);
  }
  double at(std::size_t s, std::size_t p, std::size_t w) const {
    return out[s * changes + w * parameters + p];
  }
  const Market& market;
  ScalarRing ring;
  std::vector<double> out;
};

// The loop that a compiler sees: structure of arrays, with and without restrict.
[[gnu::noinline]] PERP_PEER void loop_aliasing(const double* now, double* stored, const double* b0,
                                               const double* b1, const double* b2, double* o0,
                                               double* o1, double* o2, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    stored[i] = now[i];
    o0[i] = peer_change(now[i], b0[i]);
    o1[i] = peer_change(now[i], b1[i]);
    o2[i] = peer_change(now[i], b2[i]);
  }
}
[[gnu::noinline]] PERP_PEER void loop_restrict(
    const double* __restrict now, double* __restrict stored, const double* __restrict b0,
    const double* __restrict b1, const double* __restrict b2, double* __restrict o0,
    double* __restrict o1, double* __restrict o2, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    stored[i] = now[i];
    o0[i] = peer_change(now[i], b0[i]);
    o1[i] = peer_change(now[i], b1[i]);
    o2[i] = peer_change(now[i], b2[i]);
  }
}

template <bool is_restrict>
struct ScalarSweep {
  static constexpr const char* name = is_restrict ? "scalar_sweep" : "scalar_sweep_aliasing";
  explicit ScalarSweep(const Market& from)
      : market(from),
        rows(slots * parameters * from.series(), std::numeric_limits<double>::quiet_NaN()),
        out(changes * from.series()) {}
  void push(std::int64_t minute) {
    const std::size_t n = market.series();
    const auto row = [&](std::int64_t at, std::size_t p) {
      return rows.data() + (static_cast<std::size_t>(at & (slots - 1)) * parameters + p) * n;
    };
    for (std::size_t p = 0; p < parameters; ++p) {
      double* const o = out.data() + p * windows.size() * n;
      (is_restrict ? loop_restrict : loop_aliasing)(market.column(p, minute), row(minute, p),
                                                    row(minute - 1, p), row(minute - 5, p),
                                                    row(minute - 10, p), o, o + n, o + 2 * n, n);
    }
  }
  double at(std::size_t s, std::size_t p, std::size_t w) const {
    return out[(p * windows.size() + w) * market.series() + s];
  }
  const Market& market;
  std::vector<double> rows;
  std::vector<double> out;
};

template <class Engine>
void sweep(benchmark::State& state) {
  const Market market(static_cast<std::size_t>(state.range(0)));
  Engine engine(market);
  std::int64_t minute = 0;
  for (; minute < 14; ++minute) {
    engine.push(minute);
    for (std::size_t s = 0; s < market.series(); ++s)
      for (std::size_t i = 0; i < changes; ++i)
        require(same_bits(engine.at(s, i % parameters, i / parameters),
                          expected(market, s, minute, i % parameters, i / parameters)),
                "a change is wrong");
  }
  for (auto _ : state) {
    engine.push(minute++);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class Engine>
void add_event() {
  benchmark::RegisterBenchmark(("rolling/change/" + std::string(Engine::name) + "/event").c_str(),
                               event<Engine>)
      ->Arg(900)
      ->Arg(9'000);
}
template <class Engine>
void add_sweep() {
  benchmark::RegisterBenchmark(("rolling/change/" + std::string(Engine::name) + "/sweep").c_str(),
                               sweep<Engine>)
      ->Arg(900)
      ->Arg(9'000);
}

[[maybe_unused]] const bool are_added = [] {
  add_event<PerpRing>();
  add_event<ScalarRing>();
  add_event<MapOfDeques>();
  add_sweep<PerpBank>();
  add_sweep<ScalarRingMarket>();
  add_sweep<ScalarSweep<true>>();
  add_sweep<ScalarSweep<false>>();
  for (const char* series : {"900", "9000"}) {
    const std::string count = series;
    at_least("rolling/change/*/event/" + count, {"scalar_ring"}, 3.8);
    at_least("rolling/change/*/event/" + count, {"map_of_deques"}, count == "900" ? 10 : 20);
    at_least("rolling/change/*/sweep/" + count, {"scalar_ring"}, 5.5);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
