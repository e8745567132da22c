// REST replies, beginning with their `data`.
#include "venue/okx.hpp"

namespace perp::venue::okx {

namespace {

/// Replies that hold nothing for a record: their rows are checked for what a reader of them would
/// need.
void read_time(Context& context, json::ondemand::array& data) {
  json::each_object(data, context.fault(), "data", [&](json::ondemand::object object) {
    json::Object(object, context.fault()).time_ms("ts");
  });
}

void read_position_tiers(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_tier, i_imr, i_mmr, i_min, i_max, i_lever };
  static constexpr std::array<std::string_view, 6> keys = {"tier",  "imr",   "mmr",
                                                           "minSz", "maxSz", "maxLever"};
  json::each_object(data, context.fault(), "data", [&](json::ondemand::object object) {
    json::FlatObject row(object, keys, context.fault());
    row.integer(i_tier);
    row.decimal(i_mmr);
    for (const std::size_t index : {i_imr, i_min, i_max, i_lever}) row.optional_decimal(index);
  });
}

void read_insurance_fund(Context& context, json::ondemand::array& data) {
  enum Index : std::size_t { i_amount, i_balance, i_ts };
  static constexpr std::array<std::string_view, 3> keys = {"amt", "balance", "ts"};
  json::Fault& fault = context.fault();
  json::each_object(data, fault, "data", [&](json::ondemand::object object) {
    json::ondemand::array details;
    if (!json::Object(object, fault).array("details", details)) return;
    json::each_object(details, fault, "details", [&](json::ondemand::object detail) {
      json::FlatObject row(detail, keys, fault);
      row.optional_decimal(i_amount);
      row.decimal(i_balance);
      row.time_ms(i_ts);
    });
  });
}

}  // namespace

void read_answer(Context& context, json::ondemand::array& data) {
  switch (context.kind) {
    case kind_rest_instruments: return read_instruments(context, data);
    case kind_rest_time: return read_time(context, data);
    case kind_rest_tickers: return read_tickers(context, data);
    case kind_rest_books:
    case kind_rest_books_full: return read_rest_book(context, data);
    case kind_rest_trades:
    case kind_rest_history_trades: return read_trades(context, data);
    case kind_rest_candles:
    case kind_rest_history_candles:
      return read_candles(context, data, market::PriceKind::last, period_of(context));
    case kind_rest_mark_candles:
    case kind_rest_history_mark_candles:
      return read_candles(context, data, market::PriceKind::mark, period_of(context));
    case kind_rest_index_candles:
    case kind_rest_history_index_candles:
      return read_candles(context, data, market::PriceKind::index, period_of(context));
    case kind_rest_mark_price: return read_mark_prices(context, data);
    case kind_rest_index_tickers: return read_index_tickers(context, data);
    case kind_rest_funding_rate: return read_funding_rates(context, data);
    case kind_rest_open_interest: return read_open_interests(context, data);
    case kind_rest_liquidations: return read_liquidations(context, data);
    case kind_rest_position_tiers: return read_position_tiers(context, data);
    case kind_rest_insurance_fund: return read_insurance_fund(context, data);
    default: return read_statistics(context, data);
  }
}

}  // namespace perp::venue::okx
