#pragma once
// Bybit v5, linear perpetuals: what the parts of the adapter share. bybit.cpp has the adapter's
// data and the two entry points, bybit_streams.cpp the frames, bybit_shapes.cpp their fast lane,
// bybit_ticker.cpp the tickers of both, bybit_rest.cpp the replies, bybit_instruments.cpp names and
// the instrument list. One feed thread. Wire facts: docs/venues/bybit.md.
#include "venue/common.hpp"
#include "venue/rows.hpp"
#include "venue/seen_trades.hpp"

#include <perp/market/continuity.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace perp::venue::bybit {

/// Message kinds; the order is that of kind_names. REST kinds stand in the order of `endpoints`.
enum Kind : std::uint8_t {
  kind_unknown = 0,
  kind_ack,
  kind_pong,
  kind_error,
  kind_trade,
  kind_book,
  kind_ticker,
  kind_kline,
  kind_all_liquidation,
  kind_liquidation,
  kind_system_status,
  kind_rest_kline,
  kind_rest_mark_kline,
  kind_rest_index_kline,
  kind_rest_premium_kline,
  kind_rest_tickers,
  kind_rest_book,
  kind_rest_rpi_book,
  kind_rest_trades,
  kind_rest_open_interest,
  kind_rest_funding,
  kind_rest_ratio,
  kind_rest_instruments,
  kind_rest_time,
  kind_count,
};
extern const std::array<std::string_view, kind_count> kind_names;
extern const std::array<Endpoint, kind_count - kind_rest_kline> endpoints;

/// The depths of orderbook.<depth>. Book::depth tells them apart, so the book with RPI orders,
/// which has 50 levels too, is given 51 and the full one 0.
struct Depth {
  std::string_view name;
  std::uint16_t levels;
};
inline constexpr auto depths = std::to_array<Depth>({{"1", 1},
                                                     {"50", 50},
                                                     {"200", 200},
                                                     {"500", 500},
                                                     {"1000", 1000},
                                                     {"rpi", 51},
                                                     {"full", 0},
                                                     {"25", 25},
                                                     {"100", 100}});

/// A ticker's fields as last heard, NaN until then. Deltas say only what changed.
struct MergedTicker {
  double last_price = market::missing;
  double open_24h = market::missing;
  double high_24h = market::missing;
  double low_24h = market::missing;
  double change_fraction_24h = market::missing;
  double previous_1h = market::missing;
  double volume_24h = market::missing;    ///< coins; USD on inverse contracts
  double turnover_24h = market::missing;  ///< quote; coins on inverse contracts
  double mark_price = market::missing;
  double index_price = market::missing;
  double settle_estimate = market::missing;
  double bid_price = market::missing;
  double bid_size = market::missing;
  double ask_price = market::missing;
  double ask_size = market::missing;
  double funding_rate = market::missing;
  double funding_cap = market::missing;
  double funding_interval_hours = market::missing;
  double open_interest = market::missing;         ///< both sides, as sent
  double open_interest_single = market::missing;  ///< one side, as sent
  double open_interest_value = market::missing;   ///< both sides; coins on inverse contracts
  double open_interest_value_single = market::missing;
  double open_interest_coins = market::missing;  ///< open_interest x multiplier
  double open_interest_single_coins = market::missing;
  std::int64_t next_funding_ns = core::unknown_ns;
  std::int64_t sequence = market::unknown_id;  ///< cs
};

/// Which records a ticker message touches.
enum TickerPart : std::uint8_t {
  part_ticker = 1,
  part_bbo = 2,
  part_mark = 4,
  part_funding = 8,
  part_interest = 16
};

/// What is kept of one instrument.
struct Market {
  MergedTicker ticker;
  std::array<market::BybitBookSequence, depths.size()> books;
  market::Bbo top;                     ///< of orderbook.1
  std::unique_ptr<RecentKeys> trades;  ///< made with the first trade
};

/// What a message will have changed once it is taken; thrown away when it is refused.
struct Pending {
  const market::InstrumentEntry* counted = nullptr;  ///< whose trades stand here: counted once
  std::uint32_t ticker_of = 0;                       ///< instrument ids; 0 = nothing
  std::uint32_t book_of = 0;
  std::uint32_t top_of = 0;
  std::size_t depth_index = 0;
  MergedTicker ticker;
  market::BybitBookSequence sequence;
  market::Bbo top;
  struct TradeKey {
    std::uint32_t instrument;
    std::uint64_t key;
  };
  std::vector<TradeKey> trades;  ///< keeps its capacity
};

// What the messages of hot streams say. Both lanes fill these; take() makes records of them.

