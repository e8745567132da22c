#pragma once
// Which adapter serves which venue. Each line of PERP_VENUES has one adapter.
#include <perp/venue/adapter.hpp>

namespace perp::venue {

const Adapter& binance_adapter() noexcept;
const Adapter& bybit_adapter() noexcept;
const Adapter& okx_adapter() noexcept;
const Adapter& hyperliquid_adapter() noexcept;

/// nullptr for VenueId::none or a number that no venue has.
const Adapter* find_adapter(market::VenueId id) noexcept;

}  // namespace perp::venue
