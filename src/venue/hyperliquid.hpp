#pragma once
// Hyperliquid perpetuals: what the parts of the decoder share. Facts and quirks:
// docs/venues/hyperliquid.md.
#include "venue/common.hpp"
#include "venue/recent_ids.hpp"

#include <perp/market/continuity.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue::hyperliquid {

/// Index into the adapter's message_kinds.
enum class Kind : std::uint8_t {
  unknown,
  subscription_response,
  pong,
  error,
  greeting,
  post,
  trades,
  l2_book,
  bbo,
  active_asset_ctx,
  active_spot_asset_ctx,
  all_dexs_asset_ctxs,
  fast_asset_ctxs,
  all_mids,
  candle,
  user,
  user_fills,
  user_fundings,
  user_ledger_updates,
  order_updates,
  notification,
  active_asset_data,
  clearinghouse_state,
  all_dexs_clearinghouse_state,
  web_data2,
  web_data3,
  rest_meta,
  rest_meta_and_asset_ctxs,
  rest_all_mids,
  rest_l2_book,
  rest_recent_trades,
  rest_candle_snapshot,
  rest_funding_history,
  rest_predicted_fundings,
  rest_clearinghouse_state,
  rest_user_fills,
  rest_user_fills_by_time,
  rest_perp_dexs,
  rest_all_perp_metas,
  rest_spot_meta,
  rest_spot_meta_and_asset_ctxs,
  rest_exchange_status,
  // From here on: recognised and counted, no records.
  rest_user_funding,
  rest_user_ledger_updates,
  rest_open_orders,
  rest_frontend_open_orders,
  rest_user_role,
  rest_vault_details,
  rest_user_vault_equities,
  rest_portfolio,
  rest_sub_accounts,
  rest_perps_at_open_interest_cap,
  rest_perp_dex_limits,
  rest_user_rate_limit,
  rest_leaderboard,
  rest_vaults,
  count,
};

/// How far a stream of trades has come, to know those that a subscription's first message brings
/// behind newer ones: they have no mark of their own, and their ids are in no order.
class TradeFront {
 public:
  /// The venue told newer trades in an earlier message.
  bool is_behind(std::int64_t time_ns) const { return time_ns < newest_ns_; }
  /// @param receive_ns bounds a time that lies ahead: it would make history of all that follows
  void pass(std::int64_t time_ns, std::int64_t receive_ns) {
    if (time_ns == core::unknown_ns || receive_ns == core::unknown_ns) return;
    behind_ = is_behind(time_ns) ? behind_ + 1 : 0;
    // So many in a row are no repetition: the venue's clock went back.
    newest_ns_ = behind_ > market::repeat_limit
                     ? time_ns
                     : std::max(newest_ns_, std::min(time_ns, receive_ns));
  }

 private:
  std::int64_t newest_ns_ = core::unknown_ns;
  std::uint32_t behind_ = 0;
};

struct Streams {
  RecentIds trades;
  TradeFront front;  ///< of the trades
  RecentIds liquidations;
  market::SnapshotBookSequence book;       ///< 20 levels
  market::SnapshotBookSequence fast_book;  ///< 5 levels
};

/// A trade that the message being read will have told once it is taken.
struct SeenTrade {
  RecentIds Streams::*ids = nullptr;
  std::uint32_t instrument = 0;
  std::uint64_t id = 0;
  std::int64_t time_ns = core::unknown_ns;
  bool is_repeat = false;
  std::int64_t receive_ns = core::unknown_ns;  ///< of what was streamed; unknown for a reply
};

/// The perpetuals of one dex in the order that lists of contexts without names follow.
struct Universe {
  std::string dex;  ///< "" is the first dex
  std::vector<std::string> names;
  std::vector<std::uint32_t> instruments;  ///< indices, filled when the message is taken
};

/// Spot tokens by their index: what a pair's numbers and a dex's collateral stand for.
struct Token {
  std::int64_t index = 0;
  std::string name;
  std::int64_t size_decimals = 0;
};

/// A row of trades.
struct TradeRow {
  const market::InstrumentEntry* entry = nullptr;
  double price = market::missing;
  double quantity = market::missing;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t id = market::unknown_id;
  bool is_buy = false;  ///< the aggressor bought
  bool has_parties = false;
  std::string_view buyer;  ///< the shapes': parsed into `parties` before the row is taken
  std::string_view seller;
  market::TradeParties parties;
};

/// A level of a book, or one side of the best quotes.
struct Quote : market::Level {
  std::int64_t orders = 0;
};

struct BookEvent {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  bool says_fast = false;
  std::vector<Quote>* bids = nullptr;  ///< the shapes'; what is taken are own.bids and own.asks
  std::vector<Quote>* asks = nullptr;
};

struct QuoteEvent {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  double bid_price = market::missing;
  double bid_quantity = market::missing;
  double ask_price = market::missing;
  double ask_quantity = market::missing;
  std::int64_t bid_orders = 0;
  std::int64_t ask_orders = 0;
};

struct CandleEvent : market::Kline {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t close_ns = core::unknown_ns;
};

