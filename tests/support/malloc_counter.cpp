#include "support/malloc_counter.hpp"

#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PERP_COUNT_MALLOC 0
#else
#define PERP_COUNT_MALLOC 1
#endif

namespace {

// Initial-exec storage of the program itself: reaching it never allocates.
thread_local std::uint64_t count = 0;

}  // namespace

namespace perp::test {

std::uint64_t malloc_count() noexcept { return count; }
bool malloc_is_counted() noexcept { return PERP_COUNT_MALLOC != 0; }

}  // namespace perp::test

#if PERP_COUNT_MALLOC
// glibc lets a program replace these and keeps its own under these names; free stays glibc's, so
// that the two always agree on the heap.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  ++count;
  return __libc_malloc(size);
}

void* calloc(std::size_t items, std::size_t size) {
  ++count;
  return __libc_calloc(items, size);
}

void* realloc(void* memory, std::size_t size) {
  ++count;
  return __libc_realloc(memory, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  ++count;
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++count;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  ++count;
  if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  void* const made = __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *memory = made;
  return 0;
}
}
#endif
