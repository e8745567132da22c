// Goal: every recorded or documented OKX reply becomes the right records, oldest first. Method as
// in okx_capture_test.cpp.
#include "venue/okx_expectations.hpp"

namespace perp::test::okx {
namespace {

using market::RecordType;

TEST(OkxCaptures, TheInstrumentListRowByRow) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  const std::string text = read_text(folder + "/rest_public_instruments_SWAP.json");
  DecodeSession session(venue::okx_adapter());
  ASSERT_EQ(session.rest("instruments", text), venue::DecodeStatus::ok)
      << session.state.fault_field;
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
    wanted.contract_type = is_linear ? market::ContractType::linear_perpetual
                                     : market::ContractType::inverse_perpetual;
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
  ASSERT_EQ(session.rest("funding-rate", text), venue::DecodeStatus::ok)
      << session.state.fault_field;
  std::vector<Seen> wanted;
  const json rows = json::parse(text).at("data");
  ASSERT_EQ(rows.size(), 322u);
  for (const json& row : rows) expect_funding(row, market::flag_snapshot, wanted);
  ASSERT_EQ(wanted.size(), 644u);
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const Seen& a, const Seen& b) { return a.exchange_ns < b.exchange_ns; });
  expect_same(session.records, wanted, "funding-rate ANY");
}

