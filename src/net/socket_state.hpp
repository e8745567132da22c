#pragma once
// A connection or listener as the loop keeps it. Made by the loop, used again for later
// connections, and never freed before the loop: the kernel may still write events for it.
#include "net/timer_heap.hpp"

#include <perp/net/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace perp::net::detail {

struct LoopCore;

struct alignas(64) SocketState {
  enum class Phase : std::uint8_t {
    unused,
    connecting,
    connected,
    listening,
    closing,  ///< its owner has let go; operations of the kernel are outstanding
  };

  int descriptor = -1;
  Phase phase = Phase::unused;
  bool is_receiving = false;  ///< on_data() is wanted
  bool is_paused = false;
  bool is_sending = false;  ///< `sending` is with the engine
  bool is_touched = false;  ///< in LoopCore::touched
  bool is_finish_wanted = false;
  bool has_finished = false;       ///< FIN sent
  bool has_peer_finished = false;  ///< FIN received
  bool is_drain_awaited = false;
  // io_uring: which operations the kernel has.
  bool has_receive = false;
  bool has_send = false;
  bool has_poll = false;
  bool is_rearm_noted = false;
  std::uint64_t batch_of_data = 0;  ///< of completions, the last with data for it
  std::uint32_t epoll_events = 0;   ///< epoll: what it is registered for
  int error = 0;                    ///< of sending, or of a dial that failed at once

  SocketHandler* handler = nullptr;
  AcceptHandler* accept_handler = nullptr;
  LoopCore* core = nullptr;
  Socket* owner = nullptr;
  std::size_t send_limit_bytes = 0;
  std::vector<std::byte> queued;    ///< behind `sending`
  std::vector<std::byte> sending;   ///< does not move while the kernel has it
  std::size_t sent_bytes = 0;       ///< of `sending`
  Endpoint peer;                    ///< of a listener: its own address
  std::unique_ptr<Timer> deadline;  ///< connecting: its end; listening: when to accept again

  /// A connection begins; the vectors keep their room, and LoopCore::touched_ its entry.
  void begin(Phase first) noexcept {
    descriptor = -1;
    phase = first;
    is_receiving = is_paused = is_sending = false;
    is_finish_wanted = has_finished = has_peer_finished = is_drain_awaited = false;
    has_receive = has_send = has_poll = false;
    epoll_events = 0;
    error = 0;
    queued.clear();
    sending.clear();
    sent_bytes = 0;
    send_limit_bytes = SocketOptions{}.send_limit_bytes;
  }
  std::size_t unsent_bytes() const noexcept { return queued.size() + sending.size() - sent_bytes; }
  bool is_connected() const noexcept { return phase == Phase::connected; }
  bool wants_data() const noexcept {
    return phase == Phase::connected && is_receiving && !is_paused && !has_peer_finished;
  }
};

}  // namespace perp::net::detail
