// Recorded messages of PERP_CAPTURES_DIR, one item each.
//
//   venue/<venue>_<kind>/<who>/recorded   text to fields: ours is the shape alone
//   venue/<venue>_<kind>/perp/into_ring   text to records in a ring, as a feed does it
//
// `recorded` has all messages of the kind of one recording, those of a short one over and over.
#include "harness/goals.hpp"
#include "venue/binance_readers.hpp"
#include "venue/recorded.hpp"

#include <perp/core/record_ring.hpp>
#include <perp/venue/registry.hpp>

#include <benchmark/benchmark.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

namespace perp::bench {
namespace {

using venue::Adapter;

/// Frames into a ring whose consumer has always read everything.
class RingFeed {
 public:
  explicit RingFeed(const Adapter& adapter) : adapter_(adapter) { reset(); }
  /// Begins again: a recording played twice would be full of repeats.
  void reset() { state_ = std::make_unique<venue::VenueState>(adapter_); }
  void operator()(const venue::Frame& frame) {
    if (!claim_.has_value() || room_ - claim_->bytes().size() < frame.payload.size() * 8 + 4096)
      publish();
    if (adapter_.decode(*state_, frame, *claim_) != venue::DecodeStatus::ok)
      throw std::runtime_error("refused: " + std::string(frame.payload.substr(0, 200)));
  }
  void publish() {
    if (claim_.has_value()) ring_.commit(claim_->bytes().size());
    for (auto bytes = ring_.peek(); !bytes.empty(); bytes = ring_.peek())
      ring_.release(bytes.size());
    const auto space = ring_.try_claim(ring_.max_claim());
    if (space.empty()) throw std::runtime_error("no room in a drained ring");
    claim_.emplace(space);
    room_ = space.size();
  }

 private:
  const Adapter& adapter_;
  core::RecordRing ring_{std::size_t{1} << 20};
  std::optional<venue::RecordSink> claim_;
  std::size_t room_ = 0;
  std::unique_ptr<venue::VenueState> state_;
};

void count(benchmark::State& state, const Messages& messages) {
  state.SetItemsProcessed(static_cast<std::int64_t>(messages.size()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(messages.bytes()) * state.iterations());
}

void run_ring(benchmark::State& state, const Adapter& adapter, const Messages& messages) {
  RingFeed feed(adapter);
  venue::Frame frame;
  for (auto _ : state) {
    state.PauseTiming();
    feed.reset();
    frame.payload = messages[0];
    feed(frame);  // its instrument is new
    state.ResumeTiming();
    for (std::size_t i = 1; i < messages.size(); ++i) {
      frame.payload = messages[i];
      feed(frame);
    }
  }
  count(state, messages);
}

template <Kind kind, class Reader>
void run(benchmark::State& state, const Messages& messages, Reader& reader) {
  for (auto _ : state) {
    Checksum out;
    for (std::size_t i = 0; i < messages.size(); ++i) reader.template read<kind>(messages[i], out);
    benchmark::DoNotOptimize(out.sum);
  }
  count(state, messages);
}

template <Kind kind>
void run_in_place(benchmark::State& state, const Messages& messages) {
  const auto reader = std::make_unique<RapidjsonReader>();
  Messages copy = messages;
  for (auto _ : state) {
    state.PauseTiming();  // what was read is spoilt
    std::memcpy(copy.buffer.data(), messages.buffer.data(), messages.buffer.size());
    state.ResumeTiming();
    Checksum out;
    for (const auto& place : copy.places) reader->read<kind>(copy.buffer.data() + place.first, out);
    benchmark::DoNotOptimize(out.sum);
  }
  count(state, messages);
}

/// A wrong answer is not timed.
template <Kind kind>
void require_equal_answers(const Messages& messages, const market::InstrumentTable& instruments) {
  PerpReader perp(instruments);
  SimdjsonReader simdjson;
  const auto rapidjson = std::make_unique<RapidjsonReader>();
  NlohmannReader nlohmann;
  Messages copy = messages;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Values ours;
    Values theirs[3];
    perp.read<kind>(messages[i], ours);
    simdjson.read<kind>(messages[i], theirs[0]);
    rapidjson->read<kind>(copy.buffer.data() + copy.places[i].first, theirs[1]);
    nlohmann.read<kind>(messages[i], theirs[2]);
    for (const Values& other : theirs)
      if (ours != other)
        throw std::runtime_error("different answers: " + std::string(messages[i].substr(0, 300)));
  }
}

/// Over and over, for long enough that a pass says something.
Messages repeated(const Messages& messages) {
  Messages out;
  while (out.size() < 2000)
    for (std::size_t i = 0; i < messages.size(); ++i) out.add(messages[i]);
  return out;
}

template <Kind kind>
void register_contest(const std::string& name, const std::string& file) {
  const Adapter& adapter = venue::binance_adapter();
  auto* const state = new venue::VenueState(adapter);  // as long as the program
  const std::string folder = captures_folder();
  const auto missing = [name](benchmark::State& skipped) {
    skipped.SkipWithError("PERP_CAPTURES_DIR has no such recording");
  };
  const std::string unit = "venue/binance_" + name.substr(0, name.find('/')) + "/";
  const std::string suffix =
      name.find('/') == std::string::npos ? "" : "_" + name.substr(name.find('/') + 1);
  auto recorded = folder.empty() ? std::map<std::string, Messages>()
                                 : read_recording(adapter, folder + "/binance/" + file);
  const auto found = recorded.find(name.substr(0, name.find('/')));
  if (found == recorded.end()) {
    for (const char* who : {"perp", "simdjson", "rapidjson", "nlohmann"})
      benchmark::RegisterBenchmark((unit + who + "/recorded" + suffix).c_str(), missing);
    return;
  }
  const auto* const once = new Messages(found->second);
  const auto* const messages = new Messages(repeated(*once));
  for (std::size_t i = 0; i < once->size(); ++i) {  // their instruments
    venue::RecordSink sink;
    venue::Frame frame;
    frame.payload = (*once)[i];
    if (adapter.decode(*state, frame, sink) != venue::DecodeStatus::ok)
      throw std::runtime_error("refused");
  }
  require_equal_answers<kind>(*once, state->instruments);
  const auto add = [&](const char* who, auto body) {
    benchmark::RegisterBenchmark((unit + who + "/recorded" + suffix).c_str(), body);
  };
  add("perp", [=](benchmark::State& timed) {
    PerpReader reader(state->instruments);
    run<kind>(timed, *messages, reader);
  });
  add("simdjson", [=](benchmark::State& timed) {
    SimdjsonReader reader;
    run<kind>(timed, *messages, reader);
  });
  add("rapidjson", [=](benchmark::State& timed) { run_in_place<kind>(timed, *messages); });
  add("nlohmann", [=](benchmark::State& timed) {
    NlohmannReader reader;
    run<kind>(timed, *messages, reader);
  });
  if (once->size() < 400) return;
  benchmark::RegisterBenchmark(
      (unit + "perp/into_ring" + suffix).c_str(),
      [=, &adapter](benchmark::State& timed) { run_ring(timed, adapter, *once); });
}

/// The other kinds and venues: text to records.
void register_records(const Adapter& adapter, const std::string& venue) {
  const std::string folder = captures_folder() + "/" + venue;
  if (captures_folder().empty() || !std::filesystem::is_directory(folder)) return;
  std::map<std::string, Messages> kinds;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with("ws_") || !(name.ends_with(".tsv") || name.ends_with(".jsonl"))) continue;
    for (auto& [kind, messages] : read_recording(adapter, file.path().string()))
      if (messages.size() > kinds[kind].size()) kinds[kind] = std::move(messages);
  }
  for (auto& [kind, messages] : kinds) {
    if (messages.size() < 20) continue;  // too few to say anything
    const auto* const kept = new Messages(std::move(messages));
    benchmark::RegisterBenchmark(
        ("venue/" + venue + "_" + kind + "/perp/records").c_str(),
        [=, &adapter](benchmark::State& state) { run_ring(state, adapter, *kept); });
  }
}

