#include "warehouse/claim.hpp"
#include "warehouse/events.hpp"
#include "warehouse/metrics_worker.hpp"

#include <perp/core/time.hpp>
#include <perp/warehouse/metrics_calc.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/query.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace perp::warehouse {
namespace {

constexpr const char* script_name = "perp metrics calc";
constexpr unsigned workers_max = 16;
constexpr std::int64_t reconnect_ms = 2000;

double seconds_since(core::MonoNs begin) {
  return static_cast<double>(core::mono_now() - begin) / 1e9;
}

std::string details_of(const MetricsReport& report) {
  return fmt::format(
      R"({{"rows_read": {}, "rows_made": {}, "rows_inserted": {}, "rows_updated": {}, )"
      R"("rows_deleted": {}, "retries": {}, "seconds": {:.3f}, "read_seconds": {:.3f}, )"
      R"("compute_seconds": {:.3f}, "write_seconds": {:.3f}}})",
      report.rows_read, report.rows_made, report.rows_inserted, report.rows_updated,
      report.rows_deleted, report.retries, report.seconds, report.read_seconds,
      report.compute_seconds, report.write_seconds);
}

void put_status(Connection& connection, const std::string& status, const std::string& message,
                const MetricsReport& report) {
  const Statement told = life_statement(script_name, status, message, details_of(report));
  connection.query(told.sql, told.values);
}

std::string summary_of(const MetricsReport& report) {
  return fmt::format("{} rows computed, {} inserted, {} updated in {:.3f} s", report.rows_made,
                     report.rows_inserted, report.rows_updated, report.seconds);
}

MetricsReport run_pass(MetricsWorker& worker, const MetricsPass& pass, std::int64_t now_ms) {
  if (pass.lookback_minutes < 1)
    throw core::Error("bad lookback", "--lookback-minutes", "expected at least a minute");
  const std::int64_t this_minute_ms = core::floor_to(now_ms, minute_ms);
  return worker.compute(
      {.from_ms =
           this_minute_ms - (pass.lookback_minutes + MetricsPass::buffer_minutes) * minute_ms,
       .to_ms = this_minute_ms + minute_ms,
       .symbols = worker.symbols()});
}

/// @param is_whole `symbols` are all that the day has: they need not be looked up row by row
MetricsReport compute_day(MetricsWorker& worker, std::int64_t day_first_ms,
                          const std::vector<std::string>& symbols, bool is_whole,
                          const MetricsOptions& options) {
  MetricsReport report;
  const core::MonoNs begin = core::mono_now();
  if (is_whole) {
    if (std::optional<MetricsReport> built = worker.build_day(day_first_ms, symbols)) {
      built->seconds = seconds_since(begin);
      return *built;
    }
  }
  for (std::size_t first = 0; first < symbols.size() && !is_stopped(options);
       first += slice_symbols) {
    const std::size_t last = std::min(first + slice_symbols, symbols.size());
    report.add(worker.compute({.from_ms = day_first_ms,
                               .to_ms = day_first_ms + day_ms,
                               .symbols = {symbols.begin() + static_cast<std::ptrdiff_t>(first),
                                           symbols.begin() + static_cast<std::ptrdiff_t>(last)},
                               .is_symbol_span = is_whole}));
  }
  report.seconds = seconds_since(begin);
  return report;
}

/// The days of a backfill, handed out to workers; what they did, summed.
class Backfill {
 public:
  Backfill(const MetricsOptions& options, std::vector<std::int64_t> days)
      : options_(options), days_(days.begin(), days.end()) {}

