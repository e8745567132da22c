#pragma once
// The fuzzer's seed corpora as scenarios: the same messages, in the same order, in the same
// notation (see fuzz/decode_fuzz.hpp), so that what the fuzzer starts from is also what the
// property tests disturb.
#include "venue/adversity.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace perp::test {

inline std::map<std::string, Scenario> corpus_scenarios(const venue::Adapter& adapter) {
  const market::Venue* venue = market::find_venue(adapter.spec.venue);
  const auto folder = std::filesystem::path(PERP_SOURCE_DIR) / "tests/fuzz/corpus" /
                      (std::string(venue->key) + "_fuzz");
  std::map<std::string, Scenario> scenarios;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(file.path(), std::ios::binary);
    Scenario& scenario = scenarios[file.path().filename().string()];
    for (std::string line; std::getline(in, line);) {
      if (line.empty()) continue;
      Step step{line.substr(1)};
      if (line[0] != 'f') {
        step.endpoint = adapter.endpoints[static_cast<std::size_t>(line[0] - '0')].name;
        step.symbol = adapter.spec.venue == market::VenueId::binance ? "BTCUSDT" : "";
        step.period = "1d";
      }
      scenario.push_back(std::move(step));
    }
  }
  EXPECT_GE(scenarios.size(), 5U) << folder;
  return scenarios;
}

/// Without the lines that are no JSON: cut short, they need not be malformed.
inline Scenario json_only(const Scenario& scenario) {
  Scenario result;
  for (const Step& step : scenario)
    if (step.text.starts_with('{') || step.text.starts_with('[')) result.push_back(step);
  return result;
}

}  // namespace perp::test
