#include "sim/text.hpp"

#include <perp/sim/truth.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <iterator>
#include <span>

namespace perp::sim {
namespace {

constexpr std::size_t write_bytes = std::size_t{1} << 16;
constexpr std::string_view header =
    "venue,symbol,minute_ts_ms,o,h,l,c,v_quote,tbv,tsv,oi_usd,pfr,lsr,lqside,lqprice,lqqty,lql,lqs,"
    "oi_coins,mark,trades\n";

/// The quotient of two exact decimals; a division of doubles is the same on every machine.
double quotient(Decimal a, Decimal b) {
  const int digits = a.digits > b.digits ? a.digits : b.digits;
  return static_cast<double>(rescale(a.units, a.digits, digits)) /
         static_cast<double>(rescale(b.units, b.digits, digits));
}

std::string_view liquidated_side(const LiquidationSums& sums) {
  if (sums.long_count != sums.short_count)
    return sums.long_count > sums.short_count ? "long" : "short";
  if (sums.long_notional != sums.short_notional)
    return sums.long_notional > sums.short_notional ? "long" : "short";
  return {};
}

class Line {
 public:
  Line& text(std::string_view value) {
    text_.raw(value).raw(",");
    return *this;
  }
  Line& exact(Decimal value) {
    text_.trimmed(value).raw(",");
    return *this;
  }
  Line& exact(bool is_known, Decimal value) { return is_known ? exact(value) : text({}); }
  Line& number(bool is_known, double value) {
    return is_known ? text(fmt::format("{}", value)) : text({});
  }
  /// The line, its last comma made the end.
  std::string_view finish() {
    text_.truncate(text_.size() - 1);
    return text_.raw("\n").view();
  }

 private:
  Text text_;
};

/// USD of the published open interest: what the venue said, else coins x mark.
Decimal open_interest_usd(const Published& published) {
  if (published.open_interest_value.digits >= 0) return published.open_interest_value;
  constexpr int digits = 6;
  return {multiply(published.open_interest, published.mark, digits), digits};
}

}  // namespace

Truth::Truth(const std::string& path)
    : file_(core::File::open(path, O_WRONLY | O_CREAT | O_TRUNC)), out_(header) {}

void Truth::add(const MarketModel& market, const Bar& bar) {
  const Listing& listing = market.listing();
  const Published& published = market.published;
  const bool has_liquidations = listing.venue != market::VenueId::hyperliquid;
  const int price = listing.coin_price_digits();
  const int quantity = listing.coin_quantity_digits();
  const int notional = listing.notional_digits();
  const LiquidationSums& sums = market.liquidations;
  const std::int64_t forced_quantity = sums.long_quantity + sums.short_quantity;

  Line line;
  line.text(market::find_venue(listing.venue)->key)
      .text(listing.coin->base)
      .exact({bar.open_ms, 0});
  for (const std::int64_t value : {bar.open, bar.high, bar.low, bar.close})
    line.exact({value, price});
  line.exact({bar.notional, notional});
  line.exact({bar.buy_notional, notional}).exact({bar.notional - bar.buy_notional, notional});
  line.exact(published.has_open_interest && published.has_mark, open_interest_usd(published))
      .exact(published.has_rate, published.rate);
  line.number(published.has_ratio,
              published.has_ratio ? quotient(published.ratio_long, published.ratio_short) : 0);
  line.text(has_liquidations ? liquidated_side(sums) : std::string_view{});
  const double mean = forced_quantity == 0
                          ? 0
                          : quotient({sums.long_notional + sums.short_notional, notional},
                                     {forced_quantity, quantity});
  line.number(forced_quantity != 0, mean).exact(has_liquidations, {forced_quantity, quantity});
  line.exact(has_liquidations, {sums.long_notional, notional})
      .exact(has_liquidations, {sums.short_notional, notional});
  line.exact(published.has_open_interest, published.open_interest)
      .exact(published.has_mark, published.mark)
      .exact({bar.fills, 0});
  end_line(line.finish());
}

void Truth::add_past(const MarketModel& market, const Bar& bar) {
  const Listing& listing = market.listing();
  const int price = listing.coin_price_digits();
  const int notional = listing.notional_digits();
  Line line;
  line.text(market::find_venue(listing.venue)->key)
      .text(listing.coin->base)
      .exact({bar.open_ms, 0});
  for (const std::int64_t value : {bar.open, bar.high, bar.low, bar.close})
    line.exact({value, price});
  line.exact({bar.notional, notional})
      .exact({bar.buy_notional, notional})
      .exact({bar.notional - bar.buy_notional, notional});
  for (int unknown = 0; unknown < 10; ++unknown) line.text({});
  line.exact({bar.fills, 0});
  end_line(line.finish());
}

void Truth::end_line(std::string_view line) {
  out_ += line;
  ++rows_;
  if (out_.size() >= write_bytes) drain();
}

void Truth::drain() {
  file_.pwrite_all(std::as_bytes(std::span(out_.data(), out_.size())), written_);
  written_ += out_.size();
  out_.clear();
}

void Truth::finish() { drain(); }

}  // namespace perp::sim
