// Hot streams allocate nothing once their instruments are known: counted on the heap itself.
#include "support/malloc_counter.hpp"
#include "venue/capture.hpp"

namespace perp::venue::test {
namespace {

std::string with_number(std::string text, std::int64_t number) {
  for (std::size_t at = 0; (at = text.find('#', at)) != std::string::npos;)
    text.replace(at, 1, std::to_string(number));
  return text;
}

/// Heap calls of `rounds` decodes of each message, '#' replaced by a number that grows, after as
/// many to warm up.
std::uint64_t count_allocations(const Adapter& adapter, const std::vector<std::string>& messages,
                                int rounds) {
  VenueState state(adapter);
  std::vector<Padded> frames;
  for (int round = 0; round < 2 * rounds; ++round)
    for (const std::string& message : messages)
      frames.emplace_back(with_number(message, 1'000'000 + round));
  std::vector<std::uint64_t> space(8192);
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i == frames.size() / 2) before = perp::test::malloc_count();
    RecordSink sink(std::as_writable_bytes(std::span(space)));
    Frame frame;
    frame.payload = frames[i].view();
    EXPECT_EQ(adapter.decode(state, frame, sink), DecodeStatus::ok) << frames[i].view();
    EXPECT_GT(sink.record_count(), 0U) << frames[i].view();
  }
  return perp::test::malloc_count() - before;
}

TEST(VenueAllocation, BinanceHotStreamsAllocateNothing) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  EXPECT_EQ(
      count_allocations(
          binance_adapter(),
          {R"({"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":#,"s":"BTCUSDT","b":"1.5","B":"2","a":"1.6","A":"3","T":1,"E":2}})",
           R"({"e":"aggTrade","E":1,"a":#,"s":"BTCUSDT","p":"1.5","q":"2","f":1,"l":2,"T":1,"m":true,"st":1})",
           R"({"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":#,"p":"1","q":"1","X":"MARKET","m":false})",
           R"({"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":#,"u":#,"pu":0,"b":[["1","2"],["3","4"]],"a":[["5","6"]]})",
           R"({"stream":"btcusdt@depth20@100ms","data":{"e":"depthUpdate","E":1,"T":#,"s":"BTCUSDT","U":#,"u":#,"pu":0,"b":[["1","2"],["3","4"]],"a":[["5","6"]]}})",
           R"({"e":"markPriceUpdate","E":#,"s":"BTCUSDT","p":"1","ap":"1","P":"1","i":"1","r":"0.1","T":5})",
           R"({"e":"24hrMiniTicker","E":#,"s":"BTCUSDT","c":"1","o":"2","h":"3","l":"0.5","v":"4","q":"5"})",
           R"({"e":"kline","E":#,"s":"BTCUSDT","k":{"t":1,"T":5,"s":"BTCUSDT","i":"1m","f":1,"L":5,"o":"1","c":"2","h":"3","l":"0.5","v":"4","n":5,"x":true,"q":"6","V":"2","Q":"3","B":"0"}})",
           R"({"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","S":"SELL","q":"5","p":"1","ap":"1","z":"1","T":#}})"},
          500),
      0U);
}

TEST(VenueAllocation, HyperliquidHotStreamsAllocateNothing) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  // As many trades as make both generations of remembered ids change places.
  EXPECT_EQ(
      count_allocations(
          hyperliquid_adapter(),
          {R"({"channel":"trades","data":[{"coin":"BTC","side":"A","px":"3","sz":"0.5","time":#,"hash":"0x00","tid":#}]})",
           R"({"channel":"l2Book","data":{"coin":"BTC","time":#,"levels":[[{"px":"1","sz":"2","n":3}],[{"px":"4","sz":"5","n":6}]]}})",
           R"({"channel":"bbo","data":{"coin":"BTC","time":#,"bbo":[{"px":"1","sz":"2","n":3},null]}})",
           R"({"channel":"candle","data":{"t":1,"T":#,"s":"BTC","i":"1m","o":"1","c":"2","h":"3","l":"0.5","v":"1","n":1}})",
           R"({"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"0.1","openInterest":"#","prevDayPx":"8","dayNtlVlm":"1","premium":"-0.1","oraclePx":"8","markPx":"8","midPx":"8","impactPxs":["8","9"],"dayBaseVlm":"1"}}})"},
          3000),
      0U);
}

}  // namespace
}  // namespace perp::venue::test
