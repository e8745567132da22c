// Goal: every message of the OKX recordings becomes the right records, and every checksum of 2022 is found right.
// Method: each text is also read with nlohmann_json, its decimals multiplied digit by digit and rounded by strtod;
// books are kept as ordered maps of text with a bitwise CRC; every byte of every record must agree.
#include <algorithm>
#include <map>
#include <set>

#include "venue/decode_session.hpp"

namespace perp::test {
namespace {

using market::Continuity;
using market::RecordType;

/// Contract sizes of the list of 2026-04-27 as texts: ctVal and ctMult where a contract is a number of coins.
std::map<std::string, Decimal> contract_sizes(const std::string& folder) {
  std::map<std::string, Decimal> out;
  const json list = json::parse(read_text(folder + "/rest_public_instruments_SWAP.json"));
  for (const json& row : list.at("data"))
    if (row.at("ctType") == "linear") out[row.at("instId")] = times(to_decimal(row.at("ctVal")), to_decimal(row.at("ctMult")));
  return out;
}

bool is_spot(const std::string& native) { return std::count(native.begin(), native.end(), '-') == 1; }

/// What the test knows: which lists were loaded, which instruments were met, where each book stands.
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
    return found == sizes.end() ? market::missing : to_number(times(to_decimal(text), found->second));
  }
  double level_size(const std::string& native, const std::string& text) const {
    return to_number(to_decimal(text)) == 0 ? 0 : coins(native, text);
  }
};

std::uint32_t bitwise_crc(const std::string& text) {
  std::uint32_t state = 0xffff'ffffU;
  for (const char c : text) {
    state ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) state = (state & 1U) != 0 ? state >> 1 ^ 0xedb8'8320U : state >> 1;
  }
  return ~state;
}

void apply(std::map<long double, std::pair<std::string, std::string>>& side, const json& rows) {
  for (const json& row : rows) {
    const std::string price = row.at(0);
    const std::string size = row.at(1);
    if (std::strtold(size.c_str(), nullptr) == 0) side.erase(std::strtold(price.c_str(), nullptr));
    else side[std::strtold(price.c_str(), nullptr)] = {price, size};
  }
}

std::int32_t checksum_of(const Model::Book& book) {
  std::vector<std::string> parts;
  auto bid = book.bids.rbegin();
  auto ask = book.asks.begin();
  for (int i = 0; i < 25; ++i) {
    if (bid != book.bids.rend()) parts.push_back(bid->second.first + ":" + bid->second.second), ++bid;
    if (ask != book.asks.end()) parts.push_back(ask->second.first + ":" + ask->second.second), ++ask;
  }
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ":") + part;
  return static_cast<std::int32_t>(bitwise_crc(all));
}

std::vector<market::Level> levels_of(const Model& model, const std::string& native, const json& row) {
  std::vector<market::Level> out;
  for (const char* side : {"bids", "asks"})
    for (const json& cells : row.at(side))
      out.push_back({scaled(cells.at(0).get<std::string>()), model.level_size(native, cells.at(1).get<std::string>())});
  return out;
}

