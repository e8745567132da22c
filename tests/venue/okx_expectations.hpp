#pragma once
// What the records of OKX messages must be, read with nlohmann_json and computed digit by digit:
// the independent reading that the capture tests hold the adapter against.
#include "venue/decode_session.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace perp::test::okx {

using market::Continuity;
using market::RecordType;

/// Contract sizes of the list of 2026-04-27 as texts: ctVal and ctMult where a contract is a number
/// of coins.
inline std::map<std::string, Decimal> contract_sizes(const std::string& folder) {
  std::map<std::string, Decimal> out;
  const json list = json::parse(read_text(folder + "/rest_public_instruments_SWAP.json"));
  for (const json& row : list.at("data"))
    if (row.at("ctType") == "linear")
      out[row.at("instId")] = times(to_decimal(row.at("ctVal")), to_decimal(row.at("ctMult")));
  return out;
}

inline bool is_spot(const std::string& native) {
  return std::count(native.begin(), native.end(), '-') == 1;
}

/// What the test knows: which lists were loaded, which instruments were met, where each book
/// stands.
struct Model {
  std::map<std::string, Decimal> sizes;
  std::set<std::string> natives;
  struct Book {
    bool had_snapshot = false;
    bool is_live = false;
    bool is_gap_told = false;
    bool is_text_whole = false;
    std::int64_t last = market::unknown_id;
    std::map<long double, std::pair<std::string, std::string>> bids;
    std::map<long double, std::pair<std::string, std::string>> asks;
  };
  std::map<std::string, Book> books;
  std::map<std::string, std::int64_t> books5;
  std::uint64_t verified = 0;
  std::uint64_t mismatched = 0;
  std::uint64_t gaps = 0;

  double coins(const std::string& native, const std::string& text) const {
    if (text.empty()) return market::missing;
    if (is_spot(native)) return scaled(text);
    const auto found = sizes.find(native);
    return found == sizes.end() ? market::missing
                                : to_number(times(to_decimal(text), found->second));
  }
  double level_size(const std::string& native, const std::string& text) const {
    return to_number(to_decimal(text)) == 0 ? 0 : coins(native, text);
  }
};

inline std::uint32_t bitwise_crc(const std::string& text) {
  std::uint32_t state = 0xffff'ffffU;
  for (const char c : text) {
    state ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      state = (state & 1U) != 0 ? state >> 1 ^ 0xedb8'8320U : state >> 1;
  }
  return ~state;
}

inline void apply(std::map<long double, std::pair<std::string, std::string>>& side,
                  const json& rows) {
  for (const json& row : rows) {
    const std::string price = row.at(0);
    const std::string size = row.at(1);
    if (std::strtold(size.c_str(), nullptr) == 0)
      side.erase(std::strtold(price.c_str(), nullptr));
    else
      side[std::strtold(price.c_str(), nullptr)] = {price, size};
  }
}

inline std::int32_t checksum_of(const Model::Book& book) {
  std::vector<std::string> parts;
  auto bid = book.bids.rbegin();
  auto ask = book.asks.begin();
  for (int i = 0; i < 25; ++i) {
    if (bid != book.bids.rend())
      parts.push_back(bid->second.first + ":" + bid->second.second), ++bid;
    if (ask != book.asks.end())
      parts.push_back(ask->second.first + ":" + ask->second.second), ++ask;
  }
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ":") + part;
  return static_cast<std::int32_t>(bitwise_crc(all));
}

inline std::vector<market::Level> levels_of(const Model& model, const std::string& native,
                                            const json& row) {
  std::vector<market::Level> out;
  for (const char* side : {"bids", "asks"})
    for (const json& cells : row.at(side))
      out.push_back({scaled(cells.at(0).get<std::string>()),
                     model.level_size(native, cells.at(1).get<std::string>())});
  return out;
}

