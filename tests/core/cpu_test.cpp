#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace perp::core {
namespace {

TEST(Cpu, CountIsTheAffinityMasks) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  EXPECT_EQ(cpu_count(), CPU_COUNT(&mask));
}

TEST(Cpu, TopologyListsEveryOnlineProcessorOnce) {
  const std::vector<Cpu> cpus = cpu_topology();
  EXPECT_EQ(static_cast<long>(cpus.size()), sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_TRUE(std::is_sorted(cpus.begin(), cpus.end(),
                             [](const Cpu& a, const Cpu& b) { return a.id <= b.id; }));
  EXPECT_EQ(std::count_if(cpus.begin(), cpus.end(), [](const Cpu& cpu) { return cpu.is_allowed; }),
            cpu_count());
}

TEST(Cpu, PinnedThreadRunsThere) {
  for (const Cpu& cpu : cpu_topology()) {
    if (!cpu.is_allowed) continue;
    std::jthread([&cpu] {
      pin_thread(cpu.id);
      EXPECT_EQ(current_cpu(), cpu.id);
      EXPECT_EQ(cpu_count(), 1);
    });
  }
}

TEST(Cpu, PinningElsewhereSaysWhatIsAllowed) {
  for (const int cpu : {-1, 8191, 8192, 1'000'000}) {
    try {
      pin_thread(cpu);
      FAIL() << cpu;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("allowed are"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(std::to_string(cpu)), std::string::npos)
          << error.what();
    }
  }
}

TEST(Cpu, ThreadNamesAreCutTo15Bytes) {
  std::jthread([] {
    set_thread_name("feed/binance");
    EXPECT_EQ(thread_name(), "feed/binance");
    set_thread_name("0123456789abcdefgh");
    EXPECT_EQ(thread_name(), "0123456789abcde");
    set_thread_name("");
    EXPECT_EQ(thread_name(), "");
  });
}

TEST(Cpu, ListsAreParsedAsTheKernelWritesThem) {
  EXPECT_EQ(parse_cpu_list("0", "t"), (std::vector<int>{0}));
  EXPECT_EQ(parse_cpu_list("0-3,8", "t"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("2-2,4-5", "t"), (std::vector<int>{2, 4, 5}));
  EXPECT_TRUE(parse_cpu_list("", "t").empty());
  for (const char* text :
       {"a", "1,", ",1", "3-1", "1-", "-1", "1;2", "1 2", "99999", "1-99999", "0x1"}) {
    try {
      parse_cpu_list(text, "option --pin");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what())
                    .find("option --pin: bad processor list '" + std::string(text) + "'"),
                std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace perp::core
