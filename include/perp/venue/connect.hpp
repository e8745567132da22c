#pragma once
// What a feed must know of a venue to be live: its sockets and their limits, who pings, the streams
// that it has and what they are called, the requests that fill what no stream brings. Data and pure
// functions beside the adapter: no I/O, no clock. What a venue does not have is absent here. The
// venue's own figures stand in its source with where they come from; where we stay below them on
// purpose the comment says so. Everything here is constant and may be read by any thread.
#include <perp/venue/adapter.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace perp::venue {

class SubscriptionTable;

/// What one may want to know of a contract, whatever a venue calls it.
enum class StreamKind : std::uint8_t {
  trades,
  bbo,   ///< best bid and offer
  book,  ///< depth
  mark_price,
  funding,
  ticker,    ///< 24 h figures
  kline_1m,  ///< one-minute candles
  liquidations,
  open_interest,
  long_short_ratio,
  taker_volume,
};
inline constexpr std::size_t stream_kind_count = 11;
std::string_view name_of(StreamKind kind) noexcept;

/// A set of kinds, one bit each.
using StreamKinds = std::uint32_t;
template <class... Kinds>
constexpr StreamKinds kinds_of(Kinds... kinds) {
  return (StreamKinds{0} | ... | (StreamKinds{1} << static_cast<unsigned>(kinds)));
}
inline constexpr StreamKinds all_kinds = (StreamKinds{1} << stream_kind_count) - 1;

/// So many in any window of that length. A count of 0: the venue states no limit.
struct Rate {
  std::uint32_t count = 0;
  std::int64_t window_ns = 0;
};

struct HeaderField {
  std::string_view name{};
  std::string_view value{};
};

/// What one connection may carry and ask, and what one address may open. 0: no limit stated.
struct SocketLimits {
  std::uint32_t topics_per_connection = 0;
  std::uint32_t heavy_per_connection = 0;  ///< streams that are `is_heavy`
  std::uint32_t topic_bytes_per_connection =
      0;  ///< counted as topic_cost_bytes, quotes and comma included
  std::uint32_t topics_per_frame = 1;
  std::uint32_t frame_bytes = 0;
  Rate frames{};              ///< sent by us on one connection, pings included
  Rate frames_per_address{};  ///< the same over all connections of the address
  std::uint32_t topics_per_address = 0;
  std::uint32_t connections_open = 0;  ///< of one address
  Rate dials{};                        ///< new connections of one address
  std::int64_t lifetime_ns = 0;        ///< the venue cuts every connection at this age
  std::int64_t roll_over_ns = 0;       ///< we replace it at this age, before
  std::int64_t idle_cut_ns = 0;        ///< the venue cuts what is idle for so long
};

/// Who pings, how, and how the answer is told from data.
struct PingRule {
  std::int64_t interval_ns = 0;      ///< we send `text` so often; 0: we need not
  std::string_view text{};           ///< of a text message: "ping", {"op":"ping"}
  bool is_only_when_quiet = false;   ///< due only when nothing arrived for interval_ns
  std::int64_t pong_timeout_ns = 0;  ///< no answer (IncomingKind::pong) for so long: broken
  std::int64_t server_ping_ns = 0;   ///< the venue sends WebSocket pings so often; 0: never
};

/// What the reply of a TokenStep says of the connection.
struct TokenReply {
  std::string url{};                  ///< the whole address to dial, with the token
  std::int64_t ping_interval_ns = 0;  ///< in place of PingRule::interval_ns; 0: not said
  std::int64_t pong_timeout_ns = 0;   ///< in place of PingRule::pong_timeout_ns; 0: not said
};

/// A request before each dial whose reply says where to dial (KuCoin's token). The reply is used at
/// once and for one dial: no token grows old.
struct TokenStep {
  std::string_view method{};  ///< "POST"
  std::string_view target{};  ///< "/api/v1/bullet-public" at the REST origin
  std::uint16_t weight = 1;   ///< of the first pool
  /// @param connect_id an id of ours, another one for each dial. @returns false for a body that
  /// says no address.
  bool (*read)(std::string_view body, std::uint64_t connect_id, TokenReply& reply) = nullptr;
};

