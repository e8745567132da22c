#include "sim/check/removed_events.hpp"

#include "sim/serve/json.hpp"

#include <perp/core/error.hpp>
#include <perp/sim/truth_log.hpp>

#include <charconv>
#include <fstream>

namespace perp::sim {
namespace {

using market::VenueId;

constexpr int trade = static_cast<int>(TruthKind::trade);
constexpr int kline = static_cast<int>(TruthKind::kline);
constexpr int liquidation = static_cast<int>(TruthKind::liquidation);
constexpr int book = static_cast<int>(TruthKind::book);

std::int64_t number_of(const Json& object, std::string_view name) {
  const Json* const value = object.find(name);
  return value == nullptr ? 0 : value->integer().value_or(0);
}

/// The low half of a UUID.
std::int64_t uuid_low(std::string_view text) {
  std::uint64_t low = 0;
  if (text.size() != 36) return 0;
  const std::string digits = std::string(text.substr(19, 4)) + std::string(text.substr(24));
  std::from_chars(digits.data(), digits.data() + digits.size(), low, 16);
  return static_cast<std::int64_t>(low);
}

const Json& first_of(const Json& list) { return list.items().front(); }

}  // namespace

RemovedEvents::RemovedEvents(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw core::Error("cannot read the file", path, "it is the log of `perp sim faults`");
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    const std::optional<Json> entry = Json::parse(line);
    if (!entry || !entry->is_object())
      throw core::Error("a line is no JSON object", path + ":" + std::to_string(number), "");
    const std::string_view what = entry->text_of("what");
    if (what != "removed" && what != "changed") continue;
    const market::Venue* const venue = market::find_venue(entry->text_of("venue"));
    if (venue == nullptr) continue;
    // A cut text is searched no further: such messages are snapshots.
    take(venue->id, entry->text_of(what == "removed" ? "text" : "was"));
    if (what == "changed") take(venue->id, entry->text_of("text"));
  }
}

void RemovedEvents::add(VenueId venue, int kind, std::string_view native, std::int64_t id) {
  events_.emplace(venue, static_cast<std::uint8_t>(kind), std::string(native), id);
}

void RemovedEvents::take(VenueId venue, std::string_view message) {
  const std::optional<Json> json = Json::parse(message);
  if (!json || !json->is_object()) return;
  const Json* data = json->find("data");
  if (venue == VenueId::binance) {
    const Json& event = data != nullptr ? *data : *json;
    const std::string_view type = event.text_of("e");
    const std::string_view native = event.text_of("s");
    if (type == "aggTrade") add(venue, trade, native, number_of(event, "a"));
    if (type == "depthUpdate") add(venue, book, native, number_of(event, "u"));
    if (const Json* const bar = event.find("k"); type == "kline" && bar != nullptr)
      add(venue, kline, native, number_of(*bar, "t"));
    if (const Json* const order = event.find("o"); type == "forceOrder" && order != nullptr)
      add(venue, liquidation, order->text_of("s"), number_of(*order, "T"));
    return;
  }
  if (data == nullptr) return;
  if (venue == VenueId::bybit) {
    const std::string_view topic = json->text_of("topic");
    const std::string_view native = topic.substr(topic.rfind('.') + 1);
    if (topic.starts_with("orderbook.50.")) add(venue, book, native, number_of(*data, "u"));
    for (const Json& row : data->items()) {
      if (!data->is_array()) break;
      if (topic.starts_with("publicTrade.")) add(venue, trade, native, uuid_low(row.text_of("i")));
      if (topic.starts_with("kline.1.")) add(venue, kline, native, number_of(row, "start"));
      if (topic.starts_with("allLiquidation."))
        add(venue, liquidation, native, number_of(row, "T"));
    }
    return;
  }
  if (venue == VenueId::okx) {
    const Json* const argument = json->find("arg");
    if (argument == nullptr || !data->is_array()) return;
    const std::string_view channel = argument->text_of("channel");
    const std::string_view native = argument->text_of("instId");
    for (const Json& row : data->items()) {
      if (channel == "trades") add(venue, trade, native, number_of(row, "tradeId"));
      if (channel == "books") add(venue, book, native, number_of(row, "seqId"));
      if (channel == "candle1m" && row.is_array() && !row.items().empty())
        add(venue, kline, native, first_of(row).integer().value_or(0));
      if (const Json* const details = row.find("details");
          channel == "liquidation-orders" && details != nullptr)
        for (const Json& detail : details->items())
          add(venue, liquidation, row.text_of("instId"), number_of(detail, "ts"));
    }
    return;
  }
  const std::string_view channel = json->text_of("channel");
  if (channel == "trades" && data->is_array())
    for (const Json& row : data->items())
      add(venue, trade, row.text_of("coin"), number_of(row, "tid"));
  if (channel == "l2Book") add(venue, book, data->text_of("coin"), number_of(*data, "time"));
  if (channel == "candle") add(venue, kline, data->text_of("s"), number_of(*data, "t"));
}

}  // namespace perp::sim
