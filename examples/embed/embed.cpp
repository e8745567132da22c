// Decode a venue's message into records, hand them through a lock-free ring, read them on the other
// side. Build it against an installed perp: cmake -S examples/embed -B build/embed
// -DCMAKE_PREFIX_PATH=PREFIX
#include <perp/perp.hpp>

#include <cstdio>
#include <string>

using namespace perp;

int main() {
  venue::VenueState binance(venue::binance_adapter());
  core::RecordRing ring(std::size_t{1} << 20);

  std::string message =
      R"({"e":"aggTrade","E":1786171884624,"a":3404749954,"s":"1000PEPEUSDT","p":"0.0098760","q":"2500",)"
      R"("f":7960913511,"l":7960913511,"T":1786171884471,"m":true})";
  const std::size_t size = message.size();
  message.append(venue::frame_padding, ' ');  // decoders may read that far behind a message

  venue::RecordSink sink(ring.try_claim(4096));
  const venue::Frame frame{.payload = std::string_view(message).substr(0, size)};
  const venue::DecodeStatus status = binance.adapter.decode(binance, frame, sink);
  if (status != venue::DecodeStatus::ok) {
    std::fprintf(stderr, "refused: %s\n", std::string(venue::name_of(status)).c_str());
    return 1;
  }
  ring.commit(sink.bytes().size());

  const auto records = ring.peek();
  int trades = 0;
  venue::for_each_record(records, [&](const market::RecordHeader& header) {
    if (header.type != market::RecordType::trade) return;
    const auto& trade = market::payload<market::Trade>(header);
    const auto* entry = binance.instruments.find("1000PEPEUSDT");
    std::printf(
        "%s %s %.10g at %.10g\n", market::canonical_id(header.venue, entry->instrument).c_str(),
        trade.taker_side == market::Side::sell ? "sell" : "buy", trade.quantity, trade.price);
    ++trades;
  });
  ring.release(records.size());
  return trades == 1 ? 0 : 1;
}
