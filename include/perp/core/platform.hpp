#pragma once
// What the machine is: cache-line distances, hints, the assertion, the byte order. Used by
// every layer; costs nothing.
#include <bit>
#include <cstddef>

static_assert(std::endian::native == std::endian::little,
              "records and journals are little-endian on disk");

namespace perp::core {

inline constexpr std::size_t cache_line = 64;
/// The prefetcher fetches lines in pairs: a writer's and a reader's fields stand this far apart.
inline constexpr std::size_t cache_line_pair = 128;

/// Tells the core that this is a spin: its sibling and the power budget profit. 10 to 50 ns.
inline void relax_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Asks for `line` as one that will be written, so that a later store does not wait for it. A hint;
/// a core that does not know it does nothing.
inline void prefetch_to_write(const void* line) noexcept {
#if defined(__x86_64__)
  // By hand: without -mprfchw the builtin only asks for a line to read.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}

/// Prints the expression and its place to stderr and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace perp::core

// For our own mistakes only (input can never reach one). On in debug and sanitizer builds.
#ifndef NDEBUG
#define PERP_ASSERT(expression)        \
  ((expression) ? static_cast<void>(0) \
                : ::perp::core::assertion_failed(#expression, __FILE__, __LINE__))
#else
// Not evaluated, but still compiled: what only an assertion names is not unused.
#define PERP_ASSERT(expression) static_cast<void>(sizeof(!(expression)))
#endif
