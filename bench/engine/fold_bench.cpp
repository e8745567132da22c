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

/// A record with levels, as a journal holds it.
class BookRecord {
 public:
  BookRecord(market::RecordType type, std::uint32_t instrument, std::size_t levels) {
    words_.resize((sizeof(market::RecordHeader) + sizeof(market::Book)) / 8 + 4 * levels);
    auto* header = new (words_.data()) market::RecordHeader;
    header->size = static_cast<std::uint32_t>(words_.size() * 8);
    header->type = type;
    header->venue = static_cast<market::VenueId>(instrument >> 24);
    header->instrument = instrument;
    auto* book = new (header + 1) market::Book;
    book->bid_count = book->ask_count = static_cast<std::uint32_t>(levels);
    book->continuity = static_cast<std::uint8_t>(market::Continuity::continuous);
    auto* level = reinterpret_cast<market::Level*>(book + 1);
    for (std::size_t i = 1; i <= levels; ++i)
      *level++ = {28'145 - 0.1 * static_cast<double>(i), 0.5 + static_cast<double>(i % 7)};
    for (std::size_t i = 1; i <= levels; ++i)
      *level++ = {28'145 + 0.1 * static_cast<double>(i), 0.5 + static_cast<double>(i % 5)};
  }
  const market::RecordHeader& at(std::int64_t ns) {
    auto& header = *reinterpret_cast<market::RecordHeader*>(words_.data());
    header.exchange_ns = header.receive_ns = ns;
    return header;
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// The one record that reaches a moment of samples: how long the engine stands still for it.
void sample_books(benchmark::State& bench) {
  constexpr std::uint32_t instruments = 400;
  const Mix mix(instruments, 0, 1);
  const auto levels = static_cast<std::size_t>(bench.range(0));
  state::MarketState state{state::StateOptions{.ticker_interval_ns = 0}};
  state::DerivedSink sink;
  for (std::size_t i = 0; i < mix.count(); ++i) state.apply(mix[i], sink);
  std::vector<BookRecord> deltas;
  for (std::size_t i = 0; i < mix.count(); ++i) {
    BookRecord snapshot(market::RecordType::book_snapshot, mix[i].instrument, levels);
    state.apply(snapshot.at(start_ns + core::ns_per_second), sink);
    deltas.emplace_back(market::RecordType::book_delta, mix[i].instrument, 1);
  }
  core::Histogram moments;
  std::int64_t ns = start_ns;
  for (auto _ : bench) {
    ns += 30 * core::ns_per_second;
    for (BookRecord& delta : deltas) state.apply(delta.at(ns - core::ns_per_second), sink);
    sink.reset();
    const core::MonoNs before = core::mono_now();
    state.apply(deltas.front().at(ns), sink);
    const std::int64_t took = core::mono_now() - before;
    if (sink.record_count() != instruments)
      bench.SkipWithError("not every book was sampled: a wrong answer is not timed");
    sink.reset();
    moments.record(took);
    bench.SetIterationTime(static_cast<double>(took) / 1e9);
  }
  bench.SetItemsProcessed(static_cast<std::int64_t>(instruments) *
                          static_cast<std::int64_t>(bench.iterations()));
  bench.counters["moment_us_p50"] = static_cast<double>(moments.percentile(50)) / 1e3;
  bench.counters["moment_us_max"] = static_cast<double>(moments.max()) / 1e3;
}
BENCHMARK(sample_books)
    ->Name("state/sample_books/perp")
    ->ArgName("levels")
    ->Arg(50)
    ->Arg(400)
    ->Arg(1000)
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
