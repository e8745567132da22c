#pragma once
// Binance USD-M futures: what the parts of the decoder share. Facts and quirks:
// docs/venues/binance.md.
#include "venue/common.hpp"

#include <perp/market/continuity.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace perp::venue::binance {

/// Fills of an aggregate; 0 = unknown where its ids make no sense. Unsigned, so that ids from
/// outside cannot overflow.
inline std::uint32_t fills_between(std::int64_t first_id, std::int64_t last_id) {
  const std::uint64_t span =
      static_cast<std::uint64_t>(last_id) - static_cast<std::uint64_t>(first_id);
  return last_id >= first_id && span < 1'000'000'000 ? static_cast<std::uint32_t>(span + 1) : 0;
}

/// Index into the adapter's message_kinds.
enum class Kind : std::uint8_t {
  unknown,
  ack,
  list,
  error,
  agg_trade,
  trade,
  trade_not_market,  ///< insurance fund, ADL, NA: counted, no record
  book_ticker,
  depth_diff,
  depth_partial,
  rpi_depth,
  mark_price,
  ticker,
  mini_ticker,
  kline,
  continuous_kline,
  force_order,
  contract_info,
  composite_index,
  asset_index,
  trading_session,
  rest_klines,
  rest_mark_price_klines,
  rest_index_price_klines,
  rest_premium_index_klines,
  rest_depth,
  rest_trades,
  rest_agg_trades,
  rest_premium_index,
  rest_funding_rate,
  rest_funding_info,
  rest_open_interest,
  rest_open_interest_hist,
  rest_global_account_ratio,
  rest_top_account_ratio,
  rest_top_position_ratio,
  rest_taker_ratio,
  rest_ticker_24hr,
  rest_ticker_book,
  rest_ticker_price,
  rest_exchange_info,
  rest_time,
  rest_ping,
  count,
};

/// What a liquidation is recognised by when it is sent again.
struct LiquidationKey {
  std::int64_t trade_ns = core::unknown_ns;
  double price = 0;
  double quantity = 0;
  market::Side side = market::Side::unknown;
  friend bool operator==(const LiquidationKey&, const LiquidationKey&) = default;
};

/// Streams of one instrument.
struct Streams {
  IdSequence agg_trade;
  IdSequence trade;
  IdSequence book_ticker;
  std::array<market::SnapshotBookSequence, 3> partial_books;  ///< 5, 10, 20 levels
  std::unique_ptr<market::BinanceBookSequence> book;          ///< made at the first depth event
  std::array<LiquidationKey, 8> liquidations;                 ///< the newest, a ring
  std::uint32_t liquidation_count = 0;
};

/// A step of a stream that the message being read will have made once it is taken.
struct Advance {
  IdSequence* sequence = nullptr;
  std::int64_t id = market::unknown_id;
  IdSequence::Verdict verdict = IdSequence::Verdict::next;
};
struct SeenLiquidation {
  Streams* streams = nullptr;
  LiquidationKey key;
};

struct State : CommonState {
  std::vector<std::unique_ptr<Streams>>
      streams;  ///< by instrument index; none before its first use
  std::vector<Advance> advances;
  std::vector<SeenLiquidation> liquidations;
  bool has_funding_info =
      false;  ///< the list of other intervals is known: whoever is not on it has the default

  Streams& streams_of(const market::InstrumentEntry& entry) {
    const std::size_t index = entry.id & 0x00ff'ffff;
    if (index >= streams.size() || streams[index] == nullptr) [[unlikely]]
      add_streams(index);
    return *streams[index];
  }

 private:
  void add_streams(std::size_t index);
};

/// One message, whichever lane reads it.
struct Message {
  VenueState& state;
  State& own;
  Transaction& tx;
  std::string_view stream = {};  ///< "btcusdt@depth@100ms", empty for a bare payload

  void set_kind(Kind kind) { tx.set_kind(static_cast<std::uint8_t>(kind)); }
};

/// One message read by simdjson.
struct Context : Message {
  json::ondemand::document& document;
  bool is_array = false;   ///< one of several events
  bool is_event = false;   ///< one event, alone or in an envelope, all of whose fields are visited
  bool is_closed = false;  ///< the message's end was checked

  /// Checks that the message ends where it should; must come before anything that cannot be undone.
  bool close() {
    if (!is_closed && is_event)
      own.close_read(document, !stream.empty());
    else if (!is_closed)
      own.close(document);
    is_closed = true;
    return tx.ok();
  }
  /// The instrument of a message. `margin` is its `st`: 2 names a COIN-M contract whatever it is
  /// called.
  const market::InstrumentEntry* instrument(std::string_view native, const json::Token& margin);
};

// What the messages of hot streams say. Both lanes fill these; take() makes records of them.

