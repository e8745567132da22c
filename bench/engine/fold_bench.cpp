// Records per second through the fold: a realistic mix of four venues, closes included. 400
// instruments; of 100 records about 55 trades, 30 best bid/offers, 10 mark prices and funding
// rates, 4 running candles, 1 tick; each instrument's closed candle once a minute.
#include <perp/core/histogram.hpp>
#include <perp/state/market_state.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

namespace perp {
namespace {

constexpr std::int64_t start_ns = std::int64_t{1'718'107'200} * core::ns_per_second;

/// Records one behind the other, as a journal holds them.
class Mix {
 public:
  Mix(std::uint32_t instruments, int minutes, int records_per_second) : instruments_(instruments) {
    for (std::uint32_t i = 0; i < instruments_; ++i) {
      auto& made = add<market::Instrument>(market::RecordType::instrument, id(i), core::unknown_ns,
                                           core::unknown_ns);
      made.is_primary = 1;
    }
    const std::int64_t step = core::ns_per_second / records_per_second;
    const std::int64_t end = start_ns + minutes * core::ns_per_minute;
    std::int64_t candles_done = start_ns / core::ns_per_minute - 1;
    for (std::int64_t ns = start_ns; ns < end; ns += step) {
      const std::int64_t minute = (ns - core::ns_per_second) / core::ns_per_minute - 1;
      if (minute > candles_done) {
        candles_done = minute;
        for (std::uint32_t i = 0; i < instruments_; ++i)
          candle(i, minute * core::ns_per_minute, ns, market::Tristate::yes);
      }
      one(ns);
    }
  }
  std::size_t count() const { return offsets_.size(); }
  const market::RecordHeader& operator[](std::size_t i) const {
    return *reinterpret_cast<const market::RecordHeader*>(words_.data() + offsets_[i]);
  }

 private:
  static std::uint32_t id(std::uint32_t i) { return (1 + i % 4) << 24 | (i / 4); }

  template <class Payload>
  Payload& add(market::RecordType type, std::uint32_t instrument, std::int64_t exchange_ns,
               std::int64_t receive_ns) {
    offsets_.push_back(words_.size());
    words_.resize(words_.size() + (sizeof(market::RecordHeader) + sizeof(Payload)) / 8);
    auto* header = new (words_.data() + offsets_.back()) market::RecordHeader;
    header->size = sizeof(market::RecordHeader) + sizeof(Payload);
    header->type = type;
    header->venue = static_cast<market::VenueId>(instrument >> 24);
    header->instrument = instrument;
    header->exchange_ns = exchange_ns;
    header->receive_ns = receive_ns;
    return *new (header + 1) Payload;
  }
  void candle(std::uint32_t i, std::int64_t open_ns, std::int64_t ns, market::Tristate closed) {
    auto& kline = add<market::Kline>(market::RecordType::kline, id(i), ns, ns + 1'000'000);
    kline.open_ns = open_ns;
    kline.interval_ns = core::ns_per_minute;
    kline.open = kline.high = kline.low = kline.close = 100 + real_(random_);
    kline.volume_quote = 1e6;
    kline.taker_buy_quote = 5e5;
    kline.is_closed = closed;
  }
  void one(std::int64_t ns) {
    const auto kind = static_cast<int>(random_() % 100);
    const auto i = static_cast<std::uint32_t>(random_() % instruments_);
    const std::int64_t receive_ns = ns + 1'000'000;
    if (kind < 55) {
      auto& trade = add<market::Trade>(market::RecordType::trade, id(i), ns, receive_ns);
      trade.price = 100 + real_(random_);
      trade.quantity = real_(random_) + 0.01;
      trade.taker_side = (random_() & 1) != 0 ? market::Side::buy : market::Side::sell;
    } else if (kind < 85) {
      add<market::Bbo>(market::RecordType::bbo, id(i), ns, receive_ns).bid_price = 100;
    } else if (kind < 90) {
      add<market::MarkPrice>(market::RecordType::mark_price, id(i), ns, receive_ns).mark_price =
          100 + real_(random_);
    } else if (kind < 95) {
      auto& funding = add<market::Funding>(market::RecordType::funding, id(i), ns, receive_ns);
      funding.rate = 1e-4;
      funding.kind = market::FundingKind::predicted;
    } else if (kind < 99) {
      candle(i, ns / core::ns_per_minute * core::ns_per_minute, ns, market::Tristate::no);
    } else {
      add<market::Tick>(market::RecordType::tick, 0, core::unknown_ns, receive_ns);
    }
  }

  std::uint32_t instruments_;
  std::vector<std::uint64_t> words_;
  std::vector<std::size_t> offsets_;
  std::mt19937_64 random_{42};
  std::uniform_real_distribution<double> real_{0, 1};
};

void fold(benchmark::State& bench) {
  const Mix mix(400, 30, static_cast<int>(bench.range(0)));
  std::uint64_t minutes = 0;
  for (auto _ : bench) {
    state::MarketState state{state::StateOptions{}};
    state::DerivedSink sink;
    for (std::size_t i = 0; i < mix.count(); ++i) {
      state.apply(mix[i], sink);
      sink.reset();
    }
    minutes = 0;
    for (const std::uint64_t rows : state.totals().minutes_closed) minutes += rows;
    benchmark::DoNotOptimize(minutes);
  }
  if (minutes < 30 * 400)
    bench.SkipWithError("the fold closed too few minutes: a wrong answer is not timed");
  bench.SetItemsProcessed(static_cast<std::int64_t>(mix.count()) *
                          static_cast<std::int64_t>(bench.iterations()));
  bench.counters["minute_rows"] = static_cast<double>(minutes);
}
BENCHMARK(fold)
    ->Name("state/fold/perp/mix")
    ->ArgName("records_per_s")
    ->Arg(1'000)
    ->Arg(5'000)
    ->Unit(benchmark::kMillisecond);

/// The one record of a minute that closes all instruments: how long the engine stands still for it.
void close_minute(benchmark::State& bench) {
  const Mix mix(static_cast<std::uint32_t>(bench.range(0)), 15, 2'000);
  core::Histogram closes;
  for (auto _ : bench) {
    state::MarketState state{state::StateOptions{}};
    state::DerivedSink sink;
    double seconds = 0;
    for (std::size_t i = 0; i < mix.count(); ++i) {
      const core::MonoNs before = core::mono_now();
      state.apply(mix[i], sink);
      const std::int64_t took = core::mono_now() - before;
      if (sink.record_count() < 100) {
        sink.reset();
        continue;
      }
      sink.reset();
      closes.record(took);
      seconds += static_cast<double>(took) / 1e9;
    }
    bench.SetIterationTime(seconds);
  }
  bench.counters["close_us_p50"] = static_cast<double>(closes.percentile(50)) / 1e3;
  bench.counters["close_us_max"] = static_cast<double>(closes.max()) / 1e3;
}
BENCHMARK(close_minute)
    ->Name("state/close_minute/perp")
    ->ArgName("instruments")
    ->Arg(400)
    ->Arg(2'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// What a checkpoint costs the engine before it is written.
void save(benchmark::State& bench) {
  const Mix mix(static_cast<std::uint32_t>(bench.range(0)), 5, 1'000);
  state::MarketState state{state::StateOptions{}};
  state::DerivedSink sink;
  for (std::size_t i = 0; i < mix.count(); ++i) {
    state.apply(mix[i], sink);
    sink.reset();
  }
  std::vector<std::byte> image;
  for (auto _ : bench) {
    image.clear();
    state.save(image);
  }
  bench.counters["image_MB"] = static_cast<double>(image.size()) / 1e6;
}
BENCHMARK(save)
    ->Name("state/save/perp")
    ->ArgName("instruments")
    ->Arg(400)
    ->Arg(2'000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perp
