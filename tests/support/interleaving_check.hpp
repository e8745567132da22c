#pragma once
// One check for every lock-free unit: right in every execution that the memory model allows, right
// in many random ones, and wrong in some as soon as any of its memory orders is weakened.
//   PERP_MODEL_PREEMPTIONS=1   one more switch per execution where they are bounded: for nights
//   PERP_MODEL_RANDOM=1000000  random executions per scenario instead of 2,000, as of PERP_SEED
#include "support/interleaving.hpp"
#include "support/model_atomic.hpp"
#include "support/random_records.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace perp::test::model {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool knows_coroutines = false;
#else
inline constexpr bool knows_coroutines = true;
#endif

struct Weak {
  const char* what;
  Weakening weakening;
};

inline Weak weak_store(const char* what, std::size_t first, std::size_t last) {
  return {what, {first, last, Operation::store, std::memory_order_release}};
}
inline Weak weak_load(const char* what, std::size_t first, std::size_t last) {
  return {what, {first, last, Operation::load, std::memory_order_acquire}};
}

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 0);
}

/// @param preemptions per execution, or `unlimited`
inline void check_interleavings(int preemptions, const std::function<void(Checker&)>& body,
                                const std::vector<Weak>& weakenings) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  if (preemptions != unlimited)
    preemptions += static_cast<int>(from_environment("PERP_MODEL_PREEMPTIONS", 0));
  Checker strong(preemptions);
  const Outcome all = strong.explore(body);
  EXPECT_EQ(all.failure, "") << "after " << all.execution_count << " executions";
  EXPECT_GT(all.execution_count, 100U);
  std::printf("  %llu executions\n", static_cast<unsigned long long>(all.execution_count));

  const std::uint64_t seed = seed_for_test();
  const Outcome random =
      strong.explore_random(body, from_environment("PERP_MODEL_RANDOM", 2000), seed);
  EXPECT_EQ(random.failure, "") << "PERP_SEED=" << seed << " after " << random.execution_count;

  for (const Weak& weak : weakenings) {
    Checker checker(preemptions);
    checker.weaken(weak.weakening);
    const Outcome outcome = checker.explore(body);
    EXPECT_NE(outcome.failure, "") << weak.what << " could be weaker: " << outcome.execution_count;
    std::printf("  %-32s caught after %llu: %s\n", weak.what,
                static_cast<unsigned long long>(outcome.execution_count), outcome.failure.c_str());
  }
}

}  // namespace perp::test::model
