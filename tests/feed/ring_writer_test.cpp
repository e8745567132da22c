// Goal: what a feed concludes from the venue's time of an event is about that message. Method:
// Binance's messages, one with an event behind which the market says nothing for eight seconds.
#include <perp/feed/ring_writer.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>

#include <string>

namespace perp::feed {
namespace {

TEST(RingWriter, AMessageWithoutAnEventHasNotTheTimeOfAnEarlierOne) {
  core::RecordRing ring(std::size_t{1} << 16);
  std::atomic<bool> stop{false};
  RingWriter writer(
      ring, [] {}, stop);
  writer.listen([](const market::RecordHeader&) {}, [](const market::RecordHeader&) {});
  venue::VenueState state(*venue::find_adapter(market::VenueId::binance));
  const auto take = [&](std::string text, std::int64_t receive_ns) {
    const std::size_t size = text.size();
    text.append(venue::frame_padding, ' ');
    venue::Reply reply;
    return writer.frame(state, {.payload = {text.data(), size},
                                .receive_ns = receive_ns,
                                .connection = 1,
                                .reply = &reply});
  };
  EXPECT_EQ(writer.last_event_ns(), core::unknown_ns);
  ASSERT_EQ(
      take(
          R"({"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":7,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1786171876000,"E":1786171876001}})",
          1'786'171'876'003'000'000),
      venue::DecodeStatus::ok);
  EXPECT_EQ(writer.last_event_ns(), 1'786'171'876'000'000'000);
  ASSERT_EQ(
      take(
          R"({"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1786171884000,"s":"BTCUSDT","p":"1","P":"1","i":"1","r":"0.1","T":1786176000000,"st":1}})",
          1'786'171'884'002'000'000),
      venue::DecodeStatus::ok);
  EXPECT_EQ(writer.last_event_ns(), core::unknown_ns);
}

}  // namespace
}  // namespace perp::feed
