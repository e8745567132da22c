#include "app/loader_runner.hpp"

#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace perp::app {
namespace {

constexpr std::int64_t backoff_first_ms = 1000;
constexpr std::int64_t backoff_last_ms = 60'000;

void add_to(std::optional<warehouse::LoadReport>& sum, const warehouse::LoadReport& report) {
  if (!sum) sum.emplace();
  sum->add(report);
}

}  // namespace

LoaderRunner::LoaderRunner(warehouse::LoaderOptions options, bool is_persistent,
                           std::function<void(const std::string&)> tell)
    : shared_(std::make_shared<Shared>()) {
  shared_->options = std::move(options);
  shared_->is_persistent = is_persistent;
  shared_->tell = std::move(tell);
  thread_ = std::thread([shared = shared_] {
    core::set_thread_name("perp-loader");
    run(*shared);
    shared->has_ended.store(true);
  });
}

LoaderRunner::~LoaderRunner() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void LoaderRunner::change(warehouse::LoaderOptions options) {
  const std::lock_guard lock(shared_->mutex);
  shared_->options = std::move(options);
  shared_->stop_following.store(true);
  shared_->changed.notify_all();
}

void LoaderRunner::finish(journal::Position until) {
  const std::lock_guard lock(shared_->mutex);
  shared_->until = until;
  shared_->stop_following.store(true);
  shared_->changed.notify_all();
}

void LoaderRunner::stop() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stop_now.store(true);
  shared_->stop_following.store(true);
  shared_->changed.notify_all();
}

void LoaderRunner::join() {
  if (thread_.joinable()) thread_.join();
  if (const std::exception_ptr failure = std::exchange(shared_->failure, nullptr))
    std::rethrow_exception(failure);
}

void LoaderRunner::abandon() {
  if (thread_.joinable()) thread_.detach();
}

std::optional<warehouse::LoadReport> LoaderRunner::report() const {
  const std::lock_guard lock(shared_->mutex);
  std::optional<warehouse::LoadReport> sum = shared_->sum;
  if (shared_->current != nullptr) add_to(sum, shared_->current->progress());
  return sum;
}

bool LoaderRunner::pause(Shared& shared, std::int64_t ms) {
  std::unique_lock lock(shared.mutex);
  shared.changed.wait_for(lock, std::chrono::milliseconds(ms),
                          [&] { return shared.stop_following.load(); });
  return !shared.stop_now.load();
}

void LoaderRunner::run(Shared& shared) {
  std::int64_t backoff_ms = backoff_first_ms;
  for (;;) {
    warehouse::LoaderOptions options;
    bool is_last = false;
    {
      std::unique_lock lock(shared.mutex);
      shared.changed.wait(lock, [&] {
        return !shared.options.dsn.empty() || shared.until || shared.stop_now.load();
      });
      if (shared.stop_now.load() || shared.options.dsn.empty()) return;
      options = shared.options;
      is_last = shared.until.has_value();
      shared.stop_following.store(is_last);
      options.tells_start = !shared.sum || !shared.sum->has_told_start;
    }
    const Outcome outcome = load(shared, std::move(options));
    if (outcome == Outcome::finished || shared.stop_now.load()) return;
    if (outcome == Outcome::to_be_continued) {
      backoff_ms = backoff_first_ms;
      continue;
    }
    if (!shared.is_persistent || is_last || !pause(shared, backoff_ms)) return;
    backoff_ms = std::min(2 * backoff_ms, backoff_last_ms);
  }
}

/// One Loader's life.
LoaderRunner::Outcome LoaderRunner::load(Shared& shared, warehouse::LoaderOptions options) {
  std::optional<warehouse::Loader> loader;
  const auto until = [&] {
    const std::lock_guard lock(shared.mutex);
    return shared.until;
  };
  // report() looks at it no longer than it exists.
  struct Release {
    Shared& shared;
    ~Release() {
      const std::lock_guard lock(shared.mutex);
      shared.current = nullptr;
    }
  } release{shared};
  // What the lanes have counted is taken over before a next run() begins to count anew.
  const auto take_over = [&](const warehouse::LoadReport& report) {
    const std::lock_guard lock(shared.mutex);
    shared.current = nullptr;
    add_to(shared.sum, report);
  };
  // The loader's outermost loop: what it throws is told here, or thrown again by join() where it
  // is not persistent.
  try {
    if (options.dsn == shared.primary_dsn) options.primary = shared.primary;
    loader.emplace(options);
    shared.primary = loader->primary();
    shared.primary_dsn = options.dsn;
    {
      const std::lock_guard lock(shared.mutex);
      shared.current = &*loader;
    }
    if (!until()) take_over(loader->follow(shared.stop_following));
    const std::optional<journal::Position> last = until();
    if (!last) return Outcome::to_be_continued;
    // Everything is durable by now: the rest, to the very end.
    if (!shared.stop_now.load()) take_over(loader->run(*last, shared.stop_now));
    return Outcome::finished;
  } catch (...) {
    if (loader) take_over(loader->progress());
    shared.failures.fetch_add(1);
    shared.failure = std::current_exception();
  }
  if (!shared.is_persistent) return Outcome::failed;
  try {
    std::rethrow_exception(std::exchange(shared.failure, nullptr));
  } catch (const std::exception& error) {
    shared.tell(fmt::format("the loader gave up: {}", error.what()));
  }
  return Outcome::failed;
}

}  // namespace perp::app
