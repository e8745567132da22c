#pragma once
// What the connections to one host tell each other of an outage: one of those that wait, the scout,
// dials more often than the others, and with it all learn that the host is back. So a heal is
// noticed in seconds after an outage of hours, at the price of one connection's dials. Belongs to
// the feed's thread; no clock, O(1).
#include <perp/core/time.hpp>

#include <cstdint>

namespace perp::feed {

class HostScout {
 public:
  /// A connection has to wait. @param number of the connection, from 1. @returns whether it is the
  /// scout: the first that asked since the host was last back.
  bool appoint(std::uint32_t number) noexcept {
    if (scout_ == 0) scout_ = number;
    return scout_ == number;
  }
  /// It waits no more for another reason.
  void leave(std::uint32_t number) noexcept {
    if (scout_ == number) scout_ = 0;
  }
  /// A connection was lost and has a topic live again.
  void on_back(core::MonoNs now) noexcept {
    back_at_ = now;
    scout_ = 0;
  }
  /// Has the host come back since?
  bool is_back_since(core::MonoNs waits_from) const noexcept { return back_at_ > waits_from; }

 private:
  std::uint32_t scout_ = 0;  ///< 0: nobody waits
  core::MonoNs back_at_{};
};

}  // namespace perp::feed
