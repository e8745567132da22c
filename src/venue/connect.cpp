#include <perp/venue/connect.hpp>

#include <array>

namespace perp::venue {

std::string_view name_of(StreamKind kind) noexcept {
  static constexpr std::array<std::string_view, stream_kind_count> names = {
      "trades",   "bbo",          "book",          "mark_price",       "funding",     "ticker",
      "kline_1m", "liquidations", "open_interest", "long_short_ratio", "taker_volume"};
  const auto index = static_cast<std::size_t>(kind);
  return index < names.size() ? names[index] : "unknown";
}

std::string_view name_of(IncomingKind kind) noexcept {
  switch (kind) {
    case IncomingKind::data: return "data";
    case IncomingKind::ack: return "ack";
    case IncomingKind::list: return "list";
    case IncomingKind::refusal: return "refusal";
    case IncomingKind::pong: return "pong";
    case IncomingKind::greeting: return "greeting";
    case IncomingKind::closing: return "closing";
    case IncomingKind::other: return "other";
  }
  return "unknown";
}

std::string_view name_of(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::none: return "none";
    case Refusal::unknown_topic: return "unknown_topic";
    case Refusal::already_subscribed: return "already_subscribed";
    case Refusal::not_subscribed: return "not_subscribed";
    case Refusal::too_fast: return "too_fast";
    case Refusal::malformed: return "malformed";
    case Refusal::other: return "other";
  }
  return "unknown";
}

}  // namespace perp::venue
