// Hyperliquid: what its names are, and the lists that say more.
#include "venue/hyperliquid.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::ContractType;
using market::InstrumentStatus;

namespace {

constexpr std::string_view dollar = "USDC";

/// 10^-decimals, the smallest size of the named unit.
market::Scale size_step(std::int64_t decimals) { return {1, -static_cast<int>(decimals)}; }

bool is_plausible_decimals(std::int64_t decimals) { return decimals >= 0 && decimals <= 18; }

std::string_view token_name(const Context& context, std::int64_t index) {
  for (const std::vector<Token>* tokens : {&context.own.new_tokens, &context.own.tokens})
    for (const Token& token : *tokens)
      if (token.index == index) return token.name;
  return index == 0 ? dollar : std::string_view();
}

const Token* find_token(const Context& context, std::int64_t index) {
  for (const Token& token : context.own.new_tokens)
    if (token.index == index) return &token;
  return nullptr;
}

std::string_view dex_of(std::string_view name) {
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? std::string_view() : name.substr(0, colon);
}

}  // namespace

// Perpetuals of other dexes are `other`, not linear perpetuals: several dexes list the same coin,
// each with its own oracle and collateral, and none of them is the coin's perpetual on this venue.
bool describe(std::string_view native, InstrumentFacts& facts) {
  market::Instrument& instrument = facts.instrument;
  instrument.status = InstrumentStatus::live;
  facts.has_contract_size = true;
  if (native.empty() || !instrument.native.assign(native)) return false;
  std::string_view base = native;
  std::string_view quote;
  if (const std::size_t slash = native.find('/'); slash != std::string_view::npos) {
    instrument.contract_type = ContractType::spot;
    base = native.substr(0, slash);
    quote = native.substr(slash + 1);
  } else if (native[0] == '@') {
    instrument.contract_type = ContractType::spot;
  } else if (native[0] == '#') {
    instrument.contract_type = ContractType::other;
  } else if (const std::size_t colon = native.find(':'); colon != std::string_view::npos) {
    instrument.contract_type = ContractType::other;
    base = native.substr(colon + 1);
  } else {
    instrument.contract_type = ContractType::linear_perpetual;
    instrument.funding_interval_ns = core::ns_per_hour;
    quote = dollar;
  }
  if (instrument.contract_type != ContractType::spot) {
    const market::AssetName asset = market::split_multiplier(base, true);
    base = asset.coin;
    facts.multiplier = asset.multiplier;
  }
  return !base.empty() && instrument.base.assign(base) && instrument.quote.assign(quote) &&
         instrument.settle.assign(quote);
}

