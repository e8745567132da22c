#include "feed/venue_address.hpp"

#include <perp/core/error.hpp>
#include <perp/feed/history_feed.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/resolver.hpp>
#include <perp/net/timer.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/venue/registry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

namespace perp::feed {
namespace {

constexpr std::int64_t tick_ns = 100 * core::ns_per_ms;
/// Of a venue whose streamed trades are sums of fills, fills so young are left to a live feed: its
/// rows may not be stored yet, and by their ids fills and sums of them are not the same.
constexpr std::int64_t unsettled_ns = 2 * core::ns_per_minute;
constexpr std::int64_t minute_ms = 60'000;
constexpr std::size_t left_max = 1000;
/// No perpetual of any venue here is older: before 2016.
constexpr std::int64_t oldest_market_ms = std::int64_t{4000} * 86'400'000;

struct TypeRow {
  std::string_view name;
  venue::StreamKind kind;
};
constexpr auto types = std::to_array<TypeRow>({
    {"klines", venue::StreamKind::kline_1m},
    {"funding_rates", venue::StreamKind::funding},
    {"open_interest", venue::StreamKind::open_interest},
    {"long_short_ratio", venue::StreamKind::long_short_ratio},
    {"trades", venue::StreamKind::trades},
});
static_assert(types.size() == history_type_count);

bool brings(const venue::RestCall& call, HistoryType type) {
  return call.purpose == venue::RestPurpose::history &&
         (call.kinds & venue::kinds_of(types[static_cast<std::size_t>(type)].kind)) != 0;
}

const venue::CandlePeriod* find_period(const venue::Connect& connect, std::int64_t length_ns) {
  for (const venue::CandlePeriod& period : connect.candle_periods)
    if (period.length_ns == length_ns) return &period;
  return nullptr;
}

const venue::Adapter& adapter_of(market::VenueId venue) {
  const venue::Adapter* const adapter = venue::find_adapter(venue);
  if (adapter == nullptr || adapter->connect == nullptr)
    throw core::Error("no such live venue", "HistoryFeedOptions::venue",
                      "see `perp venues` for those that are known");
  return *adapter;
}

}  // namespace

std::string_view name_of(HistoryType type) noexcept {
  return types[static_cast<std::size_t>(type)].name;
}

bool has_history(const venue::Connect& connect, HistorySeries series) noexcept {
  if (series.type == HistoryType::klines && find_period(connect, series.period_ns) == nullptr)
    return false;
  return std::any_of(connect.calls.begin(), connect.calls.end(),
                     [&](const venue::RestCall& call) { return brings(call, series.type); });
}

bool counts_trades(const venue::Connect& connect) noexcept {
  return std::any_of(connect.calls.begin(), connect.calls.end(), [](const venue::RestCall& call) {
    return brings(call, HistoryType::trades) &&
           (call.query.find("<start") != std::string_view::npos ||
            call.query.find("<end") != std::string_view::npos);
  });
}

struct HistoryFeed::Impl {
  /// A span of one series, of one call. Of trades `wish` says call, symbol and times alone.
  struct Task {
    HistorySeries series{};
    HistoryWish wish{};
    std::int64_t after_id = market::unknown_id;
    std::int64_t before_id = market::unknown_id;
  };
  /// A contract: its tasks one after the other, so that its candles ascend.
  struct Contract {
    std::string symbol{};
    std::uint32_t id = 0;
    market::Instrument instrument{};
    std::int64_t begin_ms = 0;  ///< nothing of it is older
    std::deque<Task> tasks{};
  };

  Impl(const HistoryFeedOptions& wanted, core::RecordRing& ring,
       std::function<void()> wait_for_room,
       std::function<void(core::LogLevel, const std::string&)> log_line)
      : options(wanted),
        log(std::move(log_line)),
        adapter(adapter_of(wanted.venue)),
        connect(*adapter.connect),
        name(market::find_venue(wanted.venue)->key),
        tls(net::TlsContext::client({.ca_file = wanted.tls_ca_file})),
        origin(net::Url::parse(origin_of(wanted.rest_origin, connect.rest_origin,
                                         connect.testnet_rest_origin, wanted.is_testnet,
                                         "HistoryFeedOptions::rest_origin"))),
        loop(wanted.loop),
        state(adapter),
        writer(ring, std::move(wait_for_room), gives_up_waiting),
        ledger(ledger_options_here()),
        rest(loop, resolver, tls, state, writer, ledger, rest_options()),
        tick_timer(loop, [this] { tick(); }) {
    if (options.contracts_at_once == 0)
      throw core::Error("nothing could ever be asked", "HistoryFeedOptions::contracts_at_once",
                        "at least 1");
  }

