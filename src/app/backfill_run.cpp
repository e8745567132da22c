#include "app/backfill_run.hpp"

#include "app/backfill_account.hpp"
#include "app/known_starts.hpp"
#include "app/output.hpp"
#include "app/stored_trades.hpp"

#include <perp/core/error.hpp>
#include <perp/core/worker.hpp>
#include <perp/warehouse/history.hpp>
#include <perp/warehouse/ingest_account.hpp>
#include <perp/warehouse/loader.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <thread>

namespace perp::app {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(50);
constexpr std::int64_t account_grace_ms = 2000;

/// 0: its rows have none.
std::int64_t period_of(feed::HistorySeries series, std::int64_t step_ns) {
  return series.type == feed::HistoryType::funding_rates || series.type == feed::HistoryType::trades
             ? 0
             : step_ns;
}

/// What is missing of a venue's series. The database says it, else the journal. One thread: its
/// feed's.
class Missing {
 public:
  Missing(market::VenueId venue, std::string dsn, const HistoryTimes* journal)
      : venue_(venue), dsn_(std::move(dsn)), journal_(journal) {}

  std::vector<feed::TimeSpan> operator()(const market::Instrument& instrument,
                                         feed::HistorySeries series, std::int64_t step_ns,
                                         feed::TimeSpan within) {
    const std::int64_t step_ms = step_ns / core::ns_per_ms;
    const std::int64_t period_ns = period_of(series, step_ns);
    std::vector<std::int64_t> times;
    if (dsn_.empty()) {
      times = journal_->find(venue_, instrument.native.view(), series.type, period_ns);
    } else {
      if (connection_ == nullptr)
        connection_ = std::make_unique<warehouse::Connection>(dsn_, "perp backfill");
      times = warehouse::fact_times(
          *connection_, {name_of(series.type), venue_, symbol_of(instrument), period_ns},
          within.start_ms, within.end_ms);
    }
    return missing_spans(times, step_ms, within);
  }

 private:
  market::VenueId venue_;
  std::string dsn_;
  const HistoryTimes* journal_;
  std::unique_ptr<warehouse::Connection> connection_;
};

/// A venue's feed with its ring and thread.
class HistoryVenue {
 public:
  HistoryVenue(const feed::HistoryFeedOptions& options, std::size_t ring_bytes, WarehouseSide& side,
               core::Logger& log)
      : id_(options.venue),
        side_(side),
        ring_(ring_bytes),
        wait_for_room_(side),
        feed_(
            options, ring_,
            [this] {
              if (side_.has_failed())
                throw core::Error("there is no room in the ring", name(), "the engine has ended");
              wait_for_room_();
            },
            [&log](core::LogLevel level, const std::string& line) {
              log.write(level, "feed", line);
            }),
        worker_({.name = "perp-" + name(), .idle = {.kind = core::IdleKind::spin}}) {
    side.add_ring(ring_);
    side.with_engine([this](engine::Engine& engine) {
      engine.writer().for_each_instrument([&](const market::RecordHeader& header) {
        if (header.venue == id_ && (header.flags & market::flag_derived) == 0)
          feed_.state().instruments.restore(header.instrument,
                                            market::payload<market::Instrument>(header));
      });
    });
  }

  void start() {
    worker_.start([this] {
      const int events = feed_.do_work();
      if (events > 0 || feed_.is_done()) side_.wake();
      if (feed_.is_done()) worker_.request_stop();
      return events;
    });
  }
  void request_stop() noexcept { feed_.request_stop(); }
  bool has_ended() const noexcept { return feed_.is_done() || worker_.has_failed(); }
  void join() {
    worker_.request_stop();
    feed_.wake();
    worker_.join();
  }
  std::string name() const { return std::string(market::find_venue(id_)->key); }
  market::VenueId id() const noexcept { return id_; }
  feed::HistoryFeedStatus status() const { return feed_.status(); }
  const feed::HistoryFeed& feed() const noexcept { return feed_; }

 private:
  market::VenueId id_;
  WarehouseSide& side_;
  core::RecordRing ring_;
  RoomWait wait_for_room_;
  feed::HistoryFeed feed_;
  core::Worker worker_;  // ended before what its round touches
};

/// Into the database's own lists. @returns whether it is there
bool leave_account(const std::string& dsn, const std::deque<BackfillAccount>& accounts,
                   const BackfillOptions& options, const BackfillReport& report, core::Logger& log,
                   const std::atomic<bool>& stop) {
  try {
    warehouse::Connection connection(dsn, "perp backfill");
    connection.set_interrupt(&stop, account_grace_ms);
    const std::int64_t now_ns = core::wall_now().ns;
    std::vector<warehouse::IngestEvent> events;
    std::vector<warehouse::RunSeries> series;
    for (std::size_t i = 0; i < accounts.size(); ++i) {
      const auto of_venue =
          accounts[i].events(options.venues[i].series, report.venues[i].status, report.was_stopped);
      events.insert(events.end(), of_venue.begin(), of_venue.end());
      const auto asked = accounts[i].series();
      series.insert(series.end(), asked.begin(), asked.end());
    }
    warehouse::put_ingest_events(connection, now_ns / core::ns_per_ms, events);
    // Who is told to end does not read all of it once more: the run that goes on from here does.
    if (!report.was_stopped)
      warehouse::put_data_versions(connection, time_text(now_ns), now_ns / core::ns_per_ms, series);
    return true;
  } catch (const core::Error& error) {
    log.error("warehouse",
              std::string("what was fetched has no version and no event: ") + error.what());
    return false;
  }
}

bool wants(const BackfillOptions& options, feed::HistoryType type) {
  return std::any_of(options.venues.begin(), options.venues.end(), [&](const auto& venue) {
    return std::any_of(venue.series.begin(), venue.series.end(),
                       [&](feed::HistorySeries series) { return series.type == type; });
  });
}

BackfillProgress progress_of(const std::deque<HistoryVenue>& venues, double seconds) {
  BackfillProgress made;
  std::int64_t steps = 0;
  std::int64_t asked = 0;
  bool are_all_planned = true;
  for (const HistoryVenue& venue : venues) {
    const feed::HistoryFeedStatus status = venue.status();
    made.requests += status.requests;
    made.rows += status.rows;
    steps += status.steps;
    asked += status.steps_asked;
    are_all_planned = are_all_planned && (status.has_instruments || status.is_done);
  }
  if (are_all_planned && steps > 0)
    made.fraction = static_cast<double>(asked) / static_cast<double>(steps);
  if (made.fraction > 0.01) made.left_seconds = seconds * (1 - made.fraction) / made.fraction;
  return made;
}

}  // namespace

