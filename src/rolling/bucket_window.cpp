#include <perp/core/error.hpp>
#include <perp/rolling/bucket_window.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace perp::rolling {
namespace {

// The running bucket has no row; a window of one bucket still needs a ring.
WindowRule ended_rule(const BucketRule& rule) {
  return {.capacity = std::max<std::size_t>(rule.bucket_count - 1, 1),
          .span = static_cast<std::int64_t>(rule.bucket_count),
          .min_count = 1};
}

}  // namespace

const BucketRule& detail::checked(const BucketRule& rule) {
  if (rule.width < 1) throw core::Error("bucket window", "", "a bucket's width is below 1");
  if (rule.min_count == 0 || rule.min_count > rule.bucket_count)
    throw core::Error("bucket window", "", "min_count must be 1 to the number of buckets");
  return rule;
}

BucketWindow::BucketWindow(const BucketRule& rule)
    : rule_(detail::checked(rule)),
      ended_(ended_rule(rule), row_doubles),
      highs_(ended_.rule()),
      lows_(ended_.rule()) {}

void BucketWindow::drop_left(std::int64_t bucket) noexcept {
  while (ended_.has_left(bucket)) {
    const auto* row = ended_.oldest();
    const std::uint64_t position = ended_.oldest_position();
    highs_.remove(position, row + offsetof(Bucket, high) / sizeof(double));
    lows_.remove(position, row + offsetof(Bucket, low) / sizeof(double));
    counts_.remove(position, row + offsetof(Bucket, count) / sizeof(double));
    sums_.remove(position, row + offsetof(Bucket, sum) / sizeof(double));
    if (ended_.drop_oldest(bucket)) {
      sums_ = fresh_sums_;
      fresh_sums_ = {};
    }
  }
}

bool BucketWindow::go_to(std::int64_t bucket) noexcept {
  if (!is_begun_) {
    is_begun_ = true;
    first_index_ = running_index_ = bucket;
    return true;
  }
  if (bucket <= running_index_) return bucket == running_index_;
  drop_left(bucket);
  // The bucket that ends gets a row, unless it had no sample or is itself out of the window.
  const bool stays = running_index_ > bucket - ended_.rule().span;
  if (stays && (running_.count != 0)) {
    const std::uint64_t position = ended_.next_position();
    highs_.add(position, &running_.high);
    lows_.add(position, &running_.low);
    counts_.add(position, &running_.count);
    sums_.add(position, &running_.sum);
    if (ended_.is_next_fresh()) fresh_sums_.add(position, &running_.sum);
    std::memcpy(ended_.append(running_index_), &running_, sizeof running_);
  }
  running_ = {};
  running_index_ = bucket;
  return true;
}

bool BucketWindow::push_at(std::int64_t time, double value, double amount) noexcept {
  if (!go_to(detail::bucket_of(time, rule_.width))) return false;
  if (is_present(value)) {
    const double x = value + 0.0;
    if (!is_present(running_.open)) running_.open = running_.high = running_.low = x;
    running_.high = std::max(running_.high, x);
    running_.low = std::min(running_.low, x);
    close_ = x;
  }
  if (is_present(amount)) running_.sum += amount;
  running_.count += 1;
  return true;
}

double BucketWindow::open() const noexcept {
  if (!is_known() || !has_value()) return missing;
  // The oldest bucket with a value; buckets whose samples had none are rare.
  const std::size_t capacity = ended_.rule().capacity;
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    const double first = ended_.row((ended_.oldest_slot() + i) % capacity)[0];
    if (is_present(first)) return first;
  }
  return running_.open;
}

double BucketWindow::high() const noexcept {
  return is_known() ? std::fmax(highs_.max(), running_.high) : missing;
}

double BucketWindow::low() const noexcept {
  return is_known() ? std::fmin(lows_.min(), running_.low) : missing;
}

double BucketWindow::sum() const noexcept {
  if (!is_known()) return missing;
  return detail::finite_or_missing((sums_.count() == 0 ? 0 : sums_.sum()) + running_.sum);
}

double BucketWindow::count() const noexcept {
  if (!is_known()) return missing;
  return (counts_.count() == 0 ? 0 : counts_.sum()) + running_.count;
}

}  // namespace perp::rolling
