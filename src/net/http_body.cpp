#include "net/content_decoder.hpp"

#include <perp/net/http_body.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

namespace perp::net {
namespace {

// Longer than any size line that carries a size: extensions have no known use.
constexpr std::size_t chunk_line_max = 512;

std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
  if (text.empty() || text.size() > 18) return std::nullopt;  // 18 digits fit
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view skip_space(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

// The token or quoted string at the front of `text`; its size, 0 if there is none.
std::size_t word_size(std::string_view text, bool may_be_quoted) noexcept {
  if (may_be_quoted && text.starts_with('"')) {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') return i + 1;
      if (text[i] == '\\') ++i;
    }
    return 0;
  }
  std::size_t size = 0;
  while (size < text.size() && is_http_token(text.substr(size, 1))) ++size;
  return size;
}

// RFC 9112 section 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS value ] ), looked at and dropped.
bool are_chunk_extensions(std::string_view text) noexcept {
  if (!is_http_field_value(text)) return false;
  while (!text.empty()) {
    text = skip_space(text);
    if (!text.starts_with(';')) return false;
    text = skip_space(text.substr(1));
    const std::size_t name = word_size(text, false);
    if (name == 0) return false;
    text.remove_prefix(name);
    const std::string_view behind = skip_space(text);
    if (!behind.starts_with('=')) continue;
    text = skip_space(behind.substr(1));
    const std::size_t value = word_size(text, true);
    if (value == 0) return false;
    text.remove_prefix(value);
  }
  return true;
}

std::optional<std::uint64_t> parse_chunk_line(std::string_view line) noexcept {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && hex_digit(line[digits]) >= 0; ++digits) {
    if (digits == 15) return std::nullopt;  // 15 digits fit, and 2^60 bytes are no chunk
    size = size << 4 | static_cast<std::uint64_t>(hex_digit(line[digits]));
  }
  if (digits == 0 || !are_chunk_extensions(line.substr(digits))) return std::nullopt;
  return size;
}

}  // namespace

struct HttpBody::Impl {
  enum class Stage : std::uint8_t {
    data,        // `left` bytes of the body or of the chunk
    chunk_line,  // a chunk's size
    chunk_end,   // the CRLF behind a chunk
    trailers,
    complete,
    failed,
  };

  explicit Impl(const HttpLimits& given)
      // One byte more than allowed shows that there is more.
      : data(std::min(given.body_bytes, std::numeric_limits<std::size_t>::max() - 1) + 1, 0),
        trailers(given, nullptr),
        limit(given.body_bytes) {}

  HttpProgress fail(HttpError why) noexcept {
    error = why;
    stage = Stage::failed;
    return HttpProgress::failed;
  }

  HttpProgress end() noexcept {
    const HttpError broken = decoder.finish();
    is_content_broken = broken != HttpError::none;
    if (is_content_broken) return fail(broken);
    stage = Stage::complete;
    return HttpProgress::complete;
  }

  HttpProgress take_data(StreamBuffer& received) {
    const std::size_t there = received.data().size();
    const std::uint64_t wanted = framing == Framing::until_close ? limit - sent : left;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(there, wanted));
    const HttpError broken = decoder.feed(received.data().first(size), data);
    is_content_broken = broken != HttpError::none;
    if (is_content_broken) return fail(broken);
    received.consume(size);
    sent += size;
    if (framing == Framing::until_close && there > size) return fail(HttpError::body_too_large);
    if (framing == Framing::until_close) return HttpProgress::need_more;
    left -= size;
    if (left != 0) return HttpProgress::need_more;
    if (framing == Framing::length) return end();
    stage = Stage::chunk_end;
    return HttpProgress::complete;
  }

  HttpProgress take_chunk_end(StreamBuffer& received) noexcept {
    const std::span<const std::byte> bytes = received.data();
    if (!bytes.empty() && bytes[0] != std::byte{'\r'}) return fail(HttpError::bad_chunk);
    if (bytes.size() < 2) return HttpProgress::need_more;
    if (bytes[1] != std::byte{'\n'}) return fail(HttpError::bad_chunk);
    received.consume(2);
    stage = Stage::chunk_line;
    return HttpProgress::complete;
  }

  HttpProgress take_chunk_line(StreamBuffer& received) noexcept {
    const std::span<const std::byte> bytes = received.data();
    const std::string_view visible(reinterpret_cast<const char*>(bytes.data()),
                                   std::min(bytes.size(), chunk_line_max));
    const std::size_t line_feed = visible.find('\n');
    if (line_feed == std::string_view::npos)
      return visible.size() < chunk_line_max ? HttpProgress::need_more : fail(HttpError::bad_chunk);
    if (line_feed == 0 || visible[line_feed - 1] != '\r') return fail(HttpError::bad_chunk);
    const std::optional<std::uint64_t> size = parse_chunk_line(visible.substr(0, line_feed - 1));
    if (!size) return fail(HttpError::bad_chunk);
    if (*size > limit - sent) return fail(HttpError::body_too_large);
    received.consume(line_feed + 1);
    left = *size;
    stage = left == 0 ? Stage::trailers : Stage::data;
    return HttpProgress::complete;
  }

  HttpProgress take_trailers(StreamBuffer& received) {
    const HttpProgress progress = trailers.parse(received);
    if (progress == HttpProgress::failed) return fail(trailers.error());
    if (progress == HttpProgress::need_more) return progress;
    // RFC 9110 section 6.5.1. Another reader could take them for the head's.
    for (const std::string_view name : {"Content-Length", "Transfer-Encoding", "Content-Encoding"})
      if (trailers.count(name) != 0) return fail(HttpError::bad_trailer);
    return end();
  }

  StreamBuffer data;
  HttpHead trailers;
  ContentDecoder decoder;
  std::size_t limit;
  std::uint64_t left = 0;
  std::uint64_t sent = 0;
  Stage stage = Stage::complete;
  Framing framing = Framing::none;
  bool is_content_broken = false;
  HttpError error = HttpError::none;
};

