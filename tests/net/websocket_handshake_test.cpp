// The opening handshake against responses and requests written by hand, with the key and its answer
// from RFC 6455 section 1.3; the client's and the server's side against each other; the negotiation
// of permessage-deflate as a table.
#include "net/http_support.hpp"

#include <perp/net/websocket_handshake.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace perp::net::test {
namespace {

using Error = WebSocketHandshakeError;

// RFC 6455 section 1.3.
constexpr std::string_view nonce = "the sample nonce";
constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view answer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

RandomSource sample_nonce() {
  return {[](void*, std::span<std::byte> out) noexcept {
            std::memcpy(out.data(), nonce.data(), std::min(out.size(), nonce.size()));
          },
          nullptr};
}

std::string text_of(const StreamBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data().data()), buffer.data().size()};
}

WebSocketClientOptions options(bool deflates = false, std::vector<std::string> protocols = {}) {
  WebSocketClientOptions options;
  options.host = "h";
  options.target = "/ws";
  options.protocols = std::move(protocols);
  if (deflates) options.deflate.emplace();
  return options;
}

struct Opened {
  HttpProgress progress = HttpProgress::need_more;
  Error error = Error::none;
  std::string sentence;
  std::string left;
  std::string protocol;
  std::optional<WebSocketDeflate> deflate;

  friend bool operator==(const Opened&, const Opened&) = default;
};

Opened open(const WebSocketClientOptions& wanted, std::string_view response, std::size_t piece,
            bool closes) {
  WebSocketClientHandshake handshake(wanted, sample_nonce());
  StreamBuffer buffer(std::size_t{1} << 20, 64);
  EXPECT_EQ(handshake.write_request(buffer), HttpError::none);
  buffer.clear();
  Opened opened;
  for (std::size_t at = 0; at < response.size(); at += piece) {
    append(buffer, response.substr(at, piece));
    if (opened.progress == HttpProgress::need_more) opened.progress = handshake.parse(buffer);
  }
  if (opened.progress == HttpProgress::need_more && closes) opened.progress = handshake.finish();
  opened.error = handshake.error();
  opened.sentence = handshake.sentence();
  if (opened.progress == HttpProgress::complete) opened.left = text_of(buffer);
  opened.protocol = handshake.protocol();
  opened.deflate = handshake.deflate();
  return opened;
}

Opened open_however_cut(const WebSocketClientOptions& wanted, std::string_view response,
                        bool closes = false) {
  const Opened whole = open(wanted, response, std::max<std::size_t>(response.size(), 1), closes);
  for (std::size_t piece = 1; piece < response.size(); piece += piece < 10 ? 1 : 13)
    EXPECT_TRUE(open(wanted, response, piece, closes) == whole) << piece << " bytes at a time";
  return whole;
}

// 101 with what a test replaces or adds.
std::string switching(std::string_view more = {},
                      std::string_view upgrade = "Upgrade: websocket\r\n",
                      std::string_view connection = "Connection: Upgrade\r\n",
                      std::string_view accept =
                          "Sec-WebSocket-Accept: "
                          "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") {
  return "HTTP/1.1 101 Switching Protocols\r\n" + std::string(upgrade) + std::string(connection) +
         std::string(accept) + std::string(more) + "\r\n";
}

TEST(WebSocketHandshake, AnswersTheKeyAsTheRfcDoes) { EXPECT_EQ(websocket_accept(key), answer); }

