#include <perp/core/platform.hpp>
#include <perp/rolling/bucket_bank.hpp>

#include <algorithm>

namespace perp::rolling {
namespace {

// Unlike BucketWindow's, this window ends with the last bucket that has ended: what it holds goes
// by the time of that one. The running bucket has no row; a window of one bucket never gets one.
WindowRule ended_rule(const BucketRule& rule) {
  const std::size_t ended = std::max<std::size_t>(detail::checked(rule).bucket_count - 1, 1);
  return {.capacity = ended, .span = static_cast<std::int64_t>(ended), .min_count = 1};
}

double greater(double a, double b) noexcept { return !is_present(a) || b > a ? b : a; }
double lesser(double a, double b) noexcept { return !is_present(a) || b < a ? b : a; }

}  // namespace

BucketBank::BucketBank(const BucketRule& rule, std::size_t series_count)
    : rule_(rule),
      series_count_(series_count),
      lane_count_(padded(series_count)),
      opens_(ended_rule(rule), lane_count_),
      highs_(opens_.rule(), series_count),
      lows_(opens_.rule(), series_count),
      sums_(opens_.rule(), series_count),
      counts_(opens_.rule(), series_count),
      open_positions_(std::make_unique<std::uint64_t[]>(series_count)),
      running_(static_cast<std::size_t>(Row::row_count) * lane_count_, missing) {
  begin_bucket();
}

void BucketBank::begin_bucket() noexcept {
  for (const Row row : {Row::open, Row::high, Row::low})
    std::fill_n(running(row), lane_count_, missing);
  for (const Row row : {Row::sum, Row::count}) std::fill_n(running(row), lane_count_, 0.0);
  is_empty_ = true;
}

const double* BucketBank::open_of(std::uint64_t position) const noexcept {
  const std::size_t slot =
      opens_.oldest_slot() + static_cast<std::size_t>(position - opens_.oldest_position());
  return opens_.row(slot < opens_.rule().capacity ? slot : slot - opens_.rule().capacity);
}

void BucketBank::end_bucket() noexcept {
  const auto column = [&](Row row) { return std::span(running(row), series_count_); };
  while (opens_.must_drop(running_index_)) opens_.drop_oldest(running_index_);
  std::copy_n(running(Row::open), lane_count_, opens_.append(running_index_));
  highs_.push_at(running_index_, column(Row::high));
  lows_.push_at(running_index_, column(Row::low));
  // A lane without samples adds zeros, so that a sum is missing only after an overflow.
  sums_.push_at(running_index_, column(Row::sum));
  counts_.push_at(running_index_, column(Row::count));
}

// Each series' place only moves forward: amortised one step per bucket.
void BucketBank::find_opens() noexcept {
  for (std::size_t s = 0; s < series_count_; ++s) {
    std::uint64_t& position = open_positions_[s];
    position = std::max(position, opens_.oldest_position());
    while (position != opens_.next_position() && !is_present(open_of(position)[s])) ++position;
  }
}

bool BucketBank::go_to(std::int64_t bucket) noexcept {
  if (!is_begun_) {
    is_begun_ = true;
    first_index_ = running_index_ = bucket;
    return true;
  }
  if (bucket <= running_index_) return bucket == running_index_;
  if (!is_empty_) {
    if (rule_.bucket_count > 1) end_bucket();
    begin_bucket();
  }
  running_index_ = bucket;
  while (opens_.has_left(bucket - 1)) opens_.drop_oldest(bucket - 1);
  opens_.advance(bucket - 1);
  highs_.advance(bucket - 1);
  lows_.advance(bucket - 1);
  sums_.advance(bucket - 1);
  counts_.advance(bucket - 1);
  find_opens();
  return true;
}

void BucketBank::take(std::size_t series, double value, double amount) noexcept {
  is_empty_ = false;
  if (is_present(value)) {
    const double x = value + 0.0;
    double& open = running(Row::open)[series];
    if (!is_present(open)) open = x;
    double& high = running(Row::high)[series];
    high = greater(high, x);
    double& low = running(Row::low)[series];
    low = lesser(low, x);
    running(Row::close)[series] = x;
  }
  if (is_present(amount)) running(Row::sum)[series] += amount;
  running(Row::count)[series] += 1;
}

bool BucketBank::push_at(std::size_t series, std::int64_t time, double value,
                         double amount) noexcept {
  PERP_ASSERT(series < series_count_);
  if (!advance(time)) return false;
  take(series, value, amount);
  return true;
}

bool BucketBank::push_at(std::int64_t time, std::span<const double> values,
                         std::span<const double> amounts) noexcept {
  PERP_ASSERT(values.size() == series_count_ && amounts.size() == series_count_);
  if (!advance(time)) return false;
  for (std::size_t s = 0; s < series_count_; ++s)
    if (is_present(values[s]) || is_present(amounts[s])) take(s, values[s], amounts[s]);
  return true;
}

void BucketBank::open(std::span<double> out) const noexcept {
  const double* const now = running(Row::open);
  for (std::size_t s = 0; s < std::min(out.size(), series_count_); ++s) {
    const bool is_ended = open_positions_[s] != opens_.next_position();
    out[s] = !is_known() ? missing : is_ended ? open_of(open_positions_[s])[s] : now[s];
  }
}

void BucketBank::high(std::span<double> out) const noexcept {
  highs_.max(out);
  const double* const now = running(Row::high);
  for (std::size_t s = 0; s < std::min(out.size(), series_count_); ++s)
    out[s] = is_known() ? greater(out[s], now[s]) : missing;
}

void BucketBank::low(std::span<double> out) const noexcept {
  lows_.min(out);
  const double* const now = running(Row::low);
  for (std::size_t s = 0; s < std::min(out.size(), series_count_); ++s)
    out[s] = is_known() ? lesser(out[s], now[s]) : missing;
}

void BucketBank::close(std::span<double> out) const noexcept {
  high(out);  // missing where there is no value in the window
  const double* const last = running(Row::close);
  for (std::size_t s = 0; s < std::min(out.size(), series_count_); ++s)
    if (is_present(out[s])) out[s] = last[s];
}

void BucketBank::add_running(Row row, bool is_any_ended, std::span<double> out) const noexcept {
  const double* const now = running(row);
  for (std::size_t s = 0; s < std::min(out.size(), series_count_); ++s) {
    const double all = (is_any_ended ? out[s] : 0) + now[s];
    out[s] = is_known() ? detail::finite_or_missing(all) : missing;
  }
}

void BucketBank::sum(std::span<double> out) const noexcept {
  sums_.sum(out);
  add_running(Row::sum, !sums_.window().is_empty(), out);
}

void BucketBank::count(std::span<double> out) const noexcept {
  counts_.sum(out);
  add_running(Row::count, !counts_.window().is_empty(), out);
}

}  // namespace perp::rolling
