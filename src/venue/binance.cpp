// Binance USD-M futures: the adapter's tables, and which reader a message goes to.
#include "venue/binance.hpp"

#include <perp/venue/registry.hpp>

namespace perp::venue::binance {

namespace ondemand = json::ondemand;

void State::add_streams(std::size_t index) {
  if (index >= streams.size()) streams.resize(index + 1);
  streams[index] = std::make_unique<Streams>();
}

namespace {

constexpr auto kind_names = std::to_array<std::string_view>({"unknown",
                                                             "ack",
                                                             "list",
                                                             "error",
                                                             "aggTrade",
                                                             "trade",
                                                             "trade_not_market",
                                                             "bookTicker",
                                                             "depthUpdate",
                                                             "depth_partial",
                                                             "rpiDepth",
                                                             "markPriceUpdate",
                                                             "24hrTicker",
                                                             "24hrMiniTicker",
                                                             "kline",
                                                             "continuous_kline",
                                                             "forceOrder",
                                                             "contractInfo",
                                                             "compositeIndex",
                                                             "assetIndexUpdate",
                                                             "tradingSession",
                                                             "rest_klines",
                                                             "rest_markPriceKlines",
                                                             "rest_indexPriceKlines",
                                                             "rest_premiumIndexKlines",
                                                             "rest_depth",
                                                             "rest_trades",
                                                             "rest_aggTrades",
                                                             "rest_premiumIndex",
                                                             "rest_fundingRate",
                                                             "rest_fundingInfo",
                                                             "rest_openInterest",
                                                             "rest_openInterestHist",
                                                             "rest_globalLongShortAccountRatio",
                                                             "rest_topLongShortAccountRatio",
                                                             "rest_topLongShortPositionRatio",
                                                             "rest_takerlongshortRatio",
                                                             "rest_24hr",
                                                             "rest_bookTicker",
                                                             "rest_price",
                                                             "rest_exchangeInfo",
                                                             "rest_time",
                                                             "rest_ping"});
static_assert(kind_names.size() == static_cast<std::size_t>(Kind::count) &&
              kind_names.size() <= message_kind_limit);

constexpr Kind first_rest_kind = Kind::rest_klines;

// In the order of the kinds from rest_klines on.
constexpr auto endpoints = std::to_array<Endpoint>({
    {"klines", "/fapi/v1/klines", "symbol", "kline candles"},
    {"markPriceKlines", "/fapi/v1/markPriceKlines", "symbol", ""},
    {"indexPriceKlines", "/fapi/v1/indexPriceKlines", "symbol", ""},
    {"premiumIndexKlines", "/fapi/v1/premiumIndexKlines", "symbol", ""},
    {"depth", "/fapi/v1/depth", "symbol", "book"},
    {"trades", "/fapi/v1/trades", "symbol", "historicalTrades"},
    {"aggTrades", "/fapi/v1/aggTrades", "symbol", "aggtrades"},
    {"premiumIndex", "/fapi/v1/premiumIndex", "", ""},
    {"fundingRate", "/fapi/v1/fundingRate", "", ""},
    {"fundingInfo", "/fapi/v1/fundingInfo", "", ""},
    {"openInterest", "/fapi/v1/openInterest", "", ""},
    {"openInterestHist", "/futures/data/openInterestHist", "period", ""},
    {"globalLongShortAccountRatio", "/futures/data/globalLongShortAccountRatio", "period", ""},
    {"topLongShortAccountRatio", "/futures/data/topLongShortAccountRatio", "period", ""},
    {"topLongShortPositionRatio", "/futures/data/topLongShortPositionRatio", "period", ""},
    {"takerlongshortRatio", "/futures/data/takerlongshortRatio", "symbol period",
     "takerLongShortRatio"},
    {"24hr", "/fapi/v1/ticker/24hr", "", "ticker24hr ticker/24hr"},
    {"bookTicker", "/fapi/v1/ticker/bookTicker", "", "ticker/bookTicker"},
    {"price", "/fapi/v2/ticker/price", "", "tickerPrice ticker/price"},
    {"exchangeInfo", "/fapi/v1/exchangeInfo", "", ""},
    {"time", "/fapi/v1/time", "", ""},
    {"ping", "/fapi/v1/ping", "", ""},
});
static_assert(endpoints.size() + static_cast<std::size_t>(first_rest_kind) ==
              static_cast<std::size_t>(Kind::count));

struct EventRow {
  std::string_view type;
  void (*read)(Context&, ondemand::object);
};

/// An event that says nothing about one contract's market: its kind is counted, its JSON checked,
/// no record made.
template <Kind kind>
void on_other_event(Context& context, ondemand::object) {
  context.is_event = false;
  context.set_kind(kind);
}

// By frequency.
constexpr auto events = std::to_array<EventRow>({
    {"bookTicker", on_book_ticker},
    {"depthUpdate", on_depth},
    {"aggTrade", on_agg_trade},
    {"trade", on_trade},
    {"markPriceUpdate", on_mark_price},
    {"kline", on_kline},
    {"24hrTicker", on_ticker},
    {"24hrMiniTicker", on_mini_ticker},
    {"forceOrder", on_force_order},
    {"continuous_kline", on_continuous_kline},
    {"contractInfo", on_contract_info},
    {"compositeIndex", on_other_event<Kind::composite_index>},
    {"assetIndexUpdate", on_other_event<Kind::asset_index>},
    {"tradingSession", on_other_event<Kind::trading_session>},
    {"EquityUpdate", on_other_event<Kind::trading_session>},
    {"CommodityUpdate", on_other_event<Kind::trading_session>},
});

void read_event(Context& context, ondemand::object event) {
  json::Fault& fault = context.own.fault;
  const std::string_view type =
      json::text(json::token_of(event.find_field_unordered("e"), fault, "e"), true, fault, "e");
  if (!fault.ok()) return;
  if (event.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  context.is_event = !context.is_array;
  for (const EventRow& row : events)
    if (row.type == type) return row.read(context, event);
  context.is_event = false;
  if (context.stream.find("tradingSession") != std::string_view::npos)
    return context.set_kind(Kind::trading_session);
  fault.raise(DecodeStatus::unknown_stream, "e");
}

void read_events(Context& context, ondemand::array list) {
  json::Fault& fault = context.own.fault;
  context.is_array = true;
  bool is_empty = true;
  for (auto item : list) {
    is_empty = false;
    ondemand::object event;
    if (const auto error = item.get_object().get(event); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "data");
    read_event(context, event);
    if (!context.tx.ok()) return;
  }
  if (is_empty) fault.raise(DecodeStatus::missing_field, "data");
}

// The part behind "data": one event or, from the !...@arr streams, a list of them.
void read_data(Context& context, ondemand::value data) {
  json::Fault& fault = context.own.fault;
  ondemand::json_type type;
  if (const auto error = data.type().get(type); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "data");
  if (type == ondemand::json_type::array) {
    ondemand::array list;
    if (const auto error = data.get_array().get(list); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "data");
    return read_events(context, list);
  }
  ondemand::object event;
  if (const auto error = data.get_object().get(event); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "data");
  read_event(context, event);
}

/// {"code":..,"msg":".."} on its own or behind "error": the venue says no, in its own words.
void refuse_as_venue_error(Context& context, ondemand::object body) {
  json::Fault& fault = context.own.fault;
  const json::Token message = json::token_of(body.find_field_unordered("msg"), fault, "msg");
  fault.raise(DecodeStatus::venue_error,
              message.is_string ? message.text : std::string_view("code"));
}

// Answers to our own requests, and whatever else is neither a stream nor an event.
void read_control(Context& context, ondemand::object root) {
  json::Fault& fault = context.own.fault;
  enum { result, error, code, message, update_id };
  static constexpr auto keys =
      std::to_array<std::string_view>({"result", "error", "code", "msg", "lastUpdateId"});
  std::array<bool, keys.size()> has{};
  bool is_list = false;
  json::each_field(root, keys, fault, [&](std::size_t index, ondemand::value value) {
    has[index] = true;
    if (index == result) {
      ondemand::json_type type{};
      if (const auto bad = value.type().get(type); bad != simdjson::SUCCESS)
        return fault.raise(json::status_of(bad), "result");
      is_list = type == ondemand::json_type::array;
    }
    if (index != error) return;
    ondemand::object inner;
    context.set_kind(Kind::error);
    if (const auto code_of = value.get_object().get(inner); code_of != simdjson::SUCCESS)
      return fault.raise(json::status_of(code_of), "error");
    refuse_as_venue_error(context, inner);
  });
  if (!fault.ok()) return;
  if (has[code] && has[message]) {
    context.set_kind(Kind::error);
    if (root.reset().error() != simdjson::SUCCESS)
      return fault.raise(DecodeStatus::malformed_json, "message");
    return refuse_as_venue_error(context, root);
  }
  if (has[update_id]) {
    // A REST snapshot that a recorder put between the frames. It does not say whose book it is.
    context.set_kind(Kind::rest_depth);
    return fault.raise(DecodeStatus::unknown_stream, "lastUpdateId");
  }
  if (!has[result]) return fault.raise(DecodeStatus::unknown_stream, "message");
  context.set_kind(is_list ? Kind::list : Kind::ack);
}

// Finds out what a frame is. The first key tells nearly always.
void read_frame(Context& context) {
  json::Fault& fault = context.own.fault;
  ondemand::json_type type;
  if (const auto error = context.document.type().get(type); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  if (type == ondemand::json_type::array) {
    ondemand::array list;
    if (const auto error = context.document.get_array().get(list); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "message");
    return read_events(context, list);
  }
  ondemand::object root;
  if (const auto error = context.document.get_object().get(root); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  enum { stream, data, event };
  static constexpr auto keys = std::to_array<std::string_view>({"stream", "data", "e"});
  // "stream" must be known before "data" is read, and it comes first; where it does not, look
  // again.
  const json::Token name =
      json::token_of(root.find_field_unordered(keys[stream]), fault, keys[stream]);
  if (!fault.ok()) return;
  if (!name.is_missing) {
    context.stream = json::text(name, true, fault, keys[stream]);
    ondemand::value value;
    if (const auto error = root.find_field_unordered(keys[data]).get(value);
        error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), keys[data]);
    if (fault.ok()) read_data(context, value);
    return;
  }
  if (root.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  const auto looked = root.find_field_unordered(keys[event]).error();
  const bool is_event = looked == simdjson::SUCCESS;
  if (!is_event && looked != simdjson::NO_SUCH_FIELD)
    return fault.raise(json::status_of(looked), "message");
  if (root.reset().error() != simdjson::SUCCESS)
    return fault.raise(DecodeStatus::malformed_json, "message");
  if (is_event) return read_event(context, root);
  read_control(context, root);
}

/// Makes true what a message that was taken has said.
void advance(State& own) {
  for (const Advance& step : own.advances) step.sequence->advance(step.id, step.verdict);
  for (const SeenLiquidation& seen : own.liquidations)
    seen.streams
        ->liquidations[seen.streams->liquidation_count++ % seen.streams->liquidations.size()] =
        seen.key;
}

/// The lane that defines what a frame means.
void read_json(const Message& message, std::string_view payload) {
  ondemand::document document;
  if (!message.own.open(payload, document)) return;
  Context context{message, document};
  read_frame(context);
  context.close();
  message.own.judge();
}

std::unique_ptr<AdapterState> make_state() { return std::make_unique<State>(); }

DecodeStatus decode(VenueState& state, const Frame& frame, RecordSink& sink) noexcept {
  State& own = static_cast<State&>(*state.own);
  Transaction tx(state, own, sink, frame.receive_ns, describe);
  own.advances.clear();
  own.liquidations.clear();
  own.fault = {};
  Message message{.state = state, .own = own, .tx = tx};
  if (state.lanes == Lanes::both && read_shape(message, frame.payload))
    tx.count_shape();
  else
    read_json(message, frame.payload);
  const DecodeStatus status = tx.finish();
  if (status == DecodeStatus::ok) advance(own);
  return status;
}

/// Looks whether the body is the venue's {"code":..,"msg":..} and refuses it then. simdjson gives
/// up a document in which it found an error, so that every such error must end the reading here.
void look_for_error(Context& context) {
  json::Fault& fault = context.own.fault;
  ondemand::json_type type;
  if (const auto error = context.document.type().get(type); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  if (type != ondemand::json_type::object) return;
  ondemand::object body;
  if (const auto error = context.document.get_object().get(body); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  for (const std::string_view key : {std::string_view("code"), std::string_view("msg")}) {
    const auto error = body.find_field_unordered(key).error();
    if (error == simdjson::NO_SUCH_FIELD) return context.document.rewind();
    if (error != simdjson::SUCCESS) return fault.raise(json::status_of(error), key);
  }
  refuse_as_venue_error(context, body);
}

DecodeStatus decode_rest(VenueState& state, const RestReply& reply, RecordSink& sink) noexcept {
  State& own = static_cast<State&>(*state.own);
  Transaction tx(state, own, sink, reply.receive_ns, describe);
  own.advances.clear();
  own.liquidations.clear();
  own.fault = {};
  bool brought_intervals = false;
  const Endpoint* endpoint = find_endpoint(endpoints, reply.endpoint);
  if (endpoint == nullptr) {
    own.fault.raise(DecodeStatus::unknown_stream, "endpoint");
  } else {
    const auto kind = static_cast<Kind>(static_cast<std::size_t>(first_rest_kind) +
                                        static_cast<std::size_t>(endpoint - endpoints.data()));
    tx.set_kind(static_cast<std::uint8_t>(kind));
    brought_intervals = kind == Kind::rest_funding_info;
    ondemand::document document;
    if (own.open(reply.body, document)) {
      Context context{{.state = state, .own = own, .tx = tx}, document};
      look_for_error(context);
      if (own.fault.ok()) read_reply(context, reply, kind);
      context.close();
      own.judge();
    }
  }
  const DecodeStatus status = tx.finish();
  if (status == DecodeStatus::ok) {
    own.has_funding_info |= brought_intervals;
    advance(own);
  }
  return status;
}

constexpr Adapter adapter{
    .spec = {.venue = market::VenueId::binance,
             .rest_url = "https://fapi.binance.com",
             .ws_urls =
                 "wss://fstream.binance.com/public/stream wss://fstream.binance.com/market/stream",
             .is_contract_size_one = true,
             .is_liquidation_sampled = true},
    .message_kinds = kind_names,
    .endpoints = endpoints,
    .make_state = make_state,
    .decode = decode,
    .decode_rest = decode_rest,
    .connect = &connect,
};

}  // namespace
}  // namespace perp::venue::binance

namespace perp::venue {

const Adapter& binance_adapter() noexcept { return binance::adapter; }

}  // namespace perp::venue
