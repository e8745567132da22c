// Rolling numbers without the rest of perp: one series as its trades come, and a market of four as
// its minutes close. Build it against an installed perp: cmake -S examples/rolling
// -B build/rolling -DCMAKE_PREFIX_PATH=PREFIX
#include <perp/rolling/change_bank.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rolling.hpp>
#include <perp/rolling/rsi_bank.hpp>
#include <perp/rolling/sum_banks.hpp>
#include <perp/rolling/sums.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

using namespace perp;

namespace {

constexpr std::int64_t second = 1'000'000'000;  // times are nanoseconds

/// One series: a minute's volume-weighted price by time, and the last 50 trades' spread by count.
void follow_trades() {
  rolling::Rolling<rolling::Vwap> minute(rolling::last_span(60 * second, 60, 1'024));
  rolling::Rolling<rolling::Moments> prices(rolling::last_rows(50));
  rolling::Rolling<rolling::Quantiles> sizes(rolling::last_rows(50));
  for (int i = 0; i < 200; ++i) {
    const double price = 100 + i % 8;
    const double quantity = 1 + i % 4;
    if (!minute.push_at(i * second, price, quantity)) std::puts("a trade of the past");
    prices.push(price);
    sizes.push(quantity);
  }
  std::printf("vwap of a minute %.3f, median size %g, deviation %.4f, 110 is %.3f of them up\n",
              minute.value().price(), sizes.value().median(), prices.value().deviation(),
              prices.value().z_score(110));
  minute.advance(300 * second);  // nobody trades any more
  std::printf("vwap after a quiet minute %s\n",
              std::isnan(minute.value().price()) ? "unknown" : "wrong");
}

/// What cannot be computed is NaN, never 0: here nothing varies, so there is no deviation.
std::string text(double x) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.3f", x);
  return std::isnan(x) ? "undefined" : digits.data();
}

/// A market: one lane per series. The third misses a minute now and then, the fourth stands still.
void follow_market() {
  constexpr std::size_t series = 4;
  constexpr std::array<std::int64_t, 2> windows{1, 5};
  rolling::ChangeBank changes(series, 1, windows);
  rolling::MomentBank closes(rolling::last_rows(20), series);
  rolling::RsiBank rsi({.period = 14}, series);
  std::vector<double> close(series);
  for (std::int64_t minute = 0; minute < 60; ++minute) {
    const auto m = static_cast<double>(minute);
    close = {100 + m, 100 - m, minute % 10 == 3 ? rolling::missing : 100 + 4 * std::fmod(m, 3), 7};
    const std::array<std::span<const double>, 1> columns{close};
    if (!changes.push(minute, columns) || !rsi.push(minute, close)) std::puts("time went back");
    closes.push(close);
  }
  std::vector<double> z(series);
  closes.z_score(z);
  for (std::size_t s = 0; s < series; ++s)
    std::printf("series %zu: %s %% in a minute, %s %% in five, rsi %s, z %s\n", s,
                text(changes.changes(0, 0)[s]).c_str(), text(changes.changes(0, 1)[s]).c_str(),
                text(rsi.values()[s]).c_str(), text(z[s]).c_str());
}

}  // namespace

int main() {
  follow_trades();
  follow_market();
}
