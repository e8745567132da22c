#pragma once
// Help for the tests of rings: a small generator with a printed seed, a hash that depends on order,
// records made of random bytes, and waiting for a peer thread without starving it on a machine of
// two cores.
#include <perp/core/prng.hpp>
#include <perp/core/record_ring.hpp>

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace perp::test {

/// PERP_SEED's value, else a fresh one. Put it in a SCOPED_TRACE: a failing seed becomes a named
/// test.
inline std::uint64_t seed_for_test() {
  if (const char* given = std::getenv("PERP_SEED")) return std::strtoull(given, nullptr, 0);
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

/// SplitMix64: a few instructions per number, so that two threads can draw the same stream while
/// racing.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() { return core::splitmix64(state_); }
  /// Uniform enough in [0, bound).
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>((*this)() % bound); }

 private:
  std::uint64_t state_;
};

/// A hash of all bytes in their order. Sizes must be multiples of 8.
class OrderHash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data() + at, sizeof word);
      add(word);
    }
  }
  void add(std::uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3ULL;
    value_ ^= value_ >> 29;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

/// Fills `record` with a prefix (type never 0) and drawn bytes. @param record size a multiple of 8,
/// at least 8
inline void fill_record(std::span<std::byte> record, Draw& draw) {
  if (record.empty()) return;
  for (std::size_t at = 0; at < record.size(); at += 8) {
    const std::uint64_t word = draw();
    std::memcpy(record.data() + at, &word, sizeof word);
  }
  const core::RecordPrefix prefix{static_cast<std::uint32_t>(record.size()),
                                  static_cast<std::uint16_t>(1 + draw.below(1000)), 7};
  std::memcpy(record.data(), &prefix, sizeof prefix);
}

inline std::vector<std::byte> make_record(std::size_t size, Draw& draw) {
  std::vector<std::byte> record(size);
  fill_record(record, draw);
  return record;
}

/// Calls `visit(span)` for each record of a run of whole records, padding too.
template <class Visit>
void for_each_span(std::span<const std::byte> run, Visit visit) {
  while (!run.empty()) {
    const std::size_t size = core::prefix_of(run.data()).size;
    visit(run.first(size));
    run = run.subspan(size);
  }
}

/// Repeats `attempt` until it is true; gives the processor to the peer thread in between.
template <class Attempt>
void until(Attempt attempt) {
  while (!attempt()) sched_yield();
}

}  // namespace perp::test
