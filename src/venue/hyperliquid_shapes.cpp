// Hyperliquid: which shape a frame is tried against.
#include "venue/hyperliquid_shapes.hpp"

namespace perp::venue::hyperliquid {

bool read_shape(Message& message, std::string_view payload) {
  constexpr ShapeText begin = R"({"channel":")";
  const Reading reading{message, payload.data(), payload.data() + payload.size()};
  if (!shape::equals<begin>(reading.begin)) return false;
  switch (reading.begin[begin.view().size()]) {  // the channels differ in their first letter
    case 'b': return read_bbo(reading);
    case 't': return read_trades(reading);
    case 'l': return read_book(reading);
    case 'a': return read_asset_ctx(reading);
    case 'c': return read_candle(reading);
    default: return false;
  }
}

}  // namespace perp::venue::hyperliquid
