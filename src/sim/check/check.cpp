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

CheckReport check(const CheckOptions& options) {
  const RemovedEvents removed =
      options.removed_file.empty() ? RemovedEvents() : RemovedEvents(options.removed_file);
  std::array<std::unique_ptr<VenueCheck>, 256> venues;
  bool has_truth = false;
  for (const market::Venue& venue : market::venues) {
    const std::string path = TruthLog::path_of(options.truth_folder, venue.id);
    if (!std::filesystem::exists(path)) continue;
    has_truth = true;
    venues[static_cast<std::size_t>(venue.id)] =
        std::make_unique<VenueCheck>(TruthFile::read(path), options);
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
    if (venue != nullptr) venue->conclude(removed, report);
  return report;
}

}  // namespace perp::sim
