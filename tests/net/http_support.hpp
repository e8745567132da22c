#pragma once
// What a parser of HTTP makes of bytes that come in pieces, as one line of text, so that every way
// of cutting the stream can be compared with every other.
#include "net/websocket_support.hpp"

#include <perp/net/http_request.hpp>
#include <perp/net/http_response.hpp>

#include <zlib.h>

#include <string>
#include <string_view>

namespace perp::net::test {

inline std::string describe_fields(const HttpHead& head) {
  std::string text;
  for (std::size_t i = 0; i < head.size(); ++i)
    text += std::string(head.field(i).name) + "=" + std::string(head.field(i).value) + ";";
  return text;
}

/// Feeds `stream` cut at each of `cuts` (ascending), then closes the connection if `closes`.
/// @return "200 OK|name=value;|body|left over" or "failed: <error number> <sentence>" or
/// "need_more"
inline std::string read_response(std::string_view stream, const std::vector<std::size_t>& cuts,
                                 bool closes = false,
                                 HttpExchange exchange = HttpExchange::ordinary,
                                 const HttpLimits& limits = {}) {
  HttpResponseParser parser(limits);
  parser.begin(exchange);
  StreamBuffer buffer(std::size_t{1} << 20, 64);
  HttpProgress progress = HttpProgress::need_more;
  std::size_t at = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : stream.size();
    append(buffer, stream.substr(at, end - at));
    at = end;
    if (progress == HttpProgress::need_more) progress = parser.parse(buffer);
  }
  if (progress == HttpProgress::need_more && closes) progress = parser.finish();
  if (progress == HttpProgress::need_more) return "need_more";
  if (progress == HttpProgress::failed)
    return "failed: " + std::to_string(static_cast<int>(parser.error())) + " " + parser.sentence();
  const auto left = buffer.data();
  return std::to_string(parser.status()) + " " + std::string(parser.reason()) + "|" +
         describe_fields(parser.head()) + "|" + std::string(parser.body_text()) + "|" +
         std::string(reinterpret_cast<const char*>(left.data()), left.size()) +
         (parser.keeps_alive() ? "|keeps" : "|closes");
}

/// Every second cut of short streams, every single cut and byte by byte of all: one answer.
inline std::string read_response_however_cut(std::string_view stream, bool closes = false,
                                             HttpExchange exchange = HttpExchange::ordinary,
                                             const HttpLimits& limits = {}) {
  const std::string whole = read_response(stream, {}, closes, exchange, limits);
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < stream.size(); ++i) {
    every.push_back(i);
    EXPECT_EQ(read_response(stream, {i}, closes, exchange, limits), whole) << "cut at " << i;
    for (std::size_t j = i; j < stream.size() && stream.size() < 150; j += 7)
      EXPECT_EQ(read_response(stream, {i, j}, closes, exchange, limits), whole)
          << "cut at " << i << " and " << j;
  }
  EXPECT_EQ(read_response(stream, every, closes, exchange, limits), whole) << "byte by byte";
  return whole;
}

/// zlib's own encoder. @param window_bits 15+16: gzip, 15: zlib, -15: raw deflate
inline std::string compress(std::string_view text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace perp::net::test
