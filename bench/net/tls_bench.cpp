// One TLS record from ciphertext in memory to plain text and back, without sockets: TlsStream with
// AES-GCM by libcrypto (`perp`) and by wolfSSL's own code (`wolfssl`), OpenSSL's SSL_read as it
// comes and with read-ahead, which saves it a call per record. What is read was sealed by another
// OpenSSL session before the clock ran. One item is one record.
//   read   feed() or SSL_read() of a record, its plain text taken
//   write  a record sealed, its ciphertext taken
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "net/tls_pair.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {
namespace {

using net::AesEngine;
using net::TlsContext;
using net::TlsState;

struct Suite {
  const char* name;
  const char* standard_name;
};
constexpr Suite aes128{"aes128", "TLS_AES_128_GCM_SHA256"};
constexpr Suite aes256{"aes256", "TLS_AES_256_GCM_SHA384"};
constexpr Suite chacha20{"chacha20", "TLS_CHACHA20_POLY1305_SHA256"};

constexpr std::size_t small = 174;  // a trade of Binance with its frame
constexpr std::size_t large = 16'384;

/// Records per round, so that preparing them and pausing the clock cost nothing visible.
std::size_t batch_of(std::size_t size) { return size == small ? 4096 : 128; }

test::PeerOptions server_of(const Suite& suite) {
  return {.certificate = test::leaf(), .suites = suite.standard_name, .tickets = 0};
}

std::vector<std::vector<std::byte>> sealed_batch(test::OpenSslPeer& server, std::size_t size) {
  const std::string text(size, 'm');
  std::vector<std::vector<std::byte>> records(batch_of(size));
  for (std::vector<std::byte>& record : records) record = server.sealed(text);
  return records;
}

void set_items(benchmark::State& state, std::size_t size) {
  const auto records =
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * batch_of(size));
  state.SetItemsProcessed(records);
  state.SetBytesProcessed(records * static_cast<std::int64_t>(size));
}

/// A client of ours and OpenSSL's server, connected.
struct Session {
  Session(AesEngine engine, const Suite& suite)
      : context(TlsContext::client({.ca_file = test::trusted_root_file(), .aes = engine})),
        pair(server_of(suite), context) {
    pair.run();
    require(pair.client.state() == TlsState::open, "the handshake failed");
    require(pair.client.suite() == suite.standard_name, "another suite was agreed on");
    require(pair.server.write("right?"), "cannot write");
    require(pair.client.write(test::bytes_of("right!")), "cannot write");
    pair.run();
    require(test::text_of(pair.plain) == "right?", "another text came out");
    require(pair.server.received() == "right!", "another text went in");
    pair.plain.clear();
  }

  TlsContext context;
  test::TlsPair pair;
};

void read_by_perp(benchmark::State& state, AesEngine engine, const Suite& suite, std::size_t size) {
  Session session(engine, suite);
  net::TlsStream& tls = session.pair.client;
  net::StreamBuffer& plain = session.pair.plain;
  std::size_t taken = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto records = sealed_batch(session.pair.server, size);
    state.ResumeTiming();
    for (const std::vector<std::byte>& record : records) {
      tls.feed(record, plain);
      taken += plain.data().size();
      plain.consume(plain.data().size());
    }
  }
  require(taken == static_cast<std::size_t>(state.iterations()) * batch_of(size) * size,
          "plain text is missing");
  set_items(state, size);
}

void write_by_perp(benchmark::State& state, AesEngine engine, const Suite& suite,
                   std::size_t size) {
  Session session(engine, suite);
  net::TlsStream& tls = session.pair.client;
  const std::string text(size, 'm');
  for (auto _ : state)
    for (std::size_t i = 0; i < batch_of(size); ++i) {
      if (!tls.write(test::bytes_of(text))) return state.SkipWithError("cannot write");
      tls.consume_output(tls.output().size());
    }
  set_items(state, size);
}

