// Hyperliquid: asset contexts (mark, oracle, funding, open interest and day figures in one) and
// funding lists.
#include "venue/hyperliquid_shapes.hpp"

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;
using market::InstrumentEntry;
using market::RecordType;

namespace {

enum ContextKey {
  funding,
  interest,
  previous_day,
  day_quote,
  premium,
  oracle,
  mark,
  mid,
  impact,
  day_base
};
constexpr auto context_keys =
    std::to_array<std::string_view>({"funding", "openInterest", "prevDayPx", "dayNtlVlm", "premium",
                                     "oraclePx", "markPx", "midPx", "impactPxs", "dayBaseVlm"});

/// A context as it stands in the message; scaled when its instrument is known.
struct ContextTokens {
  std::array<json::Token, context_keys.size()> scalars;
  std::array<json::Token, 2> impacts{json::absent, json::absent};
};

void read_tokens(Context& context, ondemand::object& body, ContextTokens& tokens) {
  json::Fault& fault = context.fault();
  tokens.scalars.fill(json::absent);
  json::each_field(body, context_keys, fault, [&](std::size_t index, Value value) {
    if (index != impact) {
      tokens.scalars[index] = json::make_token(value.raw_json_token(), fault, context_keys[index]);
      return;
    }
    bool is_null = false;  // a dead market has no impact prices
    if (const auto error = value.is_null().get(is_null); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), context_keys[impact]);
    if (is_null) return;
    each_element(context, value, context_keys[impact], [&](std::size_t at, Value price) {
      if (at >= tokens.impacts.size())
        return fault.raise(DecodeStatus::wrong_type, context_keys[impact]);
      tokens.impacts[at] = json::make_token(price.raw_json_token(), fault, context_keys[impact]);
    });
  });
}

/// The settlement that a running rate is for: rates are settled at each whole hour.
std::int64_t next_hour(std::int64_t now_ns) {
  return now_ns == core::unknown_ns ? now_ns
                                    : core::floor_to(now_ns, core::ns_per_hour) + core::ns_per_hour;
}

// Inlined into both lanes.

/// Up to four records.
[[gnu::always_inline]] inline void take(Message& message, const AssetContext& event) {
  Transaction& tx = message.tx;
  const InstrumentEntry& entry = *event.entry;
  tx.count_other(entry);
  auto* price =
      tx.emit<market::MarkPrice>(RecordType::mark_price, entry, core::unknown_ns, message.flags);
  if (price == nullptr) return;
  price->mark_price = event.mark_price;
  price->index_price = event.oracle_price;
  price->premium = event.premium;
  price->impact_bid = event.impact_bid;
  price->impact_ask = event.impact_ask;
  auto* ticker =
      tx.emit<market::Ticker>(RecordType::ticker, entry, core::unknown_ns, message.flags);
  if (ticker == nullptr) return;
  ticker->open_24h = event.previous_day;
  ticker->volume_quote_24h = event.volume_quote;
  ticker->volume_base_24h = event.volume_base;
  ticker->mid_price = event.mid_price;
  if (!event.is_perpetual) return;
  auto* funding =
      tx.emit<market::Funding>(RecordType::funding, entry, core::unknown_ns, message.flags);
  if (funding == nullptr) return;
  funding->rate = event.funding_rate;
  funding->premium = event.premium;
  funding->funding_ns = next_hour(tx.receive_ns());
  funding->interval_ns = core::ns_per_hour;
  funding->kind = market::FundingKind::predicted;
  auto* interest = tx.emit<market::OpenInterest>(RecordType::open_interest, entry, core::unknown_ns,
                                                 message.flags);
  if (interest == nullptr) return;
  interest->quantity = event.open_interest;
  interest->contracts = event.open_interest_units;
}

