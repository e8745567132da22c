#include <perp/core/error.hpp>
#include <perp/core/page_memory.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace perp::core {
namespace {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

void wish_huge_pages(void* memory, std::size_t size_bytes) noexcept {
  if (size_bytes < huge_page_bytes) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t page = page_bytes();
  const std::size_t before = (page - begin % page) % page;  // the first whole page
  const std::size_t whole = (size_bytes - before) / page * page;
  static_cast<void>(madvise(static_cast<std::byte*>(memory) + before, whole, MADV_HUGEPAGE));
}

void prepare_heap(std::size_t size_bytes) noexcept {
#if defined(__GLIBC__)
  // One piece of that size out of the heap, which then stays with it: it is above neither the bound
  // from which pieces come from mmap, nor the one from which a free end is given back.
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(2 * size_bytes));
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(2 * size_bytes));
  void* const piece = std::malloc(size_bytes);
  if (piece == nullptr) return;
  wish_huge_pages(piece, size_bytes);
  std::free(piece);
  // What lies before the first of them is left out, or it would be used first.
  const std::size_t before =
      huge_page_bytes - reinterpret_cast<std::uintptr_t>(piece) % huge_page_bytes;
  static const void* const left_out = std::malloc(before);
  static_cast<void>(left_out);
#else
  static_cast<void>(size_bytes);
#endif
}

PageMemory::PageMemory(std::size_t size_bytes, const char* where) : size_bytes_(size_bytes) {
  void* memory =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw_system_error(fmt::format("cannot map {} bytes", size_bytes), where, errno);
  wish_huge_pages(memory, size_bytes);
  data_ = static_cast<std::byte*>(memory);
  // Written by hand: MAP_POPULATE does not say when it could not. volatile keeps stores of the
  // zeros that are there.
  const std::size_t page = page_bytes();
  for (std::size_t at = 0; at < size_bytes; at += page) {
    *const_cast<volatile std::byte*>(data_ + at) = std::byte{0};
  }
}

// munmap of our own mapping fails only on arguments that the constructor would not have made.
PageMemory::~PageMemory() { static_cast<void>(munmap(data_, size_bytes_)); }

}  // namespace perp::core
