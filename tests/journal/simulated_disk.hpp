#pragma once
// A storage that does what it is told and keeps a log of it, from which the disk after a power cut
// at any moment is made: what a completed sync covers is there, of everything later any sectors may
// be there or not.
#include "journal/storage.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace perp::journal::test {

struct Operation {
  enum class Kind { create, write, truncate, sync, sync_folder, acknowledge } kind;
  std::string name;  ///< file name
  std::uint64_t offset = 0;
  std::string bytes;
  std::uint64_t size = 0;  ///< create: reserved; truncate: new size; acknowledge: durable position
};

class RecordingStorage final : public Storage {
 public:
  explicit RecordingStorage(std::vector<Operation>& log)
      : log_(log), disk_(make_storage(IoEngine::pwrite)) {}

  void adopt(std::span<const std::span<std::byte>> buffers) override { disk_->adopt(buffers); }
  void write(const core::File& file, std::span<const std::byte> bytes, std::uint64_t offset,
             unsigned buffer, std::uint64_t token) override {
    log_.push_back({Operation::Kind::write, name_of(file.path()), offset, text(bytes), 0});
    disk_->write(file, bytes, offset, buffer, token);
  }
  void sync(const core::File& file, bool is_data_only, std::uint64_t token) override {
    const bool is_folder = std::filesystem::is_directory(file.path());
    log_.push_back({is_folder ? Operation::Kind::sync_folder : Operation::Kind::sync,
                    is_folder ? "" : name_of(file.path()),
                    0,
                    {},
                    0});
    disk_->sync(file, is_data_only, token);
  }
  void submit() override { disk_->submit(); }
  bool reap(Completion& completion) override { return disk_->reap(completion); }
  void wait() override { disk_->wait(); }
  core::File create(const std::string& path, std::span<const std::byte> header,
                    std::uint64_t reserve) override {
    log_.push_back({Operation::Kind::create, name_of(path), 0, text(header), reserve});
    return disk_->create(path, header, reserve);
  }
  void truncate(const core::File& file, std::uint64_t bytes) override {
    log_.push_back({Operation::Kind::truncate, name_of(file.path()), 0, {}, bytes});
    disk_->truncate(file, bytes);
  }
  [[nodiscard]] IoEngine engine() const override { return IoEngine::pwrite; }

 private:
  static std::string name_of(const std::string& path) {
    return std::filesystem::path(path).filename().string();
  }
  static std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::vector<Operation>& log_;
  std::unique_ptr<Storage> disk_;
};

/// What the disk may hold after the first `count` operations and a power cut. A sync counts as done
/// where the log has it: the writer may not rely on it before it has been told, which comes later.
class CrashImage {
 public:
  CrashImage(std::span<const Operation> log, std::mt19937_64& random) {
    std::map<std::string, std::size_t> synced;  // file: operations before this index are safe
    std::size_t folder_synced = 0;
    for (std::size_t i = 0; i < log.size(); ++i) {
      if (log[i].kind == Operation::Kind::sync) synced[log[i].name] = i;
      if (log[i].kind == Operation::Kind::sync_folder) folder_synced = i;
    }
    const std::uint64_t sector = random() % 2 == 0 ? 4096 : 512;
    const unsigned kept_of_8 = static_cast<unsigned>(random() % 9);  // nothing, some, everything
    const auto survives = [&] { return random() % 8 < kept_of_8; };
    std::map<std::string, bool> is_absent;
    for (std::size_t i = 0; i < log.size(); ++i) {
      const Operation& op = log[i];
      const bool is_safe = i < synced[op.name];
      switch (op.kind) {
        case Operation::Kind::create:
          is_absent[op.name] = i >= folder_synced && !survives();
          files[op.name] = std::string(is_safe || survives() ? op.size : 0, '\0');
          put(op, sector, is_safe, survives);
          break;
        case Operation::Kind::write: put(op, sector, is_safe, survives); break;
        case Operation::Kind::truncate:
          if (is_safe || survives()) files[op.name].resize(op.size);
          break;
        case Operation::Kind::acknowledge: acknowledged = std::max(acknowledged, op.size); break;
        default: break;
      }
    }
    for (const auto& [name, absent] : is_absent)
      if (absent) files.erase(name);
  }

  std::map<std::string, std::string> files;
  Position acknowledged = 0;

 private:
  template <class Survives>
  void put(const Operation& op, std::uint64_t sector, bool is_safe, const Survives& survives) {
    std::string& file = files[op.name];
    for (std::uint64_t at = 0; at < op.bytes.size(); at += sector) {
      if (!is_safe && !survives()) continue;
      const std::string part = op.bytes.substr(at, sector);
      if (file.size() < op.offset + at + part.size()) file.resize(op.offset + at + part.size());
      file.replace(op.offset + at, part.size(), part);
    }
  }
};

}  // namespace perp::journal::test
