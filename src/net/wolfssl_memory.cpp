#include "net/wolfssl_memory.hpp"

#include "net/wolfssl.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <wolfssl/wolfcrypt/memory.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PERP_POOL_BLOCKS 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PERP_POOL_BLOCKS 0
#endif
#if !defined(PERP_POOL_BLOCKS)
#define PERP_POOL_BLOCKS 1
#endif

namespace perp::net {
namespace {

#if PERP_POOL_BLOCKS
// Classes are powers of two from 32 bytes to 32 KiB, which holds the largest record.
constexpr unsigned smallest = 5;
constexpr unsigned largest = 15;
// Per thread and class: at most 8 blocks of 32 KiB, more of the small ones.
constexpr std::size_t kept(unsigned power) {
  return std::min<std::size_t>(64, std::size_t{8} << (largest - power));
}

struct Block {
  Block* next;
};

struct List {
  Block* first = nullptr;
  std::size_t count = 0;
};

// Trivially destroyed, so that wolfSSL may free in any order while a thread ends; `drain` empties
// it.
thread_local std::array<List, largest + 1> lists;
thread_local bool ended = false;

struct Drain {
  // The mention below constructs it on the thread's first use of the pool.
  bool begun = true;
  ~Drain() {
    ended = true;
    for (List& list : lists) {
      while (list.first != nullptr) std::free(std::exchange(list.first, list.first->next));
      list.count = 0;
    }
  }
};
thread_local Drain drain;

/// The class whose blocks hold `size` bytes.
unsigned class_of(std::size_t size) noexcept {
  return std::max(smallest, static_cast<unsigned>(std::bit_width(size - 1)));
}

void* allocate(std::size_t size) noexcept {
  if (size == 0) size = 1;
  const unsigned power = class_of(size);
  if (power > largest) return std::malloc(size);
  List& list = lists[power];
  if (list.first != nullptr) {
    --list.count;
    return std::exchange(list.first, list.first->next);
  }
  return std::malloc(std::size_t{1} << power);
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  // What the block can hold decides where it goes, not what was once asked of it.
  const std::size_t size = ::malloc_usable_size(memory);
  const unsigned power = static_cast<unsigned>(std::bit_width(size)) - 1;
  if (power < smallest || power > largest || ended || !drain.begun ||
      lists[power].count >= kept(power)) {
    std::free(memory);
    return;
  }
  List& list = lists[power];
  list.first = ::new (memory) Block{list.first};
  ++list.count;
}

void* reallocate(void* memory, std::size_t size) noexcept {
  if (memory == nullptr) return allocate(size);
  const std::size_t had = ::malloc_usable_size(memory);
  if (size <= had) return memory;
  void* const grown = allocate(size);
  if (grown == nullptr) return nullptr;
  std::memcpy(grown, memory, had);
  release(memory);
  return grown;
}
#else
// The sanitizer watches each block from malloc to free; a pool would blind it.
void* allocate(std::size_t size) noexcept { return std::malloc(size); }
void release(void* memory) noexcept { std::free(memory); }
void* reallocate(void* memory, std::size_t size) noexcept { return std::realloc(memory, size); }
#endif

}  // namespace

bool pool_wolfssl_memory() noexcept {
  return wolfSSL_SetAllocators(allocate, release, reallocate) == 0;
}

}  // namespace perp::net