inline void expect_book(Model& model, const std::string& channel, const std::string& native,
                        const std::string& action, const json& row, std::vector<Seen>& out) {
  const bool is_snapshot = action == "snapshot";
  Model::Book& known = model.books[channel + native];
  market::Book book;
  book.bid_count = static_cast<std::uint32_t>(row.at("bids").size());
  book.ask_count = static_cast<std::uint32_t>(row.at("asks").size());
  book.last_id = whole(text_of(row, "seqId"));
  book.previous_id = whole(text_of(row, "prevSeqId"));
  book.depth = 400;
  const auto checksum = static_cast<std::int32_t>(row.value("checksum", 0));
  book.checksum = static_cast<std::uint32_t>(checksum);
  const std::int64_t expected_id = known.last;
  Continuity found = Continuity::unchecked;
  if (is_snapshot) {
    found = Continuity::restart;
    known = {};
    known.had_snapshot = known.is_live = true;
    known.is_text_whole = checksum != 0;
    known.last = book.last_id;
  } else if (book.last_id != market::unknown_id || known.had_snapshot) {
    if (known.is_live && book.previous_id == known.last) {
      found = book.last_id == market::unknown_id ? Continuity::unchecked : Continuity::continuous;
      known.last = book.last_id;
    } else {
      found = known.is_gap_told ? Continuity::stale : Continuity::gap;
      known.is_gap_told = true;
      known.is_live = false;
    }
  }
  market::GapCause cause = market::GapCause::sequence;
  if (known.is_text_whole && (found == Continuity::restart || found == Continuity::continuous ||
                              found == Continuity::unchecked)) {
    apply(known.bids, row.at("bids"));
    apply(known.asks, row.at("asks"));
    const bool is_match = checksum_of(known) == checksum;
    book.checksum_state = is_match ? 1 : 2;
    ++(is_match ? model.verified : model.mismatched);
    if (!is_match) {
      found = Continuity::gap;
      cause = market::GapCause::checksum;
      known.is_live = known.is_text_whole = false;
      known.is_gap_told = true;
    }
  }
  book.continuity = static_cast<std::uint8_t>(found);
  const RecordType type = is_snapshot ? RecordType::book_snapshot : RecordType::book_delta;
  const std::int64_t at = ms(text_of(row, "ts"));
  out.push_back(expect_record(type, native, at, is_snapshot ? market::flag_snapshot : 0, book,
                              levels_of(model, native, row)));
  if (found != Continuity::gap) return;
  ++model.gaps;
  market::Gap gap;
  gap.stream = type;
  gap.cause = cause;
  gap.to_ns = at;
  if (cause == market::GapCause::sequence)
    gap.expected_id = expected_id, gap.got_id = book.previous_id;
  out.push_back(expect_record(RecordType::gap, native, at, 0, gap));
}

inline market::Trade trade_of(const Model& model, const json& row) {
  const std::string native = row.at("instId");
  market::Trade trade;
  trade.price = scaled(text_of(row, "px"));
  trade.quantity = model.coins(native, text_of(row, "sz"));
  trade.trade_id = whole(text_of(row, "tradeId"));
  trade.sequence = whole(text_of(row, "seqId"));
  trade.taker_side = row.at("side") == "buy" ? market::Side::buy : market::Side::sell;
  if (row.contains("source"))
    trade.is_rpi = row.at("source") == "1" ? market::Tristate::yes : market::Tristate::no;
  if (row.contains("count")) {
    trade.fill_count = static_cast<std::uint32_t>(std::stoul(text_of(row, "count")));
    trade.first_id = trade.trade_id - trade.fill_count + 1;
    trade.last_id = trade.trade_id;
  }
  return trade;
}

