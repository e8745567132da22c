#include <perp/market/perpspec.hpp>

namespace perp::market {

std::string perpspec_name(PerpspecId id) {
  const SpecRow& row = spec_row(kind_of(id));
  if (row.kind == SpecKind::rsi && venue_of(id) == VenueId::binance) return std::string(row.suffix);
  const Venue* venue = find_venue(venue_of(id));
  return (venue == nullptr ? std::string("unknown") : std::string(venue->code)) + "-" +
         std::string(row.suffix);
}

bool find_perpspec(std::string_view name, PerpspecId& id) {
  if (name == "bin-rsi") name = "rsi";
  for (const Perpspec& spec : perpspecs)
    if (perpspec_name(spec.id) == name) {
      id = spec.id;
      return true;
    }
  return false;
}

}  // namespace perp::market