  void work() {
    try {
      MetricsWorker worker(options_);
      while (const std::optional<std::int64_t> day = next()) {
        const MetricsReport done = compute_day(worker, *day, worker.symbols_in(*day, *day + day_ms),
                                               options_.symbols.empty(), options_);
        const std::lock_guard guard(mutex_);
        report_.add(done);
        if (options_.on_event)
          options_.on_event(fmt::format("day {}: {}", *day / day_ms, summary_of(done)));
      }
    } catch (...) {
      const std::lock_guard guard(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
  MetricsReport report() const {
    if (failure_) std::rethrow_exception(failure_);
    return report_;
  }

 private:
  std::optional<std::int64_t> next() {
    const std::lock_guard guard(mutex_);
    if (days_.empty() || failure_ || is_stopped(options_)) return std::nullopt;
    const std::int64_t day = days_.front();
    days_.pop_front();
    return day;
  }
  const MetricsOptions& options_;
  std::mutex mutex_;  // guards all below
  std::deque<std::int64_t> days_;
  MetricsReport report_;
  std::exception_ptr failure_;
};

/// Days in which some row of perp_metrics is missing.
MetricsReport fill_missing(MetricsWorker& worker, const MetricsOptions& options,
                           std::int64_t now_ms, int days) {
  MetricsReport report;
  for (const std::int64_t day : worker.days_in(now_ms - days * day_ms, now_ms + minute_ms)) {
    if (is_stopped(options)) break;
    report.add(compute_day(worker, day, worker.symbols_lacking(day, day + day_ms), false, options));
  }
  return report;
}

}  // namespace

void MetricsReport::add(const MetricsReport& other) {
  for (auto field :
       {&MetricsReport::rows_read, &MetricsReport::rows_made, &MetricsReport::rows_inserted,
        &MetricsReport::rows_updated, &MetricsReport::rows_deleted, &MetricsReport::retries})
    this->*field += other.*field;
  for (auto field : {&MetricsReport::read_seconds, &MetricsReport::compute_seconds,
                     &MetricsReport::write_seconds, &MetricsReport::seconds})
    this->*field += other.*field;
}

MetricsReport calc_metrics(const MetricsOptions& options, const MetricsPass& pass,
                           std::int64_t now_ms) {
  MetricsWorker worker(options);
  return run_pass(worker, pass, now_ms);
}

MetricsReport backfill_metrics(const MetricsOptions& options, std::int64_t from_ms,
                               std::int64_t to_ms, unsigned workers) {
  if (workers < 1 || workers > workers_max)
    throw core::Error("bad number of workers", "--parallel",
                      fmt::format("{}; expected 1 to {}", workers, workers_max));
  const core::MonoNs begin = core::mono_now();
  std::vector<std::int64_t> days;
  {
    MetricsWorker worker(options);
    days = worker.days_in(from_ms, to_ms);
    if (options.symbols.empty()) worker.make_room(days);
  }
  workers = std::min(workers, static_cast<unsigned>(days.size()));
  Backfill backfill(options, std::move(days));
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < workers; ++i) threads.emplace_back([&] { backfill.work(); });
  backfill.work();
  for (std::thread& thread : threads) thread.join();
  MetricsReport report = backfill.report();
  report.seconds = seconds_since(begin);
  return report;
}

MetricsReport reset_metrics(const MetricsOptions& options, const std::string& perpspec,
                            std::int64_t from_ms, std::int64_t to_ms) {
  if (options.symbols.empty() && perpspec.empty())
    throw core::Error("nothing to reset is named", "perp metrics reset",
                      "name a symbol, a perpspec or both; `backfill` computes everything again");
  if (from_ms >= to_ms) throw core::Error("bad range", "--from", "expected a time before --to");
  const core::MonoNs begin = core::mono_now();
  MetricsWorker worker(options);
  from_ms = core::floor_to(from_ms, minute_ms);
  to_ms = core::floor_to(to_ms + minute_ms - 1, minute_ms);
  MetricsReport report;
  for (const std::int64_t day : worker.days_in(from_ms, to_ms)) {
    if (is_stopped(options)) break;
    report.add(worker.compute({.from_ms = std::max(day, from_ms),
                               .to_ms = std::min(day + day_ms, to_ms),
                               .symbols = worker.symbols(),
                               .perpspec = perpspec.empty() ? "" : resolve_perpspec(perpspec),
                               .is_reset = true}));
  }
  report.seconds = seconds_since(begin);
  return report;
}

MetricsReport follow_metrics(const MetricsOptions& options, const MetricsFollow& follow) {
  const std::atomic<bool> never{false};
  const std::atomic<bool>& stop = options.stop != nullptr ? *options.stop : never;
  MetricsReport total;
  bool is_started = false;
  while (!stop.load()) {
    try {
      MetricsWorker worker(options);
      Connection& connection = worker.connection();
      connection.listen(perpspec_channel);
      if (!std::exchange(is_started, true))
        put_status(connection, "started", "fills what is missing, then computes each interval", {});
      const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
      const MetricsReport filled = fill_missing(worker, options, now_ms, follow.backfill_days);
      total.add(filled);
      if (filled.rows_made != 0) put_status(connection, "running", summary_of(filled), filled);
      while (!stop.load()) {
        const std::int64_t begin_ms = core::wall_now().ns / core::ns_per_ms;
        const MetricsReport done = run_pass(worker, follow.pass, begin_ms);
        total.add(done);
        put_status(connection, "running", summary_of(done), done);
        if (options.on_event) options.on_event(summary_of(done));
        const std::int64_t used_ms = core::wall_now().ns / core::ns_per_ms - begin_ms;
        if (connection.wait_for_notification(
                std::max<std::int64_t>(0, follow.interval_ms - std::max<std::int64_t>(used_ms, 0))))
          worker.renew_plan();
      }
      put_status(connection, "stopped", summary_of(total), total);
    } catch (const DatabaseError& error) {
      if (stop.load()) break;
      // A pass that met another writer four times is made again like any other.
      const bool met_another = error.sqlstate().starts_with("40") || error.sqlstate() == "23505";
      if (!error.is_connection_lost() && !passes_by_itself(error) && !lacks_partition(error) &&
          !met_another)
        throw;
      if (options.on_event)
        options.on_event(fmt::format("{}; trying again in {} ms", error.what(), reconnect_ms));
      pause_unless(stop, reconnect_ms);
    }
  }
  return total;
}

void tell_metrics_status(const std::string& dsn, const std::string& status,
                         const std::string& message, const MetricsReport& report) {
  Connection connection(dsn, script_name);
  put_status(connection, status, message, report);
}

}  // namespace perp::warehouse
