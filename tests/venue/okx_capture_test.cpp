// Goal: every frame of the OKX recordings becomes the right records, and every checksum of 2022 is
// found right. Method: okx_expectations.hpp reads each text in another way; every byte of every
// record must agree.
#include "venue/okx_expectations.hpp"

namespace perp::test::okx {
namespace {

const std::map<std::string, std::size_t> frame_files = {
    {"ws_books_2022-05-13.tsv", 197},  {"ws_trades_2022-05-13.tsv", 50},
    {"ws_tickers_2022-05-13.tsv", 27}, {"ws_control_acks_2022-05-13.tsv", 18},
    {"ws_swap_2026-08-12.jsonl", 5},   {"ws_liquidation-orders_2026.jsonl", 3},
    {"ws_misc_2025.jsonl", 17},        {"ws_misc_2022.jsonl", 6},
    {"ws_misc_tardis.jsonl", 17}};

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
      EXPECT_EQ(venue::name_of(status), kind == "error" ? "venue_error" : "ok")
          << where << " " << session.state.fault_field;
      EXPECT_EQ(session.kind(), kind) << where;
      expect_same(session.records, wanted, where);
    }
    for (const auto& [kind, messages_of_kind] : kinds)
      EXPECT_EQ(session.count(kind), messages_of_kind) << name;
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

}  // namespace
}  // namespace perp::test::okx