void expect_book(Model& model, const std::string& channel, const std::string& native, const std::string& action, const json& row,
                 std::vector<Seen>& out) {
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
  if (known.is_text_whole && (found == Continuity::restart || found == Continuity::continuous || found == Continuity::unchecked)) {
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
  out.push_back(expect_record(type, native, at, is_snapshot ? market::flag_snapshot : 0, book, levels_of(model, native, row)));
  if (found != Continuity::gap) return;
  ++model.gaps;
  market::Gap gap;
  gap.stream = type;
  gap.cause = cause;
  gap.to_ns = at;
  if (cause == market::GapCause::sequence) gap.expected_id = expected_id, gap.got_id = book.previous_id;
  out.push_back(expect_record(RecordType::gap, native, at, 0, gap));
}

market::Trade trade_of(const Model& model, const json& row) {
  const std::string native = row.at("instId");
  market::Trade trade;
  trade.price = scaled(text_of(row, "px"));
  trade.quantity = model.coins(native, text_of(row, "sz"));
  trade.trade_id = whole(text_of(row, "tradeId"));
  trade.sequence = whole(text_of(row, "seqId"));
  trade.taker_side = row.at("side") == "buy" ? market::Side::buy : market::Side::sell;
  if (row.contains("source")) trade.is_rpi = row.at("source") == "1" ? market::Tristate::yes : market::Tristate::no;
  if (row.contains("count")) {
    trade.fill_count = static_cast<std::uint32_t>(std::stoul(text_of(row, "count")));
    trade.first_id = trade.trade_id - trade.fill_count + 1;
    trade.last_id = trade.trade_id;
  }
  return trade;
}

void expect_ticker(const Model& model, const json& row, std::uint8_t flags, std::vector<Seen>& out) {
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

void expect_funding(const json& row, std::uint8_t flags, std::vector<Seen>& out) {
  const std::string native = row.at("instId");
  market::Funding funding;
  funding.rate = scaled(text_of(row, "fundingRate"));
  funding.premium = scaled(text_of(row, "premium"));
  funding.cap = scaled(text_of(row, "maxFundingRate"));
  funding.floor = scaled(text_of(row, "minFundingRate"));
  funding.next_rate = scaled(text_of(row, "nextFundingRate"));
  funding.interest_rate = scaled(text_of(row, "interestRate"));
  funding.funding_ns = ms(text_of(row, "fundingTime"));
  if (row.contains("nextFundingTime")) funding.interval_ns = ms(text_of(row, "nextFundingTime")) - funding.funding_ns;
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

market::OpenInterest interest_of(const json& row) {
  market::OpenInterest interest;
  interest.contracts = scaled(text_of(row, "oi"));
  interest.quantity = scaled(text_of(row, "oiCcy"));
  interest.notional = scaled(text_of(row, "oiUsd"));
  return interest;
}

market::Kline candle_of(const json& row, const std::string& native, std::int64_t interval_ns) {
  const auto cell = [&](std::size_t i) { return i < row.size() ? scaled(row.at(i).get<std::string>()) : market::missing; };
  market::Kline kline;
  kline.open_ns = ms(row.at(0).get<std::string>());
  kline.interval_ns = interval_ns;
  kline.open = cell(1), kline.high = cell(2), kline.low = cell(3), kline.close = cell(4);
  kline.volume_base = cell(is_spot(native) ? 5 : 6);
  kline.volume_quote = cell(is_spot(native) ? 6 : 7);
  if (row.size() > 8) kline.is_closed = row.at(8) == "1" ? market::Tristate::yes : market::Tristate::no;
  return kline;
}

std::string index_native(const Model& model, const std::string& name) {
  return model.natives.contains(name + "-SWAP") ? name + "-SWAP" : "index:" + name;
}

std::vector<Seen> frame_records(const json& message, Model& model, std::string& kind) {
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
    const std::int64_t at = row.is_object() ? ms(text_of(row, "ts")) : ms(row.at(0).get<std::string>());
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
      book.continuity = static_cast<std::uint8_t>(last != model.books5.end() && at < last->second ? Continuity::stale : Continuity::restart);
      model.books5[native] = at;
      out.push_back(expect_record(RecordType::book_snapshot, native, at, market::flag_snapshot, book, levels_of(model, native, row)));
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
      out.push_back(expect_record(RecordType::mark_price, index_native(model, native), at, 0, mark));
    } else if (kind == "funding-rate") {
      expect_funding(row, 0, out);
    } else if (kind == "open-interest") {
      out.push_back(expect_record(RecordType::open_interest, native, at, 0, interest_of(row)));
    } else if (kind == "candle") {
      out.push_back(expect_record(RecordType::kline, native, at, 0, candle_of(row, native, core::ns_per_minute)));
    } else if (kind == "liquidation-orders") {
      for (const json& detail : row.at("details")) {
        market::Liquidation liquidation;
        liquidation.price = scaled(text_of(detail, "bkPx"));
        liquidation.quantity = model.coins(row.at("instId"), text_of(detail, "sz"));
        liquidation.position_side = detail.at("posSide") == "long" ? market::PositionSide::long_side : market::PositionSide::short_side;
        liquidation.order_side = detail.at("side") == "sell" ? market::Side::sell : market::Side::buy;
        liquidation.is_venue_wide = 1;
        out.push_back(expect_record(RecordType::liquidation, row.at("instId"), ms(text_of(detail, "ts")), market::flag_sampled, liquidation));
      }
    } else {
      EXPECT_EQ(kind, "instruments");
    }
  }
  for (const Seen& seen : out) model.natives.insert(seen.native);
  return out;
}

void load_list(DecodeSession& session, Model& model, const std::string& folder) {
  ASSERT_EQ(session.rest("instruments", read_text(folder + "/rest_public_instruments_SWAP.json")), venue::DecodeStatus::ok);
  model.sizes = contract_sizes(folder);
  const json list = json::parse(read_text(folder + "/rest_public_instruments_SWAP.json"));
  for (const json& row : list.at("data")) model.natives.insert(row.at("instId").get<std::string>());
}

const std::map<std::string, std::size_t> frame_files = {
    {"ws_books_2022-05-13.tsv", 197}, {"ws_trades_2022-05-13.tsv", 50}, {"ws_tickers_2022-05-13.tsv", 27},
    {"ws_control_acks_2022-05-13.tsv", 18}, {"ws_swap_2026-08-12.jsonl", 5}, {"ws_liquidation-orders_2026.jsonl", 3},
    {"ws_misc_2025.jsonl", 17}, {"ws_misc_2022.jsonl", 6}, {"ws_misc_tardis.jsonl", 17}};

class OkxCaptureFrames : public testing::TestWithParam<bool> {};

TEST_P(OkxCaptureFrames, EveryFrameBecomesTheRecordsItsTextSays) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  std::size_t ws_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("ws_")) ws_files += 1;
  EXPECT_EQ(ws_files, frame_files.size()) << "a recording without an expectation";
  std::uint64_t errors = 0;
  for (const auto& [name, count] : frame_files) {
    DecodeSession session(venue::okx_adapter());
    Model model;
    if (GetParam()) load_list(session, model, folder);
    const std::uint64_t before = session.message_total();
    std::map<std::string, std::uint64_t> kinds;
    const std::vector<std::string> messages = read_messages(folder + "/" + name);
    EXPECT_EQ(messages.size(), count) << name;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::string where = name + ":" + std::to_string(i + 1);
      std::string kind;
      const std::vector<Seen> wanted = frame_records(json::parse(messages[i]), model, kind);
      ++kinds[kind];
      errors += kind == "error";
      const venue::DecodeStatus status = session.frame(messages[i]);
      EXPECT_EQ(venue::name_of(status), kind == "error" ? "venue_error" : "ok") << where << " " << session.state.fault_field;
      EXPECT_EQ(session.kind(), kind) << where;
      expect_same(session.records, wanted, where);
    }
    for (const auto& [kind, messages_of_kind] : kinds) EXPECT_EQ(session.count(kind), messages_of_kind) << name;
    EXPECT_EQ(session.message_total() - before, messages.size()) << name;
    EXPECT_EQ(session.state.decode_errors, 0u) << name;
    EXPECT_EQ(session.state.checksums_verified, model.verified) << name;
    EXPECT_EQ(session.state.checksum_mismatches, model.mismatched) << name;
    EXPECT_EQ(session.state.gaps, model.gaps) << name;
    EXPECT_EQ(session.state.duplicates, 0u) << name;
  }
  EXPECT_EQ(errors, 2u);
}
INSTANTIATE_TEST_SUITE_P(WithAndWithoutTheList, OkxCaptureFrames, testing::Bool());

