#pragma once
// Two pinned threads for benchmarks of what threads hand to each other, timed from the moment both
// are there: a new thread's first slice can come a scheduler's tick (4 ms) late. Both sides are
// copied to the threads that run them. They capture by value and count in locals: what they read in
// each other's stacks would be more cache lines that change hands.
#include "harness/two_threads.hpp"

#include <perp/core/platform.hpp>
#include <perp/core/sequence.hpp>

#include <benchmark/benchmark.h>

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <thread>

namespace perp::bench {

/// Repeats `attempt` until it is true, with one pause in between for every contestant alike. Gives
/// the processor away only when the other side cannot be running.
template <class Attempt>
void spin_until(Attempt attempt) {
  for (std::uint32_t tries = 0; !attempt();) {
    core::relax_cpu();
    if (++tries % 65536 == 0) sched_yield();
  }
}

/// Runs both to their end. @returns seconds until the later one's
template <class Produce, class Consume>
double time_two_sides(Produce produce, Consume consume) {
  struct Side {
    alignas(core::cache_line_pair) core::Sequence<std::uint32_t> is_there;
    std::uint64_t begin_ns = 0;  // read after the join
    std::uint64_t end_ns = 0;
  };
  Side producer;
  Side consumer;
  const auto run = [](std::size_t index, Side& own, Side& other, auto work) {
    pin(index);
    own.is_there.publish(1);
    spin_until([&] { return other.is_there.observe() != 0; });
    own.begin_ns = now_ns();
    work();
    own.end_ns = now_ns();
  };
  {
    std::jthread second([=, &producer, &consumer] { run(1, consumer, producer, consume); });
    std::jthread first([=, &producer, &consumer] { run(0, producer, consumer, produce); });
  }
  return static_cast<double>(std::max(producer.end_ns, consumer.end_ns) -
                             std::max(producer.begin_ns, consumer.begin_ns)) *
         1e-9;
}

}  // namespace perp::bench
