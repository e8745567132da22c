#include "net/socket_state.hpp"

#include <perp/net/dialer.hpp>
#include <perp/net/loop.hpp>

#include <fmt/format.h>

#include <utility>

namespace perp::net {

class Dialer::Attempt final : public SocketHandler {
 public:
  Attempt(Dialer& dialer, const Endpoint& endpoint)
      : dialer_(dialer),
        socket(Socket::dial(dialer.loop_, endpoint, *this, dialer.options_.socket)) {}
  void on_connected() override { dialer_.on_attempt_connected(*this); }
  void on_data(std::span<const std::byte>, core::WallNs) override {}  // never: it is given away
  void on_closed(const CloseReason& reason) override { dialer_.on_attempt_failed(reason); }

 private:
  Dialer& dialer_;

 public:
  Socket socket;
};

Dialer::Dialer(Loop& loop, Resolver& resolver, OnDialled on_dialled, OnFailed on_failed)
    : loop_(loop),
      resolver_(resolver),
      on_dialled_(std::move(on_dialled)),
      on_failed_(std::move(on_failed)),
      stagger_(loop, [this] { try_next(); }),
      deadline_(loop, [this] {
        fail(fmt::format("no connection within {} ms{}{}", options_.deadline_ns / core::ns_per_ms,
                         complaints_.empty() ? "" : "; ", complaints_));
      }) {}

Dialer::~Dialer() = default;

void Dialer::dial(const std::string& host, std::uint16_t port, const DialerOptions& options) {
  cancel();
  options_ = options;
  host_ = host;
  is_dialling_ = true;
  deadline_.start_in(options_.deadline_ns);
  query_ = resolver_.resolve(loop_, host, port, [this](const Resolution& resolution) {
    // Of an earlier look-up where this one failed: better than none.
    endpoints_ = resolution.endpoints;
    if (endpoints_.empty()) {
      fail(resolution.error);
      return;
    }
    complaints_ = resolution.error;
    try_next();
  });
}

void Dialer::cancel() noexcept {
  is_dialling_ = false;
  query_.withdraw();
  stagger_.cancel();
  deadline_.cancel();
  attempts_.clear();
  endpoints_.clear();
  complaints_.clear();
  next_ = failed_ = 0;
}

void Dialer::try_next() {
  if (next_ == endpoints_.size()) return;
  attempts_.push_back(std::make_unique<Attempt>(*this, endpoints_[next_++]));
  stagger_.start_in(options_.stagger_ns);
}

void Dialer::on_attempt_failed(const CloseReason& reason) {
  complaints_ += (complaints_.empty() ? "" : "; ") + reason.text();
  // The attempt stays until the end: this is its own call.
  if (++failed_ == endpoints_.size())
    fail(complaints_);
  else
    try_next();
}

void Dialer::fail(const std::string& why) {
  const std::string sentence = fmt::format("dialling {}: {}", host_, why);
  const OnFailed call = on_failed_;  // it may destroy this
  cancel();
  call(sentence);
}

void Dialer::on_attempt_connected(Attempt& attempt) {
  Socket socket = std::move(attempt.socket);
  detail::SocketState& state = socket.await_start();
  const OnDialled call = on_dialled_;  // it may destroy this
  cancel();
  call(std::move(socket));
  Socket::close_unless_started(state);
}

}  // namespace perp::net
