#include <perp/core/error.hpp>
#include <perp/core/file.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

using perp::core::Error;
using perp::core::File;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "perp-file-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }
  static std::string content(const std::string& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return std::move(bytes).str();
  }

  std::string folder_;
};

TEST_F(FileTest, WritesAndReadsWhole) {
  const std::string path = folder_ + "/a";
  const File file = File::open(path, O_RDWR | O_CREAT);
  file.pwrite_all(bytes("world"), 5);
  file.pwrite_all(bytes("hello"), 0);
  file.datasync();
  EXPECT_EQ(content(path), "helloworld");
  EXPECT_EQ(file.size(), 10u);
  std::array<std::byte, 16> got{};
  EXPECT_EQ(file.pread_all(got, 4), 6u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(got.data()), 6), "oworld");
  file.truncate(3);
  EXPECT_EQ(content(path), "hel");
}

TEST_F(FileTest, NamesThePathAndTheReason) {
  try {
    File::open(folder_ + "/missing", O_RDONLY);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(folder_ + "/missing"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos);
  }
  const File read_only = File::open("/dev/null", O_RDONLY);
  EXPECT_THROW(read_only.pwrite_all(bytes("x"), 0), Error);
  const File full = File::open("/dev/full", O_WRONLY);
  EXPECT_THROW(full.pwrite_all(bytes("x"), 0), Error);
}

TEST_F(FileTest, MovesOwnership) {
  File first = File::open(folder_ + "/a", O_RDWR | O_CREAT);
  const int descriptor = first.descriptor();
  File second = std::move(first);
  EXPECT_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(second.descriptor(), descriptor);
  second.close();
  EXPECT_LT(::fcntl(descriptor, F_GETFD), 0);
}

TEST_F(FileTest, LocksOnce) {
  const File first = File::open(folder_, O_RDONLY | O_DIRECTORY);
  const File second = File::open(folder_, O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(first.try_lock());
  EXPECT_FALSE(second.try_lock());
}

TEST_F(FileTest, ReplacesAtomically) {
  const std::string path = folder_ + "/state";
  perp::core::replace_file(path, bytes("old"));
  EXPECT_EQ(content(path), "old");
  const File reader = File::open(path, O_RDONLY);
  perp::core::replace_file(path, bytes("new state"));
  EXPECT_EQ(content(path), "new state");
  std::array<std::byte, 3> got{};
  EXPECT_EQ(reader.pread_all(got, 0), 3u) << "who had it open keeps the old content";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1)
      << "no temporary file stays";
  EXPECT_THROW(perp::core::replace_file(folder_ + "/none/state", bytes("x")), Error);
}

TEST_F(FileTest, CreatesFoldersWithParents) {
  perp::core::create_folders(folder_ + "/a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder_ + "/a/b/c"));
  perp::core::create_folders(folder_ + "/a/b/c/");
  std::ofstream(folder_ + "/plain") << "x";
  EXPECT_THROW(perp::core::create_folders(folder_ + "/plain/sub"), Error);
}

TEST_F(FileTest, FindsDataBehindHoles) {
  const File file = File::open(folder_ + "/sparse", O_RDWR | O_CREAT);
  file.truncate(8u << 20);
  file.pwrite_all(bytes("x"), 4u << 20);
  EXPECT_LE(file.find_data(0), 4u << 20);
  EXPECT_EQ(file.find_data(4u << 20), 4u << 20);
}

}  // namespace