  HostLedgerOptions ledger_options_here() {
    HostLedgerOptions made = ledger_options(connect);
    made.folder = options.ledger_folder;
    made.host = origin.authority();
    std::erase_if(made.host, [](char c) { return c == '[' || c == ']'; });
    made.report = [this](const std::string& what) { warn(what); };
    return made;
  }
  VenueRestOptions rest_options() {
    VenueRestOptions made;
    made.origin = origin;
    if (options.is_testnet)
      for (const venue::HeaderField& field : connect.testnet_rest_fields)
        made.fields.emplace_back(field.name, field.value);
    if (options.obeys_proxy_variables) made.proxy = net::proxy_of_environment(origin.host);
    made.seed = options.seed != 0 ? options.seed : static_cast<std::uint64_t>(core::wall_now().ns);
    made.haste = options.haste;
    made.connections_max = options.contracts_at_once;
    made.log = [this](core::LogLevel level, const std::string& what) {
      log(level, name + ": " + what);
    };
    return made;
  }
  void warn(const std::string& what) const { log(core::LogLevel::warn, name + ": " + what); }

  void start() {
    began_at = loop.now();
    rest.load_instruments([this] {
      if (!std::exchange(status_now.has_instruments, true)) plan();
    });
    tick();
  }

  // What is to be asked --------------------------------------------------------------------------

  void plan() {
    std::vector<bool> is_found(options.symbols.size());
    for (const market::InstrumentEntry& entry : state.instruments.entries()) {
      const market::Instrument& instrument = entry.instrument;
      if (instrument.status == market::InstrumentStatus::delisted) continue;
      const std::string native(instrument.native.view());
      bool is_wanted = options.symbols.empty() && instrument.is_primary != 0;
      for (std::size_t i = 0; i < options.symbols.size(); ++i)
        if (options.symbols[i] == native ||
            (instrument.is_primary != 0 && options.symbols[i] == instrument.base.view()))
          is_wanted = is_found[i] = true;
      if (is_wanted)
        contracts.push_back({.symbol = native, .id = entry.id, .instrument = instrument});
    }
    for (std::size_t i = 0; i < is_found.size(); ++i)
      if (!is_found[i]) {
        warn(fmt::format("no contract is called '{}': left out", options.symbols[i]));
        status_now.unknown.push_back(options.symbols[i]);
      }
    find_begins(0);
  }

  /// From contract `at` on, one after the other; then all are planned.
  void find_begins(std::size_t at) {
    for (; at < contracts.size(); ++at) {
      Contract& contract = contracts[at];
      if (contract.instrument.listed_ns != core::unknown_ns)
        contract.begin_ms = contract.instrument.listed_ns / core::ns_per_ms;
      else if (options.begins_at_listing && !is_begin_known(contract)) {
        probe(at);
        return;
      }
    }
    for (Contract& contract : contracts) plan_contract(contract);
    for (std::size_t i = 0; i < options.contracts_at_once; ++i) next_contract();
  }

  /// nullptr: the venue has no candles of the past.
  const venue::CandlePeriod* longest_period() const {
    const auto found = std::max_element(
        connect.candle_periods.begin(), connect.candle_periods.end(),
        [](const auto& one, const auto& other) { return one.length_ns < other.length_ns; });
    return found == connect.candle_periods.end() ? nullptr : &*found;
  }

  bool is_begin_known(Contract& contract) {
    const venue::CandlePeriod* const period = longest_period();
    if (options.starts == nullptr || period == nullptr) return false;
    const std::optional<std::int64_t> first_ms =
        options.starts->find(contract.instrument, period->length_ns);
    // The first rows may be of a period of which the venue has no whole candle.
    if (first_ms) contract.begin_ms = *first_ms - period->length_ns / core::ns_per_ms;
    return first_ms.has_value();
  }

