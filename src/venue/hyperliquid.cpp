// Hyperliquid: the adapter's tables, and which reader a message goes to.
#include "venue/hyperliquid.hpp"

#include <perp/venue/registry.hpp>

namespace perp::venue::hyperliquid {

namespace ondemand = json::ondemand;

namespace {

constexpr auto kind_names = std::to_array<std::string_view>({
    "unknown",
    "subscriptionResponse",
    "pong",
    "error",
    "greeting",
    "post",
    "trades",
    "l2Book",
    "bbo",
    "activeAssetCtx",
    "activeSpotAssetCtx",
    "allDexsAssetCtxs",
    "fastAssetCtxs",
    "allMids",
    "candle",
    "user",
    "userFills",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "orderUpdates",
    "notification",
    "activeAssetData",
    "clearinghouseState",
    "allDexsClearinghouseState",
    "webData2",
    "webData3",
    "rest_meta",
    "rest_metaAndAssetCtxs",
    "rest_allMids",
    "rest_l2Book",
    "rest_recentTrades",
    "rest_candleSnapshot",
    "rest_fundingHistory",
    "rest_predictedFundings",
    "rest_clearinghouseState",
    "rest_userFills",
    "rest_userFillsByTime",
    "rest_perpDexs",
    "rest_allPerpMetas",
    "rest_spotMeta",
    "rest_spotMetaAndAssetCtxs",
    "rest_exchangeStatus",
    "rest_userFunding",
    "rest_userNonFundingLedgerUpdates",
    "rest_openOrders",
    "rest_frontendOpenOrders",
    "rest_userRole",
    "rest_vaultDetails",
    "rest_userVaultEquities",
    "rest_portfolio",
    "rest_subAccounts",
    "rest_perpsAtOpenInterestCap",
    "rest_perpDexLimits",
    "rest_userRateLimit",
    "rest_leaderboard",
    "rest_vaults",
});
static_assert(kind_names.size() == static_cast<std::size_t>(Kind::count) &&
              kind_names.size() <= message_kind_limit);

constexpr Kind first_rest_kind = Kind::rest_meta;

// In the order of the kinds from rest_meta on; the name is the `type` of the request's body. What
// an account query asked for travels in RestReply::symbol as the account's address.
constexpr auto endpoints = std::to_array<Endpoint>({
    {"meta", "/info", "", ""},
    {"metaAndAssetCtxs", "/info", "", ""},
    {"allMids", "/info", "", ""},
    {"l2Book", "/info", "", ""},
    {"recentTrades", "/info", "", ""},
    {"candleSnapshot", "/info", "", ""},
    {"fundingHistory", "/info", "", ""},
    {"predictedFundings", "/info", "", ""},
    {"clearinghouseState", "/info", "", ""},
    {"userFills", "/info", "", ""},
    {"userFillsByTime", "/info", "", ""},
    {"perpDexs", "/info", "", ""},
    {"allPerpMetas", "/info", "", ""},
    {"spotMeta", "/info", "", ""},
    {"spotMetaAndAssetCtxs", "/info", "", ""},
    {"exchangeStatus", "/info", "", ""},
    {"userFunding", "/info", "", ""},
    {"userNonFundingLedgerUpdates", "/info", "", ""},
    {"openOrders", "/info", "", ""},
    {"frontendOpenOrders", "/info", "", ""},
    {"userRole", "/info", "", ""},
    {"vaultDetails", "/info", "", ""},
    {"userVaultEquities", "/info", "", ""},
    {"portfolio", "/info", "", ""},
    {"subAccounts", "/info", "", ""},
    {"perpsAtOpenInterestCap", "/info", "", ""},
    {"perpDexLimits", "/info", "", ""},
    {"userRateLimit", "/info", "", ""},
    {"leaderboard", "/Mainnet/leaderboard", "", ""},
    {"vaults", "/Mainnet/vaults", "", ""},
});
static_assert(endpoints.size() + static_cast<std::size_t>(first_rest_kind) ==
              static_cast<std::size_t>(Kind::count));

constexpr std::string_view greeting = "Websocket connection established.";
constexpr std::string_view refusal = "Failed to deserialize";

/// What says nothing about a market: its kind is counted, its JSON checked, no record made.
void skip(Context&, Value) {}

void refuse(Context& context, Value data) {
  const json::Token text = json::make_token(data.raw_json_token(), context.fault(), "data");
  context.fault().raise(DecodeStatus::venue_error, text.text);
}

void read_all_mids_push(Context& context, Value data) {
  ondemand::object body;
  if (!as_object(context, data, body, "data")) return;
  Value mids;
  if (const auto error = body.find_field_unordered("mids").get(mids); error != simdjson::SUCCESS)
    return context.fault().raise(json::status_of(error), "mids");
  read_all_mids(context, mids);
}

void read_post(Context& context, Value data);

struct ChannelRow {
  std::string_view channel;
  Kind kind;
  void (*read)(Context&, Value);
};

// By frequency.
constexpr auto channels = std::to_array<ChannelRow>({
    {"bbo", Kind::bbo, read_bbo},
    {"trades", Kind::trades, read_trades},
    {"l2Book", Kind::l2_book, read_book},
    {"activeAssetCtx", Kind::active_asset_ctx, read_asset_ctx},
    {"candle", Kind::candle, read_candle},
    {"allMids", Kind::all_mids, read_all_mids_push},
    {"allDexsAssetCtxs", Kind::all_dexs_asset_ctxs, read_all_dexs_asset_ctxs},
    {"activeSpotAssetCtx", Kind::active_spot_asset_ctx, read_asset_ctx},
    {"fastAssetCtxs", Kind::fast_asset_ctxs, skip},
    {"subscriptionResponse", Kind::subscription_response, skip},
    {"error", Kind::error, refuse},
    {"post", Kind::post, read_post},
    {"user", Kind::user, read_user_push},
    {"userFills", Kind::user_fills, read_user_fills_push},
    {"userFundings", Kind::user_fundings, skip},
    {"userNonFundingLedgerUpdates", Kind::user_ledger_updates, skip},
    {"orderUpdates", Kind::order_updates, skip},
    {"notification", Kind::notification, skip},
    {"activeAssetData", Kind::active_asset_data, skip},
    {"clearinghouseState", Kind::clearinghouse_state, read_clearinghouse_push},
    {"allDexsClearinghouseState", Kind::all_dexs_clearinghouse_state, skip},
    {"webData2", Kind::web_data2, skip},
    {"webData3", Kind::web_data3, skip},
});

void read_frame(Context& context) {
  json::Fault& fault = context.fault();
  ondemand::json_type
      type;  // asked first: text that is no JSON at all is malformed, not of a wrong type
  if (const auto error = context.document.type().get(type); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  ondemand::object root;
  if (const auto error = context.document.get_object().get(root); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "message");
  const std::string_view channel =
      json::text(json::token_of(root.find_field_unordered("channel"), fault, "channel"), true,
                 fault, "channel");
  if (!fault.ok()) {
    // JSON, but not in the envelope that every stream has.
    if (fault.status == DecodeStatus::missing_field) fault.status = DecodeStatus::unknown_stream;
    return;
  }
  if (channel == "pong") return context.set_kind(Kind::pong);
  for (const ChannelRow& row : channels) {
    if (row.channel != channel) continue;
    context.set_kind(row.kind);
    Value data;
    if (const auto error = root.find_field_unordered("data").get(data); error != simdjson::SUCCESS)
      return fault.raise(json::status_of(error), "data");
    return row.read(context, data);
  }
  fault.raise(DecodeStatus::unknown_stream, channel);
}

/// A body of REST, whichever way it came.
void read_body(Context& context, Value body, Kind kind, std::string_view user) {
  switch (kind) {
    case Kind::rest_meta: return read_meta(context, body);
    case Kind::rest_meta_and_asset_ctxs: return read_meta_and_asset_ctxs(context, body);
    case Kind::rest_all_mids: return read_all_mids(context, body);
    case Kind::rest_l2_book: return read_book(context, body);
    case Kind::rest_recent_trades: return read_trades(context, body);
    case Kind::rest_candle_snapshot: return read_candles(context, body);
    case Kind::rest_funding_history: return read_funding_history(context, body);
    case Kind::rest_predicted_fundings: return read_predicted_fundings(context, body);
    case Kind::rest_clearinghouse_state: return read_clearinghouse_state(context, body, user);
    case Kind::rest_user_fills:
    case Kind::rest_user_fills_by_time: return read_fills(context, body, user);
    case Kind::rest_perp_dexs: return read_perp_dexs(context, body);
    case Kind::rest_all_perp_metas: return read_all_perp_metas(context, body);
    case Kind::rest_spot_meta: return read_spot_meta(context, body);
    case Kind::rest_spot_meta_and_asset_ctxs: return read_spot_meta_and_asset_ctxs(context, body);
    default: return;
  }
}

/// The state of now rather than events or history.
bool is_state(Kind kind) {
  switch (kind) {
    case Kind::rest_meta_and_asset_ctxs:
    case Kind::rest_all_mids:
    case Kind::rest_l2_book:
    case Kind::rest_predicted_fundings:
    case Kind::rest_clearinghouse_state:
    case Kind::rest_spot_meta_and_asset_ctxs: return true;
    default: return false;
  }
}

Kind kind_of(const Endpoint& endpoint) {
  return static_cast<Kind>(static_cast<std::size_t>(first_rest_kind) +
                           static_cast<std::size_t>(&endpoint - endpoints.data()));
}

// {"id":7,"response":{"type":"info","payload":{"type":"l2Book","data":{..}}}}: a REST reply on the
// socket.
void read_post(Context& context, Value data) {
  json::Fault& fault = context.fault();
  ondemand::object body;
  ondemand::object response;
  if (!as_object(context, data, body, "data")) return;
  if (const auto error = body.find_field_unordered("response").get_object().get(response);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "response");
  const std::string_view type = json::text(
      json::token_of(response.find_field_unordered("type"), fault, "type"), true, fault, "type");
  if (!fault.ok()) return;
  Value payload;
  if (const auto error = response.find_field_unordered("payload").get(payload);
      error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "payload");
  if (type == "error") return refuse(context, payload);
  if (type != "info") return;  // an action's answer: we send none
  ondemand::object info;
  if (!as_object(context, payload, info, "payload")) return;
  const std::string_view name = json::text(
      json::token_of(info.find_field_unordered("type"), fault, "type"), true, fault, "type");
  Value inner;
  if (!fault.ok()) return;
  if (const auto error = info.find_field_unordered("data").get(inner); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "data");
  bool is_null = false;
  if (const auto error = inner.is_null().get(is_null); error != simdjson::SUCCESS)
    return fault.raise(json::status_of(error), "data");
  if (is_null) return fault.raise(DecodeStatus::venue_error, "null");
  const Endpoint* endpoint = find_endpoint(endpoints, name);
  if (endpoint == nullptr) return;
  const Kind kind = kind_of(*endpoint);
  context.is_rest = true;
  context.flags = is_state(kind) ? market::flag_snapshot : 0;
  read_body(context, inner, kind, {});
}

/// Makes true what a message that was taken has said.
void advance(State& own, VenueState& state) {
  while (own.streams.size() < state.instruments.size()) own.streams.emplace_back();
  for (const SeenTrade& seen : own.seen) {
    Streams& streams = own.streams[seen.instrument & 0x00ff'ffff];
    RecentIds& ids = streams.*seen.ids;
    if (seen.is_repeat) {
      ids.count_repeat();
      continue;
    }
    ids.insert(seen.id, seen.time_ns);
    if (seen.ids == &Streams::trades) streams.front.pass(seen.time_ns, seen.receive_ns);
  }
  for (Universe& universe : own.new_universes) {
    for (const std::string& name : universe.names)
      universe.instruments.push_back(state.instruments.find(name)->id & 0x00ff'ffff);
    const auto known = std::find_if(own.universes.begin(), own.universes.end(),
                                    [&](const Universe& u) { return u.dex == universe.dex; });
    if (known != own.universes.end())
      *known = std::move(universe);
    else
      own.universes.push_back(std::move(universe));
  }
  if (!own.new_tokens.empty()) own.tokens = std::move(own.new_tokens);
}

void begin_message(State& own) {
  own.fault = {};
  own.seen.clear();
  own.new_universes.clear();
  own.new_tokens.clear();
}

DecodeStatus end_message(VenueState& state, State& own, Transaction& tx,
                         std::uint64_t unnamed_rows) {
  const DecodeStatus status = tx.finish();
  if (status != DecodeStatus::ok) return status;
  state.unnamed_rows += unnamed_rows;
  advance(own, state);
  return status;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  return text;
}

/// Whether the first bracket is answered by the last one, which document::get_value() does not look
/// at.
bool is_bracketed(std::string_view body) {
  return body.size() >= 2 && ((body.front() == '{' && body.back() == '}') ||
                              (body.front() == '[' && body.back() == ']'));
}

std::unique_ptr<AdapterState> make_state() { return std::make_unique<State>(); }

DecodeStatus decode(VenueState& state, const Frame& frame, RecordSink& sink) noexcept {
  State& own = static_cast<State&>(*state.own);
  Transaction tx(state, own, sink, frame.receive_ns, describe);
  begin_message(own);
  Message message{.state = state, .own = own, .tx = tx};
  std::uint64_t unnamed_rows = 0;
  ondemand::document document;
  if (state.lanes == Lanes::both && read_shape(message, frame.payload)) {
    tx.count_shape();
  } else if (trimmed(frame.payload) == greeting) {
    message.set_kind(Kind::greeting);
  } else if (own.open(frame.payload, document)) {
    Context context{message, document};
    read_frame(context);
    context.close();
    own.judge();
    unnamed_rows = context.unnamed_rows;
  }
  return end_message(state, own, tx, unnamed_rows);
}

DecodeStatus decode_rest(VenueState& state, const RestReply& reply, RecordSink& sink) noexcept {
  State& own = static_cast<State&>(*state.own);
  Transaction tx(state, own, sink, reply.receive_ns, describe);
  begin_message(own);
  const Endpoint* endpoint = find_endpoint(endpoints, reply.endpoint);
  const std::string_view body = trimmed(reply.body);
  if (endpoint != nullptr) tx.set_kind(static_cast<std::uint8_t>(kind_of(*endpoint)));
  ondemand::document document;
  if (endpoint == nullptr) {
    own.fault.raise(DecodeStatus::unknown_stream, "endpoint");
  } else if (body == "null" || body.starts_with(refusal)) {
    own.fault.raise(DecodeStatus::venue_error, body);
  } else if (!is_bracketed(body)) {
    own.fault.raise(DecodeStatus::malformed_json, "message");
  } else if (own.open(reply.body, document)) {
    const Kind kind = kind_of(*endpoint);
    Context context{{.state = state,
                     .own = own,
                     .tx = tx,
                     .flags = rest_flags(reply, is_state(kind)),
                     .is_rest = true,
                     .window = reply.window},
                    document};
    Value value;
    if (const auto error = document.get_value().get(value); error != simdjson::SUCCESS)
      own.fault.raise(json::status_of(error), "message");
    else
      read_body(context, value, kind,
                reply.symbol.starts_with("0x") ? reply.symbol : std::string_view());
    context.close();
    own.judge();
  }
  return end_message(state, own, tx, 0);
}

constexpr Adapter adapter{
    .spec = {.venue = market::VenueId::hyperliquid,
             .rest_url = "https://api.hyperliquid.xyz",
             .ws_urls = "wss://api.hyperliquid.xyz/ws",
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
}  // namespace perp::venue::hyperliquid

namespace perp::venue {

const Adapter& hyperliquid_adapter() noexcept { return hyperliquid::adapter; }

}  // namespace perp::venue
