#pragma once
// A simulated recording in a temporary folder, read back with nlohmann_json as any stranger would.
// Made once per option set and test program; the tests share it and change nothing.
#include <perp/sim/record.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim::test {

using Json = nlohmann::ordered_json;

/// A new folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-sim-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // a folder left behind in /tmp fails no test
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Line {
  std::int64_t receive_ns = 0;
  std::string payload;
  std::string tail;  ///< third column of a REST line
  Json json;
};

inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end = text.find(separator); end != std::string::npos;
       end = text.find(separator, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// "1793491198.004102322" to ns.
inline std::int64_t receive_ns(const std::string& text) {
  const std::size_t point = text.find('.');
  if (point == std::string::npos || text.size() != point + 10)
    throw std::runtime_error("bad receive time " + text);
  return std::stoll(text.substr(0, point)) * 1'000'000'000 + std::stoll(text.substr(point + 1));
}

inline std::vector<Line> read_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Line> lines;
  for (std::string text; std::getline(file, text);) {
    const std::vector<std::string> columns = split(text, '\t');
    if (columns.size() < 2) throw std::runtime_error(path + ": line without a tab");
    lines.push_back({receive_ns(columns[0]), columns[1], columns.size() > 2 ? columns[2] : "",
                     Json::parse(columns[1])});
  }
  return lines;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

struct Recording {
  TemporaryFolder folder;
  RecordOptions options;
  RecordReport report;
  std::map<std::string, std::vector<Line>> ws, rest;  ///< by venue key

  explicit Recording(RecordOptions wanted) : options(std::move(wanted)) {
    options.folder = folder.path();
    report = record(options, {});
    for (const market::Venue& venue : market::venues) {
      const std::string key(venue.key);
      ws[key] = read_lines(folder.path() + "/" + key + "/ws.tsv");
      rest[key] = read_lines(folder.path() + "/" + key + "/rest.tsv");
    }
  }
};

/// Eight busy coins, among them all three that are named per thousand.
inline const Recording& busy() {
  static const Recording recording([] {
    RecordOptions options;
    options.symbols = 8;
    options.minutes = 3;
    options.seed = 20'261'101;
    return options;
  }());
  return recording;
}

/// A market so dead that whole minutes pass without a trade.
inline const Recording& dead() {
  static const Recording recording([] {
    RecordOptions options;
    options.symbols = 6;
    options.minutes = 4;
    options.activity = 0.01;
    options.seed = 7;
    return options;
  }());
  return recording;
}

__extension__ using Wide = __int128;

/// An exact decimal with 18 digits: sums of price x quantity can be compared for equality.
struct Exact {
  Wide units = 0;

  static Exact parse(const std::string& text) { return {parse_digits(text, 18)}; }
  static Exact product(const std::string& a, const std::string& b) {
    return {parse_digits(a, 9) * parse_digits(b, 9)};
  }
  Exact& operator+=(Exact other) {
    units += other.units;
    return *this;
  }
  friend bool operator==(Exact, Exact) = default;
  friend auto operator<=>(Exact a, Exact b) { return a.units <=> b.units; }
  double value() const { return static_cast<double>(units) / 1e18; }

 private:
  static Wide parse_digits(const std::string& text, int digits) {
    if (text.empty()) throw std::runtime_error("empty number");
    Wide value = 0;
    int decimals = -1;
    for (const char c : text) {
      if (c == '-') continue;
      if (c == '.') {
        decimals = 0;
        continue;
      }
      if (c < '0' || c > '9') throw std::runtime_error("not a number: " + text);
      value = value * 10 + (c - '0');
      if (decimals >= 0) ++decimals;
    }
    if (decimals > digits) throw std::runtime_error("too many decimals: " + text);
    for (int i = decimals < 0 ? 0 : decimals; i < digits; ++i) value *= 10;
    return text.front() == '-' ? -value : value;
  }
};

inline std::ostream& operator<<(std::ostream& out, Exact value) { return out << value.value(); }

/// A trade as any venue tells it, in native units.
struct SeenTrade {
  std::string symbol;
  std::int64_t time_ms = 0;
  std::string price, quantity;
  bool is_buy = false;
  std::int64_t fills = 1;
  std::int64_t receive_ns = 0;
};

/// All trades of a venue's recording from its opening on (Hyperliquid's replay of older ones is
/// left out).
inline std::vector<SeenTrade> trades_of(const Recording& recording, const std::string& venue) {
  std::vector<SeenTrade> trades;
  const std::int64_t start_ms = recording.options.start_ns / 1'000'000;
  for (const Line& line : recording.ws.at(venue)) {
    const Json& json = line.json;
    const auto add = [&](SeenTrade trade) {
      trade.receive_ns = line.receive_ns;
      if (trade.time_ms >= start_ms) trades.push_back(std::move(trade));
    };
    if (venue == "binance") {
      if (!json.contains("data") || json["data"]["e"] != "aggTrade") continue;
      const Json& data = json["data"];
      add({data["s"], data["T"], data["p"], data["q"], !data["m"].get<bool>(),
           data["l"].get<std::int64_t>() - data["f"].get<std::int64_t>() + 1});
    } else if (venue == "bybit") {
      if (json.value("topic", "").rfind("publicTrade.", 0) != 0) continue;
      for (const Json& row : json["data"])
        add({row["s"], row["T"], row["p"], row["v"], row["S"] == "Buy"});
    } else if (venue == "okx") {
      if (!json.contains("data") || json["arg"]["channel"] != "trades") continue;
      for (const Json& row : json["data"])
        add({row["instId"], std::stoll(row["ts"].get<std::string>()), row["px"], row["sz"],
             row["side"] == "buy", std::stoll(row["count"].get<std::string>())});
    } else {
      if (json["channel"] != "trades") continue;
      for (const Json& row : json["data"])
        add({row["coin"], row["time"], row["px"], row["sz"], row["side"] == "B"});
    }
  }
  return trades;
}

}  // namespace perp::sim::test
