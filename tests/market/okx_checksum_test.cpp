#include "market/recorded.hpp"

#include <perp/market/okx_checksum.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace perp::market {
namespace {

using testing::read_messages;

TEST(Crc32, MatchesThePublishedCheckValues) {
  // "check" of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
  EXPECT_EQ(crc32("123456789"), 0xCBF43926U);
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(crc32("456789", crc32("123")), 0xCBF43926U);
}

TEST(CompareDecimalText, OrdersByValueWhateverTheSpelling) {
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  EXPECT_EQ(compare_decimal_text("1", "1.0"), 0);
  EXPECT_EQ(compare_decimal_text("0001.50", "1.5"), 0);
  EXPECT_EQ(compare_decimal_text("0", "0.000"), 0);
  EXPECT_LT(compare_decimal_text("9.99", "10"), 0);
  EXPECT_GT(compare_decimal_text("0.11", "0.109999999999999999"), 0);
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000;
       ++i) {  // up to 15 digits, where double is exact enough to be the judge
    const auto draw = [&] {
      std::string text = std::to_string(random() % 1000);
      if (random() % 2 != 0) text += "." + std::to_string(random() % 1'000'000);
      return text;
    };
    const std::string a = draw();
    const std::string b = draw();
    const double left = std::stod(a);
    const double right = std::stod(b);
    ASSERT_EQ(sign(compare_decimal_text(a, b)), left < right   ? -1
                                                : left > right ? 1
                                                               : 0)
        << a << " " << b;
  }
}

TEST(OkxChecksumBook, RefusesWhatIsNoPlainDecimal) {
  OkxChecksumBook book;
  for (const char* text : {"", "-1", "+1", "1e5", ".5", "5.", "1.2.3", "abc", "1 ", "NaN",
                           "1234567890123456789012345"}) {
    EXPECT_FALSE(book.set_bid(text, "1")) << text;
    EXPECT_FALSE(book.set_ask("1", text)) << text;
  }
  EXPECT_EQ(book.bid_count() + book.ask_count(), 0U);
  EXPECT_TRUE(book.set_bid("123456789012345678901234", "0.1"));
}

TEST(OkxChecksumBook, FollowsTheDocumentedStringOnUnevenSides) {
  // The documentation's two examples of the string for uneven sides.
  OkxChecksumBook book;
  EXPECT_EQ(book.checksum(), 0);
  ASSERT_TRUE(book.set_bid("3366.1", "7"));
  for (const auto& [price, size] : {std::pair{"3366.8", "9"}, {"3368", "8"}, {"3372", "8"}})
    ASSERT_TRUE(book.set_ask(price, size));
  EXPECT_EQ(book.checksum(), static_cast<std::int32_t>(crc32("3366.1:7:3366.8:9:3368:8:3372:8")));
  ASSERT_TRUE(book.set_bid("3366", "6"));
  EXPECT_EQ(book.checksum(),
            static_cast<std::int32_t>(crc32("3366.1:7:3366.8:9:3366:6:3368:8:3372:8")));
}

TEST(OkxChecksumBook, DeletesByValueAndDropsTheWorstBeyondItsLimit) {
  OkxChecksumBook book(25);
  ASSERT_TRUE(book.set_bid("5.0", "1"));
  ASSERT_TRUE(book.set_bid("5", "0.00"));
  EXPECT_EQ(book.bid_count(), 0U);
  ASSERT_TRUE(book.set_bid("6", "0"));  // unknown: normal
  for (int i = 1; i <= 30; ++i) ASSERT_TRUE(book.set_ask(std::to_string(i), "1"));
  EXPECT_EQ(book.ask_count(), 25U);
  EXPECT_EQ(book.levels_dropped(), 5U);
  std::string text;
  for (int i = 1; i <= 25; ++i) text += (i > 1 ? ":" : "") + std::to_string(i) + ":1";
  EXPECT_EQ(book.checksum(), static_cast<std::int32_t>(crc32(text)));
}

// Every checksum the venue sent in the recording is the judge.
TEST(OkxChecksumBook, VerifiesEveryRecordedMessage) {
  PERP_REQUIRE_CAPTURES(dir);
  std::map<std::string, OkxChecksumBook> books;
  int verified = 0;
  for (const auto& message : read_messages(dir + "/okx/ws_books_2022-05-13.tsv")) {
    const auto& json = message.json;
    OkxChecksumBook& book =
        books.try_emplace(json["arg"]["instId"].get<std::string>()).first->second;
    const auto& data = json["data"][0];
    if (json["action"] == "snapshot") book.clear();
    for (const auto& level : data["bids"])
      ASSERT_TRUE(book.set_bid(level[0].get<std::string>(), level[1].get<std::string>()));
    for (const auto& level : data["asks"])
      ASSERT_TRUE(book.set_ask(level[0].get<std::string>(), level[1].get<std::string>()));
    ASSERT_EQ(book.checksum(), data["checksum"].get<std::int32_t>()) << "message " << verified;
    ++verified;
  }
  EXPECT_EQ(verified, 197);
  EXPECT_EQ(books.size(), 2U);
}

}  // namespace
}  // namespace perp::market
