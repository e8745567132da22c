#pragma once
// What a host ledger's file holds: sliding windows, the ban, and the ledger's own time. Plain data,
// laid out for the disk, and the arithmetic over it; knows neither files nor locks.
#include <perp/feed/host_ledger.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace perp::feed {

/// Carries its own checksum and both clocks, so that it can be believed alone.
struct BanRecord {
  std::int64_t until_ns;    ///< ledger time
  std::int64_t until_mono;  ///< of `boot`
  std::int64_t until_wall;
  std::int64_t length_ns;  ///< 0: there was none
  std::uint64_t boot;
  std::uint32_t status;
  std::uint32_t crc;
};

struct WindowRecord {
  static constexpr std::int64_t slices_per_window = 32;
  /// One more: now lies inside the newest slice, and so does the window's begin in the oldest.
  static constexpr std::int64_t slice_count = slices_per_window + 1;

  std::array<char, 24> name;  ///< zero-terminated; empty: not in use
  std::int64_t window_ns;
  std::int64_t newest;  ///< number of the newest slice, counted from ledger time 0
  std::array<std::uint32_t, slice_count> slices;
  std::uint32_t unused;

  std::int64_t slice_ns() const noexcept {
    return (window_ns + slices_per_window - 1) / slices_per_window;
  }
  void roll_to(std::int64_t ledger_ns) noexcept;
  /// Weight booked over at least the last window. After roll_to().
  std::uint64_t spent() const noexcept;
  /// Adds to the newest slice.
  void book(std::uint64_t weight) noexcept;
  /// The ledger time from which on at least `weight` of what is booked no longer counts.
  std::int64_t free_at(std::uint64_t weight) const noexcept;
};

struct Account {
  std::int64_t ledger_ns;  ///< as of the clocks below
  std::int64_t mono;
  std::int64_t wall;
  std::uint64_t boot;
  BanRecord ban;
  std::array<WindowRecord, 16> windows;

  /// A fresh one, with nothing booked.
  static Account begin(Moment now, std::uint64_t boot) noexcept;
  /// Moves ledger time on. @returns whether that must be kept: the machine was booted since.
  bool advance(Moment now, std::uint64_t boot) noexcept;
  /// The pool's window, rolled to now. Takes a free or the longest unused record for a new one.
  WindowRecord& window(std::string_view name, std::int64_t window_ns) noexcept;

  bool is_banned() const noexcept { return ban.length_ns > 0 && ledger_ns < ban.until_ns; }
  std::int64_t ban_left_ns() const noexcept { return is_banned() ? ban.until_ns - ledger_ns : 0; }
  /// Unless a longer one is there. @returns whether it is new.
  bool set_ban(std::int64_t left_ns, std::int64_t length_ns, std::uint32_t status) noexcept;
  /// Takes a ban from a record that may come from a damaged account: by its own clocks.
  bool adopt_ban(const BanRecord& found) noexcept;
  /// Takes what an account of the same ledger has booked beyond this one.
  void merge(const Account& other) noexcept;
};
static_assert(sizeof(WindowRecord) == 176 && sizeof(BanRecord) == 48);

}  // namespace perp::feed