TEST(OkxCaptures, EveryChecksumOf2022IsRight) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  DecodeSession session(venue::okx_adapter());
  for (const std::string& message : read_messages(folder + "/ws_books_2022-05-13.tsv")) {
    ASSERT_EQ(session.frame(message), venue::DecodeStatus::ok);
    ASSERT_EQ(session.records.size(), 1u);
    EXPECT_EQ(session.records[0].as<market::Book>().checksum_state, 1);
  }
  EXPECT_EQ(session.state.checksums_verified, 197u);
  EXPECT_EQ(session.state.checksum_mismatches, 0u);
  EXPECT_EQ(session.state.gaps, 0u);
  EXPECT_EQ(session.state.other_instruments, 197u) << "a spot pair and a dated inverse contract";
}

TEST(OkxCaptures, TheInstrumentListRowByRow) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  const std::string text = read_text(folder + "/rest_public_instruments_SWAP.json");
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.rest("instruments", text), venue::DecodeStatus::ok) << session.state.fault_field;
  const json rows = json::parse(text).at("data");
  ASSERT_EQ(session.instruments.size(), rows.size());
  ASSERT_EQ(rows.size(), 312u);
  EXPECT_EQ(session.state.provisional_instruments, 0u);
  std::size_t primaries = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const json& row = rows[i];
    const std::string native = row.at("instId");
    const std::string family = row.at("uly");  // the plain pair, without a mark on the quote
    const bool is_linear = row.at("ctType") == "linear";
    const Decimal factor = times(to_decimal(row.at("ctVal")), to_decimal(row.at("ctMult")));
    const auto in_coins = [&](const std::string& key) {
      return is_linear ? to_number(times(to_decimal(text_of(row, key)), factor)) : market::missing;
    };
    market::Instrument wanted;
    wanted.native.assign(native);
    wanted.base.assign(family.substr(0, family.find('-')));
    wanted.quote.assign(family.substr(family.find('-') + 1));
    wanted.settle.assign(text_of(row, "settleCcy"));
    wanted.contract_size = is_linear ? to_number(factor) : market::missing;
    wanted.tick_size = scaled(text_of(row, "tickSz"));
    wanted.lot_size = in_coins("lotSz");
    wanted.min_quantity = in_coins("minSz");
    wanted.max_leverage = scaled(text_of(row, "lever"));
    wanted.listed_ns = ms(text_of(row, "listTime"));
    wanted.delisted_ns = ms(text_of(row, "expTime"));
    wanted.contract_type = is_linear ? market::ContractType::linear_perpetual : market::ContractType::inverse_perpetual;
    wanted.status = market::InstrumentStatus::live;
    wanted.is_primary = is_linear && row.at("settleCcy") == "USDT" ? 1 : 0;
    primaries += wanted.is_primary;
    expect_same({expect_record(RecordType::instrument, native, 0, 0, session.instruments[i])},
                {expect_record(RecordType::instrument, native, 0, 0, wanted)}, native);
    EXPECT_EQ(session.entry(native).has_quantity_factor, is_linear) << native;
  }
  EXPECT_EQ(primaries, 293u);
  // The same list again says nothing new.
  ASSERT_EQ(session.rest("instruments", text), venue::DecodeStatus::ok);
  EXPECT_TRUE(session.instruments.empty());
}

