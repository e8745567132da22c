// Goal: every message of the Bybit recordings becomes the right records. Method: each text is also
// read with nlohmann_json, its decimals multiplied digit by digit and rounded by strtod; every byte
// of every record must agree.
#include "venue/decode_session.hpp"

#include <map>
#include <set>

namespace perp::test {
namespace {

using market::RecordType;

/// Zeros of the multiplier in the recorded names, looked up by hand.
const std::map<std::string, std::pair<std::string, int>> multiplied_names = {
    {"10000NFTUSDT", {"NFT", 4}},    {"1000BONKUSDT", {"BONK", 3}}, {"1000BTTUSDT", {"BTT", 3}},
    {"1000FLOKIUSDT", {"FLOKI", 3}}, {"1000LUNCUSDT", {"LUNC", 3}}, {"1000XECUSDT", {"XEC", 3}},
    {"SHIB1000USDT", {"SHIB", 3}}};

struct Unit {
  std::string price = "1";
  std::string size = "1";
};
Unit unit_of(const std::string& symbol) {
  const auto found = multiplied_names.find(symbol);
  if (found == multiplied_names.end()) return {};
  return {"1e-" + std::to_string(found->second.second),
          "1e" + std::to_string(found->second.second)};
}

std::vector<market::Level> levels_of(const json& rows, const Unit& unit) {
  std::vector<market::Level> out;
  for (const json& row : rows) {
    market::Level level;
    level.price = scaled(row.at(0).get<std::string>(), unit.price);
    level.quantity = scaled(row.at(1).get<std::string>(), unit.size);
    out.push_back(level);
  }
  return out;
}

market::Trade trade_of(const json& row, const std::string& id_key, const std::string& side_key,
                       const std::string& price, const std::string& size, const std::string& block,
                       const std::string& rpi, const Unit& unit) {
  market::Trade trade;
  std::string id = text_of(row, id_key);
  if (id.find('-') != std::string::npos) {
    std::erase(id, '-');
    trade.trade_id_high = static_cast<std::int64_t>(std::stoull(id.substr(0, 16), nullptr, 16));
    trade.trade_id = static_cast<std::int64_t>(std::stoull(id.substr(16), nullptr, 16));
  } else {
    trade.trade_id = std::stoll(id);
  }
  trade.price = scaled(text_of(row, price), unit.price);
  trade.quantity = scaled(text_of(row, size), unit.size);
  trade.taker_side = text_of(row, side_key) == "Buy" ? market::Side::buy : market::Side::sell;
  const auto flag = [&](const std::string& key) {
    if (!row.contains(key)) return market::Tristate::unknown;
    return row.at(key).get<bool>() ? market::Tristate::yes : market::Tristate::no;
  };
  trade.is_block = flag(block);
  trade.is_rpi = flag(rpi);
  trade.sequence = whole(text_of(row, "seq"));
  return trade;
}

/// The test's own memory of the streams: tickers as texts, books as their last u.
struct Model {
  std::map<std::string, std::map<std::string, std::string>> tickers;
  std::map<std::string, std::int64_t> books;
  std::map<std::string, market::Bbo> tops;
};

bool has_any(const json& object, const std::set<std::string>& keys) {
  for (const std::string& key : keys)
    if (object.contains(key)) return true;
  return false;
}

/// The records of one ticker, `now` being what this message says and `all` what is known.
std::vector<Seen> ticker_records(const json& now, const std::map<std::string, std::string>& all,
                                 const std::string& native, const Unit& unit,
                                 std::int64_t exchange_ns, std::uint8_t flags, bool is_touch_new,
                                 bool is_inverse) {
  const auto text = [&](const std::string& key) {
    const auto found = all.find(key);
    return found == all.end() ? std::string() : found->second;
  };
  std::vector<Seen> out;
  if (has_any(now, {"lastPrice", "prevPrice24h", "price24hPcnt", "highPrice24h", "lowPrice24h",
                    "prevPrice1h", "turnover24h", "volume24h"})) {
    market::Ticker ticker;
    ticker.last_price = scaled(text("lastPrice"), unit.price);
    ticker.open_24h = scaled(text("prevPrice24h"), unit.price);
    ticker.high_24h = scaled(text("highPrice24h"), unit.price);
    ticker.low_24h = scaled(text("lowPrice24h"), unit.price);
    ticker.previous_1h = scaled(text("prevPrice1h"), unit.price);
    ticker.change_fraction_24h = scaled(text("price24hPcnt"));
    ticker.volume_base_24h =
        is_inverse ? scaled(text("turnover24h")) : scaled(text("volume24h"), unit.size);
    ticker.volume_quote_24h = scaled(text(is_inverse ? "volume24h" : "turnover24h"));
    out.push_back(expect_record(RecordType::ticker, native, exchange_ns, flags, ticker));
  }
  if (is_touch_new) {
    market::Bbo bbo;
    bbo.bid_price = scaled(text("bid1Price"), unit.price);
    bbo.bid_quantity = is_inverse ? market::missing : scaled(text("bid1Size"), unit.size);
    bbo.ask_price = scaled(text("ask1Price"), unit.price);
    bbo.ask_quantity = is_inverse ? market::missing : scaled(text("ask1Size"), unit.size);
    out.push_back(expect_record(RecordType::bbo, native, exchange_ns, flags, bbo));
  }
  if (has_any(now, {"markPrice", "indexPrice", "predictedDeliveryPrice"})) {
    market::MarkPrice mark;
    mark.mark_price = scaled(text("markPrice"), unit.price);
    mark.index_price = scaled(text("indexPrice"), unit.price);
    mark.settle_estimate = scaled(text("predictedDeliveryPrice"), unit.price);
    out.push_back(expect_record(RecordType::mark_price, native, exchange_ns, flags, mark));
  }
  if (has_any(now, {"fundingRate", "nextFundingTime", "fundingCap", "fundingIntervalHour"}) &&
      !text("fundingRate").empty()) {
    market::Funding funding;
    funding.rate = scaled(text("fundingRate"));
    funding.cap = scaled(text("fundingCap"));
    funding.funding_ns = ms(text("nextFundingTime"));
    if (!text("fundingIntervalHour").empty())
      funding.interval_ns = std::stoll(text("fundingIntervalHour")) * core::ns_per_hour;
    funding.kind = market::FundingKind::predicted;
    out.push_back(expect_record(RecordType::funding, native, exchange_ns, flags, funding));
  }
  if (has_any(now, {"openInterest", "openInterestValue", "singleOpenInterest",
                    "singleOpenInterestValue"})) {
    market::OpenInterest interest;
    bool was_both = false;
    const auto side = [&](const std::string& single, const std::string& both,
                          const std::string& factor) {
      if (!text(single).empty()) return scaled(text(single), factor);
      was_both |= !text(both).empty();
      return scaled(text(both), factor) / 2;
    };
    interest.contracts = side("singleOpenInterest", "openInterest", "1");
    const double value = side("singleOpenInterestValue", "openInterestValue", "1");
    interest.quantity = is_inverse ? value : side("singleOpenInterest", "openInterest", unit.size);
    interest.notional = is_inverse ? interest.contracts : value;
    interest.was_both_sides = was_both ? 1 : 0;
    out.push_back(expect_record(RecordType::open_interest, native, exchange_ns, flags, interest));
  }
  return out;
}

std::vector<Seen> frame_records(const json& message, Model& model, std::string& kind) {
  std::vector<Seen> out;
  if (!message.contains("topic")) {
    const std::string op = text_of(message, "op");
    kind = !message.at("success").get<bool>() ? "error" : op == "ping" ? "pong" : "ack";
    return out;
  }
  const std::string topic = message.at("topic");
  kind = topic.substr(0, topic.find('.'));
  const std::string symbol = topic.substr(topic.rfind('.') + 1);
  const Unit unit = unit_of(symbol);
  const json& data = message.at("data");
  const std::int64_t ts = ms(text_of(message, "ts"));
  const bool is_snapshot = message.at("type") == "snapshot";
  if (kind == "publicTrade") {
    for (const json& row : data)
      out.push_back(expect_record(RecordType::trade, symbol, ms(text_of(row, "T")), 0,
                                  trade_of(row, "i", "S", "p", "v", "BT", "RPI", unit)));
  } else if (kind == "orderbook") {
    const std::int64_t at = message.contains("cts") ? ms(text_of(message, "cts")) : ts;
    std::vector<market::Level> bids = levels_of(data.at("b"), unit);
    const std::vector<market::Level> asks = levels_of(data.at("a"), unit);
    const std::string depth = topic.substr(10, topic.rfind('.') - 10);
    if (depth == "1") {
      market::Bbo& top = model.tops[symbol];
      if (is_snapshot) top = {};
      if (!bids.empty()) top.bid_price = bids[0].price, top.bid_quantity = bids[0].quantity;
      if (!asks.empty()) top.ask_price = asks[0].price, top.ask_quantity = asks[0].quantity;
      top.update_id = data.at("u");
      out.push_back(expect_record(RecordType::bbo, symbol, at, 0, top));
    }
    market::Book book;
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    book.last_id = data.at("u");
    book.sequence = data.at("seq");
    book.depth = static_cast<std::uint16_t>(std::stoi(depth));
    std::int64_t& last = model.books[topic];
    book.continuity = static_cast<std::uint8_t>(is_snapshot ? market::Continuity::restart
                                                            : market::Continuity::continuous);
    EXPECT_TRUE(is_snapshot || book.last_id == last + 1) << "a hole in the recording itself";
    last = book.last_id;
    bids.insert(bids.end(), asks.begin(), asks.end());
    out.push_back(expect_record(is_snapshot ? RecordType::book_snapshot : RecordType::book_delta,
                                symbol, at, is_snapshot ? market::flag_snapshot : 0, book, bids));
  } else if (kind == "tickers") {
    auto& known = model.tickers[symbol];
    const auto before = known;
    if (is_snapshot) known.clear();
    for (const auto& [key, value] : data.items()) known[key] = value.get<std::string>();
    bool is_touch_new = false;
    for (const std::string key : {"bid1Price", "bid1Size", "ask1Price", "ask1Size"})
      is_touch_new |= data.contains(key) &&
                      (is_snapshot || !before.contains(key) || before.at(key) != known.at(key));
    out = ticker_records(data, known, symbol, unit, ts, is_snapshot ? market::flag_snapshot : 0,
                         is_touch_new, false);
  } else if (kind == "kline") {
    for (const json& row : data) {
      market::Kline kline;
      kline.open_ns = ms(text_of(row, "start"));
      kline.interval_ns = std::stoll(text_of(row, "interval")) * core::ns_per_minute;
      kline.open = scaled(text_of(row, "open"), unit.price);
      kline.high = scaled(text_of(row, "high"), unit.price);
      kline.low = scaled(text_of(row, "low"), unit.price);
      kline.close = scaled(text_of(row, "close"), unit.price);
      kline.volume_base = scaled(text_of(row, "volume"), unit.size);
      kline.volume_quote = scaled(text_of(row, "turnover"));
      kline.is_closed =
          row.at("confirm").get<bool>() ? market::Tristate::yes : market::Tristate::no;
      out.push_back(expect_record(RecordType::kline, symbol, ts, 0, kline));
    }
  } else if (kind == "allLiquidation") {
    for (const json& row : data) {
      market::Liquidation liquidation;
      liquidation.price = scaled(text_of(row, "p"), unit.price);
      liquidation.quantity = scaled(text_of(row, "v"), unit.size);
      const bool is_long = row.at("S") == "Buy";
      liquidation.position_side =
          is_long ? market::PositionSide::long_side : market::PositionSide::short_side;
      liquidation.order_side = is_long ? market::Side::sell : market::Side::buy;
      out.push_back(
          expect_record(RecordType::liquidation, symbol, ms(text_of(row, "T")), 0, liquidation));
    }
  } else {
    ADD_FAILURE() << topic;
  }
  return out;
}

TEST(BybitCaptures, EveryFrameBecomesTheRecordsItsTextSays) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  // File, messages as SOURCES.md counts them.
  const std::map<std::string, std::size_t> files = {
      {"ws_orderbook500_xrpusdt_2024-12-01.jsonl", 34},
      {"ws_orderbook50_btcusdt_2026-03.jsonl", 2},
      {"ws_orderbook1.jsonl", 3},
      {"ws_publictrade.jsonl", 2},
      {"ws_tickers_linear_2024-05.jsonl", 2},
      {"ws_tickers_linear_2026-09.jsonl", 1},
      {"ws_allliquidation.jsonl", 1},
      {"ws_kline_1_2026-09.jsonl", 1},
      {"ws_acks_errors.jsonl", 5}};
  std::size_t ws_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("ws_")) ws_files += 1;
  EXPECT_EQ(ws_files, files.size()) << "a recording without an expectation";
  for (const auto& [name, count] : files) {
    DecodeSession session(venue::bybit_adapter());
    Model model;
    std::map<std::string, std::uint64_t> kinds;
    const std::vector<std::string> messages = read_messages(folder + "/" + name);
    EXPECT_EQ(messages.size(), count) << name;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::string where = name + ":" + std::to_string(i + 1);
      std::string kind;
      const std::vector<Seen> wanted = frame_records(json::parse(messages[i]), model, kind);
      ++kinds[kind];
      const venue::DecodeStatus status = session.frame(messages[i]);
      EXPECT_EQ(venue::name_of(status), kind == "error" ? "venue_error" : "ok")
          << where << " " << session.state.fault_field;
      EXPECT_EQ(session.kind(), kind) << where;
      expect_same(session.records, wanted, where);
    }
    for (const auto& [kind, messages_of_kind] : kinds)
      EXPECT_EQ(session.count(kind), messages_of_kind) << name;
    EXPECT_EQ(session.message_total(), messages.size()) << name;
    EXPECT_EQ(session.state.decode_errors, 0u) << name;
    EXPECT_EQ(session.state.gaps, 0u) << name;
    EXPECT_EQ(session.state.duplicates, 0u) << name;
  }
}

