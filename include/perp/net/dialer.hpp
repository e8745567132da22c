#pragma once
// From a name to a connection: resolves it and tries its addresses, families alternating, each a
// little later than the one before or as soon as that failed; the first that answers wins and the
// others are closed (RFC 8305, "happy eyeballs"). A dead IPv6 route costs a quarter of a second,
// not a time-out. Cold; belongs to its loop's thread; destroying it gives the attempt up silently.
#include <perp/net/resolver.hpp>
#include <perp/net/socket.hpp>
#include <perp/net/timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perp::net {

struct DialerOptions {
  std::int64_t deadline_ns = 15 * core::ns_per_second;  ///< for all of it, resolving included
  std::int64_t stagger_ns = 250 * core::ns_per_ms;      ///< from one attempt to the next
  SocketOptions socket{};
};

class Dialer {
 public:
  /// The connection, to be given its handler by Socket::start() before the call returns; else it is
  /// closed.
  using OnDialled = std::function<void(Socket)>;
  /// Why not, one sentence with the host and what each address said.
  using OnFailed = std::function<void(const std::string& why)>;

  Dialer(Loop& loop, Resolver& resolver, OnDialled on_dialled, OnFailed on_failed);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  /// Begins; gives up what is under way. One of the two calls follows, from a later round. Either
  /// may dial again or destroy the Dialer.
  void dial(const std::string& host, std::uint16_t port, const DialerOptions& options = {});
  /// Gives up silently.
  void cancel() noexcept;
  bool is_dialling() const noexcept { return is_dialling_; }

 private:
  class Attempt;
  void try_next();
  void on_attempt_connected(Attempt& attempt);
  void on_attempt_failed(const CloseReason& reason);
  void fail(const std::string& why);

  Loop& loop_;
  Resolver& resolver_;
  OnDialled on_dialled_;
  OnFailed on_failed_;
  DialerOptions options_;
  std::string host_;
  Resolver::Query query_;
  std::vector<Endpoint> endpoints_;
  std::size_t next_ = 0;    ///< of endpoints_
  std::size_t failed_ = 0;  ///< attempts
  std::string complaints_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  Timer stagger_;
  Timer deadline_;
  bool is_dialling_ = false;
};

}  // namespace perp::net
