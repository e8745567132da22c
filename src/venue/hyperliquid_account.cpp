// Hyperliquid: other people's accounts, as anyone may read them: positions, and the liquidations
// among fills.
#include "venue/hex.hpp"
#include "venue/hyperliquid.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::PositionSide;
using market::RecordType;
using market::Side;

bool parse_address(std::string_view text, std::uint8_t (&address)[20]) noexcept {
  if (text.size() != 42 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) return false;
  // 40 digits in three times 16, the last of which overlap.
  constexpr std::array<std::size_t, 3> places{0, 8, 12};
  for (const std::size_t place : places) {
    std::uint64_t bytes = 0;
    if (!read_hex(text.data() + 2 + 2 * place, bytes)) return false;
    for (std::size_t i = 0; i < 8; ++i)
      address[place + i] = static_cast<std::uint8_t>(bytes >> (56 - 8 * i));
  }
  return true;
}

namespace {

void read_position(Context& context, Value element, std::int64_t exchange_ns,
                   const market::Position& owner) {
  enum {
    coin,
    size,
    leverage,
    entry_price,
    notional,
    pnl,
    liquidation,
    margin,
    max_leverage,
    funding
  };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"coin", "szi", "leverage", "entryPx", "positionValue", "unrealizedPnl", "liquidationPx",
       "marginUsed", "maxLeverage", "cumFunding"});
  enum { leverage_type, leverage_value };
  static constexpr auto leverage_keys = std::to_array<std::string_view>({"type", "value"});
  static constexpr auto funding_keys = std::to_array<std::string_view>({"sinceOpen"});
  json::Fault& fault = context.fault();
  ondemand::object row;
  if (!as_object(context, element, row, "assetPositions")) return;
  ondemand::object body;
  if (const auto error = row.find_field_unordered("position").get_object().get(body);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "position");
  market::Position position = owner;
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  json::each_field(body, keys, fault, [&](std::size_t index, Value value) {
    if (index != leverage && index != funding) {
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
      return;
    }
    ondemand::object inner;
    if (!as_object(context, value, inner, keys[index])) return;
    if (index == leverage) {
      json::FlatObject fields(inner, leverage_keys, fault);
      position.is_isolated = fields.text(leverage_type) == "isolated" ? 1 : 0;
      position.leverage = fields.decimal(leverage_value);
    } else {
      json::FlatObject fields(inner, funding_keys, fault);
      position.cumulative_funding = fields.decimal(0);
    }
  });
  const std::string_view native = json::text(tokens[coin], true, fault, keys[coin]);
  if (!fault.ok()) return;
  const InstrumentEntry* entry = context.tx.instrument(native);
  if (entry == nullptr) return;
  const market::Scale per_coin = json::inverse(entry->price_divisor);
  position.size = json::coins(tokens[size], *entry, true, fault, keys[size]);
  position.entry_price =
      json::decimal(tokens[entry_price], per_coin, false, fault, keys[entry_price]);
  position.liquidation_price =
      json::decimal(tokens[liquidation], per_coin, false, fault, keys[liquidation]);
  position.notional = json::decimal(tokens[notional], {}, true, fault, keys[notional]);
  position.margin_used = json::decimal(tokens[margin], {}, true, fault, keys[margin]);
  position.unrealized_pnl = json::decimal(tokens[pnl], {}, true, fault, keys[pnl]);
  position.max_leverage = json::decimal(tokens[max_leverage], {}, false, fault, keys[max_leverage]);
  if (!context.tx.ok()) return;
  context.tx.count_other(*entry);
  if (auto* record = context.tx.emit<market::Position>(RecordType::position, *entry, exchange_ns,
                                                       context.flags))
    *record = position;
}

struct LiquidationMark {
  bool is_present = false;
  std::string_view user;
  std::string_view method;
};

/// Which order of the two was the liquidation's. The fill is one party's: it is the liquidated
/// one's own, or its counterparty's; without knowing whose fill it is, a market liquidation is the
/// side that crossed the spread.
Side order_side(Side fill_side, const LiquidationMark& mark, std::string_view user,
                market::Tristate crossed) {
  const Side other = fill_side == Side::buy ? Side::sell : Side::buy;
  if (!user.empty() && !mark.user.empty()) {
    std::uint8_t whose[20];
    std::uint8_t liquidated[20];
    if (parse_address(user, whose) && parse_address(mark.user, liquidated))
      return std::memcmp(whose, liquidated, sizeof whose) == 0 ? fill_side : other;
  }
  if (mark.method != "market" || crossed == market::Tristate::unknown) return Side::unknown;
  return crossed == market::Tristate::yes ? fill_side : other;
}

}  // namespace

void read_clearinghouse_state(Context& context, Value data, std::string_view user) {
  enum { positions, time };
  static constexpr auto keys = std::to_array<std::string_view>({"assetPositions", "time"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "message")) return;
  market::Position owner;
  if (!user.empty() && !parse_address(user, owner.address))
    return fault.raise(DecodeStatus::wrong_type, "user");
  const json::Token when = json::token_of(body.find_field_unordered(keys[time]), fault, keys[time]);
  const std::int64_t exchange_ns =
      json::time_ms(when, false, fault, keys[time]);  // replies of 2023 have none
  if (!fault.ok()) return;
  if (body.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  Value list;
  if (const auto error = body.find_field_unordered(keys[positions]).get(list);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), keys[positions]);
  each_element(context, list, keys[positions], [&](std::size_t, Value element) {
    read_position(context, element, exchange_ns, owner);
  });
}

