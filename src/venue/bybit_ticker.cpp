// Tickers of the stream (a snapshot, then only what changed) and of REST (always whole) into the
// records they hold: 24-hour statistics, best bid and offer, mark and index price, the running
// funding rate, open interest.
#include "venue/bybit.hpp"

namespace perp::venue::bybit {

using market::InstrumentEntry;
using market::RecordType;

namespace {

enum class Unit : std::uint8_t { price, size, plain };

struct TickerField {
  double MergedTicker::*value;
  Unit unit;
  TickerPart part;
};

// In the order of a snapshot, which makes the one pass over the message fastest. The last two are
// times.
constexpr std::array<std::string_view, 25> ticker_keys = {"price24hPcnt",
                                                          "lastPrice",
                                                          "prevPrice24h",
                                                          "highPrice24h",
                                                          "lowPrice24h",
                                                          "prevPrice1h",
                                                          "markPrice",
                                                          "indexPrice",
                                                          "openInterest",
                                                          "openInterestValue",
                                                          "turnover24h",
                                                          "volume24h",
                                                          "nextFundingTime",
                                                          "fundingRate",
                                                          "bid1Price",
                                                          "bid1Size",
                                                          "ask1Price",
                                                          "ask1Size",
                                                          "singleOpenInterest",
                                                          "singleOpenInterestValue",
                                                          "fundingCap",
                                                          "fundingIntervalHour",
                                                          "predictedDeliveryPrice",
                                                          "symbol",
                                                          "tickDirection"};
constexpr std::size_t index_next_funding = 12;
constexpr std::size_t index_open_interest = 8;
constexpr std::size_t index_open_interest_value = 9;
constexpr std::size_t index_single = 18;
constexpr std::size_t index_single_value = 19;
constexpr std::size_t field_count = 23;  ///< the keys behind are read by others

constexpr std::array<TickerField, field_count> ticker_fields = {{
    {&MergedTicker::change_fraction_24h, Unit::plain, part_ticker},
    {&MergedTicker::last_price, Unit::price, part_ticker},
    {&MergedTicker::open_24h, Unit::price, part_ticker},
    {&MergedTicker::high_24h, Unit::price, part_ticker},
    {&MergedTicker::low_24h, Unit::price, part_ticker},
    {&MergedTicker::previous_1h, Unit::price, part_ticker},
    {&MergedTicker::mark_price, Unit::price, part_mark},
    {&MergedTicker::index_price, Unit::price, part_mark},
    {&MergedTicker::open_interest, Unit::plain, part_interest},
    {&MergedTicker::open_interest_value, Unit::plain, part_interest},
    {&MergedTicker::turnover_24h, Unit::plain, part_ticker},
    {&MergedTicker::volume_24h, Unit::size, part_ticker},
    {nullptr, Unit::plain, part_funding},  // nextFundingTime
    {&MergedTicker::funding_rate, Unit::plain, part_funding},
    {&MergedTicker::bid_price, Unit::price, part_bbo},
    {&MergedTicker::bid_size, Unit::size, part_bbo},
    {&MergedTicker::ask_price, Unit::price, part_bbo},
    {&MergedTicker::ask_size, Unit::size, part_bbo},
    {&MergedTicker::open_interest_single, Unit::plain, part_interest},
    {&MergedTicker::open_interest_value_single, Unit::plain, part_interest},
    {&MergedTicker::funding_cap, Unit::plain, part_funding},
    {&MergedTicker::funding_interval_hours, Unit::plain, part_funding},
    {&MergedTicker::settle_estimate, Unit::price, part_mark},
}};

/// A new figure of both sides makes the one-sided figure of an earlier message old. `seen`: a bit
/// for each key that a message has.
void forget_older_interest(std::uint64_t seen, MergedTicker& merged) {
  const auto has = [&](std::size_t index) { return (seen >> index & 1) != 0; };
  if (has(index_open_interest) && !has(index_single))
    merged.open_interest_single = merged.open_interest_single_coins = market::missing;
  if (has(index_open_interest_value) && !has(index_single_value))
    merged.open_interest_value_single = market::missing;
}

bool is_same(double a, double b) { return a == b || (a != a && b != b); }

/// Half of both sides where one side is not given. Halving a double is exact.
double one_side(double single, double both, bool& was_both) {
  if (single == single) return single;
  was_both |= both == both;
  return both / 2;
}

void emit_open_interest(Transaction& message, const InstrumentEntry& entry,
                        const MergedTicker& merged, std::int64_t exchange_ns, std::uint8_t flags) {
  market::OpenInterest interest;
  bool was_both = false;
  interest.contracts = one_side(merged.open_interest_single, merged.open_interest, was_both);
  const double value =
      one_side(merged.open_interest_value_single, merged.open_interest_value, was_both);
  if (entry.has_quantity_factor) {
    interest.quantity =
        one_side(merged.open_interest_single_coins, merged.open_interest_coins, was_both);
    interest.notional = value;
  } else {  // inverse: contracts of 1 USD, their value in coins
    interest.quantity = value;
    interest.notional = interest.contracts;
  }
  interest.was_both_sides = was_both ? 1 : 0;
  auto* record =
      message.emit<market::OpenInterest>(RecordType::open_interest, entry, exchange_ns, flags);
  if (record != nullptr) *record = interest;
}

}  // namespace

std::uint8_t merge_ticker(json::ondemand::object object, const InstrumentEntry& entry,
                          MergedTicker& merged, json::Fault& fault) {
  const market::Scale price = json::inverse(entry.price_divisor);
  const market::Scale size = entry.has_quantity_factor ? entry.quantity_factor : market::Scale{};
  std::uint8_t parts = 0;
  std::uint64_t seen = 0;
  json::each_field(object, ticker_keys, fault, [&](std::size_t index, json::ondemand::value value) {
    if (index >= field_count) return;
    const TickerField& field = ticker_fields[index];
    const std::string_view key = ticker_keys[index];
    const json::Token token = json::make_token(value.raw_json_token(), fault, key);
    parts |= field.part;
    seen |= std::uint64_t{1} << index;
    if (index == index_next_funding) {
      merged.next_funding_ns = json::time_ms(token, false, fault, key);
      return;
    }
    const market::Scale scale = field.unit == Unit::price  ? price
                                : field.unit == Unit::size ? size
                                                           : market::Scale{};
    // "" takes the value back: dated futures have no funding rate.
    merged.*field.value = json::decimal(token, scale, false, fault, key);
    if (index == index_open_interest)
      merged.open_interest_coins = json::decimal(token, size, false, fault, key);
    if (index == index_single)
      merged.open_interest_single_coins = json::decimal(token, size, false, fault, key);
  });
  forget_older_interest(seen, merged);
  return parts;
}

std::uint8_t merge_ticker(const MergedTicker& change, MergedTicker& merged) {
  std::uint8_t parts = 0;
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < field_count; ++index) {
    const TickerField& field = ticker_fields[index];
    if (index == index_next_funding) continue;
    const double value = change.*field.value;
    const bool is_said = value == value;
    merged.*field.value = is_said ? value : merged.*field.value;
    parts |= is_said ? field.part : 0;
    seen |= static_cast<std::uint64_t>(is_said) << index;
  }
  if (change.next_funding_ns != core::unknown_ns) {
    merged.next_funding_ns = change.next_funding_ns;
    parts |= part_funding;
  }
  if (change.open_interest == change.open_interest)
    merged.open_interest_coins = change.open_interest_coins;
  if (change.open_interest_single == change.open_interest_single)
    merged.open_interest_single_coins = change.open_interest_single_coins;
  forget_older_interest(seen, merged);
  return parts;
}