  void probe(std::size_t at) {
    const venue::CandlePeriod* const period = longest_period();
    const auto call = std::find_if(
        connect.calls.begin(), connect.calls.end(),
        [](const venue::RestCall& known) { return brings(known, HistoryType::klines); });
    if (period == nullptr || call == connect.calls.end()) {
      find_begins_without(at, "the venue does not tell when the contract was listed");
      return;
    }
    const std::int64_t period_ms = period->length_ns / core::ns_per_ms;
    const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
    HistoryWish wish{.call = &*call,
                     .symbol = contracts[at].symbol,
                     .period = period->word,
                     .step_ns = period->length_ns,
                     .start_ms = std::max(options.span.start_ms, now_ms - oldest_market_ms),
                     .end_ms = now_ms / period_ms * period_ms,
                     .is_probe = true};
    if (call->reach_rows > 0)
      wish.start_ms = std::max(wish.start_ms, now_ms - (call->reach_rows - 5) * period_ms);
    const auto requests = std::make_shared<std::uint32_t>(0);
    wish.on_page = [this, requests](std::uint64_t, std::int64_t) {
      ++*requests;
      ++status_now.discoveries;
    };
    rest.fetch_history(wish, [this, at, requests, period_ns = period->length_ns,
                              end_ms = wish.end_ms, began = loop.now()](const HistoryFill& fill) {
      if (fill.was_given_up) {
        find_begins_without(at, fill.why);
        return;
      }
      Contract& contract = contracts[at];
      // Without a whole period it is younger than one.
      const HistoryStart start{.period_ns = period_ns,
                               .first_ms = fill.first_ms < 0 ? end_ms : fill.first_ms,
                               .requests = *requests,
                               .duration_ms = (loop.now() - began) / core::ns_per_ms};
      contract.begin_ms = start.first_ms - period_ns / core::ns_per_ms;
      if (options.starts != nullptr) options.starts->found(contract.instrument, start);
      find_begins(at + 1);
    });
  }

  /// Its whole past cannot be asked for: nobody knows how much that is.
  void find_begins_without(std::size_t at, const std::string& why) {
    for (const HistorySeries series : options.series)
      leave({.symbol = contracts[at].symbol,
             .series = series,
             .span = options.span,
             .was_given_up = true,
             .why = why});
    contracts.erase(contracts.begin() + static_cast<std::ptrdiff_t>(at));
    find_begins(at);
  }

  void plan_contract(Contract& contract) {
    for (const HistorySeries series : options.series) {
      if (!has_history(connect, series)) {
        tell_limit(fmt::format("{} gives no history of {}", name, series_text(series)));
        continue;
      }
      for (const venue::RestCall& call : connect.calls)
        if (brings(call, series.type)) {
          if (series.type == HistoryType::trades)
            plan_trades(contract, series, call);
          else
            plan_series(contract, series, call);
        }
    }
    ++status_now.symbols;
    for (const Task& task : contract.tasks) status_now.steps += steps_of(task);
    status_now.spans += contract.tasks.size();
  }

  void plan_series(Contract& contract, HistorySeries series, const venue::RestCall& call) {
    const market::Instrument& instrument = contract.instrument;
    HistoryWish wish{.call = &call, .symbol = contract.symbol, .step_ns = call.step_ns};
    std::int64_t step_ns = call.step_ns;  // between rows that are sure to be there
    if (series.type == HistoryType::klines) {
      const venue::CandlePeriod& period = *find_period(connect, series.period_ns);
      wish.period = period.word;
      wish.step_ns = step_ns = period.length_ns;
    } else if (series.type == HistoryType::funding_rates &&
               instrument.funding_interval_ns > step_ns) {
      step_ns = instrument.funding_interval_ns;
    }
    TimeSpan within = options.span;
    within.start_ms = std::max(within.start_ms, contract.begin_ms);
    const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
    std::int64_t reach_ns = call.reach_ns;
    if (call.reach_rows > 0) {
      // Some less: they grow old while it is asked.
      const std::int64_t rows_ns = (call.reach_rows - 5) * wish.step_ns;
      reach_ns = reach_ns == 0 ? rows_ns : std::min(reach_ns, rows_ns);
    }
    if (reach_ns > 0 && within.start_ms < now_ms - reach_ns / core::ns_per_ms) {
      within.start_ms = now_ms - reach_ns / core::ns_per_ms;
      tell_limit(fmt::format("{} keeps {} for {:.1f} days only", name, series_text(series),
                             static_cast<double>(reach_ns) / core::ns_per_day));
    }
    if (within.start_ms >= within.end_ms) return;
    const std::vector<TimeSpan> spans = options.missing
                                            ? options.missing(instrument, series, step_ns, within)
                                            : std::vector<TimeSpan>{within};
    if (options.planned) options.planned(instrument, series, step_ns, within, !spans.empty());
    for (const TimeSpan& span : spans) {
      wish.start_ms = span.start_ms;
      wish.end_ms = span.end_ms;
      contract.tasks.push_back({series, wish});
    }
  }