/// Two OpenSSL sessions, connected.
struct OpenSslSession {
  explicit OpenSslSession(const Suite& suite)
      : server(server_of(suite)),
        client({.trusted_file = test::trusted_root_file()}, test::OpenSslPeer::Role::client,
               test::host) {
    for (int i = 0; i < 4; ++i) {
      client.advance();
      server.feed(client.take_output());
      server.advance();
      client.feed(server.take_output());
    }
    require(server.is_open() && client.is_open(), "OpenSSL's handshake failed");
  }

  test::OpenSslPeer server;
  test::OpenSslPeer client;
};

void read_by_openssl(benchmark::State& state, bool ahead, const Suite& suite, std::size_t size) {
  OpenSslSession session(suite);
  SSL* const ssl = session.client.ssl();
  SSL_set_read_ahead(ssl, ahead ? 1 : 0);
  std::vector<char> plain(large + 1024);
  std::size_t taken = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::string all;
    for (const std::vector<std::byte>& record : sealed_batch(session.server, size))
      all.append(reinterpret_cast<const char*>(record.data()), record.size());
    // Read where it lies: a memory BIO without copies of its own.
    SSL_set0_rbio(ssl, BIO_new_mem_buf(all.data(), static_cast<int>(all.size())));
    state.ResumeTiming();
    for (std::size_t i = 0; i < batch_of(size); ++i) {
      const int got = SSL_read(ssl, plain.data(), static_cast<int>(plain.size()));
      if (got <= 0) return state.SkipWithError("SSL_read failed");
      taken += static_cast<std::size_t>(got);
    }
  }
  require(taken == static_cast<std::size_t>(state.iterations()) * batch_of(size) * size,
          "plain text is missing");
  set_items(state, size);
}

void write_by_openssl(benchmark::State& state, const Suite& suite, std::size_t size) {
  OpenSslSession session(suite);
  SSL* const ssl = session.client.ssl();
  const std::string text(size, 'm');
  for (auto _ : state)
    for (std::size_t i = 0; i < batch_of(size); ++i) {
      if (SSL_write(ssl, text.data(), static_cast<int>(size)) <= 0)
        return state.SkipWithError("SSL_write failed");
      static_cast<void>(BIO_reset(SSL_get_wbio(ssl)));
    }
  set_items(state, size);
}

const bool registered = [] {
  const auto name = [](const char* unit, const char* who, const Suite& suite, std::size_t size) {
    return std::string("net/") + unit + "/" + who + "/" + suite.name +
           (size == small ? "/174B" : "/16KiB");
  };
  for (const Suite& suite : {aes128, aes256, chacha20})
    for (const std::size_t size : {small, large}) {
      const auto add = [&](const char* unit, const char* who, auto run) {
        benchmark::RegisterBenchmark(name(unit, who, suite, size).c_str(), run);
      };
      for (const AesEngine engine : {AesEngine::libcrypto, AesEngine::wolfssl}) {
        // ChaCha20 is wolfSSL's either way.
        if (engine == AesEngine::wolfssl && suite.name == chacha20.name) continue;
        const char* const who = engine == AesEngine::libcrypto ? "perp" : "wolfssl";
        add("tls_read", who,
            [=](benchmark::State& state) { read_by_perp(state, engine, suite, size); });
        add("tls_write", who,
            [=](benchmark::State& state) { write_by_perp(state, engine, suite, size); });
      }
      add("tls_read", "openssl",
          [=](benchmark::State& state) { read_by_openssl(state, false, suite, size); });
      add("tls_read", "openssl_ahead",
          [=](benchmark::State& state) { read_by_openssl(state, true, suite, size); });
      add("tls_write", "openssl",
          [=](benchmark::State& state) { write_by_openssl(state, suite, size); });
    }
  return true;
}();

const bool goals = [] {
  at_least("net/tls_read/*/aes128/174B", {"wolfssl"}, 3);
  at_least("net/tls_read/*/aes128/16KiB", {"wolfssl"}, 15);
  at_least("net/tls_read/*/aes128/174B", {"openssl", "openssl_ahead"}, 1.3);
  return true;
}();

}  // namespace
}  // namespace perp::bench
