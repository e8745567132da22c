#include "sim/check/venue_check.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/reader.hpp>
#include <perp/sim/check.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace perp::sim {

std::string_view name_of(CheckedKind kind) {
  switch (kind) {
    case CheckedKind::trade: return "trades";
    case CheckedKind::kline: return "candles";
    case CheckedKind::liquidation: return "liquidations";
    case CheckedKind::book: return "book events";
  }
  return "unknown";
}

bool CheckReport::is_sound() const {
  return std::all_of(rows.begin(), rows.end(), [](const CheckCounts& row) {
    return row.lost + row.doubled + row.altered + row.reordered + row.unknown == 0;
  });
}

bool CheckReport::is_whole() const {
  return std::all_of(rows.begin(), rows.end(),
                     [](const CheckCounts& row) { return row.told == 0; });
}

namespace {

/// The nearest rank: the least time that so many in a hundred do not exceed.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, std::size_t percent) {
  return sorted[(sorted.size() * percent + 99) / 100 - 1];
}

void add_times(FaultKind kind, std::vector<std::int64_t>& times, CheckReport& report) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  report.recoveries.push_back({.kind = kind,
                               .count = times.size(),
                               .p50_ns = percentile(times, 50),
                               .p99_ns = percentile(times, 99),
                               .max_ns = times.back()});
}

}  // namespace

CheckReport check(const CheckOptions& options) {
  const FaultLog faults =
      options.removed_file.empty() ? FaultLog() : FaultLog(options.removed_file);
  std::array<std::unique_ptr<VenueCheck>, 256> venues;
  bool has_truth = false;
  for (const market::Venue& venue : market::venues) {
    const std::string path = TruthLog::path_of(options.truth_folder, venue.id);
    if (!std::filesystem::exists(path)) continue;
    has_truth = true;
    venues[static_cast<std::size_t>(venue.id)] =
        std::make_unique<VenueCheck>(TruthFile::read(path), faults, options);
  }
  if (!has_truth)
    throw core::Error("there is no truth", options.truth_folder,
                      "it is written by `perp sim serve --truth`");

  journal::Reader reader(options.journal_folder);
  while (const market::RecordHeader* const record = reader.next()) {
    VenueCheck* const venue = venues[static_cast<std::size_t>(record->venue)].get();
    if (venue == nullptr || record->type == market::RecordType::instrument) continue;
    const market::Instrument* const instrument =
        record->instrument == 0 ? nullptr : reader.find_instrument(record->instrument);
    venue->take(*record, instrument == nullptr ? std::string_view() : instrument->native.view());
  }
  CheckReport report;
  for (const auto& venue : venues)
    if (venue != nullptr) venue->conclude(report);
  std::vector<std::int64_t> all;
  for (const FaultKindRow& kind : fault_kinds) {
    std::vector<std::int64_t> times;
    for (const auto& venue : venues)
      if (venue != nullptr)
        times.insert(times.end(), venue->recovery().times(kind.kind).begin(),
                     venue->recovery().times(kind.kind).end());
    all.insert(all.end(), times.begin(), times.end());
    add_times(kind.kind, times, report);
  }
  add_times(FaultKind::random, all, report);
  return report;
}

}  // namespace perp::sim
