#include "app/venue_report.hpp"

namespace perp::app {

VenueReport report_of(const venue::VenueState& state) {
  VenueReport report;
  report.venue = state.adapter.spec.venue;
  for (std::size_t i = 0; i < state.adapter.message_kinds.size(); ++i)
    if (state.messages[i] != 0)
      report.messages.push_back(
          {std::string(state.adapter.message_kinds[i]), state.messages[i], state.by_shape[i]});
  report.decode_errors = state.decode_errors;
  report.venue_errors = state.venue_errors;
  report.instruments = state.instruments.size();
  report.provisional_instruments = state.provisional_instruments;
  report.other_instrument_messages = state.other_instruments;
  report.duplicates = state.duplicates;
  report.gaps = state.gaps;
  report.checksums_verified = state.checksums_verified;
  report.checksum_mismatches = state.checksum_mismatches;
  return report;
}

}  // namespace perp::app
