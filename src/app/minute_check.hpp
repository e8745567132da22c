#pragma once
// Compares the minutes of a warehouse with the truth.csv of a simulated market. Cold; one thread.
#include <cstdint>
#include <string>
#include <vector>

namespace perp::app {

struct MinuteCheck {
  std::uint64_t minutes = 0;    ///< rows of truth.csv
  std::uint64_t compared = 0;   ///< values that both have
  std::uint64_t without = 0;    ///< minutes of which the warehouse has no row: not seen whole
  std::uint64_t different = 0;  ///< values
  std::vector<std::string> examples;
};

/// Prices, quote volume and taker volumes of every minute that has its row. @throws core::Error
/// naming the file; warehouse::DatabaseError
MinuteCheck check_minutes(const std::string& truth_file, const std::string& dsn);

}  // namespace perp::app
