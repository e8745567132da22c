#include "sim/check/fault_log.hpp"

#include "sim/serve/json.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/sim/truth_log.hpp>

#include <charconv>
#include <fstream>
#include <optional>

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

/// Calls add(kind, instrument, id) for each event that a message tells. Of a text that was cut
/// nothing is read: such messages are snapshots.
template <class Add>
void for_each_event(VenueId venue, std::string_view message, const Add& add) {
  const std::optional<Json> json = Json::parse(message);
  if (!json || !json->is_object()) return;
  const Json* data = json->find("data");
  if (venue == VenueId::binance) {
    const Json& event = data != nullptr ? *data : *json;
    const std::string_view type = event.text_of("e");
    const std::string_view native = event.text_of("s");
    if (type == "aggTrade") add(trade, native, number_of(event, "a"));
    if (type == "depthUpdate") add(book, native, number_of(event, "u"));
    if (const Json* const bar = event.find("k"); type == "kline" && bar != nullptr)
      add(kline, native, number_of(*bar, "t"));
    if (const Json* const order = event.find("o"); type == "forceOrder" && order != nullptr)
      add(liquidation, order->text_of("s"), number_of(*order, "T"));
    return;
  }
  if (data == nullptr) return;
  if (venue == VenueId::bybit) {
    const std::string_view topic = json->text_of("topic");
    const std::string_view native = topic.substr(topic.rfind('.') + 1);
    if (topic.starts_with("orderbook.50.")) add(book, native, number_of(*data, "u"));
    for (const Json& row : data->items()) {
      if (!data->is_array()) break;
      if (topic.starts_with("publicTrade.")) add(trade, native, uuid_low(row.text_of("i")));
      if (topic.starts_with("kline.1.")) add(kline, native, number_of(row, "start"));
      if (topic.starts_with("allLiquidation.")) add(liquidation, native, number_of(row, "T"));
    }
    return;
  }
  if (venue == VenueId::okx) {
    const Json* const argument = json->find("arg");
    if (argument == nullptr || !data->is_array()) return;
    const std::string_view channel = argument->text_of("channel");
    const std::string_view native = argument->text_of("instId");
    for (const Json& row : data->items()) {
      if (channel == "trades") add(trade, native, number_of(row, "tradeId"));
      if (channel == "books") add(book, native, number_of(row, "seqId"));
      if (channel == "candle1m" && row.is_array() && !row.items().empty())
        add(kline, native, first_of(row).integer().value_or(0));
      if (const Json* const details = row.find("details");
          channel == "liquidation-orders" && details != nullptr)
        for (const Json& detail : details->items())
          add(liquidation, row.text_of("instId"), number_of(detail, "ts"));
    }
    return;
  }
  const std::string_view channel = json->text_of("channel");
  if (channel == "trades" && data->is_array())
    for (const Json& row : data->items()) add(trade, row.text_of("coin"), number_of(row, "tid"));
  if (channel == "l2Book") add(book, data->text_of("coin"), number_of(*data, "time"));
  if (channel == "candle") add(kline, data->text_of("s"), number_of(*data, "t"));
}

std::optional<FaultKind> kind_named(std::string_view name) {
  for (const FaultKindRow& row : fault_kinds)
    if (row.name == name) return row.kind;
  return std::nullopt;
}

/// How long a refusal holds: as its Retry-After (a number of seconds) says, else as docs/feeds.md
/// says that it must be taken. 0: it is none.
std::int64_t ban_ns(std::int64_t status, std::string_view retry_after) {
  if (status != 429 && status != 418 && status != 403) return 0;
  std::int64_t seconds = 0;
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (seconds > 0) return seconds * core::ns_per_second;
  return (status == 429 ? 1 : 10) * core::ns_per_minute;
}

}  // namespace

FaultLog::FaultLog(const std::string& path) {
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
    const market::Venue* const venue = market::find_venue(entry->text_of("venue"));
    if (venue == nullptr) continue;
    const std::int64_t time_ns = number_of(*entry, "time_ns");
    const std::int64_t episode = number_of(*entry, "episode");
    if (const auto kind = kind_named(entry->text_of("kind")); what == "begin" && kind) {
      by_episode_[episode] = faults_.size();
      faults_.push_back({.venue = venue->id, .kind = *kind, .begin_ns = time_ns});
    }
    const auto known = by_episode_.find(episode);
    LoggedFault* const fault = known == by_episode_.end() ? nullptr : &faults_[known->second];
    if (what == "end" && fault != nullptr) fault->end_ns = time_ns;
    if (what == "answered") {
      const std::int64_t lasts_ns =
          ban_ns(number_of(*entry, "status"), entry->text_of("retry_after"));
      if (lasts_ns > 0) bans_.push_back({venue->id, time_ns, time_ns + lasts_ns});
    }
    const auto add_to = [&](EventSet& events, std::string_view text) {
      for_each_event(venue->id, text, [&](int kind, std::string_view native, std::int64_t id) {
        events.add(venue->id, static_cast<std::uint8_t>(kind), native, id);
        if (what == "removed" && fault != nullptr)
          fault->removed.emplace(static_cast<std::uint8_t>(kind), native);
      });
    };
    if (what == "removed" || what == "changed") add_to(removed_, entry->text_of("text"));
    if (what == "changed") add_to(removed_, entry->text_of("was"));
    if (what == "moved") add_to(moved_, entry->text_of("text"));
  }
}

}  // namespace perp::sim
