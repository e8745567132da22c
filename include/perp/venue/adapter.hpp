#pragma once
// The contract of a venue adapter: data plus three pure functions. No I/O, no clock, no thread of
// its own; frames and REST replies in, records out. One VenueState belongs to one feed thread and
// nobody else touches it.
#include <perp/market/instrument_table.hpp>
#include <perp/market/record.hpp>
#include <perp/venue/record_sink.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue {

/// Why a message was refused, or how it was taken. Numbers are on disk (DecodeFailure::status).
enum class DecodeStatus : std::uint8_t {
  ok = 0,              ///< decoded (possibly into no record: an ack, a repeat)
  malformed_json = 1,  ///< not JSON, truncated, or bytes behind the message's end
  not_utf8 = 2,
  unknown_stream = 3,  ///< valid JSON of a kind that the adapter does not know
  missing_field = 4,
  wrong_type = 5,
  out_of_range =
      6,  ///< a number that fits no finite double or int64, or a text too long for its field
  unknown_value = 7,  ///< an enumerated text with a value that is not known (side, type)
  venue_error = 8,    ///< the venue said no: {"code":..}, retCode != 0, event error
  sink_full = 9,      ///< the sink had no room: nothing was taken, the caller retries with more
};
std::string_view name_of(DecodeStatus status) noexcept;

/// What must be sent back at once (a JSON pong). Filled by decode(), sent by the feed.
struct Reply {
  std::array<char, 256> data;
  std::size_t size = 0;
};

/// One WebSocket message. The payload has at least `frame_padding` readable bytes behind its end.
inline constexpr std::size_t frame_padding = 64;
struct Frame {
  std::string_view payload;
  std::int64_t receive_ns = core::unknown_ns;
  std::uint32_t connection = 0;
  bool is_binary = false;
  Reply* reply = nullptr;  ///< may be null: replay has nobody to answer
};

/// Which trades of a reply are wanted, so that a hole between two trades of a stream is filled and
/// nothing else: what lies outside is passed over as if the reply did not have it, neither made a
/// record nor remembered as seen, because the stream has brought it or still will.
struct TradeWindow {
  std::int64_t after_id = market::unknown_id;   ///< ids behind this one; unknown: of any id
  std::int64_t before_id = market::unknown_id;  ///< ids before this one; unknown: of any id
  std::int64_t from_ns = core::unknown_ns;      ///< times from here on; unknown: of any time
  std::int64_t until_ns = core::unknown_ns;     ///< times up to here, included; unknown: the same

  // What the reply had, filled by decode_rest().
  std::uint32_t rows = 0;         ///< all of them
  std::vector<std::int64_t> ids;  ///< of those inside, repeats among them
  std::int64_t oldest_ns = core::unknown_ns;
  std::int64_t newest_ns = core::unknown_ns;

  /// Notes a row. @returns whether it is inside.
  bool admits(std::int64_t id, std::int64_t exchange_ns);
};

/// One HTTP body. Padded like a frame.
struct RestReply {
  std::string_view endpoint;  ///< the adapter's own name for it, see Adapter::endpoints
  std::string_view symbol;    ///< native symbol asked for, empty if none
  std::string_view body;
  std::string_view period;  ///< "5m", "1d", ...: the period or interval asked for, empty if none
  std::int64_t receive_ns = core::unknown_ns;
  bool is_backfill = false;       ///< history rather than a poll of now
  TradeWindow* window = nullptr;  ///< of a reply with trades: null takes them all
};

/// A REST endpoint the adapter can decode, and how a recorded file names it.
struct Endpoint {
  std::string_view name;  ///< "klines", "open-interest": unique in the venue
  std::string_view path;  ///< "/fapi/v1/klines"
  std::string_view
      needs;  ///< "", "symbol", "period", "symbol period": what the body does not say itself
  std::string_view aliases;         ///< space-separated other names under which recordings store it
  bool is_instrument_list = false;  ///< loaded before everything else of a recording
};

/// Facts about a venue, each with its source in docs/venues.
struct Spec {
  market::VenueId venue = market::VenueId::none;
  std::string_view rest_url;
  std::string_view ws_urls;  ///< space-separated
  bool is_contract_size_one =
      false;  ///< sizes are coins of the named unit for every linear perpetual
  bool is_liquidation_sampled = false;
};

/// Message kinds are counted; index 0 is always "unknown".
inline constexpr std::size_t message_kind_limit = 64;

/// Private, adapter-specific state (ticker merging, book continuity, de-duplication).
struct AdapterState {
  virtual ~AdapterState() = default;
};

struct Adapter;

/// Who reads a WebSocket message. Both lanes give the same records or the same refusal.
enum class Lanes : std::uint8_t {
  both = 0,       ///< its shape where one matches (the fast lane), else simdjson's On-Demand
  on_demand = 1,  ///< always simdjson's On-Demand, which defines the right answer
};

/// Everything one feed thread keeps for one venue.
class VenueState {
 public:
  explicit VenueState(const Adapter& adapter);
  ~VenueState();
  VenueState(const VenueState&) = delete;
  VenueState& operator=(const VenueState&) = delete;

  const Adapter& adapter;
  market::InstrumentTable instruments;
  std::unique_ptr<AdapterState> own;  ///< made by Adapter::make_state

  Lanes lanes = Lanes::both;  ///< may be changed between messages

  // Set by each decode call.
  std::uint8_t message_kind = 0;  ///< index into Adapter::message_kinds of the last message
  std::string_view fault_field;   ///< field that was refused; static text or inside the payload

  // Totals since construction; read by the owner.
  std::array<std::uint64_t, message_kind_limit>
      messages{};  ///< per message kind, refused ones included
  std::array<std::uint64_t, message_kind_limit>
      by_shape{};                   ///< those of them that a shape read; the others were simdjson's
  std::uint64_t decode_errors = 0;  ///< refused by us; counted by the adapter
  std::uint64_t venue_errors =
      0;  ///< the venue said no (DecodeStatus::venue_error); counted by the driver
  std::uint64_t provisional_instruments = 0;  ///< taken from a stream for want of a list
  std::uint64_t duplicates = 0;               ///< repeats dropped (replayed trades, same-id books)
  std::uint64_t gaps = 0;                     ///< sequence holes found
  std::uint64_t checksums_verified = 0;
  std::uint64_t checksum_mismatches = 0;
  std::uint64_t unnamed_rows = 0;  ///< rows of a list without names that no meta list has named
  std::uint64_t other_instruments = 0;  ///< messages about spot, dated and inverse contracts
};

/// What a feed must know to be live (connect.hpp).
struct Connect;

struct Adapter {
  Spec spec;
  std::span<const std::string_view> message_kinds;
  std::span<const Endpoint> endpoints;
  std::unique_ptr<AdapterState> (*make_state)() = nullptr;
  /// One WebSocket message -> records in `sink`. On any status but ok nothing stays in the sink
  /// (the caller rolls back) and no state has changed except counters; fault_field names the
  /// culprit. Allocates nothing for a hot stream once its instruments are known.
  DecodeStatus (*decode)(VenueState&, const Frame&, RecordSink&) noexcept = nullptr;
  /// One HTTP body -> records.
  DecodeStatus (*decode_rest)(VenueState&, const RestReply&, RecordSink&) noexcept = nullptr;
  /// nullptr: recordings only.
  const Connect* connect = nullptr;
};

}  // namespace perp::venue