struct TradeEvent : market::Trade {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
/// Its levels are in the state's `bids` and `asks`.
struct BookEvent {
  const market::InstrumentEntry* entry = nullptr;
  std::size_t depth_index = 0;
  bool is_snapshot = false;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t update_id = market::unknown_id;
  std::int64_t sequence = market::unknown_id;
};
/// What it says is merged in the state's `pending.ticker`.
struct TickerEvent {
  const market::InstrumentEntry* entry = nullptr;
  bool is_snapshot = false;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t sequence = market::unknown_id;
  std::uint8_t parts = 0;
};
struct KlineEvent : market::Kline {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};

/// A trade on its way through the fast lane.
struct TradeRow : TradeEvent {
  bool is_buy = false;
  std::string_view id;
};

struct State final : CommonState {
  std::deque<Market> markets;  ///< by the low 24 bits of the instrument's id
  Pending pending;
  std::vector<TradeRow> trade_rows;  ///< scratch; keeps its capacity
  std::array<char, 64> key_buffer;   ///< a native key made of category and symbol

  Market& market(std::uint32_t id) {
    const std::size_t index = id & 0x00ff'ffff;
    if (index >= markets.size()) markets.resize(index + 1);
    return markets[index];
  }
  void commit();
};

/// One REST reply being read.
struct Answer {
  Transaction& message;
  State& own;
  json::Object result;
  const RestReply& request;
  std::string_view category;  ///< "" where the body does not say
  std::int64_t server_ns;     ///< the envelope's time

  json::Fault& fault() { return own.fault; }
};

// --- names and instruments ---

/// The key under which a symbol is interned: linear contracts under their own name, "spot:BTCUSDT",
/// "inverse:BTCUSD", "option:...". `category` "" (a stream, or a body that does not say): judged by
/// the symbol's form. Raises out_of_range for a symbol that is too long, unknown_value for a
/// category that does not exist.
std::string_view native_key(State& own, std::string_view category, std::string_view symbol);
bool describe(std::string_view native, InstrumentFacts& facts);
void read_instruments(Answer& answer);

// --- pieces shared by streams and replies ---

/// A trade's id: a UUID into two halves, a number as it is. @returns false for anything else.
[[nodiscard]] bool read_trade_id(std::string_view text, market::Trade& trade);
/// Whether this trade was taken before; if not, it is noted for commit().
bool is_repeat(Transaction& message, State& own, const market::InstrumentEntry& entry,
               const market::Trade& trade);
market::Side read_side(std::string_view text, json::Fault& fault, std::string_view field);
/// [[price, size], ...] into `levels`. A third cell is the RPI size, which comes on top.
void read_levels(json::Object& data, std::string_view key, const market::InstrumentEntry& entry,
                 std::vector<market::Level>& levels);
/// Kline interval text ("1", "720", "D", "W"; also "1m", "1d") as ns; a month has no fixed length.
[[nodiscard]] bool read_interval(std::string_view text, std::int64_t& interval_ns);
/// Merges one ticker object. @returns the parts whose fields it has.
std::uint8_t merge_ticker(json::ondemand::object object, const market::InstrumentEntry& entry,
                          MergedTicker& merged, json::Fault& fault);
/// The same for the fields of `change` that are not missing.
std::uint8_t merge_ticker(const MergedTicker& change, MergedTicker& merged);
void emit_ticker(Transaction& message, const market::InstrumentEntry& entry,
                 const MergedTicker& merged, std::uint8_t parts, std::int64_t exchange_ns,
                 std::uint8_t flags);

/// The index of a depth's name; depths.size() if there is none.
std::size_t find_depth(std::string_view name);

// bybit_streams.cpp
void take(Transaction& message, State& own, const TradeEvent& event);
void take(Transaction& message, State& own, const BookEvent& event);
void take(Transaction& message, const KlineEvent& event);
/// A month, whose interval has no fixed length, ends where it says.
void close_month(KlineEvent& event, std::int64_t end_ns);
// bybit_ticker.cpp
/// The ticker to merge a message into, which begins as what is known.
MergedTicker& begin_ticker(State& own, const market::InstrumentEntry& entry, bool is_snapshot);
void take(Transaction& message, State& own, const TickerEvent& event);

// bybit_shapes.cpp
/// The fast lane. @returns whether a shape matched the whole payload and its event was taken;
/// otherwise nothing has happened.
bool read_shape(VenueState& state, Transaction& message, State& own, std::string_view payload);

void read_frame(Transaction& message, State& own, json::Object& root);
void read_ticker_frame(Transaction& message, State& own, json::Object& root,
                       std::string_view symbol);
void read_answer(Answer& answer, std::uint8_t kind);

/// What a feed must know to be live: bybit_connect.cpp.
extern const Connect connect;

}  // namespace perp::venue::bybit
