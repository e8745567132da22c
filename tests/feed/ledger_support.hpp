#pragma once
// What the ledger's tests share: a folder of their own, a time that they move, a host with limits.
#include <perp/feed/host_ledger.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace perp::feed {

class LedgerFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "perp-ledger-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  HostLedgerOptions options() {
    HostLedgerOptions options;
    options.folder = folder_;
    options.host = "fapi.binance.com";
    options.connects = {"connect", 300, 5 * core::ns_per_minute, 100};
    options.pools = {{"weight", 2400, core::ns_per_minute, 90},
                     {"funding", 500, 5 * core::ns_per_minute, 90}};
    options.report = [this](const std::string& what) { reports_.push_back(what); };
    options.boot_id = "first";
    return options;
  }
  std::string file() const { return folder_ + "/fapi.binance.com.ledger"; }

  static Moment at(double seconds) {
    const auto ns = static_cast<std::int64_t>(seconds * 1e9);
    return {{1'000 * core::ns_per_second + ns}, {1'790'000'000 * core::ns_per_second + ns}};
  }

  std::string folder_;
  std::vector<std::string> reports_;
};

using Verdict = Grant::Verdict;

}  // namespace perp::feed
