#pragma once
// The command line's part of a backfill, and what it means together with the configuration.
#include "app/backfill_run.hpp"
#include "app/config/config.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace perp::app {

struct HistoryArguments {
  int days = 10;
  std::string from;
  std::string to;
  std::vector<std::string> types{"klines", "funding_rates", "open_interest", "long_short_ratio"};
  std::vector<std::string> intervals{"1m"};
  bool forces_refetch = false;
  std::optional<std::size_t> batch_rows{};  ///< in place of loader.batch_rows
};

/// `arguments` must outlive the parsing.
void add_history_options(CLI::App& command, HistoryArguments& arguments);
/// @throws CLI::ValidationError naming what is accepted, core::Error for a time or a setting
BackfillOptions backfill_options(const HistoryArguments& arguments, const Config& config);

/// "klines 5m", "open_interest".
std::string series_text(feed::HistorySeries series);

}  // namespace perp::app
