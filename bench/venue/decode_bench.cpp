// Recorded messages to records, per venue and kind: ours against nlohmann_json and RapidJSON in
// situ, which build a document and take the same numbers out of it with strtod. PERP_CAPTURES_DIR
// names the folder of recordings. One item is one message; a pass over all messages of a kind is
// one iteration, each with a fresh VenueState.
#include <perp/venue/registry.hpp>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>
#include <rapidjson/document.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {
namespace {

using venue::Adapter;
using venue::frame_padding;

/// Messages of one kind, each padded, in one buffer.
struct Messages {
  std::string buffer;
  std::vector<std::pair<std::size_t, std::size_t>> places;

  void add(std::string_view text) {
    places.emplace_back(buffer.size(), text.size());
    buffer += text;
    buffer.append(frame_padding, '\0');
  }
  std::size_t size() const { return places.size(); }
  std::string_view operator[](std::size_t index) const {
    return {buffer.data() + places[index].first, places[index].second};
  }
  std::size_t bytes() const {
    std::size_t total = 0;
    for (const auto& place : places) total += place.second;
    return total;
  }
};

/// The numbers of a message, as a reader of its document takes them. One order for all readers.
using Values = std::vector<double>;

double number(const char* text) { return std::strtod(text, nullptr); }

// Readers of Binance messages: the same fields, once per library.
void read_nlohmann(std::string_view text, Values& out) {
  const auto message = nlohmann::json::parse(text);
  const auto& data = message.contains("data") ? message["data"] : message;
  const auto& type = data["e"].get_ref<const std::string&>();
  const auto take = [&](const nlohmann::json& value) {
    out.push_back(number(value.get_ref<const std::string&>().c_str()));
  };
  if (type == "bookTicker") {
    for (const char* key : {"b", "B", "a", "A"}) take(data[key]);
    out.push_back(data["u"].get<double>());
    out.push_back(data["T"].get<double>());
  } else if (type == "trade" || type == "aggTrade") {
    for (const char* key : {"p", "q"}) take(data[key]);
    out.push_back(data[type == "trade" ? "t" : "a"].get<double>());
    out.push_back(data["T"].get<double>());
    out.push_back(data["m"].get<bool>() ? 1 : 0);
  } else if (type == "depthUpdate") {
    for (const char* key : {"U", "u", "pu", "T"}) out.push_back(data[key].get<double>());
    for (const char* key : {"b", "a"})
      for (const auto& level : data[key]) {
        take(level[0]);
        take(level[1]);
      }
  } else if (type == "markPriceUpdate") {
    for (const char* key : {"p", "P", "i", "r"}) take(data[key]);
    for (const char* key : {"T", "E"}) out.push_back(data[key].get<double>());
  }
}

void read_rapidjson(char* text, Values& out) {
  rapidjson::Document message;
  message.ParseInsitu(text);
  const rapidjson::Value& data = message.HasMember("data") ? message["data"] : message;
  const std::string_view type(data["e"].GetString(), data["e"].GetStringLength());
  const auto take = [&](const rapidjson::Value& value) {
    out.push_back(number(value.GetString()));
  };
  if (type == "bookTicker") {
    for (const char* key : {"b", "B", "a", "A"}) take(data[key]);
    out.push_back(static_cast<double>(data["u"].GetInt64()));
    out.push_back(static_cast<double>(data["T"].GetInt64()));
  } else if (type == "trade" || type == "aggTrade") {
    for (const char* key : {"p", "q"}) take(data[key]);
    out.push_back(static_cast<double>(data[type == "trade" ? "t" : "a"].GetInt64()));
    out.push_back(static_cast<double>(data["T"].GetInt64()));
    out.push_back(data["m"].GetBool() ? 1 : 0);
  } else if (type == "depthUpdate") {
    for (const char* key : {"U", "u", "pu", "T"})
      out.push_back(static_cast<double>(data[key].GetInt64()));
    for (const char* key : {"b", "a"})
      for (const auto& level : data[key].GetArray()) {
        take(level[0]);
        take(level[1]);
      }
  } else if (type == "markPriceUpdate") {
    for (const char* key : {"p", "P", "i", "r"}) take(data[key]);
    for (const char* key : {"T", "E"}) out.push_back(static_cast<double>(data[key].GetInt64()));
  }
}

/// The same numbers out of our records.
void read_records(std::span<const std::byte> bytes, Values& out) {
  const auto ms = [](std::int64_t ns) { return static_cast<double>(ns / core::ns_per_ms); };
  venue::for_each_record(bytes, [&](const market::RecordHeader& header) {
    switch (header.type) {
      case market::RecordType::bbo: {
        const auto& bbo = market::payload<market::Bbo>(header);
        out.insert(out.end(), {bbo.bid_price, bbo.bid_quantity, bbo.ask_price, bbo.ask_quantity,
                               static_cast<double>(bbo.update_id), ms(header.exchange_ns)});
        break;
      }
      case market::RecordType::trade: {
        const auto& trade = market::payload<market::Trade>(header);
        out.insert(out.end(),
                   {trade.price, trade.quantity, static_cast<double>(trade.trade_id),
                    ms(header.exchange_ns), trade.taker_side == market::Side::sell ? 1.0 : 0.0});
        break;
      }
      case market::RecordType::book_delta: {
        const auto& book = market::payload<market::Book>(header);
        out.insert(out.end(),
                   {static_cast<double>(book.first_id), static_cast<double>(book.last_id),
                    static_cast<double>(book.previous_id), ms(header.exchange_ns)});
        for (const auto levels : {market::bids(book), market::asks(book)})
          for (const market::Level& level : levels)
            out.insert(out.end(), {level.price, level.quantity});
        break;
      }
      case market::RecordType::mark_price: {
        const auto& price = market::payload<market::MarkPrice>(header);
        out.insert(out.end(), {price.mark_price, price.settle_estimate, price.index_price});
        break;
      }
      case market::RecordType::funding: {
        const auto& funding = market::payload<market::Funding>(header);
        out.insert(out.end(), {funding.rate, ms(funding.funding_ns), ms(header.exchange_ns)});
        break;
      }
      default: break;
    }
  });
}

class Decoder {
 public:
  explicit Decoder(const Adapter& adapter) : adapter_(adapter), space_(std::size_t{1} << 17) {
    reset();
  }
  void reset() { state_ = std::make_unique<venue::VenueState>(adapter_); }
  std::span<const std::byte> operator()(std::string_view text) {
    sink_.emplace(std::as_writable_bytes(std::span(space_)));
    venue::Frame frame;
    frame.payload = text;
    if (const auto status = adapter_.decode(*state_, frame, *sink_);
        status != venue::DecodeStatus::ok)
      throw std::runtime_error("refused: " + std::string(name_of(status)) + " " +
                               std::string(text.substr(0, 200)));
    return sink_->bytes();
  }
  std::string_view kind() const { return adapter_.message_kinds[state_->message_kind]; }

