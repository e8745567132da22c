#pragma once
// Bytes in memory as a stream that Boost.Beast reads: the other reader of the fuzz targets and of
// the benchmark. It answers Beast's own handshake as a client, so that websocket::stream opens.
#include <perp/net/websocket_handshake.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace perp::net::test {

class BeastStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using error_code = boost::beast::error_code;

  explicit BeastStream(boost::asio::io_context& context) : context_(&context) {}

  /// What is read from now on, `piece_size` bytes at a time at most.
  void feed(std::string_view bytes, std::size_t piece_size = 65536) {
    bytes_ = bytes;
    piece_size_ = piece_size;
  }
  executor_type get_executor() noexcept { return context_->get_executor(); }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    error = {};
    std::string_view& from = answer_left_.empty() ? bytes_ : answer_left_;
    if (from.empty()) {
      error = boost::asio::error::eof;
      return 0;
    }
    const std::string_view piece = from.substr(0, piece_size_);
    const std::size_t size =
        boost::asio::buffer_copy(buffers, boost::asio::buffer(piece.data(), piece.size()));
    from.remove_prefix(size);
    return size;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    const std::size_t size = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return size;
  }

  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    error = {};
    const std::size_t size = boost::asio::buffer_size(buffers);
    if (!is_open_) {
      request_ += boost::beast::buffers_to_string(buffers);
      answer_handshake();
    }
    return size;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code error;
    return write_some(buffers, error);
  }

 private:
  void answer_handshake() {
    if (request_.find("\r\n\r\n") == std::string::npos) return;
    is_open_ = true;
    if (!request_.starts_with("GET")) return;  // our side is the server: it has answered
    constexpr std::string_view field = "Sec-WebSocket-Key: ";
    const std::size_t begin = request_.find(field) + field.size();
    const std::string key = request_.substr(begin, request_.find('\r', begin) - begin);
    answer_ =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " +
        websocket_accept(key) + "\r\n\r\n";
    answer_left_ = answer_;
  }

  boost::asio::io_context* context_;
  std::string_view bytes_;
  std::string_view answer_left_;
  std::string request_;
  std::string answer_;
  std::size_t piece_size_ = 65536;
  bool is_open_ = false;
};

// What Beast calls, by argument-dependent look-up, when a connection ends.
inline void teardown(boost::beast::role_type, BeastStream&, boost::beast::error_code& error) {
  error = {};
}
template <class Handler>
void async_teardown(boost::beast::role_type, BeastStream&, Handler&& handler) {
  handler(boost::beast::error_code{});
}

using BeastWebSocket = boost::beast::websocket::stream<BeastStream, false>;

}  // namespace perp::net::test
