// Images that must be refused, and what the fold may not do per record: allocate.
#include "state/random_tape.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

namespace perp::test {
namespace {

std::vector<std::byte> image_of(const Played& run) {
  std::vector<std::byte> image;
  run.state.save(image);
  return image;
}

TEST(Image, IsRefusedIfAnyByteIsWrongAndLeavesTheStateAlone) {
  const Played run(RandomTape(1, 2).tape);
  const std::vector<std::byte> good = image_of(run);
  Played other(RandomTape(2, 2).tape);
  const std::vector<std::byte> before = image_of(other);
  for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 1013) {
    std::vector<std::byte> bad = good;
    bad[at] ^= std::byte{0x10};
    ASSERT_THROW(other.state.load(bad), core::Error) << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{55}, std::size_t{56}, good.size() - 1})
    ASSERT_THROW(other.state.load(std::span(good).first(size)), core::Error) << size;
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  ASSERT_THROW(other.state.load(longer), core::Error);
  EXPECT_EQ(image_of(other), before);
  other.state.load(good);
  EXPECT_EQ(image_of(other), good);
}

TEST(Image, OfOtherOptionsIsRefusedByName) {
  const std::vector<std::byte> image = image_of(Played(RandomTape(1, 2).tape));
  for (const state::StateOptions& options :
       {state::StateOptions{.rsi_period = 14}, state::StateOptions{.rsi_flat = 0},
        state::StateOptions{.close_grace_ns = 3 * s}}) {
    state::MarketState state(options);
    try {
      state.load(image);
      FAIL();
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find("rsi_period 11"), std::string::npos) << error.what();
    }
  }
}

TEST(Options, OutOfRangeAreRefused) {
  for (const state::StateOptions& options :
       {state::StateOptions{.rsi_period = 1}, state::StateOptions{.rsi_period = 201},
        state::StateOptions{.rsi_flat = 51}, state::StateOptions{.close_grace_ns = -1},
        state::StateOptions{.close_grace_ns = min + 1}})
    EXPECT_THROW(state::MarketState{options}, core::Error);
  EXPECT_NO_THROW((state::MarketState{
      state::StateOptions{.rsi_period = 200, .rsi_flat = 100, .close_grace_ns = min}}));
}

// Method: the first half hour warms up, then not one call of malloc until the end: trades, candles,
// samples, closes, late data, revisions.
TEST(Fold, AllocatesNothingPerRecord) {
  if (!malloc_is_counted()) GTEST_SKIP() << "a sanitizer has its own malloc";
  const RandomTape random(3);
  state::MarketState state{state::StateOptions{}};
  state::DerivedSink sink;
  const std::size_t half = random.tape.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    state.apply(random.tape[i], sink);
    sink.reset();
  }
  const std::uint64_t before = malloc_count();
  for (std::size_t i = half; i < random.tape.size(); ++i) {
    state.apply(random.tape[i], sink);
    sink.reset();
  }
  EXPECT_EQ(malloc_count(), before);
}

}  // namespace
}  // namespace perp::test