  void plan_trades(Contract& contract, HistorySeries series, const venue::RestCall& call) {
    const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
    const market::Instrument& instrument = contract.instrument;
    TimeSpan within = options.span;
    if (connect.is_trade_sum_of_fills) {
      const std::int64_t young_ms = ms_of(static_cast<double>(unsettled_ns) / options.haste);
      if (within.end_ms > now_ms - young_ms) {
        const std::int64_t settled_ms = std::max(within.start_ms, now_ms - young_ms);
        leave({.symbol = contract.symbol,
               .series = series,
               .span = {settled_ms, within.end_ms},
               .why = "the newest are left to a live feed"});
        within.end_ms = settled_ms;
        tell_limit(fmt::format("{} trades of the last {:.0f} minutes are left to a live feed", name,
                               static_cast<double>(unsettled_ns) / core::ns_per_minute));
      }
    }
    within.start_ms = std::max(within.start_ms, contract.begin_ms);
    if (within.start_ms >= within.end_ms) return;
    std::vector<TradeSpan> spans{{.span = within}};
    if (counts_trades(connect) && options.stored_trades != nullptr)
      spans = missing_trades(options.stored_trades->find_runs(instrument, within), within);
    if (options.planned) options.planned(instrument, series, 0, within, !spans.empty());
    const std::int64_t reach_ms =
        call.reach_ns == 0 ? within.start_ms : now_ms - call.reach_ns / core::ns_per_ms;
    for (TradeSpan missing : spans) {
      if (missing.span.start_ms < reach_ms) {
        tell_limit(fmt::format("{} keeps {} for {:.1f} days only", name, series_text(series),
                               static_cast<double>(call.reach_ns) / core::ns_per_day));
        leave_unreached(contract, series,
                        {missing.span.start_ms, std::min(reach_ms, missing.span.end_ms)});
        missing.span.start_ms = reach_ms;
        missing.after_id = market::unknown_id;  // the venue does not go on from there
      }
      if (missing.span.start_ms >= missing.span.end_ms) continue;
      Task task{.series = series, .after_id = missing.after_id, .before_id = missing.before_id};
      task.wish.call = &call;
      task.wish.symbol = contract.symbol;
      task.wish.start_ms = missing.span.start_ms;
      task.wish.end_ms = missing.span.end_ms;
      contract.tasks.push_back(std::move(task));
    }
  }

  static std::int64_t ms_of(double ns) { return static_cast<std::int64_t>(ns / core::ns_per_ms); }

  static std::int64_t steps_of(const Task& task) {
    const std::int64_t ms = task.wish.end_ms - task.wish.start_ms;
    if (task.series.type == HistoryType::trades) return (ms + minute_ms - 1) / minute_ms;
    return ms * core::ns_per_ms / task.wish.step_ns;
  }

  static std::string series_text(HistorySeries series) {
    if (series.type != HistoryType::klines) return std::string(name_of(series.type));
    return fmt::format("{}-minute candles", series.period_ns / core::ns_per_minute);
  }

  void tell_limit(const std::string& sentence) {
    std::vector<std::string>& known = status_now.limits;
    if (std::find(known.begin(), known.end(), sentence) != known.end()) return;
    known.push_back(sentence);
    log(core::LogLevel::info, sentence);
  }

  // Asking ---------------------------------------------------------------------------------------

  void next_contract() {
    if (is_done.load()) return;
    while (!contracts.empty()) {
      const auto contract = std::make_shared<Contract>(std::move(contracts.front()));
      contracts.pop_front();
      if (contract->tasks.empty()) continue;
      ++under_way;
      next_task(contract);
      return;
    }
    if (under_way == 0) finish();
  }

