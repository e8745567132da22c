#pragma once
// Readers of Binance's hot messages: ours (the shapes alone) and, for each library, the reader that
// its documentation would have one write. All give the same fields to `out`, numbers in text by
// fast_float but for ours. The kind is known, the event's name is looked at all the same.
#include "venue/binance_shapes.hpp"
#include "venue/recorded.hpp"

#include <nlohmann/json.hpp>
#include <rapidjson/document.h>
#include <simdjson.h>

#include <fast_float/fast_float.h>
#include <stdexcept>
#include <string>
#include <string_view>

namespace perp::bench {

enum class Kind { book_ticker, trade, agg_trade, depth };

inline double number(const char* begin, const char* end) {
  double value = 0;
  if (fast_float::from_chars(begin, end, value).ec != std::errc{})
    throw std::runtime_error("no number");
  return value;
}
inline void require_event(bool is_right) {
  if (!is_right) throw std::runtime_error("another event");
}

/// The shapes, with the instruments of the messages known.
class PerpReader {
 public:
  explicit PerpReader(const market::InstrumentTable& instruments) : instruments_(instruments) {}

  template <Kind kind, class Out>
  void read(std::string_view text, Out& out) {
    using namespace venue::binance;
    if constexpr (kind == Kind::book_ticker) {
      QuoteEvent event;
      match<BookTickerShape>(text, event);
      out(event.entry->instrument.native.view());
      out(event.update_id);
      for (const double value :
           {event.bid_price, event.bid_quantity, event.ask_price, event.ask_quantity})
        out(value);
      out(event.exchange_ns / core::ns_per_ms);
    } else if constexpr (kind == Kind::depth) {
      DepthEvent event;
      bids_.clear();
      asks_.clear();
      event.bids = &bids_;
      event.asks = &asks_;
      match<DepthShape>(text, event);
      out(event.exchange_ns / core::ns_per_ms);
      out(event.entry->instrument.native.view());
      for (const std::int64_t id : {event.first_id, event.last_id, event.previous_id}) out(id);
      for (const auto* levels : {&bids_, &asks_})
        for (const market::Level& level : *levels) {
          out(level.price);
          out(level.quantity);
        }
    } else {
      TradeEvent event;
      if constexpr (kind == Kind::trade)
        match<TradeShape>(text, event);
      else
        match<AggTradeShape>(text, event);
      out(event.exchange_ns / core::ns_per_ms);
      out(event.entry->instrument.native.view());
      for (const std::int64_t id : {event.trade_id, event.first_id, event.last_id}) out(id);
      out(event.price);
      out(event.quantity);
      out(event.execution);
      out(std::int64_t{event.is_buyer_maker});
    }
  }

 private:
  template <class EventShape, class Event>
  [[gnu::always_inline]] void match(std::string_view text, Event& event) {
    const auto find = [this](std::string_view native) { return instruments_.find(native); };
    const char* const end = text.data() + text.size();
    venue::ShapeScope scope(end, memory_, find);
    venue::binance::Envelope envelope;
    const char* at = venue::binance::EnvelopeShape::match(text.data(), envelope, scope);
    if (at != nullptr) at = EventShape::match(at, event, scope);
    if (at == nullptr || *at != '}' || at + 1 != end) throw std::runtime_error("no match");
  }

  const market::InstrumentTable& instruments_;
  venue::ShapeMemory memory_;
  std::vector<market::Level> bids_;
  std::vector<market::Level> asks_;
};

/// On-Demand, each field looked for behind the one before.
class SimdjsonReader {
 public:
  template <Kind kind, class Out>
  void read(std::string_view text, Out& out) {
    simdjson::ondemand::document document =
        parser_.iterate(text.data(), text.size(), text.size() + venue::frame_padding);
    simdjson::ondemand::object data = document["data"];
    const std::string_view event = data.find_field("e");
    const auto whole = [&](std::string_view key) {
      out(std::int64_t{data.find_field(key).get_int64()});
    };
    const auto text_number = [&](auto value) {
      const char* const begin = simdjson::ondemand::raw_json_string(value).raw();
      out(number(begin, begin + 32));  // the padding ends every number
    };
    const auto word = [&](std::string_view key) { out(std::string_view(data.find_field(key))); };
    if constexpr (kind == Kind::book_ticker) {
      require_event(event == "bookTicker");
      const std::int64_t id = data.find_field("u");
      word("s");
      out(id);
      for (const char* key : {"b", "B", "a", "A"}) text_number(data.find_field(key));
      whole("T");
    } else if constexpr (kind == Kind::depth) {
      require_event(event == "depthUpdate");
      whole("T");
      word("s");
      for (const char* key : {"U", "u", "pu"}) whole(key);
      for (const char* key : {"b", "a"})
        for (auto level : data.find_field(key).get_array()) {
          simdjson::ondemand::array cells = level;
          for (auto cell : cells) text_number(cell);
        }
    } else if constexpr (kind == Kind::trade) {
      require_event(event == "trade");
      whole("T");
      word("s");
      whole("t");
      out(market::unknown_id);
      out(market::unknown_id);
      for (const char* key : {"p", "q"}) text_number(data.find_field(key));
      word("X");
      out(std::int64_t{bool(data.find_field("m"))});
    } else {
      require_event(event == "aggTrade");
      const std::int64_t id = data.find_field("a");
      const std::string_view symbol = data.find_field("s");
      const char* const price =
          simdjson::ondemand::raw_json_string(data.find_field("p").get_raw_json_string()).raw();
      const char* const quantity =
          simdjson::ondemand::raw_json_string(data.find_field("q").get_raw_json_string()).raw();
      const std::int64_t first = data.find_field("f");
      const std::int64_t last = data.find_field("l");
      whole("T");
      out(symbol);
      for (const std::int64_t value : {id, first, last}) out(value);
      out(number(price, price + 32));
      out(number(quantity, quantity + 32));
      out(std::string_view());
      out(std::int64_t{bool(data.find_field("m"))});
    }
  }

