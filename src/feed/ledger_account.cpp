#include "feed/ledger_account.hpp"

#include <perp/core/crc32c.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>

namespace perp::feed {
namespace {

std::uint32_t checksum(const BanRecord& ban) {
  return core::crc32c(std::as_bytes(std::span(&ban, 1)).first(offsetof(BanRecord, crc)));
}

}  // namespace

void WindowRecord::roll_to(std::int64_t ledger_ns) noexcept {
  const std::int64_t slice = ledger_ns / slice_ns();
  if (slice <= newest) return;
  const std::int64_t gone = std::min(slice - newest, slice_count);
  for (std::int64_t i = 1; i <= gone; ++i)
    slices[static_cast<std::size_t>((newest + i) % slice_count)] = 0;
  if (gone == slice_count) slices = {};
  newest = slice;
}

std::uint64_t WindowRecord::spent() const noexcept {
  return std::accumulate(slices.begin(), slices.end(), std::uint64_t{0});
}

void WindowRecord::book(std::uint64_t weight) noexcept {
  std::uint32_t& slice = slices[static_cast<std::size_t>(newest % slice_count)];
  // A host's nonsense of 2^32 stays "more than any limit".
  slice = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(slice + weight, std::numeric_limits<std::uint32_t>::max()));
}

std::int64_t WindowRecord::free_at(std::uint64_t weight) const noexcept {
  std::uint64_t freed = 0;
  std::int64_t slice = newest - slices_per_window;
  for (; slice < newest; ++slice) {
    if (slice < 0) continue;
    freed += slices[static_cast<std::size_t>(slice % slice_count)];
    if (freed >= weight) break;
  }
  return (slice + slice_count) * slice_ns();
}

Account Account::begin(Moment now, std::uint64_t boot) noexcept {
  Account account{};
  account.mono = now.mono.ns;
  account.wall = now.wall.ns;
  account.boot = boot;
  account.ban.crc = checksum(account.ban);
  return account;
}

bool Account::advance(Moment now, std::uint64_t boot_now) noexcept {
  if (boot == boot_now && boot != 0) {
    // A caller may have read its clock before another one did, and come later.
    ledger_ns += std::max<std::int64_t>(0, now.mono.ns - mono);
    mono = std::max(mono, now.mono.ns);
    wall = now.wall.ns;
    return false;
  }
  if (wall != core::unknown_ns && now.wall.ns > wall) ledger_ns += now.wall.ns - wall;
  boot = boot_now;
  mono = now.mono.ns;
  wall = now.wall.ns;
  // The ban's own clocks are of the last boot: a record that is read alone must fit this one.
  if (is_banned()) {
    ban.until_mono = mono + ban_left_ns();
    ban.until_wall = wall + ban_left_ns();
    ban.boot = boot;
    ban.crc = checksum(ban);
  }
  return true;
}

WindowRecord& Account::window(std::string_view name, std::int64_t window_ns) noexcept {
  WindowRecord* place = &windows.front();
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (WindowRecord& window : windows) {
    if (name == window.name.data() && window.window_ns == window_ns) {
      window.roll_to(ledger_ns);
      return window;
    }
    const std::int64_t used_at = window.name[0] == '\0' ? -1 : window.newest * window.slice_ns();
    if (used_at < oldest) {
      oldest = used_at;
      place = &window;
    }
  }
  *place = {};
  name.copy(place->name.data(), place->name.size() - 1);
  place->window_ns = window_ns;
  place->newest = ledger_ns / place->slice_ns();
  return *place;
}

bool Account::set_ban(std::int64_t left_ns, std::int64_t length_ns, std::uint32_t status) noexcept {
  if (left_ns <= ban_left_ns()) return false;
  ban = {ledger_ns + left_ns, mono + left_ns, wall + left_ns, length_ns, boot, status, 0};
  ban.crc = checksum(ban);
  return true;
}

bool Account::adopt_ban(const BanRecord& found) noexcept {
  if (found.crc != checksum(found) || found.length_ns <= 0) return false;
  std::int64_t left = found.length_ns;  // it never had more: a clock set back adds no year to it
  if (found.boot == boot && boot != 0) {
    left = std::min(left, found.until_mono - mono);
  } else if (wall != core::unknown_ns) {
    left = std::min(left, found.until_wall - wall);
  }
  return set_ban(left, found.length_ns, found.status);
}

void Account::merge(const Account& other) noexcept {
  ledger_ns = std::max(ledger_ns, other.ledger_ns);
  adopt_ban(other.ban);
  for (WindowRecord theirs : other.windows) {
    if (theirs.name[0] == '\0') continue;
    WindowRecord& ours = window(theirs.name.data(), theirs.window_ns);
    theirs.roll_to(ledger_ns);
    for (std::size_t i = 0; i < ours.slices.size(); ++i)
      ours.slices[i] = std::max(ours.slices[i], theirs.slices[i]);
  }
}

}  // namespace perp::feed
