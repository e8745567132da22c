#pragma once
// THE record: what a decoder emits, a ring holds, a journal stores and a replay reads, as the same
// bytes. Little-endian, 8-byte aligned, trivially copyable; a 32-byte header, then a typed payload.
// Layouts are on disk: fields are only appended, never moved. Values are IEEE doubles in natural
// units (price per one coin in quote currency, quantity in coins); a missing double is NaN, a
// missing time is core::unknown_ns, a missing integer id is `unknown_id`. Contract sizes and name
// multipliers are already applied.
#include <perp/core/time.hpp>
#include <perp/market/venue_id.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

namespace perp::market {

inline constexpr double missing = std::numeric_limits<double>::quiet_NaN();
inline constexpr std::int64_t unknown_id = std::numeric_limits<std::int64_t>::min();

/// Numbers are on disk; see record_kind.hpp for each kind's row (name, journalled, conflatable,
/// table).
enum class RecordType : std::uint16_t {
  padding = 0,  ///< fills a ring's end; never in a journal
  instrument = 1,
  trade = 2,
  bbo = 3,
  book_snapshot = 4,
  book_delta = 5,
  ticker = 6,
  mark_price = 7,
  funding = 8,
  open_interest = 9,
  kline = 10,
  liquidation = 11,
  long_short_ratio = 12,
  taker_volume = 13,
  position = 14,
  feed_status = 15,
  gap = 16,
  error = 17,
  tick = 18,
  minute = 32,
  liquidity = 33,
  ticker_sample = 34,
};

/// Bits of RecordHeader::flags.
enum RecordFlag : std::uint8_t {
  flag_snapshot =
      1,  ///< state as of now, not an event (first ticker after a subscribe, a REST poll)
  flag_backfill = 2,     ///< history fetched afterwards
  flag_revision = 4,     ///< replaces an earlier fact with the same key
  flag_derived = 8,      ///< concluded by the engine from earlier records
  flag_gap_before = 16,  ///< something before this one was missed
  flag_sampled = 32,     ///< the venue sends only some of these
};

struct RecordHeader {
  std::uint32_t size = 0;  ///< whole record in bytes, a multiple of 8
  RecordType type = RecordType::padding;
  VenueId venue = VenueId::none;
  std::uint8_t flags = 0;
  std::uint32_t instrument = 0;  ///< venue << 24 | index; 0 where the record is about no instrument
  std::uint32_t seq = 0;         ///< per ring, wraps
  std::int64_t exchange_ns =
      core::unknown_ns;  ///< matching time where given, else the venue's event time
  std::int64_t receive_ns = core::unknown_ns;  ///< when the frame's last byte was in our hands
};
static_assert(sizeof(RecordHeader) == 32 && alignof(RecordHeader) == 8);

enum class Side : std::uint8_t { unknown = 0, buy = 1, sell = 2 };
enum class PositionSide : std::uint8_t { unknown = 0, long_side = 1, short_side = 2 };
enum class Tristate : std::uint8_t { unknown = 0, no = 1, yes = 2 };

enum class ContractType : std::uint8_t {
  unknown = 0,
  linear_perpetual = 1,
  inverse_perpetual = 2,
  dated_future = 3,
  spot = 4,
  other = 5,  ///< index, option, ...
};
enum class InstrumentStatus : std::uint8_t {
  unknown = 0,
  live = 1,
  prelaunch = 2,
  suspended = 3,
  delisted = 4
};

/// Text in a fixed field, zero-padded. A text that does not fit is a decode error, never cut.
template <std::size_t Size>
struct Text {
  char data[Size] = {};