void emit_context(Context& context, const InstrumentEntry& entry, const ContextTokens& tokens) {
  json::Fault& fault = context.fault();
  const market::Scale per_coin = json::inverse(entry.price_divisor);
  const auto number = [&](ContextKey key, market::Scale scale) {
    return json::decimal(tokens.scalars[key], scale, false, fault, context_keys[key]);
  };
  const auto impact_price = [&](std::size_t side) {
    return json::decimal(tokens.impacts[side], per_coin, false, fault, context_keys[impact]);
  };
  AssetContext event;
  event.entry = &entry;
  event.is_perpetual = !tokens.scalars[funding].is_missing || !tokens.scalars[interest].is_missing;
  event.mark_price = number(mark, per_coin);
  event.oracle_price = number(oracle, per_coin);
  event.premium = number(premium, {});
  event.impact_bid = impact_price(0);
  event.impact_ask = impact_price(1);
  event.previous_day = number(previous_day, per_coin);
  event.volume_quote = number(day_quote, {});
  event.volume_base =
      json::coins(tokens.scalars[day_base], entry, false, fault, context_keys[day_base]);
  event.mid_price = number(mid, per_coin);
  event.funding_rate = number(funding, {});
  event.open_interest =
      json::coins(tokens.scalars[interest], entry, false, fault, context_keys[interest]);
  event.open_interest_units = number(interest, {});
  // Spot contexts have no funding; a perpetual's without it is not what it says.
  if (event.is_perpetual &&
      (tokens.scalars[funding].is_empty() || tokens.scalars[interest].is_empty()))
    fault.raise(DecodeStatus::missing_field,
                context_keys[tokens.scalars[funding].is_empty() ? funding : interest]);
  if (!event.is_perpetual && tokens.scalars[mark].is_missing)
    fault.raise(DecodeStatus::missing_field, context_keys[mark]);
  if (context.tx.ok()) take(context, event);
}

void read_unnamed(Context& context, Value element, const InstrumentEntry* entry) {
  ondemand::object body;
  if (!as_object(context, element, body, "ctxs")) return;
  ContextTokens tokens;
  read_tokens(context, body, tokens);
  if (!context.tx.ok()) return;
  if (entry == nullptr)
    ++context.unnamed_rows;
  else
    emit_context(context, *entry, tokens);
}

/// Splits [meta, contexts]: reads the meta, then gives the contexts.
template <class ReadMeta, class ReadContexts>
void read_pair(Context& context, Value data, ReadMeta read_meta_part, ReadContexts read_contexts) {
  std::size_t count = 0;
  each_element(context, data, "message", [&](std::size_t index, Value part) {
    ++count;
    if (index == 0) return read_meta_part(part);
    if (index == 1) return read_contexts(part);
    context.fault().raise(DecodeStatus::wrong_type, "message");
  });
  if (context.tx.ok() && count != 2) context.fault().raise(DecodeStatus::missing_field, "ctxs");
}

}  // namespace

bool read_asset_ctx(const Reading& reading) {
  AssetContext event;
  if (!reading.matches<ContextShape>(event) ||
      !market::parse_decimal(event.volume_text, event.volume_quote) ||
      !market::parse_decimal(event.interest_text, event.open_interest_units) ||
      !market::parse_decimal(event.interest_text, event.entry->quantity_factor,
                             event.open_interest))
    return false;
  reading.message.set_kind(Kind::active_asset_ctx);
  take(reading.message, event);
  return true;
}

void read_asset_ctx(Context& context, Value data) {
  enum { coin, ctx };
  static constexpr auto keys = std::to_array<std::string_view>({"coin", "ctx"});
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  json::Token name = json::absent;
  ContextTokens tokens;
  bool has_context = false;
  json::each_field(body, keys, fault, [&](std::size_t index, Value value) {
    if (index == coin) {
      name = json::make_token(value.raw_json_token(), fault, keys[coin]);
      return;
    }
    ondemand::object inner;
    if (!as_object(context, value, inner, keys[ctx])) return;
    read_tokens(context, inner, tokens);
    has_context = true;
  });
  if (!has_context) fault.raise(DecodeStatus::missing_field, keys[ctx]);
  const std::string_view native = json::text(name, true, fault, keys[coin]);
  if (!fault.ok()) return;
  if (const InstrumentEntry* entry = context.tx.instrument(native); entry != nullptr)
    emit_context(context, *entry, tokens);
}