const bool registered = [] {
  register_contest<Kind::book_ticker>("bookTicker", "ws_combined_btcusdt_2024-08-08.tsv");
  register_contest<Kind::trade>("trade", "ws_combined_btcusdt_2024-08-08.tsv");
  register_contest<Kind::agg_trade>("aggTrade", "ws_aggtrade_2021-07.tsv");
  register_contest<Kind::depth>("depthUpdate", "ws_depth_2021-07.tsv");
  register_contest<Kind::depth>("depthUpdate/long", "ws_combined_btcusdt_2024-08-08.tsv");
  for (const auto& row : market::venues)
    if (const Adapter* adapter = venue::find_adapter(row.id); adapter != nullptr)
      register_records(*adapter, std::string(row.key));
  return true;
}();

const bool goals = [] {
  for (const char* kind : {"bookTicker", "trade", "aggTrade"}) {
    const std::string contest = "venue/binance_" + std::string(kind) + "/*/";
    at_least(contest + "recorded", {"simdjson"}, 3.5);
    at_least(contest + "recorded", {"rapidjson"}, 7);
    at_least(contest + "recorded", {"nlohmann"}, 35);
  }
  for (const char* name : {"recorded", "recorded_long"}) {
    const std::string contest = "venue/binance_depthUpdate/*/" + std::string(name);
    at_least(contest, {"simdjson"}, 2.7);
    at_least(contest, {"rapidjson"}, 5);
    at_least(contest, {"nlohmann"}, 25);
  }
  for (const char* kind : {"bookTicker", "trade", "depthUpdate"}) {
    const std::string unit = "venue/binance_" + std::string(kind);
    at_most_more_ns(unit + "/*/into_ring", {unit + "/perp/recorded"}, 15);
  }
  return true;
}();

}  // namespace
}  // namespace perp::bench