  constexpr bool assign(std::string_view text) {
    if (text.size() > Size) return false;
    for (std::size_t i = 0; i < Size; ++i) data[i] = i < text.size() ? text[i] : '\0';
    return true;
  }
  /// For diagnostics only: keeps what fits.
  constexpr void assign_cut(std::string_view text) { assign(text.substr(0, Size)); }
  constexpr std::string_view view() const {
    std::size_t length = 0;
    while (length < Size && data[length] != '\0') ++length;
    return {data, length};
  }
};

/// What an instrument is. Prices and quantities of every other record are already in coins of
/// `base`.
struct Instrument {
  Text<40> native;  ///< the venue's own spelling, UTF-8
  Text<24> base;    ///< coin without multiplier: "PEPE"
  Text<12> quote;
  Text<12> settle;
  double contract_size =
      missing;  ///< native size units per contract (OKX ctVal x ctMult), NaN while unknown
  double multiplier = 1;          ///< coins per named unit: 1000 for 1000PEPE and kPEPE
  double tick_size = missing;     ///< per one coin
  double lot_size = missing;      ///< coins
  double min_quantity = missing;  ///< coins
  double min_notional = missing;  ///< quote
  double max_leverage = missing;
  std::int64_t funding_interval_ns = core::unknown_ns;
  std::int64_t listed_ns = core::unknown_ns;
  std::int64_t delisted_ns = core::unknown_ns;
  ContractType contract_type = ContractType::unknown;
  InstrumentStatus status = InstrumentStatus::unknown;
  std::uint8_t is_primary =
      0;  ///< the one instrument of its (venue, base) that reaches the perp tables
  std::uint8_t is_provisional = 0;  ///< taken from a stream, not from the venue's list
  std::uint8_t reserved[4] = {};
};

struct Trade {
  double price = missing;
  double quantity = missing;
  std::int64_t trade_id =
      unknown_id;  ///< id (aggregate id on Binance aggTrade); low half of a UUID
  std::int64_t trade_id_high = unknown_id;  ///< high half of a UUID, else unknown_id
  std::int64_t first_id = unknown_id;       ///< first and last fill of an aggregate
  std::int64_t last_id = unknown_id;
  std::int64_t sequence = unknown_id;  ///< venue sequence (Bybit seq, OKX seqId)
  double quantity_without_rpi = missing;
  std::uint32_t fill_count = 0;  ///< fills in the aggregate, 0 unknown
  Side taker_side = Side::unknown;
  Tristate is_block = Tristate::unknown;
  Tristate is_rpi = Tristate::unknown;
  std::uint8_t has_parties = 0;  ///< 1: a TradeParties follows (Hyperliquid)
};

struct TradeParties {
  std::uint8_t buyer[20] = {};
  std::uint8_t seller[20] = {};
};

struct Bbo {
  double bid_price = missing;
  double bid_quantity = missing;
  double ask_price = missing;
  double ask_quantity = missing;
  std::int64_t update_id = unknown_id;
  std::uint32_t bid_orders = 0;  ///< order count, 0 unknown
  std::uint32_t ask_orders = 0;
};

struct Level {
  double price = missing;
  double quantity = missing;  ///< new absolute size; 0 in a delta deletes the level
};

/// Followed by bid_count bids, then ask_count asks. A book is keyed by (instrument, depth).
struct Book {
  std::int64_t first_id = unknown_id;     ///< Binance U
  std::int64_t last_id = unknown_id;      ///< Binance u / lastUpdateId, Bybit u, OKX seqId
  std::int64_t previous_id = unknown_id;  ///< Binance pu, OKX prevSeqId
  std::int64_t sequence = unknown_id;     ///< Bybit cross sequence
  std::uint32_t bid_count = 0;
  std::uint32_t ask_count = 0;
  std::uint16_t depth = 0;          ///< levels a side that the stream promises; 0 = all
  std::uint8_t checksum_state = 0;  ///< 0 none sent, 1 verified by the adapter, 2 mismatch
  std::uint8_t continuity = 0;      ///< Continuity as the adapter found it
  std::uint32_t checksum = 0;       ///< as sent, bit pattern
};

enum class Continuity : std::uint8_t {
  unchecked = 0,   ///< the stream has nothing to check
  continuous = 1,  ///< follows what came before
  restart = 2,     ///< a snapshot, or the first delta that joins one
  stale = 3,       ///< before the snapshot or a repeat: must not be applied
  gap = 4,         ///< something is missing: the book is invalid until the next snapshot
};

/// 24-hour statistics and last price. Fields a venue does not give are NaN.
struct Ticker {
  double last_price = missing;
  double last_quantity = missing;
  double open_24h = missing;
  double high_24h = missing;
  double low_24h = missing;
  double volume_base_24h = missing;
  double volume_quote_24h = missing;
  double vwap_24h = missing;
  double change_24h = missing;           ///< price
  double change_fraction_24h = missing;  ///< fraction: 0.01 = 1 %
  double mid_price = missing;
  double previous_1h = missing;
  std::int64_t trade_count_24h = unknown_id;
  std::int64_t open_ns = core::unknown_ns;
  std::int64_t close_ns = core::unknown_ns;
};

struct MarkPrice {
  double mark_price = missing;
  double index_price = missing;
  double mark_average = missing;     ///< Binance ap
  double settle_estimate = missing;  ///< Binance P
  double premium = missing;          ///< fraction
  double impact_bid = missing;
  double impact_ask = missing;
};

enum class FundingKind : std::uint8_t { unknown = 0, predicted = 1, settled = 2 };

/// A rate is a fraction per funding interval, exactly as published.
struct Funding {
  double rate = missing;
  double mark_price = missing;  ///< at settlement
  double premium = missing;
  double cap = missing;
  double floor = missing;
  double next_rate = missing;
  double interest_rate = missing;
  std::int64_t funding_ns =
      core::unknown_ns;  ///< settlement this rate is for (predicted: the next one)
  std::int64_t interval_ns = core::unknown_ns;
  FundingKind kind = FundingKind::unknown;
  std::uint8_t reserved[7] = {};
};

struct OpenInterest {
  double quantity = missing;  ///< coins, single-sided
  double notional =
      missing;  ///< USD single-sided as the venue gives it, NaN otherwise (state x mark)
  double contracts = missing;       ///< native unit as sent
  double supply = missing;          ///< circulating supply, coins
  std::int64_t period_ns = 0;       ///< 0 = a sample of now; else the history period
  std::uint8_t was_both_sides = 0;  ///< halved from a both-sides figure
  std::uint8_t reserved[7] = {};
};

enum class PriceKind : std::uint8_t { last = 0, mark = 1, index = 2, premium = 3 };

struct Kline {
  std::int64_t open_ns = core::unknown_ns;
  std::int64_t interval_ns = core::unknown_ns;
  double open = missing;
  double high = missing;
  double low = missing;
  double close = missing;
  double volume_base = missing;
  double volume_quote = missing;
  double taker_buy_base = missing;
  double taker_buy_quote = missing;
  std::int64_t trade_count = unknown_id;
  Tristate is_closed = Tristate::unknown;  ///< some venues do not say
  PriceKind price_kind = PriceKind::last;
  std::uint8_t reserved[6] = {};
};

struct Liquidation {
  double price = missing;          ///< order or bankruptcy price
  double average_price = missing;  ///< of the fill, where given
  double quantity = missing;
  double filled_quantity = missing;
  PositionSide position_side = PositionSide::unknown;  ///< the position that was liquidated
  Side order_side = Side::unknown;
  /// 1: this stream carries every instrument of the venue, so silence about one of them is a fact.
  std::uint8_t is_venue_wide = 0;
  std::uint8_t reserved[5] = {};
};

enum class RatioKind : std::uint8_t {
  unknown = 0,
  global_account = 1,
  top_account = 2,
  top_position = 3,
  taker = 4
};

struct LongShortRatio {
  double ratio = missing;
  double long_share = missing;
  double short_share = missing;
  std::int64_t period_ns = core::unknown_ns;
  RatioKind kind = RatioKind::unknown;
  std::uint8_t reserved[7] = {};
};

/// Taker volume of one period. header.exchange_ns is the period's open.
struct TakerVolume {
  double buy_base = missing;
  double sell_base = missing;
  double buy_quote = missing;
  double sell_quote = missing;
  std::int64_t period_ns = core::unknown_ns;
};

struct Position {
  std::uint8_t address[20] = {};
  std::uint8_t is_isolated = 0;
  std::uint8_t reserved[3] = {};
  double size = missing;  ///< coins, short is negative
  double entry_price = missing;
  double liquidation_price = missing;
  double notional = missing;
  double margin_used = missing;
  double unrealized_pnl = missing;
  double leverage = missing;
  double max_leverage = missing;
  double cumulative_funding = missing;
};

enum class FeedState : std::uint8_t {
  unknown = 0,
  connecting = 1,
  live = 2,
  stale = 3,
  reconnecting = 4,
  down = 5
};

/// The state of one stream. header.instrument 0 = every instrument of the venue.
struct FeedStatus {
  FeedState state = FeedState::unknown;
  std::uint8_t reserved = 0;
  RecordType stream =
      RecordType::padding;  ///< kind of record it carries; padding = the whole connection
  std::uint32_t connection = 0;
  Text<56> reason;
};

enum class GapCause : std::uint8_t {
  unknown = 0,
  sequence = 1,  ///< ids jumped
  checksum = 2,
  half_seen = 3,  ///< the stream was not live for all of a minute
  disconnect = 4,
  venue_has_none = 5,
  silence = 6,      ///< acknowledged, and nothing came
  not_running = 7,  ///< between two runs of the program
};

/// A hole: what is missing, where, and why.
struct Gap {
  std::int64_t from_ns = core::unknown_ns;
  std::int64_t to_ns = core::unknown_ns;
  std::int64_t expected_id = unknown_id;
  std::int64_t got_id = unknown_id;
  RecordType stream = RecordType::padding;
  GapCause cause = GapCause::unknown;
  std::uint8_t reserved[5] = {};
};

/// A refused message: why, where in it, and its first bytes.
struct DecodeFailure {
  std::uint16_t status = 0;  ///< venue::DecodeStatus
  std::uint16_t excerpt_size = 0;
  std::uint32_t message_size = 0;
  Text<40> stream;  ///< message kind or endpoint, as far as known
  Text<40> field;   ///< the field that was refused
  Text<128> excerpt;
};

/// Time passes: written each 100 ms by a feed thread, and once at a recording's end.
struct Tick {
  std::int64_t reserved = 0;
};

/// One closed minute of one perpspec: `count` MinuteValue follow, only columns with a value.
struct Minute {
  std::int64_t open_ns = core::unknown_ns;
  std::uint16_t perpspec = 0;  ///< PerpspecId
  std::uint16_t count = 0;
  std::uint8_t origin = 0;  ///< MinuteOrigin
  std::uint8_t reserved[3] = {};
};

enum class MinuteOrigin : std::uint8_t {
  unknown = 0,
  candle = 1,
  trades = 2,
  sample = 3,
  computed = 4,
  liquidations = 5
};

struct MinuteValue {
  std::uint16_t column = 0;  ///< ColumnId, see perpspec.hpp
  std::uint16_t reserved[3] = {};
  double value = missing;  ///< `lqside` columns: 1 long, 2 short
};

inline constexpr std::size_t depth_band_count = 10;
inline constexpr std::size_t slippage_amount_count = 7;

template <std::size_t Count>
constexpr std::array<double, Count> all_missing() {
  std::array<double, Count> values{};
  for (double& value : values) value = missing;
  return values;
}

/// What a book offered at header.exchange_ns; liquidity.hpp has the bands, the amounts and the
/// rules. Derived, each depth interval.
struct Liquidity {
  double mid_price = missing;
  double bid_price = missing;
  double bid_quantity = missing;
  double ask_price = missing;
  double ask_quantity = missing;
  double bids_notional = missing;  ///< quote, all levels
  double asks_notional = missing;
  double imbalance_5 = missing;  ///< NaN where a side has fewer levels
  double imbalance_10 = missing;
  double imbalance_20 = missing;
  double max_bid_bps = missing;  ///< how far from mid the side is known; beyond: a lower bound
  double max_ask_bps = missing;
  /// Quote notional within depth_bands_bps of mid.
  std::array<double, depth_band_count> bid_depth = all_missing<depth_band_count>();
  std::array<double, depth_band_count> ask_depth = all_missing<depth_band_count>();
  /// Average prices of slippage_amounts; NaN: not feasible.
  std::array<double, slippage_amount_count> buy_price = all_missing<slippage_amount_count>();
  std::array<double, slippage_amount_count> sell_price = all_missing<slippage_amount_count>();
  std::int64_t last_id = unknown_id;        ///< of the last record that the book is made of
  std::int64_t told_ns = core::unknown_ns;  ///< when that was received
  std::uint32_t bid_levels = 0;
  std::uint32_t ask_levels = 0;
  std::uint16_t depth = 0;  ///< Book::depth of the stream
  std::uint8_t reserved[6] = {};
};

/// What was known of a contract at header.exchange_ns, each value as last told unless that was too
/// long ago. Derived, each ticker interval.
struct TickerSample {
  double last_price = missing;
  double mark_price = missing;
  double index_price = missing;
  double bid_price = missing;
  double bid_quantity = missing;
  double ask_price = missing;
  double ask_quantity = missing;
  double volume_base_24h = missing;
  double volume_quote_24h = missing;
  double open_interest = missing;           ///< coins, single-sided
  double open_interest_notional = missing;  ///< quote, as told or at the mark price
  double change_24h = missing;              ///< price
  double change_fraction_24h = missing;
  double high_24h = missing;
  double low_24h = missing;
};

template <class Payload>
inline constexpr bool is_payload = std::is_trivially_copyable_v<Payload> &&
                                   sizeof(Payload) % 8 == 0 && alignof(Payload) <= 8;
static_assert(is_payload<Instrument> && is_payload<Trade> && is_payload<TradeParties> &&
              is_payload<Bbo> && is_payload<Book>);
static_assert(is_payload<Ticker> && is_payload<MarkPrice> && is_payload<Funding> &&
              is_payload<OpenInterest> && is_payload<Kline>);
static_assert(is_payload<Liquidation> && is_payload<LongShortRatio> && is_payload<TakerVolume> &&
              is_payload<Position>);
static_assert(is_payload<FeedStatus> && is_payload<Gap> && is_payload<DecodeFailure> &&
              is_payload<Tick> && is_payload<Minute> && is_payload<MinuteValue>);
static_assert(is_payload<Liquidity> && is_payload<TickerSample> && sizeof(Liquidity) == 400 &&
              sizeof(TickerSample) == 120);
static_assert(sizeof(Instrument) == 176 && sizeof(Trade) == 72 && sizeof(Bbo) == 48 &&
              sizeof(Book) == 48);

/// The payload behind a header. The caller has checked `type`.
template <class Payload>
const Payload& payload(const RecordHeader& header) {
  return *reinterpret_cast<const Payload*>(&header + 1);
}
template <class Payload>
Payload& payload(RecordHeader& header) {
  return *reinterpret_cast<Payload*>(&header + 1);
}

inline std::span<const Level> bids(const Book& book) {
  return {reinterpret_cast<const Level*>(&book + 1), book.bid_count};
}
inline std::span<const Level> asks(const Book& book) {
  return {reinterpret_cast<const Level*>(&book + 1) + book.bid_count, book.ask_count};
}
inline std::span<const MinuteValue> values(const Minute& minute) {
  return {reinterpret_cast<const MinuteValue*>(&minute + 1), minute.count};
}

/// Whether `bytes` begins with a whole, plausible record: size within bounds, multiple of 8, type
/// known, payload as long as its kind and counts demand. Every reader of outside bytes asks this
/// first.
[[nodiscard]] bool is_well_formed(std::span<const std::byte> bytes) noexcept;

}  // namespace perp::market
