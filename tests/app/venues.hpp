#pragma once
// Simulated venues beside a test, and a configuration that leads to them.
#include "app/process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace perp::app::testing {

/// Simulated venues, and a configuration that leads to them.
class Venues {
 public:
  explicit Venues(const std::vector<std::string>& options) {
    std::vector<std::string> words{"sim",     "serve",           "--tls-folder", folder_ / "tls",
                                   "--truth", folder_ / "truth", "--format",     "json"};
    words.insert(words.end(), options.begin(), options.end());
    process_ = std::make_unique<Process>(words);
  }
  /// @param count of venues
  bool await_addresses(std::size_t count) {
    if (!await(60, [&] {
          const std::string out = process_->out();
          return static_cast<std::size_t>(std::count(out.begin(), out.end(), '\n')) >= count;
        }))
      return false;
    std::stringstream lines(process_->out());
    for (std::string line; std::getline(lines, line);) {
      const nlohmann::json address = nlohmann::json::parse(line);
      addresses_[address["venue"]] = {address["websocket"], address["rest"]};
    }
    write_config("");
    return true;
  }
  void write_config(const std::string& more) {
    std::ofstream file(config());
    for (const auto& [venue, at] : addresses_)
      file << "exchanges." << venue << ".websocket_url = \"" << at.first << "\"\nexchanges."
           << venue << ".rest_url = \"" << at.second << "\"\n";
    file << "ledger_folder = \"" << folder_ / "run"
         << "\"\ntls_ca = \"" << folder_ / "tls/ca.pem"
         << "\"\njournal.folder = \"" << journal() << "\"\nlogging.status_s = 1\n"
         << more;
  }
  /// Ends them. @returns what they did
  nlohmann::json end() {
    process_->signal(SIGTERM);
    EXPECT_EQ(process_->wait(), 0) << process_->err();
    std::stringstream lines(process_->out());
    std::string last;
    for (std::string line; std::getline(lines, line);)
      if (!line.empty()) last = line;
    return nlohmann::json::parse(last);
  }
  std::string config() const { return folder_ / "perp.toml"; }
  std::string journal() const { return folder_ / "journal"; }
  std::string truth() const { return folder_ / "truth/truth.csv"; }
  std::string truth_folder() const { return folder_ / "truth"; }
  std::map<std::string, std::pair<std::string, std::string>>& addresses() { return addresses_; }

 private:
  Folder folder_;
  std::unique_ptr<Process> process_;
  std::map<std::string, std::pair<std::string, std::string>> addresses_;
};

}  // namespace perp::app::testing
