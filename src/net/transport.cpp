#include <perp/net/http_writer.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/transport.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace perp::net {
namespace {

// The socket's queue has a limit: what is larger goes in pieces that fit it.
constexpr std::size_t hand_over_bytes = std::size_t{64} << 10;

}  // namespace

std::string_view name_of(TransportEnd::Kind kind) noexcept {
  switch (kind) {
    case TransportEnd::Kind::finished: return "finished";
    case TransportEnd::Kind::unreachable: return "unreachable";
    case TransportEnd::Kind::proxy_refused: return "proxy_refused";
    case TransportEnd::Kind::tls_failed: return "tls_failed";
    case TransportEnd::Kind::timed_out: return "timed_out";
    case TransportEnd::Kind::broken: return "broken";
    case TransportEnd::Kind::too_much: return "too_much";
  }
  return "unknown";
}

Transport::Transport(Loop& loop, TransportHandler& handler, const TransportLimits& limits)
    : loop_(loop),
      handler_(handler),
      limits_(limits),
      received_(limits.receive_bytes),
      outgoing_(limits.send_bytes),
      timer_(loop, [this] { on_time(); }) {}

void Transport::dial(Resolver& resolver, const std::string& host, std::uint16_t port,
                     const TlsContext* tls, const TransportOptions& options) {
  abort();
  options_ = options;
  host_ = host;
  port_ = port;
  context_ = tls;
  state_ = State::dialling;
  dialer_.emplace(
      loop_, resolver, [this](Socket socket) { on_dialled(std::move(socket)); },
      [this](const std::string& why) {
        end_ = {.kind = TransportEnd::Kind::unreachable, .text = why};
        report();
      });
  if (options_.proxy)
    dialer_->dial(options_.proxy->host, options_.proxy->port, options_.dial);
  else
    dialer_->dial(host, port, options_.dial);
}

void Transport::accept(Socket socket, const TlsContext* tls, const TransportOptions& options) {
  abort();
  options_ = options;
  host_ = socket.peer().text();
  context_ = tls;
  state_ = State::handshaking;
  socket_ = std::move(socket);
  socket_.start(*this, options_.dial.socket);
  if (context_ != nullptr) {
    timer_.start_in(options_.open_timeout_ns);
    tls_.emplace(*context_, limits_.send_bytes);
  } else {
    timer_.start_in(0);  // events come from rounds, not from this call
  }
}

void Transport::on_dialled(Socket socket) {
  socket_ = std::move(socket);
  socket_.start(*this, options_.dial.socket);
  timer_.start_in(options_.open_timeout_ns);
  if (options_.proxy)
    begin_tunnel();
  else
    begin_tls();
}

void Transport::begin_tunnel() {
  state_ = State::tunnelling;
  const bool is_ipv6 = host_.find(':') != std::string::npos;
  const std::string authority =
      is_ipv6 ? fmt::format("[{}]:{}", host_, port_) : fmt::format("{}:{}", host_, port_);
  if (const HttpError error = write_connect(authority, options_.proxy->credentials, outgoing_);
      error != HttpError::none) {
    end_with(TransportEnd::Kind::proxy_refused, TlsErrorKind::none,
             fmt::format("asking the proxy {} for a tunnel: {}", options_.proxy->host,
                         to_string(error)));
    return;
  }
  tunnel_.emplace().begin(HttpExchange::connect);
  flush();
}

void Transport::read_tunnel(core::WallNs receive_ns) {
  switch (tunnel_->parse(received_)) {
    case HttpProgress::need_more: return;
    case HttpProgress::failed:
      end_with(TransportEnd::Kind::proxy_refused, TlsErrorKind::none,
               fmt::format("the proxy {} gave no tunnel to {}: {}", options_.proxy->host, host_,
                           tunnel_->sentence()));
      return;
    case HttpProgress::complete: break;
  }
  if (tunnel_->status() / 100 != 2) {
    end_with(TransportEnd::Kind::proxy_refused, TlsErrorKind::none,
             fmt::format("the proxy {} gave no tunnel to {}: {} {}", options_.proxy->host, host_,
                         tunnel_->status(), tunnel_->reason()));
    return;
  }
  tunnel_.reset();
  // What stands behind the answer is the peer's already.
  const std::vector<std::byte> rest(received_.data().begin(), received_.data().end());
  received_.clear();
  begin_tls();
  if (!rest.empty() && exists()) feed(rest, receive_ns);
}

