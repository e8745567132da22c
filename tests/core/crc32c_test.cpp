#include <perp/core/crc32c.hpp>

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace {

using perp::core::crc32c;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// The definition, bit by bit: remainder of the reflected polynomial 0x1EDC6F41.
std::uint32_t by_definition(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

// RFC 3720 B.4 and the check value of the CRC catalogues.
TEST(Crc32c, AgreesWithPublishedVectors) {
  std::vector<std::byte> counting(32);
  for (std::size_t i = 0; i < 32; ++i) counting[i] = static_cast<std::byte>(i);
  const std::vector<std::byte> falling(counting.rbegin(), counting.rend());
  EXPECT_EQ(crc32c(std::vector<std::byte>(32)), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
  EXPECT_EQ(crc32c(counting), 0x46dd794eu);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
  std::vector<std::byte> scsi(48);
  for (const auto& [at, value] : {std::pair{0, 0x01},
                                  {1, 0xc0},
                                  {16, 0x14},
                                  {22, 0x04},
                                  {27, 0x14},
                                  {31, 0x18},
                                  {32, 0x28},
                                  {40, 0x02}})
    scsi[static_cast<std::size_t>(at)] = static_cast<std::byte>(value);
  EXPECT_EQ(crc32c(scsi), 0xd9963a56u);
}

TEST(Crc32c, BothWaysAgreeWithTheDefinitionAtEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  std::vector<std::byte> data(20'000);
  for (auto& byte : data) byte = static_cast<std::byte>(random());
  const auto check = [&](std::size_t at, std::size_t length) {
    const auto part = std::span(data).subspan(at, length);
    const std::uint32_t expected = by_definition(part);
    ASSERT_EQ(perp::core::detail::crc32c_portable(part, 0), expected) << at << " " << length;
    if (perp::core::has_hardware_crc32c()) {
      ASSERT_EQ(perp::core::detail::crc32c_hardware(part, 0), expected) << at << " " << length;
    }
  };
  for (std::size_t length = 0; length < 900; ++length) check(length % 9, length);
  for (const std::size_t length : {6143u, 6144u, 6145u, 6528u, 12288u, 19000u}) check(3, length);
}

TEST(Crc32c, ContinuesOverAnySplit) {
  std::mt19937_64 random(2);
  std::vector<std::byte> data(9000);
  for (auto& byte : data) byte = static_cast<std::byte>(random());
  const std::uint32_t whole = by_definition(data);
  for (std::size_t cut = 0; cut <= data.size(); cut += 37) {
    const auto all = std::span<const std::byte>(data);
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), whole) << cut;
  }
}

}  // namespace