void read_meta(Context& context, Value meta) {
  enum { decimals, name, leverage, delisted };
  static constexpr auto keys =
      std::to_array<std::string_view>({"szDecimals", "name", "maxLeverage", "isDelisted"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, meta, body, "meta")) return;
  const json::Token collateral =
      json::token_of(body.find_field_unordered("collateralToken"), fault, "collateralToken");
  const std::int64_t token = json::integer(collateral, false, fault, "collateralToken");
  if (!fault.ok()) return;
  if (body.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  Value list;
  if (const auto error = body.find_field_unordered("universe").get(list);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "universe");
  Universe universe;
  each_element(context, list, "universe", [&](std::size_t index, Value element) {
    ondemand::object row;
    if (!as_object(context, element, row, "universe")) return;
    json::FlatObject fields(row, keys, fault);
    const std::string_view native = fields.text(name);
    const std::int64_t size_decimals = fields.integer(decimals);
    const double max_leverage = fields.optional_decimal(leverage);
    const bool is_delisted = fields.optional_boolean(delisted) == market::Tristate::yes;
    if (!fault.ok()) return;
    if (!is_plausible_decimals(size_decimals))
      return fault.raise(DecodeStatus::out_of_range, keys[decimals]);
    InstrumentFacts facts;
    if (!describe(native, facts)) return fault.raise(DecodeStatus::out_of_range, keys[name]);
    if (facts.instrument.contract_type != ContractType::linear_perpetual) {
      const std::string_view quote = token_name(context, token == market::unknown_id ? 0 : token);
      if (!facts.instrument.quote.assign(quote) || !facts.instrument.settle.assign(quote))
        return fault.raise(DecodeStatus::out_of_range, "collateralToken");
      facts.instrument.funding_interval_ns = core::ns_per_hour;
    }
    market::Scale lot;
    if (market::multiply(size_step(size_decimals), facts.multiplier, lot))
      facts.instrument.lot_size = market::to_double(lot);
    facts.instrument.max_leverage = max_leverage;
    facts.instrument.status = is_delisted ? InstrumentStatus::delisted : InstrumentStatus::live;
    if (index == 0) universe.dex = dex_of(native);
    if (dex_of(native) != universe.dex) return fault.raise(DecodeStatus::unknown_value, keys[name]);
    universe.names.emplace_back(native);
    context.tx.define(facts);
  });
  if (context.tx.ok() && !universe.names.empty())
    context.own.new_universes.push_back(std::move(universe));
}

void read_all_perp_metas(Context& context, Value metas) {
  each_element(context, metas, "message",
               [&](std::size_t, Value meta) { read_meta(context, meta); });
}

void read_perp_dexs(Context& context, Value dexs) {
  json::Fault& fault = context.fault();
  each_element(context, dexs, "message", [&](std::size_t index, Value dex) {
    bool is_null = false;
    if (const auto error = dex.is_null().get(is_null); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "message");
    if (is_null && index == 0) return;  // the first dex has no row
    ondemand::object row;
    if (!as_object(context, dex, row, "message")) return;
    json::text(json::token_of(row.find_field_unordered("name"), fault, "name"), true, fault,
               "name");
  });
}

void read_spot_meta(Context& context, Value meta) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, meta, body, "meta")) return;
  {
    enum { name, decimals, index };
    static constexpr auto keys = std::to_array<std::string_view>({"name", "szDecimals", "index"});
    Value list;
    if (const auto error = body.find_field_unordered("tokens").get(list);
        error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "tokens");
    each_element(context, list, "tokens", [&](std::size_t, Value element) {
      ondemand::object row;
      if (!as_object(context, element, row, "tokens")) return;
      json::FlatObject fields(row, keys, fault);
      Token token{fields.integer(index), std::string(fields.text(name)), fields.integer(decimals)};
      if (fault.ok() && !is_plausible_decimals(token.size_decimals))
        fault.raise(DecodeStatus::out_of_range, keys[decimals]);
      if (fault.ok()) context.own.new_tokens.push_back(std::move(token));
    });
    if (!context.tx.ok()) return;
  }
  if (body.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  enum { name, tokens };
  static constexpr auto keys = std::to_array<std::string_view>({"name", "tokens"});
  Value list;
  if (const auto error = body.find_field_unordered("universe").get(list);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "universe");
  each_element(context, list, "universe", [&](std::size_t, Value element) {
    ondemand::object row;
    if (!as_object(context, element, row, "universe")) return;
    json::Token native = json::absent;
    std::array<std::int64_t, 2> pair{market::unknown_id, market::unknown_id};
    json::each_field(row, keys, fault, [&](std::size_t index, Value value) {
      if (index == name) {
        native = json::make_token(value.raw_json_token(), fault, keys[name]);
        return;
      }
      each_element(context, value, keys[tokens], [&](std::size_t at, Value number) {
        if (at >= pair.size()) return fault.raise(DecodeStatus::wrong_type, keys[tokens]);
        pair[at] = json::integer(json::make_token(number.raw_json_token(), fault, keys[tokens]),
                                 true, fault, keys[tokens]);
      });
    });
    const std::string_view symbol = json::text(native, true, fault, keys[name]);
    if (!fault.ok()) return;
    const Token* base = find_token(context, pair[0]);
    const Token* quote = find_token(context, pair[1]);
    if (base == nullptr || quote == nullptr)
      return fault.raise(DecodeStatus::missing_field, keys[tokens]);
    InstrumentFacts facts;
    if (!describe(symbol, facts) || !facts.instrument.base.assign(base->name) ||
        !facts.instrument.quote.assign(quote->name) || !facts.instrument.settle.assign(quote->name))
      return fault.raise(DecodeStatus::out_of_range, keys[name]);
    facts.instrument.contract_type = ContractType::spot;
    facts.instrument.lot_size = market::to_double(size_step(base->size_decimals));
    context.tx.define(facts);
  });
}

}  // namespace perp::venue::hyperliquid
