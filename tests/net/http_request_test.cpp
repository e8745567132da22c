// Requests written by hand and by our writer, and what the writer refuses to write.
#include "net/http_support.hpp"

#include <perp/net/http_writer.hpp>

#include <gtest/gtest.h>

#include <array>

namespace perp::net::test {
namespace {

std::string text_of(const StreamBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data().data()), buffer.data().size()};
}

std::string read_request(std::string_view stream, std::size_t piece) {
  HttpRequestParser parser;
  parser.begin();
  StreamBuffer buffer(1 << 20, 64);
  HttpProgress progress = HttpProgress::need_more;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    append(buffer, stream.substr(at, piece));
    if (progress == HttpProgress::need_more) progress = parser.parse(buffer);
  }
  if (progress == HttpProgress::need_more) return "need_more";
  if (progress == HttpProgress::failed) return parser.sentence();
  return std::string(parser.method()) + " " + std::string(parser.path()) + " ? " +
         std::string(parser.query()) + "|" + describe_fields(parser.head()) + "|" +
         std::string(parser.body_text()) + "|" + text_of(buffer) +
         (parser.keeps_alive() ? "|keeps" : "|closes");
}

std::string read_request_however_cut(std::string_view stream) {
  const std::string whole = read_request(stream, stream.size());
  for (std::size_t piece = 1; piece < stream.size(); ++piece)
    EXPECT_EQ(read_request(stream, piece), whole) << piece << " bytes at a time";
  return whole;
}

TEST(HttpRequestParser, ReadsRequestsHoweverTheyAreCut) {
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / ? |Host=a;|||keeps"},
      {"GET /x?y=1&z=a?b HTTP/1.1\r\nHost: a:8443\r\n\r\nGET",
       "GET /x ? y=1&z=a?b|Host=a:8443;||GET|keeps"},
      {"GET /v3/depth?symbols=[\"BTC\"] HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
       "GET /v3/depth ? symbols=[\"BTC\"]|Host=[::1]:80;|||keeps"},
      {"POST /info HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
       "POST /info ? |Host=a;Content-Length=2;|{}||keeps"},
      {"POST /info HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
       "chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
       "POST /info ? |Host=a;Transfer-Encoding=chunked;|{}||keeps"},
      {"GET / HTTP/1.0\r\n\r\n", "GET / ? ||||closes"},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
       "GET / ? |Host=a;Connection=close;|||closes"},
      {"CONNECT fapi.binance.com:443 HTTP/1.1\r\nHost: fapi.binance.com:443\r\n\r\n",
       "CONNECT fapi.binance.com:443 ? |Host=fapi.binance.com:443;|||keeps"},
  };
  for (const auto& [stream, expected] : cases)
    EXPECT_EQ(read_request_however_cut(stream), expected) << stream;
}

TEST(HttpRequestParser, RefusesWhatIsNotStrict) {
  const std::string host = "Host: a\r\n";
  const std::pair<std::string, HttpError> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", HttpError::no_host},
      {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HttpError::no_host},
      {"G@T / HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_method},
      {" GET / HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_method},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET /  HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET /a b HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET /a#b HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET /\xe9 HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET http://a/ HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET * HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"CONNECT a HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"CONNECT /a HTTP/1.1\r\n" + host + "\r\n", HttpError::bad_target},
      {"GET /\r\n" + host + "\r\n", HttpError::bad_start_line},
      {"GET / HTTP/1.1 x\r\n" + host + "\r\n", HttpError::bad_start_line},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", HttpError::bad_version},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       HttpError::length_and_coding},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", HttpError::bad_coding},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HttpError::bad_coding},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
       HttpError::bad_chunk},
  };
  for (const auto& [stream, error] : cases) {
    const std::string got = read_request_however_cut(stream);
    EXPECT_TRUE(got.starts_with("request ") && got.ends_with(to_string(error)))
        << stream << "\n  " << got;
  }
}

