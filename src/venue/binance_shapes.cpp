// Binance: which shape a frame is tried against.
#include "venue/binance_shapes.hpp"

namespace perp::venue::binance {
bool read_shape(Message& message, std::string_view payload) {
  constexpr ShapeText begin = R"({"e":")";
  Reading reading{message, payload.data(), payload.data() + payload.size(), false};
  if (!shape::equals<begin>(reading.event)) {
    Envelope envelope;
    struct {
      const char* end;
    } scope{reading.end};
    reading.event = EnvelopeShape::match(reading.event, envelope, scope);
    if (reading.event == nullptr || !shape::equals<begin>(reading.event)) return false;
    // The slow lane begins without a name, so it is given back where nothing matches.
    message.stream = envelope.stream;
    reading.is_in_envelope = true;
  }
  bool is_read = false;
  switch (
      reading.event[begin.view().size()]) {  // the names of the kinds differ in their first letter
    case 'b': is_read = read_book_ticker(reading); break;
    case 'd': is_read = read_depth(reading); break;
    case 'a': is_read = read_agg_trade(reading); break;
    case 't': is_read = read_trade(reading); break;
    case 'm': is_read = read_mark_price(reading); break;
    case 'k': is_read = read_kline(reading); break;
    case '2': is_read = read_ticker(reading); break;
    default: break;
  }
  if (!is_read) message.stream = {};
  return is_read;
}

}  // namespace perp::venue::binance