/// One kind of connection. Another origin (testnet, proxy, simulator) keeps the target.
struct Socket {
  std::string_view name{};            ///< "public": in logs, metrics and records
  std::string_view origin{};          ///< "wss://fstream.binance.com"
  std::string_view testnet_origin{};  ///< empty: the venue has none
  std::string_view target{};          ///< "/public/stream"
  SocketLimits limits{};
  PingRule ping{};
  std::span<const HeaderField> fields{};  ///< the opening request must carry these
  const TokenStep* token = nullptr;       ///< replaces origin and target
  bool is_topic_the_target = false;  ///< the URL is the subscription: target + topic, no frames
  bool waits_for_greeting = false;   ///< send nothing before IncomingKind::greeting
};

/// A stream of the venue. Its topic is prefix + symbol + suffix, or the prefix alone if venue-wide.
struct Stream {
  StreamKinds kinds = 0;  ///< what it brings; several for a ticker that carries everything
  std::uint8_t socket = 0;
  std::string_view prefix{};
  std::string_view suffix{};
  bool is_venue_wide = false;
  bool is_heavy = false;         ///< counts against SocketLimits::heavy_per_connection
  bool sends_at_once = false;    ///< a snapshot or the state follows the acknowledgement
  bool is_clocked = false;       ///< sent at each interval, changed or not: no sign of activity
  std::int64_t interval_ns = 0;  ///< as the venue states it; 0: with each event
  std::int64_t silence_ns = 0;   ///< longer than that is broken for a liquid contract; 0: never
  std::int64_t silence_ns_quiet = 0;  ///< the same for a quiet contract
};

/// How a stale book becomes whole again.
enum class BookResync : std::uint8_t {
  rest_snapshot,  ///< RestPurpose::book_snapshot joins the stream that goes on
  resubscribe,    ///< unsubscribe and subscribe the topic: a snapshot follows
  next_message,   ///< each message is the whole book
};

/// What a venue does about one topic that it does not know.
enum class UnknownTopic : std::uint8_t {
  refused_alone,      ///< an error that names it; the others of the frame stand
  refuses_frame,      ///< an error; what became of the frame's other topics is unknown
  silent,             ///< acknowledged, and silent for ever
  closes_connection,  ///< every subscription of the connection is lost, without a word
};

enum class Verb : std::uint8_t { subscribe, unsubscribe };

/// Everything a venue sends falls into one of these.
enum class IncomingKind : std::uint8_t {
  data,      ///< for decode(); `subscription` says whose, if we asked for it
  ack,       ///< of the frame `id`, or of the topic `subscription` where the venue names it
  list,      ///< what the venue believes that we subscribed; raw in `text`
  refusal,   ///< why in `refusal`
  pong,      ///< answers PingRule::text
  greeting,  ///< the first words of a connection
  closing,   ///< the venue will close this connection soon: dial another now
  other,     ///< nothing of the above; decode() may still know it
};
std::string_view name_of(IncomingKind kind) noexcept;

enum class Refusal : std::uint8_t {
  none,
  unknown_topic,
  already_subscribed,  ///< the topic is live: no fault of the connection
  not_subscribed,
  too_fast,
  malformed,  ///< our request, in the venue's eyes
  other,
};
std::string_view name_of(Refusal refusal) noexcept;

inline constexpr std::uint32_t no_subscription = ~std::uint32_t{0};

/// What one message is. Views point into the payload.
struct Incoming {
  IncomingKind kind = IncomingKind::other;
  Refusal refusal = Refusal::none;
  Verb verb = Verb::subscribe;                   ///< of an ack, where the venue says it
  std::int32_t code = 0;                         ///< the venue's number of a refusal or notice
  std::uint32_t subscription = no_subscription;  ///< index in the table
  std::uint64_t id = 0;                          ///< of our frame; 0: not said
  std::string_view text{};                       ///< the venue's words
};

/// Why a request is sent.
enum class RestPurpose : std::uint8_t {
  instruments,    ///< at the start, and then each interval_ns
  clock,          ///< the venue's time
  poll,           ///< no stream brings `kinds`: each interval_ns
  book_snapshot,  ///< a book that must become whole
  seed,           ///< the state of a stream that sends no snapshot
  trade_fill,     ///< trades missed
  kline_fill,     ///< candles missed
  history,        ///< rows of long ago, as far back as the venue keeps them
  token,          ///< TokenStep's: where to dial
};

/// A budget that requests share, per address. Requests cost their weight.
struct RestPool {
  std::string_view name{};
  Rate budget{};
  std::string_view used_field{};       ///< response header: spent in this window, by the address
  std::string_view remaining_field{};  ///< response header: what is left of it
};