json result_of(const std::string& text) {
  json body = json::parse(text);
  if (body.contains("LinearInverse")) return body["LinearInverse"];
  return body.contains("result") ? body["result"] : body;
}

TEST(BybitCaptures, AllTickersOf2023WithTheirMultipliers) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  const std::string text = read_text(folder + "/rest_tickers_linear_all_2023-03.reserialised.json");
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.rest("tickers", text), venue::DecodeStatus::ok) << session.state.fault_field;
  const json list = result_of(text).at("list");
  ASSERT_EQ(list.size(), 218u);
  EXPECT_EQ(session.instruments.size(), 218u);
  EXPECT_EQ(session.state.provisional_instruments, 218u);
  std::vector<Seen> wanted;
  std::size_t primaries = 0;
  for (const json& row : list) {
    const std::string symbol = row.at("symbol");
    const auto& instrument = session.entry(symbol).instrument;
    const auto multiplied = multiplied_names.find(symbol);
    const std::string base = multiplied != multiplied_names.end()
                                 ? multiplied->second.first
                                 : symbol.substr(0, symbol.size() - 4);
    const std::string quote = symbol.ends_with("PERP") ? "USDC" : "USDT";
    EXPECT_EQ(instrument.base.view(), base);
    EXPECT_EQ(instrument.quote.view(), quote);
    EXPECT_EQ(instrument.settle.view(), quote);
    EXPECT_EQ(instrument.contract_type, market::ContractType::linear_perpetual);
    EXPECT_EQ(instrument.contract_size, 1);
    EXPECT_EQ(instrument.multiplier, scaled("1", unit_of(symbol).size));
    EXPECT_EQ(instrument.is_primary != 0, quote == "USDT") << symbol;
    primaries += instrument.is_primary;
    std::map<std::string, std::string> all;
    for (const auto& [key, value] : row.items()) all[key] = value.get<std::string>();
    for (Seen& seen : ticker_records(row, all, symbol, unit_of(symbol), core::unknown_ns,
                                     market::flag_snapshot, true, false))
      wanted.push_back(std::move(seen));
  }
  EXPECT_EQ(primaries, 197u);
  EXPECT_EQ(session.state.other_instruments, 218u - primaries);
  expect_same(session.records, wanted, "tickers of 2023-03");
}

