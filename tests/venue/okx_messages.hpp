#pragma once
// OKX messages written after docs/venues/okx.md, for the tests of the adapter.
#include "venue/decode_session.hpp"

#include <string>

namespace perp::test::okx {

using market::Continuity;
using market::RecordType;
using venue::DecodeStatus;

inline std::string data(const std::string& channel, const std::string& inst,
                        const std::string& rows, const std::string& action = "") {
  return R"({"arg":{"channel":")" + channel + R"(","instId":")" + inst + R"("},)" +
         (action.empty() ? "" : R"("action":")" + action + R"(",)") + R"("data":[)" + rows + "]}";
}
inline std::string rest(const std::string& rows) {
  return R"({"code":"0","msg":"","data":[)" + rows + "]}";
}
inline std::string trade(std::int64_t id, const std::string& inst = "BTC-USDT-SWAP",
                         const std::string& size = "7", const std::string& extra = "") {
  return R"({"instId":")" + inst + R"(","tradeId":")" + std::to_string(id) +
         R"(","px":"43568.8","sz":")" + size + R"(","side":"buy","ts":")" +
         std::to_string(1'646'312'440'000 + id) + "\"" + extra + "}";
}
inline std::string book(const std::string& action, std::int64_t previous, std::int64_t sequence,
                        const std::string& bids, const std::string& asks,
                        const std::string& checksum = "0", const std::string& channel = "books",
                        const std::string& inst = "BTC-USDT-SWAP") {
  return data(channel, inst,
              R"({"asks":[)" + asks + R"(],"bids":[)" + bids +
                  R"(],"ts":"1765201257005","checksum":)" + checksum + R"(,"seqId":)" +
                  std::to_string(sequence) + R"(,"prevSeqId":)" + std::to_string(previous) + "}",
              action);
}
inline std::string instrument(const std::string& inst, const std::string& value,
                              const std::string& coin, const std::string& multiplier = "1",
                              const std::string& contract = "linear",
                              const std::string& settle = "USDT") {
  const std::string family = inst.substr(0, inst.rfind('-'));
  return R"({"baseCcy":"","ctMult":")" + multiplier + R"(","ctType":")" + contract +
         R"(","ctVal":")" + value + R"(","ctValCcy":")" + coin +
         R"(","expTime":"","instFamily":")" + family + R"(","instId":")" + inst +
         R"(","instIdCode":10458,"instType":"SWAP","lever":"50","listTime":"1535424203000","lotSz":"0.1","minSz":"0.2","quoteCcy":"","settleCcy":")" +
         settle + R"(","state":"live","tickSz":"0.1","tradeQuoteCcyList":[],"uly":")" + family +
         R"("})";
}
inline std::string btc_list() { return rest(instrument("BTC-USDT-SWAP", "0.01", "BTC")); }
inline Continuity continuity(const Seen& record) {
  return static_cast<Continuity>(record.as<market::Book>().continuity);
}

}  // namespace perp::test::okx
