#include "venue/okx.hpp"

#include <perp/venue/registry.hpp>

namespace perp::venue::okx {

const std::array<std::string_view, kind_count> kind_names = {
    "unknown",
    "pong",
    "subscribe",
    "unsubscribe",
    "error",
    "notice",
    "channel-conn-count",
    "trades",
    "trades-all",
    "books",
    "books5",
    "bbo-tbt",
    "books-l2-tbt",
    "books50-l2-tbt",
    "tickers",
    "mark-price",
    "index-tickers",
    "funding-rate",
    "open-interest",
    "candle",
    "mark-price-candle",
    "index-candle",
    "liquidation-orders",
    "instruments",
    "status",
    "rest_instruments",
    "rest_time",
    "rest_tickers",
    "rest_books",
    "rest_books-full",
    "rest_trades",
    "rest_history-trades",
    "rest_candles",
    "rest_history-candles",
    "rest_mark-price-candles",
    "rest_history-mark-price-candles",
    "rest_index-candles",
    "rest_history-index-candles",
    "rest_mark-price",
    "rest_index-tickers",
    "rest_funding-rate",
    "rest_funding-rate-history",
    "rest_open-interest",
    "rest_liquidation-orders",
    "rest_position-tiers",
    "rest_insurance-fund",
    "rest_long-short-account-ratio-contract",
    "rest_long-short-account-ratio-contract-top-trader",
    "rest_long-short-position-ratio-contract-top-trader",
    "rest_open-interest-history",
    "rest_taker-volume-contract",
    "rest_long-short-account-ratio",
    "rest_open-interest-volume",
    "rest_taker-volume",
};

const std::array<Endpoint, kind_count - kind_rest_instruments> endpoints = {{
    {"instruments", "/api/v5/public/instruments", "", "", true},
    {"time", "/api/v5/public/time", "", ""},
    {"tickers", "/api/v5/market/tickers", "", "ticker"},
    {"books", "/api/v5/market/books", "symbol", "GetOrderBook"},
    {"books-full", "/api/v5/market/books-full", "symbol", "GetFullOrderBook"},
    {"trades", "/api/v5/market/trades", "", "GetRecentTrades"},
    {"history-trades", "/api/v5/market/history-trades", "", "GetTradeHistory"},
    {"candles", "/api/v5/market/candles", "symbol period", "GetKlines candlesticks"},
    {"history-candles", "/api/v5/market/history-candles", "symbol period", "GetKlineHistory"},
    {"mark-price-candles", "/api/v5/market/mark-price-candles", "symbol period",
     "GetMarkPriceKlines"},
    {"history-mark-price-candles", "/api/v5/market/history-mark-price-candles", "symbol period",
     ""},
    {"index-candles", "/api/v5/market/index-candles", "symbol period", "GetIndexKlines"},
    {"history-index-candles", "/api/v5/market/history-index-candles", "symbol period", ""},
    {"mark-price", "/api/v5/public/mark-price", "", "GetMarkPrices mark_price"},
    {"index-tickers", "/api/v5/market/index-tickers", "", "GetIndexTickers index_price"},
    {"funding-rate", "/api/v5/public/funding-rate", "", "GetFundingRates funding_rate"},
    {"funding-rate-history", "/api/v5/public/funding-rate-history", "", "GetFundingRateHistory"},
    {"open-interest", "/api/v5/public/open-interest", "", "GetOpenInterests open_interest"},
    {"liquidation-orders", "/api/v5/public/liquidation-orders", "", "GetLiquidationOrders"},
    {"position-tiers", "/api/v5/public/position-tiers", "", "GetPositionTiers"},
    {"insurance-fund", "/api/v5/public/insurance-fund", "", "GetInsuranceFund"},
    {"long-short-account-ratio-contract",
     "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract", "symbol period", ""},
    {"long-short-account-ratio-contract-top-trader",
     "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract-top-trader", "symbol period",
     "top-trader-account-ratio"},
    {"long-short-position-ratio-contract-top-trader",
     "/api/v5/rubik/stat/contracts/long-short-position-ratio-contract-top-trader", "symbol period",
     "top-trader-position-ratio"},
    {"open-interest-history", "/api/v5/rubik/stat/contracts/open-interest-history", "symbol period",
     ""},
    {"taker-volume-contract", "/api/v5/rubik/stat/taker-volume-contract", "symbol period", ""},
    {"long-short-account-ratio", "/api/v5/rubik/stat/contracts/long-short-account-ratio", "",
     "GetRubikLongShortRatio"},
    {"open-interest-volume", "/api/v5/rubik/stat/contracts/open-interest-volume", "", ""},
    {"taker-volume", "/api/v5/rubik/stat/taker-volume", "", "GetRubikTakerVolume"},
}};

void State::commit() {
  if (pending.books5_of != 0) market(pending.books5_of).books5 = pending.books5;
  for (const Pending::TradeIds& ids : pending.trades) {
    std::unique_ptr<SeenTrades>& seen = market(ids.instrument).trades;
    if (seen == nullptr) seen = std::make_unique<SeenTrades>();
    IdWindow& window = ids.is_fill ? seen->fills : seen->aggregates;
    // By their number: the last may be the greatest there is.
    for (std::int64_t i = 0; i <= ids.last - ids.first; ++i) window.insert(ids.first + i);
  }
}

const market::InstrumentEntry* requested_instrument(Context& context) {
  if (context.symbol.empty()) {
    context.fault().raise(DecodeStatus::missing_field, "symbol");
    return nullptr;
  }
  const market::InstrumentEntry* entry = context.message.instrument(context.symbol);
  if (entry != nullptr) context.message.count_other(*entry);
  return entry;
}

bool read_bar(std::string_view text, std::int64_t& interval_ns) {
  if (text.ends_with("utc")) text.remove_suffix(3);
  if (text == "1M" || text == "3M") {
    interval_ns = core::unknown_ns;
    return true;
  }
  return parse_period(text, interval_ns);
}

std::int64_t period_of(Context& context) {
  std::int64_t period_ns = core::unknown_ns;
  if (!context.period.empty() && !read_bar(context.period, period_ns))
    context.fault().raise(DecodeStatus::unknown_value, "period");
  return period_ns;
}

namespace {

std::unique_ptr<AdapterState> make_state() { return std::make_unique<State>(); }

State& begin(VenueState& state) {
  auto& own = static_cast<State&>(*state.own);
  own.fault = {};
  own.pending.counted = nullptr;
  own.pending.books5_of = 0;
  own.pending.trades.clear();
  return own;
}

/// The root object of a message that is one whole JSON value. That is asked first, because a book's
/// checksum can only be verified by changing the book, which may not happen for a message that is
/// refused afterwards.
bool open_root(State& own, std::string_view payload, json::ondemand::document& document,
               json::ondemand::object& root) {
  if (!own.open(payload, document)) return false;
  own.close(document);
  if (!own.fault.ok()) return false;
  document.rewind();
  if (const auto error = document.get_object().get(root); error != simdjson::SUCCESS) {
    own.fault.raise(json::status_of(error), "message");
    return false;
  }
  return true;
}

DecodeStatus finish(Transaction& message, State& own) {
  const DecodeStatus status = message.finish();
  if (status == DecodeStatus::ok) own.commit();
  return status;
}

/// The lane that defines what a frame means.
void read_json(Context& context, std::string_view payload) {
  json::ondemand::document document;
  json::ondemand::object object;
  if (!open_root(context.own, payload, document, object)) return;
  json::Object root(object, context.fault());
  read_frame(context, root);
}

DecodeStatus decode(VenueState& state, const Frame& frame, RecordSink& sink) noexcept {
  State& own = begin(state);
  Transaction message(state, own, sink, frame.receive_ns, describe);
  if (frame.payload == "pong") {  // the one answer that is not JSON
    message.set_kind(kind_pong);
    return finish(message, own);
  }
  Context context{.message = message, .own = own, .state = state};
  if (state.lanes == Lanes::both && read_shape(context, frame.payload))
    message.count_shape();
  else
    read_json(context, frame.payload);
  return finish(message, own);
}

void read_body(Context& context, json::ondemand::object object) {
  json::Object root(object, context.fault());
  const json::Token code = root.token("code");
  if (code.is_empty()) return context.fault().raise(DecodeStatus::missing_field, "code");
  if (code.text != "0") return context.fault().raise(DecodeStatus::venue_error, "code");
  json::ondemand::array data;
  if (root.array("data", data)) read_answer(context, data);
}

DecodeStatus decode_rest(VenueState& state, const RestReply& reply, RecordSink& sink) noexcept {
  State& own = begin(state);
  Transaction message(state, own, sink, reply.receive_ns, describe);
  const Endpoint* endpoint = find_endpoint(endpoints, reply.endpoint);
  if (endpoint == nullptr) {
    own.fault.raise(DecodeStatus::unknown_stream, "endpoint");
    return finish(message, own);
  }
  const auto kind =
      static_cast<std::uint8_t>(kind_rest_instruments + (endpoint - endpoints.data()));
  message.set_kind(kind);
  json::ondemand::document document;
  json::ondemand::object object;
  if (open_root(own, reply.body, document, object)) {
    Context context{.message = message,
                    .own = own,
                    .state = state,
                    .kind = kind,
                    .symbol = reply.symbol,
                    .period = reply.period,
                    .flags_now = rest_flags(reply, true),
                    .flags_history = rest_flags(reply, false),
                    .is_rest = true,
                    .is_ordered = true,
                    .is_newest_first = true,
                    .window = reply.window};
    read_body(context, object);
  }
  return finish(message, own);
}

}  // namespace
}  // namespace perp::venue::okx

namespace perp::venue {

const Adapter& okx_adapter() noexcept {
  static const Adapter adapter{
      .spec = {.venue = market::VenueId::okx,
               .rest_url = "https://www.okx.com",
               .ws_urls = "wss://ws.okx.com:8443/ws/v5/public wss://ws.okx.com:8443/ws/v5/business",
               .is_contract_size_one = false,
               .is_liquidation_sampled = true},
      .message_kinds = okx::kind_names,
      .endpoints = okx::endpoints,
      .make_state = okx::make_state,
      .decode = okx::decode,
      .decode_rest = okx::decode_rest,
      .connect = &okx::connect};
  return adapter;
}

}  // namespace perp::venue