TEST(BybitCaptures, HistoryGoesOutOldestFirst) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  const auto check = [&](const std::string& file, const std::string& endpoint,
                         const std::string& period, auto row_record) {
    const std::string text = read_text(folder + "/" + file);
    DecodeSession session(venue::bybit_adapter());
    ASSERT_EQ(session.rest(endpoint, text, "", period), venue::DecodeStatus::ok)
        << file << " " << session.state.fault_field;
    const json result = result_of(text);
    std::vector<Seen> wanted;
    for (auto row = result.at("list").rbegin(); row != result.at("list").rend(); ++row)
      wanted.push_back(row_record(result, *row));
    expect_same(session.records, wanted, file);
    EXPECT_EQ(session.count(std::string("rest_") + endpoint), 1u);
    EXPECT_EQ(session.message_total(), 1u);
  };
  const auto funding = [](const json&, const json& row) {
    market::Funding out;
    out.rate = scaled(text_of(row, "fundingRate"));
    out.funding_ns = ms(text_of(row, "fundingRateTimestamp"));
    out.kind = market::FundingKind::settled;
    return expect_record(RecordType::funding, text_of(row, "symbol"), out.funding_ns, 0, out);
  };
  const auto trade = [](const json& result, const json& row) {
    const std::string native =
        (result.at("category") == "spot" ? "spot:" : "") + text_of(row, "symbol");
    return expect_record(
        RecordType::trade, native, ms(text_of(row, "time")), 0,
        trade_of(row, "execId", "side", "price", "size", "isBlockTrade", "isRPITrade", {}));
  };
  const auto interest = [](const json& result, const json& row) {
    const bool is_inverse = result.at("category") == "inverse";
    market::OpenInterest out;
    const std::string single = text_of(row, "singleOpenInterest");
    out.contracts = single.empty() ? scaled(text_of(row, "openInterest")) / 2 : scaled(single);
    (is_inverse ? out.notional : out.quantity) = out.contracts;
    out.was_both_sides = single.empty() ? 1 : 0;
    out.period_ns = is_inverse ? core::ns_per_day : core::unknown_ns;
    return expect_record(RecordType::open_interest,
                         (is_inverse ? "inverse:" : "") + text_of(result, "symbol"),
                         ms(text_of(row, "timestamp")), 0, out);
  };
  const auto ratio = [](const json&, const json& row) {
    market::LongShortRatio out;
    out.long_share = scaled(text_of(row, "buyRatio"));
    out.short_share = scaled(text_of(row, "sellRatio"));
    out.ratio = out.long_share / out.short_share;
    out.period_ns = core::ns_per_hour;
    out.kind = market::RatioKind::global_account;
    return expect_record(RecordType::long_short_ratio, text_of(row, "symbol"),
                         ms(text_of(row, "timestamp")), 0, out);
  };
  const auto kline = [](const json& result, const json& row) {
    const auto cell = [&](std::size_t i) { return scaled(row.at(i).get<std::string>()); };
    market::Kline out;
    out.open_ns = ms(row.at(0).get<std::string>());
    out.interval_ns = core::ns_per_hour;
    out.open = cell(1), out.high = cell(2), out.low = cell(3), out.close = cell(4);
    out.volume_quote = cell(5), out.volume_base = cell(6);  // inverse: dollars, then coins
    out.is_closed = market::Tristate::yes;                  // the reply was made 18 days later
    return expect_record(RecordType::kline, "inverse:" + text_of(result, "symbol"), out.open_ns, 0,
                         out);
  };
  check("rest_funding_history_btcusdt_2023-03.reserialised.json", "funding-history", "", funding);
  check("doc_rest_history-fund-rate.json", "funding-history", "", funding);
  check("rest_recent_trade_btcusdt_2023-03.reserialised.json", "recent-trade", "", trade);
  check("doc_rest_recent-trade.json", "recent-trade", "", trade);
  check("rest_open_interest_btcusdt_2023-03.reserialised.json", "open-interest", "", interest);
  check("doc_rest_open-interest.json", "open-interest", "1d", interest);
  check("doc_rest_long-short-ratio.json", "account-ratio", "1h", ratio);
  check("doc_rest_kline.json", "kline", "60", kline);
}

