#pragma once
// The loader on a thread of its own, from its start to its last row. A replay's loader is told to
// finish and throws what went wrong. A daemon's (`is_persistent`) is begun again after a failure
// and takes other options meanwhile: what is in the journal waits. The owner's thread calls
// everything; the thread that it starts owns the Loader.
#include <perp/warehouse/loader.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace perp::app {

class LoaderRunner {
 public:
  /// Starts. An empty dsn loads nothing until change() brings one.
  /// @param tell one line per thing worth telling; called from other threads
  LoaderRunner(warehouse::LoaderOptions options, bool is_persistent,
               std::function<void(const std::string&)> tell);
  /// Stops where it is and joins, unless it was abandoned.
  ~LoaderRunner();
  LoaderRunner(const LoaderRunner&) = delete;
  LoaderRunner& operator=(const LoaderRunner&) = delete;

  /// Goes on with other options, from the cursors in the (perhaps other) database.
  void change(warehouse::LoaderOptions options);
  /// Loads everything below `until`, which must be durable, and ends. Does not wait.
  void finish(journal::Position until);
  /// Ends where its cursors are, after a statement's grace. Does not wait.
  void stop();
  bool has_ended() const { return shared_->has_ended.load(); }
  /// Waits for the end. @throws what a loader that is not persistent threw
  void join();
  /// Leaves the thread alone, for a process that is about to end while libpq waits for a server
  /// that does not answer.
  void abandon();

  /// Of all its loaders so far. Nothing while none was wanted.
  std::optional<warehouse::LoadReport> report() const;
  std::uint64_t failures() const { return shared_->failures.load(); }

 private:
  // Shared with the thread, which outlives us when it is abandoned.
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    // Guarded by mutex.
    warehouse::LoaderOptions options;
    std::optional<journal::Position> until;
    warehouse::Loader* current = nullptr;
    std::optional<warehouse::LoadReport> sum;
    // The thread's own.
    std::shared_ptr<warehouse::Primary> primary;  ///< what was learnt of the servers of primary_dsn
    std::string primary_dsn;
    // Written by the owner (the thread takes the first back), read by loader lanes: flags alone.
    std::atomic<bool> stop_following{false};
    std::atomic<bool> stop_now{false};
    // Written by the thread, read by any: a flag and a count alone; failure is read behind the
    // join.
    std::atomic<bool> has_ended{false};
    std::atomic<std::uint64_t> failures{0};
    std::exception_ptr failure;
    bool is_persistent = false;
    std::function<void(const std::string&)> tell;
  };
  enum class Outcome : std::uint8_t { failed, to_be_continued, finished };
  static void run(Shared& shared);
  static Outcome load(Shared& shared, warehouse::LoaderOptions options);
  static bool pause(Shared& shared, std::int64_t ms);

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace perp::app
