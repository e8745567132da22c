// Goal: from text to records in the ring, and on into the journal and the fold, no message
// allocates. Method: count malloc of this thread over ten thousand messages of hot streams, after
// one of each kind has been seen.
#include "support/malloc_counter.hpp"

#include <perp/feed/ring_writer.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace perp::feed {
namespace {

struct Stream {
  market::VenueId venue;
  const char* name;
  std::string (*message)(std::int64_t id, std::int64_t time_ms);
};

std::string text(std::int64_t number) { return std::to_string(number); }

const Stream streams[] = {
    {market::VenueId::binance, "aggTrade",
     [](std::int64_t id, std::int64_t t) {
       return R"({"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":)" + text(t) + R"(,"a":)" +
              text(id) + R"(,"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002","f":)" +
              text(id) + R"(,"l":)" + text(id) + R"(,"T":)" + text(t) + R"(,"m":true,"st":1}})";
     }},
    {market::VenueId::binance, "bookTicker",
     [](std::int64_t id, std::int64_t t) {
       return R"({"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":)" + text(id) +
              R"(,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":)" +
              text(t) + R"(,"E":)" + text(t) + "}}";
     }},
    {market::VenueId::binance, "depthUpdate",
     [](std::int64_t id, std::int64_t t) {
       return R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":)" + text(t) +
              R"(,"T":)" + text(t) + R"(,"s":"BTCUSDT","U":)" + text(id) + R"(,"u":)" + text(id) +
              R"(,"pu":)" + text(id - 1) +
              R"(,"b":[["61000.10","1.5"],["60999.90","0.000"]],"a":[["61001.00","3"]]}})";
     }},
    {market::VenueId::bybit, "publicTrade",
     [](std::int64_t id, std::int64_t t) {
       return R"({"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":)" + text(t) +
              R"(,"data":[{"T":)" + text(t) +
              R"(,"s":"BTCUSDT","S":"Sell","v":"0.001","p":"64345.20","L":"MinusTick","i":"35319862-77a2-5ebe-851b-)" +
              text(100'000'000'000 + id) + R"(","BT":false,"RPI":false,"seq":)" + text(id) + "}]}";
     }},
    {market::VenueId::okx, "bbo-tbt",
     [](std::int64_t id, std::int64_t t) {
       return R"({"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["20386.8","7","0","2"]],"bids":[["20386.7","50","0","5"]],"ts":")" +
              text(t) + R"(","seqId":)" + text(id) + "}]}";
     }},
    {market::VenueId::hyperliquid, "bbo",
     [](std::int64_t, std::int64_t t) {
       return R"({"channel":"bbo","data":{"coin":"BTC","time":)" + text(t) +
              R"(,"bbo":[{"px":"84143.0","sz":"10.25923","n":36},{"px":"84144.0","sz":"50.66422","n":18}]}})";
     }},
};

class HotStream : public ::testing::TestWithParam<Stream> {};

TEST_P(HotStream, AllocatesNothingPerMessage) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer brings its own malloc";
  const Stream& stream = GetParam();
  core::RecordRing ring(std::size_t{1} << 20);
  std::atomic<bool> stop{false};
  RingWriter writer(
      ring, [] {}, stop);
  venue::VenueState state(*venue::find_adapter(stream.venue));
  constexpr std::int64_t warm = 2'000, counted = 10'000;
  std::vector<std::string> messages;
  for (std::int64_t i = 0; i < warm + counted; ++i) {
    messages.push_back(stream.message(1'000'000 + i, 1'786'000'000'000 + i));
    messages.back().append(venue::frame_padding, ' ');
  }
  std::uint64_t before = 0;
  std::uint64_t records = 0;
  for (std::int64_t i = 0; i < warm + counted; ++i) {
    if (i == warm) before = test::malloc_count();
    const std::string& message = messages[static_cast<std::size_t>(i)];
    ASSERT_EQ(writer.frame(state, {.payload = std::string_view(message).substr(
                                       0, message.size() - venue::frame_padding),
                                   .receive_ns = 1 + i}),
              venue::DecodeStatus::ok);
    if (i % 32 != 31) continue;
    writer.publish();
    for (auto run = ring.peek(); !run.empty(); run = ring.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        records += header.type != market::RecordType::padding ? 1U : 0U;
      });
      ring.release(run.size());
    }
  }
  EXPECT_EQ(test::malloc_count() - before, 0u) << stream.name;
  EXPECT_GE(records, static_cast<std::uint64_t>(warm + counted)) << "each message gave a record";
}

INSTANTIATE_TEST_SUITE_P(Streams, HotStream, ::testing::ValuesIn(streams), [](const auto& tested) {
  std::string name =
      std::string(market::find_venue(tested.param.venue)->key) + "_" + tested.param.name;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

}  // namespace
}  // namespace perp::feed
