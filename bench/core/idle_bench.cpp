// The doorbell beside the usual ways to wake a thread: what a ring costs a producer while nobody
// sleeps (the usual case), and how long a sleeping consumer takes to answer. Every answer is
// checked against its question. And what each wait strategy costs while there is nothing to do, as
// share of a processor.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"

#include <perp/core/idle.hpp>

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <sys/eventfd.h>
#include <thread>
#include <vector>

namespace perp::bench {
namespace {

// Each: ring() after the number was stored; wait(n) until it is at least n.
class Ours {
 public:
  void ring() { bell_.ring(); }
  template <class Ready>
  void wait(Ready ready) {
    for (;;) {
      const core::Doorbell::Ticket ticket = bell_.ticket();
      if (ready()) return;
      bell_.wait(ticket, core::ns_per_minute);
    }
  }

 private:
  core::Doorbell bell_;
};

class Condition {
 public:
  void ring() {
    { const std::lock_guard lock(mutex_); }  // or a ring between the look and the sleep is lost
    condition_.notify_one();
  }
  template <class Ready>
  void wait(Ready ready) {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, ready);
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
};

class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_CLOEXEC)) { require(fd_ >= 0, "eventfd"); }
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  void ring() { require(eventfd_write(fd_, 1) == 0, "eventfd_write"); }
  template <class Ready>
  void wait(Ready ready) {
    while (!ready()) {
      eventfd_t count = 0;
      require(eventfd_read(fd_, &count) == 0, "eventfd_read");
    }
  }

 private:
  int fd_;
};

class AtomicWait {  // no time-out, so no worker could use it; the standard library's own
 public:
  void ring() {
    rings_.fetch_add(1);
    rings_.notify_one();
  }
  template <class Ready>
  void wait(Ready ready) {
    for (;;) {
      const std::uint32_t seen = rings_.load();
      if (ready()) return;
      rings_.wait(seen);
    }
  }

 private:
  std::atomic<std::uint32_t> rings_{0};
};

template <class Bell>
void ring(benchmark::State& state) {
  Bell bell;
  for (auto _ : state) bell.ring();
  state.SetItemsProcessed(state.iterations());
}

template <class Bell>
void wake(benchmark::State& state) {
  constexpr std::uint64_t round_trips = 5000;
  std::vector<std::uint64_t> samples;
  for (auto _ : state) {
    Bell asked;
    Bell answered;
    std::atomic<std::uint64_t> question{0};
    std::atomic<std::uint64_t> answer{0};
    run_two_threads(
        [&] {
          for (std::uint64_t i = 1; i <= round_trips; ++i) {
            const std::uint64_t before = now_ns();
            question.store(i);
            asked.ring();
            answered.wait([&] { return answer.load() == i; });
            samples.push_back(now_ns() - before);
          }
        },
        [&] {
          for (std::uint64_t i = 1; i <= round_trips; ++i) {
            asked.wait([&] { return question.load() == i; });
            answer.store(i);
            answered.ring();
          }
        });
    require(answer.load() == round_trips, "doorbell: an answer is missing");
  }
  report_percentiles(state, samples);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(round_trips));
}

/// Two tenths of a second without work, waited by `wait_once` over and over.
template <class WaitOnce>
void idle_for_a_while(benchmark::State& state, WaitOnce wait_once) {
  const auto thread_ns = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
  };
  constexpr std::uint64_t while_ns = 200'000'000;
  double share = 0;
  for (auto _ : state) {
    const std::uint64_t begin = now_ns();
    const std::uint64_t begin_thread = thread_ns();
    while (now_ns() - begin < while_ns) wait_once();
    share = static_cast<double>(thread_ns() - begin_thread) / static_cast<double>(now_ns() - begin);
  }
  state.counters["cpu_share"] = share;
}

template <core::IdleKind kind>
void idle(benchmark::State& state) {
  core::Doorbell bell;
  core::IdleStrategy strategy({.kind = kind}, bell);
  idle_for_a_while(state, [&] {
    strategy.prepare();
    strategy.idle(0);
  });
}

void idle_condition(benchmark::State& state) {
  std::mutex mutex;
  std::condition_variable condition;
  idle_for_a_while(state, [&] {
    std::unique_lock lock(mutex);
    condition.wait_for(lock, std::chrono::milliseconds(50));
  });
}

BENCHMARK(idle<core::IdleKind::park>)->Name("core/idle/perp/nothing_to_do/park")->Iterations(1);
BENCHMARK(idle<core::IdleKind::block>)->Name("core/idle/perp/nothing_to_do/block")->Iterations(1);
BENCHMARK(idle<core::IdleKind::spin>)->Name("core/idle/spin/nothing_to_do/park")->Iterations(1);
BENCHMARK(idle<core::IdleKind::spin>)->Name("core/idle/spin/nothing_to_do/block")->Iterations(1);
BENCHMARK(idle_condition)->Name("core/idle/condition_variable/nothing_to_do/block")->Iterations(1);

[[maybe_unused]] const bool goals = [] {
  at_most("core/idle/*/nothing_to_do/park", {}, 0.01, "cpu_share");
  at_most("core/idle/*/nothing_to_do/block", {}, 0.01, "cpu_share");
  return true;
}();

BENCHMARK(ring<Ours>)->Name("core/doorbell/perp/ring_awake");
BENCHMARK(ring<Condition>)->Name("core/doorbell/condition_variable/ring_awake");
BENCHMARK(ring<AtomicWait>)->Name("core/doorbell/atomic_notify/ring_awake");
BENCHMARK(ring<EventFd>)->Name("core/doorbell/eventfd/ring_awake");
BENCHMARK(wake<Ours>)->Name("core/doorbell/perp/round_trip")->UseRealTime()->Iterations(5);
BENCHMARK(wake<Condition>)
    ->Name("core/doorbell/condition_variable/round_trip")
    ->UseRealTime()
    ->Iterations(5);
BENCHMARK(wake<AtomicWait>)
    ->Name("core/doorbell/atomic_notify/round_trip")
    ->UseRealTime()
    ->Iterations(5);
BENCHMARK(wake<EventFd>)->Name("core/doorbell/eventfd/round_trip")->UseRealTime()->Iterations(5);

}  // namespace
}  // namespace perp::bench