TEST(BybitCaptures, DocumentedRepliesFieldByField) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  DecodeSession session(venue::bybit_adapter());
  ASSERT_EQ(session.rest("time", read_text(folder + "/doc_rest_time.json")),
            venue::DecodeStatus::ok);
  EXPECT_TRUE(session.records.empty());

  ASSERT_EQ(session.rest("orderbook", read_text(folder + "/doc_rest_orderbook.json")),
            venue::DecodeStatus::ok);
  market::Book book;
  book.bid_count = book.ask_count = 1;
  book.last_id = 230704;
  book.sequence = 1432604333;
  book.depth = 1;
  expect_same(
      session.records,
      {expect_record(RecordType::book_snapshot, "BTCUSDT", 1716863718905 * core::ns_per_ms,
                     market::flag_snapshot, book, {{65485.47, 47.081829}, {65557.7, 16.606555}})},
      "orderbook");

  const json tickers = json::parse(read_text(folder + "/doc_rest_tickers.json"));
  ASSERT_EQ(session.rest("tickers", tickers.dump()), venue::DecodeStatus::ok);
  const json& row = tickers.at("result").at("list").at(0);
  std::map<std::string, std::string> all;
  for (const auto& [key, value] : row.items()) all[key] = value.get<std::string>();
  expect_same(session.records,
              ticker_records(row, all, "inverse:BTCUSD", {}, 1760352369814 * core::ns_per_ms,
                             market::flag_snapshot, true, true),
              "tickers");
  EXPECT_EQ(session.entry("inverse:BTCUSD").instrument.contract_type,
            market::ContractType::inverse_perpetual);

  ASSERT_EQ(session.rest("instruments-info", read_text(folder + "/doc_rest_instrument.json")),
            venue::DecodeStatus::ok);
  ASSERT_EQ(session.instruments.size(), 1u);
  const market::Instrument& spot = session.instruments[0];
  EXPECT_EQ(spot.native.view(), "spot:BTCUSDT");
  EXPECT_EQ(spot.contract_type, market::ContractType::spot);
  EXPECT_EQ(spot.status, market::InstrumentStatus::live);
  EXPECT_EQ(spot.base.view(), "BTC");
  EXPECT_EQ(spot.quote.view(), "USDT");
  EXPECT_EQ(spot.tick_size, 0.1);
  EXPECT_EQ(spot.lot_size, 0.000001);
  EXPECT_EQ(spot.min_quantity, 0.000011);
  EXPECT_EQ(spot.min_notional, 5);
  EXPECT_EQ(spot.is_primary, 0);

  ASSERT_EQ(
      session.rest("instruments-info", read_text(folder + "/doc_rest_instrument_prelaunch.json")),
      venue::DecodeStatus::ok);
  ASSERT_EQ(session.instruments.size(), 1u);
  const market::Instrument& bio = session.instruments[0];
  EXPECT_EQ(bio.native.view(), "BIOUSDT");
  EXPECT_EQ(bio.base.view(), "BIO");
  EXPECT_EQ(bio.quote.view(), "USDT");
  EXPECT_EQ(bio.settle.view(), "USDT");
  EXPECT_EQ(bio.contract_type, market::ContractType::linear_perpetual);
  EXPECT_EQ(bio.status, market::InstrumentStatus::prelaunch);
  EXPECT_EQ(bio.contract_size, 1);
  EXPECT_EQ(bio.tick_size, 0.0001);
  EXPECT_EQ(bio.lot_size, 1);
  EXPECT_EQ(bio.min_quantity, 1);
  EXPECT_EQ(bio.min_notional, 5);
  EXPECT_EQ(bio.max_leverage, 5);
  EXPECT_EQ(bio.funding_interval_ns, 8 * core::ns_per_hour);
  EXPECT_EQ(bio.listed_ns, 1735032510000 * core::ns_per_ms);
  EXPECT_EQ(bio.delisted_ns, core::unknown_ns);
  EXPECT_EQ(bio.is_primary, 0);
  EXPECT_EQ(bio.is_provisional, 0);
}

