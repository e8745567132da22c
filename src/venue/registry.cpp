#include <perp/venue/registry.hpp>

namespace perp::venue {

const Adapter* find_adapter(market::VenueId id) noexcept {
  switch (id) {
#define X(number, key, code, name, quote) \
  case market::VenueId::key: return &key##_adapter();
    PERP_VENUES(X)
#undef X
    case market::VenueId::none: return nullptr;
  }
  return nullptr;
}

VenueState::VenueState(const Adapter& owner)
    : adapter(owner),
      instruments(owner.spec.venue),
      own(owner.make_state == nullptr ? nullptr : owner.make_state()) {}
VenueState::~VenueState() = default;

std::string_view name_of(DecodeStatus status) noexcept {
  switch (status) {
    case DecodeStatus::ok: return "ok";
    case DecodeStatus::malformed_json: return "malformed_json";
    case DecodeStatus::not_utf8: return "not_utf8";
    case DecodeStatus::unknown_stream: return "unknown_stream";
    case DecodeStatus::missing_field: return "missing_field";
    case DecodeStatus::wrong_type: return "wrong_type";
    case DecodeStatus::out_of_range: return "out_of_range";
    case DecodeStatus::unknown_value: return "unknown_value";
    case DecodeStatus::venue_error: return "venue_error";
    case DecodeStatus::sink_full: return "sink_full";
  }
  return "unknown";
}

}  // namespace perp::venue