void Transport::begin_tls() {
  if (context_ == nullptr) {
    become_open();
    return;
  }
  state_ = State::handshaking;
  try {
    tls_.emplace(*context_, host_, limits_.send_bytes);
  } catch (const std::exception& error) {
    end_with(TransportEnd::Kind::tls_failed, TlsErrorKind::internal, error.what());
    return;
  }
  flush();
}

void Transport::become_open() {
  timer_.cancel();
  state_ = State::open;
  handler_.on_open();
  flush();
}

void Transport::on_data(std::span<const std::byte> data, core::WallNs receive_ns) {
  if (state_ != State::ending) feed(data, receive_ns);
}

void Transport::feed(std::span<const std::byte> data, core::WallNs receive_ns) {
  if (state_ == State::handshaking && tls_ == std::nullopt) become_open();  // a plain server's
  if (tls_) {
    const TlsState tls = tls_->feed(data, received_);
    if (state_ == State::handshaking && tls_->state() != TlsState::handshake &&
        tls_->state() != TlsState::failed)
      become_open();
    // What came before a failure is whole and was verified.
    if (state_ == State::open && !received_.data().empty())
      handler_.on_received(received_, receive_ns);
    if (state_ != State::handshaking && state_ != State::open) return;
    if (tls == TlsState::failed) {
      end_with_tls_error();
    } else if (tls == TlsState::closed) {
      end_with(TransportEnd::Kind::finished, TlsErrorKind::none,
               fmt::format("{} has closed the connection", host_));
    } else {
      flush();
    }
    return;
  }
  const std::span<std::byte> room = received_.writable(data.size());
  if (room.empty()) {
    end_with(
        TransportEnd::Kind::too_much, TlsErrorKind::none,
        fmt::format("{} sent more than the {} bytes that may wait", host_, limits_.receive_bytes));
    return;
  }
  std::memcpy(room.data(), data.data(), data.size());
  received_.commit(data.size());
  if (state_ == State::tunnelling) {
    read_tunnel(receive_ns);
  } else if (state_ == State::open) {
    handler_.on_received(received_, receive_ns);
    if (state_ == State::open) flush();
  }
}

void Transport::flush() {
  if (!socket_.is_connected()) return;
  is_flush_refused_ = false;
  encrypt();
  for (;;) {
    const std::span<const std::byte> waiting =
        tls_ ? tls_->output() : std::span<const std::byte>(outgoing_.data());
    if (waiting.empty()) return;
    const auto piece = waiting.first(std::min(waiting.size(), hand_over_bytes));
    if (socket_.send(piece) != SendStatus::queued) {
      is_flush_refused_ = true;
      return;
    }
    if (tls_)
      tls_->consume_output(piece.size());
    else
      outgoing_.consume(piece.size());
    if (tls_ && tls_->output().empty()) encrypt();
  }
}

/// As much as there is room for: all of it at once would never fit, being larger encrypted.
void Transport::encrypt() {
  if (!tls_ || (state_ != State::open && state_ != State::ending)) return;
  while (!outgoing_.data().empty()) {
    const std::span<const std::byte> waiting = std::as_const(outgoing_).data();
    const auto piece = waiting.first(std::min(waiting.size(), hand_over_bytes));
    if (!tls_->write(piece)) return;
    outgoing_.consume(piece.size());
  }
}

void Transport::on_drained() {
  if (state_ == State::ending) {
    timer_.start_in(options_.end_timeout_ns);
    say_finish();
    return;
  }
  flush();
  if (is_flush_refused_ || state_ != State::open) return;
  handler_.on_flushed();
}

