#pragma once
// Recorded messages for the market tests: one parsed JSON value per message, in the order of
// receipt.
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::market::testing {

struct RecordedMessage {
  double receive_s = 0;
  nlohmann::json json;
};

/// The folder of recordings, or nothing: such tests then skip and say so.
inline std::optional<std::string> captures_dir() {
  const char* dir = std::getenv("PERP_CAPTURES_DIR");
  if (dir == nullptr || *dir == '\0') return std::nullopt;
  return std::string(dir);
}

/// Lines of "receive_seconds<TAB>json" (.tsv) or of json alone (.jsonl).
inline std::vector<RecordedMessage> read_messages(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<RecordedMessage> messages;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const std::size_t tab = line.front() == '{' ? std::string::npos : line.find('\t');
    RecordedMessage message;
    if (tab != std::string::npos) message.receive_s = std::stod(line.substr(0, tab));
    message.json = nlohmann::json::parse(tab == std::string::npos ? line : line.substr(tab + 1));
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace perp::market::testing

#define PERP_REQUIRE_CAPTURES(dir)                                                             \
  const auto dir##_found = ::perp::market::testing::captures_dir();                            \
  if (!dir##_found) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recorded messages here"; \
  const std::string dir = *dir##_found
