#pragma once
// The one place where a feed thread writes its ring: messages are decoded straight into claimed
// space, records get their ring sequence, refused messages become error records. Replay and live
// connections both use it. One thread (the ring's producer). Allocates only for REST bodies and for
// messages larger than a claim.
//
// What a full ring does is decided here: it waits, so that the recording is read more slowly or the
// socket's own flow control acts; each wait is counted. Nothing is dropped. A live feed conflates:
// of kinds whose newest wins (market/record_kind.hpp) one record of each instrument waits beside
// the ring, replaced by newer ones, and goes in as soon as there is room, before anything that came
// later; so what is in the ring stays in the order in which it came. All other kinds wait.
#include <perp/core/histogram.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/tsc_clock.hpp>
#include <perp/feed/conflation.hpp>
#include <perp/venue/adapter.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::feed {

struct RingWriterStats {
  std::uint64_t messages = 0;  ///< frames and REST bodies
  std::uint64_t bytes = 0;     ///< of their text
  std::uint64_t records = 0;   ///< published
  std::uint64_t record_bytes = 0;
  std::uint64_t errors = 0;      ///< error records among them
  std::uint64_t full_waits = 0;  ///< times the ring had no room
  std::uint64_t conflated = 0;   ///< records that a newer one replaced while there was none
};

/// From where to where a message's time is measured. The first two lie between two clocks: negative
/// where ours is behind.
enum class LatencySpan : std::uint8_t {
  match_to_receive,      ///< RecordHeader::exchange_ns to receive_ns, of every record
  send_to_receive,       ///< from when the venue says that it sent the message (Connect::read_sent)
  receive_to_decoded,    ///< to its records in the ring's memory
  receive_to_published,  ///< to the moment when the consumer may see them
};
inline constexpr std::size_t latency_span_count = 4;
std::string_view name_of(LatencySpan span) noexcept;

/// Refused messages that look alike, counted together. At most `refusal_limit` kinds; further ones
/// are in the last.
struct Refusal {
  market::VenueId venue = market::VenueId::none;
  venue::DecodeStatus status = venue::DecodeStatus::ok;
  std::string stream;  ///< message kind or endpoint
  std::string field;
  std::string excerpt;  ///< the first one's first bytes
  std::uint64_t count = 0;
};
inline constexpr std::size_t refusal_limit = 256;

class RingWriter {
 public:
  /// @param idle called while the ring is full; it may spin, yield or park, and may return early. A
  /// `stop` that becomes true ends the wait: then what was not yet published is counted in
  /// lost_at_stop().
  RingWriter(core::RecordRing& ring, std::function<void()> idle, const std::atomic<bool>& stop);

  /// While the ring is full, records of which only the newest counts do not wait for room.
  void conflate() { is_conflating_ = true; }
  const Conflation& conflation() const { return conflation_; }
  /// A live feed listens: told of each gap record that a decoder writes, and of the first trade of
  /// an instrument that await_trade() named, before the record is published. Neither may write.
  void listen(std::function<void(const market::RecordHeader&)> on_gap,
              std::function<void(const market::RecordHeader&)> on_awaited_trade);
  /// Told besides of each snapshot of a book that came by HTTP, and of each step of a book that
  /// follow_book() named.
  void listen_to_books(std::function<void(const market::RecordHeader&)> on_book) {
    on_book_ = std::move(on_book);
  }
  /// The newest trade of a stream (not history), by native id and matching time.
  struct LastTrade {
    std::int64_t id = market::unknown_id;
    std::int64_t exchange_ns = core::unknown_ns;
    double price = market::missing;
    bool is_awaited = false;
    bool is_book_followed = false;
  };
  /// While somebody listens: per record type; history and snapshots left out. Spans other than
  /// match_to_receive count the message's first record and one message of a kind in eight, the
  /// first one among them. nullptr for a type that has none.
  const core::Histogram* latency_ns(market::RecordType type,
                                    LatencySpan span = LatencySpan::match_to_receive) const {
    return latencies_.empty() ? nullptr : histogram(type, span);
  }
  /// Known while somebody listens. @param instrument its id in records
  LastTrade last_trade(std::uint32_t instrument) const;
  /// Known while somebody listens: the venue's time of the last streamed trade, quote or book of
  /// the last frame; unknown if it had none.
  std::int64_t last_event_ns() const noexcept { return last_event_ns_; }
  void await_trade(std::uint32_t instrument);
  void follow_book(std::uint32_t instrument, bool is_followed);