HttpBody::HttpBody(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpBody::~HttpBody() = default;
HttpBody::HttpBody(HttpBody&&) noexcept = default;
HttpBody& HttpBody::operator=(HttpBody&&) noexcept = default;

void HttpBody::reset() noexcept {
  impl_->data.clear();
  impl_->trailers.reset();
  impl_->decoder.begin(ContentDecoder::Encoding::identity);
  impl_->left = impl_->sent = 0;
  impl_->stage = Impl::Stage::complete;
  impl_->framing = Framing::none;
  impl_->is_content_broken = false;
  impl_->error = HttpError::none;
}

HttpError HttpBody::begin(const HttpHead& head, bool is_http_11, Rule rule) {
  reset();
  Impl& impl = *impl_;
  const auto fail = [&](HttpError error) {
    impl.fail(error);
    return error;
  };
  const std::size_t lengths = head.count("Content-Length");
  const std::size_t codings = head.count("Transfer-Encoding");
  if (lengths != 0 && codings != 0) return fail(HttpError::length_and_coding);
  if (lengths > 1) return fail(HttpError::repeated_length);
  if (codings > 1 ||
      (codings == 1 &&
       (!is_http_11 || !equals_ignoring_case(head.value("Transfer-Encoding"), "chunked"))))
    return fail(HttpError::bad_coding);
  std::uint64_t length = 0;
  if (lengths == 1) {
    const std::optional<std::uint64_t> value = parse_length(head.value("Content-Length"));
    if (!value) return fail(HttpError::bad_length);
    length = *value;
  }
  if (rule == Rule::forbidden && (codings != 0 || length != 0))
    return fail(HttpError::body_forbidden);
  if (rule == Rule::forbidden || rule == Rule::absent) return HttpError::none;

  const std::size_t encodings = head.count("Content-Encoding");
  const std::string_view encoding = head.value("Content-Encoding");
  if (encodings > 1) return fail(HttpError::unknown_encoding);
  if (equals_ignoring_case(encoding, "gzip") || equals_ignoring_case(encoding, "x-gzip")) {
    impl.decoder.begin(ContentDecoder::Encoding::gzip);
  } else if (equals_ignoring_case(encoding, "deflate")) {
    impl.decoder.begin(ContentDecoder::Encoding::deflate);
  } else if (encodings == 1 && !equals_ignoring_case(encoding, "identity")) {
    return fail(HttpError::unknown_encoding);
  }
  if (length > impl.limit) return fail(HttpError::body_too_large);
  if (codings == 1) {
    impl.framing = Framing::chunked;
    impl.stage = Impl::Stage::chunk_line;
  } else if (lengths == 1) {
    impl.framing = Framing::length;
    impl.left = length;
    if (length != 0) impl.stage = Impl::Stage::data;
  } else if (rule == Rule::response) {
    impl.framing = Framing::until_close;
    impl.stage = Impl::Stage::data;
  }
  return HttpError::none;
}

HttpProgress HttpBody::parse(StreamBuffer& received) {
  Impl& impl = *impl_;
  while (true) {
    HttpProgress progress = HttpProgress::need_more;
    switch (impl.stage) {
      case Impl::Stage::data: progress = impl.take_data(received); break;
      case Impl::Stage::chunk_line: progress = impl.take_chunk_line(received); break;
      case Impl::Stage::chunk_end: progress = impl.take_chunk_end(received); break;
      case Impl::Stage::trailers: progress = impl.take_trailers(received); break;
      case Impl::Stage::complete: return HttpProgress::complete;
      case Impl::Stage::failed: return HttpProgress::failed;
    }
    if (progress != HttpProgress::complete) return progress;
  }
}

HttpProgress HttpBody::finish() {
  Impl& impl = *impl_;
  if (impl.stage == Impl::Stage::failed) return HttpProgress::failed;
  if (impl.stage == Impl::Stage::complete) return HttpProgress::complete;
  return impl.framing == Framing::until_close ? impl.end() : impl.fail(HttpError::cut_short);
}

std::span<const std::byte> HttpBody::data() const noexcept { return impl_->data.data(); }
HttpBody::Framing HttpBody::framing() const noexcept { return impl_->framing; }
HttpError HttpBody::error() const noexcept { return impl_->error; }
std::optional<std::uint64_t> HttpBody::error_byte() const noexcept {
  return impl_->is_content_broken ? std::nullopt : std::optional(impl_->sent);
}

}  // namespace perp::net
