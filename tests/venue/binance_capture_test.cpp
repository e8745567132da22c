// Every recorded Binance message, decoded and read again independently: each field of each record
// must be equal.
#include "venue/capture.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace perp::venue::test {
namespace {

using market::Level;
using market::RecordType;
using market::Side;

// Coins per named unit, said by hand for the symbols that recordings hold.
int multiplier_shift(const std::string& symbol) {
  if (symbol.starts_with("1000000")) return 6;
  if (symbol.starts_with("1000")) return 3;
  return 0;
}

std::vector<Level> levels(const Json& rows, int shift) {
  std::vector<Level> result;
  for (const Json& row : rows) result.push_back({number(row[0], -shift), number(row[1], shift)});
  return result;
}

/// What a stream has shown so far, kept by the test's own simple rules.
struct Memory {
  struct Event {
    std::int64_t first, last, previous;
  };
  std::map<std::string, std::vector<Event>> events;  ///< all depth events
  std::map<std::string, std::int64_t> snapshot_u;
  std::set<std::string> is_live;
  std::map<std::string, std::uint64_t> counts;  ///< by "e"
};

market::Kline kline_of(const Json& k, int shift) {
  market::Kline kline;
  kline.open_ns = time_of(k["t"]);
  kline.interval_ns = (k["T"].get<std::int64_t>() - k["t"].get<std::int64_t>() + 1) * 1'000'000;
  kline.open = number(k["o"], -shift);
  kline.high = number(k["h"], -shift);
  kline.low = number(k["l"], -shift);
  kline.close = number(k["c"], -shift);
  kline.volume_base = number(k["v"], shift);
  kline.volume_quote = number(k["q"]);
  kline.taker_buy_base = number(k["V"], shift);
  kline.taker_buy_quote = number(k["Q"]);
  kline.trade_count = k["n"].get<std::int64_t>();
  kline.is_closed = k["x"].get<bool>() ? market::Tristate::yes : market::Tristate::no;
  return kline;
}

std::vector<Expected> read(const Json& message, Memory& memory) {
  const Json& data = message.contains("stream") ? message["data"] : message;
  const std::string e = data["e"];
  ++memory.counts[e];
  const std::string symbol = e == "forceOrder" ? data["o"]["s"] : data["s"];
  const int shift = multiplier_shift(symbol);
  std::vector<Expected> result;
  if (e == "bookTicker") {
    market::Bbo bbo;
    bbo.bid_price = number(data["b"], -shift);
    bbo.bid_quantity = number(data["B"], shift);
    bbo.ask_price = number(data["a"], -shift);
    bbo.ask_quantity = number(data["A"], shift);
    bbo.update_id = data["u"];
    result.push_back(expect(RecordType::bbo, symbol, time_of(data["T"]), 0, bbo));
  } else if (e == "trade" || e == "aggTrade") {
    market::Trade trade;
    trade.price = number(data["p"], -shift);
    trade.quantity = number(data["q"], shift);
    trade.taker_side = data["m"].get<bool>() ? Side::sell : Side::buy;
    if (e == "aggTrade") {
      trade.trade_id = data["a"];
      trade.first_id = data["f"];
      trade.last_id = data["l"];
      trade.fill_count = static_cast<std::uint32_t>(trade.last_id - trade.first_id + 1);
      trade.quantity_without_rpi = optional_number(data, "nq", shift);
    } else {
      trade.trade_id = data["t"];
      trade.fill_count = 1;
      if (data["X"] != "MARKET") return result;
    }
    result.push_back(expect(RecordType::trade, symbol, time_of(data["T"]), 0, trade));
  } else if (e == "depthUpdate") {
    market::Book book;
    const auto bids = levels(data["b"], shift);
    const auto asks = levels(data["a"], shift);
    book.first_id = data["U"];
    book.last_id = data["u"];
    book.previous_id = data["pu"];
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    // The rule of the venue's documentation: of all events, before or after the snapshot came, the
    // first to use spans or follows it; from there each one follows its predecessor. Nothing is
    // known before there is a snapshot.
    auto& events = memory.events[symbol];
    events.push_back({book.first_id, book.last_id, book.previous_id});
    market::Continuity continuity = market::Continuity::unchecked;
    if (memory.snapshot_u.contains(symbol)) {
      const std::int64_t snapshot = memory.snapshot_u[symbol];
      const auto used = std::find_if(events.begin(), events.end(), [&](const Memory::Event& event) {
        return event.last >= snapshot &&
               ((event.first <= snapshot && snapshot <= event.last) || event.previous == snapshot);
      });
      if (used == events.end()) {
        EXPECT_LT(book.last_id, snapshot);
        continuity = market::Continuity::stale;
      } else if (memory.is_live.insert(symbol).second) {
        continuity = market::Continuity::restart;
      } else {
        continuity = book.previous_id == events[events.size() - 2].last
                         ? market::Continuity::continuous
                         : market::Continuity::gap;
      }
      for (auto event = used; event != events.end() && event + 1 != events.end(); ++event) {
        EXPECT_EQ(event[1].previous, event->last);
        if (events.end() - event > 3)
          event = events.end() - 3;  // each pair was looked at when it was new
      }
    }
    book.continuity = static_cast<std::uint8_t>(continuity);
    result.push_back(expect(RecordType::book_delta, symbol, time_of(data["T"]), 0, book,
                            level_bytes(bids, asks)));
  } else if (e == "markPriceUpdate") {
    market::MarkPrice price;
    price.mark_price = number(data["p"], -shift);
    price.mark_average = optional_number(data, "ap", -shift);
    price.settle_estimate = number(data["P"], -shift);
    price.index_price = number(data["i"], -shift);
    result.push_back(expect(RecordType::mark_price, symbol, time_of(data["E"]), 0, price));
    market::Funding funding;
    funding.rate = number(data["r"]);
    funding.funding_ns = time_of(data["T"]);
    funding.kind = market::FundingKind::predicted;
    result.push_back(expect(RecordType::funding, symbol, time_of(data["E"]), 0, funding));
  } else if (e == "kline") {
    result.push_back(
        expect(RecordType::kline, symbol, time_of(data["E"]), 0, kline_of(data["k"], shift)));
  } else if (e == "forceOrder") {
    const Json& o = data["o"];
    market::Liquidation liquidation;
    liquidation.price = number(o["p"], -shift);
    liquidation.average_price = number(o["ap"], -shift);
    liquidation.quantity = number(o["q"], shift);
    liquidation.filled_quantity = number(o["z"], shift);
    liquidation.order_side = o["S"] == "SELL" ? Side::sell : Side::buy;
    liquidation.position_side =
        o["S"] == "SELL" ? market::PositionSide::long_side : market::PositionSide::short_side;
    result.push_back(expect(RecordType::liquidation, symbol, time_of(o["T"]), market::flag_sampled,
                            liquidation));
  } else if (e == "24hrTicker" || e == "24hrMiniTicker") {
    market::Ticker ticker;
    ticker.last_price = number(data["c"], -shift);
    ticker.open_24h = number(data["o"], -shift);
    ticker.high_24h = number(data["h"], -shift);
    ticker.low_24h = number(data["l"], -shift);
    ticker.volume_base_24h = number(data["v"], shift);
    ticker.volume_quote_24h = number(data["q"]);
    if (e == "24hrTicker") {
      ticker.change_24h = number(data["p"], -shift);
      ticker.change_fraction_24h = number(data["P"], -2);
      ticker.vwap_24h = number(data["w"], -shift);
      ticker.last_quantity = number(data["Q"], shift);
      ticker.open_ns = time_of(data["O"]);
      ticker.close_ns = time_of(data["C"]);
      ticker.trade_count_24h = data["n"];
    }
    result.push_back(expect(RecordType::ticker, symbol, time_of(data["E"]), 0, ticker));
  } else {
    ADD_FAILURE() << "the test does not know " << e;
  }
  return result;
}

Expected read_depth(const Json& data, const std::string& symbol, Memory& memory) {
  market::Book book;
  const auto bids = levels(data["bids"], multiplier_shift(symbol));
  const auto asks = levels(data["asks"], multiplier_shift(symbol));
  book.last_id = data["lastUpdateId"];
  book.bid_count = static_cast<std::uint32_t>(bids.size());
  book.ask_count = static_cast<std::uint32_t>(asks.size());
  book.continuity = static_cast<std::uint8_t>(market::Continuity::restart);
  memory.snapshot_u[symbol] = book.last_id;
  return expect(RecordType::book_snapshot, symbol, time_of(data["T"]), market::flag_snapshot, book,
                level_bytes(bids, asks));
}

/// Plays lines, comparing every record. @returns the number of snapshot lines.
std::size_t play(VenueState& state, const std::vector<Line>& lines, const std::string& symbol,
                 Memory& memory) {
  RecordSink sink;
  std::size_t snapshots = 0;
  for (const Line& line : lines) {
    const Json message = Json::parse(line.payload);
    sink.reset();
    if (message.contains("lastUpdateId")) {
      ++snapshots;
      EXPECT_EQ(decode(state, line.payload, sink, line.receive_ns), DecodeStatus::unknown_stream);
      EXPECT_EQ(sink.record_count(), 0U);
      EXPECT_EQ(
          decode_rest(state, {.endpoint = "depth", .symbol = symbol, .receive_ns = line.receive_ns},
                      line.payload, sink),
          DecodeStatus::ok);
      if (!matches(state, sink, {read_depth(message, symbol, memory)}, line.receive_ns,
                   line.payload))
        return snapshots;
      continue;
    }
    const DecodeStatus status = decode(state, line.payload, sink, line.receive_ns);
    EXPECT_EQ(status, DecodeStatus::ok)
        << name_of(status) << " " << state.fault_field << " " << line.payload.substr(0, 300);
    if (!matches(state, sink, read(message, memory), line.receive_ns, line.payload))
      return snapshots;
  }
  return snapshots;
}

void expect_counts(const VenueState& state, const Memory& memory, std::size_t snapshots) {
  std::uint64_t counted = 0;
  for (const auto& [event, count] : memory.counts) {
    EXPECT_EQ(messages_of(state, event), count) << event;
    counted += count;
  }
  EXPECT_EQ(messages_of(state, "rest_depth"),
            snapshots * 2);  // refused as a frame, taken as a reply
  EXPECT_EQ(messages_total(state), counted + snapshots * 2);
  EXPECT_EQ(state.decode_errors, snapshots);
  EXPECT_EQ(state.duplicates, 0U);
  EXPECT_EQ(state.gaps, 0U);
}

struct Recording {
  const char* file;
  const char* symbol;
  std::map<std::string, std::uint64_t> counts;  ///< as the recording's own description says
};

TEST(BinanceCapture, EveryFieldOfTheCombinedRecordings) {
  PERP_REQUIRE_CAPTURES(dir);
  const Recording recordings[] = {
      {"ws_combined_btcusdt_2024-08-08.tsv",
       "BTCUSDT",
       {{"bookTicker", 12088}, {"trade", 2501}, {"depthUpdate", 1148}}},
      {"ws_combined_ethusdt_2024-07-18.tsv",
       "ETHUSDT",
       {{"bookTicker", 9089}, {"trade", 1640}, {"depthUpdate", 3273}}},
      {"ws_combined_btcusdt_2023-04-04.tsv",
       "BTCUSDT",
       {{"bookTicker", 6765}, {"trade", 2197}, {"depthUpdate", 4322}, {"markPriceUpdate", 99}}},
  };
  for (const Recording& recording : recordings) {
    SCOPED_TRACE(recording.file);
    VenueState state(binance_adapter());
    Memory memory;
    const auto lines = split_lines(read_file(*dir + "/binance/" + recording.file), '\t');
    const std::size_t snapshots = play(state, lines, recording.symbol, memory);
    EXPECT_EQ(snapshots, 1U);
    EXPECT_EQ(memory.counts, recording.counts);
    expect_counts(state, memory, snapshots);
    EXPECT_EQ(state.provisional_instruments, 1U);
    EXPECT_EQ(state.instruments.size(), 1U);
    EXPECT_EQ(state.other_instruments, 0U);
  }
}

TEST(BinanceCapture, EveryFieldOfTheSplitRecordings) {
  PERP_REQUIRE_CAPTURES(dir);
  const std::pair<const char*, std::uint64_t> files[] = {{"ws_aggtrade_2021-07.tsv", 48},
                                                         {"ws_depth_2021-07.tsv", 444},
                                                         {"ws_bookticker_2021-07.tsv", 393},
                                                         {"ws_kline_1m_2021-07.tsv", 30}};
  for (const auto& [file, count] : files) {
    SCOPED_TRACE(file);
    VenueState state(binance_adapter());
    Memory memory;
    const auto lines = split_lines(read_file(*dir + "/binance/" + file), '\t');
    EXPECT_EQ(lines.size(), count);
    play(state, lines, "", memory);
    expect_counts(state, memory, 0);
    EXPECT_EQ(state.instruments.size(), 2U);
  }
}

TEST(BinanceCapture, ASnapshotTakenDuringTheStreamJoinsIt) {
  PERP_REQUIRE_CAPTURES(dir);
  VenueState state(binance_adapter());
  RecordSink sink;
  const auto lines = split_lines(read_file(*dir + "/binance/ws_depth_2021-07.tsv"), '\t');
  const std::pair<const char*, std::int64_t> snapshots[] = {{"sushiusdt", 1626992741301402000},
                                                            {"akrousdt", 1626992741475372000}};
  std::size_t next = 0;
  std::map<std::string, int> restarts;
  for (const Line& line : lines) {
    while (next < 2 && line.receive_ns > snapshots[next].second) {
      sink.reset();
      const std::string body =
          read_file(*dir + "/binance/rest_depth_" + snapshots[next].first + "_2021-07.json");
      ASSERT_EQ(
          decode_rest(state, {.endpoint = "depth", .symbol = snapshots[next].first}, body, sink),
          DecodeStatus::ok);
      const auto* book = only<market::Book>(sink, RecordType::book_snapshot);
      EXPECT_EQ(book->bid_count, Json::parse(body)["bids"].size());
      EXPECT_NE(book->continuity, static_cast<std::uint8_t>(market::Continuity::gap));
      ++next;
    }
    sink.reset();
    ASSERT_EQ(decode(state, line.payload, sink, line.receive_ns), DecodeStatus::ok);
    const auto* book = only<market::Book>(sink, RecordType::book_delta);
    if (book->continuity == static_cast<std::uint8_t>(market::Continuity::restart))
      ++restarts[Json::parse(line.payload)["data"]["s"]];
  }
  EXPECT_EQ(next, 2U);
  EXPECT_EQ(restarts["SUSHIUSDT"], 1);
  EXPECT_EQ(restarts["AKROUSDT"], 1);
  EXPECT_EQ(state.gaps, 0U);
}

TEST(BinanceCapture, EveryFieldOfTheFramesOf2026) {
  PERP_REQUIRE_CAPTURES(dir);
  VenueState state(binance_adapter());
  Memory memory;
  const auto lines = split_lines(read_file(*dir + "/binance/ws_frames_2026.jsonl"), '\t');
  EXPECT_EQ(lines.size(), 6U);
  play(state, lines, "", memory);
  expect_counts(state, memory, 0);
}

TEST(BinanceCapture, DocumentationExamples) {
  PERP_REQUIRE_CAPTURES(dir);
  VenueState state(binance_adapter());
  Memory memory;
  auto lines = split_lines(read_file(*dir + "/binance/doc_examples.jsonl"), '\t');
  ASSERT_EQ(lines.size(), 5U);
  RecordSink sink;
  EXPECT_EQ(decode(state, lines[2].payload, sink), DecodeStatus::ok);
  EXPECT_EQ(messages_of(state, "ack"), 1U);
  EXPECT_EQ(decode(state, lines[3].payload, sink), DecodeStatus::ok);
  EXPECT_EQ(messages_of(state, "list"), 1U);
  EXPECT_EQ(decode(state, lines[4].payload, sink), DecodeStatus::venue_error);
  EXPECT_EQ(messages_of(state, "error"), 1U);
  EXPECT_EQ(state.decode_errors, 0U);
  EXPECT_EQ(sink.record_count(), 0U);
  lines.resize(2);
  play(state, lines, "", memory);
  EXPECT_EQ(memory.counts.size(), 2U);
}

TEST(BinanceCapture, EveryFieldOfTheLongRecording) {
  PERP_REQUIRE_CAPTURES(dir);
  const auto text = gunzip(*dir + "/history/binance_um_raw_ws_btcusdt_20240808.txt.gz");
  if (!text.has_value()) GTEST_SKIP() << "no gunzip, or no file";
  VenueState state(binance_adapter());
  Memory memory;
  const auto lines = split_lines(*text, ' ');
  EXPECT_EQ(lines.size(), 93954U);
  const std::size_t snapshots = play(state, lines, "BTCUSDT", memory);
  const std::map<std::string, std::uint64_t> counts{
      {"depthUpdate", 6551}, {"bookTicker", 66089}, {"trade", 21313}};
  EXPECT_EQ(memory.counts, counts);
  expect_counts(state, memory, snapshots);
}

}  // namespace
}  // namespace perp::venue::test
