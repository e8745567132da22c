// Goal: every number is told as std::to_chars tells it. Method: both, side by side, over the
// decimals of markets, over any bits, and around each bound of the fast way.
#include "app/shortest_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <limits>
#include <random>
#include <string>

namespace perp::app::testing {
namespace {

std::string ours(double value) {
  std::array<char, 32> text;
  return {text.data(), write_shortest(text.data(), value)};
}
std::string theirs(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

TEST(ShortestText, IsWhatToCharsWrites) {
  std::mt19937_64 random(20);
  const auto expect_same = [](double value) {
    for (const double one : {value, -value}) ASSERT_EQ(ours(one), theirs(one));
  };
  for (const double edge :
       {0.0, 1e-3, 1e-4, 1e11, 9.999e-4, 0.0011, 0.00105, 99'999'999'999.9999, 0.1 + 0.2, 1e15,
        5e-324, std::numeric_limits<double>::max(), std::numeric_limits<double>::infinity()}) {
    expect_same(edge);
    expect_same(std::nextafter(edge, 0.0));
    expect_same(std::nextafter(edge, 1e300));
  }
  ASSERT_EQ(ours(std::nan("")), theirs(std::nan("")));
  for (std::uint64_t whole = 0; whole < 20'000; ++whole) expect_same(static_cast<double>(whole));
  for (int i = 0; i < 300'000; ++i) {
    // k decimals of up to 15 digits, and their neighbours, which need 17.
    const auto digits = static_cast<std::int64_t>(random() >> (random() % 50 + 14));
    const double decimal = static_cast<double>(digits) /
                           std::array{1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e8}[random() % 7];
    expect_same(decimal);
    expect_same(std::nextafter(decimal, 1e300));
    const double any = std::bit_cast<double>(random());
    if (!std::isnan(any)) expect_same(any);
  }
}

}  // namespace
}  // namespace perp::app::testing
