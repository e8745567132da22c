#pragma once
// THE table of record kinds: what each is called, whether it is kept, whether the newest may
// replace an older one while a ring is full, and which table it is loaded into. Everything that
// lists kinds reads this table.
#include <perp/market/record.hpp>

#include <array>
#include <string_view>

namespace perp::market {

struct RecordKind {
  RecordType type;
  std::string_view name;
  bool is_journalled;
  bool is_conflatable;          ///< latest per instrument wins when a ring is full
  std::uint32_t payload_bytes;  ///< fixed part
  std::string_view table;       ///< warehouse table, empty if none
};

inline constexpr auto record_kinds = std::to_array<RecordKind>({
    {RecordType::instrument, "instrument", true, false, sizeof(Instrument), "instruments"},
    {RecordType::trade, "trade", true, false, sizeof(Trade), "trades"},
    {RecordType::bbo, "bbo", true, true, sizeof(Bbo), ""},
    {RecordType::book_snapshot, "book_snapshot", true, false, sizeof(Book), ""},
    {RecordType::book_delta, "book_delta", true, false, sizeof(Book), ""},
    {RecordType::ticker, "ticker", true, true, sizeof(Ticker), ""},
    {RecordType::mark_price, "mark_price", true, true, sizeof(MarkPrice), ""},
    {RecordType::funding, "funding", true, false, sizeof(Funding), "funding_rates"},
    {RecordType::open_interest, "open_interest", true, false, sizeof(OpenInterest),
     "open_interest"},
    {RecordType::kline, "kline", true, false, sizeof(Kline), "klines"},
    {RecordType::liquidation, "liquidation", true, false, sizeof(Liquidation), "liquidations"},
    {RecordType::long_short_ratio, "long_short_ratio", true, false, sizeof(LongShortRatio),
     "long_short_ratio"},
    {RecordType::taker_volume, "taker_volume", true, false, sizeof(TakerVolume), ""},
    {RecordType::position, "position", true, false, sizeof(Position), ""},
    {RecordType::feed_status, "feed_status", true, false, sizeof(FeedStatus), "perp_status"},
    {RecordType::gap, "gap", true, false, sizeof(Gap), "data_gaps"},
    {RecordType::error, "error", true, false, sizeof(DecodeFailure), "perp_errors"},
    {RecordType::tick, "tick", true, true, sizeof(Tick), ""},
    {RecordType::minute, "minute", true, false, sizeof(Minute), "perp_data"},
    {RecordType::liquidity, "liquidity", true, false, sizeof(Liquidity), "liquidity_depth"},
    {RecordType::ticker_sample, "ticker_sample", true, false, sizeof(TickerSample), "tickers"},
});

constexpr const RecordKind* find_record_kind(RecordType type) {
  for (const RecordKind& kind : record_kinds)
    if (kind.type == type) return &kind;
  return nullptr;
}
constexpr std::string_view name_of(RecordType type) {
  const RecordKind* kind = find_record_kind(type);
  return kind == nullptr ? std::string_view("unknown") : kind->name;
}
/// One more than the greatest type number: the size of an array indexed by type.
inline constexpr std::size_t record_type_limit = 64;

}  // namespace perp::market
