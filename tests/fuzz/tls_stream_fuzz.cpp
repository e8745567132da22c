// The bytes come from the network to a TlsStream, at one of six points of its life. Whatever comes:
// no crash, no plain text that the true peer did not seal, no session with anybody else, and every
// failure says what it is. The first byte picks the point, the second the size of the pieces:
//   0  a client waits for the server's first bytes
//   1  the true server's first flight of TLS 1.3 comes with patches: 2 bytes where, 1 byte of XOR
//   2  as 1, TLS 1.2, whose handshake is not sealed
//   3  a session is open, and the bytes come in place of a record
//   4  a session is open, and records come that are sealed as they should be, with any content:
//      type, padding, length, content
//   5  a server waits for the client's first bytes
// PERP_FUZZ_SEEDS=folder writes the seed corpus there and ends.
#include "net/record_forge.hpp"
#include "net/tls_pair.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace perp::test {
namespace {

using net::TlsState;
using net::TlsStream;
using Input = std::span<const std::uint8_t>;

enum Point : std::uint8_t { first, patched_13, patched_12, in_place, sealed, server };
constexpr unsigned points = 6;

PeerOptions peer_of(int version) {
  static const Certificate certificate = leaf();
  return {.certificate = certificate,
          .min_version = version,
          .max_version = version,
          .suites = "TLS_AES_128_GCM_SHA256",
          .tickets = 0};
}

const net::TlsContext& server_context() {
  static const net::TlsContext context = [] {
    const Certificate certificate = leaf();
    return net::TlsContext::server({.certificate_file = file_of(certificate.pem()),
                                    .key_file = file_of(certificate.key_pem()),
                                    .alpn = "http/1.1"});
  }();
  return context;
}

void check(bool holds) {
  if (!holds) std::abort();
}

void feed(TlsStream& stream, std::span<const std::byte> bytes, std::size_t piece,
          net::StreamBuffer& plain) {
  while (!bytes.empty()) {
    const std::size_t size = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
    stream.feed(bytes.first(size), plain);
    bytes = bytes.subspan(size);
  }
  const bool has_failed = stream.state() == TlsState::failed;
  check(has_failed == (stream.error().kind != net::TlsErrorKind::none));
  check(has_failed == !stream.error().text.empty());
}

void end(TlsStream& stream) {
  const TlsState before = stream.state();
  const TlsState after = stream.end_of_input();
  check(after == TlsState::failed || after == TlsState::closed);
  check(before == after || stream.error().kind == net::TlsErrorKind::truncated);
}

/// The true server's first flight, for a client that has just begun.
std::vector<std::byte> flight(TlsPair& pair) {
  pair.server.feed(pair.client.output());
  pair.client.consume_output(pair.client.output().size());
  pair.server.advance();
  return pair.server.take_output();
}

void run_patched(int version, Input input, std::size_t piece) {
  TlsPair pair(peer_of(version));
  std::vector<std::byte> bytes = flight(pair);
  for (; input.size() >= 3; input = input.subspan(3))
    bytes[(std::size_t{input[0]} << 8 | input[1]) % bytes.size()] ^= std::byte{input[2]};
  feed(pair.client, bytes, piece, pair.plain);
  check(pair.plain.data().empty());
  pair.run();
  if (pair.client.state() == TlsState::open && pair.server.is_open()) {
    pair.server.write("pong");
    pair.run();
    check(text_of(pair.plain) == "pong");
  }
  end(pair.client);
}

void run_sealed(Input input, std::size_t piece) {
  TlsPair pair(peer_of(TLS1_3_VERSION));
  pair.run();
  RecordForge forge(pair.server);
  std::string wanted;
  while (input.size() >= 3 && pair.client.state() == TlsState::open) {
    const unsigned type = input[0];
    const std::size_t padding = input[1];
    const std::size_t size = std::min<std::size_t>(input[2], input.size() - 3);
    const std::string content(reinterpret_cast<const char*>(input.data()) + 3, size);
    input = input.subspan(3 + size);
    std::string inner = content;
    if (type != 0) inner += static_cast<char>(type);
    // The last byte that is not zero is the type, RFC 8446, section 5.4.
    inner.erase(inner.find_last_not_of('\0') + 1);
    if (!inner.empty() && inner.back() == static_cast<char>(RecordForge::application_data))
      wanted.append(inner, 0, inner.size() - 1);
    feed(pair.client, forge.seal(content, type, padding), piece, pair.plain);
    // All of it, or what came before it was refused.
    check(wanted.starts_with(text_of(pair.plain)));
    pair.client.consume_output(pair.client.output().size());
  }
  end(pair.client);
}

void run(Input input) {
  if (input.size() < 2) return;
  const auto point = static_cast<Point>(input[0] % points);
  const std::size_t piece = input[1];
  const Input rest = input.subspan(2);
  net::StreamBuffer plain(1 << 20);
  switch (point) {
    case first: {
      TlsStream client(client_context(), host);
      feed(client, std::as_bytes(rest), piece, plain);
      check(client.state() == TlsState::handshake || client.state() == TlsState::failed);
      check(plain.data().empty());
      return end(client);
    }
    case patched_13: return run_patched(TLS1_3_VERSION, rest, piece);
    case patched_12: return run_patched(TLS1_2_VERSION, rest, piece);
    case in_place: {
      TlsPair pair(peer_of(piece % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION));
      pair.run();
      feed(pair.client, std::as_bytes(rest), piece, pair.plain);
      check(pair.plain.data().empty());
      check(pair.client.state() != TlsState::closed);
      return end(pair.client);
    }
    case sealed: return run_sealed(rest, piece);
    case server: {
      TlsStream server(server_context());
      feed(server, std::as_bytes(rest), piece, plain);
      check(server.state() == TlsState::handshake || server.state() == TlsState::failed);
      check(plain.data().empty());
      return end(server);
    }
  }
}

void write_seed(const std::string& folder, const std::string& name, Point point, unsigned piece,
                const std::string& bytes) {
  std::ofstream(folder + "/" + name, std::ios::binary)
      << static_cast<char>(point) << static_cast<char>(piece) << bytes;
}

std::string chars(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_seeds(const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& [name, version] :
       {std::pair{"13", TLS1_3_VERSION}, std::pair{"12", TLS1_2_VERSION}}) {
    TlsPair pair(peer_of(version));
    write_seed(folder, std::string("flight_") + name, first, 0, chars(flight(pair)));
    OpenSslPeer client({.min_version = version, .max_version = version}, OpenSslPeer::Role::client,
                       host);
    client.advance();
    write_seed(folder, std::string("client_hello_") + name, server, 50,
               chars(client.take_output()));
  }
  write_seed(folder, "http", first, 7, "HTTP/1.1 400 Bad Request\r\n\r\n");
  write_seed(folder, "alert", first, 0, std::string("\x15\x03\x03\0\x02\x02\x28", 7));
  write_seed(folder, "unpatched_13", patched_13, 1, "");
  write_seed(folder, "unpatched_12", patched_12, 100, "");
  write_seed(folder, "suite_13", patched_13, 0, std::string("\0\x4d\x01", 3));
  write_seed(folder, "suite_12", patched_12, 0, std::string("\0\x4d\x01\x01\x20\x80", 6));
  write_seed(folder, "plain_close", in_place, 0, std::string("\x15\x03\x03\0\x02\x01\0", 7));
  write_seed(folder, "plain_data", in_place, 1, std::string("\x17\x03\x03\0\x04oops", 9));
  const auto record = [](unsigned type, unsigned padding, const std::string& content) {
    return std::string{static_cast<char>(type), static_cast<char>(padding),
                       static_cast<char>(content.size())} +
           content;
  };
  write_seed(folder, "data_and_close", sealed, 3,
             record(23, 0, "hello") + record(23, 9, "") + record(21, 0, std::string("\1\0", 2)));
  write_seed(folder, "key_update", sealed, 0, record(22, 0, std::string("\x18\0\0\1\1", 5)));
  write_seed(folder, "ticket", sealed, 0,
             record(22, 0, std::string("\x04\0\0\x12\0\0\x0e\x10\1\2\3\4\1x\0\4tick\0\0", 22)));
  write_seed(folder, "certificate_request", sealed, 0,
             record(22, 0, std::string("\x0d\0\0\x0b\0\0\x08\0\x0d\0\4\0\2\4\3", 15)));
  write_seed(folder, "padding_alone", sealed, 0, record(0, 40, ""));
  write_seed(folder, "fatal_alert", sealed, 0, record(21, 0, "\x02\x50"));
}

}  // namespace
}  // namespace perp::test

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* target = std::getenv("PERP_FUZZ_SEEDS"); target != nullptr) {
    perp::test::write_seeds(target);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  perp::test::run({data, size});
  return 0;
}
