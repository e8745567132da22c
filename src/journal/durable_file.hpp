#pragma once
// `<folder>/durable`: one page, mapped by the writer and by readers, through which the writer says
// up to which position everything is on disk. The value lives in the page cache and so outlives a
// killed process; after a reboot it may be older than the truth, which the boot id in it tells.
#include <perp/core/file.hpp>
#include <perp/journal/format.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace perp::journal {

class DurableFile {
 public:
  struct Page;

  DurableFile() = default;
  /// Maps the file for the writer, creating or repairing it. Publishes `durable` before anything
  /// else can be seen.
  static DurableFile create(const std::string& folder, std::uint64_t journal_id, Position durable);
  /// Maps it for a reader. Not open if there is none or it is not one of ours.
  static DurableFile open(const std::string& folder);

  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&& other) noexcept;
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  ~DurableFile();

  [[nodiscard]] bool is_open() const { return page_ != nullptr; }
  /// One writer. Wait-free.
  void publish(Position durable) noexcept;
  /// Any reader. Nothing if a publication is under way or the page is damaged.
  [[nodiscard]] std::optional<Position> observe() const noexcept;
  /// Whether it was published since this machine started, and so cannot be older than the truth.
  [[nodiscard]] bool is_of_this_boot() const noexcept;

 private:
  explicit DurableFile(void* page) : page_(static_cast<Page*>(page)) {}
  Page* page_ = nullptr;
};

}  // namespace perp::journal
