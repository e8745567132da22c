#pragma once
// OKX v5 public data: what the parts of the adapter share. okx.cpp has the adapter's data and the
// two entry points, okx_streams.cpp the frames, okx_shapes.cpp their fast lane, okx_books.cpp the
// order books, okx_rows.cpp what frames and replies have in common, okx_rest.cpp and
// okx_statistics.cpp the replies, okx_instruments.cpp names and the instrument list. One feed
// thread. Wire facts: docs/venues/okx.md.
#include "venue/common.hpp"
#include "venue/rows.hpp"
#include "venue/seen_trades.hpp"

#include <perp/market/continuity.hpp>
#include <perp/market/okx_checksum.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace perp::venue::okx {

/// Message kinds; the order is that of kind_names. REST kinds stand in the order of `endpoints`.
enum Kind : std::uint8_t {
  kind_unknown = 0,
  kind_pong,
  kind_subscribe,
  kind_unsubscribe,
  kind_error,
  kind_notice,
  kind_connection_count,
  kind_trades,
  kind_trades_all,
  kind_books,
  kind_books5,
  kind_bbo,
  kind_books_l2,
  kind_books50_l2,
  kind_tickers,
  kind_mark_price,
  kind_index_tickers,
  kind_funding_rate,
  kind_open_interest,
  kind_candle,
  kind_mark_candle,
  kind_index_candle,
  kind_liquidations,
  kind_instruments,
  kind_status,
  kind_rest_instruments,
  kind_rest_time,
  kind_rest_tickers,
  kind_rest_books,
  kind_rest_books_full,
  kind_rest_trades,
  kind_rest_history_trades,
  kind_rest_candles,
  kind_rest_history_candles,
  kind_rest_mark_candles,
  kind_rest_history_mark_candles,
  kind_rest_index_candles,
  kind_rest_history_index_candles,
  kind_rest_mark_price,
  kind_rest_index_tickers,
  kind_rest_funding_rate,
  kind_rest_funding_history,
  kind_rest_open_interest,
  kind_rest_liquidations,
  kind_rest_position_tiers,
  kind_rest_insurance_fund,
  kind_rest_account_ratio,
  kind_rest_top_account_ratio,
  kind_rest_top_position_ratio,
  kind_rest_interest_history,
  kind_rest_taker_volume,
  kind_rest_coin_account_ratio,
  kind_rest_coin_interest_volume,
  kind_rest_coin_taker_volume,
  kind_count,
};
static_assert(kind_count <= message_kind_limit);
extern const std::array<std::string_view, kind_count> kind_names;
extern const std::array<Endpoint, kind_count - kind_rest_instruments> endpoints;

/// A channel of incremental books with its own chain of ids.
enum BookChannel : std::size_t {
  channel_books,
  channel_books_l2,
  channel_books50_l2,
  book_channel_count
};
inline constexpr std::array<std::uint16_t, book_channel_count> channel_levels = {400, 400, 50};

/// One book kept as text for its checksum, of recordings that still carry one.
struct TextBook {
  market::OkxChecksumBook book;
  bool is_whole = false;  ///< since a snapshot, nothing missed
};

struct BookState {
  market::OkxBookSequence sequence;
  bool had_snapshot = false;
  std::unique_ptr<TextBook> text;
};

/// Trades already taken. `trades` sums fills and `trades-all` does not: each has ids of its own
/// granularity.
struct SeenTrades {
  IdWindow aggregates;
  IdWindow fills;
};

/// What is kept of one instrument.
struct Market {
  std::array<BookState, book_channel_count> books;
  market::SnapshotBookSequence books5;
  std::unique_ptr<SeenTrades> trades;  ///< made with the first trade
};

/// A level's texts as received.
struct LevelText {
  std::string_view price;
  std::string_view size;
};

/// What a message will have changed once it is taken; thrown away when it is refused.
struct Pending {
  const market::InstrumentEntry* counted = nullptr;  ///< whose trades stand here: counted once
  std::uint32_t books5_of = 0;                       ///< instrument id; 0 = nothing
  market::SnapshotBookSequence books5;
  struct TradeIds {
    std::uint32_t instrument;
    bool is_fill;
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<TradeIds> trades;  ///< keeps its capacity
};

// What the messages of hot streams say. Both lanes fill these; take() makes records of them.

struct TradeEvent : market::Trade {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
/// Its levels are in the state's `bids` and `asks`; with a checksum their texts beside them.
struct BookEvent {
  const market::InstrumentEntry* entry = nullptr;
  BookChannel channel = channel_books;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t sequence = market::unknown_id;
  std::int64_t previous = market::unknown_id;
  std::int64_t checksum = 0;  ///< 0: none; OKX sends 0 since 2026-06-23
  bool is_snapshot = false;
};
struct Books5Event {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t sequence = market::unknown_id;
};
struct QuoteEvent : market::Bbo {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
struct MarkEvent : market::MarkPrice {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
struct TickerEvent : market::Ticker, market::Bbo {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  bool has_touch = false;
};
struct InterestEvent : market::OpenInterest {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
struct KlineEvent : market::Kline {
  const market::InstrumentEntry* entry = nullptr;
};

/// A trade on its way through the fast lane.
struct TradeRow : TradeEvent {
  bool is_buy = false;
  std::int64_t count = market::unknown_id;
  std::string_view source;
};

struct State final : CommonState {
  std::deque<Market> markets;  ///< by the low 24 bits of the instrument's id
  Pending pending;
  std::vector<LevelText> bid_texts;  ///< scratch beside CommonState::bids and asks
  std::vector<LevelText> ask_texts;
  std::vector<TradeRow> trade_rows;
  std::array<char, 64> key_buffer;

