#include "venue/okx.hpp"

namespace perp::venue::okx {

namespace {

struct Channel {
  std::string_view name;
  Kind kind;
};

// By frequency.
constexpr auto channels = std::to_array<Channel>({
    {"trades", kind_trades},
    {"bbo-tbt", kind_bbo},
    {"books", kind_books},
    {"tickers", kind_tickers},
    {"books5", kind_books5},
    {"trades-all", kind_trades_all},
    {"mark-price", kind_mark_price},
    {"index-tickers", kind_index_tickers},
    {"open-interest", kind_open_interest},
    {"funding-rate", kind_funding_rate},
    {"liquidation-orders", kind_liquidations},
    {"books-l2-tbt", kind_books_l2},
    {"books50-l2-tbt", kind_books50_l2},
    {"instruments", kind_instruments},
    {"status", kind_status},
});

constexpr auto candle_channels = std::to_array<Channel>({{"candle", kind_candle},
                                                         {"mark-price-candle", kind_mark_candle},
                                                         {"index-candle", kind_index_candle}});

struct Event {
  std::string_view name;
  Kind kind;
};
constexpr auto events = std::to_array<Event>({{"subscribe", kind_subscribe},
                                              {"unsubscribe", kind_unsubscribe},
                                              {"error", kind_error},
                                              {"notice", kind_notice},
                                              {"channel-conn-count", kind_connection_count},
                                              {"channel-conn-count-error", kind_error}});

/// @param kind of the channel in the message's argument, if it has one that is known
void read_event(Context& context, json::Object& root, Kind kind) {
  const std::string_view name = root.optional_text("event");
  if (!context.fault().ok()) return;
  if (name.empty() && kind != kind_unknown) {
    context.message.set_kind(kind);
    return context.fault().raise(DecodeStatus::missing_field, "data");
  }
  for (const Event& event : events) {
    if (event.name != name) continue;
    context.message.set_kind(event.kind);
    if (event.kind == kind_error) context.fault().raise(DecodeStatus::venue_error, "event");
    return;
  }
  context.fault().raise(DecodeStatus::unknown_stream, "event");
}

/// The kind of a channel; for candles also their interval.
Kind kind_of(std::string_view channel, std::int64_t& interval_ns) {
  for (const Channel& known : channels)
    if (known.name == channel) return known.kind;
  for (const Channel& known : candle_channels)
    if (channel.starts_with(known.name) && read_bar(channel.substr(known.name.size()), interval_ns))
      return known.kind;
  return kind_unknown;
}

void read_data(Context& context, json::ondemand::array& data, std::string_view action,
               std::int64_t interval_ns) {
  switch (context.kind) {
    case kind_trades:
    case kind_trades_all: return read_trades(context, data);
    case kind_bbo: return read_bbo(context, data);
    case kind_books: return read_book(context, data, channel_books, action);
    case kind_books_l2: return read_book(context, data, channel_books_l2, action);
    case kind_books50_l2: return read_book(context, data, channel_books50_l2, action);
    case kind_books5: return read_books5(context, data);
    case kind_tickers: return read_tickers(context, data);
    case kind_mark_price: return read_mark_prices(context, data);
    case kind_index_tickers: return read_index_tickers(context, data);
    case kind_open_interest: return read_open_interests(context, data);
    case kind_funding_rate: return read_funding_rates(context, data);
    case kind_liquidations:
      context.is_ordered = true;  // details come in no stated order
      return read_liquidations(context, data);
    case kind_candle: return read_candles(context, data, market::PriceKind::last, interval_ns);
    case kind_mark_candle: return read_candles(context, data, market::PriceKind::mark, interval_ns);
    case kind_index_candle:
      return read_candles(context, data, market::PriceKind::index, interval_ns);
    case kind_instruments: return read_instruments(context, data);
    case kind_status:
      json::each_object(data, context.fault(), "data", [&](json::ondemand::object object) {
        json::Object(object, context.fault()).text("state");
      });
      return;
    default: PERP_ASSERT(false);
  }
}

}  // namespace

void read_frame(Context& context, json::Object& root) {
  enum Index : std::size_t { i_channel, i_instrument };
  static constexpr std::array<std::string_view, 2> keys = {"channel", "instId"};
  json::ondemand::object object;
  json::Fault& fault = context.fault();
  if (!root.object("arg", object, false)) {
    if (fault.ok()) read_event(context, root, kind_unknown);
    return;
  }
  json::FlatObject arg(object, keys, fault);
  const std::string_view channel = arg.text(i_channel);
  context.symbol = arg.optional_text(i_instrument);
  if (!fault.ok()) return;
  std::int64_t interval_ns = core::unknown_ns;
  const Kind kind = kind_of(channel, interval_ns);
  const bool is_book = kind == kind_books || kind == kind_books_l2 || kind == kind_books50_l2;
  // Only books have an action, and it comes before the data: asking others for it would read over
  // their data.
  const std::string_view action = is_book ? root.optional_text("action") : std::string_view();
  json::ondemand::array data;
  if (!fault.ok()) return;
  if (!root.array("data", data, false)) {
    if (fault.ok())
      read_event(context, root, kind);  // an answer to a subscription repeats its argument
    return;
  }
  if (kind == kind_unknown) return fault.raise(DecodeStatus::unknown_stream, "channel");
  context.message.set_kind(kind);
  context.kind = kind;
  read_data(context, data, action, interval_ns);
}

}  // namespace perp::venue::okx
