#include "venue/bybit.hpp"

#include <perp/venue/registry.hpp>

namespace perp::venue::bybit {

const std::array<std::string_view, kind_count> kind_names = {
    "unknown",
    "ack",
    "pong",
    "error",
    "publicTrade",
    "orderbook",
    "tickers",
    "kline",
    "allLiquidation",
    "liquidation",
    "system.status",
    "rest_kline",
    "rest_mark-price-kline",
    "rest_index-price-kline",
    "rest_premium-index-price-kline",
    "rest_tickers",
    "rest_orderbook",
    "rest_rpi_orderbook",
    "rest_recent-trade",
    "rest_open-interest",
    "rest_funding-history",
    "rest_account-ratio",
    "rest_instruments-info",
    "rest_time",
};

const std::array<Endpoint, kind_count - kind_rest_kline> endpoints = {{
    {"kline", "/v5/market/kline", "period", "klines"},
    {"mark-price-kline", "/v5/market/mark-price-kline", "period", ""},
    {"index-price-kline", "/v5/market/index-price-kline", "period", ""},
    {"premium-index-price-kline", "/v5/market/premium-index-price-kline", "period", ""},
    {"tickers", "/v5/market/tickers", "", "ticker"},
    {"orderbook", "/v5/market/orderbook", "", ""},
    {"rpi_orderbook", "/v5/market/rpi_orderbook", "", "rpi-orderbook"},
    {"recent-trade", "/v5/market/recent-trade", "", "recent_trade trades"},
    {"open-interest", "/v5/market/open-interest", "period", "open_interest"},
    {"funding-history", "/v5/market/funding/history", "",
     "funding_history history-fund-rate funding/history"},
    {"account-ratio", "/v5/market/account-ratio", "period", "long-short-ratio account_ratio"},
    {"instruments-info", "/v5/market/instruments-info", "",
     "instrument instruments instruments_info", true},
    {"time", "/v5/market/time", "", ""},
}};

void State::commit() {
  if (pending.ticker_of != 0) market(pending.ticker_of).ticker = pending.ticker;
  if (pending.book_of != 0) market(pending.book_of).books[pending.depth_index] = pending.sequence;
  if (pending.top_of != 0) market(pending.top_of).top = pending.top;
  for (const Pending::TradeKey& trade : pending.trades) {
    std::unique_ptr<RecentKeys>& seen = market(trade.instrument).trades;
    if (seen == nullptr) seen = std::make_unique<RecentKeys>();
    seen->insert(trade.key);
  }
}

namespace {

std::unique_ptr<AdapterState> make_state() { return std::make_unique<State>(); }

State& begin(VenueState& state) {
  auto& own = static_cast<State&>(*state.own);
  own.pending.ticker_of = own.pending.book_of = own.pending.top_of = 0;
  own.pending.counted = nullptr;
  own.pending.trades.clear();
  return own;
}

/// The root object of a message that is one whole JSON value, or a fault.
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
void read_json(Transaction& message, State& own, std::string_view payload) {
  json::ondemand::document document;
  json::ondemand::object object;
  if (!open_root(own, payload, document, object)) return;
  json::Object root(object, own.fault);
  read_frame(message, own, root);
}

DecodeStatus decode(VenueState& state, const Frame& frame, RecordSink& sink) noexcept {
  State& own = begin(state);
  Transaction message(state, own, sink, frame.receive_ns, describe);
  own.fault = {};
  if (state.lanes == Lanes::both && read_shape(state, message, own, frame.payload))
    message.count_shape();
  else
    read_json(message, own, frame.payload);
  return finish(message, own);
}

/// What a reply is about: the `result` of the usual envelope, or the bare result that some
/// recordings keep.
void read_body(Transaction& message, State& own, json::ondemand::object object,
               const RestReply& reply, std::uint8_t kind) {
  json::Object root(object, own.fault);
  const std::int64_t code = root.optional_integer("retCode");
  if (code != market::unknown_id && code != 0)
    return own.fault.raise(DecodeStatus::venue_error, "retCode");
  std::int64_t server_ns = core::unknown_ns;
  json::ondemand::object result;
  if (code == 0) {
    server_ns = root.optional_time_ms("time");
    if (!root.object("result", result)) return;
  } else {
    json::ondemand::object wrapped;
    result = root.object("LinearInverse", wrapped, false) ? wrapped : object;
  }
  if (!own.fault.ok()) return;
  Answer answer{message, own, json::Object(result, own.fault), reply, {}, server_ns};
  answer.category = answer.result.optional_text("category");
  read_answer(answer, kind);
}

DecodeStatus decode_rest(VenueState& state, const RestReply& reply, RecordSink& sink) noexcept {
  State& own = begin(state);
  Transaction message(state, own, sink, reply.receive_ns, describe);
  own.fault = {};
  const Endpoint* endpoint = find_endpoint(endpoints, reply.endpoint);
  if (endpoint == nullptr) {
    own.fault.raise(DecodeStatus::unknown_stream, "endpoint");
    return finish(message, own);
  }
  const auto kind = static_cast<std::uint8_t>(kind_rest_kline + (endpoint - endpoints.data()));
  message.set_kind(kind);
  json::ondemand::document document;
  json::ondemand::object object;
  if (open_root(own, reply.body, document, object)) read_body(message, own, object, reply, kind);
  return finish(message, own);
}

}  // namespace
}  // namespace perp::venue::bybit

namespace perp::venue {

const Adapter& bybit_adapter() noexcept {
  static const Adapter adapter{.spec = {.venue = market::VenueId::bybit,
                                        .rest_url = "https://api.bybit.com",
                                        .ws_urls = "wss://stream.bybit.com/v5/public/linear "
                                                   "wss://stream.bybit.com/v5/public/misc/status",
                                        .is_contract_size_one = true,
                                        .is_liquidation_sampled = false},
                               .message_kinds = bybit::kind_names,
                               .endpoints = bybit::endpoints,
                               .make_state = bybit::make_state,
                               .decode = bybit::decode,
                               .decode_rest = bybit::decode_rest,
                               .connect = &bybit::connect};
  return adapter;
}

}  // namespace perp::venue