bool BackfillReport::is_partial() const {
  return was_stopped || !has_account || !refusals.empty() ||
         std::any_of(venues.begin(), venues.end(), [](const BackfillVenue& venue) {
           return !venue.status.failure.empty() ||
                  std::any_of(venue.status.left.begin(), venue.status.left.end(),
                              [](const feed::HistoryLeft& left) { return left.was_given_up; });
         });
}

BackfillReport run_backfill(const BackfillOptions& options, core::Logger& log,
                            const std::atomic<bool>& stop,
                            const std::function<void(const BackfillProgress&)>& progress) {
  WarehouseOptions warehouse_options = options.warehouse;
  warehouse_options.loader.journal_folder = warehouse_options.engine.journal.folder;
  warehouse_options.loader.on_event = [&log](const std::string& line) { log.warn("loader", line); };
  warehouse_options.loader.on_done = [&log](const std::string& line) { log.info("loader", line); };
  warehouse_options.tell = [&log](const std::string& line) { log.warn("warehouse", line); };
  const std::string& dsn = warehouse_options.loader.dsn;
  const std::string& folder = warehouse_options.engine.journal.folder;
  WarehouseSide side(warehouse_options);
  BackfillReport report;

  // An earlier run may have been ended before its rows were stored.
  HistoryTimes journal_times;
  std::shared_ptr<const JournalTrades> journal_trades;
  const bool wants_trades = wants(options, feed::HistoryType::trades);
  if (!options.forces_refetch) {
    side.engine().writer().sync();
    feed::TimeSpan span = options.venues.front().span;
    if (dsn.empty()) {
      journal_times = HistoryTimes::of_journal(folder, span);
      if (wants_trades) journal_trades = JournalTrades::read(folder);
    } else {
      report.load =
          warehouse::Loader(warehouse_options.loader).run(side.engine().writer().durable(), stop);
    }
  }

  std::deque<BackfillAccount> accounts;
  std::deque<HistoryVenue> venues;
  for (feed::HistoryFeedOptions venue : options.venues) {
    const std::shared_ptr<Missing> missing =
        options.forces_refetch ? nullptr
                               : std::make_shared<Missing>(venue.venue, dsn, &journal_times);
    if (missing != nullptr)
      venue.missing = [missing](const auto& instrument, auto series, auto step_ns, auto within) {
        return (*missing)(instrument, series, step_ns, within);
      };
    if (wants_trades && missing != nullptr)
      venue.stored_trades = dsn.empty() ? JournalTrades::of_venue(journal_trades, venue.venue)
                                        : trades_of_database(venue.venue, dsn);
    venue.planned = [&account = accounts.emplace_back(venue.venue)](const auto& instrument,
                                                                    auto series, auto step_ns,
                                                                    auto within, bool is_asked) {
      account.note(symbol_of(instrument), series, period_of(series, step_ns), within, is_asked);
    };
    if (venue.begins_at_listing && !dsn.empty())
      venue.starts = std::make_shared<KnownStarts>(venue.venue, dsn, options.forces_refetch);
    venues.emplace_back(venue, options.ring_bytes, side, log);
  }

  side.start();
  for (HistoryVenue& venue : venues) venue.start();
  const auto have_all_ended = [&] {
    return side.has_failed() ||
           std::all_of(venues.begin(), venues.end(),
                       [](const HistoryVenue& venue) { return venue.has_ended(); });
  };
  while (!have_all_ended()) {
    if (stop.load() && !report.was_stopped) {
      report.was_stopped = true;
      for (HistoryVenue& venue : venues) venue.request_stop();
    }
    progress(progress_of(venues, side.seconds()));
    std::this_thread::sleep_for(look_interval);
  }

  // In the order of a daemon's end. The engine's failure is told first: a feed without room fails
  // because of it.
  if (side.has_failed()) side.join_engine();
  for (HistoryVenue& venue : venues) venue.join();
  side.feeds_have_ended();
  while (!side.has_engine_ended() && !side.has_failed()) std::this_thread::sleep_for(look_interval);
  side.join_engine();
  if (LoaderRunner* loader = side.loader(); loader != nullptr) {
    side.finish_loading();
    loader->join();
    if (const auto loaded = loader->report()) {
      if (!report.load) report.load.emplace();
      report.load->add(*loaded);
    }
  }
  for (const HistoryVenue& venue : venues) {
    report.venues.push_back({venue.id(), venue.status()});
    const std::vector<feed::Refusal>& refused = venue.feed().refusals();
    report.refusals.insert(report.refusals.end(), refused.begin(), refused.end());
  }
  if (!dsn.empty()) report.has_account = leave_account(dsn, accounts, options, report, log, stop);
  report.seconds = side.seconds();
  return report;
}

}  // namespace perp::app
