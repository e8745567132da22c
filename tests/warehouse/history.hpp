#pragma once
// What fault tests load: random facts in a journal of the test's own, the oracle of the rows that
// they make, and how to wait for a loader and compare.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <perp/warehouse/loader.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace perp::warehouse::test {

/// A journal and the random facts to fill it with. Prints its seed.
class SeededJournal {
 public:
  SeededJournal() : SeededJournal(std::random_device{}()) {}

 protected:
  explicit SeededJournal(unsigned seed) : generator_(seed), journal_({.folder = folder_.path()}) {
    testing::Test::RecordProperty("seed", static_cast<int>(seed));
    std::printf("seed %u\n", seed);
  }

  Folder folder_;
  Generator generator_;
  journal::Writer journal_;
};

/// What a loader tells, and a way to wait for a word of it. Any thread.
class Told {
 public:
  void operator()(const std::string& line) {
    const std::lock_guard guard(mutex_);
    lines_.push_back(line);
  }
  std::size_t count(std::string_view word) {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(),
        [&](const std::string& line) { return line.find(word) != std::string::npos; }));
  }
  bool has(std::string_view word) { return count(word) != 0; }
  void await(std::string_view word, std::size_t times = 1) {
    while (count(word) < times) std::this_thread::yield();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

/// A loader on a thread of its own: up to a position, or following the journal until stopped.
class Loading {
 public:
  Loading(const LoaderOptions& options, journal::Position until)
      : loader_(options),
        thread_([this, until] { run([&] { return loader_.run(until, stop_); }); }) {}
  explicit Loading(const LoaderOptions& options)
      : loader_(options), thread_([this] { run([&] { return loader_.follow(stop_); }); }) {}
  ~Loading() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Loading(const Loading&) = delete;
  Loading& operator=(const Loading&) = delete;

  const Loader& loader() const { return loader_; }
  bool has_failed() const { return has_failed_; }
  const std::string& error() const { return error_; }  ///< once it has failed
  /// Waits for the end of what was asked for.
  LoadReport finish() {
    thread_.join();
    EXPECT_EQ(error_, "");
    return report_;
  }
  LoadReport stop() {
    stop_ = true;
    return finish();
  }

 private:
  void run(const std::function<LoadReport()>& load) {
    try {
      report_ = load();
    } catch (const std::exception& error) {
      error_ = error.what();
      has_failed_ = true;
    }
  }

  Loader loader_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_failed_{false};  // error_ is written before it
  LoadReport report_;
  std::string error_;
  std::thread thread_;  // last: it uses the others
};

/// The same with the oracle of what loading it must store.
class History : public SeededJournal {
 protected:
  void write(const Fact& fact) {
    append(journal_, fact);
    oracle_.apply(fact);
  }
  /// Fresh minutes with revisions, backfill and repeats between them: every way of storing is met.
  void write_history(int minutes, std::int64_t from = day_0) {
    generator_.define_all(journal_);
    const std::vector<Fact> facts = generator_.minutes(from, minutes);
    for (std::size_t i = 0; i < facts.size(); ++i) {
      write(facts[i]);
      if (i % 30 == 29) write_status();
      if (i % 40 == 39) {
        Fact again = facts[generator_.random()() % i];
        again = generator_.fact(again.venue, again.index, again.kind, again.ts);
        if (generator_.chance(0.5)) again = revision_of(again);
        write(again);
      }
    }
    journal_.sync();
  }
  static Fact revision_of(Fact fact) {
    fact.flags = static_cast<std::uint8_t>(fact.flags | market::flag_revision);
    return fact;
  }
  void write_status() {
    Whole<market::FeedStatus> status;
    status.header = {sizeof status,
                     market::RecordType::feed_status,
                     market::VenueId::okx,
                     0,
                     0,
                     0,
                     core::unknown_ns,
                     day_0 * 1'000'000};
    status.payload.state = market::FeedState::live;
    status.payload.reason.assign_cut("status " + std::to_string(status_count_++));
    journal_.append(status.header);
  }
  LoaderOptions options(const std::string& dsn) const {
    LoaderOptions out;
    out.dsn = dsn;
    out.journal_folder = folder_.path();
    out.batch_rows = 150;
    return out;
  }
  LoadReport load(const LoaderOptions& with) const {
    const std::atomic<bool> stop{false};
    return Loader(with).run(journal_.end(), stop);
  }
  bool is_at_end(const Loader& loader) const {
    const std::vector<journal::Position> cursors = loader.progress().cursors;
    return !cursors.empty() && std::all_of(cursors.begin(), cursors.end(),
                                           [&](auto cursor) { return cursor >= journal_.end(); });
  }
  /// Until every lane has committed all that the journal has: rows alone do not tell, some are
  /// stored more than once. A loader that gives up is a failure.
  void await_end(const Loading& loading) const {
    while (!is_at_end(loading.loader())) {
      if (loading.has_failed()) throw std::runtime_error("the loader gave up: " + loading.error());
      std::this_thread::yield();
    }
  }
  void expect_exactly_once(const std::string& dsn) const {
    oracle_.expect_equal(dsn);
    // Status has no key: a repeat would show as a second row, a loss as a missing one.
    EXPECT_EQ(Text(dsn).one("SELECT count(*) || ' ' || count(DISTINCT message) FROM perp_status "
                            "WHERE message LIKE 'status %'"),
              std::to_string(status_count_) + " " + std::to_string(status_count_));
  }

  Oracle oracle_;
  int status_count_ = 0;
};

}  // namespace perp::warehouse::test
