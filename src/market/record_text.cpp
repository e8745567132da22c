#include <perp/market/instrument_table.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/market/record_text.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace perp::market {
namespace {

/// Bytes of the UTF-8 character that `text` begins with, 0 if it begins with none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool is_overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool is_surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool is_beyond = lead == 0xf4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_beyond ? 0 : length;
}

class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { out_ += '}'; }

  void null(std::string_view name) { key(name), out_ += "null"; }
  void text(std::string_view name, std::string_view value) { key(name), quote(value); }
  void boolean(std::string_view name, bool value) { key(name), out_ += value ? "true" : "false"; }
  void count(std::string_view name, std::uint64_t value) {
    key(name), fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  /// An id or a time: its smallest value means unknown.
  void integer(std::string_view name, std::int64_t value) {
    static_assert(unknown_id == core::unknown_ns);
    if (value == unknown_id) return null(name);
    key(name);
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void number(std::string_view name, double value) { key(name), element(value); }
  void hex(std::string_view name, std::span<const std::uint8_t> bytes) {
    key(name);
    out_ += "\"0x";
    for (const std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(out_), "{:02x}", byte);
    out_ += '"';
  }
  void numbers(std::string_view name, std::span<const double> values) {
    key(name);
    out_ += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i != 0) out_ += ',';
      element(values[i]);
    }
    out_ += ']';
  }
  void levels(std::string_view name, std::span<const Level> levels) {
    key(name);
    out_ += '[';
    for (std::size_t i = 0; i < levels.size(); ++i) {
      out_ += i == 0 ? "[" : ",[";
      element(levels[i].price);
      out_ += ',';
      element(levels[i].quantity);
      out_ += ']';
    }
    out_ += ']';
  }
  void key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    quote(name);
    out_ += ':';
  }

 private:
  void element(double value) {
    if (std::isnan(value))
      out_ += "null";
    else if (std::isinf(value))
      out_ += value > 0 ? "\"inf\"" : "\"-inf\"";
    else if (value == 0 && std::signbit(value))
      out_ += "-0.0";  // "-0" would read back as the integer
    else
      fmt::format_to(std::back_inserter(out_), "{}", value);
  }

  void quote(std::string_view value) {
    out_ += '"';
    while (!value.empty()) {
      const char first = value.front();
      std::size_t taken = 1;
      if (first == '"' || first == '\\') {
        out_ += '\\';
        out_ += first;
      } else if (static_cast<unsigned char>(first) < 0x20 || first == 0x7f) {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(first));
      } else if (const std::size_t length = utf8_length(value); length > 0) {
        out_ += value.substr(0, length);
        taken = length;
      } else {
        out_ += "\\ufffd";
      }
      value.remove_prefix(taken);
    }
    out_ += '"';
  }

  std::string& out_;
};

/// The word of an enumerator; a value newer than this program stays visible as its number.
template <class Enum, std::size_t Size>
void word(Object& object, std::string_view name, Enum value,
          const std::array<std::string_view, Size>& words) {
  const auto index = static_cast<std::size_t>(value);
  if (index < Size)
    object.text(name, words[index]);
  else
    object.count(name, index);
}

constexpr auto sides = std::to_array<std::string_view>({"unknown", "buy", "sell"});
constexpr auto position_sides = std::to_array<std::string_view>({"unknown", "long", "short"});
constexpr auto contract_types = std::to_array<std::string_view>(
    {"unknown", "linear_perpetual", "inverse_perpetual", "dated_future", "spot", "other"});
constexpr auto statuses =
    std::to_array<std::string_view>({"unknown", "live", "prelaunch", "suspended", "delisted"});
constexpr auto checksum_states = std::to_array<std::string_view>({"none", "verified", "mismatch"});
constexpr auto continuities =
    std::to_array<std::string_view>({"unchecked", "continuous", "restart", "stale", "gap"});