TEST(OkxCaptures, SeriesGoOutOldestFirst) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  Model model;
  model.sizes = contract_sizes(folder);
  const auto check = [&](const std::string& file, const std::string& endpoint,
                         const std::string& symbol, const std::string& period, auto row_record) {
    DecodeSession session(venue::okx_adapter());
    Model loaded;
    load_list(session, loaded, folder);
    for (const std::string& text : read_messages(folder + "/" + file)) {
      ASSERT_EQ(session.rest(endpoint, text, symbol, period), venue::DecodeStatus::ok)
          << file << " " << session.state.fault_field;
      std::vector<Seen> wanted;
      const json rows = json::parse(text).at("data");
      for (auto row = rows.rbegin(); row != rows.rend(); ++row) wanted.push_back(row_record(*row));
      std::stable_sort(wanted.begin(), wanted.end(),
                       [](const Seen& a, const Seen& b) { return a.exchange_ns < b.exchange_ns; });
      expect_same(session.records, wanted, file);
      EXPECT_EQ(session.count("rest_" + endpoint), 1u) << file;
      // Without what the body does not say there is nobody to whom it could belong.
      if (!symbol.empty()) {
        EXPECT_EQ(session.rest(endpoint, text, "", period), venue::DecodeStatus::missing_field)
            << file;
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
  check("rest_rubik_long-short-account-ratio-contract_BTC-USDT-SWAP_1D.json",
        "long-short-account-ratio-contract", swap, "1D", ratio(market::RatioKind::global_account));
  check("rest_rubik_top-trader-account-ratio_BTC-USDT-SWAP_1D.json",
        "long-short-account-ratio-contract-top-trader", swap, "1D",
        ratio(market::RatioKind::top_account));
  check("rest_rubik_open-interest-history_BTC-USDT-SWAP_1D.json", "open-interest-history", swap,
        "1D", [&](const json& row) {
          market::OpenInterest out;
          out.contracts = scaled(cell(row, 1));
          out.quantity = scaled(cell(row, 2));
          out.notional = scaled(cell(row, 3));
          out.period_ns = core::ns_per_day;
          return expect_record(RecordType::open_interest, swap, ms(cell(row, 0)), 0, out);
        });
  check("rest_rubik_taker-volume-contract_BTC-USDT-SWAP_1D.json", "taker-volume-contract", swap,
        "1D", [&](const json& row) {
          market::TakerVolume out;
          out.sell_base = model.coins(swap, cell(row, 1));
          out.buy_base = model.coins(swap, cell(row, 2));
          out.period_ns = core::ns_per_day;
          return expect_record(RecordType::taker_volume, swap, ms(cell(row, 0)), 0, out);
        });
  const auto candle = [&](const std::string& native) {
    return [&, native](const json& row) {
      return expect_record(RecordType::kline, native, ms(cell(row, 0)), 0,
                           candle_of(row, native, core::ns_per_minute));
    };
  };
  check("rest_market_candles_2025.jsonl", "candles", "BTC-USDT", "1m", candle("BTC-USDT"));
  check("rest_nautilus_http_get_candlesticks_full.json", "candles", swap, "1m", candle(swap));
  check("docs_rest_GetKlines.json", "candles", swap, "1m", candle(swap));
  check("docs_rest_GetKlineHistory.json", "history-candles", "BTC-USDT", "1m", candle("BTC-USDT"));
  const auto trade = [&](const json& row) {
    market::Trade fill = trade_of(model, row);  // a reply's rows are fills
    fill.fill_count = 1;
    fill.first_id = fill.last_id = fill.trade_id;
    return expect_record(RecordType::trade, row.at("instId"), ms(text_of(row, "ts")), 0, fill);
  };
  check("rest_nautilus_http_get_trades.json", "trades", "", "", trade);
  check("docs_rest_GetRecentTrades.json", "trades", "", "", trade);
  check("docs_rest_GetFundingRateHistory.json", "funding-rate-history", "", "",
        [&](const json& row) {
          market::Funding out;
          out.rate = scaled(text_of(row, "realizedRate"));
          out.funding_ns = ms(text_of(row, "fundingTime"));
          out.kind = market::FundingKind::settled;
          return expect_record(RecordType::funding, row.at("instId"), out.funding_ns, 0, out);
        });
  const auto interest = [&](const json& row) {
    return expect_record(RecordType::open_interest, row.at("instId"), ms(text_of(row, "ts")),
                         market::flag_snapshot, interest_of(row));
  };
  check("rest_public_open-interest_BTC-USDT-SWAP.json", "open-interest", "", "", interest);
  const auto mark = [&](const json& row) {
    market::MarkPrice out;
    out.mark_price = scaled(text_of(row, "markPx"));
    return expect_record(RecordType::mark_price, row.at("instId"), ms(text_of(row, "ts")),
                         market::flag_snapshot, out);
  };
  check("rest_nautilus_http_get_mark_price.json", "mark-price", "", "", mark);
  check("docs_rest_GetMarkPrices.json", "mark-price", "", "", mark);
  check("rest_nautilus_http_get_index_price.json", "index-tickers", "", "", [&](const json& row) {
    market::MarkPrice out;
    out.index_price = scaled(text_of(row, "idxPx"));
    return expect_record(RecordType::mark_price, text_of(row, "instId") + "-SWAP",
                         ms(text_of(row, "ts")), market::flag_snapshot, out);
  });
  check("docs_rest_GetOrderBook.json", "books", swap, "", [&](const json& row) {
    market::Book book;
    book.bid_count = book.ask_count = 1;
    book.depth = 1;
    return expect_record(RecordType::book_snapshot, swap, ms(text_of(row, "ts")),
                         market::flag_snapshot, book, levels_of(model, swap, row));
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
  const std::string interests =
      read_messages(folder + "/rest_public_open-interest_SWAP_2022.jsonl").at(0);
  const json interest_rows = json::parse(interests).at("data");
  for (const json& row : interest_rows)
    wanted.push_back(expect_record(RecordType::open_interest, row.at("instId"),
                                   ms(text_of(row, "ts")), market::flag_snapshot,
                                   interest_of(row)));
  ASSERT_EQ(session.rest("open-interest", interests), venue::DecodeStatus::ok);
  expect_same(session.records, wanted, "open-interest of 2022");
}

TEST(OkxCaptures, WhatIsNoInstrumentsFactIsCheckedAndCounted) {
  PERP_REQUIRE_CAPTURES(folder, "okx");
  DecodeSession session(venue::okx_adapter());
  const std::map<std::string, std::string> files = {
      {"rest_rubik_long-short-account-ratio_BTC_1D.json", "long-short-account-ratio"},
      {"rest_rubik_open-interest-volume_BTC_1D.json", "open-interest-volume"},
      {"rest_rubik_taker-volume_BTC_CONTRACTS_1D.json", "taker-volume"},
      {"docs_rest_GetRubikTakerVolume.json", "taker-volume"},
      {"docs_rest_GetPositionTiers.json", "position-tiers"},
      {"rest_public_insurance-fund_SWAP_BTC-USD.json", "insurance-fund"}};
  for (const auto& [file, endpoint] : files) {
    const std::string text = read_text(folder + "/" + file);
    EXPECT_EQ(session.rest(endpoint, text, "BTC", "1D"), venue::DecodeStatus::ok)
        << file << " " << session.state.fault_field;
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
      {"docs_rest_GetFundingRateHistory.json", "funding-rate-history"},
      {"docs_rest_GetKlineHistory.json", "history-candles"},
      {"docs_rest_GetKlines.json", "candles"},
      {"docs_rest_GetMarkPrices.json", "mark-price"},
      {"docs_rest_GetOrderBook.json", "books"},
      {"docs_rest_GetPositionTiers.json", "position-tiers"},
      {"docs_rest_GetRecentTrades.json", "trades"},
      {"docs_rest_GetRubikTakerVolume.json", "taker-volume"},
      {"docs_rest_GetTickers.json", "tickers"},
      {"rest_market_candles_2025.jsonl", "candles"},
      {"rest_nautilus_http_get_candlesticks_full.json", "candles"},
      {"rest_nautilus_http_get_index_price.json", "index-tickers"},
      {"rest_nautilus_http_get_mark_price.json", "mark-price"},
      {"rest_nautilus_http_get_trades.json", "trades"},
      {"rest_public_funding-rate_ANY.json", "funding-rate"},
      {"rest_public_instruments_SWAP.json", "instruments"},
      {"rest_public_insurance-fund_SWAP_BTC-USD.json", "insurance-fund"},
      {"rest_public_open-interest_BTC-USDT-SWAP.json", "open-interest"},
      {"rest_public_open-interest_SWAP_2022.jsonl", "open-interest"},
      {"rest_rubik_long-short-account-ratio-contract_BTC-USDT-SWAP_1D.json",
       "long-short-account-ratio-contract"},
      {"rest_rubik_long-short-account-ratio_BTC_1D.json", "long-short-account-ratio"},
      {"rest_rubik_open-interest-history_BTC-USDT-SWAP_1D.json", "open-interest-history"},
      {"rest_rubik_open-interest-volume_BTC_1D.json", "open-interest-volume"},
      {"rest_rubik_taker-volume-contract_BTC-USDT-SWAP_1D.json", "taker-volume-contract"},
      {"rest_rubik_taker-volume_BTC_CONTRACTS_1D.json", "taker-volume"},
      {"rest_rubik_top-trader-account-ratio_BTC-USDT-SWAP_1D.json",
       "long-short-account-ratio-contract-top-trader"}};
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("rest_") == std::string::npos) continue;
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_EQ(endpoint_in_name(venue::okx_adapter(), name), wanted.at(name)) << name;
  }
}

}  // namespace
}  // namespace perp::test::okx
