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

struct HistoryFeed::Impl {
  /// A span of one series, of one call.
  struct Task {
    HistorySeries series{};
    HistoryWish wish{};
  };
  /// A contract: its tasks one after the other, so that its candles ascend.
  struct Contract {
    std::string symbol{};
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
      if (is_wanted) contracts.push_back({.symbol = native, .instrument = instrument});
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
        if (brings(call, series.type)) plan_series(contract, series, call);
    }
    ++status_now.symbols;
    for (const Task& task : contract.tasks) status_now.steps += steps_of(task.wish);
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
    for (const TimeSpan& span : spans) {
      wish.start_ms = span.start_ms;
      wish.end_ms = span.end_ms;
      contract.tasks.push_back({series, wish});
    }
  }

  static std::int64_t steps_of(const HistoryWish& wish) {
    return (wish.end_ms - wish.start_ms) * core::ns_per_ms / wish.step_ns;
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
    const std::int64_t all = steps_of(task.wish);
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