  void next_task(const std::shared_ptr<Contract>& contract) {
    if (contract->tasks.empty()) {
      --under_way;
      next_contract();
      return;
    }
    Task task = std::move(contract->tasks.front());
    contract->tasks.pop_front();
    if (task.series.type == HistoryType::trades) return ask_trades(contract, task);
    const std::int64_t all = steps_of(task);
    const auto asked = std::make_shared<std::int64_t>(0);
    task.wish.on_page = [this, asked](std::uint64_t rows, std::int64_t steps) {
      status_now.rows += rows;
      status_now.steps_asked += steps;
      *asked += steps;
    };
    rest.fetch_history(task.wish, [this, contract, series = task.series, all, asked,
                                   symbol = task.wish.symbol](const HistoryFill& fill) {
      status_now.steps_asked += all - *asked;
      // Settlements are as far apart as the venue likes: what has none is no hole.
      const bool is_hole =
          fill.left_start_ms < fill.left_end_ms && series.type != HistoryType::funding_rates;
      if (fill.was_given_up || is_hole)
        leave({.symbol = symbol,
               .series = series,
               .span = {fill.left_start_ms, fill.left_end_ms},
               .was_given_up = fill.was_given_up,
               .why = fill.was_given_up ? fill.why : "the venue has no such rows"});
      next_task(contract);
    });
  }

  void ask_trades(const std::shared_ptr<Contract>& contract, const Task& task) {
    const std::int64_t all = steps_of(task);
    struct Progress {
      std::int64_t ms = 0;
      std::int64_t steps = 0;
    };
    const auto asked = std::make_shared<Progress>();
    TradeWish wish{.call = task.wish.call,
                   .symbol = task.wish.symbol,
                   .start_ms = task.wish.start_ms,
                   .end_ms = task.wish.end_ms,
                   .after_id = task.after_id,
                   .before_id = task.before_id};
    if (options.stored_trades != nullptr)
      wish.find_stored = [this, contract](std::int64_t from_ms, std::int64_t to_ms) {
        return options.stored_trades->find_ids(contract->instrument, {from_ms, to_ms});
      };
    wish.on_page = [this, asked, all](std::uint64_t rows, std::int64_t ms) {
      status_now.rows += rows;
      asked->ms += ms;
      const std::int64_t steps = std::min(all, asked->ms / minute_ms);
      status_now.steps_asked += steps - std::exchange(asked->steps, steps);
    };
    rest.fetch_trades(wish,
                      [this, contract, series = task.series, all, asked](const HistoryFill& fill) {
                        status_now.steps_asked += all - asked->steps;
                        const TimeSpan left{fill.left_start_ms, fill.left_end_ms};
                        if (fill.was_given_up)
                          leave({.symbol = contract->symbol,
                                 .series = series,
                                 .span = left,
                                 .was_given_up = true,
                                 .why = fill.why});
                        else if (left.start_ms < left.end_ms)
                          leave_older(*contract, series, left, fill.joins_stored);
                        next_task(contract);
                      });
  }

  /// Between stored trades of a venue whose ids do not count, whoever stored them has told the
  /// holes; what is before the first and behind the last one nobody has.
  void leave_older(const Contract& contract, HistorySeries series, TimeSpan left, bool is_joined) {
    std::optional<TimeSpan> stored;
    if (!counts_trades(connect) && options.stored_trades != nullptr)
      stored = options.stored_trades->find_ends(contract.instrument, left);
    if (!stored) return leave_unreached(contract, series, left);
    if (left.start_ms < stored->start_ms)
      leave_unreached(contract, series, {left.start_ms, stored->start_ms});
    if (!is_joined && stored->end_ms < left.end_ms)
      leave_unreached(contract, series, {stored->end_ms, left.end_ms});
  }

  /// What the venue does not keep is a hole that stays: told to people and, by a record, to
  /// whoever reads the rows.
  void leave_unreached(const Contract& contract, HistorySeries series, TimeSpan span) {
    leave({.symbol = contract.symbol,
           .series = series,
           .span = span,
           .why = "the venue's history does not reach so far back"});
    log(core::LogLevel::warn,
        fmt::format("{}: {} {} reach back to {} ms only: nothing from {} ms on until then", name,
                    contract.symbol, series_text(series), span.end_ms, span.start_ms));
    struct {
      market::RecordHeader header;
      market::Gap gap;
    } record;
    record.header.size = sizeof record;
    record.header.type = market::RecordType::gap;
    record.header.venue = options.venue;
    record.header.flags = market::flag_backfill;
    record.header.instrument = contract.id;
    record.header.receive_ns = core::wall_now().ns;
    record.gap.from_ns = span.start_ms * core::ns_per_ms;
    record.gap.to_ns = span.end_ms * core::ns_per_ms;
    record.gap.stream = market::RecordType::trade;
    record.gap.cause = market::GapCause::venue_has_none;
    writer.record(record.header);
    writer.publish();
  }