void emit_ticker(Transaction& message, const InstrumentEntry& entry, const MergedTicker& merged,
                 std::uint8_t parts, std::int64_t exchange_ns, std::uint8_t flags) {
  if ((parts & part_ticker) != 0) {
    if (auto* ticker =
            message.emit<market::Ticker>(RecordType::ticker, entry, exchange_ns, flags)) {
      ticker->last_price = merged.last_price;
      ticker->open_24h = merged.open_24h;
      ticker->high_24h = merged.high_24h;
      ticker->low_24h = merged.low_24h;
      // Inverse: volume in contracts of 1 USD, turnover in coins.
      ticker->volume_base_24h = entry.has_quantity_factor ? merged.volume_24h : merged.turnover_24h;
      ticker->volume_quote_24h =
          entry.has_quantity_factor ? merged.turnover_24h : merged.volume_24h;
      ticker->change_fraction_24h = merged.change_fraction_24h;
      ticker->previous_1h = merged.previous_1h;
    }
  }
  if ((parts & part_bbo) != 0) {
    if (auto* bbo = message.emit<market::Bbo>(RecordType::bbo, entry, exchange_ns, flags)) {
      bbo->bid_price = merged.bid_price;
      bbo->bid_quantity = entry.has_quantity_factor ? merged.bid_size : market::missing;
      bbo->ask_price = merged.ask_price;
      bbo->ask_quantity = entry.has_quantity_factor ? merged.ask_size : market::missing;
    }
  }
  if ((parts & part_mark) != 0) {
    if (auto* mark =
            message.emit<market::MarkPrice>(RecordType::mark_price, entry, exchange_ns, flags)) {
      mark->mark_price = merged.mark_price;
      mark->index_price = merged.index_price;
      mark->settle_estimate = merged.settle_estimate;
    }
  }
  if ((parts & part_funding) != 0 && merged.funding_rate == merged.funding_rate) {
    if (auto* funding =
            message.emit<market::Funding>(RecordType::funding, entry, exchange_ns, flags)) {
      funding->rate = merged.funding_rate;
      funding->cap = merged.funding_cap;
      funding->funding_ns = merged.next_funding_ns;
      const double hours = merged.funding_interval_hours;
      if (hours > 0 && hours <= 24 * 365)
        funding->interval_ns =
            static_cast<std::int64_t>(hours * static_cast<double>(core::ns_per_hour));
      funding->kind = market::FundingKind::predicted;
    }
  }
  if ((parts & part_interest) != 0) emit_open_interest(message, entry, merged, exchange_ns, flags);
}

