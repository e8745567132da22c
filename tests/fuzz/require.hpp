#pragma once
// What a fuzz target holds true: a sentence and an abort, which libFuzzer reports with the input.
#include <cstdio>
#include <cstdlib>

namespace perp::net::test {

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace perp::net::test