  void leave(HistoryLeft left) {
    if (left.was_given_up)
      warn(fmt::format("{} {}: given up: {}", left.symbol, series_text(left.series), left.why));
    if (status_now.left.size() < left_max || left.was_given_up)
      status_now.left.push_back(std::move(left));
  }

  void fail(std::string why) {
    warn(why);
    status_now.failure = std::move(why);
    finish();
  }

  void finish() {
    status_now.is_done = true;
    writer.publish();
    publish_status();
    is_done.store(true);
  }

  void tick() {
    if (is_done.load()) return;
    rest.tick({core::mono_now(), core::wall_now()});
    const double patience = static_cast<double>(options.patience_ns) / options.haste;
    if (!status_now.has_instruments && static_cast<double>(loop.now() - began_at) > patience)
      fail("it did not give its list of instruments");
    if (stop_requested.load(std::memory_order_relaxed) && !is_done.load()) finish();
    publish_status();
    if (!is_done.load()) tick_timer.start_in(tick_ns);
  }

  void publish_status() {
    status_now.requests = rest.stats().requests;
    status_now.decode_errors = state.decode_errors;
    const std::lock_guard lock(status_mutex);
    status = status_now;
  }

  int do_work() {
    if (is_done.load()) return 0;
    if (!std::exchange(is_started, true)) start();
    return loop.run_once();
  }

  HistoryFeedOptions options;
  std::function<void(core::LogLevel, const std::string&)> log;
  const venue::Adapter& adapter;
  const venue::Connect& connect;
  std::string name;
  // Written by request_stop() of any thread, read by the loop: a flag alone, so relaxed.
  std::atomic<bool> stop_requested{false};
  // Never set: what it holds is not to be lost.
  const std::atomic<bool> gives_up_waiting{false};
  // Written once by the feed's thread, read by any; the order of its kind hands over what was
  // written before.
  std::atomic<bool> is_done{false};
  bool is_started = false;
  core::MonoNs began_at{};
  net::TlsContext tls;
  net::Url origin;
  net::Loop loop;
  net::Resolver resolver;
  venue::VenueState state;
  RingWriter writer;
  HostLedger ledger;
  VenueRest rest;
  std::deque<Contract> contracts;  ///< not begun
  std::size_t under_way = 0;
  HistoryFeedStatus status_now;
  net::Timer tick_timer;
  mutable std::mutex status_mutex;
  HistoryFeedStatus status;  ///< guarded by status_mutex
};

HistoryFeed::HistoryFeed(const HistoryFeedOptions& options, core::RecordRing& ring,
                         std::function<void()> wait_for_room,
                         std::function<void(core::LogLevel, const std::string&)> log)
    : impl_(std::make_unique<Impl>(options, ring, std::move(wait_for_room), std::move(log))) {}
HistoryFeed::~HistoryFeed() = default;

venue::VenueState& HistoryFeed::state() { return impl_->state; }
int HistoryFeed::do_work() { return impl_->do_work(); }
void HistoryFeed::wake() noexcept { impl_->loop.wake(); }
void HistoryFeed::request_stop() noexcept {
  impl_->stop_requested.store(true, std::memory_order_relaxed);
  impl_->loop.wake();
}
bool HistoryFeed::is_done() const noexcept { return impl_->is_done.load(); }
HistoryFeedStatus HistoryFeed::status() const {
  const std::lock_guard lock(impl_->status_mutex);
  return impl_->status;
}
const std::vector<Refusal>& HistoryFeed::refusals() const { return impl_->writer.refusals(); }
const RingWriterStats& HistoryFeed::ring_stats() const { return impl_->writer.stats(); }
const core::Histogram& HistoryFeed::decode_ns() const { return impl_->writer.decode_ns(); }

}  // namespace perp::feed
