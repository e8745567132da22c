// What Bybit's symbols say, and the instrument list. Linear contracts are interned under their own
// symbol, those of the other categories with the category in front: a spot BTCUSDT is not the
// perpetual BTCUSDT.
#include "venue/bybit.hpp"

#include <algorithm>

namespace perp::venue::bybit {

using market::ContractType;
using market::InstrumentStatus;

namespace {

constexpr std::string_view month_codes = "FGHJKMNQUVXZ";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// BTCUSD and BTCUSDM26: contracts settled in the coin.
bool is_inverse_form(std::string_view symbol) {
  if (symbol.ends_with("USD")) return true;
  if (symbol.size() < 7) return false;
  const std::string_view tail = symbol.substr(symbol.size() - 3);
  return symbol.substr(0, symbol.size() - 3).ends_with("USD") &&
         month_codes.find(tail[0]) != std::string_view::npos && is_digit(tail[1]) &&
         is_digit(tail[2]);
}

/// BTC-26DEC25-90000-C and the like.
bool is_option_form(std::string_view symbol) {
  return std::count(symbol.begin(), symbol.end(), '-') >= 3;
}

bool fill(InstrumentFacts& facts, ContractType type, std::string_view base, std::string_view quote,
          std::string_view settle) {
  market::AssetName name{base, {}};
  if (type == ContractType::linear_perpetual || type == ContractType::dated_future)
    name = market::split_multiplier(base, false);
  facts.instrument.contract_type = type;
  facts.instrument.status = InstrumentStatus::live;  // it streams
  facts.multiplier = name.multiplier;
  facts.contract_size = {};
  facts.has_contract_size = type == ContractType::linear_perpetual ||
                            type == ContractType::dated_future || type == ContractType::spot;
  return !name.coin.empty() && facts.instrument.base.assign(name.coin) &&
         facts.instrument.quote.assign(quote) && facts.instrument.settle.assign(settle);
}

bool describe_spot(std::string_view symbol, InstrumentFacts& facts) {
  for (const std::string_view quote :
       {"USDT", "USDC", "USDE", "BTC", "ETH", "EUR", "BRL", "TRY", "PLN", "DAI", "MNT", "USD"})
    if (symbol.size() > quote.size() && symbol.ends_with(quote))
      return fill(facts, ContractType::spot, symbol.substr(0, symbol.size() - quote.size()), quote,
                  {});
  return fill(facts, ContractType::spot, symbol.substr(0, 24), {}, {});
}

bool describe_inverse(std::string_view symbol, InstrumentFacts& facts) {
  const std::size_t at = symbol.rfind("USD");
  const std::string_view base = symbol.substr(0, std::min(at, symbol.size()));
  const bool is_perpetual = at != std::string_view::npos && at + 3 == symbol.size();
  if (!fill(facts, is_perpetual ? ContractType::inverse_perpetual : ContractType::dated_future,
            base, "USD", base))
    return false;
  facts.has_contract_size = false;  // a contract is 1 USD, no fixed number of coins
  facts.multiplier = {};
  return true;
}

bool describe_linear(std::string_view symbol, InstrumentFacts& facts) {
  const std::size_t dash = symbol.find('-');
  const std::string_view root = symbol.substr(0, dash);
  const bool is_usdt = root.size() > 4 && root.ends_with("USDT");
  const std::string_view quote = is_usdt ? "USDT" : "USDC";
  if (dash != std::string_view::npos)
    return fill(facts, ContractType::dated_future, is_usdt ? root.substr(0, root.size() - 4) : root,
                quote, quote);
  if (is_usdt || (root.size() > 4 && root.ends_with("PERP")))
    return fill(facts, ContractType::linear_perpetual, root.substr(0, root.size() - 4), quote,
                quote);
  // No known form: its numbers are taken as they are, it reaches no table.
  const bool is_described = fill(facts, ContractType::other, symbol.substr(0, 24), {}, {});
  facts.has_contract_size = true;
  return is_described;
}

ContractType contract_type_of(std::string_view text, std::string_view category) {
  if (text == "LinearPerpetual") return ContractType::linear_perpetual;
  if (text == "InversePerpetual") return ContractType::inverse_perpetual;
  if (text == "LinearFutures" || text == "InverseFutures") return ContractType::dated_future;
  if (text.empty() && category == "spot") return ContractType::spot;
  return ContractType::other;
}

InstrumentStatus status_of(std::string_view text) {
  if (text == "Trading") return InstrumentStatus::live;
  if (text == "PreLaunch") return InstrumentStatus::prelaunch;
  if (text == "Delivering" || text == "Settling") return InstrumentStatus::suspended;
  if (text == "Closed") return InstrumentStatus::delisted;
  return InstrumentStatus::unknown;
}

void read_instrument(Answer& answer, json::ondemand::object object) {
  json::Fault& fault = answer.fault();
  json::Object row(object, fault);
  const std::string_view symbol = row.text("symbol");
  const std::string_view type_text = row.optional_text("contractType");
  const std::string_view base = row.text("baseCoin");
  const std::string_view quote_coin = row.optional_text("quoteCoin");
  const std::string_view settle = row.optional_text("settleCoin");
  if (!fault.ok()) return;
  const std::string_view key = native_key(answer.own, answer.category, symbol);
  if (!fault.ok()) return;
  const ContractType type = contract_type_of(type_text, answer.category);
  // USDC contracts call their quote USD in older lists: the settlement coin is what prices are in.
  const bool is_linear = answer.category.empty() || answer.category == "linear";
  const std::string_view quote = is_linear && !settle.empty() ? settle : quote_coin;

  InstrumentFacts facts;
  market::Instrument& instrument = facts.instrument;
  if (!instrument.native.assign(key) || !fill(facts, type, base, quote, settle))
    return fault.raise(DecodeStatus::out_of_range, "symbol");
  facts.has_contract_size = is_linear || type == ContractType::spot;
  if (!is_linear) facts.multiplier = {};
  instrument.status = status_of(row.text("status"));

  const market::Scale price = json::inverse(facts.multiplier);
  const auto size = [&](json::Object& filter, std::string_view field) {
    return facts.has_contract_size ? filter.optional_decimal(field, facts.multiplier)
                                   : market::missing;
  };
  json::ondemand::object nested;
  if (row.object("priceFilter", nested, false))
    instrument.tick_size = json::Object(nested, fault).optional_decimal("tickSize", price);
  if (row.object("lotSizeFilter", nested, false)) {
    json::Object filter(nested, fault);
    instrument.lot_size = size(filter, type == ContractType::spot ? "basePrecision" : "qtyStep");
    instrument.min_quantity = size(filter, "minOrderQty");
    instrument.min_notional =
        filter.optional_decimal(type == ContractType::spot ? "minOrderAmt" : "minNotionalValue");
  }
  if (row.object("leverageFilter", nested, false))
    instrument.max_leverage = json::Object(nested, fault).optional_decimal("maxLeverage");
  const std::int64_t interval_minutes = row.optional_integer("fundingInterval");
  if (interval_minutes > 0 && interval_minutes <= 1'000'000)
    instrument.funding_interval_ns = interval_minutes * core::ns_per_minute;
  instrument.listed_ns = row.optional_time_ms("launchTime");
  instrument.delisted_ns = row.optional_time_ms("deliveryTime");
  if (!fault.ok()) return;
  if (const market::InstrumentEntry* entry = answer.message.define(facts))
    answer.message.count_other(*entry);
}

}  // namespace

std::string_view native_key(State& own, std::string_view category, std::string_view symbol) {
  if (symbol.empty()) {
    own.fault.raise(DecodeStatus::missing_field, "symbol");
    return {};
  }
  if (category.empty()) {
    if (is_inverse_form(symbol))
      category = "inverse";
    else if (is_option_form(symbol))
      category = "option";
    else
      return symbol;
  }
  if (category == "linear") return symbol;
  if (category != "spot" && category != "inverse" && category != "option") {
    own.fault.raise(DecodeStatus::unknown_value, "category");
    return {};
  }
  std::array<char, 64>& buffer = own.key_buffer;
  if (category.size() + 1 + symbol.size() > buffer.size()) {
    own.fault.raise(DecodeStatus::out_of_range, "symbol");
    return {};
  }
  char* at = std::copy(category.begin(), category.end(), buffer.data());
  *at++ = ':';
  at = std::copy(symbol.begin(), symbol.end(), at);
  return {buffer.data(), static_cast<std::size_t>(at - buffer.data())};
}

bool describe(std::string_view native, InstrumentFacts& facts) {
  if (native.empty() || !facts.instrument.native.assign(native)) return false;
  const std::size_t colon = native.find(':');
  const std::string_view category = native.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view symbol = native.substr(category.empty() ? 0 : colon + 1);
  if (category == "spot") return describe_spot(symbol, facts);
  if (category == "inverse") return describe_inverse(symbol, facts);
  if (category == "option")
    return fill(facts, ContractType::other, symbol.substr(0, symbol.find('-')), {}, {});
  return describe_linear(symbol, facts);
}

void read_instruments(Answer& answer) {
  json::ondemand::array list;
  if (!answer.result.array("list", list)) return;
  json::each_object(list, answer.fault(), "list",
                    [&](json::ondemand::object object) { read_instrument(answer, object); });
}

}  // namespace perp::venue::bybit
