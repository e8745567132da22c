// Binance: what its symbols are, from lists and, until a list comes, from the names themselves.
#include "venue/binance.hpp"

namespace perp::venue::binance {

namespace ondemand = json::ondemand;
using market::ContractType;
using market::InstrumentEntry;
using market::InstrumentStatus;

namespace {

constexpr std::int64_t never_delivered_ms =
    4'133'404'800'000;  // 2100-12-25, the deliveryDate of perpetuals
constexpr std::int64_t default_funding_interval_ns = 8 * core::ns_per_hour;
constexpr std::string_view coin_margin = "2";  // `st` of a COIN-M contract

// Longest first, so that FDUSD is not taken for USD.
constexpr auto quotes = std::to_array<std::string_view>(
    {"FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD1", "USD", "BTC", "ETH", "BNB", "EUR", "TRY"});

std::string_view quote_of(std::string_view symbol) {
  for (const std::string_view quote : quotes)
    if (symbol.size() > quote.size() && symbol.ends_with(quote)) return quote;
  return {};
}

bool is_perpetual(std::string_view contract) {
  return contract == "PERPETUAL" || contract == "TRADIFI_PERPETUAL";
}

InstrumentStatus status_of(std::string_view status) {
  if (status == "TRADING") return InstrumentStatus::live;
  if (status == "PENDING_TRADING" || status == "PRE_TRADING") return InstrumentStatus::prelaunch;
  if (status == "CLOSE" || status == "DELIVERED") return InstrumentStatus::delisted;
  if (status == "SETTLING" || status == "PRE_SETTLE" || status == "DELIVERING" ||
      status == "PRE_DELIVERING" || status == "BREAK" || status == "HALT" ||
      status == "AUCTION_MATCH")
    return InstrumentStatus::suspended;
  return InstrumentStatus::unknown;
}

ContractType contract_of(std::string_view contract, bool is_inverse) {
  if (is_perpetual(contract))
    return is_inverse ? ContractType::inverse_perpetual : ContractType::linear_perpetual;
  if (contract.find("QUARTER") != std::string_view::npos ||
      contract.find("MONTH") != std::string_view::npos)
    return ContractType::dated_future;
  return contract.empty() ? ContractType::unknown : ContractType::other;
}

/// Names, margin currency and the factors that follow from them. USD-M sizes are coins of the named
/// unit; COIN-M sizes are contracts worth some USD, which no factor turns into coins.
bool name(InstrumentFacts& facts, std::string_view native, std::string_view base,
          std::string_view quote, std::string_view settle, bool is_inverse) {
  const market::AssetName asset = market::split_multiplier(base, false);
  facts.multiplier = asset.multiplier;
  facts.has_contract_size = !is_inverse;
  market::Instrument& instrument = facts.instrument;
  return !native.empty() && !asset.coin.empty() && instrument.native.assign(native) &&
         instrument.base.assign(asset.coin) && instrument.quote.assign(quote) &&
         instrument.settle.assign(settle);
}

/// What is known of an instrument already, to be changed and defined again.
InstrumentFacts facts_of(const InstrumentEntry& entry) {
  InstrumentFacts facts;
  facts.instrument = entry.instrument;
  facts.multiplier = entry.price_divisor;
  facts.has_contract_size = entry.has_quantity_factor;  // and then it is 1
  return facts;
}

bool describe_coin_margined(std::string_view native, InstrumentFacts& facts) {
  const std::string_view pair = native.substr(0, native.find('_'));
  const std::string_view quote = quote_of(pair);
  const std::string_view base = pair.substr(0, pair.size() - quote.size());
  facts.instrument.contract_type = native.ends_with("_PERP") || pair == native
                                       ? ContractType::inverse_perpetual
                                       : ContractType::dated_future;
  facts.instrument.status = InstrumentStatus::live;
  return name(facts, native, base, quote, base, true);
}

}  // namespace

bool describe(std::string_view native, InstrumentFacts& facts) {
  const std::size_t mark = native.find('_');
  const std::string_view pair = native.substr(0, mark);
  const std::string_view quote = quote_of(pair);
  if (mark != std::string_view::npos && quote == "USD")
    return describe_coin_margined(native, facts);
  const std::string_view base = pair.substr(0, pair.size() - quote.size());
  facts.instrument.contract_type = mark != std::string_view::npos ? ContractType::dated_future
                                   : quote.empty()                ? ContractType::unknown
                                   : quote == "USD"               ? ContractType::other
                                                                  : ContractType::linear_perpetual;
  facts.instrument.status = InstrumentStatus::live;
  return name(facts, native, base, quote, quote, false);
}

const InstrumentEntry* Context::instrument(std::string_view native, const json::Token& margin) {
  const InstrumentEntry* entry = tx.instrument(native);
  if (entry == nullptr || margin.is_missing || margin.text != coin_margin) return entry;
  const ContractType contract = entry->instrument.contract_type;
  if (!entry->has_quantity_factor && contract != ContractType::linear_perpetual) return entry;
  // Named like a USD-M contract, but not one. A list that says otherwise is not overruled.
  InstrumentFacts facts;
  if (entry->instrument.is_provisional == 0 || !describe_coin_margined(native, facts)) {
    own.fault.raise(DecodeStatus::unknown_value, "st");
    return nullptr;
  }
  facts.instrument.is_provisional = 1;
  return tx.redefine(facts);
}

namespace {

/// Tick, lot and least sizes from a symbol's filters.
void read_filters(json::Fault& fault, ondemand::value value, InstrumentFacts& facts) {
  enum { type, tick, step, least, notional };
  static constexpr auto keys =
      std::to_array<std::string_view>({"filterType", "tickSize", "stepSize", "minQty", "notional"});
  ondemand::array filters;
  if (const auto error = value.get_array().get(filters); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "filters");
  const market::Scale per_coin = json::inverse(facts.multiplier);
  for (auto item : filters) {
    ondemand::object filter;
    if (const auto error = item.get_object().get(filter); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "filters");
    json::FlatObject fields(filter, keys, fault);
    const std::string_view kind = fields.text(type);
    market::Instrument& instrument = facts.instrument;
    if (kind == "PRICE_FILTER") instrument.tick_size = fields.decimal(tick, per_coin);
    if (kind == "LOT_SIZE" && facts.has_contract_size) {
      instrument.lot_size = fields.decimal(step, facts.multiplier);
      instrument.min_quantity = fields.decimal(least, facts.multiplier);
    }
    if (kind == "MIN_NOTIONAL") instrument.min_notional = fields.optional_decimal(notional);
    if (!fault.ok()) return;
  }
}

void read_symbol(Context& context, ondemand::object row) {
  enum { native, base, quote, margin, contract, status, onboard, delivery, filters };
  static constexpr auto keys = std::to_array<std::string_view>(
      {"symbol", "baseAsset", "quoteAsset", "marginAsset", "contractType", "status", "onboardDate",
       "deliveryDate", "filters"});
  json::Fault& fault = context.own.fault;
  std::array<json::Token, keys.size()> tokens;
  tokens.fill(json::absent);
  // Filters may stand before the names that scale them: two passes.
  json::each_field(row, keys, fault, [&](std::size_t index, ondemand::value value) {
    if (index != filters)
      tokens[index] = json::make_token(value.raw_json_token(), fault, keys[index]);
  });
  InstrumentFacts facts;
  const std::string_view symbol = json::text(tokens[native], true, fault, "symbol");
  const std::string_view base_asset = json::text(tokens[base], true, fault, "baseAsset");
  const std::string_view quote_asset = json::text(tokens[quote], true, fault, "quoteAsset");
  const std::string_view margin_asset = json::text(tokens[margin], false, fault, "marginAsset");
  if (!fault.ok()) return;
  const bool is_inverse =
      !margin_asset.empty() && margin_asset == base_asset && margin_asset != quote_asset;
  if (!name(facts, symbol, base_asset, quote_asset,
            margin_asset.empty() ? quote_asset : margin_asset, is_inverse)) {
    // One name too long for its field must not cost the whole list; a message about it will be
    // refused and counted.
    context.tx.count_other_instrument();
    return;
  }
  facts.instrument.contract_type =
      contract_of(json::text(tokens[contract], false, fault, "contractType"), is_inverse);
  facts.instrument.status = status_of(json::text(tokens[status], false, fault, "status"));
  facts.instrument.listed_ns = json::time_ms(tokens[onboard], false, fault, "onboardDate");
  const std::int64_t delivery_ns = json::time_ms(tokens[delivery], false, fault, "deliveryDate");
  if (delivery_ns < never_delivered_ms * core::ns_per_ms)
    facts.instrument.delisted_ns = delivery_ns;
  const InstrumentEntry* known = context.state.instruments.find(symbol);
  if (known != nullptr)
    facts.instrument.funding_interval_ns = known->instrument.funding_interval_ns;
  if (facts.instrument.funding_interval_ns == core::unknown_ns && context.own.has_funding_info &&
      facts.instrument.contract_type == ContractType::linear_perpetual)
    facts.instrument.funding_interval_ns = default_funding_interval_ns;

  ondemand::value value;
  if (row.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  const auto error = row.find_field_unordered("filters").get(value);
  if (error == simdjson::SUCCESS)
    read_filters(fault, value, facts);
  else if (error != simdjson::NO_SUCH_FIELD)
    fault.raise(json::status_of(error), "filters");
  context.tx.define(facts);
}

}  // namespace

void read_exchange_info(Context& context, ondemand::object body) {
  json::Fault& fault = context.own.fault;
  ondemand::array symbols;
  if (const auto error = body.find_field_unordered("symbols").get_array().get(symbols);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "symbols");
  for (auto item : symbols) {
    ondemand::object row;
    if (const auto error = item.get_object().get(row); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "symbols");
    read_symbol(context, row);
    if (!context.tx.ok()) return;
  }
}

void read_funding_info(Context& context) {
  enum { native, hours };
  static constexpr auto keys = std::to_array<std::string_view>({"symbol", "fundingIntervalHours"});
  each_row(context, [&](ondemand::object row) {
    json::FlatObject fields(row, keys, context.own.fault);
    const std::string_view symbol = fields.text(native);
    const std::int64_t interval = fields.integer(hours);
    if (context.own.fault.ok() && (interval <= 0 || interval > funding_interval_hours_max))
      context.own.fault.raise(DecodeStatus::out_of_range, keys[hours]);
    if (!context.own.fault.ok()) return;
    InstrumentFacts facts;
    if (const InstrumentEntry* known = context.state.instruments.find(symbol); known != nullptr) {
      facts = facts_of(*known);
    } else if (describe(symbol, facts)) {
      facts.instrument.is_provisional = 1;
    } else {
      context.tx.count_other_instrument();
      return;
    }
    facts.instrument.funding_interval_ns = interval * core::ns_per_hour;
    context.tx.define(facts);
  });
  if (!context.close()) return;
  // The list names only those that differ from 8 hours.
  for (const InstrumentEntry& entry : context.state.instruments.entries()) {
    if (entry.instrument.contract_type != ContractType::linear_perpetual ||
        entry.instrument.funding_interval_ns != core::unknown_ns ||
        context.tx.is_staged(entry.instrument.native.view()))
      continue;
    InstrumentFacts facts = facts_of(entry);
    facts.instrument.funding_interval_ns = default_funding_interval_ns;
    if (context.tx.define(facts) == nullptr) return;
  }
}

void on_contract_info(Context& context, ondemand::object event) {
  enum { type, event_ms, symbol, pair, contract, delivery, onboard, status, margin };
  static constexpr auto keys =
      std::to_array<std::string_view>({"e", "E", "s", "ps", "ct", "dt", "ot", "cs", "st"});
  context.set_kind(Kind::contract_info);
  json::Fault& fault = context.own.fault;
  json::FlatObject fields(event, keys, fault);
  const std::string_view native = fields.text(symbol);
  const bool is_inverse = fields.token(margin).text == coin_margin;
  if (!fault.ok()) return;
  InstrumentFacts facts;
  if (const InstrumentEntry* known = context.state.instruments.find(native); known != nullptr) {
    facts = facts_of(*known);
  } else if (is_inverse ? describe_coin_margined(native, facts) : describe(native, facts)) {
    facts.instrument.is_provisional = 1;
  } else {
    return fault.raise(DecodeStatus::out_of_range, "s");
  }
  facts.instrument.contract_type =
      contract_of(fields.text(contract), is_inverse || !facts.has_contract_size);
  facts.instrument.status = status_of(fields.text(status));
  const std::int64_t listed_ns = fields.optional_time_ms(onboard);
  const std::int64_t delivery_ns = fields.optional_time_ms(delivery);
  if (listed_ns != core::unknown_ns) facts.instrument.listed_ns = listed_ns;
  if (delivery_ns < never_delivered_ms * core::ns_per_ms && delivery_ns != core::unknown_ns)
    facts.instrument.delisted_ns = delivery_ns;
  const InstrumentEntry* entry = context.tx.redefine(facts);
  if (entry != nullptr) context.tx.count_other(*entry);
}

}  // namespace perp::venue::binance