inline void expect_ticker(const Model& model, const json& row, std::uint8_t flags,
                          std::vector<Seen>& out) {
  const std::string native = row.at("instId");
  const std::int64_t at = ms(text_of(row, "ts"));
  market::Ticker ticker;
  ticker.last_price = scaled(text_of(row, "last"));
  ticker.last_quantity = model.coins(native, text_of(row, "lastSz"));
  ticker.open_24h = scaled(text_of(row, "open24h"));
  ticker.high_24h = scaled(text_of(row, "high24h"));
  ticker.low_24h = scaled(text_of(row, "low24h"));
  ticker.volume_base_24h = scaled(text_of(row, is_spot(native) ? "vol24h" : "volCcy24h"));
  if (is_spot(native)) ticker.volume_quote_24h = scaled(text_of(row, "volCcy24h"));
  out.push_back(expect_record(RecordType::ticker, native, at, flags, ticker));
  market::Bbo bbo;
  bbo.bid_price = scaled(text_of(row, "bidPx"));
  bbo.bid_quantity = model.coins(native, text_of(row, "bidSz"));
  bbo.ask_price = scaled(text_of(row, "askPx"));
  bbo.ask_quantity = model.coins(native, text_of(row, "askSz"));
  out.push_back(expect_record(RecordType::bbo, native, at, flags, bbo));
}

inline void expect_funding(const json& row, std::uint8_t flags, std::vector<Seen>& out) {
  const std::string native = row.at("instId");
  market::Funding funding;
  funding.rate = scaled(text_of(row, "fundingRate"));
  funding.premium = scaled(text_of(row, "premium"));
  funding.cap = scaled(text_of(row, "maxFundingRate"));
  funding.floor = scaled(text_of(row, "minFundingRate"));
  funding.next_rate = scaled(text_of(row, "nextFundingRate"));
  funding.interest_rate = scaled(text_of(row, "interestRate"));
  funding.funding_ns = ms(text_of(row, "fundingTime"));
  if (row.contains("nextFundingTime"))
    funding.interval_ns = ms(text_of(row, "nextFundingTime")) - funding.funding_ns;
  funding.kind = market::FundingKind::predicted;
  if (row.contains("prevFundingTime") && row.at("settState") == "settled") {
    market::Funding settled;
    settled.rate = scaled(text_of(row, "settFundingRate"));
    settled.funding_ns = ms(text_of(row, "prevFundingTime"));
    settled.interval_ns = funding.funding_ns - settled.funding_ns;
    settled.kind = market::FundingKind::settled;
    out.push_back(expect_record(RecordType::funding, native, settled.funding_ns, 0, settled));
  }
  out.push_back(expect_record(RecordType::funding, native, ms(text_of(row, "ts")), flags, funding));
}

inline market::OpenInterest interest_of(const json& row) {
  market::OpenInterest interest;
  interest.contracts = scaled(text_of(row, "oi"));
  interest.quantity = scaled(text_of(row, "oiCcy"));
  interest.notional = scaled(text_of(row, "oiUsd"));
  return interest;
}

inline market::Kline candle_of(const json& row, const std::string& native,
                               std::int64_t interval_ns) {
  const auto cell = [&](std::size_t i) {
    return i < row.size() ? scaled(row.at(i).get<std::string>()) : market::missing;
  };
  market::Kline kline;
  kline.open_ns = ms(row.at(0).get<std::string>());
  kline.interval_ns = interval_ns;
  kline.open = cell(1), kline.high = cell(2), kline.low = cell(3), kline.close = cell(4);
  kline.volume_base = cell(is_spot(native) ? 5 : 6);
  kline.volume_quote = cell(is_spot(native) ? 6 : 7);
  if (row.size() > 8)
    kline.is_closed = row.at(8) == "1" ? market::Tristate::yes : market::Tristate::no;
  return kline;
}

inline std::string index_native(const Model& model, const std::string& name) {
  return model.natives.contains(name + "-SWAP") ? name + "-SWAP" : "index:" + name;
}