TEST(WebSocketHandshake, TheClientAsksWithKeyVersionAndItsOwnFields) {
  WebSocketClientOptions wanted = options(true, {"chat", "superchat"});
  wanted.fields.emplace_back("Authorization", "Bearer x");
  WebSocketClientHandshake handshake(wanted, sample_nonce());
  StreamBuffer out(4096);
  ASSERT_EQ(handshake.write_request(out), HttpError::none);
  EXPECT_EQ(text_of(out),
            "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: chat, superchat\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            "Authorization: Bearer x\r\n\r\n");
  for (const auto& [name, value] : {std::pair{"X Y", "z"}, std::pair{"X", "a\r\nY: b"}}) {
    WebSocketClientOptions bad = options();
    bad.fields.emplace_back(name, value);
    StreamBuffer nothing(4096);
    EXPECT_NE(WebSocketClientHandshake(bad).write_request(nothing), HttpError::none);
    EXPECT_TRUE(nothing.data().empty());
  }
  StreamBuffer nothing(64);
  EXPECT_EQ(WebSocketClientHandshake(options()).write_request(nothing), HttpError::no_room);
  EXPECT_EQ(WebSocketClientHandshake(options(false, {"a b"})).write_request(nothing),
            HttpError::bad_field_value);
}

TEST(WebSocketHandshake, EachKeyIsFresh) {
  WebSocketClientHandshake handshake(options());
  StreamBuffer one(4096);
  StreamBuffer two(4096);
  ASSERT_EQ(handshake.write_request(one), HttpError::none);
  ASSERT_EQ(handshake.write_request(two), HttpError::none);
  EXPECT_NE(text_of(one), text_of(two));
}

TEST(WebSocketHandshake, TheClientOpensOnARightResponseAndLeavesTheFramesBehindIt) {
  const std::string frames = frame(0x81, "hello");
  const std::string cases[] = {
      switching(),
      switching("", "upgrade: WebSocket\r\n", "connection: keep-alive, UPGRADE\r\n"),
      switching("", "Upgrade: websocket\r\n", "Connection: x\r\nConnection: upgrade\r\n"),
      switching("Server: nginx\r\nContent-Length: 0\r\n"),
      "HTTP/1.1 100 Continue\r\n\r\n" + switching(),
      "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + switching(),
  };
  for (const std::string& response : cases) {
    const Opened opened = open_however_cut(options(), response + frames);
    EXPECT_EQ(opened.progress, HttpProgress::complete) << response << opened.sentence;
    EXPECT_EQ(opened.left, frames) << response;
    EXPECT_EQ(opened.sentence, "");
  }
  EXPECT_EQ(open_however_cut(options(false, {"a", "b"}), switching("Sec-WebSocket-Protocol: b\r\n"))
                .protocol,
            "b");
  EXPECT_EQ(open_however_cut(options(false, {"a"}), switching()).progress, HttpProgress::complete);
}

TEST(WebSocketHandshake, TheClientRefusesAResponseThatIsNotTheAnswer) {
  struct Case {
    const char* name;
    std::string response;
    Error error;
    const char* sentence = "";
    bool closes = false;
  };
  const std::string upgrade = "Upgrade: websocket\r\n";
  const std::string connection = "Connection: Upgrade\r\n";
  const std::string accept = "Sec-WebSocket-Accept: " + std::string(answer) + "\r\n";
  const auto status = [](std::string_view line, std::string_view fields, std::string_view body) {
    return "HTTP/1.1 " + std::string(line) + "\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  };
  const Case cases[] = {
      {"no Upgrade", switching("", ""), Error::bad_upgrade},
      {"another protocol", switching("", "Upgrade: h2c\r\n"), Error::bad_upgrade},
      {"two protocols", switching("", "Upgrade: h2c, websocket\r\n"), Error::bad_upgrade},
      {"Upgrade twice", switching("", upgrade + upgrade), Error::bad_upgrade},
      {"no Connection", switching("", upgrade, ""), Error::bad_connection},
      {"keep-alive", switching("", upgrade, "Connection: keep-alive\r\n"), Error::bad_connection},
      {"Upgrades", switching("", upgrade, "Connection: Upgrades\r\n"), Error::bad_connection},
      {"no Accept", switching("", upgrade, connection, ""), Error::bad_accept},
      {"wrong Accept",
       switching("", upgrade, connection, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n"),
       Error::bad_accept},
      {"Accept of another case",
       switching("", upgrade, connection, "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n"),
       Error::bad_accept},
      {"the key as Accept",
       switching("", upgrade, connection, "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
       Error::bad_accept},
      {"Accept twice", switching("", upgrade, connection, accept + accept), Error::bad_accept},
      {"an empty Accept", switching("", upgrade, connection, "Sec-WebSocket-Accept:\r\n"),
       Error::bad_accept},
      {"HTTP/1.0", "HTTP/1.0" + switching().substr(8), Error::old_http},
      {"a subprotocol unasked", switching("Sec-WebSocket-Protocol: chat\r\n"), Error::bad_protocol},
      {"an empty subprotocol", switching("Sec-WebSocket-Protocol:\r\n"), Error::bad_protocol},
      {"an extension unasked", switching("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
       Error::bad_extension},
      {"an unknown extension", switching("Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n"),
       Error::bad_extension},
      {"an empty extension", switching("Sec-WebSocket-Extensions:\r\n"), Error::bad_extension},
      {"101 with a length", switching("Content-Length: 3\r\n") + "abc", Error::bad_http,
       "response head, line 6: a body is announced where none may be"},
      {"101 with chunks", switching("Transfer-Encoding: chunked\r\n"), Error::bad_http},
      {"101 with bad Content-Length", switching("Content-Length: x\r\n"), Error::bad_http},
      {"obs-fold", switching("X: a\r\n b\r\n"), Error::bad_http,
       "response head, line 6: a field goes on in a line that begins with space"},
      {"bare LF", "HTTP/1.1 101 Switching Protocols\n" + switching(), Error::bad_http,
       "response head, line 1: a line ends in LF without CR"},
      {"bare LF behind a field", switching("X: y\nZ: 1\r\n"), Error::bad_http},
      {"CR in a value", switching("X: y\rZ\r\n"), Error::bad_http},
      {"NUL in a value", switching(std::string_view("X: \0\r\n", 6)), Error::bad_http},
      {"space before a colon", switching("X : y\r\n"), Error::bad_http},
      {"no colon", switching("X\r\n"), Error::bad_http},
      {"64 KiB of a field", switching("X: " + std::string(65536, 'x') + "\r\n"), Error::bad_http,
       "response head, line 5: the head is above the size limit"},
      {"a field for ever", "HTTP/1.1 101 X\r\nX: " + std::string(65536, 'x'), Error::bad_http},
      {"a status line for ever", "HTTP/1.1 101 " + std::string(65536, 'x'), Error::bad_http},
      {"HTTP/2", "HTTP/2 101 X\r\n\r\n", Error::bad_http},
      {"an HTML page", "<!DOCTYPE html>\r\n<html>\r\n", Error::bad_http,
       "response head, line 1: the first line is not HTTP's"},
      {"a TLS alert", std::string("\x15\x03\x01\x00\x02\x02\x46\n", 8), Error::bad_http},
      {"frames without a handshake", frame(0x81, "hello\r\n"), Error::bad_http},
      {"nothing", "", Error::bad_http,
       "response head, line 0: the connection closed before the end", true},
      {"half", switching().substr(0, 60), Error::bad_http, "", true},
      {"all but the last byte", switching().substr(0, switching().size() - 1), Error::bad_http, "",
       true},
      {"200", status("200 OK", "", "hi"), Error::refused, "the server refused the upgrade: 200 OK"},
      {"200 that answers the key", status("200 OK", upgrade + connection + accept, ""),
       Error::refused},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", Error::refused},
      {"301", status("301 Moved Permanently", "Location: https://h2/\r\n", ""), Error::redirected,
       "the server redirects, which is not followed: 301 Moved Permanently"},
      {"302", status("302 Found", "Location: /ws2\r\n", "x"), Error::redirected},
      {"307", status("307 Temporary Redirect", "", ""), Error::redirected},
      {"400", status("400 Bad Request", "", "{\"code\":-1100}"), Error::refused},
      {"401", status("401 Unauthorized", "WWW-Authenticate: x\r\n", ""), Error::refused},
      {"403", status("403 Forbidden", "", "<html>"), Error::refused},
      {"404", status("404 Not Found", "", ""), Error::refused},
      {"418", status("418 I'm a teapot", "Retry-After: 120\r\n", ""), Error::refused},
      {"426", status("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n", ""), Error::refused},
      {"429", status("429 Too Many Requests", "Retry-After: 7\r\n", "slow down"), Error::refused,
       "the server refused the upgrade: 429 Too Many Requests"},
      {"500", status("500 Internal Server Error", "", ""), Error::refused},
      {"502 in gzip that is none", status("502 Bad Gateway", "Content-Encoding: gzip\r\n", "x"),
       Error::refused},
      {"503", status("503 Service Unavailable", "Retry-After: 30\r\n", ""), Error::refused},
      {"503 until the close", "HTTP/1.1 503 X\r\n\r\nbusy", Error::refused, "", true},
      {"a refusal's body cut short", "HTTP/1.1 403 X\r\nContent-Length: 9\r\n\r\nbu",
       Error::refused, "", true},
      {"a refusal's body too large", status("403 X", "", std::string(70'000, 'x')), Error::refused},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.name);
    const Opened opened = bad.response.size() > 10'000
                              ? open(options(), bad.response, 4096, bad.closes)
                              : open_however_cut(options(), bad.response, bad.closes);
    EXPECT_EQ(opened.progress, HttpProgress::failed);
    EXPECT_EQ(opened.error, bad.error) << opened.sentence;
    EXPECT_FALSE(opened.sentence.empty());
    if (*bad.sentence != '\0') {
      EXPECT_EQ(opened.sentence, bad.sentence);
    }
    EXPECT_FALSE(opened.deflate.has_value());
  }
  EXPECT_EQ(
      open_however_cut(options(false, {"a"}), switching("Sec-WebSocket-Protocol: b\r\n")).error,
      Error::bad_protocol);
  EXPECT_EQ(
      open_however_cut(options(false, {"a", "b"}), switching("Sec-WebSocket-Protocol: a, b\r\n"))
          .error,
      Error::bad_protocol);
  EXPECT_EQ(open_however_cut(options(false, {"a"}), switching("Sec-WebSocket-Protocol: a\r\n"
                                                              "Sec-WebSocket-Protocol: a\r\n"))
                .error,
            Error::bad_protocol);
}

TEST(WebSocketHandshake, ARefusalCanBeAskedForItsRetryAfterAndItsBody) {
  WebSocketClientHandshake handshake(options(), sample_nonce());
  StreamBuffer buffer(4096);
  ASSERT_EQ(handshake.write_request(buffer), HttpError::none);
  buffer.clear();
  append(buffer, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n{\"\"}");
  EXPECT_EQ(handshake.parse(buffer), HttpProgress::failed);
  EXPECT_EQ(handshake.response().status(), 429);
  EXPECT_EQ(handshake.response().head().value("retry-after"), "7");
  EXPECT_EQ(handshake.response().body_text(), "{\"\"}");
}

TEST(WebSocketHandshake, TheClientTakesTheCompressionThatItOffered) {
  using Offer = WebSocketDeflateOffer;
  struct Case {
    Offer offer;
    const char* response;  // behind "permessage-deflate"
    std::optional<WebSocketDeflate> agreed;
  };
  const Offer plain;
  const Offer no_limit{.lets_server_limit_window = false};
  const Offer server_10{.server_max_window_bits = 10};
  const Offer server_none{.server_no_context_takeover = true};
  const Offer client_12{.client_max_window_bits = 12, .lets_server_limit_window = false};
  const WebSocketDeflate all{};
  const Case cases[] = {
      {plain, "", all},
      {plain, "; server_no_context_takeover", WebSocketDeflate{false, true, 15, 15}},
      {plain, ";client_no_context_takeover", WebSocketDeflate{true, false, 15, 15}},
      {plain, "; server_max_window_bits=8", WebSocketDeflate{false, false, 15, 8}},
      {plain, "; server_max_window_bits=\"10\"", WebSocketDeflate{false, false, 15, 10}},
      {plain, "; client_max_window_bits=9", WebSocketDeflate{false, false, 9, 15}},
      {plain, " ; client_max_window_bits = 9 ; server_max_window_bits = 15",
       WebSocketDeflate{false, false, 9, 15}},
      {server_10, "; server_max_window_bits=9", WebSocketDeflate{false, false, 15, 9}},
      {server_10, "; server_max_window_bits=11", std::nullopt},
      {server_10, "", std::nullopt},
      {server_none, "", std::nullopt},
      {server_none, "; server_no_context_takeover", WebSocketDeflate{false, true, 15, 15}},
      {no_limit, "; client_max_window_bits=9", std::nullopt},
      {client_12, "; client_max_window_bits=10", WebSocketDeflate{false, false, 10, 15}},
      {client_12, "; client_max_window_bits=15", WebSocketDeflate{false, false, 12, 15}},
      {plain, "; server_max_window_bits=7", std::nullopt},
      {plain, "; server_max_window_bits=16", std::nullopt},
      {plain, "; server_max_window_bits=08", std::nullopt},
      {plain, "; server_max_window_bits=+9", std::nullopt},
      {plain, "; server_max_window_bits", std::nullopt},
      {plain, "; server_max_window_bits=", std::nullopt},
      {plain, "; client_max_window_bits", std::nullopt},
      {plain, "; client_max_window_bits=0", std::nullopt},
      {plain, "; server_no_context_takeover=1", std::nullopt},
      {plain, "; server_no_context_takeover; server_no_context_takeover", std::nullopt},
      {plain, "; server_max_window_bits=9; server_max_window_bits=9", std::nullopt},
      {plain, "; client_max_window_bits=9; client_max_window_bits=9", std::nullopt},
      {plain, "; unknown", std::nullopt},
      {plain, ";", std::nullopt},
      {plain, "; =9", std::nullopt},
      {plain, ", permessage-deflate", std::nullopt},
      {plain, ", x", std::nullopt},
      {plain, ",", std::nullopt},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.response);
    WebSocketClientOptions wanted = options();
    wanted.deflate = one.offer;
    const Opened opened =
        open_however_cut(wanted, switching("Sec-WebSocket-Extensions: permessage-deflate" +
                                           std::string(one.response) + "\r\n"));
    EXPECT_EQ(opened.error, one.agreed ? Error::none : Error::bad_extension);
    EXPECT_TRUE(opened.deflate == one.agreed);
  }
  const Opened none = open_however_cut(options(true), switching());
  EXPECT_EQ(none.error, Error::none);
  EXPECT_FALSE(none.deflate.has_value());
}

std::string upgrade_request(std::string_view more = {}, std::string_view line = "GET /ws HTTP/1.1",
                            std::string_view upgrade = "Upgrade: websocket\r\n",
                            std::string_view connection = "Connection: keep-alive, Upgrade\r\n",
                            std::string_view version = "Sec-WebSocket-Version: 13\r\n",
                            std::string_view key_field =
                                "Sec-WebSocket-Key: "
                                "dGhlIHNhbXBsZSBub25jZQ==\r\n") {
  return std::string(line) + "\r\nHost: h\r\n" + std::string(upgrade) + std::string(connection) +
         std::string(version) + std::string(key_field) + std::string(more) + "\r\n";
}

struct Accepted {
  Error error = Error::none;
  std::string out;
  std::optional<WebSocketDeflate> deflate;
};
Accepted accept(const std::string& request, const WebSocketServerOptions& server = {}) {
  HttpRequestParser parser;
  parser.begin();
  StreamBuffer buffer(1 << 16);
  append(buffer, request);
  EXPECT_EQ(parser.parse(buffer), HttpProgress::complete) << parser.sentence();
  StreamBuffer out(4096);
  const WebSocketAcceptance acceptance = accept_websocket(parser, server, out);
  return {acceptance.error, text_of(out), acceptance.deflate};
}

TEST(WebSocketHandshake, TheServerAnswersARightRequest) {
  const Accepted accepted = accept(upgrade_request());
  EXPECT_EQ(accepted.error, Error::none);
  EXPECT_EQ(accepted.out, switching());
  const std::array<std::string_view, 2> spoken{"b", "c"};
  const std::array<HttpField, 1> more{{{"Server", "sim"}}};
  EXPECT_EQ(accept(upgrade_request("Sec-WebSocket-Protocol: a, c\r\nSec-WebSocket-Protocol: b\r\n"),
                   {.protocols = spoken, .fields = more})
                .out,
            switching("Sec-WebSocket-Protocol: c\r\nServer: sim\r\n"));
  EXPECT_EQ(accept(upgrade_request("Sec-WebSocket-Protocol: x\r\n"), {.protocols = spoken}).out,
            switching());
}

TEST(WebSocketHandshake, TheServerRefusesARequestThatIsNone) {
  const std::string up = "Upgrade: websocket\r\n";
  const std::string connection = "Connection: Upgrade\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string line = "GET / HTTP/1.1";
  const std::string key_field = "Sec-WebSocket-Key: " + std::string(key) + "\r\n";
  const auto keyed = [&](std::string_view value) {
    return upgrade_request("", line, up, connection, version,
                           "Sec-WebSocket-Key: " + std::string(value) + "\r\n");
  };
  const std::pair<std::string, Error> cases[] = {
      {upgrade_request("", "POST / HTTP/1.1"), Error::bad_method},
      {upgrade_request("", "GET / HTTP/1.0"), Error::old_http},
      {upgrade_request("Content-Length: 1\r\n") + "x", Error::body_in_request},
      {upgrade_request("", line, ""), Error::bad_upgrade},
      {upgrade_request("", line, "Upgrade: h2c\r\n"), Error::bad_upgrade},
      {upgrade_request("", line, up, ""), Error::bad_connection},
      {upgrade_request("", line, up, "Connection: close\r\n"), Error::bad_connection},
      {upgrade_request("", line, up, connection, ""), Error::bad_version},
      {upgrade_request("", line, up, connection, "Sec-WebSocket-Version: 8\r\n"),
       Error::bad_version},
      {upgrade_request("", line, up, connection, version + version), Error::bad_version},
      {upgrade_request("", line, up, connection, version, ""), Error::bad_key},
      {upgrade_request("", line, up, connection, version, key_field + key_field), Error::bad_key},
      {keyed(""), Error::bad_key},
      {keyed("dGhlIHNhbXBsZSBub25jZQ="), Error::bad_key},
      {keyed("dGhlIHNhbXBsZSBub25j"), Error::bad_key},
      {keyed("dGhlIHNhbXBsZSBub25jZWQ="), Error::bad_key},
      {keyed("dGhlIHNhbXBsZSBub25jZR=="), Error::bad_key},
      {keyed("dGhlIHNhbXBsZSBub25j*Q=="), Error::bad_key},
  };
  for (const auto& [request, error] : cases) {
    const Accepted refused = accept(request);
    EXPECT_EQ(refused.error, error) << request << to_string(refused.error);
    const std::string status = error == Error::bad_version ? "426 Upgrade Required" : "400 Bad";
    EXPECT_TRUE(refused.out.starts_with("HTTP/1.1 " + status)) << refused.out;
    EXPECT_NE(refused.out.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(refused.out.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos,
              error == Error::bad_version);
  }
  HttpRequestParser parser;
  parser.begin();
  StreamBuffer buffer(1 << 16);
  append(buffer, upgrade_request());
  ASSERT_EQ(parser.parse(buffer), HttpProgress::complete);
  EXPECT_TRUE(asks_for_websocket(parser));
  StreamBuffer full(16);
  EXPECT_EQ(accept_websocket(parser, {}, full).error, Error::no_room);
  EXPECT_TRUE(full.data().empty());
}

TEST(WebSocketHandshake, TheServerChoosesTheFirstOfferThatItCanKeep) {
  struct Case {
    const char* offers;
    WebSocketDeflateOffer server;
    const char* response;  // null: no compression
  };
  const WebSocketDeflateOffer plain;
  const Case cases[] = {
      {"permessage-deflate", plain, "permessage-deflate"},
      {"permessage-deflate; client_max_window_bits", plain, "permessage-deflate"},
      {"permessage-deflate; client_max_window_bits=10", plain,
       "permessage-deflate; client_max_window_bits=10"},
      {"permessage-deflate; server_max_window_bits=10; server_no_context_takeover", plain,
       "permessage-deflate; server_no_context_takeover; server_max_window_bits=10"},
      {"x-other, permessage-deflate; bad, permessage-deflate; server_max_window_bits=9", plain,
       "permessage-deflate; server_max_window_bits=9"},
      {"permessage-deflate; server_max_window_bits=16, permessage-deflate", plain,
       "permessage-deflate"},
      {"permessage-deflate; server_max_window_bits", plain, nullptr},
      {"permessage-deflate", {.client_max_window_bits = 10}, nullptr},
      {"permessage-deflate; client_max_window_bits",
       {.client_max_window_bits = 10},
       "permessage-deflate; client_max_window_bits=10"},
      {"permessage-deflate; client_max_window_bits=9",
       {.client_no_context_takeover = true, .client_max_window_bits = 10},
       "permessage-deflate; client_no_context_takeover; client_max_window_bits=9"},
      {"permessage-deflate; =,", plain, nullptr},
      {"permessage-bzip2", plain, nullptr},
  };
  for (const Case& one : cases) {
    const std::string field = "Sec-WebSocket-Extensions: ";
    WebSocketServerOptions server;
    server.deflate = one.server;
    const Accepted accepted = accept(upgrade_request(field + one.offers + "\r\n"), server);
    EXPECT_EQ(accepted.error, Error::none);
    EXPECT_EQ(accepted.out, switching(one.response ? field + one.response + "\r\n" : std::string()))
        << one.offers;
    EXPECT_EQ(accepted.deflate.has_value(), one.response != nullptr);
  }
}

TEST(WebSocketHandshake, BothSidesAgreeOnEveryPairOfWishes) {
  for (unsigned wish = 0; wish < 256; ++wish) {
    const auto offer_of = [](unsigned bits) {
      return WebSocketDeflateOffer{(bits & 1) != 0, (bits & 2) != 0,
                                   static_cast<std::uint8_t>((bits & 4) != 0 ? 9 : 15),
                                   static_cast<std::uint8_t>((bits & 8) != 0 ? 12 : 15), true};
    };
    WebSocketClientOptions wanted = options();
    wanted.deflate = offer_of(wish & 15);
    WebSocketClientHandshake client(wanted);
    StreamBuffer wire(4096);
    ASSERT_EQ(client.write_request(wire), HttpError::none);
    HttpRequestParser request;
    request.begin();
    ASSERT_EQ(request.parse(wire), HttpProgress::complete);
    WebSocketServerOptions server;
    server.deflate = offer_of(wish >> 4);
    const WebSocketAcceptance acceptance = accept_websocket(request, server, wire);
    ASSERT_EQ(client.parse(wire), HttpProgress::complete) << client.sentence();
    ASSERT_TRUE(acceptance.deflate.has_value());
    EXPECT_TRUE(acceptance.deflate == client.deflate()) << "wish " << wish;
  }
}

}  // namespace
}  // namespace perp::net::test