  Market& market(std::uint32_t id) {
    const std::size_t index = id & 0x00ff'ffff;
    if (index >= markets.size()) markets.resize(index + 1);
    return markets[index];
  }
  void commit();
};

/// One message being read, from a stream or from REST.
struct Context {
  Transaction& message;
  State& own;
  VenueState& state;
  std::uint8_t kind = kind_unknown;
  std::string_view symbol = {};    ///< instId of the subscription or of the request; may be empty
  std::string_view period = {};    ///< of the request
  std::uint8_t flags_now = 0;      ///< of records that tell the state of now
  std::uint8_t flags_history = 0;  ///< of events and history
  bool is_rest = false;
  bool is_ordered =
      false;  ///< records are put in order of time: replies, and streams whose rows are in none
  bool is_newest_first = false;   ///< lists of one instrument's history are
  TradeWindow* window = nullptr;  ///< of a reply's trades: those that are wanted

  json::Fault& fault() const { return own.fault; }
};

// --- names and instruments ---

bool describe(std::string_view native, InstrumentFacts& facts);
/// The instrument an index belongs to: the swap of that name if it is known, else "index:<name>".
const market::InstrumentEntry* index_instrument(Context& context, std::string_view index_name);
void read_instruments(Context& context, json::ondemand::array& data);

// --- rows that streams and replies share; each reads the whole `data` ---

void read_trades(Context& context, json::ondemand::array& data);
void read_tickers(Context& context, json::ondemand::array& data);
void read_mark_prices(Context& context, json::ondemand::array& data);
void read_index_tickers(Context& context, json::ondemand::array& data);
void read_funding_rates(Context& context, json::ondemand::array& data);
void read_open_interests(Context& context, json::ondemand::array& data);
void read_liquidations(Context& context, json::ondemand::array& data);
/// `interval_ns` may be unknown. Mark and index candles have no volumes.
void read_candles(Context& context, json::ondemand::array& data, market::PriceKind kind,
                  std::int64_t interval_ns);
/// A bar text ("1m", "4H", "1Dutc"); a month has no fixed length and reads as unknown.
[[nodiscard]] bool read_bar(std::string_view text, std::int64_t& interval_ns);

// --- order books ---

void read_book(Context& context, json::ondemand::array& data, BookChannel channel,
               std::string_view action);
void read_books5(Context& context, json::ondemand::array& data);
void read_bbo(Context& context, json::ondemand::array& data);
void read_rest_book(Context& context, json::ondemand::array& data);

// okx_rows.cpp
/// The fills that a row sums up; tradeId is the last of them. @returns false for too many.
[[nodiscard]] bool set_fills(market::Trade& trade, std::int64_t count);
/// What `source` says: "0" an order of the book, "1" one of retail price improvement.
market::Tristate is_rpi(std::string_view source);
/// volCcy24h and volCcy are of another currency there.
bool is_spot(const market::InstrumentEntry& entry);
void take(Context& context, const TradeEvent& event);
void take(Context& context, const MarkEvent& event);
void take(Context& context, const TickerEvent& event);
void take(Context& context, const InterestEvent& event);
void take(Context& context, const KlineEvent& event);
// okx_books.cpp
void take(Context& context, const BookEvent& event);
void take(Context& context, const Books5Event& event);
void take(Context& context, const QuoteEvent& event);

// okx_shapes.cpp
/// The fast lane. @returns whether a shape matched the whole payload and its event was taken;
/// otherwise nothing has happened.
bool read_shape(Context& context, std::string_view payload);

void read_frame(Context& context, json::Object& root);
void read_answer(Context& context, json::ondemand::array& data);
/// The rubik statistics and the settled funding rates: history in rows.
void read_statistics(Context& context, json::ondemand::array& data);

/// The instrument that `symbol` of the request names, for bodies that do not say it.
const market::InstrumentEntry* requested_instrument(Context& context);
/// The period asked for; unknown when the request does not tell it, a fault when it cannot be read.
std::int64_t period_of(Context& context);

/// Calls visit(object) for each row. A list that came by REST is read twice: first every row's
/// instrument (key "instId"), because instrument records must come before those that are put in
/// order of time; then the rows.
template <class Visit>
void each_instrument_row(Context& context, json::ondemand::array& data, Visit visit);
/// What each_instrument_row does around the rows. @returns the place in the sink behind which
/// records are ordered.
bool begin_rows(Context& context, json::ondemand::array& data, std::size_t& from_bytes);
void end_rows(Context& context, std::size_t from_bytes);

template <class Visit>
void each_instrument_row(Context& context, json::ondemand::array& data, Visit visit) {
  std::size_t from_bytes = 0;
  if (context.is_ordered && !begin_rows(context, data, from_bytes)) return;
  json::each_object(data, context.fault(), "data", [&](json::ondemand::object object) {
    if (context.message.ok()) visit(object);
  });
  if (context.is_ordered && context.message.ok()) end_rows(context, from_bytes);
}

/// What a feed must know to be live: okx_connect.cpp.
extern const Connect connect;

}  // namespace perp::venue::okx