inline std::vector<Seen> frame_records(const json& message, Model& model, std::string& kind) {
  std::vector<Seen> out;
  if (message.contains("event")) {
    kind = message.at("event");
    return out;
  }
  const json& arg = message.at("arg");
  const std::string channel = arg.at("channel");
  const std::string native = arg.value("instId", "");
  kind = channel.starts_with("candle") ? "candle" : channel;
  for (const json& row : message.at("data")) {
    const std::int64_t at =
        row.is_object() ? ms(text_of(row, "ts")) : ms(row.at(0).get<std::string>());
    if (kind == "trades") {
      out.push_back(expect_record(RecordType::trade, native, at, 0, trade_of(model, row)));
    } else if (kind == "books" || kind == "books-l2-tbt") {
      expect_book(model, channel, native, message.at("action"), row, out);
    } else if (kind == "books5") {
      market::Book book;
      book.bid_count = book.ask_count = 5;
      book.last_id = whole(text_of(row, "seqId"));
      book.depth = 5;
      const auto last = model.books5.find(native);
      book.continuity = static_cast<std::uint8_t>(last != model.books5.end() && at < last->second
                                                      ? Continuity::stale
                                                      : Continuity::restart);
      model.books5[native] = at;
      out.push_back(expect_record(RecordType::book_snapshot, native, at, market::flag_snapshot,
                                  book, levels_of(model, native, row)));
    } else if (kind == "bbo-tbt") {
      market::Bbo bbo;
      const json& bid = row.at("bids").at(0);
      const json& ask = row.at("asks").at(0);
      bbo.bid_price = scaled(bid.at(0).get<std::string>());
      bbo.bid_quantity = model.coins(native, bid.at(1));
      bbo.bid_orders = static_cast<std::uint32_t>(std::stoul(bid.at(3).get<std::string>()));
      bbo.ask_price = scaled(ask.at(0).get<std::string>());
      bbo.ask_quantity = model.coins(native, ask.at(1));
      bbo.ask_orders = static_cast<std::uint32_t>(std::stoul(ask.at(3).get<std::string>()));
      out.push_back(expect_record(RecordType::bbo, native, at, 0, bbo));
    } else if (kind == "tickers") {
      expect_ticker(model, row, 0, out);
    } else if (kind == "mark-price") {
      market::MarkPrice mark;
      mark.mark_price = scaled(text_of(row, "markPx"));
      out.push_back(expect_record(RecordType::mark_price, native, at, 0, mark));
    } else if (kind == "index-tickers") {
      market::MarkPrice mark;
      mark.index_price = scaled(text_of(row, "idxPx"));
      out.push_back(
          expect_record(RecordType::mark_price, index_native(model, native), at, 0, mark));
    } else if (kind == "funding-rate") {
      expect_funding(row, 0, out);
    } else if (kind == "open-interest") {
      out.push_back(expect_record(RecordType::open_interest, native, at, 0, interest_of(row)));
    } else if (kind == "candle") {
      out.push_back(expect_record(RecordType::kline, native, at, 0,
                                  candle_of(row, native, core::ns_per_minute)));
    } else if (kind == "liquidation-orders") {
      for (const json& detail : row.at("details")) {
        market::Liquidation liquidation;
        liquidation.price = scaled(text_of(detail, "bkPx"));
        liquidation.quantity = model.coins(row.at("instId"), text_of(detail, "sz"));
        liquidation.position_side = detail.at("posSide") == "long"
                                        ? market::PositionSide::long_side
                                        : market::PositionSide::short_side;
        liquidation.order_side =
            detail.at("side") == "sell" ? market::Side::sell : market::Side::buy;
        liquidation.is_venue_wide = 1;
        out.push_back(expect_record(RecordType::liquidation, row.at("instId"),
                                    ms(text_of(detail, "ts")), market::flag_sampled, liquidation));
      }
    } else {
      EXPECT_EQ(kind, "instruments");
    }
  }
  for (const Seen& seen : out) model.natives.insert(seen.native);
  return out;
}

inline void load_list(DecodeSession& session, Model& model, const std::string& folder) {
  ASSERT_EQ(session.rest("instruments", read_text(folder + "/rest_public_instruments_SWAP.json")),
            venue::DecodeStatus::ok);
  model.sizes = contract_sizes(folder);
  const json list = json::parse(read_text(folder + "/rest_public_instruments_SWAP.json"));
  for (const json& row : list.at("data")) model.natives.insert(row.at("instId").get<std::string>());
}

}  // namespace perp::test::okx
