#include "harness/machine.hpp"

#include <fmt/format.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace perp::bench {
namespace {

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> found;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) found.push_back(cpu);
    }
  }
  return found;
}

std::vector<int>& chosen() {
  static std::vector<int> cpus = allowed_processors();
  return cpus;
}

void bind_to(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  static_cast<void>(pthread_setaffinity_np(pthread_self(), sizeof set, &set));  // see the header
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

double ping_pong_ns() {
  if (processors().size() < 2) return 0;
  constexpr int groups = 101;
  constexpr int trips = 16;
  struct alignas(128) Line {
    std::atomic<int> value{0};
  };
  Line there;
  Line back;
  std::thread other([&] {
    pin(1);
    for (int i = 1; i <= groups * trips; ++i) {
      while (there.value.load(std::memory_order_acquire) != i) {
      }
      back.value.store(i, std::memory_order_release);
    }
  });
  pin(0);
  std::vector<double> samples;
  samples.reserve(groups);
  int number = 0;
  for (int group = 0; group < groups; ++group) {
    const auto start = std::chrono::steady_clock::now();
    for (int trip = 0; trip < trips; ++trip) {
      there.value.store(++number, std::memory_order_release);
      while (back.value.load(std::memory_order_acquire) != number) {
      }
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    samples.push_back(took.count() / trips);
  }
  other.join();
  unpin();
  std::nth_element(samples.begin(), samples.begin() + groups / 2, samples.end());
  return samples[groups / 2];
}

/// Of this thread alone, while it had a processor.
double cpu_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Of the calling thread's processor: median of five times 1 ms. In CPU time: a server that still
/// tidies up after a round takes the processor now and then and makes it no slower.
double spin_ns() {
  constexpr int steps = 3'000'000;
  std::array<double, 5> samples{};
  volatile std::uint64_t sum = 0;
  for (double& sample : samples) {
    const double start = cpu_time_ns();
    for (int step = 0; step < steps; ++step) sum = sum + static_cast<std::uint64_t>(step);
    sample = (cpu_time_ns() - start) / steps;
  }
  std::nth_element(samples.begin(), samples.begin() + 2, samples.end());
  return samples[2];
}

}  // namespace

std::vector<std::pair<std::string, std::string>> machine_facts() {
  const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::string cpus;
  for (const int cpu : processors()) cpus += fmt::format("{}{}", cpus.empty() ? "" : ",", cpu);
  return {{"processor",
           fmt::format("{}, {} threads", processor_name(), std::thread::hardware_concurrency())},
          {"used", "processors " + cpus},
          {"governor", governor.empty() ? "not told (a virtual machine)" : governor},
          {"kernel", first_line("/proc/sys/kernel/osrelease")},
          {"compiler", "g++ " __VERSION__},
          {"flags", PERP_BENCH_FLAGS}};
}

const std::vector<int>& processors() { return chosen(); }

void use_processors(const std::string& list) {
  std::vector<int> cpus;
  std::stringstream text(list);
  const std::vector<int> allowed = allowed_processors();
  for (std::string item; std::getline(text, item, ',');) {
    std::size_t used = 0;
    int cpu = -1;
    try {
      cpu = std::stoi(item, &used);
    } catch (const std::exception&) {
      used = 0;  // said below, with the text
    }
    if (used == 0 || used != item.size() ||
        std::find(allowed.begin(), allowed.end(), cpu) == allowed.end())
      throw std::runtime_error("--cpus " + list + ": '" + item +
                               "' is not a processor that this process may use");
    cpus.push_back(cpu);
  }
  if (cpus.empty()) throw std::runtime_error("--cpus names no processor");
  chosen() = cpus;
}

void pin(std::size_t index) {
  const std::vector<int>& cpus = processors();
  if (!cpus.empty()) bind_to({cpus[index % cpus.size()]});
}

void unpin() { bind_to(processors()); }

Given what_is_given() {
  Given given{ping_pong_ns(), 0};
  for (std::size_t i = 0; i < processors().size(); ++i) {
    pin(i);
    given.spin_ns = std::max(given.spin_ns, spin_ns());
  }
  unpin();
  return given;
}

}  // namespace perp::bench
