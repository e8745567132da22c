#pragma once
// Requests to one server over connections that are kept alive: at most so many at once, each in
// turn, the rest queued in order. Answers come as calls; every request gets exactly one, unless it
// is cancelled. Redirects are followed only to the same server. Each phase has a time-out. It
// spends no budget and never tries again what may have reached the server: that is its owner's
// business; only a request that met a connection which had just been closed goes out again, on a
// fresh one. Cold path; belongs to its loop's thread.
#include <perp/net/http_response.hpp>
#include <perp/net/transport.hpp>
#include <perp/net/url.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::net {

struct HttpClientOptions {
  TransportOptions transport{};
  std::size_t connections_max = 2;
  std::size_t queue_max = 10'000;
  std::int64_t answer_timeout_ns = 10 * core::ns_per_second;  ///< from sent to the whole head
  std::int64_t body_timeout_ns = 30 * core::ns_per_second;    ///< from the head to the whole body
  std::int64_t idle_ns = 30 * core::ns_per_second;            ///< a connection without work is kept
  std::size_t redirects_max = 3;
  HttpLimits limits{};
};

/// What became of a request.
struct HttpReply {
  enum class Kind : std::uint8_t {
    answered,   ///< `response` holds it, whatever its status
    transport,  ///< no connection, or it broke: `transport`
    timed_out,
    bad_answer,  ///< not HTTP as it has to be, or a redirect elsewhere
    queue_full,
  };
  Kind kind = Kind::answered;
  /// Valid during the call; null unless answered. The body has StreamBuffer::slack readable bytes
  /// behind it.
  const HttpResponseParser* response = nullptr;
  TransportEnd transport{};
  core::MonoNs sent_at{};      ///< handed over; with receive_at the round trip
  core::MonoNs received_at{};  ///< the answer's last byte
  core::WallNs receive_ns{};   ///< the same moment
  std::string text{};          ///< one sentence, with the host, unless answered

  int status() const noexcept { return response != nullptr ? response->status() : 0; }
};
std::string_view name_of(HttpReply::Kind kind) noexcept;

class HttpClient {
 public:
  using OnReply = std::function<void(const HttpReply&)>;
  using RequestId = std::uint64_t;
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// @param origin http or https; its target is not used. @param tls a client's context
  /// @throws core::Error for a URL of another scheme. `resolver` and `tls` outlive this.
  HttpClient(Loop& loop, Resolver& resolver, const Url& origin, const TlsContext& tls,
             const HttpClientOptions& options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Queues a request. `on_reply` comes from a later round and may ask again, not destroy this.
  RequestId get(std::string target, OnReply on_reply, Fields fields = {});
  RequestId post(std::string target, std::string body, OnReply on_reply, Fields fields = {});
  /// It gets no answer; a connection that carried it is closed.
  void cancel(RequestId id) noexcept;

  /// Queued or under way.
  std::size_t pending() const noexcept;
  std::size_t connection_count() const noexcept;
  /// Connections begun so far, whatever became of them.
  std::uint64_t dial_count() const noexcept { return dial_count_; }
  const Url& origin() const noexcept { return origin_; }

 private:
  class Connection;
  struct Request;

  RequestId ask(std::string_view method, std::string target, std::string body, OnReply on_reply,
                Fields fields);
  /// Gives queued requests to free connections, in the next round.
  void schedule();
  void assign();
  void put_back(Request request);
  void answer(const Request& request, const HttpReply& reply);

  Loop& loop_;
  Resolver& resolver_;
  Url origin_;
  const TlsContext& tls_;
  HttpClientOptions options_;
  std::deque<Request> queue_;
  std::vector<std::unique_ptr<Connection>> connections_;  ///< all that were made; reused
  RequestId next_id_ = 1;
  std::uint64_t dial_count_ = 0;
  Timer due_;
};

}  // namespace perp::net
