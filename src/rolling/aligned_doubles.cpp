#include <perp/rolling/aligned_doubles.hpp>

#include <algorithm>
#include <utility>

namespace perp::rolling {
namespace {

constexpr std::size_t large_bytes = std::size_t{1} << 20;

}  // namespace

AlignedDoubles::AlignedDoubles(std::size_t count, double fill) : size_(padded(count)) {
  const std::size_t size_bytes = size_ * sizeof(double);
  if (size_bytes == 0) return;
  if (size_bytes >= large_bytes) {
    large_ = std::make_unique<core::PageMemory>(size_bytes, "rolling window");
    data_ = reinterpret_cast<double*>(large_->data());
  } else {
    small_.reset(
        static_cast<double*>(::operator new[](size_bytes, std::align_val_t{vector_bytes})));
    data_ = small_.get();
  }
  std::fill_n(data_, size_, fill);
}

void AlignedDoubles::swap(AlignedDoubles& other) noexcept {
  std::swap(small_, other.small_);
  std::swap(large_, other.large_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
}

}  // namespace perp::rolling
