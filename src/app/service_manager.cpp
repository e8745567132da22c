#include "app/service_manager.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace perp::app {
namespace {

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::string() : std::string(text);
}

/// What the manager asked for, if it was meant for this process.
std::int64_t wanted_watchdog_ns() {
  const auto number = [](const std::string& text) {
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size() && value > 0 ? value : 0;
  };
  const std::int64_t us = number(variable("WATCHDOG_USEC"));
  const std::string pid = variable("WATCHDOG_PID");
  if (!pid.empty() && number(pid) != getpid()) return 0;
  return us > std::int64_t{86'400} * 1'000'000 ? 0 : us * core::ns_per_us;
}

}  // namespace

ServiceManager::ServiceManager()
    : ServiceManager(variable("NOTIFY_SOCKET"), wanted_watchdog_ns()) {}

ServiceManager::ServiceManager(const std::string& socket, std::int64_t watchdog_ns)
    : address_(socket), watchdog_ns_(socket.empty() ? 0 : watchdog_ns) {
  if (socket.empty()) return;
  if (socket.size() < 2 || (socket.front() != '/' && socket.front() != '@'))
    throw core::Error("'" + socket + "' is no socket", "NOTIFY_SOCKET",
                      "expected an absolute path or @name");
  if (socket.size() >= sizeof(sockaddr_un::sun_path))
    throw core::Error(fmt::format("a name of {} bytes", socket.size()), "NOTIFY_SOCKET",
                      fmt::format("expected fewer than {}", sizeof(sockaddr_un::sun_path)));
  if (address_.front() == '@') address_.front() = '\0';  // a name of its own, outside of the files
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) core::throw_system_error("socket", "NOTIFY_SOCKET", errno);
  // A manager whose queue is full is waited for, but not for long.
  const timeval patience{0, 500'000};
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

ServiceManager::~ServiceManager() {
  if (descriptor_ >= 0) close(descriptor_);
}

void ServiceManager::ready() { tell("READY=1"); }
void ServiceManager::stopping() { tell("STOPPING=1"); }
void ServiceManager::alive() { tell("WATCHDOG=1"); }

void ServiceManager::reloading() {
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", core::mono_now().ns / core::ns_per_us));
}

void ServiceManager::status(std::string_view line) {
  std::string words = fmt::format("STATUS={}", line);
  for (char& c : words)
    if (c == '\n') c = ' ';  // a line of its own would be another word
  tell(words);
}

void ServiceManager::tell(std::string_view words) {
  if (descriptor_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  // The length counts: an abstract name has no end of its own.
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  if (sendto(descriptor_, words.data(), words.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&to), size) < 0)
    ++dropped_;
}

}  // namespace perp::app
