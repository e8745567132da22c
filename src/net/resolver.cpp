#include "net/socket_address.hpp"

#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/resolver.hpp>

#include <fmt/format.h>

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace perp::net {
namespace {

std::string look_up_by_system(const std::string& host, std::vector<Endpoint>& endpoints) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  if (result == EAI_SYSTEM) return std::generic_category().message(errno);
  if (result != 0) return ::gai_strerror(result);
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    detail::SocketAddress address;
    std::memcpy(address.get(), entry->ai_addr, entry->ai_addrlen);
    endpoints.push_back(address.endpoint());
  }
  return endpoints.empty() ? "no address of a kind that can be dialled" : "";
}

/// The order within a family is kept; the families take turns, beginning with that of the first.
std::vector<Endpoint> alternate(const std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> lanes[2];
  for (const Endpoint& endpoint : endpoints)
    lanes[endpoint.family == endpoints.front().family ? 0 : 1].push_back(endpoint);
  std::vector<Endpoint> mixed;
  for (std::size_t i = 0; i < std::max(lanes[0].size(), lanes[1].size()); ++i)
    for (const auto& lane : lanes)
      if (i < lane.size()) mixed.push_back(lane[i]);
  return mixed;
}

}  // namespace

struct Resolver::Query::State {
  std::string host;
  std::uint16_t port = 0;
  // Guards `loop`, which is null once withdrawn: the resolver's thread posts under it, so that a
  // withdrawn query's loop is not touched any more.
  std::mutex mutex;
  Loop* loop = nullptr;
  bool is_answered = false;  ///< of the loop's thread, as is on_answer
  OnAnswer on_answer;
};

struct Resolver::Impl {
  using State = Query::State;
  struct Known {
    Resolution resolution;  ///< ports 0
    core::MonoNs looked_up_at;
  };

  explicit Impl(ResolverOptions given) : options(std::move(given)) {
    if (!options.look_up) options.look_up = look_up_by_system;
    thread = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  void run(const std::stop_token& stop) {
    core::set_thread_name("perp-resolver");
    for (;;) {
      std::shared_ptr<State> query;
      {
        std::unique_lock lock(mutex);
        if (!queued_or_stopped.wait(lock, stop, [this] { return !queued.empty(); })) return;
        query = std::move(queued.front());
        queued.pop_front();
      }
      {
        const std::lock_guard lock(query->mutex);
        if (query->loop == nullptr) continue;
      }
      deliver(stop, query, answer(query->host, query->port));
    }
  }

  Resolution answer(const std::string& host, std::uint16_t port) {
    Resolution resolution;
    if (Endpoint numeric; Endpoint::parse(host, port, numeric)) {
      resolution.endpoints.push_back(numeric);
      resolution.resolved_at = core::mono_now();
      return resolution;
    }
    const core::MonoNs now = core::mono_now();
    auto known = names.find(host);
    if (known == names.end() ||
        now - known->second.looked_up_at >=
            (known->second.resolution.error.empty() ? options.ttl_ns : options.failure_ttl_ns)) {
      std::vector<Endpoint> endpoints;
      const std::string error = options.look_up(host, endpoints);
      if (known == names.end()) {
        if (names.size() >= options.names_max) forget_oldest();
        known = names.emplace(host, Known{}).first;
      }
      Known& entry = known->second;
      entry.looked_up_at = core::mono_now();
      entry.resolution.error = error.empty() ? "" : fmt::format("resolving {}: {}", host, error);
      if (error.empty()) {
        entry.resolution.endpoints = alternate(endpoints);
        entry.resolution.resolved_at = entry.looked_up_at;
      }
    }
    resolution = known->second.resolution;
    for (Endpoint& endpoint : resolution.endpoints) endpoint.port = port;
    return resolution;
  }

  void forget_oldest() {
    names.erase(std::min_element(names.begin(), names.end(), [](const auto& a, const auto& b) {
      return a.second.looked_up_at < b.second.looked_up_at;
    }));
  }

  static void deliver(const std::stop_token& stop, const std::shared_ptr<State>& query,
                      Resolution resolution) {
    const std::function<void()> call = [query, resolution = std::move(resolution)] {
      {
        const std::lock_guard lock(query->mutex);
        if (query->loop == nullptr) return;
      }
      query->is_answered = true;
      const OnAnswer on_answer = std::move(query->on_answer);
      on_answer(resolution);
    };
    // A loop whose posts are at their limit has its rounds to run first.
    while (!stop.stop_requested()) {
      {
        const std::lock_guard lock(query->mutex);
        if (query->loop == nullptr || query->loop->post(call)) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  ResolverOptions options;
  std::map<std::string, Known> names;  ///< of the resolver's thread
  std::mutex mutex;                    ///< guards queued
  std::condition_variable_any queued_or_stopped;
  std::deque<std::shared_ptr<State>> queued;
  std::jthread thread;  ///< last: everything it uses outlives it
};

Resolver::Resolver(ResolverOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Resolver::~Resolver() = default;

Resolver::Query Resolver::resolve(Loop& loop, std::string host, std::uint16_t port,
                                  OnAnswer on_answer) {
  Query query;
  query.state_ = std::make_shared<Query::State>();
  query.state_->host = std::move(host);
  query.state_->port = port;
  query.state_->loop = &loop;
  query.state_->on_answer = std::move(on_answer);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->queued.size() >= impl_->options.queries_max)
      throw core::Error("cannot resolve " + query.state_->host, "resolver",
                        fmt::format("{} queries are waiting", impl_->queued.size()));
    impl_->queued.push_back(query.state_);
  }
  impl_->queued_or_stopped.notify_one();
  return query;
}

Resolver::Query& Resolver::Query::operator=(Query&& other) noexcept {
  if (this == &other) return *this;
  withdraw();
  state_ = std::move(other.state_);
  return *this;
}

void Resolver::Query::withdraw() noexcept {
  if (state_ == nullptr) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->loop = nullptr;
  }
  state_.reset();
}

bool Resolver::Query::is_pending() const noexcept {
  return state_ != nullptr && !state_->is_answered;
}

}  // namespace perp::net
