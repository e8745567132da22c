// What a venue sends, told apart. The first byte picks the venue ('0' + its place in the list); the
// lines behind it are messages. Whatever comes: no read outside the message, a subscription of the
// table or none, words inside the message, the same answer again, and what is sent for a name from
// outside is one line of JSON text.
#include "fuzz/decode_fuzz.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

namespace perp::test {
namespace {

const std::vector<std::string_view> topics{"btcusdt@aggTrade",    "btcusdt@depth@100ms",
                                           "btcusdt@kline_1m",    "!forceOrder@arr",
                                           "publicTrade.BTCUSDT", "orderbook.50.BTCUSDT",
                                           "tickers.BTCUSDT",     "trades:BTC-USDT-SWAP",
                                           "books:BTC-USDT-SWAP", "liquidation-orders:SWAP",
                                           "l2Book:BTC",          "candle:BTC",
                                           "activeAssetCtx:@107", "allMids"};

int fuzz_connect(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const market::Venue& venue =
      market::venues[static_cast<unsigned char>(data[0] - '0') % market::venues.size()];
  const venue::Adapter* const adapter = venue::find_adapter(venue.id);
  require(adapter != nullptr && adapter->connect != nullptr, "a venue that cannot be live");
  const venue::Connect& connect = *adapter->connect;
  static const venue::SubscriptionTable table(topics);
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    // A buffer of its own, so that the address sanitizer sees a read behind the message.
    const std::vector<char> bytes(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(end));
    const std::string_view payload(bytes.data(), bytes.size());
    input.remove_prefix(std::min(end + 1, input.size()));
    const venue::Incoming found = connect.classify(table, payload);
    require(found.subscription == venue::no_subscription || found.subscription < table.size(),
            "a subscription that is none");
    require(found.text.empty() ||
                (found.text.data() >= payload.data() &&
                 found.text.data() + found.text.size() <= payload.data() + payload.size()),
            "words from elsewhere");
    require((found.kind == venue::IncomingKind::refusal) == (found.refusal != venue::Refusal::none),
            "a refusal without a reason, or a reason without a refusal");
    require(venue::name_of(found.kind) != "unknown", "a kind that has no name");
    const venue::Incoming again = connect.classify(table, payload);
    require(again.kind == found.kind && again.subscription == found.subscription &&
                again.id == found.id && again.code == found.code,
            "another answer to the same message");
    if (payload.empty() || payload.size() > venue::topic_bytes_max / 2) continue;
    const venue::Plan plan =
        venue::plan_subscriptions(connect, venue::all_kinds, std::span(&payload, 1));
    for (const venue::Shard& shard : plan.shards)
      for (const venue::ClientFrame& frame :
           venue::make_frames(connect, shard.socket, venue::Verb::subscribe, shard.topics, 1)) {
        const auto quotes = std::count(frame.text.begin(), frame.text.end(), '"');
        require(frame.text.front() == '{' && frame.text.back() == '}' && quotes >= 8,
                "a frame that is no object");
        require(std::none_of(frame.text.begin(), frame.text.end(),
                             [](char byte) { return byte >= 0 && byte < 0x20; }),
                "a control byte in a frame");
      }
  }
  return 0;
}

}  // namespace
}  // namespace perp::test

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return perp::test::fuzz_connect(data, size);
}