void Transport::finish() {
  if (state_ == State::closed || state_ == State::ending) return;
  end_with(TransportEnd::Kind::finished, TlsErrorKind::none,
           fmt::format("the connection to {} was closed by us", host_));
}

void Transport::end_with(TransportEnd::Kind kind, TlsErrorKind tls, const std::string& text) {
  end_ = {.kind = kind, .tls = tls, .was_open = state_ == State::open, .text = text};
  dialer_.reset();
  if (!socket_.is_connected()) {
    timer_.start_in(0);
    state_ = State::ending;
    return;
  }
  state_ = State::ending;
  timer_.start_in(options_.end_timeout_ns);
  say_finish();
}

/// Behind all that was written: what the socket's queue has no room for goes first, as the peer
/// takes it.
void Transport::say_finish() {
  flush();
  if (is_flush_refused_) return;
  if (tls_) {
    tls_->close();
    flush();
    if (is_flush_refused_) return;
  }
  socket_.finish();
}

void Transport::end_with_tls_error() {
  const TlsError& error = tls_->error();
  end_with(error.kind == TlsErrorKind::plain_full  ? TransportEnd::Kind::too_much
           : error.kind == TlsErrorKind::truncated ? TransportEnd::Kind::broken
                                                   : TransportEnd::Kind::tls_failed,
           error.kind, error.text);
}

bool Transport::on_peer_finished() {
  if (!exists()) return false;
  if (state_ == State::ending) return is_flush_refused_;  // it may take what is left all the same
  if (tls_) {
    if (tls_->end_of_input() == TlsState::failed) end_with_tls_error();
    return false;
  }
  if (state_ == State::tunnelling) {
    end_with(TransportEnd::Kind::proxy_refused, TlsErrorKind::none,
             fmt::format("the proxy {} closed the connection before it gave a tunnel to {}",
                         options_.proxy->host, host_));
    return false;
  }
  end_ = {.kind = TransportEnd::Kind::finished,
          .was_open = state_ == State::open,
          .text = fmt::format("{} has closed the connection", host_)};
  state_ = State::ending;
  return false;
}

void Transport::on_closed(const CloseReason& reason) {
  if (state_ != State::ending)
    end_ = {.kind = TransportEnd::Kind::broken, .was_open = is_open(), .text = reason.text()};
  report();
}

void Transport::on_time() {
  switch (state_) {
    case State::handshaking:
      if (context_ == nullptr) {
        become_open();
        return;
      }
      [[fallthrough]];
    case State::tunnelling:
      end_ = {.kind = TransportEnd::Kind::timed_out,
              .text = fmt::format(
                  "{}: no {} within {} ms of the TCP connection", host_,
                  state_ == State::tunnelling ? "tunnel through the proxy" : "TLS connection",
                  options_.open_timeout_ns / core::ns_per_ms)};
      report();
      return;
    case State::ending: report(); return;
    case State::closed:
    case State::dialling:
    case State::open: return;
  }
}

void Transport::report() {
  TransportEnd end = std::move(end_);
  end.unsent_bytes = end.was_open ? unsent_bytes() : 0;
  if (end.unsent_bytes > 0) end.text += fmt::format("; {} bytes were not taken", end.unsent_bytes);
  abort();
  handler_.on_end(end);
}

void Transport::abort() noexcept {
  state_ = State::closed;
  timer_.cancel();
  dialer_.reset();
  socket_.close();
  tls_.reset();
  tunnel_.reset();
  received_.clear();
  outgoing_.clear();
  is_flush_refused_ = false;
  end_ = {};
}

void Transport::break_off() noexcept {
  socket_.break_off();
  abort();
}

std::size_t Transport::unsent_bytes() const noexcept {
  return outgoing_.data().size() + (tls_ ? tls_->output().size() : 0) + socket_.send_queued_bytes();
}

std::string Transport::security() const {
  return tls_ ? fmt::format("{} {}", tls_->version(), tls_->suite()) : "plain";
}

}  // namespace perp::net
