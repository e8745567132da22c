#pragma once
// Bybit messages written after docs/venues/bybit.md, for the tests of the adapter.
#include "venue/decode_session.hpp"

#include <string>

namespace perp::test::bybit {

using market::Continuity;
using market::RecordType;
using venue::DecodeStatus;

inline constexpr std::int64_t t0 = 1'700'000'000'000;  // ms

inline std::string at(std::int64_t offset_ms) { return std::to_string(t0 + offset_ms); }

inline std::string book(const std::string& depth, const std::string& type, std::int64_t u,
                        const std::string& bids, const std::string& asks,
                        const std::string& symbol = "BTCUSDT") {
  return R"({"topic":"orderbook.)" + depth + "." + symbol + R"(","type":")" + type + R"(","ts":)" +
         at(u) + R"(,"data":{"s":")" + symbol + R"(","b":[)" + bids + R"(],"a":[)" + asks +
         R"(],"u":)" + std::to_string(u) + R"(,"seq":)" + std::to_string(u * 10) + R"(},"cts":)" +
         at(u - 2) + "}";
}
inline std::string ticker(const std::string& type, const std::string& fields, std::int64_t cs,
                          const std::string& symbol = "BTCUSDT") {
  return R"({"topic":"tickers.)" + symbol + R"(","type":")" + type + R"(","data":{"symbol":")" +
         symbol + R"(",)" + fields + R"(},"cs":)" + std::to_string(cs) + R"(,"ts":)" + at(cs) + "}";
}
inline std::string trade(const std::string& id, const std::string& symbol = "BTCUSDT",
                         const std::string& price = "64345.20", const std::string& size = "0.001") {
  return R"({"topic":"publicTrade.)" + symbol + R"(","type":"snapshot","ts":)" + at(3) +
         R"(,"data":[{"T":)" + at(1) + R"(,"s":")" + symbol + R"(","S":"Sell","v":")" + size +
         R"(","p":")" + price + R"(","L":"MinusTick","i":")" + id +
         R"(","BT":false,"RPI":true,"seq":598180439295}]})";
}
inline std::string rest(const std::string& result) {
  return R"({"retCode":0,"retMsg":"OK","result":)" + result + R"(,"retExtInfo":{},"time":)" +
         at(60'000) + "}";
}
inline std::string uuid(int n) {
  std::string tail = std::to_string(n);
  return "35319862-77a2-5ebe-851b-" + std::string(12 - tail.size(), '0') + tail;
}
inline Continuity continuity(const Seen& record) {
  return static_cast<Continuity>(record.as<market::Book>().continuity);
}

}  // namespace perp::test::bybit