constexpr auto funding_kinds = std::to_array<std::string_view>({"unknown", "predicted", "settled"});
constexpr auto price_kinds = std::to_array<std::string_view>({"last", "mark", "index", "premium"});
constexpr auto ratio_kinds = std::to_array<std::string_view>(
    {"unknown", "global_account", "top_account", "top_position", "taker"});
constexpr auto feed_states = std::to_array<std::string_view>(
    {"unknown", "connecting", "live", "stale", "reconnecting", "down"});
constexpr auto gap_causes =
    std::to_array<std::string_view>({"unknown", "sequence", "checksum", "half_seen", "disconnect",
                                     "venue_has_none", "silence", "not_running"});
constexpr auto origins = std::to_array<std::string_view>(
    {"unknown", "candle", "trades", "sample", "computed", "liquidations"});

void tristate(Object& object, std::string_view name, Tristate value) {
  if (value == Tristate::yes || value == Tristate::no)
    object.boolean(name, value == Tristate::yes);
  else
    object.null(name);
}

/// 0 means unknown.
void known_count(Object& object, std::string_view name, std::uint64_t value) {
  if (value == 0)
    object.null(name);
  else
    object.count(name, value);
}

void write(Object& o, const Instrument& p) {
  o.text("native", p.native.view());
  o.text("base", p.base.view());
  o.text("quote", p.quote.view());
  o.text("settle", p.settle.view());
  o.number("contract_size", p.contract_size);
  o.number("multiplier", p.multiplier);
  o.number("tick_size", p.tick_size);
  o.number("lot_size", p.lot_size);
  o.number("min_quantity", p.min_quantity);
  o.number("min_notional", p.min_notional);
  o.number("max_leverage", p.max_leverage);
  o.integer("funding_interval_ns", p.funding_interval_ns);
  o.integer("listed_ns", p.listed_ns);
  o.integer("delisted_ns", p.delisted_ns);
  word(o, "contract_type", p.contract_type, contract_types);
  word(o, "status", p.status, statuses);
  o.boolean("is_primary", p.is_primary != 0);
  o.boolean("is_provisional", p.is_provisional != 0);
}

void write(Object& o, const Trade& p) {
  o.number("price", p.price);
  o.number("quantity", p.quantity);
  o.integer("trade_id", p.trade_id);
  o.integer("trade_id_high", p.trade_id_high);
  o.integer("first_id", p.first_id);
  o.integer("last_id", p.last_id);
  o.integer("sequence", p.sequence);
  o.number("quantity_without_rpi", p.quantity_without_rpi);
  known_count(o, "fill_count", p.fill_count);
  word(o, "taker_side", p.taker_side, sides);
  tristate(o, "is_block", p.is_block);
  tristate(o, "is_rpi", p.is_rpi);
  if (p.has_parties == 0) return;
  const auto& parties = *reinterpret_cast<const TradeParties*>(&p + 1);
  o.hex("buyer", parties.buyer);
  o.hex("seller", parties.seller);
}

void write(Object& o, const Bbo& p) {
  o.number("bid_price", p.bid_price);
  o.number("bid_quantity", p.bid_quantity);
  o.number("ask_price", p.ask_price);
  o.number("ask_quantity", p.ask_quantity);
  o.integer("update_id", p.update_id);
  known_count(o, "bid_orders", p.bid_orders);
  known_count(o, "ask_orders", p.ask_orders);
}

void write(Object& o, const Book& p) {
  o.integer("first_id", p.first_id);
  o.integer("last_id", p.last_id);
  o.integer("previous_id", p.previous_id);
  o.integer("sequence", p.sequence);
  o.count("depth", p.depth);
  word(o, "checksum_state", p.checksum_state, checksum_states);
  word(o, "continuity", p.continuity, continuities);
  o.count("checksum", p.checksum);
  o.levels("bids", bids(p));
  o.levels("asks", asks(p));
}