 private:
  simdjson::ondemand::parser parser_;
};

/// Into a document, within the text itself and memory of its own that is used again.
class RapidjsonReader {
 public:
  template <Kind kind, class Out>
  void read(char* text, Out& out) {
    rapidjson::MemoryPoolAllocator<> values(values_, sizeof values_);
    rapidjson::MemoryPoolAllocator<> stack(stack_, sizeof stack_);
    rapidjson::GenericDocument<rapidjson::UTF8<>, rapidjson::MemoryPoolAllocator<>,
                               rapidjson::MemoryPoolAllocator<>>
        document(&values, sizeof stack_ / 2, &stack);
    document.ParseInsitu(text);
    const auto& data = document["data"];
    const std::string_view event(data["e"].GetString(), data["e"].GetStringLength());
    const auto whole = [&](const char* key) { out(std::int64_t{data[key].GetInt64()}); };
    const auto text_number = [&](const auto& value) {
      out(number(value.GetString(), value.GetString() + value.GetStringLength()));
    };
    const auto word = [&](const char* key) {
      out(std::string_view(data[key].GetString(), data[key].GetStringLength()));
    };
    if constexpr (kind == Kind::book_ticker) {
      require_event(event == "bookTicker");
      word("s");
      whole("u");
      for (const char* key : {"b", "B", "a", "A"}) text_number(data[key]);
      whole("T");
    } else if constexpr (kind == Kind::depth) {
      require_event(event == "depthUpdate");
      whole("T");
      word("s");
      for (const char* key : {"U", "u", "pu"}) whole(key);
      for (const char* key : {"b", "a"})
        for (const auto& level : data[key].GetArray()) {
          text_number(level[0]);
          text_number(level[1]);
        }
    } else {
      require_event(event == (kind == Kind::trade ? "trade" : "aggTrade"));
      whole("T");
      word("s");
      if constexpr (kind == Kind::trade) {
        whole("t");
        out(market::unknown_id);
        out(market::unknown_id);
      } else {
        for (const char* key : {"a", "f", "l"}) whole(key);
      }
      for (const char* key : {"p", "q"}) text_number(data[key]);
      if constexpr (kind == Kind::trade)
        word("X");
      else
        out(std::string_view());
      out(std::int64_t{data["m"].GetBool()});
    }
  }

 private:
  char values_[std::size_t{1} << 16];
  char stack_[std::size_t{1} << 14];
};

class NlohmannReader {
 public:
  template <Kind kind, class Out>
  void read(std::string_view text, Out& out) {
    const auto message = nlohmann::json::parse(text);
    const auto& data = message["data"];
    const auto word_of = [&](const char* key) {
      return std::string_view(data[key].get_ref<const std::string&>());
    };
    const std::string_view event = word_of("e");
    const auto whole = [&](const char* key) { out(data[key].get<std::int64_t>()); };
    const auto text_number = [&](const nlohmann::json& value) {
      const auto& digits = value.get_ref<const std::string&>();
      out(number(digits.data(), digits.data() + digits.size()));
    };
    if constexpr (kind == Kind::book_ticker) {
      require_event(event == "bookTicker");
      out(word_of("s"));
      whole("u");
      for (const char* key : {"b", "B", "a", "A"}) text_number(data[key]);
      whole("T");
    } else if constexpr (kind == Kind::depth) {
      require_event(event == "depthUpdate");
      whole("T");
      out(word_of("s"));
      for (const char* key : {"U", "u", "pu"}) whole(key);
      for (const char* key : {"b", "a"})
        for (const auto& level : data[key]) {
          text_number(level[0]);
          text_number(level[1]);
        }
    } else {
      require_event(event == (kind == Kind::trade ? "trade" : "aggTrade"));
      whole("T");
      out(word_of("s"));
      if constexpr (kind == Kind::trade) {
        whole("t");
        out(market::unknown_id);
        out(market::unknown_id);
      } else {
        for (const char* key : {"a", "f", "l"}) whole(key);
      }
      for (const char* key : {"p", "q"}) text_number(data[key]);
      out(kind == Kind::trade ? word_of("X") : std::string_view());
      out(std::int64_t{data["m"].get<bool>()});
    }
  }
};

}  // namespace perp::bench
