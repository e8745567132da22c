#include <perp/core/error.hpp>
#include <perp/net/http_client.hpp>
#include <perp/net/http_writer.hpp>
#include <perp/net/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace perp::net {

struct HttpClient::Request {
  RequestId id = 0;
  std::string method;
  std::string target;
  std::string body;
  Fields fields;
  OnReply on_reply;
  std::size_t redirects = 0;
  bool has_met_a_closed_connection = false;
};

std::string_view name_of(HttpReply::Kind kind) noexcept {
  switch (kind) {
    case HttpReply::Kind::answered: return "answered";
    case HttpReply::Kind::transport: return "transport";
    case HttpReply::Kind::timed_out: return "timed_out";
    case HttpReply::Kind::bad_answer: return "bad_answer";
    case HttpReply::Kind::queue_full: return "queue_full";
  }
  return "unknown";
}

/// One connection and the request that it carries, if any.
class HttpClient::Connection final : private TransportHandler {
 public:
  explicit Connection(HttpClient& client)
      : client_(client),
        parser_(client.options_.limits),
        transport_(client.loop_, *this,
                   {.receive_bytes = client.options_.limits.body_bytes + (std::size_t{1} << 20)}),
        timer_(client.loop_, [this] { on_time(); }) {}

  bool is_free() const noexcept { return !request_; }
  bool exists() const noexcept { return transport_.exists(); }
  bool is_open() const noexcept { return transport_.is_open(); }
  bool carries(RequestId id) const noexcept { return request_ && request_->id == id; }

  void take(Request request) {
    request_ = std::move(request);
    if (transport_.is_open()) {
      is_fresh_ = false;
      send();
      return;
    }
    is_fresh_ = true;
    timer_.cancel();
    ++client_.dial_count_;
    transport_.dial(client_.resolver_, client_.origin_.host, client_.origin_.port,
                    client_.origin_.is_secure() ? &client_.tls_ : nullptr,
                    client_.options_.transport);
  }
  void drop() noexcept {
    request_.reset();
    timer_.cancel();
    transport_.abort();
  }

 private:
  void send() {
    std::vector<HttpField> fields;
    bool has_encoding = false;
    for (const auto& [name, value] : request_->fields) {
      fields.push_back({name, value});
      has_encoding |= equals_ignoring_case(name, "Accept-Encoding");
    }
    if (!has_encoding) fields.push_back({"Accept-Encoding", "gzip, deflate"});
    const std::string host = client_.origin_.authority();
    const HttpError error = write_request({.method = request_->method,
                                           .target = request_->target,
                                           .host = host,
                                           .fields = fields,
                                           .body = request_->body},
                                          transport_.outgoing());
    if (error != HttpError::none) {
      conclude({.kind = HttpReply::Kind::bad_answer,
                .text = fmt::format("{}: the request {} {} cannot be written: {}", host,
                                    request_->method, request_->target, to_string(error))});
      return;
    }
    parser_.begin(request_->method == "HEAD" ? HttpExchange::head : HttpExchange::ordinary);
    sent_at_ = client_.loop_.now();
    timer_.start_in(client_.options_.answer_timeout_ns);
    is_in_body_ = false;
    transport_.flush();
  }

  void on_open() override { send(); }

  void on_received(StreamBuffer& received, core::WallNs receive_ns) override {
    if (!request_) {  // nobody asked for anything
      transport_.abort();
      return;
    }
    advance(parser_.parse(received), receive_ns);
  }

  void advance(HttpProgress progress, core::WallNs receive_ns) {
    switch (progress) {
      case HttpProgress::need_more:
        if (parser_.has_head() && !std::exchange(is_in_body_, true))
          timer_.start_in(client_.options_.body_timeout_ns);
        return;
      case HttpProgress::failed:
        transport_.abort();
        conclude({.kind = HttpReply::Kind::bad_answer,
                  .text = fmt::format("{}: {}", client_.origin_.authority(), parser_.sentence())});
        return;
      case HttpProgress::complete: break;
    }
    if (!parser_.keeps_alive()) transport_.abort();
    HttpReply reply{.response = &parser_,
                    .sent_at = sent_at_,
                    .received_at = client_.loop_.now(),
                    .receive_ns = receive_ns};
    if (is_redirect(parser_.status()) && !follow(reply)) return;
    conclude(reply);
  }

  static bool is_redirect(int status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  }

  /// @returns true if `reply` is the answer; false if the request is on its way again.
  bool follow(HttpReply& reply) {
    const std::string_view location = parser_.head().value("Location");
    std::string target;
    if (location.starts_with('/') && !location.starts_with("//")) {
      target = location;
    } else {
      try {
        Url url = Url::parse(location);
        const std::string where = url.target;
        url.target = client_.origin_.target;
        if (url == client_.origin_) target = where;
      } catch (const core::Error&) {
        // Not an address: told below, as any other place that is not followed.
      }
    }
    if (target.empty() || request_->redirects >= client_.options_.redirects_max ||
        request_->method != "GET") {
      reply = {.kind = HttpReply::Kind::bad_answer,
               .text = fmt::format("{}: {} {} was redirected to '{}', which is not followed",
                                   client_.origin_.authority(), request_->method, request_->target,
                                   location)};
      return true;
    }
    Request again = std::move(*request_);
    request_.reset();
    again.target = std::move(target);
    ++again.redirects;
    rest();
    client_.put_back(std::move(again));
    return false;
  }

