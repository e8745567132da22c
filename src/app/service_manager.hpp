#pragma once
// What a service manager (systemd) is told over $NOTIFY_SOCKET: one datagram per word, no library
// needed. Without that variable every call does nothing. Cold; the supervising thread's. A word
// that cannot be delivered is dropped and counted: a daemon does not fail because of its manager.
// Protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
#include <perp/core/time.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace perp::app {

class ServiceManager {
 public:
  /// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment.
  /// @throws core::Error if the socket's name is neither an absolute path nor "@name", or too long
  ServiceManager();
  /// @param socket its name, empty: nobody listens. @param watchdog_ns 0: none is wanted
  ServiceManager(const std::string& socket, std::int64_t watchdog_ns);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  bool is_there() const noexcept { return descriptor_ >= 0; }
  void ready();
  void stopping();
  void reloading();  ///< ready() ends it
  void status(std::string_view line);
  void alive();
  /// alive() is expected at least this often; 0: never.
  std::int64_t watchdog_ns() const noexcept { return watchdog_ns_; }
  std::uint64_t dropped_count() const noexcept { return dropped_; }

 private:
  void tell(std::string_view words);

  std::string address_;  ///< of the socket, as sun_path takes it
  int descriptor_ = -1;
  std::int64_t watchdog_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace perp::app
