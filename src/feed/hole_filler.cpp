#include "feed/hole_filler.hpp"

#include <perp/market/record_kind.hpp>

#include <fmt/format.h>

#include <utility>

namespace perp::feed {
namespace {

constexpr std::uint64_t lines_max = 5;

}  // namespace

void HoleFiller::note(const market::RecordHeader& header) {
  const auto& gap = market::payload<market::Gap>(header);
  if (gap.cause == market::GapCause::sequence || gap.cause == market::GapCause::checksum)
    noted_.push_back({header.instrument, gap});
}

void HoleFiller::take() {
  for (const Noted& found : std::exchange(noted_, {})) {
    const std::string symbol = symbol_of(found.instrument);
    if (symbol.empty()) continue;
    tell(symbol, found.gap);
    switch (found.gap.stream) {
      case market::RecordType::book_delta:
      case market::RecordType::book_snapshot: resync_book(found.instrument, symbol); break;
      case market::RecordType::trade: {
        // A lost connection's is asked for anyway, from what was before it.
        const auto asked = asked_up_to_.find(found.instrument);
        if (open_.contains(found.instrument) ||
            (asked != asked_up_to_.end() && asked->second == found.gap.got_id))
          break;
        fill_trades({.symbol = symbol,
                     .last_id = found.gap.expected_id - 1,
                     .last_ns = setting_.writer.last_trade(found.instrument).exchange_ns,
                     .first_id = found.gap.got_id,
                     .first_ns = found.gap.to_ns});
        break;
      }
      default: break;
    }
  }
}

void HoleFiller::resync_book(std::uint32_t instrument, const std::string& symbol) {
  switch (setting_.connect.book_resync) {
    case venue::BookResync::rest_snapshot: fetch_book(symbol); break;
    case venue::BookResync::resubscribe:
      if (setting_.resubscribe_book(instrument)) ++books_resynced_;
      break;
    case venue::BookResync::next_message: break;
  }
}

void HoleFiller::on_hole(const venue::Topic& topic, const std::string& symbol,
                         std::uint32_t instrument, core::WallNs from, core::WallNs to) {
  const venue::StreamKinds kinds = setting_.connect.streams[topic.stream].kinds;
  if ((kinds & venue::kinds_of(venue::StreamKind::trades)) != 0) {
    // The trades in between are asked for when the first one behind them says where they end.
    const RingWriter::LastTrade last = setting_.writer.last_trade(instrument);
    if (last.exchange_ns != core::unknown_ns) {
      open_.try_emplace(
          instrument, TradeHole{.symbol = symbol, .last_id = last.id, .last_ns = last.exchange_ns});
      setting_.writer.await_trade(instrument);
    }
  }
  if ((kinds & venue::kinds_of(venue::StreamKind::kline_1m)) != 0) {
    const std::int64_t start_ms = from.ns / core::ns_per_minute * 60'000;
    const std::int64_t end_ms = to.ns / core::ns_per_minute * 60'000;
    if (start_ms < end_ms)
      setting_.rest.fill_klines(symbol, start_ms, end_ms, [this, symbol](const KlineFill& fill) {
        if (fill.left_start_ms < fill.left_end_ms) tell_left("candles", symbol, fill.why);
      });
  }
}

void HoleFiller::on_first_trade(const market::RecordHeader& trade) {
  const auto found = open_.find(trade.instrument);
  if (found == open_.end()) return;
  TradeHole hole = std::move(found->second);
  open_.erase(found);
  hole.first_id = market::payload<market::Trade>(trade).trade_id;
  hole.first_ns = trade.exchange_ns;
  asked_up_to_[trade.instrument] = hole.first_id;
  fill_trades(std::move(hole));
}

void HoleFiller::forget(std::uint32_t instrument) {
  open_.erase(instrument);
  asked_up_to_.erase(instrument);
}

void HoleFiller::fetch_book(const std::string& symbol) {
  ++books_resynced_;
  setting_.rest.fetch_book(symbol);
}

void HoleFiller::fill_trades(TradeHole hole) {
  const std::string symbol = hole.symbol;
  setting_.rest.fill_trades(std::move(hole), [this, symbol](const TradeFill& fill) {
    if (fill.left) tell_left("trades", symbol, fill.why);
  });
}

void HoleFiller::tell(const std::string& symbol, const market::Gap& gap) {
  if (told_++ >= lines_max) return;
  setting_.warn(fmt::format("{}: {} of {} has a hole: {}", setting_.venue_key,
                            market::name_of(gap.stream), symbol,
                            gap.cause == market::GapCause::checksum ? "its checksum is another"
                                                                    : "its ids do not follow"));
}

void HoleFiller::begin_telling() {
  if (told_ > lines_max)
    setting_.warn(fmt::format("{}: {} more holes", setting_.venue_key, told_ - lines_max));
  told_ = 0;
}

/// The hole's record is in the ring since the stream came back; this says that it stays one.
void HoleFiller::tell_left(const char* what, const std::string& symbol, const std::string& why) {
  setting_.warn(
      fmt::format("{}: {} of {} stay missing: {}", setting_.venue_key, what, symbol, why));
}

std::string HoleFiller::symbol_of(std::uint32_t instrument) const {
  const market::InstrumentEntry* entry = entry_of(instrument);
  std::string symbol(entry == nullptr ? std::string_view() : entry->instrument.native.view());
  if (!setting_.contracts.is_wanted(symbol)) symbol.clear();
  return symbol;
}

const market::InstrumentEntry* HoleFiller::entry_of(std::uint32_t instrument) const {
  const std::size_t index = instrument & 0x00ff'ffff;
  const auto& entries = setting_.state.instruments.entries();
  for (std::size_t i = index == 0 ? 0 : index - 1; i < entries.size() && i <= index; ++i)
    if (entries[i].id == instrument) return &entries[i];
  return nullptr;
}

}  // namespace perp::feed