TEST(OkxCaptures, FundingOfEverySwapInOrderOfTime) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  const std::string text = read_text(folder + "/rest_public_funding-rate_ANY.json");
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.rest("funding-rate", text), venue::DecodeStatus::ok) << session.state.fault_field;
  std::vector<Seen> wanted;
  const json rows = json::parse(text).at("data");
  ASSERT_EQ(rows.size(), 322u);
  for (const json& row : rows) expect_funding(row, market::flag_snapshot, wanted);
  ASSERT_EQ(wanted.size(), 644u);
  std::stable_sort(wanted.begin(), wanted.end(), [](const Seen& a, const Seen& b) { return a.exchange_ns < b.exchange_ns; });
  expect_same(session.records, wanted, "funding-rate ANY");
}

TEST(OkxCaptures, SeriesGoOutOldestFirst) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  Model model;
  model.sizes = contract_sizes(folder);
  const auto check = [&](const std::string& file, const std::string& endpoint, const std::string& symbol, const std::string& period,
                         auto row_record) {
    DecodeSession session(venue::okx_adapter());
    Model loaded;
    load_list(session, loaded, folder);
    for (const std::string& text : read_messages(folder + "/" + file)) {
      ASSERT_EQ(session.rest(endpoint, text, symbol, period), venue::DecodeStatus::ok) << file << " " << session.state.fault_field;
      std::vector<Seen> wanted;
      const json rows = json::parse(text).at("data");
      for (auto row = rows.rbegin(); row != rows.rend(); ++row) wanted.push_back(row_record(*row));
      std::stable_sort(wanted.begin(), wanted.end(), [](const Seen& a, const Seen& b) { return a.exchange_ns < b.exchange_ns; });
      expect_same(session.records, wanted, file);
      EXPECT_EQ(session.count("rest_" + endpoint), 1u) << file;
      // Without what the body does not say there is nobody to whom it could belong.
      if (!symbol.empty()) {
        EXPECT_EQ(session.rest(endpoint, text, "", period), venue::DecodeStatus::missing_field) << file;
        EXPECT_EQ(session.state.fault_field, "symbol");
      }
    }
  };
  const std::string swap = "BTC-USDT-SWAP";
  const auto cell = [](const json& row, std::size_t i) { return row.at(i).get<std::string>(); };
  const auto ratio = [&](market::RatioKind kind) {
    return [&, kind](const json& row) {
      market::LongShortRatio out;
      out.ratio = scaled(cell(row, 1));
      out.period_ns = core::ns_per_day;
      out.kind = kind;
      return expect_record(RecordType::long_short_ratio, swap, ms(cell(row, 0)), 0, out);
    };
  };
  check("rest_rubik_long-short-account-ratio-contract_BTC-USDT-SWAP_1D.json", "long-short-account-ratio-contract", swap, "1D",
        ratio(market::RatioKind::global_account));
  check("rest_rubik_top-trader-account-ratio_BTC-USDT-SWAP_1D.json", "long-short-account-ratio-contract-top-trader", swap, "1D",
        ratio(market::RatioKind::top_account));
  check("rest_rubik_open-interest-history_BTC-USDT-SWAP_1D.json", "open-interest-history", swap, "1D", [&](const json& row) {
    market::OpenInterest out;
    out.contracts = scaled(cell(row, 1));
    out.quantity = scaled(cell(row, 2));
    out.notional = scaled(cell(row, 3));
    out.period_ns = core::ns_per_day;
    return expect_record(RecordType::open_interest, swap, ms(cell(row, 0)), 0, out);
  });
  check("rest_rubik_taker-volume-contract_BTC-USDT-SWAP_1D.json", "taker-volume-contract", swap, "1D", [&](const json& row) {
    market::TakerVolume out;
    out.sell_base = model.coins(swap, cell(row, 1));
    out.buy_base = model.coins(swap, cell(row, 2));
    out.period_ns = core::ns_per_day;
    return expect_record(RecordType::taker_volume, swap, ms(cell(row, 0)), 0, out);
  });
  const auto candle = [&](const std::string& native) {
    return [&, native](const json& row) {
      return expect_record(RecordType::kline, native, ms(cell(row, 0)), 0, candle_of(row, native, core::ns_per_minute));
    };
  };
  check("rest_market_candles_2025.jsonl", "candles", "BTC-USDT", "1m", candle("BTC-USDT"));
  check("rest_nautilus_http_get_candlesticks_full.json", "candles", swap, "1m", candle(swap));
  check("docs_rest_GetKlines.json", "candles", swap, "1m", candle(swap));
  check("docs_rest_GetKlineHistory.json", "history-candles", "BTC-USDT", "1m", candle("BTC-USDT"));
  const auto trade = [&](const json& row) {
    return expect_record(RecordType::trade, row.at("instId"), ms(text_of(row, "ts")), 0, trade_of(model, row));
  };
  check("rest_nautilus_http_get_trades.json", "trades", "", "", trade);
  check("docs_rest_GetRecentTrades.json", "trades", "", "", trade);
  check("docs_rest_GetFundingRateHistory.json", "funding-rate-history", "", "", [&](const json& row) {
    market::Funding out;
    out.rate = scaled(text_of(row, "realizedRate"));
    out.funding_ns = ms(text_of(row, "fundingTime"));
    out.kind = market::FundingKind::settled;
    return expect_record(RecordType::funding, row.at("instId"), out.funding_ns, 0, out);
  });
  const auto interest = [&](const json& row) {
    return expect_record(RecordType::open_interest, row.at("instId"), ms(text_of(row, "ts")), market::flag_snapshot, interest_of(row));
  };
  check("rest_public_open-interest_BTC-USDT-SWAP.json", "open-interest", "", "", interest);
  const auto mark = [&](const json& row) {
    market::MarkPrice out;
    out.mark_price = scaled(text_of(row, "markPx"));
    return expect_record(RecordType::mark_price, row.at("instId"), ms(text_of(row, "ts")), market::flag_snapshot, out);
  };
  check("rest_nautilus_http_get_mark_price.json", "mark-price", "", "", mark);
  check("docs_rest_GetMarkPrices.json", "mark-price", "", "", mark);
  check("rest_nautilus_http_get_index_price.json", "index-tickers", "", "", [&](const json& row) {
    market::MarkPrice out;
    out.index_price = scaled(text_of(row, "idxPx"));
    return expect_record(RecordType::mark_price, text_of(row, "instId") + "-SWAP", ms(text_of(row, "ts")), market::flag_snapshot, out);
  });
  check("docs_rest_GetOrderBook.json", "books", swap, "", [&](const json& row) {
    market::Book book;
    book.bid_count = book.ask_count = 1;
    book.depth = 1;
    return expect_record(RecordType::book_snapshot, swap, ms(text_of(row, "ts")), market::flag_snapshot, book, levels_of(model, swap, row));
  });
}

