#include "warehouse/claim.hpp"
#include "warehouse/lane.hpp"

#include <perp/core/time.hpp>
#include <perp/journal/reader.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/maintenance.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace perp::warehouse {
namespace {

constexpr unsigned lanes_max = 16;
constexpr std::size_t batch_rows_max = 1'000'000;
constexpr journal::Position no_end = ~journal::Position{0};
constexpr std::chrono::milliseconds stop_poll{20};  // how late a stop may be seen

}  // namespace

std::vector<std::string> fact_table_names() {
  std::vector<std::string> names;
  for (const FactTable& table : fact_tables()) names.emplace_back(table.name);
  return names;
}

std::vector<std::string> default_fact_tables() {
  std::vector<std::string> names;
  for (const FactTable& table : fact_tables())
    if (table.is_default) names.emplace_back(table.name);
  return names;
}

void LoadReport::add(const LoadReport& later) {
  for (auto field :
       {&LoadReport::rows_data, &LoadReport::rows_metrics, &LoadReport::rows_facts,
        &LoadReport::instruments, &LoadReport::status_rows, &LoadReport::error_rows,
        &LoadReport::batches, &LoadReport::merged_batches, &LoadReport::unexpected_conflicts,
        &LoadReport::retries, &LoadReport::reconnects, &LoadReport::commits_found,
        &LoadReport::rows_folded, &LoadReport::rows_refused, &LoadReport::rows_expired,
        &LoadReport::not_primary, &LoadReport::undefined, &LoadReport::inactive})
    this->*field += later.*field;
  seconds += later.seconds;
  cursors = later.cursors;
}

struct Loader::Impl {
  LoaderOptions options;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<Lane>> lanes;  // guarded by mutex: replaced by each run()

  std::string journal_id(const std::atomic<bool>& stop) const;
  LoadReport run(journal::Position until, bool is_endless, const std::atomic<bool>& stop);
  LoadReport report() const {
    const std::lock_guard guard(mutex);
    LoadReport sum;
    std::vector<journal::Position> all_cursors;
    for (const std::unique_ptr<Lane>& lane : lanes) {
      sum.add(lane->report());
      all_cursors.insert(all_cursors.end(), sum.cursors.begin(), sum.cursors.end());
    }
    sum.cursors = std::move(all_cursors);
    sum.seconds = 0;  // the lanes run side by side: the caller knows the time
    return sum;
  }
};

Loader::Loader(const LoaderOptions& options) : impl_(std::make_unique<Impl>()) {
  if (options.lanes < 1 || options.lanes > lanes_max)
    throw core::Error("bad number of lanes", "loader.lanes",
                      fmt::format("{}; expected 1 to {}", options.lanes, lanes_max));
  if (options.batch_rows < 1 || options.batch_rows > batch_rows_max)
    throw core::Error("bad batch size", "loader.batch_rows",
                      fmt::format("{}; expected 1 to {}", options.batch_rows, batch_rows_max));
  if (options.flush_ms < 1)
    throw core::Error("bad flush time", "loader.flush_ms",
                      fmt::format("{}; expected at least 1 ms", options.flush_ms));
  for (const std::string& name : options.fact_tables)
    if (find_fact_table(name) == fact_tables().size())
      throw core::Error(
          "no table of facts", "loader.fact_tables",
          fmt::format("'{}'; expected some of {}", name, fmt::join(fact_table_names(), ", ")));
  impl_->options = options;
}

Loader::~Loader() = default;

// The journal's own number, once it has a first segment.
std::string Loader::Impl::journal_id(const std::atomic<bool>& stop) const {
  journal::Reader reader(options.journal_folder);
  while (reader.journal_id() == 0) {
    if (stop.load()) return {};
    if (reader.next() == nullptr && reader.journal_id() == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return journal_name(reader.journal_id());
}

LoadReport Loader::Impl::run(journal::Position until, bool is_endless,
                             const std::atomic<bool>& stop) {
  const core::MonoNs begin = core::mono_now();
  const std::string journal = journal_id(stop);
  // A lane that fails stops the others; the caller's flag stops all. Both are one flag for the
  // lanes.
  std::atomic<bool> halt{stop.load()};
  {
    const std::lock_guard guard(mutex);
    lanes.clear();
    for (unsigned lane = 0; lane < options.lanes; ++lane)
      lanes.push_back(std::make_unique<Lane>(options, lane, journal));
  }
  std::vector<std::exception_ptr> errors(options.lanes);
  std::mutex end_mutex;
  std::condition_variable lane_ended;
  unsigned running = 0;  // guarded by end_mutex
  if (!journal.empty() && claim_cursors(options, journal, stop)) {
    running = options.lanes;
    std::vector<std::thread> threads;
    for (unsigned lane = 0; lane < options.lanes; ++lane)
      threads.emplace_back([&, lane] {
        try {
          lanes[lane]->run(until, is_endless, halt);
        } catch (...) {
          errors[lane] = std::current_exception();
          halt = true;
        }
        const std::lock_guard guard(end_mutex);
        --running;
        lane_ended.notify_one();
      });
    std::exception_ptr maintenance_error;
    if (is_endless && options.keeps_retention)
      threads.emplace_back([&] {
        try {
          keep_maintained({options.dsn, options.retention_days, options.on_event}, halt);
        } catch (...) {
          maintenance_error = std::current_exception();
          halt = true;
        }
      });
    {
      std::unique_lock lock(end_mutex);
      while (!lane_ended.wait_for(lock, stop_poll, [&] { return running == 0; }))
        if (stop.load()) halt = true;
    }
    halt = true;  // the lanes have ended: maintenance ends too
    for (std::thread& thread : threads) thread.join();
    errors.push_back(maintenance_error);
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  LoadReport sum = report();
  sum.seconds = static_cast<double>(core::mono_now() - begin) / 1e9;
  return sum;
}

LoadReport Loader::run(journal::Position until, const std::atomic<bool>& stop) {
  return impl_->run(until, false, stop);
}
LoadReport Loader::follow(const std::atomic<bool>& stop) { return impl_->run(no_end, true, stop); }
LoadReport Loader::progress() const { return impl_->report(); }

}  // namespace perp::warehouse
