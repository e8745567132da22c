#pragma once
// Least and greatest of a window, for `Rolling`. Two monotonic queues: what can still become the
// least (ascending) and the greatest (descending). A push drops what it beats, so each sample
// enters and leaves once: amortised constant time, whatever the window's length. Exact. Negative
// zero counts as zero.
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace perp::rolling {

/// Inputs: x.
class Extrema {
 public:
  static constexpr std::size_t input_count = 1;
  static constexpr bool is_resummed = false;

  Extrema() = default;
  explicit Extrema(const WindowRule& rule)
      : mask_(std::bit_ceil(rule.capacity) - 1), least_(mask_ + 1), greatest_(mask_ + 1) {}

  void add(std::uint64_t position, const double* row) noexcept {
    const double x = row[0] + 0.0;
    if (!is_present(x)) return;
    ++count_;
    least_.push(mask_, position, x, [](double a, double b) { return a >= b; });
    greatest_.push(mask_, position, x, [](double a, double b) { return a <= b; });
  }
  void remove(std::uint64_t position, const double* row) noexcept {
    if (!is_present(row[0])) return;
    --count_;
    least_.pop(mask_, position);
    greatest_.pop(mask_, position);
  }

  double count() const noexcept { return static_cast<double>(count_); }
  double min() const noexcept { return count_ == 0 ? missing : least_.front(mask_).value; }
  double max() const noexcept { return count_ == 0 ? missing : greatest_.front(mask_).value; }

 private:
  struct Candidate {
    std::uint64_t position;
    double value;
  };
  class Queue {
   public:
    Queue() = default;
    explicit Queue(std::size_t capacity) : ring_(std::make_unique<Candidate[]>(capacity)) {}

    template <class IsBeaten>
    void push(std::size_t mask, std::uint64_t position, double x, IsBeaten is_beaten) noexcept {
      while (back_ != front_ && is_beaten(ring_[(back_ - 1) & mask].value, x)) --back_;
      ring_[back_++ & mask] = {position, x};
    }
    void pop(std::size_t mask, std::uint64_t position) noexcept {
      if (ring_[front_ & mask].position == position) ++front_;
    }
    const Candidate& front(std::size_t mask) const noexcept { return ring_[front_ & mask]; }

   private:
    std::unique_ptr<Candidate[]> ring_;
    std::size_t front_ = 0;
    std::size_t back_ = 0;
  };

  std::size_t mask_ = 0;
  std::size_t count_ = 0;
  Queue least_;
  Queue greatest_;
};

}  // namespace perp::rolling
