#pragma once
// What this machine may do to one host: new connections per window, request weight per window, and
// nothing at all while the host has banned it. One file per host holds the account, so that all
// threads and all processes of the machine spend one budget, and a ban outlives a restart.
//
// Windows slide: of any span as long as the window, whatever its alignment, at most the budget is
// spent. They are counted in 32 slices, so a weight comes back up to 1/32 of a window late.
//
// Time inside is the ledger's own: it follows the monotonic clock within one boot, whatever the
// wall clock does, and the wall clock from one boot to the next, never backwards. A wall clock that
// is set back while the machine is down lengthens a ban by as much, one that is set forward
// shortens it: nothing there could tell.
//
// Processes exclude each other by an open-file-description lock (F_OFD_SETLK): the kernel frees it
// when its holder dies, two ledgers of one process exclude each other too, which F_SETLK's do not,
// and no half-made mutex is left in shared memory. It is tried for some 20 ms and never waited for
// beyond: a stopped process cannot stop the feeds; the answer is then `busy`.
//
// The account is written to the older of two slots, each with its checksum, so that a writer that
// dies half-way leaves the one before. With both damaged it is begun anew, reported: a ban that can
// be read is kept, and all budgets count as spent for one window, since what was spent is not
// known. Bans are synced to the disk, budgets are not: what a power cut takes of them, its duration
// gives back.
//
// A child of fork() opens its own: a lock is shared by all who inherited the open file.
//
// Cold path: five system calls per question. Its methods may be called by any thread
// and do not throw once it is open: where the file fails it reports and goes on in memory.
#include <perp/core/time.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perp::feed {

/// Both clocks at one moment: the monotonic one measures, the wall clock is for other boots.
struct Moment {
  core::MonoNs mono;
  core::WallNs wall;
};

/// So much weight per window, e.g. Binance's REQUEST_WEIGHT: 2400 per minute.
struct WeightPool {
  std::string name;            ///< 1 to 23 bytes, the same in all processes
  std::uint32_t limit = 0;     ///< the venue's own, > 0
  std::int64_t window_ns = 0;  ///< at least 1 ms
  std::uint32_t percent = 90;  ///< of the limit that is spent, 1 to 100
};

struct HostLedgerOptions {
  std::string folder;  ///< of all ledgers, e.g. var/run; made if absent
  std::string host;    ///< "fapi.binance.com": letters, digits, '.', '-', '_', ':'
  /// New connections: all of the limit is spent, since it is what this machine allows itself.
  WeightPool connects{"connect", 60, core::ns_per_minute, 100};
  std::vector<WeightPool> pools;  ///< at most 8
  /// Bans that come without a Retry-After that lies ahead, per status.
  std::int64_t ban_429_ns = core::ns_per_minute;
  std::int64_t ban_418_ns = 10 * core::ns_per_minute;
  std::int64_t ban_403_ns = 10 * core::ns_per_minute;
  /// Damage and disk errors, as a sentence; called under the ledger's mutex: do not call back.
  std::function<void(const std::string& what)> report;
  /// Identifies this run of the machine; empty: asked of the kernel.
  std::string boot_id;
};

struct Grant {
  enum class Verdict : std::uint8_t {
    granted,    ///< and booked
    spent,      ///< the window's budget is: ask again at retry_at
    banned,     ///< until retry_at, by the host's word
    busy,       ///< another process holds the file: ask again at retry_at
    too_heavy,  ///< more than the pool ever grants, or 0, or no such pool: never ask again
  };
  Verdict verdict = Verdict::granted;
  core::MonoNs retry_at;  ///< when asking again makes sense; not a promise

  explicit operator bool() const noexcept { return verdict == Verdict::granted; }
};

class HostLedger {
 public:
  /// The longest that a Retry-After is believed: Binance's longest ban is 3 days.
  static constexpr std::int64_t ban_ns_max = 30 * core::ns_per_day;

  /// Opens or makes `<folder>/<host>.ledger`. Throws core::Error where an option is out of its
  /// range or the file cannot be opened.
  explicit HostLedger(HostLedgerOptions options);
  ~HostLedger();
  HostLedger(const HostLedger&) = delete;
  HostLedger& operator=(const HostLedger&) = delete;

  /// One new connection, booked if granted. @thread any
  Grant may_connect(Moment now);
  /// One request of `weight` against the named pool, booked if granted. @thread any
  Grant may_request(Moment now, std::string_view pool, std::uint32_t weight);

  /// What the host says is used of a pool: where it is more than was booked here (somebody else
  /// shares the address), the difference is booked. Less is not believed: requests may be on their
  /// way. @returns false if it could not be booked (busy, no such pool). @thread any
  bool on_used(Moment now, std::string_view pool, std::uint32_t used);
  /// A reply's status. 429, 418 and 403 are bans, for Retry-After or for the options' time; any
  /// other error (>= 400) is one if it has a Retry-After. A ban never shortens one that is there.
  /// @param retry_after, date the reply's fields of these names, or empty. @returns whether it is a
  /// ban. Holds for this process at once, even if the file is busy. @thread any
  bool on_status(Moment now, int status, std::string_view retry_after = {},
                 std::string_view date = {});

  /// When the ban ends, by the caller's monotonic clock; `now` or before if there is none.
  /// @thread any
  core::MonoNs banned_until(Moment now);
  /// Weight booked in the window that ends now; 0 for no such pool. "connect" is one. @thread any
  std::uint32_t spent(Moment now, std::string_view pool);

  const std::string& path() const noexcept { return path_; }

 private:
  struct State;
  std::string path_;
  std::unique_ptr<State> state_;
};

}  // namespace perp::feed
