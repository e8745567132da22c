#pragma once
// What a feed says of itself, as records in its ring: the state of streams, holes, the passing of
// time. Belongs to the feed's thread; cold.
#include <perp/feed/ring_writer.hpp>
#include <perp/market/record.hpp>
#include <perp/venue/connect.hpp>

#include <cstdint>
#include <string_view>

namespace perp::feed {

/// Of which record a stream of that kind is made.
constexpr market::RecordType record_type_of(venue::StreamKind kind) noexcept {
  switch (kind) {
    case venue::StreamKind::trades: return market::RecordType::trade;
    case venue::StreamKind::bbo: return market::RecordType::bbo;
    case venue::StreamKind::book: return market::RecordType::book_delta;
    case venue::StreamKind::mark_price: return market::RecordType::mark_price;
    case venue::StreamKind::funding: return market::RecordType::funding;
    case venue::StreamKind::ticker: return market::RecordType::ticker;
    case venue::StreamKind::kline_1m: return market::RecordType::kline;
    case venue::StreamKind::liquidations: return market::RecordType::liquidation;
    case venue::StreamKind::open_interest: return market::RecordType::open_interest;
    case venue::StreamKind::long_short_ratio: return market::RecordType::long_short_ratio;
    case venue::StreamKind::taker_volume: return market::RecordType::taker_volume;
  }
  return market::RecordType::padding;
}

class StatusWriter {
 public:
  StatusWriter(RingWriter& writer, market::VenueId venue) : writer_(writer), venue_(venue) {}

  /// One record per kind. @param instrument 0: every one of the venue
  void status(std::uint32_t instrument, venue::StreamKinds kinds, market::FeedState state,
              std::uint32_t connection, std::string_view reason, core::WallNs now);
  /// Of the connection as such.
  void connection(market::FeedState state, std::uint32_t connection, std::string_view reason,
                  core::WallNs now);
  /// One record per kind.
  void gap(std::uint32_t instrument, venue::StreamKinds kinds, core::WallNs from, core::WallNs to,
           market::GapCause cause);
  void tick(core::WallNs now);

  std::uint64_t gaps() const noexcept { return gaps_; }

 private:
  RingWriter& writer_;
  market::VenueId venue_;
  std::uint64_t gaps_ = 0;
};

}  // namespace perp::feed
