// Folding book records: ours beside a pair of std::map and a pair of sorted vectors with the best
// level in front. The input is the recorded BTCUSDT depth stream of 2023-04-04 if PERP_CAPTURES_DIR
// names the recordings, else a stream with its shape (changes crowd at the touch) from a seed. All
// three must agree before they are timed.
#include "harness/two_threads.hpp"

#include <perp/core/prng.hpp>
#include <perp/market/order_book.hpp>

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

using market::Book;
using market::Level;
using market::RecordHeader;
using market::RecordType;
using Levels = std::vector<Level>;

/// Records one behind the other, as in a ring. The first is the snapshot.
class Stream {
 public:
  void add(RecordType type, Book book, const Levels& bids, const Levels& asks) {
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    book.continuity = static_cast<std::uint8_t>(type == RecordType::book_snapshot
                                                    ? market::Continuity::restart
                                                    : market::Continuity::continuous);
    RecordHeader header;
    header.size = static_cast<std::uint32_t>(sizeof header + sizeof book +
                                             (bids.size() + asks.size()) * sizeof(Level));
    header.type = type;
    offsets_.push_back(words_.size());
    append(&header, sizeof header);
    append(&book, sizeof book);
    append(bids.data(), bids.size() * sizeof(Level));
    append(asks.data(), asks.size() * sizeof(Level));
    changes_ += type == RecordType::book_delta ? bids.size() + asks.size() : 0;
  }
  std::size_t size() const { return offsets_.size(); }
  std::size_t change_count() const { return changes_; }
  const RecordHeader& operator[](std::size_t i) const {
    return *reinterpret_cast<const RecordHeader*>(words_.data() + offsets_[i]);
  }

 private:
  void append(const void* from, std::size_t size_bytes) {
    const std::size_t at = words_.size();
    words_.resize(at + size_bytes / 8);
    if (size_bytes != 0) std::memcpy(words_.data() + at, from, size_bytes);
  }
  std::vector<std::uint64_t> words_;
  std::vector<std::size_t> offsets_;
  std::size_t changes_ = 0;
};

Levels levels_of(simdjson::dom::array side) {
  Levels levels;
  for (simdjson::dom::element level : side) {
    const auto number = [&level](std::size_t i) {
      return std::strtod(level.at(i).get_c_str().value(), nullptr);
    };
    levels.push_back({number(0), number(1)});
  }
  return levels;
}

Stream recorded(const std::string& path) {
  Stream stream;
  std::ifstream file(path);
  require(file.is_open(), "cannot read the recording");
  simdjson::dom::parser parser;
  std::int64_t snapshot_id = 0;
  for (std::string line; std::getline(file, line);) {
    simdjson::dom::element message =
        parser.parse(std::string_view(line).substr(line.find('\t') + 1));
    simdjson::dom::element data;
    if (message["data"].get(data) != simdjson::SUCCESS) data = message;
    Book book;
    if (data["lastUpdateId"].get(snapshot_id) == simdjson::SUCCESS) {
      book.last_id = snapshot_id;
      stream.add(RecordType::book_snapshot, book, levels_of(data["bids"]), levels_of(data["asks"]));
    } else if (std::string_view(data["e"]) == "depthUpdate" &&
               std::int64_t(data["u"]) >= snapshot_id && stream.size() != 0) {
      book.first_id = data["U"];
      book.last_id = data["u"];
      book.previous_id = data["pu"];
      stream.add(RecordType::book_delta, book, levels_of(data["b"]), levels_of(data["a"]));
    }
  }
  return stream;
}

Stream simulated() {
  Stream stream;
  core::Prng prng(4);
  const auto price = [](std::int64_t tick) { return static_cast<double>(tick) * 0.1; };
  constexpr std::int64_t middle = 281'450;
  Levels bids;
  Levels asks;
  for (std::int64_t i = 1; i <= 1000; ++i) {
    bids.push_back({price(middle - i), 1 + prng.uniform()});
    asks.push_back({price(middle + i), 1 + prng.uniform()});
  }
  stream.add(RecordType::book_snapshot, Book{}, bids, asks);
  for (int event = 0; event < 4000; ++event) {
    Levels changes[2];
    for (Levels& side : changes) {
      for (std::uint64_t n = 1 + prng.below(10); n > 0; --n) {
        const auto away =
            1 + static_cast<std::int64_t>(prng.exponential(prng.chance(0.8) ? 8 : 400));
        side.push_back({price(&side == changes ? middle - away : middle + away),
                        prng.chance(0.35) ? 0 : prng.uniform()});
      }
    }
    stream.add(RecordType::book_delta, Book{}, changes[0], changes[1]);
  }
  return stream;
}

