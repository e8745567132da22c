#include "net/content_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace perp::net {
namespace {

constexpr int window_bits_max = 15;
constexpr int gzip_format = 16;  // zlib: added to the window bits

}  // namespace

ContentDecoder::~ContentDecoder() {
  if (is_initialised_) inflateEnd(&stream_);
}

void ContentDecoder::begin(Encoding encoding) {
  encoding_ = encoding;
  has_started_ = false;
  has_ended_ = false;
  head_size_ = 0;
}

HttpError ContentDecoder::start(int window_bits) {
  const int status =
      is_initialised_ ? inflateReset2(&stream_, window_bits) : inflateInit2(&stream_, window_bits);
  is_initialised_ = is_initialised_ || status == Z_OK;
  has_started_ = true;
  return status == Z_OK ? HttpError::none : HttpError::corrupt_encoding;
}

HttpError ContentDecoder::feed(std::span<const std::byte> piece, StreamBuffer& out) {
  if (piece.empty()) return HttpError::none;
  if (encoding_ == Encoding::identity) {
    const std::span<std::byte> room = out.writable(piece.size());
    if (room.empty()) return HttpError::body_too_large;
    std::memcpy(room.data(), piece.data(), piece.size());
    out.commit(piece.size());
    return out.data().size() == out.limit() ? HttpError::body_too_large : HttpError::none;
  }
  if (!has_started_ && encoding_ == Encoding::gzip) {
    const HttpError failed = start(gzip_format + window_bits_max);
    if (failed != HttpError::none) return failed;
  }
  if (!has_started_) {
    while (head_size_ < head_.size() && !piece.empty()) {
      head_[head_size_++] = piece.front();
      piece = piece.subspan(1);
    }
    if (head_size_ < head_.size()) return HttpError::none;
    // RFC 1950 section 2.2: the method is 8, and the two bytes are a multiple of 31.
    const unsigned method = std::to_integer<unsigned>(head_[0]);
    const unsigned word = method << 8 | std::to_integer<unsigned>(head_[1]);
    const bool is_zlib = (method & 0x0f) == 8 && word % 31 == 0;
    HttpError failed = start(is_zlib ? window_bits_max : -window_bits_max);
    if (failed == HttpError::none) failed = inflate_all(head_, out);
    if (failed != HttpError::none) return failed;
  }
  return inflate_all(piece, out);
}

HttpError ContentDecoder::inflate_all(std::span<const std::byte> piece, StreamBuffer& out) {
  while (!piece.empty()) {
    if (has_ended_) {
      // A gzip body may be several members (RFC 1952 section 2.2); else nothing may follow.
      if (encoding_ != Encoding::gzip || inflateReset(&stream_) != Z_OK)
        return HttpError::corrupt_encoding;
      has_ended_ = false;
    }
    constexpr std::size_t step_limit = std::numeric_limits<uInt>::max();
    const std::size_t step = std::min(piece.size(), step_limit);
    // zlib does not write through next_in; its type predates const.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(piece.data()));
    stream_.avail_in = static_cast<uInt>(step);
    bool has_room_left = false;
    while (!has_ended_ && !(stream_.avail_in == 0 && has_room_left)) {
      const std::size_t left = out.limit() - out.data().size();
      const std::span<std::byte> room = out.writable(std::min<std::size_t>(left, 4096));
      const std::size_t room_size = std::min({room.size(), left, step_limit});
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = static_cast<uInt>(room_size);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      out.commit(room_size - stream_.avail_out);
      if (out.data().size() == out.limit()) return HttpError::body_too_large;
      has_room_left = stream_.avail_out != 0;
      if (status == Z_STREAM_END) {
        has_ended_ = true;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return HttpError::corrupt_encoding;
      }
    }
    piece = piece.subspan(step - stream_.avail_in);
  }
  return HttpError::none;
}

HttpError ContentDecoder::finish() const noexcept {
  if (encoding_ == Encoding::identity) return HttpError::none;
  if (!has_started_ && head_size_ == 0) return HttpError::none;  // an empty body is its own coding
  return has_ended_ ? HttpError::none : HttpError::corrupt_encoding;
}

}  // namespace perp::net
