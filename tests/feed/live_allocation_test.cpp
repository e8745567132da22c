// Goal: between reconnects a live feed allocates for no message: not in the loop, in TLS, in the
// WebSocket or in decoding. Method: a venue on a thread of its own sends bursts over TLS; malloc of
// the feed's thread is counted while it takes them in. What allocates is the feed's tick, ten times
// a second, so most bursts must find the count where it was, and the others be no more than there
// were ticks.
#include "feed/fake_binance.hpp"
#include "net/certificates.hpp"
#include "support/malloc_counter.hpp"

#include <perp/feed/live_feed.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace perp::feed {
namespace {

/// A FakeBinance behind TLS with its own loop and thread.
class VenueThread {
 public:
  VenueThread()
      : loop_({.engine = net::IoEngine::epoll}),
        certificate_(perp::test::Certificate::make({.alternative_names = "IP:127.0.0.1"},
                                                   &perp::test::trusted_root())),
        tls_(net::TlsContext::server({.certificate_file = perp::test::file_of(certificate_.pem()),
                                      .key_file = perp::test::file_of(certificate_.key_pem())})),
        venue_(loop_, &tls_),
        thread_([this] {
          while (!stop_.load()) loop_.run_once(core::ns_per_second);
        }) {}
  ~VenueThread() {
    stop_.store(true);
    loop_.wake();
    thread_.join();
  }

  /// Of the venue, whose address does not change.
  const test::FakeBinance& venue() const { return venue_; }
  /// On the venue's thread, soon.
  void run(std::function<void(test::FakeBinance&)> call) {
    ASSERT_TRUE(loop_.post([this, call = std::move(call)] { call(venue_); }));
  }

 private:
  net::Loop loop_;
  perp::test::Certificate certificate_;
  net::TlsContext tls_;
  test::FakeBinance venue_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class LiveAllocation : public ::testing::TestWithParam<net::IoEngine> {
 protected:
  LiveAllocation() : ring_(1 << 22) {
    std::string name = (std::filesystem::temp_directory_path() / "perp-feed-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~LiveAllocation() override {
    feed_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start() {
    LiveFeedOptions options;
    options.venue = market::VenueId::binance;
    options.symbols = {"BTC"};
    options.kinds = venue::kinds_of(venue::StreamKind::trades, venue::StreamKind::book,
                                    venue::StreamKind::mark_price);
    options.ledger_folder = folder_;
    options.loop.engine = GetParam();
    options.tls_ca_file = perp::test::trusted_root_file();
    options.obeys_proxy_variables = false;
    options.websocket_origin = venue_.venue().websocket_origin();
    options.rest_origin = venue_.venue().rest_origin();
    options.seed = 1;
    feed_.emplace(
        options, ring_, [this] { drain(); }, [](core::LogLevel, const std::string&) {});
  }
  void drain() {
    for (auto run = ring_.peek(); !run.empty(); run = ring_.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        trades_ += header.type == market::RecordType::trade ? 1U : 0U;
        deltas_ += header.type == market::RecordType::book_delta ? 1U : 0U;
      });
      ring_.release(run.size());
    }
  }
  /// Runs the feed until it holds, 20 s at most, counting what it asks of the heap.
  template <class Predicate>
  [[nodiscard]] bool until(Predicate holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      const std::uint64_t before = perp::test::malloc_count();
      feed_->do_work();
      allocations_ += perp::test::malloc_count() - before;
      drain();
    }
    return true;
  }
  /// As many trades as steps of the book.
  [[nodiscard]] bool take_burst() {
    const std::int64_t first = next_id_;
    next_id_ += burst_messages / 2;
    venue_.run([first](test::FakeBinance& venue) {
      for (std::int64_t id = first; id < first + burst_messages / 2; ++id) {
        venue.trade(id);
        venue.depth(id, id, id - 1);
      }
    });
    const std::uint64_t trades = trades_ + burst_messages / 2;
    const std::uint64_t deltas = deltas_ + burst_messages / 2;
    return until([&] { return trades_ >= trades && deltas_ >= deltas; });
  }

  static constexpr int burst_messages = 100;
  VenueThread venue_;
  std::string folder_;
  core::RecordRing ring_;
  std::optional<LiveFeed> feed_;
  std::uint64_t trades_ = 0;
  std::uint64_t deltas_ = 0;
  std::uint64_t allocations_ = 0;
  std::int64_t next_id_ = 1001;  ///< behind the book's snapshot
};

TEST_P(LiveAllocation, NoneForAMessage) {
  // Under a sanitizer, which brings its own malloc, the count stays 0: it watches the threads.
  start();
  ASSERT_TRUE(until([&] { return feed_->status().is_live; }));
  for (const ConnectionStatus& connection : feed_->status().connections)
    ASSERT_NE(connection.security.find("TLSv1.3"), std::string::npos) << connection.security;
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(take_burst());  // ids, buffers and levels are known now

  constexpr int bursts = 200;
  int allocating_bursts = 0;
  const std::uint64_t before = allocations_;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < bursts; ++i) {
    const std::uint64_t count = allocations_;
    ASSERT_TRUE(take_burst());
    allocating_bursts += allocations_ > count ? 1 : 0;
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                      std::chrono::steady_clock::now() - begin)
                      .count();
  RecordProperty("allocations", std::to_string(allocations_ - before));
  EXPECT_LT(allocating_bursts, bursts / 2)
      << allocations_ - before << " allocations for " << bursts * burst_messages << " messages";
  EXPECT_LE(allocating_bursts, 3 + ms / 100) << "more than ticks, in " << ms << " ms";
  EXPECT_EQ(feed_->status().losses, 0U);
}

INSTANTIATE_TEST_SUITE_P(Engines, LiveAllocation,
                         ::testing::Values(net::IoEngine::epoll, net::IoEngine::automatic),
                         [](const auto& engine) {
                           return engine.param == net::IoEngine::epoll ? "epoll" : "automatic";
                         });

}  // namespace
}  // namespace perp::feed