/// aggTrade and trade.
struct TradeEvent : market::Trade {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  bool is_buyer_maker = false;
  std::string_view execution;  ///< `X` of a trade, empty if not said
};
struct QuoteEvent : market::Bbo {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
/// Its levels are in the state's `bids` and `asks`.
struct DepthEvent {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t first_id = market::unknown_id;
  std::int64_t last_id = market::unknown_id;
  std::int64_t previous_id = market::unknown_id;
  std::vector<market::Level>* bids = nullptr;
  std::vector<market::Level>* asks = nullptr;
};
struct MarkEvent : market::MarkPrice {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  double funding_rate = market::missing;
  std::int64_t funding_ns = core::unknown_ns;
};
struct TickerEvent : market::Ticker {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
};
struct KlineEvent : market::Kline {
  const market::InstrumentEntry* entry = nullptr;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t close_ns = core::unknown_ns;  ///< its last millisecond
  std::string_view interval;                 ///< must be there, says nothing that the times do not
  bool was_closed = false;
};

// binance_shapes.cpp
/// The fast lane. @returns whether a shape matched the whole payload and its event was taken;
/// otherwise nothing has happened.
bool read_shape(Message& message, std::string_view payload);

// binance_instruments.cpp
bool describe(std::string_view native, InstrumentFacts& facts);
void read_exchange_info(Context& context, json::ondemand::object body);
void read_funding_info(Context& context);
void on_contract_info(Context& context, json::ondemand::object event);

// binance_streams.cpp: trades, quotes, books
void on_agg_trade(Context& context, json::ondemand::object event);
void on_trade(Context& context, json::ondemand::object event);
void on_book_ticker(Context& context, json::ondemand::object event);
void on_depth(Context& context, json::ondemand::object event);
void read_levels(Context& context, json::ondemand::value value,
                 const market::InstrumentEntry& entry, std::vector<market::Level>& levels,
                 std::string_view field);

// binance_market.cpp: marks, tickers, klines, liquidations
void on_mark_price(Context& context, json::ondemand::object event);
void on_ticker(Context& context, json::ondemand::object event);
void on_mini_ticker(Context& context, json::ondemand::object event);
void on_kline(Context& context, json::ondemand::object event);
void on_continuous_kline(Context& context, json::ondemand::object event);
void on_force_order(Context& context, json::ondemand::object event);

// binance_rest.cpp, binance_statistics.cpp
void read_reply(Context& context, const RestReply& reply, Kind kind);
void read_premium_index(Context& context, const RestReply& reply);
void read_funding_rate(Context& context, const RestReply& reply);
void read_open_interest(Context& context, const RestReply& reply);
void read_open_interest_hist(Context& context, const RestReply& reply);
void read_account_ratio(Context& context, const RestReply& reply, market::RatioKind kind);
void read_taker_ratio(Context& context, const RestReply& reply);

/// The predicted rate of a mark price message; nothing where the contract has no funding.
bool emit_predicted_funding(Message& message, const market::InstrumentEntry& entry,
                            std::int64_t exchange_ns, double rate, double interest_rate,
                            std::int64_t funding_ns, std::uint8_t flags);

/// Rows of a reply: the elements of an array, or the one object that stands for it. `read` takes an
/// object.
template <class Read>
void each_row(Context& context, Read read) {
  json::Fault& fault = context.own.fault;
  json::ondemand::json_type type;
  if (const auto error = context.document.type().get(type); error != simdjson::SUCCESS) {
    fault.raise(json::status_of(error), "message");
    return;
  }
  if (type == json::ondemand::json_type::object) {
    json::ondemand::object row;
    if (const auto error = context.document.get_object().get(row); error != simdjson::SUCCESS)
      fault.raise(json::status_of(error), "message");
    else
      read(row);
    return;
  }
  json::ondemand::array rows;
  if (const auto error = context.document.get_array().get(rows); error != simdjson::SUCCESS) {
    fault.raise(json::status_of(error), "message");
    return;
  }
  for (auto item : rows) {
    json::ondemand::object row;
    if (const auto error = item.get_object().get(row); error != simdjson::SUCCESS) {
      fault.raise(json::status_of(error), "row");
      return;
    }
    read(row);
    if (!context.tx.ok()) return;
  }
}

/// Native symbols are upper case; a recording's file name need not be. ASCII letters only, UTF-8
/// stays whole.
struct UpperCase {
  std::array<char, 64> data{};
  std::size_t size = 0;
  explicit UpperCase(std::string_view text) {
    if (text.size() > data.size()) return;  // no symbol: refused as empty
    for (const char c : text)
      data[size++] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  std::string_view view() const { return {data.data(), size}; }
};

/// What a feed must know to be live: binance_connect.cpp.
extern const Connect connect;

}  // namespace perp::venue::binance