MergedTicker& begin_ticker(State& own, const InstrumentEntry& entry, bool is_snapshot) {
  const MergedTicker& known = own.market(entry.id).ticker;
  own.pending.ticker = is_snapshot ? MergedTicker() : known;
  return own.pending.ticker;
}

void take(Transaction& message, State& own, const TickerEvent& event) {
  const InstrumentEntry& entry = *event.entry;
  const MergedTicker& known = own.market(entry.id).ticker;
  MergedTicker& merged = own.pending.ticker;
  message.count_other(entry);
  if (!event.is_snapshot && event.sequence != market::unknown_id && event.sequence < known.sequence)
    return message.count_duplicate();
  if (event.sequence != market::unknown_id) merged.sequence = event.sequence;
  own.pending.ticker_of = entry.id;
  std::uint8_t parts = event.parts;
  // The touch is often sent along unchanged.
  if (!event.is_snapshot && is_same(merged.bid_price, known.bid_price) &&
      is_same(merged.bid_size, known.bid_size) && is_same(merged.ask_price, known.ask_price) &&
      is_same(merged.ask_size, known.ask_size))
    parts &= static_cast<std::uint8_t>(~part_bbo);
  emit_ticker(message, entry, merged, parts, event.exchange_ns,
              event.is_snapshot ? market::flag_snapshot : 0);
}

void read_ticker_frame(Transaction& message, State& own, json::Object& root,
                       std::string_view symbol) {
  const std::string_view type = root.text("type");
  if (type != "snapshot" && type != "delta") own.fault.raise(DecodeStatus::unknown_value, "type");
  TickerEvent event;
  event.is_snapshot = type == "snapshot";
  const std::string_view key = own.fault.ok() ? native_key(own, {}, symbol) : std::string_view();
  event.entry = own.fault.ok() ? message.instrument(key) : nullptr;
  json::ondemand::object data;
  if (event.entry == nullptr || !root.object("data", data)) return;
  MergedTicker& merged = begin_ticker(own, *event.entry, event.is_snapshot);
  event.parts = merge_ticker(data, *event.entry, merged, own.fault);
  event.sequence = root.optional_integer("cs");
  event.exchange_ns = root.time_ms("ts");
  if (message.ok()) take(message, own, event);
}

}  // namespace perp::venue::bybit