void read_clearinghouse_push(Context& context, Value data) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  const std::string_view user = json::text(
      json::token_of(body.find_field_unordered("user"), fault, "user"), false, fault, "user");
  // Nobody's positions are no use to anyone: without the address the push is only counted.
  if (!fault.ok() || user.empty()) return;
  if (body.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  Value state;
  if (const auto error = body.find_field_unordered("clearinghouseState").get(state);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "clearinghouseState");
  read_clearinghouse_state(context, state, user);
}

void read_fills(Context& context, Value fills, std::string_view user) {
  enum { coin, price, quantity, side, time, crossed, id, liquidation };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"coin", "px", "sz", "side", "time", "crossed", "tid", "liquidation"});
  enum { liquidated_user, method };
  static constexpr auto mark_keys = std::to_array<std::string_view>({"liquidatedUser", "method"});
  json::Fault& fault = context.fault();
  RecordSink& sink = context.tx.sink();
  std::size_t begin = 0;
  std::size_t staged = 0;
  bool has_rows = false;
  each_element(context, fills, "fills", [&](std::size_t, Value element) {
    ondemand::object row;
    if (!as_object(context, element, row, "fills")) return;
    std::array<json::Token, keys.size()> tokens;
    tokens.fill(json::absent);
    LiquidationMark mark;
    json::each_field(row, keys, fault, [&](std::size_t index, Value value) {
      if (index != liquidation) {
        tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
        return;
      }
      bool is_null = false;
      if (const auto error = value.is_null().get(is_null); error != simdjson::SUCCESS)
        return fault.raise(json::status_of(error), keys[liquidation]);
      ondemand::object inner;
      if (is_null || !as_object(context, value, inner, keys[liquidation])) return;
      json::FlatObject fields(inner, mark_keys, fault);
      mark.is_present = true;
      mark.user = fields.optional_text(liquidated_user);
      mark.method = fields.optional_text(method);
    });
    // Somebody's own trades are no market data; their liquidations are the only ones this venue
    // shows.
    if (!fault.ok() || !mark.is_present) return;
    const std::string_view native = json::text(tokens[coin], true, fault, keys[coin]);
    if (!fault.ok()) return;
    const InstrumentEntry* entry = context.tx.instrument(native);
    if (entry == nullptr) return;
    market::Liquidation record;
    record.price =
        json::decimal(tokens[price], json::inverse(entry->price_divisor), true, fault, keys[price]);
    record.average_price = record.price;
    record.quantity = json::coins(tokens[quantity], *entry, true, fault, keys[quantity]);
    record.filled_quantity = record.quantity;
    const std::string_view way = json::text(tokens[side], true, fault, keys[side]);
    const Side fill_side = way == "B" ? Side::buy : way == "A" ? Side::sell : Side::unknown;
    if (fault.ok() && fill_side == Side::unknown)
      fault.raise(DecodeStatus::unknown_value, keys[side]);
    record.order_side = order_side(fill_side, mark, user,
                                   json::boolean(tokens[crossed], false, fault, keys[crossed]));
    if (record.order_side != Side::unknown)
      record.position_side =
          record.order_side == Side::sell ? PositionSide::long_side : PositionSide::short_side;
    const std::int64_t exchange_ns = json::time_ms(tokens[time], true, fault, keys[time]);
    const std::int64_t trade_id = json::integer(tokens[id], false, fault, keys[id]);
    if (!context.tx.ok()) return;
    context.tx.count_other(*entry);
    // Both parties' fills and each new subscription's snapshot tell of the same one.
    if (trade_id != market::unknown_id &&
        context.is_repeat(&Streams::liquidations, *entry, trade_id, exchange_ns))
      return;
    if (!has_rows) begin = sink.bytes().size();
    if (!has_rows) staged = context.own.staged.size();
    has_rows = true;
    auto* out = context.tx.emit<market::Liquidation>(
        RecordType::liquidation, *entry, exchange_ns,
        static_cast<std::uint8_t>((context.flags & ~market::flag_snapshot) | market::flag_sampled));
    if (out != nullptr) *out = record;
  });
  if (context.tx.ok() && has_rows && staged == context.own.staged.size()) sort_by_time(sink, begin);
}

void read_user_fills_push(Context& context, Value data) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  const std::string_view user = json::text(
      json::token_of(body.find_field_unordered("user"), fault, "user"), false, fault, "user");
  if (!fault.ok()) return;
  if (body.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  Value fills;
  if (const auto error = body.find_field_unordered("fills").get(fills); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "fills");
  read_fills(context, fills, user);
}

void read_user_push(Context& context, Value data) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  // fills, funding, liquidation or nonUserCancel; the liquidation names no coin and is no record.
  Value fills;
  const auto error = body.find_field_unordered("fills").get(fills);
  if (error == simdjson::SUCCESS) return read_fills(context, fills, {});
  if (error != simdjson::NO_SUCH_FIELD) fault.raise(json::status_of(error), "fills");
}

}  // namespace perp::venue::hyperliquid
