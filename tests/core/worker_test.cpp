#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>
#include <perp/core/worker.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

namespace perp::core {
namespace {

WorkerOptions named(const std::string& name) {
  WorkerOptions options;
  options.name = name;
  options.idle.park_ns = ns_per_minute;  // only a ring wakes it: a lost one shows as a hang
  return options;
}

template <class Predicate>
void await(Predicate predicate) {
  const MonoNs deadline = mono_now() + 30 * ns_per_second;
  while (!predicate()) {
    ASSERT_LT(mono_now(), deadline) << "the condition did not come true";
    std::this_thread::yield();
  }
}

TEST(Worker, DoesNothingBeforeStartAndEndsWhenToldWhileAsleep) {
  Worker worker(named("sleeper"));
  EXPECT_FALSE(worker.is_running());
  std::atomic<int> rounds{0};
  worker.start([&rounds] {
    ++rounds;
    return 0;
  });
  await([&] { return rounds > 200; });  // its spinning is over: it sleeps or is about to
  EXPECT_TRUE(worker.is_running());
  worker.request_stop();
  worker.join();
  EXPECT_FALSE(worker.is_running());
  EXPECT_FALSE(worker.has_failed());
  worker.join();  // harmless
}

TEST(Worker, ItsDoorbellWakesItForNewWork) {
  Worker worker(named("consumer"));
  std::atomic<int> published{0};
  std::atomic<int> consumed{0};
  worker.start([&] {
    const int fresh = published.load() - consumed.load();
    consumed += fresh;
    return fresh;
  });
  for (int i = 1; i <= 2000; ++i) {
    published.store(i);
    worker.doorbell().ring();
    if (i % 100 == 0) await([&] { return consumed == i; });
  }
  await([&] { return consumed == 2000; });
}

TEST(Worker, ThreadHasItsNameAndItsCpu) {
  WorkerOptions options = named("a-name-of-more-than-15");
  int allowed = -1;
  for (const Cpu& cpu : cpu_topology())
    if (cpu.is_allowed) allowed = cpu.id;
  options.cpu = allowed;
  Worker worker(options);
  std::string name;
  int cpu = -1;
  worker.start([&] {
    name = thread_name();
    cpu = current_cpu();
    worker.request_stop();
    return 1;
  });
  worker.join();
  EXPECT_EQ(name, "a-name-of-more-");
  EXPECT_EQ(cpu, allowed);
}

TEST(Worker, ExceptionsEndTheLoopAndAreThrownAtTheOwner) {
  Worker worker(named("failing"));
  worker.start([calls = 0]() mutable {
    if (++calls == 3) throw Error("cannot go on", "here", "three");
    return 1;
  });
  await([&] { return worker.has_failed(); });
  EXPECT_FALSE(worker.is_running());
  try {
    worker.join();
    FAIL() << "join() did not throw";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "here: cannot go on: three");
  }
  worker.join();  // told once
  EXPECT_TRUE(worker.has_failed());
}

TEST(Worker, AProcessorThatDoesNotExistIsAFailureOfTheWorker) {
  WorkerOptions options = named("misplaced");
  options.cpu = 100'000;
  Worker worker(options);
  bool was_called = false;
  worker.start([&was_called] {
    was_called = true;
    return 0;
  });
  EXPECT_THROW(worker.join(), Error);
  EXPECT_FALSE(was_called);
}

TEST(Worker, AFailureNobodyAskedForIsWrittenToStderr) {
  ::testing::internal::CaptureStderr();
  {
    Worker worker(named("unheard"));
    worker.start([]() -> int { throw std::runtime_error("why"); });
    await([&] { return worker.has_failed(); });
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "worker 'unheard' failed and was not joined: why\n");
}

TEST(Worker, StartsOnce) {
  Worker worker(named("once"));
  worker.start([] { return 0; });
  EXPECT_THROW(worker.start([] { return 0; }), Error);
  worker.request_stop();
  worker.join();
  EXPECT_THROW(worker.start([] { return 0; }), Error);
}

TEST(Worker, OwnsMoveOnlyWorkAndDestroysItWithTheThread) {
  auto token = std::make_shared<int>(0);
  std::weak_ptr<int> alive = token;
  {
    Worker worker(named("owner"));
    worker.start(
        [owned = std::make_unique<std::shared_ptr<int>>(std::move(token))] { return **owned; });
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace perp::core