  /// Decodes one WebSocket message. Whatever it gives is in the ring after the next publish().
  venue::DecodeStatus frame(venue::VenueState& state, const venue::Frame& frame);
  /// Decodes one REST body. @param keep says of each record whether it is written; all are without
  venue::DecodeStatus rest(venue::VenueState& state, const venue::RestReply& reply,
                           const std::function<bool(const market::RecordHeader&)>& keep = {});
  /// Copies a record that is already made (a tick, a journal's record) .
  void record(const market::RecordHeader& header);
  /// Records that a message was refused: an error record and its counts.
  void refuse(venue::VenueState& state, venue::DecodeStatus status, std::string_view payload,
              std::string_view endpoint, std::int64_t receive_ns);
  /// Counts a message whose records the caller decoded itself and hands over by record().
  void count_message(std::size_t bytes) {
    ++stats_.messages;
    stats_.bytes += bytes;
  }
  /// Hands everything written so far to the consumer. Call it when no further message is at hand.
  void publish();

  const RingWriterStats& stats() const { return stats_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }
  /// One message in eight: text to records in the ring's memory.
  const core::Histogram& decode_ns() const { return decode_ns_; }
  std::uint64_t lost_at_stop() const { return lost_at_stop_; }
  /// Greatest matching or receive time among trades, quotes and books: how far the recording's
  /// evidence reaches.
  std::int64_t newest_exchange_ns() const { return newest_exchange_ns_; }
  std::int64_t newest_receive_ns() const { return newest_receive_ns_; }

 private:
  bool ensure(std::size_t bytes);
  bool try_ensure(std::size_t bytes);
  bool claim(std::size_t bytes);
  void commit();
  bool flush_conflated();
  void write(const market::RecordHeader& header);
  core::Histogram* histogram(market::RecordType type, LatencySpan span) const {
    return latencies_[static_cast<std::size_t>(type) * latency_span_count +
                      static_cast<std::size_t>(span)]
        .get();
  }
  void measure(const venue::VenueState& state, const venue::Frame& frame,
               const market::RecordHeader& first);
  void stamp(std::size_t from);
  void notice(const market::RecordHeader& header);
  LastTrade& last_trade_of(std::uint32_t instrument);
  void count_refusal(const Refusal& refusal);
  void flush_scratch(const std::function<bool(const market::RecordHeader&)>& keep = {});

  core::RecordRing* ring_;
  std::function<void()> idle_;
  const std::atomic<bool>* stop_;
  std::optional<venue::RecordSink> claim_;  ///< over the ring's claimed space
  std::size_t claim_bytes_ = 0;
  venue::RecordSink scratch_;  ///< grows: REST bodies, oversized messages
  Conflation conflation_;      ///< older than all that comes
  bool is_conflating_ = false;
  std::uint32_t seq_ = 0;
  std::uint64_t lost_at_stop_ = 0;
  std::int64_t newest_exchange_ns_ = core::unknown_ns;
  std::int64_t newest_receive_ns_ = core::unknown_ns;
  std::int64_t last_event_ns_ = core::unknown_ns;
  std::function<void(const market::RecordHeader&)> on_gap_;
  std::function<void(const market::RecordHeader&)> on_awaited_trade_;
  std::function<void(const market::RecordHeader&)> on_book_;
  std::uint32_t books_followed_ = 0;
  std::vector<LastTrade> last_trades_;  ///< by instrument's index; empty: nobody listens
  std::vector<std::unique_ptr<core::Histogram>> latencies_;  ///< by record type, then span
  std::array<std::uint32_t, market::record_type_limit> measured_{};
  struct Unpublished {
    market::RecordType type;
    std::int64_t receive_ns;
  };
  std::array<Unpublished, 32> unpublished_{};  ///< messages measured since the last publish
  std::size_t unpublished_count_ = 0;
  core::TscClock clock_;
  core::Histogram decode_ns_;
  std::vector<Refusal> refusals_;
  RingWriterStats stats_;
};

}  // namespace perp::feed
