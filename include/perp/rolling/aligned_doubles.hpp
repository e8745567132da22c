#pragma once
// The memory of rolling windows and banks: doubles that begin at a cache line and are padded to
// whole vectors, so that kernels of every instruction set load and store them without a remainder.
// Made once, by the owner of the window, on a cold path; large ones lie on huge pages where the
// kernel grants them. Never grows.
#include <perp/core/page_memory.hpp>

#include <cstddef>
#include <limits>
#include <memory>
#include <new>

namespace perp::rolling {

inline constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// A cache line, and the widest vector that any kernel is compiled for.
inline constexpr std::size_t vector_bytes = 64;
inline constexpr std::size_t vector_doubles = vector_bytes / sizeof(double);

/// `count` rounded up to whole vectors.
constexpr std::size_t padded(std::size_t count) noexcept {
  return (count + vector_doubles - 1) / vector_doubles * vector_doubles;
}

class AlignedDoubles {
 public:
  AlignedDoubles() = default;
  /// `count` doubles, rounded up to whole vectors, each `fill`. @throws std::bad_alloc,
  /// core::Error.
  AlignedDoubles(std::size_t count, double fill);

  double* data() noexcept { return data_; }
  const double* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  void swap(AlignedDoubles& other) noexcept;

 private:
  struct Free {
    void operator()(double* memory) const noexcept {
      ::operator delete[](memory, std::align_val_t{vector_bytes});
    }
  };
  std::unique_ptr<double[], Free> small_;
  std::unique_ptr<core::PageMemory> large_;
  double* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace perp::rolling
