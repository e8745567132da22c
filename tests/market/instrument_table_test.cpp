// Goal: identities and multipliers are decided once, here. Truth: the names that venues really
// list.
#include <perp/core/error.hpp>
#include <perp/market/instrument_table.hpp>

#include <gtest/gtest.h>

#include <string>

namespace perp::market {
namespace {

Instrument perpetual(std::string_view native, std::string_view base, std::string_view quote) {
  Instrument instrument;
  EXPECT_TRUE(instrument.native.assign(native));
  EXPECT_TRUE(instrument.base.assign(base));
  EXPECT_TRUE(instrument.quote.assign(quote));
  EXPECT_TRUE(instrument.settle.assign(quote));
  instrument.contract_type = ContractType::linear_perpetual;
  instrument.status = InstrumentStatus::live;
  return instrument;
}

TEST(SplitMultiplier, KnowsTheFormsThatVenuesUse) {
  const auto expect = [](std::string_view name, bool k_prefix, std::string_view coin,
                         int exponent) {
    const AssetName split = split_multiplier(name, k_prefix);
    EXPECT_EQ(split.coin, coin) << name;
    EXPECT_EQ(split.multiplier.mantissa, 1u) << name;
    EXPECT_EQ(split.multiplier.exponent, exponent) << name;
  };
  expect("1000PEPE", false, "PEPE", 3);
  expect("10000NFT", false, "NFT", 4);
  expect("1000000MOG", false, "MOG", 6);
  expect("1MBABYDOGE", false, "BABYDOGE", 6);
  expect("SHIB1000", false, "SHIB", 3);
  expect("1000SATS", false, "SATS", 3);
  expect("1INCH", false, "1INCH", 0);
  expect("1000", false, "1000", 0);
  expect("2Z", false, "2Z", 0);
  expect("0G", false, "0G", 0);
  expect("BTC", true, "BTC", 0);
  expect("kPEPE", true, "PEPE", 3);
  expect("kPEPE", false, "kPEPE", 0);
  expect("kaito", true, "kaito", 0);
}

TEST(InstrumentTable, KeepsIdsAndDecidesOnePrimaryPerBase) {
  InstrumentTable table(VenueId::binance);
  bool changed = false;
  const std::uint32_t first =
      table.define(perpetual("BTCUSDT", "BTC", "USDT"), {}, true, {}, changed).id;
  EXPECT_TRUE(changed);
  EXPECT_EQ(first, 1u << 24);
  const auto& usdc = table.define(perpetual("BTCUSDC", "BTC", "USDC"), {}, true, {}, changed);
  EXPECT_EQ(usdc.instrument.is_primary, 0) << "quoted in USDC on a USDT venue";
  EXPECT_EQ(table.find("BTCUSDT")->instrument.is_primary, 1);
  const auto& again = table.define(perpetual("BTCUSDT", "BTC", "USDT"), {}, true, {}, changed);
  EXPECT_FALSE(changed);
  EXPECT_EQ(again.id, first);
  const auto& second =
      table.define(perpetual("1000BTCUSDT", "BTC", "USDT"), {}, true, {1, 3}, changed);
  EXPECT_EQ(second.instrument.is_primary, 0) << "the base has a primary already";
  EXPECT_EQ(second.instrument.multiplier, 1000);
  EXPECT_EQ(table.find("NOPE"), nullptr);
}

TEST(InstrumentTable, AnUnknownContractSizeLeavesQuantitiesUnknown) {
  InstrumentTable table(VenueId::okx);
  bool changed = false;
  auto& entry = table.define(perpetual("BTC-USDT-SWAP", "BTC", "USDT"), {}, false, {}, changed);
  EXPECT_FALSE(entry.has_quantity_factor);
  EXPECT_TRUE(entry.instrument.contract_size != entry.instrument.contract_size);
  auto& known = table.define(perpetual("BTC-USDT-SWAP", "BTC", "USDT"), {1, -2}, true, {}, changed);
  EXPECT_TRUE(changed);
  EXPECT_TRUE(known.has_quantity_factor);
  EXPECT_EQ(known.quantity_factor.exponent, -2);
}

TEST(InstrumentTable, WhatIsDelistedKeepsItsIdAndMayComeBack) {
  InstrumentTable table(VenueId::binance);
  bool changed = false;
  const Instrument facts = perpetual("BTCUSDT", "BTC", "USDT");
  const std::uint32_t id = table.define(facts, {}, true, {}, changed).id;
  EXPECT_EQ(table.delist("ETHUSDT"), nullptr);
  const InstrumentEntry* gone = table.delist("BTCUSDT");
  ASSERT_NE(gone, nullptr);
  EXPECT_EQ(gone->id, id);
  EXPECT_EQ(gone->instrument.status, InstrumentStatus::delisted);
  EXPECT_EQ(gone->instrument.is_primary, 0);
  EXPECT_EQ(table.delist("BTCUSDT"), nullptr) << "once";
  const InstrumentEntry& back = table.define(facts, {}, true, {}, changed);
  EXPECT_TRUE(changed);
  EXPECT_EQ(back.id, id);
  EXPECT_EQ(back.instrument.is_primary, 1);
}

TEST(InstrumentTable, RestoresWhatAJournalKnows) {
  InstrumentTable table(VenueId::okx);
  Instrument pepe = perpetual("PEPE-USDT-SWAP", "PEPE", "USDT");
  pepe.contract_size = 10'000'000;
  pepe.is_primary = 1;
  const auto& entry = table.restore(3u << 24, pepe);
  EXPECT_TRUE(entry.has_quantity_factor);
  EXPECT_EQ(entry.quantity_factor.exponent, 7);
  EXPECT_EQ(table.find("PEPE-USDT-SWAP"), &entry);
  EXPECT_THROW(table.restore((3u << 24) + 5, pepe), core::Error) << "a hole in the ids";
  EXPECT_THROW(table.restore(1u << 24, pepe), core::Error) << "another venue's id";
}

TEST(CanonicalId, NamesVenueCoinAndQuote) {
  EXPECT_EQ(canonical_id(VenueId::binance, perpetual("1000PEPEUSDT", "PEPE", "USDT")),
            "binance:PEPE-USDT-PERP");
  Instrument inverse = perpetual("BTC-USD-SWAP", "BTC", "USD");
  inverse.contract_type = ContractType::inverse_perpetual;
  ASSERT_TRUE(inverse.settle.assign("BTC"));
  EXPECT_EQ(canonical_id(VenueId::okx, inverse), "okx:BTC-USD-PERP:BTC");
  Instrument spot = perpetual("BTC-USDT", "BTC", "USDT");
  spot.contract_type = ContractType::spot;
  EXPECT_EQ(canonical_id(VenueId::okx, spot), "okx:BTC-USDT-SPOT");
}

TEST(Text, RefusesWhatDoesNotFit) {
  Text<4> text;
  EXPECT_TRUE(text.assign("abcd"));
  EXPECT_EQ(text.view(), "abcd");
  EXPECT_FALSE(text.assign("abcde"));
  EXPECT_EQ(text.view(), "abcd") << "a refusal leaves the text alone";
}

}  // namespace
}  // namespace perp::market
