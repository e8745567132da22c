#include <perp/core/page_memory.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace perp::core {
namespace {

/// The kernel's flags of the heap's pages, of all its areas.
std::string heap_flags() {
  std::ifstream file("/proc/self/smaps");
  std::string flags;
  bool is_heap = false;
  for (std::string line; std::getline(file, line);) {
    // An area's first line begins with its addresses, all others with a name and a colon.
    if (line.find('-') < line.find(':'))
      is_heap = line.ends_with("[heap]");
    else if (is_heap && line.starts_with("VmFlags:"))
      flags += line.substr(8);
  }
  return flags;
}

TEST(PageMemory, PreparedHeapNeitherGrowsNorGivesBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer has a heap of its own";
#endif
  constexpr std::size_t piece_bytes = std::size_t{64} << 10;
  prepare_heap(std::size_t{16} << 20);
  const void* const end = sbrk(0);
  for (int time = 0; time < 2; ++time) {
    std::vector<std::unique_ptr<std::byte[]>> pieces;
    for (int i = 0; i < 150; ++i) {
      pieces.push_back(std::make_unique<std::byte[]>(piece_bytes));
      std::memset(pieces.back().get(), i, piece_bytes);
    }
    EXPECT_EQ(sbrk(0), end);
    for (int i = 0; i < 150; ++i)
      ASSERT_EQ(pieces[static_cast<std::size_t>(i)][piece_bytes - 1], static_cast<std::byte>(i));
  }
  EXPECT_EQ(sbrk(0), end);
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage/enabled")) return;
  EXPECT_NE(heap_flags().find(" hg"), std::string::npos) << heap_flags();
}

}  // namespace
}  // namespace perp::core