void read_all_dexs_asset_ctxs(Context& context, Value data) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  Value list;
  if (const auto error = body.find_field_unordered("ctxs").get(list); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "ctxs");
  each_element(context, list, "ctxs", [&](std::size_t, Value pair) {
    const Universe* universe = nullptr;
    read_pair(
        context, pair,
        [&](Value name) {
          const json::Token token = json::make_token(name.raw_json_token(), fault, "dex");
          if (!token.is_string) return fault.raise(DecodeStatus::wrong_type, "dex");
          for (const Universe& known : context.own.universes)
            if (known.dex == token.text) universe = &known;
        },
        [&](Value contexts) {
          each_element(context, contexts, "ctxs", [&](std::size_t index, Value element) {
            const bool is_named = universe != nullptr && index < universe->instruments.size();
            read_unnamed(context, element,
                         is_named
                             ? &context.state.instruments.entries()[universe->instruments[index]]
                             : nullptr);
          });
        });
  });
}

void read_meta_and_asset_ctxs(Context& context, Value data) {
  std::size_t count = 0;
  read_pair(
      context, data, [&](Value meta) { read_meta(context, meta); },
      [&](Value contexts) {
        const std::vector<std::string>* names =
            context.own.new_universes.empty() ? nullptr : &context.own.new_universes.back().names;
        each_element(context, contexts, "ctxs", [&](std::size_t index, Value element) {
          ++count;
          if (names == nullptr || index >= names->size())
            return context.fault().raise(DecodeStatus::missing_field, "universe");
          read_unnamed(context, element, context.tx.instrument((*names)[index]));
        });
        if (context.tx.ok() && names != nullptr && count != names->size())
          context.fault().raise(DecodeStatus::missing_field, "ctxs");
      });
}

void read_spot_meta_and_asset_ctxs(Context& context, Value data) {
  read_pair(
      context, data, [&](Value meta) { read_spot_meta(context, meta); },
      [&](Value contexts) {
        each_element(context, contexts, "ctxs", [&](std::size_t, Value element) {
          json::Fault& fault = context.fault();
          ondemand::object body;
          if (!as_object(context, element, body, "ctxs")) return;
          const json::Token name = json::token_of(body.find_field_unordered("coin"), fault, "coin");
          const std::string_view native = json::text(name, true, fault, "coin");
          if (!fault.ok()) return;
          if (body.reset().error() != simdjson::SUCCESS)
            return fault.raise(DecodeStatus::malformed_json, "message");
          ContextTokens tokens;
          read_tokens(context, body, tokens);
          if (!context.tx.ok()) return;
          if (const InstrumentEntry* entry = context.tx.instrument(native); entry != nullptr)
            emit_context(context, *entry, tokens);
        });
      });
}

