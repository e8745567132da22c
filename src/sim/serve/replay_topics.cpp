#include "sim/serve/replay_topics.hpp"

#include "sim/serve/json.hpp"
#include "sim/wire/wire_model.hpp"

#include <fmt/format.h>

namespace perp::sim {
namespace {

using market::VenueId;

/// What a Binance event may have been asked for as.
std::vector<std::string> binance_topics(const Json& event) {
  const std::string_view type = event.text_of("e");
  std::string symbol = wire::lower_case(event.text_of("s"));
  if (type == "aggTrade" || type == "trade") return {symbol + "@" + std::string(type)};
  if (type == "bookTicker") return {symbol + "@bookTicker"};
  if (type == "24hrTicker") return {symbol + "@ticker"};
  if (type == "markPriceUpdate") return {symbol + "@markPrice@1s", symbol + "@markPrice"};
  if (type == "depthUpdate")
    return {symbol + "@depth@100ms", symbol + "@depth@0ms", symbol + "@depth",
            symbol + "@depth@500ms"};
  if (const Json* const bar = event.find("k"); type == "kline" && bar != nullptr)
    return {symbol + "@kline_" + std::string(bar->text_of("i"))};
  if (const Json* const order = event.find("o"); type == "forceOrder" && order != nullptr)
    return {wire::lower_case(order->text_of("s")) + "@forceOrder", "!forceOrder@arr"};
  return {};
}

ReplayTopics hyperliquid_topics(const Json& message) {
  const std::string_view channel = message.text_of("channel");
  const Json* data = message.find("data");
  if (data == nullptr) return {};
  if (data->is_array()) {
    if (data->items().empty()) return {};
    data = &data->items().front();
  }
  const std::string_view coin = data->text_of(channel == "candle" ? "s" : "coin");
  if (coin.empty()) return {};
  return {.topics = {fmt::format(R"({{"type":"{}","coin":{})", channel, json_quoted(coin))},
          .is_prefix = true};
}

}  // namespace

ReplayTopics topics_of(VenueId venue, std::string_view message) {
  const std::optional<Json> json = Json::parse(message);
  if (!json || !json->is_object()) return {};
  const Json* const data = json->find("data");
  switch (venue) {
    case VenueId::binance: {
      const std::string_view stream = json->text_of("stream");
      if (stream.empty() || data == nullptr) return {.topics = binance_topics(*json)};
      ReplayTopics found{.topics = binance_topics(*data)};
      if (found.topics.empty()) found.topics.emplace_back(stream);
      found.bare = message.substr(message.find(data->raw()), data->raw().size());
      return found;
    }
    case VenueId::bybit: {
      const std::string_view topic = json->text_of("topic");
      if (topic.empty()) return {};
      return {.topics = {std::string(topic)}};
    }
    case VenueId::okx: {
      const Json* const argument = json->find("arg");
      if (argument == nullptr || data == nullptr) return {};
      const std::string_view channel = argument->text_of("channel");
      const std::string_view name = argument->text_of("instId");
      const std::string_view about = name.empty() ? argument->text_of("instType") : name;
      return {.topics = {fmt::format("{}:{}", channel, about)}};
    }
    case VenueId::hyperliquid: return hyperliquid_topics(*json);
    case VenueId::none: break;
  }
  return {};
}

}  // namespace perp::sim
