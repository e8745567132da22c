#pragma once
// A venue's part of a report, from the state that its feed kept. Once that feed has ended.
#include <perp/app/report.hpp>
#include <perp/venue/adapter.hpp>

namespace perp::app {

VenueReport report_of(const venue::VenueState& state);

}  // namespace perp::app
