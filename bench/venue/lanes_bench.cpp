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

/// An instrument list, loaded before everything else as a feed does it.
struct List {
  std::string endpoint;
  std::string body;  ///< with the padding behind it
};

/// Frames into the same space over and over, as a feed thread's ring has it in its cache.
class Decoder {
 public:
  Decoder(const venue::Adapter& adapter, venue::Lanes lanes, const std::vector<List>& lists)
      : adapter_(adapter), lanes_(lanes), lists_(lists) {
    reset();
  }
  void reset() {
    state_ = std::make_unique<venue::VenueState>(adapter_);
    state_->lanes = lanes_;
    for (const List& list : lists_) {
      venue::RecordSink sink;
      venue::RestReply reply;
      reply.endpoint = list.endpoint;
      reply.body = std::string_view(list.body).substr(0, list.body.size() - venue::frame_padding);
      require(adapter_.decode_rest(*state_, reply, sink) == venue::DecodeStatus::ok,
              "an instrument list was refused");
    }
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
  const std::vector<List>& lists_;
  std::vector<std::uint64_t> space_ = std::vector<std::uint64_t>(std::size_t{1} << 14);
  std::optional<venue::RecordSink> sink_;
  std::unique_ptr<venue::VenueState> state_;
};

struct Kind {
  Messages messages;
  bool is_checked = false;
  double share = 0;  ///< read by a shape
};

/// What one venue sends in three minutes.
struct Simulation {
  std::vector<List> lists;
  std::map<std::string, Kind> kinds;
};
Simulation simulated(const venue::Adapter& adapter) {
  std::string folder = std::filesystem::temp_directory_path() / "perp-bench-XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "cannot make a temporary folder");
  sim::RecordOptions options;
  options.folder = folder;
  options.minutes = 3;
  options.venues = {adapter.spec.venue};
  sim::record(options, {});
  Simulation found;
  folder += "/" + std::string(market::find_venue(adapter.spec.venue)->key);
  std::ifstream replies(folder + "/rest.tsv");  // time, body, endpoint and what was asked
  for (std::string line; std::getline(replies, line);) {
    const std::size_t body = line.find('\t') + 1;
    const std::size_t query = line.find('\t', body) + 1;
    const std::string endpoint = line.substr(query, line.find(' ', query) - query);
    const auto row = std::ranges::find(adapter.endpoints, endpoint, &venue::Endpoint::name);
    if (row != adapter.endpoints.end() && row->is_instrument_list)
      found.lists.push_back({endpoint, line.substr(body, query - 1 - body) +
                                           std::string(venue::frame_padding, '\0')});
  }
  Decoder decode(adapter, venue::Lanes::on_demand, found.lists);
  std::ifstream frames(folder + "/ws.tsv");
  for (std::string line; std::getline(frames, line);) {
    line.erase(0, line.find('\t') + 1);
    const std::size_t size = line.size();
    line.append(venue::frame_padding, '\0');
    if (decode(std::string_view(line).substr(0, size)).empty()) continue;
    Messages& messages =
        found.kinds[std::string(adapter.message_kinds[decode.state().message_kind])].messages;
    if (messages.size() < message_limit) messages.add(std::string_view(line).substr(0, size));
  }
  std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
  return found;
}

/// A wrong answer is not timed.
void require_equal_answers(const venue::Adapter& adapter, const std::vector<List>& lists,
                           Kind& kind) {
  Decoder both(adapter, venue::Lanes::both, lists);
  Decoder on_demand(adapter, venue::Lanes::on_demand, lists);
  for (std::size_t i = 0; i < kind.messages.size(); ++i)
    require(std::ranges::equal(both(kind.messages[i]), on_demand(kind.messages[i])),
            "the lanes differ");
  std::uint64_t by_shape = 0;
  for (const std::uint64_t count : both.state().by_shape) by_shape += count;
  kind.share = static_cast<double>(by_shape) / static_cast<double>(kind.messages.size());
  kind.is_checked = true;
}

void run(benchmark::State& state, const venue::Adapter& adapter, venue::Lanes lanes,
         const std::string& name) {
  static std::map<market::VenueId, Simulation> venues;
  Simulation& simulation = venues[adapter.spec.venue];
  if (simulation.kinds.empty()) simulation = simulated(adapter);
  Kind& kind = simulation.kinds[name];
  require(kind.messages.size() >= 50, "the simulation has none of them");
  if (!kind.is_checked) require_equal_answers(adapter, simulation.lists, kind);
  Decoder decode(adapter, lanes, simulation.lists);
  pin(0);
  for (auto _ : state) {
    state.PauseTiming();
    decode.reset();
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
  at_least("venue/okx_bbo-tbt/*/simulated", {"on_demand"}, 3.5);
  at_least("venue/okx_trades/*/simulated", {"on_demand"}, 3);
  at_least("venue/okx_books/*/simulated", {"on_demand"}, 2.7);
  return true;
}();

}  // namespace
}  // namespace perp::bench
