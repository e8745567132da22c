#include <perp/core/error.hpp>
#include <perp/core/platform.hpp>
#include <perp/net/websocket_deflate.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace perp::net {
namespace {

constexpr std::size_t step_limit = std::numeric_limits<uInt>::max();

Bytef* bytes_of(const std::byte* at) noexcept {
  // zlib does not write through next_in; its type predates const.
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(at));
}

// Room for one more step: what is there, or twice as much.
std::span<std::byte> room_of(StreamBuffer& buffer, std::size_t least) {
  return buffer.writable(std::min(least, buffer.limit() - buffer.data().size()));
}

}  // namespace

struct WebSocketInflater::Impl {
  Impl(int window_bits, bool keeps, std::size_t limit)
      // One byte more than allowed shows that there is more.
      : output(limit + 1, std::min<std::size_t>(limit + 1, std::size_t{16} * 1024)),
        keeps_context(keeps) {
    // A sender of an old zlib that was told 8 uses 9; the wider window reads both.
    const int status = inflateInit2(&stream, -std::max(window_bits, 9));
    if (status != Z_OK) throw core::Error("cannot start zlib", "inflateInit2", zError(status));
  }
  ~Impl() { inflateEnd(&stream); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // A block marked as the stream's last inside a message (RFC 7692 section 7.2.3.4): what follows
  // is a stream that may refer back to the same window.
  bool begin_next_stream() noexcept {
    uInt size = 0;
    if (inflateGetDictionary(&stream, dictionary.data(), &size) != Z_OK) return false;
    return inflateReset(&stream) == Z_OK &&
           (size == 0 || inflateSetDictionary(&stream, dictionary.data(), size) == Z_OK);
  }

  Result feed(std::span<const std::byte> in) noexcept {
    while (!in.empty()) {
      const std::size_t step = std::min(in.size(), step_limit);
      stream.next_in = bytes_of(in.data());
      stream.avail_in = static_cast<uInt>(step);
      // Until it leaves room: then all that the input gives is out.
      do {
        const std::span<std::byte> room = room_of(output, 1024);
        if (room.empty()) return Result::too_big;
        const std::size_t room_size =
            std::min({room.size(), step_limit, output.limit() - output.data().size()});
        stream.next_out = bytes_of(room.data());
        stream.avail_out = static_cast<uInt>(room_size);
        const int status = inflate(&stream, Z_SYNC_FLUSH);
        output.commit(room_size - stream.avail_out);
        if (output.data().size() >= output.limit()) return Result::too_big;
        if (status == Z_STREAM_END) {
          if (!begin_next_stream()) return Result::corrupt;
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
          return Result::corrupt;
        }
      } while (stream.avail_in != 0 || stream.avail_out == 0);
      in = in.subspan(step);
    }
    return Result::ok;
  }

  z_stream stream{};
  StreamBuffer output;
  bool keeps_context;
  std::array<Bytef, std::size_t{32} * 1024> dictionary;
};

WebSocketInflater::WebSocketInflater(int window_bits, bool keeps_context,
                                     std::size_t message_limit_bytes)
    : impl_(std::make_unique<Impl>(window_bits, keeps_context, message_limit_bytes)) {}
WebSocketInflater::~WebSocketInflater() = default;
WebSocketInflater::WebSocketInflater(WebSocketInflater&&) noexcept = default;
WebSocketInflater& WebSocketInflater::operator=(WebSocketInflater&&) noexcept = default;

void WebSocketInflater::begin_message() noexcept {
  impl_->output.clear();
  if (!impl_->keeps_context) inflateReset(&impl_->stream);
}

WebSocketInflater::Result WebSocketInflater::feed(std::span<const std::byte> compressed) noexcept {
  return impl_->feed(compressed);
}

WebSocketInflater::Result WebSocketInflater::finish() noexcept {
  // The end of the empty block that the sender cut off (RFC 7692 section 7.2.2).
  static constexpr std::array<std::byte, 4> tail{std::byte{0}, std::byte{0}, std::byte{0xff},
                                                 std::byte{0xff}};
  const Result result = impl_->feed(tail);
  if (result != Result::ok) return result;
  // zlib: 128 is set between blocks, the low bits count unused ones of the last byte. Anything else
  // means that the tail was read as part of something: the message was cut.
  constexpr int between_blocks = 128;
  return (impl_->stream.data_type & 0xff) == between_blocks ? Result::ok : Result::corrupt;
}

std::span<const std::byte> WebSocketInflater::output() const noexcept {
  return impl_->output.data();
}

struct WebSocketDeflater::Impl {
  Impl(int window_bits, bool keeps, int level)
      : output(std::numeric_limits<std::size_t>::max() / 2, std::size_t{16} * 1024),
        keeps_context(keeps),
        can_compress(window_bits >= 9) {
    if (!can_compress) return;
    const int status =
        deflateInit2(&stream, level, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY);
    if (status != Z_OK) throw core::Error("cannot start zlib", "deflateInit2", zError(status));
  }
  ~Impl() {
    if (can_compress) deflateEnd(&stream);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  z_stream stream{};
  StreamBuffer output;
  bool keeps_context;
  bool can_compress;
};

WebSocketDeflater::WebSocketDeflater(int window_bits, bool keeps_context, int level)
    : impl_(std::make_unique<Impl>(window_bits, keeps_context, level)) {}
WebSocketDeflater::~WebSocketDeflater() = default;
WebSocketDeflater::WebSocketDeflater(WebSocketDeflater&&) noexcept = default;
WebSocketDeflater& WebSocketDeflater::operator=(WebSocketDeflater&&) noexcept = default;

bool WebSocketDeflater::can_compress() const noexcept { return impl_->can_compress; }

std::span<const std::byte> WebSocketDeflater::compress(std::span<const std::byte> message) {
  Impl& impl = *impl_;
  PERP_ASSERT(impl.can_compress);
  impl.output.clear();
  if (!impl.keeps_context) deflateReset(&impl.stream);
  do {
    const std::size_t step = std::min(message.size(), step_limit);
    impl.stream.next_in = bytes_of(message.data());
    impl.stream.avail_in = static_cast<uInt>(step);
    message = message.subspan(step);
    do {
      const std::span<std::byte> room = impl.output.writable(1024);
      const std::size_t room_size = std::min(room.size(), step_limit);
      impl.stream.next_out = bytes_of(room.data());
      impl.stream.avail_out = static_cast<uInt>(room_size);
      deflate(&impl.stream, message.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
      impl.output.commit(room_size - impl.stream.avail_out);
    } while (impl.stream.avail_out == 0);
  } while (!message.empty());
  const std::span<const std::byte> out = impl.output.data();
  // An empty message leaves zlib with nothing to flush once it has flushed: one empty block's head
  // stands for it (RFC 7692 section 7.2.3.6).
  if (out.size() < 5) {
    static constexpr std::array<std::byte, 1> empty_block{std::byte{0}};
    return empty_block;
  }
  return out.first(out.size() - 4);  // 00 00 ff ff
}

}  // namespace perp::net