TEST(OkxCaptures, ListsOfManyInstrumentsKeepTheirOrderAtEqualTimes) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  DecodeSession session(venue::okx_adapter());
  Model model;
  load_list(session, model, folder);
  std::vector<Seen> wanted;
  const std::string tickers = read_text(folder + "/docs_rest_GetTickers.json");
  const json ticker_rows = json::parse(tickers).at("data");
  for (const json& row : ticker_rows) expect_ticker(model, row, market::flag_snapshot, wanted);
  ASSERT_EQ(session.rest("tickers", tickers), venue::DecodeStatus::ok);
  expect_same(session.records, wanted, "tickers");

  wanted.clear();
  const std::string interests = read_messages(folder + "/rest_public_open-interest_SWAP_2022.jsonl").at(0);
  const json interest_rows = json::parse(interests).at("data");
  for (const json& row : interest_rows)
    wanted.push_back(expect_record(RecordType::open_interest, row.at("instId"), ms(text_of(row, "ts")), market::flag_snapshot, interest_of(row)));
  ASSERT_EQ(session.rest("open-interest", interests), venue::DecodeStatus::ok);
  expect_same(session.records, wanted, "open-interest of 2022");
}

TEST(OkxCaptures, WhatIsNoInstrumentsFactIsCheckedAndCounted) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  DecodeSession session(venue::okx_adapter());
  const std::map<std::string, std::string> files = {{"rest_rubik_long-short-account-ratio_BTC_1D.json", "long-short-account-ratio"},
                                                    {"rest_rubik_open-interest-volume_BTC_1D.json", "open-interest-volume"},
                                                    {"rest_rubik_taker-volume_BTC_CONTRACTS_1D.json", "taker-volume"},
                                                    {"docs_rest_GetRubikTakerVolume.json", "taker-volume"},
                                                    {"docs_rest_GetPositionTiers.json", "position-tiers"},
                                                    {"rest_public_insurance-fund_SWAP_BTC-USD.json", "insurance-fund"}};
  for (const auto& [file, endpoint] : files) {
    const std::string text = read_text(folder + "/" + file);
    EXPECT_EQ(session.rest(endpoint, text, "BTC", "1D"), venue::DecodeStatus::ok) << file << " " << session.state.fault_field;
    EXPECT_TRUE(session.records.empty()) << file;
    EXPECT_TRUE(session.instruments.empty()) << file;
  }
  EXPECT_EQ(session.count("rest_taker-volume"), 2u);
  EXPECT_EQ(session.message_total(), 6u);
  EXPECT_EQ(session.state.instruments.size(), 0u);
}