void write(Object& o, const Ticker& p) {
  o.number("last_price", p.last_price);
  o.number("last_quantity", p.last_quantity);
  o.number("open_24h", p.open_24h);
  o.number("high_24h", p.high_24h);
  o.number("low_24h", p.low_24h);
  o.number("volume_base_24h", p.volume_base_24h);
  o.number("volume_quote_24h", p.volume_quote_24h);
  o.number("vwap_24h", p.vwap_24h);
  o.number("change_24h", p.change_24h);
  o.number("change_fraction_24h", p.change_fraction_24h);
  o.number("mid_price", p.mid_price);
  o.number("previous_1h", p.previous_1h);
  o.integer("trade_count_24h", p.trade_count_24h);
  o.integer("open_ns", p.open_ns);
  o.integer("close_ns", p.close_ns);
}

void write(Object& o, const MarkPrice& p) {
  o.number("mark_price", p.mark_price);
  o.number("index_price", p.index_price);
  o.number("mark_average", p.mark_average);
  o.number("settle_estimate", p.settle_estimate);
  o.number("premium", p.premium);
  o.number("impact_bid", p.impact_bid);
  o.number("impact_ask", p.impact_ask);
}

void write(Object& o, const Funding& p) {
  o.number("rate", p.rate);
  o.number("mark_price", p.mark_price);
  o.number("premium", p.premium);
  o.number("cap", p.cap);
  o.number("floor", p.floor);
  o.number("next_rate", p.next_rate);
  o.number("interest_rate", p.interest_rate);
  o.integer("funding_ns", p.funding_ns);
  o.integer("interval_ns", p.interval_ns);
  word(o, "funding_kind", p.kind, funding_kinds);
}

void write(Object& o, const OpenInterest& p) {
  o.number("quantity", p.quantity);
  o.number("notional", p.notional);
  o.number("contracts", p.contracts);
  o.number("supply", p.supply);
  o.integer("period_ns", p.period_ns);
  o.boolean("was_both_sides", p.was_both_sides != 0);
}

void write(Object& o, const Kline& p) {
  o.integer("open_ns", p.open_ns);
  o.integer("interval_ns", p.interval_ns);
  o.number("open", p.open);
  o.number("high", p.high);
  o.number("low", p.low);
  o.number("close", p.close);
  o.number("volume_base", p.volume_base);
  o.number("volume_quote", p.volume_quote);
  o.number("taker_buy_base", p.taker_buy_base);
  o.number("taker_buy_quote", p.taker_buy_quote);
  o.integer("trade_count", p.trade_count);
  tristate(o, "is_closed", p.is_closed);
  word(o, "price_kind", p.price_kind, price_kinds);
}

void write(Object& o, const Liquidation& p) {
  o.number("price", p.price);
  o.number("average_price", p.average_price);
  o.number("quantity", p.quantity);
  o.number("filled_quantity", p.filled_quantity);
  word(o, "position_side", p.position_side, position_sides);
  word(o, "order_side", p.order_side, sides);
  o.boolean("is_venue_wide", p.is_venue_wide != 0);
}

void write(Object& o, const LongShortRatio& p) {
  o.number("ratio", p.ratio);
  o.number("long_share", p.long_share);
  o.number("short_share", p.short_share);
  o.integer("period_ns", p.period_ns);
  word(o, "ratio_kind", p.kind, ratio_kinds);
}

void write(Object& o, const TakerVolume& p) {
  o.number("buy_base", p.buy_base);
  o.number("sell_base", p.sell_base);
  o.number("buy_quote", p.buy_quote);
  o.number("sell_quote", p.sell_quote);
  o.integer("period_ns", p.period_ns);
}

void write(Object& o, const Position& p) {
  o.hex("address", p.address);
  o.boolean("is_isolated", p.is_isolated != 0);
  o.number("size", p.size);
  o.number("entry_price", p.entry_price);
  o.number("liquidation_price", p.liquidation_price);
  o.number("notional", p.notional);
  o.number("margin_used", p.margin_used);
  o.number("unrealized_pnl", p.unrealized_pnl);
  o.number("leverage", p.leverage);
  o.number("max_leverage", p.max_leverage);
  o.number("cumulative_funding", p.cumulative_funding);
}

