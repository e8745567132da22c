// What OKX's instrument ids say, and the instrument list of REST and of the `instruments` channel.
#include "venue/okx.hpp"

#include <algorithm>

namespace perp::venue::okx {

using market::ContractType;
using market::InstrumentStatus;

namespace {

constexpr std::string_view index_prefix = "index:";

/// BTC-USD_UM -> USD: contracts that are margined in dollars carry a mark on the quote.
std::string_view plain_quote(std::string_view quote) { return quote.substr(0, quote.find('_')); }

/// The parts of an instId between dashes; those behind the limit stay together in the last.
struct Parts {
  std::array<std::string_view, 4> text;
  std::size_t count = 0;
};
Parts split(std::string_view native) {
  Parts parts;
  for (;;) {
    const std::size_t dash =
        parts.count + 1 == parts.text.size() ? std::string_view::npos : native.find('-');
    parts.text[parts.count++] = native.substr(0, dash);
    if (dash == std::string_view::npos) return parts;
    native.remove_prefix(dash + 1);
  }
}

bool set_names(InstrumentFacts& facts, ContractType type, std::string_view base,
               std::string_view quote, std::string_view settle) {
  market::AssetName name{base, {}};
  if (type == ContractType::linear_perpetual || type == ContractType::dated_future)
    name = market::split_multiplier(base, false);
  facts.instrument.contract_type = type;
  facts.multiplier = name.multiplier;
  return !name.coin.empty() && facts.instrument.base.assign(name.coin) &&
         facts.instrument.quote.assign(quote) && facts.instrument.settle.assign(settle);
}

/// What an instId says of itself. Inverse: settled in the coin, quoted in plain USD.
bool describe_id(std::string_view native, InstrumentFacts& facts) {
  const Parts parts = split(native);
  const std::string_view base = parts.text[0];
  if (parts.count == 1) return set_names(facts, ContractType::other, base.substr(0, 24), {}, {});
  const std::string_view quote = plain_quote(parts.text[1]);
  if (parts.count == 2) return set_names(facts, ContractType::spot, base, quote, {});
  const bool is_inverse = parts.text[1] == "USD";
  const std::string_view settle = is_inverse ? base : quote;
  ContractType type = ContractType::other;  // options have five parts
  if (parts.count == 3 && parts.text[2] == "SWAP")
    type = is_inverse ? ContractType::inverse_perpetual : ContractType::linear_perpetual;
  else if (parts.count == 3)
    type = ContractType::dated_future;
  return set_names(facts, type, base, quote, settle);
}

InstrumentStatus status_of(std::string_view state) {
  if (state == "live") return InstrumentStatus::live;
  if (state == "preopen") return InstrumentStatus::prelaunch;
  if (state == "suspend" || state == "rebase" || state == "settling" || state == "test")
    return InstrumentStatus::suspended;
  if (state == "expired") return InstrumentStatus::delisted;
  return InstrumentStatus::unknown;
}

ContractType contract_type_of(std::string_view kind, std::string_view contract) {
  if (kind == "SPOT" || kind == "MARGIN") return ContractType::spot;
  if (kind == "FUTURES") return ContractType::dated_future;
  if (kind != "SWAP") return ContractType::other;
  if (contract == "linear") return ContractType::linear_perpetual;
  if (contract == "inverse") return ContractType::inverse_perpetual;
  return ContractType::unknown;  // a listing announced before its terms
}

enum Index : std::size_t {
  i_base,
  i_multiplier,
  i_type,
  i_value,
  i_value_coin,
  i_expiry,
  i_family,
  i_inst,
  i_kind,
  i_lever,
  i_listed,
  i_lot,
  i_min,
  i_quote,
  i_settle,
  i_state,
  i_tick,
  i_underlying
};
constexpr std::array<std::string_view, 18> keys = {
    "baseCcy",    "ctMult",   "ctType",    "ctVal", "ctValCcy", "expTime",
    "instFamily", "instId",   "instType",  "lever", "listTime", "lotSz",
    "minSz",      "quoteCcy", "settleCcy", "state", "tickSz",   "uly"};

/// Contract size in coins, exactly: known when a contract is a number of coins, not of dollars.
void set_contract_size(json::FlatObject<keys.size()>& row, std::string_view base_name,
                       InstrumentFacts& facts, json::Fault& fault) {
  if (facts.instrument.contract_type == ContractType::spot) {
    facts.has_contract_size = true;
    return;
  }
  if (!row.has(i_value) || row.optional_text(i_value_coin) != base_name) return;
  market::Scale factor{};
  if (!market::parse_scale(row.text(i_value), facts.contract_size))
    return fault.raise(DecodeStatus::out_of_range, "ctVal");
  if (row.has(i_multiplier) &&
      (!market::parse_scale(row.text(i_multiplier), factor) ||
       !market::multiply(facts.contract_size, factor, facts.contract_size)))
    return fault.raise(DecodeStatus::out_of_range, "ctMult");
  facts.has_contract_size = true;
}

void read_instrument(Context& context, json::ondemand::object object) {
  json::Fault& fault = context.fault();
  json::FlatObject<keys.size()> row(object, keys, fault);
  const std::string_view native = row.text(i_inst);
  InstrumentFacts facts;
  market::Instrument& instrument = facts.instrument;
  const ContractType type = contract_type_of(row.text(i_kind), row.optional_text(i_type));
  std::string_view base =
      row.optional_text(i_base);  // empty on contracts: their family has the names
  std::string_view quote = row.optional_text(i_quote);
  if (base.empty() || quote.empty()) {
    std::string_view family = row.optional_text(i_family);
    if (family.empty()) family = row.optional_text(i_underlying);
    if (family.empty()) family = native;
    const Parts parts = split(family);
    base = parts.text[0];
    quote = parts.count > 1 ? parts.text[1] : std::string_view();
  }
  if (!fault.ok()) return;
  if (!instrument.native.assign(native) ||
      !set_names(facts, type, base, plain_quote(quote), row.optional_text(i_settle)))
    return fault.raise(DecodeStatus::out_of_range, "instId");
  set_contract_size(row, base, facts, fault);
  instrument.status = status_of(row.optional_text(i_state));

  market::Scale size{};
  const bool has_size =
      facts.has_contract_size && market::multiply(facts.contract_size, facts.multiplier, size);
  instrument.tick_size = row.optional_decimal(i_tick, json::inverse(facts.multiplier));
  const double lot = row.optional_decimal(i_lot, size);
  const double minimum = row.optional_decimal(i_min, size);
  if (has_size) {
    instrument.lot_size = lot;
    instrument.min_quantity = minimum;
  }
  instrument.max_leverage = row.optional_decimal(i_lever);
  instrument.listed_ns = row.optional_time_ms(i_listed);
  instrument.delisted_ns = row.optional_time_ms(i_expiry);
  if (!context.message.ok()) return;
  if (const market::InstrumentEntry* entry = context.message.define(facts))
    context.message.count_other(*entry);
}

}  // namespace

bool describe(std::string_view native, InstrumentFacts& facts) {
  if (native.empty() || !facts.instrument.native.assign(native)) return false;
  facts.instrument.status = InstrumentStatus::live;  // it streams
  if (native.starts_with(index_prefix)) {
    const Parts parts = split(native.substr(index_prefix.size()));
    return set_names(facts, ContractType::other, parts.text[0].substr(0, 24),
                     parts.count > 1 ? parts.text[1] : std::string_view(), {});
  }
  if (!describe_id(native, facts)) return false;
  // A contract's size is in the list only: until that is known, quantities are NaN. Spot trades in
  // coins.
  facts.has_contract_size = facts.instrument.contract_type == ContractType::spot;
  return true;
}

const market::InstrumentEntry* index_instrument(Context& context, std::string_view index_name) {
  constexpr std::string_view swap_suffix = "-SWAP";
  std::array<char, 64>& buffer = context.own.key_buffer;
  if (index_name.empty() || index_name.size() + index_prefix.size() > buffer.size()) {
    context.fault().raise(
        index_name.empty() ? DecodeStatus::missing_field : DecodeStatus::out_of_range, "instId");
    return nullptr;
  }
  char* at = std::copy(index_name.begin(), index_name.end(), buffer.data());
  at = std::copy(swap_suffix.begin(), swap_suffix.end(), at);
  const auto key = [&] {
    return std::string_view(buffer.data(), static_cast<std::size_t>(at - buffer.data()));
  };
  if (const market::InstrumentEntry* swap = context.state.instruments.find(key()); swap != nullptr)
    return swap;
  // A key of its own: the spot pair has the same name as its index.
  at = std::copy(index_prefix.begin(), index_prefix.end(), buffer.data());
  at = std::copy(index_name.begin(), index_name.end(), at);
  return context.message.instrument(key());
}

void read_instruments(Context& context, json::ondemand::array& data) {
  json::each_object(data, context.fault(), "data", [&](json::ondemand::object object) {
    if (context.message.ok()) read_instrument(context, object);
  });
}

}  // namespace perp::venue::okx
