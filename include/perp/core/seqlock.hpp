#pragma once
// The latest value of a small T: one writer that never waits, any number of readers that never
// write. On x86-64 a store costs 2 + words plain stores, a load 2 + words plain loads. A reader
// that meets a store in progress tries again. Values in between are not kept: to miss none, use a
// ring. No stand-alone fences, which thread sanitizers do not model; the words are atomic, so that
// nothing here is a data race.
//
//   version   2n                 2n+1                        2n+2
//             value n is whole   words are being replaced    value n+1 is whole
//
//   store       announce 2n+1; publish each word; publish 2n+2
//   load        observe version (odd: again); observe each word; recheck version (changed: again)
//   invariant   words read between two equal even versions are all of that version's store
//
//   A weaker order breaks it. Words stored relaxed: a new word is seen before the announcement.
//   Words loaded relaxed: the recheck is done before them. version_ relaxed: the words of 2n are
//   not there yet. Each way a reader finds 2n twice around a mixture of two values.
#include <perp/core/platform.hpp>
#include <perp/core/sequence.hpp>

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace perp::core {

namespace detail {
/// Gives the processor away once `attempts` shows that the writer was probably descheduled in the
/// middle of a store.
void wait_for_writer(std::uint32_t attempts) noexcept;
}  // namespace detail

/// `Counter` counts twice per store: a reader that sleeps through half its range of stores, to the
/// very store, would not notice. With 64 bits that takes centuries; tests take 8.
template <class T, class Counter = std::uint64_t, template <class> class Atomic = std::atomic>
class alignas(cache_line) Seqlock {
  static_assert(std::is_trivially_copyable_v<T> && std::default_initializable<T>,
                "the value is copied as words while it may be changing");

 public:
  Seqlock() noexcept : Seqlock(T{}) {}
  explicit Seqlock(const T& initial) noexcept { store(initial); }
  Seqlock(const Seqlock&) = delete;
  Seqlock& operator=(const Seqlock&) = delete;

  /// Never waits. @thread writer
  void store(const T& value) noexcept {
    Image image{};
    std::memcpy(image.data(), &value, sizeof(T));
    const Counter version = version_.own();
    version_.announce(advance(version, 1));
    for (std::size_t i = 0; i < word_count; ++i) words_[i].publish(image[i]);
    version_.publish(advance(version, 2));
  }

  /// The value of the last store that had finished, or of a later one. Tries until it has one,
  /// giving way if the writer was stopped in the middle of a store. @thread any
  T load() const noexcept {
    T value;
    for (std::uint32_t attempts = 0; !try_load(value); ++attempts)
      detail::wait_for_writer(attempts);
    return value;
  }

  /// One try. False: a store was in progress and `value` is as it was. @thread any
  [[nodiscard]] bool try_load(T& value) const noexcept {
    const Counter before = version_.observe();
    if (before % 2 != 0) return false;
    Image image;
    for (std::size_t i = 0; i < word_count; ++i) image[i] = words_[i].observe();
    if (version_.recheck() != before) return false;
    std::memcpy(static_cast<void*>(&value), image.data(), sizeof(T));
    return true;
  }

  /// Changes with every store, for a reader that wants to skip what it has already seen. May be
  /// older than the value that a load straight after it returns, never newer. @thread any
  // Relaxed: that load looks at the same location, and cannot see an older version there.
  Counter version() const noexcept { return version_.guess(); }

 private:
  static constexpr std::size_t word_count = (sizeof(T) + 7) / 8;
  using Image = std::array<std::uint64_t, word_count>;

  // Written by the writer only; read by any thread. Even: at rest; odd: a store is in progress.
  // publish() in store() hands over the words; pairs with the observe() in try_load().
  // announce() needs no order of its own: each word's publish() is behind it.
  Sequence<Counter, Atomic> version_;
  // Written by the writer only; read by any thread. The value's bytes.
  // publish() in store() carries the announcement before it; pairs with the observe() in
  // try_load(), after which recheck() cannot miss that announcement.
  std::array<Sequence<std::uint64_t, Atomic>, word_count> words_;
};

}  // namespace perp::core
