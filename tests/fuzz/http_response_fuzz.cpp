// Any bytes as an HTTP response: our parser gives one answer however they are cut; what it takes,
// Boost.Beast takes to the same status, fields, body and end; what Beast takes and we refuse, we
// refuse for a reason that is ours.
// Input: a byte of exchange (bits 0-1), close at the end (bit 2) and piece size (the rest), then
// the stream.
#include "net/beast_stream.hpp"
#include "require.hpp"

#include <perp/net/http_response.hpp>

#include <boost/beast/http.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace perp::net::test {
namespace {

constexpr HttpLimits limits{.head_bytes = 8192, .fields = 100, .body_bytes = 1 << 20};

struct Result {
  HttpProgress progress = HttpProgress::need_more;
  HttpError error = HttpError::none;
  std::string start_line;
  std::vector<std::string> fields;  // sorted: Beast keeps those of one name together
  std::string body;
  int status = 0;
  bool is_encoded = false;
  bool keeps_alive = false;
  std::size_t left = 0;

  friend bool operator==(const Result&, const Result&) = default;
};

Result ours(std::string_view stream, HttpExchange exchange, bool closes, std::size_t piece_size) {
  HttpResponseParser parser(limits);
  parser.begin(exchange);
  StreamBuffer buffer(1 << 20, 64);
  Result result;
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    const std::span<std::byte> room = buffer.writable(piece.size());
    require(room.size() >= piece.size(), "room for the piece");
    std::memcpy(room.data(), piece.data(), piece.size());
    buffer.commit(piece.size());
    if (result.progress == HttpProgress::need_more) result.progress = parser.parse(buffer);
  }
  if (closes && result.progress == HttpProgress::need_more) result.progress = parser.finish();
  result.error = parser.error();
  require((result.progress == HttpProgress::failed) == (result.error != HttpError::none) &&
              (result.progress == HttpProgress::failed) == !parser.sentence().empty(),
          "a failure has its error and its sentence");
  require(parser.body().size() <= limits.body_bytes + 1, "no body above the limit");
  if (result.progress != HttpProgress::complete) return result;
  result.status = parser.status();
  result.start_line = parser.head().start_line();
  for (std::size_t i = 0; i < parser.head().size(); ++i)
    result.fields.push_back(std::string(parser.head().field(i).name) + ":" +
                            std::string(parser.head().field(i).value));
  std::sort(result.fields.begin(), result.fields.end());
  result.body = parser.body_text();
  result.is_encoded = parser.head().count("Content-Encoding") != 0;
  result.keeps_alive = parser.keeps_alive();
  result.left = buffer.data().size();
  return result;
}

namespace http = boost::beast::http;

// @return false if Beast refuses or wants more; then `error` says which
bool beast(std::string_view stream, HttpExchange exchange, bool closes, Result& result,
           boost::beast::error_code& error) {
  while (true) {
    // Not string_body: it reserves what Content-Length says before the limit is looked at.
    http::response_parser<http::dynamic_body> parser;
    parser.header_limit(1 << 20);
    parser.body_limit(limits.body_bytes);
    parser.eager(true);
    parser.skip(exchange == HttpExchange::head);
    error = {};
    stream.remove_prefix(parser.put(boost::asio::buffer(stream.data(), stream.size()), error));
    if (!parser.is_done() && closes && parser.is_header_done() && stream.empty() &&
        (!error || error == http::error::need_more)) {
      parser.put_eof(error);
    }
    if (!parser.is_done() || error) return false;
    const auto& message = parser.get();
    const unsigned status = message.result_int();
    if (status >= 100 && status < 200 && status != 101) continue;
    result.status = static_cast<int>(status);
    for (const auto& field : message)
      result.fields.push_back(std::string(field.name_string()) + ":" + std::string(field.value()));
    std::sort(result.fields.begin(), result.fields.end());
    result.body = boost::beast::buffers_to_string(message.body().data());
    result.left = stream.size();
    return true;
  }
}

// Why we refuse what Beast takes.
bool is_stricter(HttpError error) noexcept {
  switch (error) {
    case HttpError::bad_status:          // below 100, above 599
    case HttpError::folded_field:        // Beast joins the lines
    case HttpError::repeated_length:     // Beast takes equal ones
    case HttpError::bad_coding:          // "gzip, chunked", HTTP/1.0, identity
    case HttpError::length_and_coding:   // with 204 and the like
    case HttpError::bad_length:          // the same
    case HttpError::body_forbidden:      // in a 1xx or a 204
    case HttpError::bad_chunk:           // an extension's form or length
    case HttpError::bad_trailer:         // "Content-Encoding" behind the body
    case HttpError::unknown_encoding:    // Beast leaves encodings alone
    case HttpError::corrupt_encoding:    // the same
    case HttpError::head_too_large:      // another limit
    case HttpError::too_many_fields:     // the same
    case HttpError::too_many_interim:    // the same
    case HttpError::unexpected_upgrade:  // Beast does not know what was asked
    case HttpError::bad_field_value:     // in a trailer or the reason
    case HttpError::bad_field_name:      // in a trailer
    case HttpError::bare_line_feed:      // in a trailer
    case HttpError::bad_start_line: return true;
    default: return false;
  }
}

}  // namespace
}  // namespace perp::net::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perp::net;
  if (size == 0) return 0;
  const auto exchange = static_cast<HttpExchange>(data[0] & 3);
  const bool closes = (data[0] & 4) != 0;
  const std::size_t piece = 1 + (data[0] >> 3);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const test::Result whole =
      test::ours(stream, exchange, closes, std::max<std::size_t>(stream.size(), 1));
  const test::Result cut = test::ours(stream, exchange, closes, piece);
  test::require(whole == cut, "one answer however the bytes are cut");
  // Behind these heads Beast reads a body, and we know that there is none.
  if (exchange == HttpExchange::connect || exchange == HttpExchange::upgrade) return 0;
  test::Result theirs;
  boost::beast::error_code error;
  const bool is_taken = test::beast(stream, exchange, closes, theirs, error);
  if (whole.progress == HttpProgress::complete) {
    // A status without its space is taken by us alone, and so is a Connection that is no list of
    // tokens: it says neither close nor keep-alive.
    if (whole.start_line.size() == 12 || error == test::http::error::bad_value) return 0;
    test::require(is_taken, "Beast takes what we take");
    test::require(whole.status == theirs.status, "the same status");
    // Beast counts trailers among the fields.
    test::require(std::includes(theirs.fields.begin(), theirs.fields.end(), whole.fields.begin(),
                                whole.fields.end()),
                  "the same fields");
    test::require(whole.is_encoded || whole.body == theirs.body, "the same body");
    test::require(whole.left == theirs.left, "the same end");
  } else if (whole.progress == HttpProgress::failed) {
    test::require(!is_taken || test::is_stricter(whole.error), "a refusal for a reason of ours");
  } else {
    test::require(!is_taken, "Beast waits, too");
  }
  return 0;
}
