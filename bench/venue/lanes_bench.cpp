// Text to records on both lanes against simdjson's On-Demand lane alone, on what the simulated
// venues send in their own wire format: 25 coins whose messages take turns, so that nothing fits
// the last message's instrument by chance. One item is one message; a pass is all messages of a
// kind.
//
//   venue/<venue>_<kind>/{perp,on_demand}/simulated
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "venue/recorded.hpp"

#include <perp/sim/record.hpp>
#include <perp/venue/registry.hpp>

#include <benchmark/benchmark.h>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t message_limit = 20'000;

/// Frames into the same space over and over, as a feed thread's ring has it in its cache.
class Decoder {
 public:
  Decoder(const venue::Adapter& adapter, venue::Lanes lanes) : adapter_(adapter), lanes_(lanes) {
    reset();
  }
  void reset() {
    state_ = std::make_unique<venue::VenueState>(adapter_);
    state_->lanes = lanes_;
  }
  std::span<const std::byte> operator()(std::string_view text) {
    sink_.emplace(std::as_writable_bytes(std::span(space_)));
    venue::Frame frame;
    frame.payload = text;
    if (adapter_.decode(*state_, frame, *sink_) != venue::DecodeStatus::ok)
      throw std::runtime_error("refused: " + std::string(text.substr(0, 200)));
    return sink_->bytes();
  }
  const venue::VenueState& state() const { return *state_; }

 private:
  const venue::Adapter& adapter_;
  venue::Lanes lanes_;
  std::vector<std::uint64_t> space_ = std::vector<std::uint64_t>(std::size_t{1} << 14);
  std::optional<venue::RecordSink> sink_;
  std::unique_ptr<venue::VenueState> state_;
};

struct Kind {
  Messages messages;
  std::vector<std::size_t> introductions;  ///< the messages that bring an instrument
  double share = 0;                        ///< read by a shape
};

/// What one venue sends in three minutes, by kind.
std::map<std::string, Kind> simulated(const venue::Adapter& adapter) {
  std::string folder = std::filesystem::temp_directory_path() / "perp-bench-XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "cannot make a temporary folder");
  sim::RecordOptions options;
  options.folder = folder;
  options.minutes = 3;
  options.venues = {adapter.spec.venue};
  sim::record(options, {});
  std::map<std::string, Kind> found;
  Decoder decode(adapter, venue::Lanes::on_demand);
  const std::string venue(market::find_venue(adapter.spec.venue)->key);
  std::ifstream file(folder + "/" + venue + "/ws.tsv");
  for (std::string line; std::getline(file, line);) {
    line.erase(0, line.find('\t') + 1);
    const std::size_t size = line.size();
    line.append(venue::frame_padding, '\0');
    if (decode(std::string_view(line).substr(0, size)).empty()) continue;
    Messages& messages =
        found[std::string(adapter.message_kinds[decode.state().message_kind])].messages;
    if (messages.size() < message_limit) messages.add(std::string_view(line).substr(0, size));
  }
  std::filesystem::remove_all(folder);
  return found;
}

/// A wrong answer is not timed.
void require_equal_answers(const venue::Adapter& adapter, Kind& kind) {
  Decoder both(adapter, venue::Lanes::both);
  Decoder on_demand(adapter, venue::Lanes::on_demand);
  for (std::size_t i = 0; i < kind.messages.size(); ++i) {
    const std::size_t known = both.state().instruments.size();
    require(std::ranges::equal(both(kind.messages[i]), on_demand(kind.messages[i])),
            "the lanes differ");
    if (both.state().instruments.size() != known) kind.introductions.push_back(i);
  }
  std::uint64_t by_shape = 0;
  for (const std::uint64_t count : both.state().by_shape) by_shape += count;
  kind.share = static_cast<double>(by_shape) / static_cast<double>(kind.messages.size());
}

const Kind& kind_of(const venue::Adapter& adapter, const std::string& name) {
  static std::map<market::VenueId, std::map<std::string, Kind>> venues;
  auto& kinds = venues[adapter.spec.venue];
  if (kinds.empty()) kinds = simulated(adapter);
  Kind& kind = kinds[name];
  require(kind.messages.size() >= 50, "the simulation has none of them");
  if (kind.introductions.empty()) require_equal_answers(adapter, kind);
  return kind;
}

void run(benchmark::State& state, const venue::Adapter& adapter, venue::Lanes lanes,
         const std::string& name) {
  const Kind& kind = kind_of(adapter, name);
  Decoder decode(adapter, lanes);
  pin(0);
  for (auto _ : state) {
    state.PauseTiming();
    decode.reset();
    for (const std::size_t index : kind.introductions) decode(kind.messages[index]);
    state.ResumeTiming();
    for (std::size_t i = 0; i < kind.messages.size(); ++i)
      benchmark::DoNotOptimize(decode(kind.messages[i]).data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kind.messages.size()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(kind.messages.bytes()) * state.iterations());
  if (lanes == venue::Lanes::both) state.counters["by_shape"] = kind.share;
}

const bool registered = [] {
  const auto add = [](const venue::Adapter& adapter, const std::vector<std::string>& kinds) {
    const std::string venue(market::find_venue(adapter.spec.venue)->key);
    for (const std::string& kind : kinds) {
      for (const bool is_ours : {true, false}) {
        const std::string name =
            "venue/" + venue + "_" + kind + (is_ours ? "/perp" : "/on_demand") + "/simulated";
        const venue::Lanes lanes = is_ours ? venue::Lanes::both : venue::Lanes::on_demand;
        benchmark::RegisterBenchmark(name.c_str(), [=, &adapter](benchmark::State& state) {
          run(state, adapter, lanes, kind);
        });
      }
    }
  };
  add(venue::binance_adapter(),
      {"bookTicker", "aggTrade", "depthUpdate", "markPriceUpdate", "kline"});
  add(venue::bybit_adapter(), {"publicTrade", "orderbook", "tickers", "kline"});
  add(venue::okx_adapter(),
      {"bbo-tbt", "trades", "books", "mark-price", "tickers", "candle", "open-interest"});
  add(venue::hyperliquid_adapter(), {"bbo", "trades", "l2Book", "activeAssetCtx", "candle"});
  return true;
}();

const bool goals = [] {
  at_least("venue/bybit_publicTrade/*/simulated", {"on_demand"}, 2.7);
  at_least("venue/bybit_orderbook/*/simulated", {"on_demand"}, 2.7);
  at_least("venue/bybit_kline/*/simulated", {"on_demand"}, 3.5);
  at_least("venue/bybit_tickers/*/simulated", {"on_demand"}, 2);
  return true;
}();

}  // namespace
}  // namespace perp::bench
