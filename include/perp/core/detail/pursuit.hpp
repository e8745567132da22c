#pragma once
// How the two sides of a ring keep out of each other's way. A consumer that is faster than its
// producer and looks at once whenever it has taken what it knew of meets it line by line: each look
// takes the line away that the producer is about to write. That costs the producer up to four times
// its work. So, after a short run (less than 8 cache lines), the look that follows waits a little,
// 4 to 32 `pause`, and finds a longer one.
//
// Whoever asks and waits for one answer must not pay for this. The wait is only before the first
// look after a run, and its length follows what it brought: twice as long when items came faster
// than one per two pauses, half as long otherwise, down to none. From none it is tried again after
// every 64th run, at 4 pauses. All of it is the consumer's own; costs a few instructions per look.
#include <perp/core/platform.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace perp::core::detail {

/// A producer that published a batch will write the next one: its first lines can come meanwhile.
/// Not after less: whoever waits for the answer to one item would lose the next slot's line to it.
inline constexpr std::size_t batch_bytes_min = 8 * cache_line;
inline void prefetch_next_batch(const std::byte* at) noexcept {
  for (std::size_t i = 0; i < batch_bytes_min; i += cache_line) prefetch_to_write(at + i);
}

class Pursuit {
 public:
  /// All that was known of has been taken.
  void caught_up() noexcept { is_new_look_ = true; }
  /// Before the producer's position is looked at. May wait.
  void before_look() noexcept {
    waited_ = 0;
    if (!is_new_look_) return;
    is_new_look_ = false;
    if (!was_short_) return;
    waited_ = patience_;
    if (patience_ == 0 && ++short_runs_ % trial_interval == 0) waited_ = patience_min;
    for (std::uint32_t i = 0; i < waited_; ++i) relax_cpu();
  }
  /// The same for records, whose number is not known without walking through them.
  void after_look(std::size_t bytes) noexcept {
    constexpr std::size_t usual_record_bytes = 128;
    after_look((bytes + usual_record_bytes - 1) / usual_record_bytes, bytes);
  }
  /// @param items found, @param bytes of them
  void after_look(std::size_t items, std::size_t bytes) noexcept {
    if (items != 0) was_short_ = bytes < short_bytes;
    if (waited_ == 0) return;
    if (items > waited_ / 2)
      patience_ = std::min(2 * waited_, patience_max);
    else
      patience_ = waited_ / 2 < patience_min ? 0 : waited_ / 2;
  }

 private:
  static constexpr std::size_t short_bytes = 8 * cache_line;
  static constexpr std::uint32_t patience_min = 4;
  static constexpr std::uint32_t patience_max = 32;
  static constexpr std::uint32_t trial_interval = 64;

  bool is_new_look_ = false;
  bool was_short_ = false;
  std::uint32_t patience_ = 0;    // pauses before the next look that waits
  std::uint32_t waited_ = 0;      // pauses before the last look
  std::uint32_t short_runs_ = 0;  // wraps
};

}  // namespace perp::core::detail