const Stream& input() {
  static const Stream stream = [] {
    const char* dir = std::getenv("PERP_CAPTURES_DIR");
    return dir == nullptr
               ? simulated()
               : recorded(std::string(dir) + "/binance/ws_combined_btcusdt_2023-04-04.tsv");
  }();
  return stream;
}

class Ours {
 public:
  void apply(const RecordHeader& record) { book_.apply(record); }
  Levels touch() const { return {*book_.best_bid(), *book_.best_ask()}; }

 private:
  market::OrderBook book_{4000};
};

template <class Side, class Other>
class Peer {
 public:
  void apply(const RecordHeader& record) {
    const Book& book = market::payload<Book>(record);
    for (const Level& level : market::bids(book)) bids_.set(level);
    for (const Level& level : market::asks(book)) asks_.set(level);
  }
  Levels touch() const { return {bids_.best(), asks_.best()}; }

 private:
  Side bids_;
  Other asks_;
};

template <class Better>
class MapSide {
 public:
  void set(const Level& level) {
    if (level.quantity == 0) {
      levels_.erase(level.price);
    } else {
      levels_[level.price] = level.quantity;
    }
  }
  Level best() const { return {levels_.begin()->first, levels_.begin()->second}; }

 private:
  std::map<double, double, Better> levels_;
};

template <class Better>
class VectorSide {  // the plain one: best in front, binary search, everything behind moves
 public:
  void set(const Level& level) {
    const auto at =
        std::lower_bound(levels_.begin(), levels_.end(), level.price,
                         [](const Level& a, double price) { return Better{}(a.price, price); });
    const bool is_known = at != levels_.end() && at->price == level.price;
    if (level.quantity == 0) {
      if (is_known) levels_.erase(at);
    } else if (is_known) {
      at->quantity = level.quantity;
    } else {
      levels_.insert(at, level);
    }
  }
  Level best() const { return levels_.front(); }

 private:
  std::vector<Level> levels_;
};

using MapBook = Peer<MapSide<std::greater<>>, MapSide<std::less<>>>;
using VectorBook = Peer<VectorSide<std::greater<>>, VectorSide<std::less<>>>;

template <class Who>
void check() {
  Who who;
  MapBook truth;
  for (std::size_t i = 0; i < input().size(); ++i) {
    who.apply(input()[i]);
    truth.apply(input()[i]);
    const Levels a = who.touch();
    const Levels b = truth.touch();
    for (std::size_t side = 0; side < 2; ++side)
      require(a[side].price == b[side].price && a[side].quantity == b[side].quantity,
              "order book: wrong touch");
  }
}

template <class Who>
void deltas(benchmark::State& state) {
  check<Who>();
  const Stream& stream = input();
  std::vector<std::uint64_t> samples;
  pin(0);
  for (auto _ : state) {
    state.PauseTiming();
    Who who;
    who.apply(stream[0]);
    state.ResumeTiming();
    for (std::size_t i = 1; i < stream.size(); ++i) who.apply(stream[i]);
    benchmark::DoNotOptimize(who.touch());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(stream.change_count()));
  state.SetLabel("items are levels changed");
  Who who;
  who.apply(stream[0]);
  for (std::size_t i = 1; i < stream.size(); ++i) {
    const std::uint64_t before = now_ns();
    who.apply(stream[i]);
    samples.push_back(now_ns() - before);
  }
  report_percentiles(state, samples);
}

template <class Who>
void load(benchmark::State& state) {
  const Stream& stream = input();
  for (auto _ : state) {
    Who who;
    who.apply(stream[0]);
    benchmark::DoNotOptimize(who.touch());
  }
}

BENCHMARK(deltas<Ours>)->Name("market/order_book/perp/deltas")->Unit(benchmark::kMicrosecond);
BENCHMARK(deltas<MapBook>)->Name("market/order_book/std_map/deltas")->Unit(benchmark::kMicrosecond);
BENCHMARK(deltas<VectorBook>)
    ->Name("market/order_book/sorted_vector/deltas")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(load<Ours>)->Name("market/order_book/perp/snapshot")->Unit(benchmark::kMicrosecond);
BENCHMARK(load<MapBook>)->Name("market/order_book/std_map/snapshot")->Unit(benchmark::kMicrosecond);
BENCHMARK(load<VectorBook>)
    ->Name("market/order_book/sorted_vector/snapshot")
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace perp::bench
