#pragma once
// A host ledger's file: two slots, each an account with its checksum, and the lock that processes
// exclude each other by. One thread at a time; every failure of the disk is a core::Error.
#include "feed/ledger_account.hpp"

#include <perp/core/file.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perp::feed {

class LedgerFile {
 public:
  struct Content {
    std::optional<Account> account;  ///< the newest that is whole
    std::vector<BanRecord> bans;     ///< of damaged slots; each to be checked by its own checksum
    bool is_new = false;             ///< nothing was ever written
    bool has_damage = false;
  };

  /// Opens or makes it.
  explicit LedgerFile(const std::string& path);

  /// Takes the lock, trying for some 20 ms. @returns false if another has it all that time.
  bool try_lock();
  void unlock() noexcept;

  // The rest with the lock.
  Content read();
  /// Over the older slot; over both, and onto the disk, if `is_precious`.
  void write(const Account& account, bool is_precious);

 private:
  static core::File open(const std::string& path);
  bool try_lock_once() const;

  core::File file_;
  std::uint64_t sequence_ = 0;  ///< of the newest whole slot
  std::size_t older_ = 0;       ///< slot that is written next
};

}  // namespace perp::feed