TEST(OkxCaptures, FileNamesLeadToTheirEndpoints) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  const std::map<std::string, std::string> wanted = {
      {"docs_rest_GetFundingRateHistory.json", "funding-rate-history"}, {"docs_rest_GetKlineHistory.json", "history-candles"},
      {"docs_rest_GetKlines.json", "candles"}, {"docs_rest_GetMarkPrices.json", "mark-price"}, {"docs_rest_GetOrderBook.json", "books"},
      {"docs_rest_GetPositionTiers.json", "position-tiers"}, {"docs_rest_GetRecentTrades.json", "trades"},
      {"docs_rest_GetRubikTakerVolume.json", "taker-volume"}, {"docs_rest_GetTickers.json", "tickers"},
      {"rest_market_candles_2025.jsonl", "candles"}, {"rest_nautilus_http_get_candlesticks_full.json", "candles"},
      {"rest_nautilus_http_get_index_price.json", "index-tickers"}, {"rest_nautilus_http_get_mark_price.json", "mark-price"},
      {"rest_nautilus_http_get_trades.json", "trades"}, {"rest_public_funding-rate_ANY.json", "funding-rate"},
      {"rest_public_instruments_SWAP.json", "instruments"}, {"rest_public_insurance-fund_SWAP_BTC-USD.json", "insurance-fund"},
      {"rest_public_open-interest_BTC-USDT-SWAP.json", "open-interest"}, {"rest_public_open-interest_SWAP_2022.jsonl", "open-interest"},
      {"rest_rubik_long-short-account-ratio-contract_BTC-USDT-SWAP_1D.json", "long-short-account-ratio-contract"},
      {"rest_rubik_long-short-account-ratio_BTC_1D.json", "long-short-account-ratio"},
      {"rest_rubik_open-interest-history_BTC-USDT-SWAP_1D.json", "open-interest-history"},
      {"rest_rubik_open-interest-volume_BTC_1D.json", "open-interest-volume"},
      {"rest_rubik_taker-volume-contract_BTC-USDT-SWAP_1D.json", "taker-volume-contract"},
      {"rest_rubik_taker-volume_BTC_CONTRACTS_1D.json", "taker-volume"},
      {"rest_rubik_top-trader-account-ratio_BTC-USDT-SWAP_1D.json", "long-short-account-ratio-contract-top-trader"}};
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("rest_") == std::string::npos) continue;
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_EQ(endpoint_in_name(venue::okx_adapter(), name), wanted.at(name)) << name;
  }
}

}  // namespace
}  // namespace perp::test
