// Responses written by hand, cut in every way: what RFC 9112 allows is read to the same answer
// however it arrives, what two readers could read in two ways is refused by name.
#include "net/http_support.hpp"

#include <gtest/gtest.h>

namespace perp::net::test {
namespace {

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\n";

std::string with(std::string_view fields, std::string_view body = {}) {
  return std::string(ok) + std::string(fields) + "\r\n" + std::string(body);
}

struct Good {
  const char* name;
  std::string stream;
  std::string expected;
  bool closes = false;
  HttpExchange exchange = HttpExchange::ordinary;
};

TEST(HttpResponseParser, ReadsWhatTheRfcAllowsHoweverItIsCut) {
  const Good cases[] = {
      {"length", with("Content-Length: 5\r\n", "hello"), "200 OK|Content-Length=5;|hello||keeps"},
      {"no space behind the colon, space behind the value",
       with("content-length:5 \t\r\n", "hello"), "200 OK|content-length=5;|hello||keeps"},
      {"what follows stays", with("Content-Length: 2\r\n", "hiHTTP/1.1 500"),
       "200 OK|Content-Length=2;|hi|HTTP/1.1 500|keeps"},
      {"empty", with("Content-Length: 0\r\n"), "200 OK|Content-Length=0;|||keeps"},
      {"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 |Content-Length=0;|||keeps"},
      {"nor the space before it", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
       "200 |Content-Length=0;|||keeps"},
      {"a reason in Latin-1", "HTTP/1.1 404 pas trouv\xe9\r\nContent-Length: 0\r\n\r\n",
       "404 pas trouv\xe9|Content-Length=0;|||keeps"},
      {"an empty value", with("X-A:\r\nX-B: \r\nContent-Length: 0\r\n"),
       "200 OK|X-A=;X-B=;Content-Length=0;|||keeps"},
      {"chunks", with("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
       "200 OK|Transfer-Encoding=chunked;|hello world||keeps"},
      {"hexadecimal of both cases",
       with("Transfer-Encoding: Chunked\r\n",
            "A\r\n0123456789\r\n0b\r\n0123456789a\r\n000\r\n\r\n"),
       "200 OK|Transfer-Encoding=Chunked;|01234567890123456789a||keeps"},
      {"chunk extensions",
       with("Transfer-Encoding: chunked\r\n", "2;a=b;c;d=\"x;\\\"y\"\r\nhi\r\n0 ; z\r\n\r\n"),
       "200 OK|Transfer-Encoding=chunked;|hi||keeps"},
      {"trailers",
       with("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\nDigest: x\r\nX-Y: z\r\n\r\nnext"),
       "200 OK|Transfer-Encoding=chunked;|hi|next|keeps"},
      {"until the close", with("X: y\r\n", "to the end"), "200 OK|X=y;|to the end||closes", true},
      {"nothing until the close", with(""), "200 OK||||closes", true},
      {"HEAD", with("Content-Length: 500\r\n"), "200 OK|Content-Length=500;|||keeps", false,
       HttpExchange::head},
      {"HEAD of chunks", with("Transfer-Encoding: chunked\r\n", "HTTP"),
       "200 OK|Transfer-Encoding=chunked;||HTTP|keeps", false, HttpExchange::head},
      {"204", "HTTP/1.1 204 No Content\r\n\r\nHTTP", "204 No Content|||HTTP|keeps"},
      {"204 that says 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
       "204 No Content|Content-Length=0;|||keeps"},
      {"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
       "304 Not Modified|Content-Length=77;|||keeps"},
      {"1xx before it",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
           with("Content-Length: 1\r\n", "a"),
       "200 OK|Content-Length=1;|a||keeps"},
      {"close", with("Connection: close\r\nContent-Length: 1\r\n", "a"),
       "200 OK|Connection=close;Content-Length=1;|a||closes"},
      {"close in a list", with("Connection: x, Close\r\nContent-Length: 1\r\n", "a"),
       "200 OK|Connection=x, Close;Content-Length=1;|a||closes"},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
       "200 OK|Content-Length=1;|a||closes"},
      {"HTTP/1.0 that keeps",
       "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na",
       "200 OK|Connection=Keep-Alive;Content-Length=1;|a||keeps"},
      {"a tunnel", with("Content-Length: 9\r\n", "\x16\x03\x01"),
       "200 OK|Content-Length=9;||\x16\x03\x01|closes", false, HttpExchange::connect},
      {"a proxy that refuses", "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno",
       "407 Auth|Content-Length=2;|no||keeps", false, HttpExchange::connect},
      {"an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x",
       "101 Switching Protocols|Upgrade=websocket;||\x81\x01x|closes", false,
       HttpExchange::upgrade},
      {"identity", with("Content-Encoding: identity\r\nContent-Length: 1\r\n", "a"),
       "200 OK|Content-Encoding=identity;Content-Length=1;|a||keeps"},
  };
  for (const Good& good : cases) {
    SCOPED_TRACE(good.name);
    EXPECT_EQ(read_response_however_cut(good.stream, good.closes, good.exchange), good.expected);
  }
}

struct Bad {
  const char* name;
  std::string stream;
  HttpError error;
  const char* place = "";  // the sentence begins so
  bool closes = false;
  HttpExchange exchange = HttpExchange::ordinary;
};

void expect_refused(const Bad& bad, const HttpLimits& limits = {}) {
  SCOPED_TRACE(bad.name);
  const std::string got = read_response_however_cut(bad.stream, bad.closes, bad.exchange, limits);
  const std::string expected =
      "failed: " + std::to_string(static_cast<int>(bad.error)) + " " + bad.place;
  EXPECT_TRUE(got.starts_with(expected)) << got << "\n  wanted " << expected;
  EXPECT_TRUE(got.ends_with(to_string(bad.error))) << got;
}

TEST(HttpResponseParser, RefusesWhatTwoReadersCouldReadInTwoWays) {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const Bad cases[] = {
      {"an HTML page", "<html><body>502</body></html>\r\n", HttpError::bad_start_line,
       "response head, line 1: "},
      {"an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", HttpError::bad_start_line},
      {"lower case", "http/1.1 200 OK\r\n\r\n", HttpError::bad_start_line},
      {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", HttpError::bad_version},
      {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", HttpError::bad_version},
      {"HTTP/1.10", "HTTP/1.10 200 OK\r\n\r\n", HttpError::bad_start_line},
      {"tab for space", "HTTP/1.1\t200 OK\r\n\r\n", HttpError::bad_start_line},
      {"two digits", "HTTP/1.1 20 OK\r\n\r\n", HttpError::bad_status},
      {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", HttpError::bad_status},
      {"status 099", "HTTP/1.1 099 X\r\n\r\n", HttpError::bad_status},
      {"status 600", "HTTP/1.1 600 X\r\n\r\n", HttpError::bad_status},
      {"two spaces", "HTTP/1.1  200 OK\r\n\r\n", HttpError::bad_status},
      {"letters behind the status", "HTTP/1.1 200x\r\n\r\n", HttpError::bad_start_line},
      {"a NUL in the reason", std::string("HTTP/1.1 200 O\0K\r\n\r\n", 20),
       HttpError::bad_start_line},
      {"LF in the first line", "HTTP/1.1 200 OK\nX: y\r\n\r\n", HttpError::bare_line_feed,
       "response head, line 1: "},
      {"LF behind a field", with("X: y\nZ: 1\r\n"), HttpError::bare_line_feed,
       "response head, line 2: "},
      {"LF for the end", std::string(ok) + "\n", HttpError::bare_line_feed},
      {"CR inside a value", with("X: a\rb\r\n"), HttpError::bad_field_value,
       "response head, line 2: "},
      {"NUL in a value", with(std::string_view("X: a\0b\r\n", 8)), HttpError::bad_field_value},
      {"DEL in a value", with("X: a\x7f\r\n"), HttpError::bad_field_value},
      {"space before the colon", with("Content-Length : 5\r\n"), HttpError::bad_field_name},
      {"no colon", with("A: b\r\nContent-Length 5\r\n"), HttpError::bad_field_name,
       "response head, line 3: "},
      {"no name", with(": x\r\n"), HttpError::bad_field_name},
      {"a high byte in a name", with("X\xe9: x\r\n"), HttpError::bad_field_name},
      {"obs-fold", with("X: a\r\n b\r\n"), HttpError::folded_field, "response head, line 3: "},
      {"obs-fold by tab", with("X: a\r\n\tb\r\n"), HttpError::folded_field},
      {"a space before the first field", with(" X: a\r\n"), HttpError::folded_field},
      {"both lengths", with("Content-Length: 5\r\n" + chunked), HttpError::length_and_coding},
      {"the same length twice", with("Content-Length: 5\r\nContent-Length: 5\r\n"),
       HttpError::repeated_length},
      {"two lengths in one field", with("Content-Length: 5, 5\r\n"), HttpError::bad_length},
      {"a sign", with("Content-Length: +5\r\n"), HttpError::bad_length},
      {"a negative length", with("Content-Length: -1\r\n"), HttpError::bad_length},
      {"hexadecimal", with("Content-Length: 0x5\r\n"), HttpError::bad_length},
      {"no length in it", with("Content-Length:\r\n"), HttpError::bad_length},
      {"2^64", with("Content-Length: 18446744073709551616\r\n"), HttpError::bad_length},
      {"a length with a fraction", with("Content-Length: 5.0\r\n"), HttpError::bad_length},
      {"gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), HttpError::bad_coding},
      {"chunked twice", with(chunked + chunked), HttpError::bad_coding},
      {"xchunked", with("Transfer-Encoding: xchunked\r\n"), HttpError::bad_coding},
      {"identity as a coding", with("Transfer-Encoding: identity\r\n"), HttpError::bad_coding},
      {"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\n" + chunked + "\r\n", HttpError::bad_coding},
      {"204 with a body", "HTTP/1.1 204 X\r\nContent-Length: 1\r\n\r\na",
       HttpError::body_forbidden},
      {"204 with chunks", "HTTP/1.1 204 X\r\n" + chunked + "\r\n", HttpError::body_forbidden},
      {"100 with a body", "HTTP/1.1 100 X\r\nContent-Length: 1\r\n\r\na",
       HttpError::body_forbidden},
      {"101 with a body", "HTTP/1.1 101 X\r\nContent-Length: 1\r\n\r\na", HttpError::body_forbidden,
       "", false, HttpExchange::upgrade},
      {"101 unasked", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
       HttpError::unexpected_upgrade},
      {"br", with("Content-Encoding: br\r\nContent-Length: 1\r\n", "a"),
       HttpError::unknown_encoding},
      {"gzip twice", with("Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n", "a"),
       HttpError::unknown_encoding},
      {"two encodings", with("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"),
       HttpError::unknown_encoding},
      {"no size", with(chunked, "\r\nhello\r\n"), HttpError::bad_chunk, "response body, byte 0: "},
      {"not a size", with(chunked, "2\r\nhi\r\nx\r\n"), HttpError::bad_chunk,
       "response body, byte 2: "},
      {"0x5", with(chunked, "0x5\r\nhello\r\n"), HttpError::bad_chunk},
      {"a signed size", with(chunked, "+5\r\nhello\r\n"), HttpError::bad_chunk},
      {"space before a size", with(chunked, " 5\r\nhello\r\n"), HttpError::bad_chunk},
      {"space behind a size", with(chunked, "5 \r\nhello\r\n"), HttpError::bad_chunk},
      {"a size of 16 digits", with(chunked, "ffffffffffffffff\r\n"), HttpError::bad_chunk},
      {"a size that ends in LF", with(chunked, "5\nhello\r\n"), HttpError::bad_chunk},
      {"an extension without a name", with(chunked, "5;\r\nhello\r\n"), HttpError::bad_chunk},
      {"an open quote", with(chunked, "5;a=\"x\r\nhello\r\n"), HttpError::bad_chunk},
      {"an extension for ever", with(chunked, "5;" + std::string(600, 'a')), HttpError::bad_chunk},
      {"a chunk that goes on", with(chunked, "5\r\nhello!\r\n"), HttpError::bad_chunk,
       "response body, byte 5: "},
      {"LF behind a chunk", with(chunked, "5\r\nhello\n"), HttpError::bad_chunk},
      {"a bad trailer", with(chunked, "0\r\nX y\r\n\r\n"), HttpError::bad_field_name},
      {"a folded trailer", with(chunked, "0\r\nX: y\r\n z\r\n\r\n"), HttpError::folded_field},
      {"a length behind the body", with(chunked, "0\r\nContent-Length: 0\r\n\r\n"),
       HttpError::bad_trailer},
      {"a coding behind the body", with(chunked, "1\r\na\r\n0\r\n" + chunked + "\r\n"),
       HttpError::bad_trailer, "response body, byte 1: "},
      {"an encoding behind the body", with(chunked, "0\r\nContent-Encoding: gzip\r\n\r\n"),
       HttpError::bad_trailer},
      {"nothing before the close", "", HttpError::cut_short, "", true},
      {"half a head before the close", std::string(ok) + "X: y\r\n", HttpError::cut_short, "",
       true},
      {"half a body before the close", with("Content-Length: 5\r\n", "hell"), HttpError::cut_short,
       "response body, byte 4: ", true},
      {"no last chunk before the close", with(chunked, "5\r\nhello\r\n"), HttpError::cut_short, "",
       true},
      {"no end of trailers before the close", with(chunked, "0\r\n"), HttpError::cut_short, "",
       true},
  };
  for (const Bad& bad : cases) expect_refused(bad);
  std::string interims;
  for (int i = 0; i <= HttpResponseParser::interim_max; ++i) interims += "HTTP/1.1 100 C\r\n\r\n";
  expect_refused({"1xx for ever", interims, HttpError::too_many_interim});
}

TEST(HttpResponseParser, HoldsItsLimitsAtBothEnds) {
  const HttpLimits limits{.head_bytes = 60, .fields = 3, .body_bytes = 10};
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const auto good = [&](const std::string& stream, bool closes = false) {
    const std::string got =
        read_response_however_cut(stream, closes, HttpExchange::ordinary, limits);
    EXPECT_TRUE(got.starts_with("200 OK")) << got;
  };
  const std::string name_and_rest = "HTTP/1.1 200 OKX: Content-Length: 0";
  const std::string filler(60 - name_and_rest.size(), 'x');
  good(with("X: " + filler + "\r\nContent-Length: 0\r\n"));
  expect_refused({"a byte more", with("X: " + filler + "x\r\nContent-Length: 0\r\n"),
                  HttpError::head_too_large, "response head, line 3: "},
                 limits);
  expect_refused({"a first line for ever", "HTTP/1.1 200 " + std::string(100, 'x'),
                  HttpError::head_too_large, "response head, line 1: "},
                 limits);
  good(with("A: 1\r\nB: 2\r\nContent-Length: 0\r\n"));
  expect_refused({"four fields", with("A: 1\r\nB: 2\r\nC: 3\r\nContent-Length: 0\r\n"),
                  HttpError::too_many_fields, "response head, line 5: "},
                 limits);
  good(with("Content-Length: 10\r\n", "0123456789"));
  expect_refused({"length 11", with("Content-Length: 11\r\n"), HttpError::body_too_large}, limits);
  good(with(chunked, "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"));
  expect_refused({"chunks of 11", with(chunked, "5\r\n01234\r\n6\r\n"), HttpError::body_too_large,
                  "response body, byte 5: "},
                 limits);
  expect_refused({"trailers that go on", with(chunked, "0\r\nX: " + std::string(100, 'x')),
                  HttpError::head_too_large},
                 limits);
  good(with("", "0123456789"), true);
  expect_refused(
      {"11 until the close", with("", "0123456789a"), HttpError::body_too_large, "", true}, limits);
}

TEST(HttpResponseParser, InflatesContentHoweverItIsCutAndFramed) {
  const std::string text = "{\"symbols\":[\"BTCUSDT\",\"ETHUSDT\",\"BTCUSDT\",\"ETHUSDT\"]}";
  struct Form {
    const char* encoding;
    std::string body;
  };
  const Form forms[] = {
      {"gzip", compress(text, 15 + 16)},
      {"x-gzip", compress(text, 15 + 16)},
      {"gzip", compress(text.substr(0, 9), 15 + 16) + compress(text.substr(9), 15 + 16)},
      {"deflate", compress(text, 15)},
      {"deflate", compress(text, -15)},
  };
  for (const Form& form : forms) {
    SCOPED_TRACE(form.encoding);
    const std::string encoding = std::string("Content-Encoding: ") + form.encoding + "\r\n";
    const std::string length = "Content-Length: " + std::to_string(form.body.size()) + "\r\n";
    const auto body_of = [](const std::string& answer) {
      const std::size_t begin = answer.find('|', answer.find('|') + 1) + 1;
      return answer.substr(begin, answer.find('|', begin) - begin);
    };
    EXPECT_EQ(body_of(read_response_however_cut(with(encoding + length, form.body))), text);
    EXPECT_EQ(body_of(read_response_however_cut(with(encoding, form.body), true)), text);
    std::string chunks;
    for (const char c : form.body) chunks += std::string("1\r\n") + c + "\r\n";
    EXPECT_EQ(body_of(read_response(
                  with(encoding + "Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n"), {})),
              text);

    expect_refused({"cut short", with(encoding, form.body.substr(0, form.body.size() - 1)),
                    HttpError::corrupt_encoding, "", true});
    expect_refused({"bytes behind it", with(encoding, form.body + "ab"),
                    HttpError::corrupt_encoding, "", true});
    if (&form == std::end(forms) - 1) continue;  // raw deflate has no check sum
    std::string flipped = form.body;
    flipped[flipped.size() - 2] = static_cast<char>(flipped[flipped.size() - 2] ^ 0x55);
    expect_refused(
        {"a wrong check sum", with(encoding, flipped), HttpError::corrupt_encoding, "", true});
  }
  expect_refused({"not gzip", with("Content-Encoding: gzip\r\nContent-Length: 5\r\n", "hello"),
                  HttpError::corrupt_encoding});
}

TEST(HttpResponseParser, ABombCostsNoMoreThanTheLimit) {
  const std::string bomb = compress(std::string(10 << 20, '\0'), 15 + 16);  // 10 KiB for 10 MiB
  const std::string head = with("Content-Encoding: gzip\r\n");
  const HttpLimits limits{.body_bytes = 1 << 20};
  HttpResponseParser parser(limits);
  parser.begin();
  StreamBuffer buffer(1 << 20);
  append(buffer, head + bomb);
  EXPECT_EQ(parser.parse(buffer), HttpProgress::failed);
  EXPECT_EQ(parser.error(), HttpError::body_too_large);
  EXPECT_LE(parser.body().size(), (std::size_t{1} << 20) + 1);
  // Both ends of the limit after inflating.
  const HttpLimits ten{.body_bytes = 100};
  const std::string exact = with("Content-Encoding: gzip\r\n", compress(std::string(100, 'a'), 31));
  EXPECT_TRUE(
      read_response_however_cut(exact, true, HttpExchange::ordinary, ten).starts_with("200"));
  expect_refused({"a byte more inflated",
                  with("Content-Encoding: gzip\r\n", compress(std::string(101, 'a'), 31)),
                  HttpError::body_too_large, "", true},
                 ten);
}

TEST(HttpResponseParser, ReadsOneResponseAfterAnotherAndKnowsAnIdleConnection) {
  HttpResponseParser parser;
  StreamBuffer buffer(1 << 16);
  parser.begin();
  EXPECT_EQ(parser.parse(buffer), HttpProgress::need_more);
  EXPECT_TRUE(parser.is_idle());
  std::string stream;
  for (std::size_t i = 0; i < 20; ++i)
    stream += with("Content-Length: " + std::to_string(i) + "\r\n", std::string(i, 'x'));
  append(buffer, stream);
  for (std::size_t i = 0; i < 20; ++i) {
    ASSERT_EQ(parser.parse(buffer), HttpProgress::complete);
    EXPECT_FALSE(parser.is_idle());
    EXPECT_EQ(parser.body().size(), i);
    const std::byte* const end = parser.body().data() + i;
    unsigned sum = 0;  // the address sanitizer watches these loads
    for (std::size_t k = 0; k < StreamBuffer::slack; ++k) sum += static_cast<unsigned>(end[k]);
    EXPECT_LE(sum, 255U * StreamBuffer::slack);
    parser.begin();
  }
  EXPECT_TRUE(buffer.data().empty());
  EXPECT_EQ(parser.finish(), HttpProgress::failed);
  EXPECT_TRUE(parser.is_idle());
}

}  // namespace
}  // namespace perp::net::test