void read_funding_history(Context& context, Value rows) {
  enum { coin, rate, premium_key, time };
  static constexpr auto keys =
      std::to_array<std::string_view>({"coin", "fundingRate", "premium", "time"});
  json::Fault& fault = context.fault();
  RecordSink& sink = context.tx.sink();
  std::size_t begin = 0;
  std::size_t staged = 0;
  bool has_rows = false;
  each_element(context, rows, "message", [&](std::size_t, Value element) {
    ondemand::object row;
    if (!as_object(context, element, row, "message")) return;
    json::FlatObject fields(row, keys, fault);
    const std::string_view native = fields.text(coin);
    if (!fault.ok()) return;
    const InstrumentEntry* entry = context.tx.instrument(native);
    if (entry == nullptr) return;
    market::Funding record;
    record.rate = fields.decimal(rate);
    record.premium = fields.optional_decimal(premium_key);
    const std::int64_t exchange_ns = fields.time_ms(time);
    if (fault.ok() && exchange_ns == core::unknown_ns)
      fault.raise(DecodeStatus::missing_field, keys[time]);
    if (!context.tx.ok()) return;
    // A row is behind the whole hour it settles: by milliseconds, by seconds, once (May 2023) by 24
    // minutes. How long it was since the one before is not said: an hour today, eight hours before
    // June 2023.
    record.funding_ns = core::floor_to(exchange_ns, core::ns_per_hour);
    record.kind = market::FundingKind::settled;
    context.tx.count_other(*entry);
    if (!has_rows) begin = sink.bytes().size();
    if (!has_rows) staged = context.own.staged.size();
    has_rows = true;
    if (auto* out = context.tx.emit<market::Funding>(RecordType::funding, *entry, exchange_ns,
                                                     context.flags))
      *out = record;
  });
  if (context.tx.ok() && has_rows && staged == context.own.staged.size()) sort_by_time(sink, begin);
}

void read_predicted_fundings(Context& context, Value rows) {
  enum { rate, next_ms, hours };
  static constexpr auto keys =
      std::to_array<std::string_view>({"fundingRate", "nextFundingTime", "fundingIntervalHours"});
  json::Fault& fault = context.fault();
  const auto read_own = [&](std::string_view native, Value value) {
    ondemand::object row;
    if (!as_object(context, value, row, "HlPerp")) return;
    json::FlatObject fields(row, keys, fault);
    market::Funding record;
    record.rate = fields.decimal(rate);
    record.kind = market::FundingKind::predicted;
    const std::int64_t interval = fields.optional_integer(hours);
    if (interval != market::unknown_id && (interval <= 0 || interval > funding_interval_hours_max))
      fault.raise(DecodeStatus::out_of_range, keys[hours]);
    record.funding_ns = fields.time_ms(next_ms);
    if (fault.ok() && record.funding_ns == core::unknown_ns)
      fault.raise(DecodeStatus::missing_field, keys[next_ms]);
    if (!fault.ok()) return;
    record.interval_ns =
        interval == market::unknown_id ? core::ns_per_hour : interval * core::ns_per_hour;
    // The venue names the hour just settled; the rate is for the one to come.
    if (context.tx.receive_ns() == core::unknown_ns || record.funding_ns <= context.tx.receive_ns())
      record.funding_ns += record.interval_ns;
    const InstrumentEntry* entry = context.tx.instrument(native);
    if (entry == nullptr) return;
    context.tx.count_other(*entry);
    if (auto* out = context.tx.emit<market::Funding>(RecordType::funding, *entry, core::unknown_ns,
                                                     context.flags))
      *out = record;
  };
  each_element(context, rows, "message", [&](std::size_t, Value coin_row) {
    std::string_view native;
    each_element(context, coin_row, "message", [&](std::size_t part, Value item) {
      if (part == 0)
        native =
            json::text(json::make_token(item.raw_json_token(), fault, "coin"), true, fault, "coin");
      if (part != 1) return;
      each_element(context, item, "message", [&](std::size_t, Value venue_row) {
        bool is_own = false;  // the other venues' rates come to us from themselves
        each_element(context, venue_row, "message", [&](std::size_t at, Value cell) {
          if (at == 0)
            is_own = json::make_token(cell.raw_json_token(), fault, "venue").text == "HlPerp";
          if (at != 1 || !is_own) return;
          bool is_null = false;
          if (const auto error = cell.is_null().get(is_null); error != simdjson::SUCCESS)
            return fault.raise(json::status_of(error), "HlPerp");
          if (!is_null) read_own(native, cell);
        });
      });
    });
  });
}

}  // namespace perp::venue::hyperliquid
