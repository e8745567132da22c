#include "journal/durable_file.hpp"

#include <perp/core/error.hpp>

#include <fcntl.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace perp::journal {
namespace {

constexpr std::uint64_t page_magic = 0x454c424152554450;  // "PDURABLE"
constexpr std::size_t page_bytes = 4096;
using BootId = std::array<char, 40>;

std::string path_of(const std::string& folder) { return folder + "/durable"; }

/// The kernel's name for this run of the machine. All zero where it cannot be read: then no page is
/// of this boot.
BootId read_boot_id() {
  BootId id{};
  int error = 0;
  const core::File file =
      core::File::try_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0, error);
  if (file.is_open()) file.pread_all(std::as_writable_bytes(std::span(id)).first(36), 0);
  return id;
}

}  // namespace

struct DurableFile::Page {
  std::uint64_t magic;
  std::uint64_t journal_id;
  BootId boot_id;
  // Written by the one writer, read by readers in any process. `inverse` is stored after `durable`
  // and read before it (both sequentially consistent), so a pair that fits was never half written
  // and has no flipped bit.
  alignas(64) std::uint64_t durable;
  std::uint64_t inverse;
};
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

DurableFile DurableFile::create(const std::string& folder, std::uint64_t journal_id,
                                Position durable) {
  static_assert(sizeof(Page) <= page_bytes);
  const std::string path = path_of(folder);
  if (!open(folder).is_open()) {
    std::array<std::byte, page_bytes> bytes{};
    Page page{page_magic, journal_id, {}, durable, ~durable};
    std::memcpy(bytes.data(), &page, sizeof page);
    core::replace_file(path, bytes);
  }
  const core::File file = core::File::open(path, O_RDWR);
  void* const memory =
      ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
  if (memory == MAP_FAILED) core::throw_system_error("cannot map", path, errno);
  DurableFile mapped(memory);
  mapped.page_->journal_id = journal_id;
  // Readers trust the value only under the present boot id, so the value comes first.
  mapped.publish(durable);
  mapped.page_->boot_id = read_boot_id();
  return mapped;
}

DurableFile DurableFile::open(const std::string& folder) {
  int error = 0;
  const core::File file = core::File::try_open(path_of(folder), O_RDONLY, 0, error);
  if (!file.is_open()) {
    if (error != ENOENT) core::throw_system_error("cannot open", path_of(folder), error);
    return {};
  }
  if (file.size() < page_bytes) return {};
  void* const memory = ::mmap(nullptr, page_bytes, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (memory == MAP_FAILED) core::throw_system_error("cannot map", path_of(folder), errno);
  DurableFile mapped(memory);
  if (mapped.page_->magic != page_magic) return {};
  return mapped;
}

DurableFile::DurableFile(DurableFile&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)) {}

DurableFile& DurableFile::operator=(DurableFile&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

DurableFile::~DurableFile() {
  if (page_ != nullptr) ::munmap(page_, page_bytes);
}

void DurableFile::publish(Position durable) noexcept {
  std::atomic_ref(page_->durable).store(durable);
  std::atomic_ref(page_->inverse).store(~durable);
}

std::optional<Position> DurableFile::observe() const noexcept {
  // The mapping may be read-only; an atomic load of eight bytes does not write.
  const std::uint64_t inverse = std::atomic_ref(page_->inverse).load();
  const std::uint64_t durable = std::atomic_ref(page_->durable).load();
  if (durable != ~inverse) return std::nullopt;
  return durable;
}

bool DurableFile::is_of_this_boot() const noexcept {
  static const BootId now = read_boot_id();
  return now != BootId{} && page_->boot_id == now;
}

}  // namespace perp::journal
