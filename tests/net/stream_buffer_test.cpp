// Random writes and takes against a std::string that holds the same bytes.
#include <perp/core/prng.hpp>
#include <perp/net/stream_buffer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace perp::net {
namespace {

std::string text_of(const StreamBuffer& buffer) {
  const auto data = buffer.data();
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

void append(StreamBuffer& buffer, std::string_view text) {
  const std::span<std::byte> room = buffer.writable(text.size());
  ASSERT_GE(room.size(), text.size());
  std::memcpy(room.data(), text.data(), text.size());
  buffer.commit(text.size());
}

TEST(StreamBuffer, HoldsWhatWasWrittenAndNotTakenInOrder) {
  core::Prng random(20261125);
  StreamBuffer buffer(5000, 64);
  std::string expected;
  for (int step = 0; step < 20'000; ++step) {
    std::string piece(random.below(200), '\0');
    for (char& c : piece) c = static_cast<char>('a' + random.below(26));
    if (expected.size() + piece.size() <= buffer.limit()) {
      append(buffer, piece);
      expected += piece;
    }
    const std::size_t taken = random.below(expected.size() + 1);
    buffer.consume(taken);
    expected.erase(0, taken);
    ASSERT_EQ(text_of(buffer), expected) << "step " << step;
  }
}

TEST(StreamBuffer, RefusesMoreThanItsLimitAndKeepsWhatItHas) {
  StreamBuffer buffer(100, 16);
  append(buffer, std::string(60, 'x'));
  EXPECT_TRUE(buffer.writable(41).empty());
  EXPECT_GE(buffer.writable(40).size(), 40U);
  EXPECT_EQ(text_of(buffer), std::string(60, 'x'));
  buffer.consume(60);
  EXPECT_GE(buffer.writable(100).size(), 100U);
  EXPECT_TRUE(buffer.writable(101).empty());
}

TEST(StreamBuffer, HasReadableBytesBehindTheDataAtEveryFill) {
  StreamBuffer buffer(64, 64);
  append(buffer, std::string(64, 'y'));
  unsigned sum = 0;  // the address sanitizer watches these loads
  const std::byte* const end = buffer.data().data() + buffer.data().size();
  for (std::size_t i = 0; i < StreamBuffer::slack; ++i) sum += static_cast<unsigned>(end[i]);
  EXPECT_LE(sum, 255U * StreamBuffer::slack);
}

TEST(StreamBuffer, StopsAllocatingOnceItHasGrown) {
  StreamBuffer buffer(1 << 20, 1024);
  append(buffer, std::string(5000, 'z'));
  const std::size_t grown = buffer.capacity();
  for (int i = 0; i < 1000; ++i) {
    buffer.consume(buffer.data().size());
    append(buffer, std::string(5000, 'z'));
  }
  EXPECT_EQ(buffer.capacity(), grown);
}

}  // namespace
}  // namespace perp::net