TEST(HttpWriter, WritesRequestsThatAreReadBack) {
  StreamBuffer out(4096);
  const std::array<HttpField, 2> fields{{{"X-MBX-APIKEY", "abc"}, {"Accept-Encoding", "gzip"}}};
  ASSERT_EQ(write_request({.target = "/a?b=c", .host = "h", .fields = fields}, out),
            HttpError::none);
  EXPECT_EQ(text_of(out),
            "GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-MBX-APIKEY: abc\r\nAccept-Encoding: gzip\r\n\r\n");
  out.clear();
  ASSERT_EQ(write_request({.method = "POST", .target = "/info", .host = "h", .body = "{}"}, out),
            HttpError::none);
  EXPECT_EQ(text_of(out), "POST /info HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
  out.clear();
  ASSERT_EQ(write_request({.method = "POST", .target = "/", .host = "h"}, out), HttpError::none);
  EXPECT_EQ(text_of(out), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  out.clear();
  ASSERT_EQ(write_connect("h:443", "user:passw\xc3\xb6rd", out), HttpError::none);
  // RFC 7617 section 2's scheme; the text is what `printf ... | base64` says.
  EXPECT_EQ(text_of(out),
            "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic "
            "dXNlcjpwYXNzd8O2cmQ=\r\n\r\n");
  out.clear();
  ASSERT_EQ(write_connect("h:443", "", out), HttpError::none);
  EXPECT_EQ(text_of(out), "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
}

TEST(HttpWriter, RefusesWhatCouldBeReadAsSomethingElse) {
  StreamBuffer out(256);
  const auto with_field = [&](std::string_view name, std::string_view value) {
    const std::array<HttpField, 1> fields{{{name, value}}};
    return write_request({.host = "h", .fields = fields}, out);
  };
  EXPECT_EQ(with_field("X", "a\r\nY: b"), HttpError::bad_field_value);
  EXPECT_EQ(with_field("X", "a\nb"), HttpError::bad_field_value);
  EXPECT_EQ(with_field("X y", "a"), HttpError::bad_field_name);
  EXPECT_EQ(with_field("", "a"), HttpError::bad_field_name);
  EXPECT_EQ(with_field("content-length", "5"), HttpError::bad_field_name);
  EXPECT_EQ(with_field("Transfer-Encoding", "chunked"), HttpError::bad_field_name);
  EXPECT_EQ(with_field("Host", "h2"), HttpError::bad_field_name);
  EXPECT_EQ(write_request({.method = "GET /", .host = "h"}, out), HttpError::bad_method);
  EXPECT_EQ(write_request({.target = "/a b", .host = "h"}, out), HttpError::bad_target);
  EXPECT_EQ(write_request({.target = "/a\r\nX: y", .host = "h"}, out), HttpError::bad_target);
  EXPECT_EQ(write_request({.host = "h\r\nX: y"}, out), HttpError::no_host);
  EXPECT_EQ(write_request({.host = ""}, out), HttpError::no_host);
  EXPECT_EQ(write_connect("h", "", out), HttpError::bad_target);
  const std::string large(300, 'x');
  EXPECT_EQ(write_request({.method = "POST", .host = "h", .body = large}, out), HttpError::no_room);
  EXPECT_EQ(write_response({.status = 99}, out), HttpError::bad_status);
  EXPECT_EQ(write_response({.status = 600}, out), HttpError::bad_status);
  EXPECT_EQ(write_response({.status = 204, .body = "x"}, out), HttpError::body_forbidden);
  EXPECT_EQ(write_response({.status = 200, .reason = "a\r\nb"}, out), HttpError::bad_field_value);
  EXPECT_EQ(write_chunked_head({.status = 304}, out), HttpError::body_forbidden);
  EXPECT_EQ(write_response({.body = large}, out), HttpError::no_room);
  EXPECT_TRUE(out.data().empty()) << text_of(out);
}

TEST(HttpWriter, WritesResponsesThatAreReadBack) {
  StreamBuffer out(1 << 16);
  const std::array<HttpField, 1> fields{{{"Retry-After", "7"}}};
  ASSERT_EQ(write_response({.status = 429, .fields = fields, .body = "slow", .closes = true}, out),
            HttpError::none);
  EXPECT_EQ(read_response(text_of(out), {}),
            "429 Too Many Requests|Connection=close;Retry-After=7;Content-Length=4;|slow||closes");
  out.clear();
  ASSERT_EQ(write_response({.body = "hello", .is_head = true}, out), HttpError::none);
  EXPECT_EQ(read_response(text_of(out), {}, false, HttpExchange::head),
            "200 OK|Content-Length=5;|||keeps");
  out.clear();
  ASSERT_EQ(write_response({.status = 204}, out), HttpError::none);
  EXPECT_EQ(read_response(text_of(out), {}), "204 No Content||||keeps");
  out.clear();
  ASSERT_EQ(write_chunked_head({}, out), HttpError::none);
  ASSERT_EQ(write_chunk("hello ", out), HttpError::none);
  ASSERT_EQ(write_chunk(std::string(300, 'w'), out), HttpError::none);
  ASSERT_EQ(write_chunk("", out), HttpError::none);
  EXPECT_EQ(read_response(text_of(out), {}),
            "200 OK|Transfer-Encoding=chunked;|hello " + std::string(300, 'w') + "||keeps");
}

}  // namespace
}  // namespace perp::net::test
