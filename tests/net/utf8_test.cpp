// The validator against a decoder of RFC 3629 written by the definition: code point by code point.
#include <perp/core/prng.hpp>
#include <perp/net/utf8.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace perp::net {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string encode(unsigned code_point) {
  std::string out;
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 63));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 63));
    put(0x80 | (code_point & 63));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 63));
    put(0x80 | (code_point >> 6 & 63));
    put(0x80 | (code_point & 63));
  }
  return out;
}

// Decodes, then encodes again: what is not the same was not the shortest form.
bool is_utf8_by_definition(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t size = first < 0x80   ? 1U
                             : first < 0xc0 ? 0U
                             : first < 0xe0 ? 2U
                             : first < 0xf0 ? 3U
                             : first < 0xf8 ? 4U
                                            : 0U;
    if (size == 0 || size > text.size()) return false;
    unsigned code_point = size == 1 ? first : first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xc0) != 0x80) return false;
      code_point = code_point << 6 | (byte & 63);
    }
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) return false;
    if (encode(code_point) != text.substr(0, size)) return false;
    text.remove_prefix(size);
  }
  return true;
}

TEST(Utf8, KnowsEveryCodePointAndEverySurrogate) {
  for (unsigned code_point = 0; code_point < 0x120000; ++code_point) {
    const std::string text = encode(code_point);
    ASSERT_EQ(is_utf8(bytes_of(text)), is_utf8_by_definition(text)) << std::hex << code_point;
  }
}

TEST(Utf8, AgreesWithTheDefinitionOnEveryThreeBytesAndAnyFourth) {
  for (unsigned word = 0; word < 1U << 24; ++word) {
    const char text[4] = {static_cast<char>(word >> 16), static_cast<char>(word >> 8),
                          static_cast<char>(word), static_cast<char>(0x80 | (word * 37 & 63))};
    if (static_cast<unsigned char>(text[0]) < 0x80) continue;
    const std::size_t size = static_cast<unsigned char>(text[0]) >= 0xf0 ? 4 : 3;
    ASSERT_EQ(is_utf8(bytes_of({text, size})), is_utf8_by_definition({text, size}))
        << std::hex << word;
  }
}

TEST(Utf8, FindsOneWrongByteAtEveryPlaceOfEveryLength) {
  for (std::size_t size = 1; size < 300; ++size) {
    std::string text(size, 'a');
    ASSERT_TRUE(is_utf8(bytes_of(text))) << size;
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\xff';
      ASSERT_FALSE(is_utf8(bytes_of(text))) << at << " of " << size;
      text[at] = '\xc3';
      ASSERT_FALSE(is_utf8(bytes_of(text))) << at << " of " << size;
      text[at] = 'a';
    }
  }
}

TEST(Utf8, GivesOneAnswerHoweverATextIsCut) {
  core::Prng random(20261125);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const std::size_t parts = random.below(30);
    for (std::size_t i = 0; i < parts; ++i) {
      if (random.chance(0.5)) text += std::string(random.below(90), 'x');
      text += encode(static_cast<unsigned>(random.below(random.chance(0.5) ? 0x800 : 0x110000)));
    }
    if (random.chance(0.3) && !text.empty())
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    Utf8Validator validator;
    bool is_valid = true;
    for (std::size_t at = 0; at < text.size() && is_valid;) {
      const std::size_t piece = 1 + random.below(70);
      is_valid = validator.feed(bytes_of(std::string_view(text).substr(at, piece)));
      at += piece;
    }
    const bool expected = is_utf8_by_definition(text);
    ASSERT_EQ(is_valid && validator.is_complete(), expected) << "round " << round;
    ASSERT_EQ(is_utf8(bytes_of(text)), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace perp::net
