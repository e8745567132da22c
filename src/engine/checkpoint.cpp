#include "engine/checkpoint.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>
#include <perp/core/file.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>

namespace perp::engine {
namespace {

constexpr std::string_view suffix = ".checkpoint";
constexpr std::size_t digits = 20;
/// The newest may be damaged by the very fault that makes it needed.
constexpr std::size_t kept_files = 2;

std::uint32_t checksum_of(CheckpointHeader header, std::span<const std::byte> image) {
  header.checksum = 0;
  return core::crc32c(image, core::crc32c(std::as_bytes(std::span(&header, 1))));
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw core::Error("checkpoint refused", path, why);
}

}  // namespace

std::vector<std::string> list_checkpoints(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code absent;  // no folder, no checkpoints
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    const std::string name = entry.path().filename().string();
    if (name.size() != digits + suffix.size() || !name.ends_with(suffix)) continue;
    if (!std::all_of(name.begin(), name.begin() + digits,
                     [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end(), std::greater<>());
  return files;
}

void write_checkpoint_file(const std::string& folder, std::uint64_t journal_id,
                           journal::Position position, std::span<std::byte> file) {
  CheckpointHeader header;
  header.journal_id = journal_id;
  header.position = position;
  header.image_bytes = file.size() - sizeof header;
  header.checksum = checksum_of(header, file.subspan(sizeof header));
  std::memcpy(file.data(), &header, sizeof header);
  core::create_folders(folder);
  core::replace_file(fmt::format("{}/{:020}{}", folder, position, suffix), file);
  const std::vector<std::string> files = list_checkpoints(folder);
  for (std::size_t i = kept_files; i < files.size(); ++i) {
    std::error_code stays;  // a file too many harms nobody, and the next checkpoint tries again
    std::filesystem::remove(files[i], stays);
  }
}

std::vector<std::byte> read_checkpoint_file(const std::string& path, std::uint64_t journal_id,
                                            CheckpointHeader& header) {
  const core::File input = core::File::open(path, O_RDONLY);
  std::vector<std::byte> file(input.size());
  file.resize(input.pread_all(file, 0));
  if (file.size() < sizeof header) refuse(path, "it ends within its header");
  std::memcpy(&header, file.data(), sizeof header);
  const CheckpointHeader expected;
  if (header.magic != expected.magic) refuse(path, "it is not a checkpoint");
  if (header.version != expected.version)
    refuse(path, fmt::format("it has version {}, this program reads {}", header.version,
                             expected.version));
  if (header.image_bytes != file.size() - sizeof header)
    refuse(path, fmt::format("it holds {} bytes and should hold {}", file.size() - sizeof header,
                             header.image_bytes));
  if (header.checksum != checksum_of(header, std::span(file).subspan(sizeof header)))
    refuse(path, "its checksum does not match");
  if (header.journal_id != journal_id) refuse(path, "it belongs to another journal");
  return file;
}

}  // namespace perp::engine