  void on_end(const TransportEnd& end) override {
    if (!request_) {
      timer_.cancel();
      return;
    }
    if (end.was_open && end.kind == TransportEnd::Kind::finished &&
        parser_.finish() == HttpProgress::complete) {
      advance(HttpProgress::complete, core::wall_now());
      return;
    }
    if (end.was_open && !is_fresh_ && parser_.is_idle() &&
        !std::exchange(request_->has_met_a_closed_connection, true)) {
      Request again = std::move(*request_);
      request_.reset();
      timer_.cancel();
      client_.put_back(std::move(again));
      return;
    }
    conclude({.kind = HttpReply::Kind::transport, .transport = end, .text = end.text});
  }

  void on_time() {
    if (!request_) {
      transport_.abort();  // idle for long enough
      return;
    }
    const std::int64_t limit_ns =
        is_in_body_ ? client_.options_.body_timeout_ns : client_.options_.answer_timeout_ns;
    transport_.abort();
    conclude({.kind = HttpReply::Kind::timed_out,
              .text = fmt::format("{}: no {} to {} {} within {} ms", client_.origin_.authority(),
                                  is_in_body_ ? "whole answer" : "answer", request_->method,
                                  request_->target, limit_ns / core::ns_per_ms)});
  }

  /// Free, and kept for a while if it is open.
  void rest() {
    timer_.cancel();
    if (transport_.is_open()) timer_.start_in(client_.options_.idle_ns);
  }
  void conclude(const HttpReply& reply) {
    const Request request = std::move(*request_);
    request_.reset();
    rest();
    client_.answer(request, reply);
  }

  HttpClient& client_;
  std::optional<Request> request_;
  HttpResponseParser parser_;
  Transport transport_;
  Timer timer_;
  core::MonoNs sent_at_{};
  bool is_fresh_ = true;  ///< dialled for the request that it carries
  bool is_in_body_ = false;
};

HttpClient::HttpClient(Loop& loop, Resolver& resolver, const Url& origin, const TlsContext& tls,
                       const HttpClientOptions& options)
    : loop_(loop),
      resolver_(resolver),
      origin_(origin),
      tls_(tls),
      options_(options),
      due_(loop, [this] { assign(); }) {
  if (origin.is_websocket())
    throw core::Error("an HTTP server has an http:// or https:// address", origin.text(),
                      "its scheme is another");
}
HttpClient::~HttpClient() = default;

HttpClient::RequestId HttpClient::get(std::string target, OnReply on_reply, Fields fields) {
  return ask("GET", std::move(target), {}, std::move(on_reply), std::move(fields));
}
HttpClient::RequestId HttpClient::post(std::string target, std::string body, OnReply on_reply,
                                       Fields fields) {
  return ask("POST", std::move(target), std::move(body), std::move(on_reply), std::move(fields));
}

HttpClient::RequestId HttpClient::ask(std::string_view method, std::string target, std::string body,
                                      OnReply on_reply, Fields fields) {
  queue_.push_back({.id = next_id_++,
                    .method = std::string(method),
                    .target = std::move(target),
                    .body = std::move(body),
                    .fields = std::move(fields),
                    .on_reply = std::move(on_reply)});
  schedule();
  return queue_.back().id;
}

void HttpClient::schedule() {
  if (!due_.is_started()) due_.start_in(0);
}

void HttpClient::assign() {
  while (queue_.size() > options_.queue_max) {
    const Request request = std::move(queue_.back());
    queue_.pop_back();
    answer(request, {.kind = HttpReply::Kind::queue_full,
                     .text = fmt::format("{}: {} requests wait already", origin_.authority(),
                                         options_.queue_max)});
  }
  while (!queue_.empty()) {
    Connection* chosen = nullptr;
    for (const auto& connection : connections_) {
      if (!connection->is_free()) continue;
      // An open one saves the dial.
      if (chosen == nullptr || (connection->is_open() && !chosen->is_open()))
        chosen = connection.get();
    }
    if (chosen == nullptr) {
      if (connections_.size() >= options_.connections_max) return;
      connections_.push_back(std::make_unique<Connection>(*this));
      chosen = connections_.back().get();
    }
    Request request = std::move(queue_.front());
    queue_.pop_front();
    chosen->take(std::move(request));
  }
}

void HttpClient::put_back(Request request) {
  queue_.push_front(std::move(request));
  schedule();
}

void HttpClient::answer(const Request& request, const HttpReply& reply) {
  if (!queue_.empty()) schedule();
  request.on_reply(reply);
}

void HttpClient::cancel(RequestId id) noexcept {
  std::erase_if(queue_, [&](const Request& request) { return request.id == id; });
  for (const auto& connection : connections_)
    if (connection->carries(id)) connection->drop();
}

std::size_t HttpClient::pending() const noexcept {
  return queue_.size() +
         static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                [](const auto& one) { return !one->is_free(); }));
}

std::size_t HttpClient::connection_count() const noexcept {
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                [](const auto& one) { return one->exists(); }));
}

}  // namespace perp::net