/// One kind of request. In `query` and `body` a <hole> is filled from a RestQuery: symbol, period,
/// from_id, until_id, cursor, start, start-1, end, end-1 (ms). A query's parameter with <hole?> is
/// left out where the value is not given.
struct RestCall {
  RestPurpose purpose = RestPurpose::poll;
  StreamKinds kinds = 0;
  std::string_view endpoint{};  ///< Adapter::endpoints' name, for decode_rest
  std::string_view method = "GET";
  std::string_view query{};
  std::string_view body{};
  std::string_view period{};  ///< default of <period>, and RestReply::period
  bool is_per_symbol = false;
  bool pages_backward = false;        ///< newest first: the next page ends where this one began
  std::uint32_t rows_max = 0;         ///< of one reply; 0: all there is
  std::uint16_t weight = 1;           ///< for rows_max rows
  std::uint16_t rows_per_weight = 0;  ///< so many rows fewer cost 1 less; 0: rows cost nothing
  std::uint8_t pool = 0;
  std::int64_t interval_ns = 0;  ///< of a poll
  /// Of history: the least between two rows; of candles the period; of trades the longest span that
  /// one request may name, 0: it names none.
  std::int64_t step_ns = 0;
  std::int64_t reach_ns = 0;         ///< of history: kept for so long; 0: for ever
  std::uint32_t reach_rows = 0;      ///< of history: kept are so many periods; 0: all
  bool is_used_field_wrong = false;  ///< its header of spent weight must be ignored
};

struct Topic;

/// What the reply to a `clock` call says.
struct ClockReading {
  std::int64_t time_ns = core::unknown_ns;  ///< as it stands there; unknown: not said
  std::int64_t step_ns = 0;                 ///< of that clock: the time was up to so much later
};

/// A length of candles that a venue has, and its word for it.
struct CandlePeriod {
  std::int64_t length_ns = 0;
  std::string_view word{};
};

/// A venue, live.
struct Connect {
  std::span<const Socket> sockets{};
  std::span<const Stream> streams{};
  StreamKinds without_source = 0;  ///< neither stream nor poll: the venue does not have it
  std::string_view rest_origin{};
  std::string_view testnet_rest_origin{};
  std::span<const HeaderField> testnet_rest_fields{};
  std::span<const RestPool> pools{};
  std::span<const RestCall> calls{};
  std::span<const CandlePeriod> candle_periods{};  ///< of its history
  BookResync book_resync = BookResync::rest_snapshot;
  UnknownTopic unknown_topic = UnknownTopic::refused_alone;
  bool is_ack_per_topic = false;      ///< one ack for each topic of a frame, not one for the frame
  bool is_symbol_lower_case = false;  ///< in topics
  /// A streamed trade sums fills and has the id of the last one; of history each fill is a row.
  bool is_trade_sum_of_fills = false;
  /// For how long nothing is asked after a "too often" that names no time: the venue's window. 0:
  /// the venue does not say.
  std::int64_t too_often_ns = 0;

  /// Appends one client message about the topics; at most SocketLimits::topics_per_frame of them.
  /// @param id of the answer, from 1. Null where the URL is the subscription.
  void (*write_frame)(Verb verb, std::uint64_t id, std::span<const Topic> topics,
                      std::string& out) = nullptr;
  /// What a message is and whose. Never throws, allocates or reads behind the payload; it does not
  /// judge the message: decode() does. Cost: the keys in front of the one that tells.
  Incoming (*classify)(const SubscriptionTable& table, std::string_view payload) noexcept = nullptr;
  /// When the venue sent this message by its own word, apart from when what it tells happened;
  /// unknown: it does not say. Judges nothing else; decode() does. Null: the venue never says.
  std::int64_t (*read_sent)(std::string_view payload) noexcept = nullptr;
  /// The venue's time in the body of a `clock` call. Judges nothing else: decode_rest() does.
  ClockReading (*read_clock)(std::string_view body) noexcept = nullptr;
  /// Whether the body of a reply says that we asked too often, whatever its status is. Null: the
  /// status says it.
  bool (*is_too_often)(std::string_view body) noexcept = nullptr;
  /// The <cursor> of the next page, as plain text, in the body of a call that has one; empty: this
  /// was the last. Null where no call has a cursor.
  std::string (*next_cursor)(std::string_view body) = nullptr;
};

}  // namespace perp::venue