/// "padding" stands for a whole connection.
void stream(Object& o, RecordType type) {
  if (type == RecordType::padding)
    o.text("stream", "connection");
  else
    o.text("stream", name_of(type));
}

void write(Object& o, const FeedStatus& p) {
  word(o, "state", p.state, feed_states);
  stream(o, p.stream);
  o.count("connection", p.connection);
  o.text("reason", p.reason.view());
}

void write(Object& o, const Gap& p) {
  o.integer("from_ns", p.from_ns);
  o.integer("to_ns", p.to_ns);
  o.integer("expected_id", p.expected_id);
  o.integer("got_id", p.got_id);
  stream(o, p.stream);
  word(o, "cause", p.cause, gap_causes);
}

void write(Object& o, const DecodeFailure& p) {
  o.count("status", p.status);
  o.count("message_size", p.message_size);
  o.text("stream", p.stream.view());
  o.text("field", p.field.view());
  const std::size_t size =
      p.excerpt_size < sizeof p.excerpt.data ? p.excerpt_size : sizeof p.excerpt.data;
  o.count("excerpt_size", p.excerpt_size);
  o.text("excerpt", std::string_view(p.excerpt.data, size));
}

void write(Object&, const Tick&) {}

std::string column_name(std::uint16_t number) {
  const auto id = static_cast<ColumnId>(number);
  const auto raw = static_cast<std::size_t>(raw_column_of(id));
  if (raw >= column_count) return fmt::format("column_{}", number);
  if (!is_change(id)) return std::string(columns[raw].name);
  if (window_index_of(id) >= change_windows_minutes.size()) return fmt::format("column_{}", number);
  return fmt::format("{}_chg_{}m", columns[raw].name, change_windows_minutes[window_index_of(id)]);
}

void write(Object& o, const Minute& p) {
  const auto id = static_cast<PerpspecId>(p.perpspec);
  if (static_cast<std::size_t>(kind_of(id)) < spec_kinds.size())
    o.text("perpspec", perpspec_name(id));
  else
    o.count("perpspec", p.perpspec);
  o.integer("open_ns", p.open_ns);
  word(o, "origin", p.origin, origins);
  for (const MinuteValue& value : values(p)) {
    const auto column_id = static_cast<ColumnId>(value.column);
    const bool is_side = !is_change(column_id) && value.column < column_count &&
                         columns[value.column].type == ColumnType::position_side;
    if (is_side && (value.value == 1 || value.value == 2))
      o.text(column_name(value.column), value.value == 1 ? "long" : "short");
    else
      o.number(column_name(value.column), value.value);
  }
}

void write(Object& o, const Liquidity& p) {
  o.number("mid_price", p.mid_price);
  o.number("bid_price", p.bid_price);
  o.number("bid_quantity", p.bid_quantity);
  o.number("ask_price", p.ask_price);
  o.number("ask_quantity", p.ask_quantity);
  o.number("bids_notional", p.bids_notional);
  o.number("asks_notional", p.asks_notional);
  o.number("imbalance_5", p.imbalance_5);
  o.number("imbalance_10", p.imbalance_10);
  o.number("imbalance_20", p.imbalance_20);
  o.number("max_bid_bps", p.max_bid_bps);
  o.number("max_ask_bps", p.max_ask_bps);
  o.numbers("bid_depth", p.bid_depth);
  o.numbers("ask_depth", p.ask_depth);
  o.numbers("buy_price", p.buy_price);
  o.numbers("sell_price", p.sell_price);
  o.integer("last_id", p.last_id);
  o.integer("told_ns", p.told_ns);
  o.count("bid_levels", p.bid_levels);
  o.count("ask_levels", p.ask_levels);
  o.count("depth", p.depth);
}

