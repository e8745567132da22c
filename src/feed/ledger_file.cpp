#include "feed/ledger_file.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <sys/stat.h>
#include <type_traits>

namespace perp::feed {
namespace {

constexpr std::uint64_t slot_magic = 0x3152474c50524550;  // "PERPLGR1"; the digit is the layout's
constexpr std::size_t slot_bytes = 4096;

struct Slot {
  std::uint64_t magic;
  std::uint64_t sequence;
  Account account;
  std::uint32_t crc;  ///< of all before it
  std::uint32_t unused;
};
static_assert(std::is_trivially_copyable_v<Slot> && sizeof(Slot) <= slot_bytes);

std::uint32_t checksum(const Slot& slot) {
  return core::crc32c(std::as_bytes(std::span(&slot, 1)).first(offsetof(Slot, crc)));
}

}  // namespace

LedgerFile::LedgerFile(const std::string& path) : file_(open(path)) {}

core::File LedgerFile::open(const std::string& path) {
  core::File file = core::File::open(path, O_RDWR | O_CREAT, 0644);
  // A ban that is synced into a file without a name would be lost with the power.
  core::sync_directory(std::filesystem::path(path).parent_path().string());
  return file;
}

bool LedgerFile::try_lock_once() const {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  while (::fcntl(file_.descriptor(), F_OFD_SETLK, &whole) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) core::throw_system_error("cannot lock", file_.path(), errno);
  }
  return true;
}

bool LedgerFile::try_lock() {
  for (int attempt = 0; attempt < 200; ++attempt) {
    if (try_lock_once()) {
      struct stat status {};
      if (::fstat(file_.descriptor(), &status) == 0 && status.st_nlink > 0) return true;
      // Somebody removed the file: the lock on what has no name excludes nobody.
      const std::string path = file_.path();
      file_ = open(path);
      continue;
    }
    const timespec pause{0, 100'000};
    ::nanosleep(&pause, nullptr);  // an early end is another attempt
  }
  return false;
}

void LedgerFile::unlock() noexcept {
  struct flock whole {};
  whole.l_type = F_UNLCK;
  whole.l_whence = SEEK_SET;
  // Unlocking what is open cannot fail, and closing it would unlock it too.
  ::fcntl(file_.descriptor(), F_OFD_SETLK, &whole);
}

LedgerFile::Content LedgerFile::read() {
  std::array<std::byte, 2 * slot_bytes> bytes{};
  const std::size_t size = file_.pread_all(bytes, 0);
  Content content;
  content.is_new = size == 0;
  sequence_ = 0;
  older_ = 0;
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  for (std::size_t i = 0; i < 2 && size > 0; ++i) {
    const auto part = std::span(bytes).subspan(i * slot_bytes, slot_bytes);
    // The second slot of a file that was written once. The first one is always written.
    if (i == 1 && size <= slot_bytes) continue;
    Slot slot;
    std::memcpy(&slot, part.data(), sizeof slot);
    if (slot.magic != slot_magic || slot.crc != checksum(slot)) {
      content.has_damage = true;
      if (!std::all_of(part.begin(), part.end(), is_zero)) content.bans.push_back(slot.account.ban);
    } else if (!content.account || slot.sequence > sequence_) {
      content.account = slot.account;
      sequence_ = slot.sequence;
      older_ = 1 - i;
    }
  }
  return content;
}

void LedgerFile::write(const Account& account, bool is_precious) {
  for (int copy = 0; copy < (is_precious ? 2 : 1); ++copy) {
    std::array<std::byte, slot_bytes> bytes{};
    Slot slot{};
    slot.magic = slot_magic;
    slot.sequence = sequence_ + 1;
    slot.account = account;
    slot.crc = checksum(slot);
    std::memcpy(bytes.data(), &slot, sizeof slot);
    file_.pwrite_all(bytes, older_ * slot_bytes);
    // A ban's first copy is on the disk before the other slot is touched.
    if (is_precious) file_.datasync();
    ++sequence_;
    older_ = 1 - older_;
  }
}

}  // namespace perp::feed
