#include "warehouse/claim.hpp"
#include "warehouse/events.hpp"
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
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

namespace perp::warehouse {
namespace {

constexpr unsigned lanes_max = 16;
constexpr std::size_t batch_rows_max = 1'000'000;
constexpr journal::Position no_end = ~journal::Position{0};
constexpr std::chrono::milliseconds stop_poll{20};  // how late a stop may be seen
static_assert(core::unknown_ns == std::numeric_limits<std::int64_t>::min());

std::string details_of(const LoadReport& report) {
  return fmt::format(
      R"({{"rows_data": {}, "rows_metrics": {}, "rows_facts": {}, "batches": {}, )"
      R"("merged_batches": {}, "rows_refused": {}, "rows_expired": {}, "retries": {}, )"
      R"("reconnects": {}, "cursors": [{}]}})",
      report.rows_data, report.rows_metrics, report.rows_facts, report.batches,
      report.merged_batches, report.rows_refused, report.rows_expired, report.retries,
      report.reconnects, fmt::join(report.cursors, ", "));
}

std::string what_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  }
}

}  // namespace

void LoadReport::add(const LoadReport& later) {
  for (auto field :
       {&LoadReport::rows_data, &LoadReport::rows_metrics, &LoadReport::rows_facts,
        &LoadReport::instruments, &LoadReport::status_rows, &LoadReport::error_rows,
        &LoadReport::batches, &LoadReport::merged_batches, &LoadReport::unexpected_conflicts,
        &LoadReport::retries, &LoadReport::reconnects, &LoadReport::commits_found,
        &LoadReport::rows_folded, &LoadReport::rows_refused, &LoadReport::rows_expired,
        &LoadReport::not_primary, &LoadReport::undefined, &LoadReport::inactive})
    this->*field += later.*field;
  has_told_start |= later.has_told_start;
  seconds += later.seconds;
  loaded_ns = later.loaded_ns;
  cursors = later.cursors;
}

struct Loader::Impl {
  LoaderOptions options;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<Lane>> lanes;  // guarded by mutex: replaced by each run()
  std::shared_ptr<Primary> primary;
  bool has_told_start = false;  // guarded by mutex
  LoadReport earlier;           // guarded by mutex: of the run()s before this one