 private:
  const Adapter& adapter_;
  std::vector<std::uint64_t> space_;
  std::optional<venue::RecordSink> sink_;
  std::unique_ptr<venue::VenueState> state_;
};

/// A wrong answer is not timed.
void require_equal_answers(const Messages& messages) {
  Decoder decode(venue::binance_adapter());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Values ours;
    Values nlohmann_says;
    Values rapidjson_says;
    std::string copy(messages[i]);
    read_records(decode(messages[i]), ours);
    read_nlohmann(messages[i], nlohmann_says);
    read_rapidjson(copy.data(), rapidjson_says);
    if (ours != nlohmann_says || ours != rapidjson_says)
      throw std::runtime_error("different answers: " + std::string(messages[i].substr(0, 300)));
  }
}

void run_perp(benchmark::State& state, const Adapter& adapter, const Messages& messages) {
  Decoder decode(adapter);
  for (auto _ : state) {
    decode.reset();  // trades that come twice would be dropped as repeats
    for (std::size_t i = 0; i < messages.size(); ++i)
      benchmark::DoNotOptimize(decode(messages[i]).data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(messages.size()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(messages.bytes()) * state.iterations());
}

void run_nlohmann(benchmark::State& state, const Messages& messages) {
  Values values;
  for (auto _ : state)
    for (std::size_t i = 0; i < messages.size(); ++i) {
      values.clear();
      read_nlohmann(messages[i], values);
      benchmark::DoNotOptimize(values.data());
    }
  state.SetItemsProcessed(static_cast<std::int64_t>(messages.size()) * state.iterations());
}

void run_rapidjson(benchmark::State& state, const Messages& messages) {
  Values values;
  std::string copy;  // in situ parsing writes into its text, as a receive buffer would be written
  for (auto _ : state)
    for (std::size_t i = 0; i < messages.size(); ++i) {
      values.clear();
      copy.assign(messages[i]);
      read_rapidjson(copy.data(), values);
      benchmark::DoNotOptimize(values.data());
    }
  state.SetItemsProcessed(static_cast<std::int64_t>(messages.size()) * state.iterations());
}

/// Kinds of a file's frames; what is refused or is no frame is left out.
void load(const Adapter& adapter, const std::string& path, std::map<std::string, Messages>& kinds) {
  std::ifstream file(path);
  std::map<std::string, Messages> found;
  venue::VenueState state(adapter);
  for (std::string line; std::getline(file, line);) {
    if (path.ends_with(".tsv")) line.erase(0, line.find('\t') + 1);
    const std::size_t size = line.size();
    line.append(frame_padding, '\0');
    venue::RecordSink sink;
    venue::Frame frame;
    frame.payload = std::string_view(line.data(), size);
    if (adapter.decode(state, frame, sink) != venue::DecodeStatus::ok || sink.record_count() == 0)
      continue;
    found[std::string(adapter.message_kinds[state.message_kind])].add(frame.payload);
  }
  // One recording per kind: ids of two do not follow each other.
  kinds.merge(found);
}

const int registered = [] {
  const char* folder = std::getenv("PERP_CAPTURES_DIR");
  if (folder == nullptr) return 0;
  static std::map<std::string, std::map<std::string, Messages>> venues;
  const struct {
    const char* venue;
    const Adapter& adapter;
    std::vector<const char*> files;
  } sources[] = {
      {"binance",
       venue::binance_adapter(),
       {"ws_combined_btcusdt_2024-08-08.tsv", "ws_combined_btcusdt_2023-04-04.tsv",
        "ws_aggtrade_2021-07.tsv", "ws_kline_1m_2021-07.tsv"}},
      {"bybit", venue::bybit_adapter(), {}},
      {"okx", venue::okx_adapter(), {}},
      {"hyperliquid", venue::hyperliquid_adapter(), {}},
  };
  for (const auto& source : sources) {
    auto& kinds = venues[source.venue];
    const std::string base = std::string(folder) + "/" + source.venue + "/";
    if (!source.files.empty()) {
      for (const char* file : source.files) load(source.adapter, base + file, kinds);
    } else if (std::filesystem::is_directory(base)) {
      for (const auto& file : std::filesystem::directory_iterator(base)) {
        const std::string name = file.path().filename().string();
        if (name.starts_with("ws_") && (name.ends_with(".tsv") || name.ends_with(".jsonl")))
          load(source.adapter, file.path().string(), kinds);
      }
    }
    for (auto& [kind, messages] : kinds) {
      if (messages.size() < 20) continue;  // too few to say anything
      const std::string unit = "venue/" + std::string(source.venue) + "_" + kind + "/";
      const Messages* const batch = &messages;
      const Adapter* const adapter = &source.adapter;
      benchmark::RegisterBenchmark((unit + "perp").c_str(), [=](benchmark::State& state) {
        run_perp(state, *adapter, *batch);
      });
      const bool has_peers = kind == "bookTicker" || kind == "trade" || kind == "aggTrade" ||
                             kind == "depthUpdate" || kind == "markPriceUpdate";
      if (adapter->spec.venue != market::VenueId::binance || !has_peers) continue;
      require_equal_answers(messages);
      benchmark::RegisterBenchmark((unit + "nlohmann").c_str(),
                                   [=](benchmark::State& state) { run_nlohmann(state, *batch); });
      benchmark::RegisterBenchmark((unit + "rapidjson_insitu").c_str(),
                                   [=](benchmark::State& state) { run_rapidjson(state, *batch); });
    }
  }
  return 1;
}();

}  // namespace
}  // namespace perp::bench
