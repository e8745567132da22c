#pragma once
// Counts what the calling thread asks of the heap: malloc, calloc, realloc, aligned_alloc, memalign
// and posix_memalign, hence operator new and every C library in the program. Frees are not counted.
// For tests that prove "allocates nothing from here on"; link perp_malloc_counter.
#include <cstdint>

namespace perp::test {

/// Allocations of the calling thread since it began. Always 0 if !malloc_is_counted().
std::uint64_t malloc_count() noexcept;

/// False under sanitizers, which bring a malloc of their own: skip the test then.
bool malloc_is_counted() noexcept;

}  // namespace perp::test