/// The figures of one asset, as of when they came: they bear no time.
struct AssetContext {
  const market::InstrumentEntry* entry = nullptr;
  double funding_rate = market::missing;
  double open_interest = market::missing;        ///< coins
  double open_interest_units = market::missing;  ///< as sent
  double previous_day = market::missing;
  double volume_quote = market::missing;
  double volume_base = market::missing;
  double premium = market::missing;
  double oracle_price = market::missing;
  double mark_price = market::missing;
  double mid_price = market::missing;
  double impact_bid = market::missing;
  double impact_ask = market::missing;
  bool is_perpetual = true;
  std::string_view interest_text;  ///< the shapes': wanted in coins and as sent
  std::string_view volume_text;    ///< the shapes': often longer than a short number
};

struct State : CommonState {
  std::deque<Streams> streams;  ///< by instrument index
  std::vector<Universe> universes;
  std::vector<Token> tokens;
  std::vector<TradeRow> trade_rows;  ///< scratch of the shapes, as are the quotes
  std::vector<Quote> bid_quotes;
  std::vector<Quote> ask_quotes;
  // What the message being read brings.
  std::vector<SeenTrade> seen;
  std::vector<Universe> new_universes;
  std::vector<Token> new_tokens;

  Streams& streams_of(const market::InstrumentEntry& entry) {
    const std::size_t index = entry.id & 0x00ff'ffff;
    while (streams.size() <= index) streams.emplace_back();
    return streams[index];
  }
};

/// One message being read, whichever lane reads it.
struct Message {
  VenueState& state;
  State& own;
  Transaction& tx;
  std::uint8_t flags = 0;  ///< of the records: backfill, snapshot
  bool is_rest = false;
  TradeWindow* window = nullptr;  ///< of a reply's trades: those that are wanted

  void set_kind(Kind kind) { tx.set_kind(static_cast<std::uint8_t>(kind)); }
  json::Fault& fault() { return own.fault; }
  /// Whether this fill was told before; remembers it either way.
  bool is_repeat(RecentIds Streams::*ids, const market::InstrumentEntry& entry, std::int64_t id,
                 std::int64_t time_ns);
  /// Whether a streamed trade comes behind newer ones of earlier messages.
  bool is_behind(const market::InstrumentEntry& entry, std::int64_t time_ns) const;
};

/// One message being read by simdjson.
struct Context : Message {
  json::ondemand::document& document;
  bool is_closed = false;
  std::uint64_t unnamed_rows = 0;  ///< contexts of instruments that no list has named

  /// Checks that the message ends where it should; must come before anything that cannot be undone.
  bool close() {
    if (!is_closed) own.close(document);
    is_closed = true;
    return tx.ok();
  }
};

/// hyperliquid_shapes.cpp: the fast lane. @returns false, with nothing done, for what is the other
/// lane's.
bool read_shape(Message& message, std::string_view payload);

using Value = json::ondemand::value;

// hyperliquid_instruments.cpp
bool describe(std::string_view native, InstrumentFacts& facts);
void read_meta(Context& context, Value meta);
void read_all_perp_metas(Context& context, Value metas);
void read_spot_meta(Context& context, Value meta);
void read_perp_dexs(Context& context, Value dexs);

// hyperliquid_books.cpp
void read_book(Context& context, Value data);
void read_bbo(Context& context, Value data);

// hyperliquid_streams.cpp
void read_trades(Context& context, Value data);
void read_candle(Context& context, Value data);
void read_candles(Context& context, Value data);
void read_all_mids(Context& context, Value mids);

// hyperliquid_contexts.cpp
void read_asset_ctx(Context& context, Value data);
void read_all_dexs_asset_ctxs(Context& context, Value data);
void read_meta_and_asset_ctxs(Context& context, Value data);
void read_spot_meta_and_asset_ctxs(Context& context, Value data);
void read_funding_history(Context& context, Value rows);
void read_predicted_fundings(Context& context, Value rows);

// hyperliquid_account.cpp
/// @param user address asked for, empty if not known
void read_clearinghouse_state(Context& context, Value data, std::string_view user);
void read_clearinghouse_push(Context& context, Value data);
void read_fills(Context& context, Value fills, std::string_view user);
void read_user_fills_push(Context& context, Value data);
void read_user_push(Context& context, Value data);
[[nodiscard]] bool parse_address(std::string_view text, std::uint8_t (&address)[20]) noexcept;

/// Visits the elements of an array. @returns false with the fault raised.
template <class Visit>
bool each_element(Context& context, Value value, std::string_view field, Visit visit) {
  json::Fault& fault = context.fault();
  json::ondemand::array array;
  if (const auto error = value.get_array().get(array); error != simdjson::SUCCESS) {
    fault.raise(json::status_of(error), field);
    return false;
  }
  std::size_t index = 0;
  for (auto item : array) {
    Value element;
    if (const auto error = std::move(item).get(element); error != simdjson::SUCCESS) {
      fault.raise(json::status_of(error), field);
      return false;
    }
    visit(index++, element);
    if (!context.tx.ok()) return false;
  }
  return true;
}

/// The value as an object. @returns false with the fault raised.
inline bool as_object(Context& context, Value value, json::ondemand::object& object,
                      std::string_view field) {
  const auto error = value.get_object().get(object);
  if (error != simdjson::SUCCESS) context.fault().raise(json::status_of(error), field);
  return error == simdjson::SUCCESS;
}

/// What a feed must know to be live: hyperliquid_connect.cpp.
extern const Connect connect;

}  // namespace perp::venue::hyperliquid