void write(Object& o, const TickerSample& p) {
  o.number("last_price", p.last_price);
  o.number("mark_price", p.mark_price);
  o.number("index_price", p.index_price);
  o.number("bid_price", p.bid_price);
  o.number("bid_quantity", p.bid_quantity);
  o.number("ask_price", p.ask_price);
  o.number("ask_quantity", p.ask_quantity);
  o.number("volume_base_24h", p.volume_base_24h);
  o.number("volume_quote_24h", p.volume_quote_24h);
  o.number("open_interest", p.open_interest);
  o.number("open_interest_notional", p.open_interest_notional);
  o.number("change_24h", p.change_24h);
  o.number("change_fraction_24h", p.change_fraction_24h);
  o.number("high_24h", p.high_24h);
  o.number("low_24h", p.low_24h);
}

void write_payload(Object& o, const RecordHeader& r) {
  switch (r.type) {
    case RecordType::padding: return;
    case RecordType::instrument: return write(o, payload<Instrument>(r));
    case RecordType::trade: return write(o, payload<Trade>(r));
    case RecordType::bbo: return write(o, payload<Bbo>(r));
    case RecordType::book_snapshot:
    case RecordType::book_delta: return write(o, payload<Book>(r));
    case RecordType::ticker: return write(o, payload<Ticker>(r));
    case RecordType::mark_price: return write(o, payload<MarkPrice>(r));
    case RecordType::funding: return write(o, payload<Funding>(r));
    case RecordType::open_interest: return write(o, payload<OpenInterest>(r));
    case RecordType::kline: return write(o, payload<Kline>(r));
    case RecordType::liquidation: return write(o, payload<Liquidation>(r));
    case RecordType::long_short_ratio: return write(o, payload<LongShortRatio>(r));
    case RecordType::taker_volume: return write(o, payload<TakerVolume>(r));
    case RecordType::position: return write(o, payload<Position>(r));
    case RecordType::feed_status: return write(o, payload<FeedStatus>(r));
    case RecordType::gap: return write(o, payload<Gap>(r));
    case RecordType::error: return write(o, payload<DecodeFailure>(r));
    case RecordType::tick: return write(o, payload<Tick>(r));
    case RecordType::minute: return write(o, payload<Minute>(r));
    case RecordType::liquidity: return write(o, payload<Liquidity>(r));
    case RecordType::ticker_sample: return write(o, payload<TickerSample>(r));
  }
}

constexpr auto flag_names =
    std::to_array<std::string_view>({"snapshot", "backfill", "revision", "derived", "gap_before",
                                     "sampled", "flag_64", "flag_128"});

}  // namespace

void append_json(std::string& out, const RecordHeader& record, const Instrument* instrument) {
  Object o(out);
  if (find_record_kind(record.type) != nullptr)
    o.text("kind", name_of(record.type));
  else
    o.count("kind", static_cast<std::uint64_t>(record.type));
  if (const Venue* venue = find_venue(record.venue); venue != nullptr)
    o.text("venue", venue->key);
  else if (record.venue == VenueId::none)
    o.null("venue");
  else
    o.count("venue", static_cast<std::uint64_t>(record.venue));
  if (instrument != nullptr)
    o.text("symbol", canonical_id(record.venue, *instrument));
  else
    o.null("symbol");
  o.count("instrument", record.instrument);
  o.count("seq", record.seq);
  o.integer("exchange_ns", record.exchange_ns);
  o.integer("receive_ns", record.receive_ns);
  o.key("flags");
  out += '[';
  for (std::size_t bit = 0; bit < flag_names.size(); ++bit)
    if ((record.flags >> bit & 1) != 0)
      fmt::format_to(std::back_inserter(out), "{}\"{}\"", out.back() == '[' ? "" : ",",
                     flag_names[bit]);
  out += ']';
  write_payload(o, record);
}

std::string_view name_of(GapCause cause) noexcept {
  const auto index = static_cast<std::size_t>(cause);
  return index < gap_causes.size() ? gap_causes[index] : gap_causes[0];
}

std::string to_json(const RecordHeader& record, const Instrument* instrument) {
  std::string out;
  append_json(out, record, instrument);
  return out;
}

}  // namespace perp::market