  std::string journal_id(const std::atomic<bool>& stop) const;
  LoadReport run(journal::Position until, bool is_endless, const std::atomic<bool>& stop);
  using LifeEvent = std::pair<std::string, std::string>;  ///< status, message
  bool tell_life(const std::vector<LifeEvent>& events, Lane* lane = nullptr);
  void tell_start();
  void tell_end(const std::exception_ptr& failure, bool was_stopped);
  std::string summary() const { return fmt::format("{} rows of minutes", total().rows_data); }
  LoadReport report() const {
    const std::lock_guard guard(mutex);
    LoadReport sum;
    std::vector<journal::Position> all_cursors;
    std::int64_t least_ns = std::numeric_limits<std::int64_t>::max();
    for (const std::unique_ptr<Lane>& lane : lanes) {
      sum.add(lane->report());
      all_cursors.insert(all_cursors.end(), sum.cursors.begin(), sum.cursors.end());
      least_ns = std::min(least_ns, sum.loaded_ns);  // unknown is the least of all
    }
    // Some lanes' alone would pass for the whole: a lane that has not read its own yet says
    // nothing.
    if (all_cursors.size() < lanes.size()) all_cursors.clear();
    sum.cursors = std::move(all_cursors);
    sum.loaded_ns = lanes.empty() ? core::unknown_ns : least_ns;
    sum.has_told_start = has_told_start;
    sum.seconds = 0;  // the lanes run side by side: the caller knows the time
    return sum;
  }
  /// Of all its run()s so far.
  LoadReport total() const {
    const LoadReport now = report();
    const std::lock_guard guard(mutex);
    LoadReport sum = earlier;
    sum.add(now);
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
  impl_->primary = options.primary ? options.primary : std::make_shared<Primary>();
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

// A life that cannot be told is lived all the same.
bool Loader::Impl::tell_life(const std::vector<LifeEvent>& events, Lane* lane) {
  if (options.program.empty()) return false;
  try {
    std::optional<Connection> own;
    for (const auto& [status, message] : events) {
      const Statement told = life_statement(options.program, status, message, details_of(total()));
      if (lane != nullptr) {
        lane->say(told);
        continue;
      }
      if (!own) primary->enter(own.emplace(options.dsn, options.program));
      own->query(told.sql, told.values);
    }
    return true;
  } catch (const DatabaseError& error) {
    if (options.on_event)
      options.on_event(
          fmt::format("'{}' is not told to perp_status: {}", events.back().first, error.what()));
    return false;
  }
}

void Loader::Impl::tell_start() {
  if (!options.tells_start || report().has_told_start) return;
  const bool is_told =
      tell_life({{"started", fmt::format("loads journal {}", options.journal_folder)},
                 {"connected", fmt::format("{} lanes", options.lanes)}});
  const std::lock_guard guard(mutex);
  has_told_start = is_told;
}

// By a lane's connection if it is still there: an end that is in a hurry makes no new one.
void Loader::Impl::tell_end(const std::exception_ptr& failure, bool was_stopped) {
  if (failure && !was_stopped) tell_life({{"error", what_of(failure)}});
  if (!failure)
    tell_life({{options.keeps_retention || was_stopped ? "stopped" : "complete", summary()}},
              lanes.front().get());
}

LoadReport Loader::Impl::run(journal::Position until, bool is_endless,
                             const std::atomic<bool>& stop) {
  const core::MonoNs begin = core::mono_now();
  const std::string journal = journal_id(stop);
  // A lane that fails stops the others; the caller's flag stops all. Both are one flag for the
  // lanes.
  std::atomic<bool> halt{stop.load()};
  {
    LoadReport before = total();
    const std::lock_guard guard(mutex);
    earlier = std::move(before);
    lanes.clear();
    for (unsigned lane = 0; lane < options.lanes; ++lane)
      lanes.push_back(std::make_unique<Lane>(options, lane, journal, *primary));
  }
  std::vector<std::exception_ptr> errors(options.lanes);
  std::mutex end_mutex;
  std::condition_variable lane_ended;
  unsigned running = 0;  // guarded by end_mutex
  if (!journal.empty() && claim_cursors(options, journal, stop)) {
    tell_start();
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
          keep_maintained(
              {options.dsn, options.retention_days, options.seal_after_hours, options.on_event,
               options.on_done, [this](Connection& connection) { primary->enter(connection); }},
              halt);
        } catch (...) {
          maintenance_error = std::current_exception();
          halt = true;
        }
      });
    if (!options.program.empty())
      threads.emplace_back([&] {
        while (pause_unless(halt, options.tells_each_ms)) tell_life({{"running", summary()}});
      });
    {
      std::unique_lock lock(end_mutex);
      while (!lane_ended.wait_for(lock, stop_poll, [&] { return running == 0; }))
        if (stop.load()) halt = true;
    }
    halt = true;  // the lanes have ended: maintenance ends too
    for (std::thread& thread : threads) thread.join();
    errors.push_back(maintenance_error);
    const auto failed = std::find_if(errors.begin(), errors.end(),
                                     [](const auto& error) { return error != nullptr; });
    if (failed != errors.end())
      tell_end(*failed, stop.load());
    else if (!is_endless)
      tell_end(nullptr, stop.load());
    // A lane's lock goes with its session: whoever loads next may begin when this has ended.
    for (const std::unique_ptr<Lane>& lane : lanes) lane->end_session();
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
std::shared_ptr<Primary> Loader::primary() const { return impl_->primary; }

}  // namespace perp::warehouse