TEST(BybitCaptures, FileNamesLeadToTheirEndpoints) {
  PERP_REQUIRE_CAPTURES(folder, "bybit");
  const std::map<std::string, std::string> wanted = {
      {"doc_rest_history-fund-rate.json", "funding-history"},
      {"doc_rest_instrument.json", "instruments-info"},
      {"doc_rest_instrument_prelaunch.json", "instruments-info"},
      {"doc_rest_kline.json", "kline"},
      {"doc_rest_long-short-ratio.json", "account-ratio"},
      {"doc_rest_open-interest.json", "open-interest"},
      {"doc_rest_orderbook.json", "orderbook"},
      {"doc_rest_recent-trade.json", "recent-trade"},
      {"doc_rest_tickers.json", "tickers"},
      {"doc_rest_time.json", "time"},
      {"rest_funding_history_btcusdt_2023-03.reserialised.json", "funding-history"},
      {"rest_open_interest_btcusdt_2023-03.reserialised.json", "open-interest"},
      {"rest_recent_trade_btcusdt_2023-03.reserialised.json", "recent-trade"},
      {"rest_tickers_linear_all_2023-03.reserialised.json", "tickers"}};
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("rest_") == std::string::npos) continue;
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_EQ(endpoint_in_name(venue::bybit_adapter(), name), wanted.at(name)) << name;
  }
}

}  // namespace
}  // namespace perp::test
