#include <perp/core/histogram.hpp>
#include <perp/core/time.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace perp::core {
namespace {

std::uint64_t magnitude_of(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

}  // namespace

Histogram::Histogram() : positive_(bucket_count), negative_(bucket_count) {}

// Below 2 * sub_buckets a bucket is one value; above, the highest 7 bits of a value choose its
// bucket.
std::size_t Histogram::bucket_of(std::uint64_t magnitude) noexcept {
  if (magnitude < 2 * sub_buckets) return static_cast<std::size_t>(magnitude);
  const int shift = static_cast<int>(std::bit_width(magnitude)) - 1 - sub_bucket_bits;
  return (static_cast<std::size_t>(shift) << sub_bucket_bits) +
         static_cast<std::size_t>(magnitude >> shift);
}

std::uint64_t Histogram::middle_of(std::size_t bucket) noexcept {
  if (bucket < 2 * sub_buckets) return bucket;
  const std::size_t shift = (bucket >> sub_bucket_bits) - 1;
  const std::uint64_t low = (sub_buckets + (bucket & (sub_buckets - 1))) << shift;
  return low + (std::uint64_t{1} << shift) / 2;
}

void Histogram::record(std::int64_t value_ns, std::uint64_t times) noexcept {
  if (times == 0) return;
  if (value_ns == unknown_ns) {
    unknown_count_ += times;
    return;
  }
  if (value_ns < 0) {
    negative_[bucket_of(magnitude_of(value_ns))] += times;
    negative_count_ += times;
  } else {
    positive_[bucket_of(static_cast<std::uint64_t>(value_ns))] += times;
  }
  min_ = count_ == 0 ? value_ns : std::min(min_, value_ns);
  max_ = count_ == 0 ? value_ns : std::max(max_, value_ns);
  count_ += times;
  sum_high_ += (value_ns >> 32) * static_cast<std::int64_t>(times);
  sum_low_ += (static_cast<std::uint64_t>(value_ns) & 0xffffffffU) * times;
}

void Histogram::merge(const Histogram& other) noexcept {
  unknown_count_ += other.unknown_count_;
  if (other.count_ == 0) return;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    positive_[i] += other.positive_[i];
    negative_[i] += other.negative_[i];
  }
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  negative_count_ += other.negative_count_;
  sum_high_ += other.sum_high_;
  sum_low_ += other.sum_low_;
}

Histogram Histogram::since(const Histogram& earlier) const {
  Histogram made;
  made.unknown_count_ = unknown_count_ - earlier.unknown_count_;
  made.count_ = count_ - earlier.count_;
  made.negative_count_ = negative_count_ - earlier.negative_count_;
  made.sum_high_ = sum_high_ - earlier.sum_high_;
  made.sum_low_ = sum_low_ - earlier.sum_low_;
  if (made.count_ == 0) return made;
  bool is_first = true;
  const auto extend = [&](std::uint64_t magnitude, bool is_negative) {
    const auto value = static_cast<std::int64_t>(
        std::min<std::uint64_t>(magnitude, std::numeric_limits<std::int64_t>::max()));
    made.max_ = std::clamp(is_negative ? -value : value, min_, max_);
    if (is_first) made.min_ = made.max_;
    is_first = false;
  };
  for (std::size_t i = bucket_count; i-- > 0;)
    if ((made.negative_[i] = negative_[i] - earlier.negative_[i]) > 0) extend(middle_of(i), true);
  for (std::size_t i = 0; i < bucket_count; ++i)
    if ((made.positive_[i] = positive_[i] - earlier.positive_[i]) > 0) extend(middle_of(i), false);
  return made;
}

void Histogram::reset() noexcept {
  std::fill(positive_.begin(), positive_.end(), 0);
  std::fill(negative_.begin(), negative_.end(), 0);
  count_ = negative_count_ = unknown_count_ = sum_low_ = 0;
  min_ = max_ = sum_high_ = 0;
}

std::int64_t Histogram::min() const noexcept { return count_ == 0 ? unknown_ns : min_; }
std::int64_t Histogram::max() const noexcept { return count_ == 0 ? unknown_ns : max_; }

double Histogram::mean() const noexcept {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const long double sum =
      static_cast<long double>(sum_high_) * 4294967296.0L + static_cast<long double>(sum_low_);
  return static_cast<double>(sum / static_cast<long double>(count_));
}

std::int64_t Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return unknown_ns;
  if (!(percent > 0)) return min_;
  if (percent >= 100) return max_;
  const auto wanted =
      static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_)));
  const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count_);
  if (rank == 1) return min_;
  if (rank == count_) return max_;
  std::uint64_t seen = 0;
  // The bucket's middle, but never beyond a value that was really recorded. Magnitudes stay within
  // int64 there.
  const auto within = [this](std::uint64_t magnitude, bool is_negative) {
    const auto value = static_cast<std::int64_t>(
        std::min<std::uint64_t>(magnitude, std::numeric_limits<std::int64_t>::max()));
    return std::clamp(is_negative ? -value : value, min_, max_);
  };
  if (rank <= negative_count_) {
    for (std::size_t i = bucket_count; i-- > 0;)
      if ((seen += negative_[i]) >= rank) return within(middle_of(i), true);
  }
  seen = negative_count_;
  for (std::size_t i = 0; i < bucket_count; ++i)
    if ((seen += positive_[i]) >= rank) return within(middle_of(i), false);
  return max_;
}

std::uint64_t Histogram::count_at_most(std::int64_t limit_ns) const noexcept {
  std::uint64_t total = 0;
  if (limit_ns < 0) {
    for (std::size_t i = bucket_of(magnitude_of(limit_ns)); i < bucket_count; ++i)
      total += negative_[i];
    return total;
  }
  total = negative_count_;
  for (std::size_t i = 0, last = bucket_of(static_cast<std::uint64_t>(limit_ns)); i <= last; ++i)
    total += positive_[i];
  return total;
}

}  // namespace perp::core
