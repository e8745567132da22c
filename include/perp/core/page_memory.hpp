#pragma once
// Page-aligned memory whose pages are all there before the first use, for rings and columns on a
// hot path. Made and freed on a cold path by its owner; uses huge pages where the kernel grants
// them. Never grows.
#include <cstddef>

namespace perp::core {

/// Asks the kernel for huge pages for what lies in whole pages of `memory`, whoever made it: two
/// megabytes come at the first touch, not one fault for each 4 KiB. A wish: without it everything
/// works the same.
void wish_huge_pages(void* memory, std::size_t size_bytes) noexcept;

/// The next `size_bytes` that the heap gives come from huge pages where the kernel grants them. For
/// a program that starts, makes one large answer out of many pieces and ends: otherwise every 4 KiB
/// of it is a fault. At most 16 MiB (above that glibc refuses the bound, and nothing changes).
/// Called once, before threads start.
void prepare_heap(std::size_t size_bytes) noexcept;

class PageMemory {
 public:
  /// Zeroed; each page has been written once, so that no later access faults one in.
  /// @throws Error naming `where` when `size_bytes` is 0 or the kernel refuses.
  PageMemory(std::size_t size_bytes, const char* where);
  ~PageMemory();
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::size_t size_bytes() const noexcept { return size_bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

}  // namespace perp::core
