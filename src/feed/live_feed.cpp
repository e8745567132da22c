#include "feed/book_refresh.hpp"
#include "feed/contract_choice.hpp"
#include "feed/hole_filler.hpp"
#include "feed/latencies_of.hpp"
#include "feed/shard.hpp"
#include "feed/status_writer.hpp"
#include "feed/venue_address.hpp"

#include <perp/core/error.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/resolver.hpp>
#include <perp/venue/registry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace perp::feed {
namespace {

constexpr std::int64_t tick_ns = 100 * core::ns_per_ms;
constexpr std::uint64_t latency_ticks = 20;  ///< percentiles are worth a look each 2 s
constexpr std::uint64_t telling_ticks = 50;
constexpr std::uint64_t refresh_ticks = 10;
constexpr std::int64_t stop_ns_max = 2 * core::ns_per_second;
constexpr std::int64_t good_bye_ns = 500 * core::ns_per_ms;

const venue::Adapter& adapter_of(const LiveFeedOptions& options) {
  const venue::Adapter* const adapter =
      options.adapter != nullptr ? options.adapter : venue::find_adapter(options.venue);
  if (adapter == nullptr || adapter->connect == nullptr)
    throw core::Error("no such live venue", "LiveFeedOptions::venue",
                      "see `perp venues` for those that are known");
  return *adapter;
}

std::string key_of(market::VenueId id) {
  const market::Venue* venue = market::find_venue(id);
  return venue == nullptr ? std::string() : std::string(venue->key);
}

}  // namespace

struct LiveFeed::Impl final : private ShardOwner {
  struct Wish {
    std::vector<std::string> symbols{};
    venue::StreamKinds kinds = 0;
  };

  Impl(const LiveFeedOptions& wanted, core::RecordRing& ring, std::function<void()> wait_for_room,
       std::function<void(core::LogLevel, const std::string&)> log_line)
      : options(wanted),
        log(std::move(log_line)),
        adapter(adapter_of(wanted)),
        connect(*adapter.connect),
        name(key_of(wanted.venue)),
        random(wanted.seed != 0 ? wanted.seed : static_cast<std::uint64_t>(core::wall_now().ns)),
        tls(net::TlsContext::client({.ca_file = wanted.tls_ca_file})),
        rest_origin(net::Url::parse(origin_of(wanted.rest_origin, connect.rest_origin,
                                              connect.testnet_rest_origin, wanted.is_testnet,
                                              "LiveFeedOptions::rest_origin"))),
        loop(wanted.loop),
        state(adapter),
        writer(ring, std::move(wait_for_room), gives_up_waiting),
        status_writer(writer, wanted.venue),
        rest(loop, resolver, tls, state, writer, ledger_of(rest_origin), rest_options()),
        holes({.venue_key = name,
               .connect = connect,
               .state = state,
               .contracts = contracts,
               .writer = writer,
               .rest = rest,
               .resubscribe_book =
                   [this](std::uint32_t instrument) { return resubscribe_book(instrument); },
               .warn = [this](const std::string& what) { warn(what); }}),
        refresh(wanted.haste),
        tick_timer(loop, [this] { tick(); }) {
    if (!(options.haste >= 1 && options.haste <= 100'000))
      throw core::Error("cannot hurry so", "LiveFeedOptions::haste", "expected 1 to 100,000");
    if (rest_origin.is_websocket())
      throw core::Error("not an address for requests", rest_origin.text(), "expected https://host");
    for (const venue::Socket& socket : connect.sockets)
      address_frames.emplace_back(socket.limits.frames_per_address);
    writer.conflate();
    writer.listen([this](const market::RecordHeader& gap) { holes.note(gap); },
                  [this](const market::RecordHeader& trade) { holes.on_first_trade(trade); });
    if (connect.book_resync == venue::BookResync::rest_snapshot)
      writer.listen_to_books(
          [this](const market::RecordHeader& book) { refresh.note(book, loop.now()); });
  }

  /// Where the connections of a kind go.
  net::Url url_of(const venue::Socket& socket) const {
    const std::string origin =
        origin_of(options.websocket_origin, socket.origin, socket.testnet_origin,
                  options.is_testnet, "LiveFeedOptions::websocket_origin");
    net::Url url = net::Url::parse(origin + std::string(socket.target));
    if (!url.is_websocket())
      throw core::Error("not an address of a WebSocket", origin, "expected wss://host");
    return url;
  }

  /// All that this machine does to a host goes through one account.
  HostLedger& ledger_of(const net::Url& url) {
    std::string host = url.authority();
    std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
    auto& slot = ledgers[host];
    if (slot != nullptr) return *slot;
    HostLedgerOptions made = ledger_options(connect);
    made.folder = options.ledger_folder;
    made.host = host;
    made.report = [this](const std::string& what) { warn(name + ": " + what); };
    slot = std::make_unique<HostLedger>(std::move(made));
    return *slot;
  }

  VenueRestOptions rest_options() {
    VenueRestOptions made;
    made.origin = rest_origin;
    made.kinds = options.kinds;
    if (options.is_testnet)
      for (const venue::HeaderField& field : connect.testnet_rest_fields)
        made.fields.emplace_back(field.name, field.value);
    if (options.obeys_proxy_variables) made.proxy = net::proxy_of_environment(rest_origin.host);
    made.seed = random.next();
    made.haste = options.haste;
    made.log = [this](core::LogLevel level, const std::string& what) {
      log(level, name + ": " + what);
    };
    made.on_book_failed = [this](const std::string& symbol) {
      if (contracts.is_wanted(symbol)) rest.fetch_book(symbol);
    };
    return made;
  }

  void info(const std::string& what) const { log(core::LogLevel::info, what); }
  void warn(const std::string& what) const { log(core::LogLevel::warn, what); }

  // The beginning ------------------------------------------------------------------------------

  void start() {
    info(fmt::format("{}: io engine {} ({})", name, net::name_of(loop.io().engine),
                     loop.io().reason));
    status_writer.connection(market::FeedState::connecting, 0, "asking for instruments",
                             core::wall_now());
    rest.load_instruments([this] { on_instruments(); });
    tick();
  }

  /// The list is in, for the first time or again: what is new is added, what is gone given back.
  void on_instruments() {
    has_instruments = true;
    if (choose(false)) plan();
  }

  void take_wish() {
    Wish taken;
    {
      const std::lock_guard lock(wish_mutex);
      has_wish.store(false, std::memory_order_relaxed);
      taken = std::move(wish);
    }
    const bool is_other_kind = taken.kinds != options.kinds;
    options.symbols = std::move(taken.symbols);
    options.kinds = taken.kinds;
    has_told_unknown = false;
    rest.want(options.kinds);
    if (!has_instruments || is_stopping) return;
    if (choose(true) || is_other_kind) plan();
  }

  /// Goes through the list for what is wanted. @returns whether a plan is due
  bool choose(bool gives_back) {
    const ContractChoice::Change change =
        contracts.look(state.instruments.entries(), options.symbols, gives_back);
    for (const std::uint32_t index : change.ended) {
      info(fmt::format("{}: {} is delisted", name, contracts.name(index)));
      for (const auto& shard : shards) shard->end_symbol(index);
    }
    for (const std::uint32_t instrument : change.dropped) {
      holes.forget(instrument);
      refresh.forget(instrument);
      known.erase(instrument);
    }
    if (!has_told_unknown)
      for (const std::string& unknown : change.unknown)
        log(core::LogLevel::error, fmt::format("{}: no contract is called '{}'", name, unknown));
    has_told_unknown = true;
    return change.is_due;
  }

  /// Brings the connections to what is wanted: only what differs moves.
  void plan() {
    const std::vector<std::uint32_t> wanted = contracts.wanted();
    std::vector<std::string> names;
    names.reserve(wanted.size());
    for (const std::uint32_t index : wanted) names.push_back(contracts.name(index));
    std::vector<venue::Shard> carried;
    for (const auto& shard : shards) carried.push_back(shard->carried());
    const std::vector<std::string_view> views(names.begin(), names.end());
    venue::Plan plan = venue::plan_subscriptions(connect, options.kinds, views, carried);
    if (plan.left_out > 0)
      warn(fmt::format("{}: {} topics are beyond what the venue allows one address and left out",
                       name, plan.left_out));
    for (std::size_t i = 0; i < plan.shards.size(); ++i) {
      std::vector<venue::Topic> topics = std::move(plan.shards[i].topics);
      std::vector<std::uint32_t> instruments;
      for (venue::Topic& topic : topics) {
        if (topic.symbol != venue::no_symbol) topic.symbol = wanted[topic.symbol];
        instruments.push_back(instrument_of(topic));
      }
      if (i < shards.size()) {
        shards[i]->want(std::move(topics), std::move(instruments));
        continue;
      }
      shards.push_back(make_shard(plan.shards[i].socket, std::move(topics), instruments));
      shards.back()->start();
    }
    for (auto& shard : shards)
      if (shard->carried().topics.empty()) {
        shard->stop();
        leaving.push_back(std::move(shard));
      }
    std::erase(shards, nullptr);
    info(fmt::format("{}: {} contracts on {} connections", name, names.size(), shards.size()));
    symbols_wanted = static_cast<std::uint32_t>(names.size());
    rest.start_polls(names, plan.polled);
  }

  std::unique_ptr<Shard> make_shard(std::uint32_t socket, std::vector<venue::Topic> topics,
                                    const std::vector<std::uint32_t>& instruments) {
    const venue::Socket& kind = connect.sockets[socket];
    net::Url url = kind.token == nullptr ? url_of(kind) : rest_origin;
    if (kind.is_topic_the_target) url.target += topics.front().text;
    net::WebSocketConnectOptions dialling;
    // All that is left to say is good-bye: a peer that does not hang up behind its close frame must
    // not keep a new connection waiting.
    dialling.close_timeout_ns = good_bye_ns;
    dialling.transport.end_timeout_ns = good_bye_ns;
    for (const venue::HeaderField& field : kind.fields)
      dialling.fields.emplace_back(field.name, field.value);
    if (options.obeys_proxy_variables)
      dialling.transport.proxy = net::proxy_of_environment(url.host);
    HostLedger& ledger = ledger_of(url);
    return std::make_unique<Shard>(++shards_made,
                                   ShardSetting{.line = {.loop = loop,
                                                         .resolver = resolver,
                                                         .tls = tls,
                                                         .connect = connect,
                                                         .socket = socket,
                                                         .address_frames = &address_frames[socket],
                                                         .haste = options.haste},
                                                .owner = *this,
                                                .venue_key = name,
                                                .state = state,
                                                .writer = writer,
                                                .status = status_writer,
                                                .ledger = ledger,
                                                .scout = scouts[&ledger],
                                                .url = std::move(url),
                                                .connect = std::move(dialling),
                                                .log = log,
                                                .random = core::Prng(random.next()),
                                                .haste = options.haste},
                                   std::move(topics), instruments);
  }

  std::uint32_t instrument_of(const venue::Topic& topic) const {
    if (topic.symbol == venue::no_symbol) return 0;
    const market::InstrumentEntry* entry = state.instruments.find(contracts.name(topic.symbol));
    return entry == nullptr ? 0 : entry->id;
  }

  // What shards ask for --------------------------------------------------------------------------

  void on_hole(const venue::Topic& topic, std::uint32_t instrument, core::WallNs from,
               core::WallNs to) override {
    if (topic.symbol == venue::no_symbol) return;
    holes.on_hole(topic, contracts.name(topic.symbol), instrument, from, to);
  }

  core::WallNs known_until(std::uint32_t instrument, venue::StreamKinds kinds) const override {
    if (instrument == 0) return venue_watched_until;
    const auto found = known.find(instrument);
    if (found == known.end()) return {core::unknown_ns};
    const bool has_candles = (kinds & venue::kinds_of(venue::StreamKind::kline_1m)) != 0;
    return has_candles ? found->second.candles_until : found->second.watched_until;
  }

  void on_book_wanted(const venue::Topic& topic) override {
    holes.fetch_book(contracts.name(topic.symbol));
  }

  /// A book of which little is known any more, if there is one. Those that are lost come first:
  /// this is the last thing to be asked.
  void refresh_book() {
    const auto price_of = [this](std::uint32_t instrument) {
      return writer.last_trade(instrument).price;
    };
    const std::optional<std::uint32_t> chosen = refresh.choose(loop.now(), price_of);
    if (!chosen) return;
    const std::string symbol = holes.symbol_of(*chosen);
    if (symbol.empty()) return refresh.forget(*chosen);
    ++books_refreshed;
    refresh.begin(*chosen, loop.now());
    writer.follow_book(*chosen, true);
    rest.refresh_book(
        symbol,
        [this](const market::RecordHeader& snapshot) {
          const market::RecordHeader* const made = refresh.join(snapshot);
          if (made != nullptr) writer.record(*made);
          return made == nullptr;
        },
        [this, instrument = *chosen] {
          refresh.end(instrument);
          writer.follow_book(instrument, false);
        });
  }

  bool resubscribe_book(std::uint32_t instrument) {
    return std::any_of(shards.begin(), shards.end(),
                       [&](const auto& shard) { return shard->resubscribe_book(instrument); });
  }

  void on_token_wanted(std::uint32_t number, std::uint64_t ticket,
                       const venue::TokenStep& step) override {
    rest.fetch_token(step, random.next(),
                     [this, number, ticket](const venue::TokenReply* token, std::string why) {
                       net::Url url;
                       if (token != nullptr)
                         why = read_address(token->url, rest_origin.is_secure(), url);
                       std::optional<net::Proxy> proxy;
                       if (why.empty() && options.obeys_proxy_variables)
                         proxy = net::proxy_of_environment(url.host);
                       for (const auto& shard : shards)
                         if (shard->number() == number)
                           shard->on_token(ticket, why.empty() ? token : nullptr, url, proxy, why);
                     });
  }

  // Time ---------------------------------------------------------------------------------------

  void tick() {
    const Moment moment{core::mono_now(), core::wall_now()};
    tick_timer.start_at(loop.now() + tick_ns);
    if (!is_stopping) {
      rest.tick(moment);
      for (const auto& shard : shards) shard->tick(moment);
      holes.take();
    } else {
      for (const auto& shard : shards) shard->tick(moment);
    }
    for (auto& shard : leaving) {
      shard->tick(moment);
      if (!shard->is_idle()) continue;
      gone.add(*shard);
      shard.reset();
    }
    std::erase(leaving, nullptr);
    status_writer.tick(moment.wall);
    writer.publish();
    if (++ticks % 2 == 0) copy_status();
    if (ticks % telling_ticks == 0) holes.begin_telling();
    if (ticks % refresh_ticks == 0 && !is_stopping) refresh_book();
  }

  int do_work() {
    if (is_stopped.load()) return 0;
    if (!is_started) {
      is_started = true;
      start();
    }
    const int events = loop.run_once();
    if (holes.has_noted()) holes.take();
    // A flag alone: what was wished is read under the mutex.
    if (has_wish.load(std::memory_order_relaxed)) take_wish();
    if (stop_requested.load(std::memory_order_relaxed)) stop();  // a flag alone
    return events;
  }

  void stop() {
    if (!is_stopping) {
      is_stopping = true;
      stop_at = core::mono_now() + stop_ns_max;
      for (const auto& shard : shards) shard->stop();
    }
    const auto is_idle = [](const auto& shard) { return shard->is_idle(); };
    const bool are_idle = std::all_of(shards.begin(), shards.end(), is_idle) &&
                          std::all_of(leaving.begin(), leaving.end(), is_idle);
    if (!are_idle && core::mono_now() < stop_at) return;
    const core::WallNs now = core::wall_now();
    status_writer.connection(market::FeedState::down, 0, "stopped", now);
    status_writer.tick(now);
    writer.publish();
    tick_timer.cancel();
    copy_status();
    info(name + ": stopped");
    is_stopped.store(true);
  }

  void copy_status() {
    LiveFeedStatus made{
        .venue = options.venue,
        .is_live = !shards.empty(),
        .has_instruments = has_instruments,
        .symbols = symbols_wanted,
        .ring = writer.stats(),
        .lost_at_stop = writer.lost_at_stop(),
        .books_resynced = holes.books_resynced(),
        .books_refreshed = books_refreshed,
        .holes = status_writer.gaps(),
        .decode_errors = state.decode_errors,
        .venue_errors = state.venue_errors,
        .duplicates = state.duplicates,
        .sequence_gaps = state.gaps,
        .checksum_mismatches = state.checksum_mismatches,
        .io = fmt::format("{}: {}", net::name_of(loop.io().engine), loop.io().reason),
        .loop = loop.stats()};
    ShardCounts counts = gone;
    for (const auto& shard : leaving) counts.add(*shard);
    for (const auto& shard : shards) {
      made.connections.push_back(shard->status());
      made.is_live = made.is_live && shard->is_live();
      counts.add(*shard);
    }
    made.losses = counts.losses;
    made.roll_overs = counts.roll_overs;
    made.resubscribed = counts.resubscribed;
    made.overlap_duplicates = counts.overlap_duplicates;
    made.unexpected_messages = counts.unexpected;
    if (ticks % latency_ticks == 0 || is_stopping) latencies = latencies_of(writer);
    made.latencies = latencies;
    if (const core::MonoNs now = core::mono_now(); now >= latency_window_at) {
      if (latency_window_at != core::MonoNs{}) recent = latency_window.next(writer);
      latency_window_at = now + options.latency_window_ns;
    }
    made.recent = recent;
    for (const market::RecordKind& kind : market::record_kinds)
      if (const std::uint64_t count = writer.conflation().replaced(kind.type); count > 0)
        made.conflated.push_back({kind.type, count});
    const VenueRestStats asked = rest.stats();
    made.requests = asked.requests;
    made.requests_failed = asked.failed;
    made.trades_filled = asked.trades_filled;
    if (const auto offset = rest.clock_offset().estimate(core::mono_now(), core::wall_now())) {
      made.clock_offset_ns = offset->offset_ns;
      made.clock_error_ns = offset->error_ns_max;
    }
    const std::lock_guard lock(status_mutex);
    status = std::move(made);
  }

  LiveFeedOptions options;
  std::function<void(core::LogLevel, const std::string&)> log;
  const venue::Adapter& adapter;
  const venue::Connect& connect;
  std::string name;
  core::Prng random;
  // Written by request_stop() of any thread, read by the loop each round: a flag alone, nothing is
  // read behind it, so relaxed.
  std::atomic<bool> stop_requested{false};
  // Never set: a live feed that is stopped still waits for room, what it holds is not to be lost.
  const std::atomic<bool> gives_up_waiting{false};
  // Written once by the feed's thread, read by any; the order of its kind hands over what was
  // written before.
  std::atomic<bool> is_stopped{false};
  bool is_started = false;
  bool is_stopping = false;
  core::MonoNs stop_at{};
  net::TlsContext tls;
  net::Url rest_origin;
  net::Loop loop;
  net::Resolver resolver;
  venue::VenueState state;
  RingWriter writer;
  StatusWriter status_writer;
  std::map<std::string, std::unique_ptr<HostLedger>> ledgers;
  std::map<const HostLedger*, HostScout> scouts;
  ContractChoice contracts;
  struct Known {
    core::WallNs watched_until;
    core::WallNs candles_until;
  };
  std::map<std::uint32_t, Known> known;  ///< by instrument: up to when its past is in the journal
  core::WallNs venue_watched_until{core::unknown_ns};  ///< and the streams that are the venue's
  VenueRest rest;
  HoleFiller holes;
  BookRefresh refresh;
  std::uint64_t books_refreshed = 0;
  std::vector<RateWindow> address_frames;  ///< by socket
  std::uint32_t symbols_wanted = 0;
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<std::unique_ptr<Shard>> leaving;  ///< without topics, closing
  ShardCounts gone;                             ///< of those that have closed
  std::uint32_t shards_made = 0;
  bool has_instruments = false;
  bool has_told_unknown = false;
  std::uint64_t ticks = 0;
  std::vector<LatencyStatus> latencies;
  LatencyWindow latency_window;
  core::MonoNs latency_window_at{};  ///< its end
  std::vector<LatencyStatus> recent;
  net::Timer tick_timer;
  std::mutex wish_mutex;
  Wish wish;  ///< guarded by wish_mutex
  // Written by any thread under wish_mutex, read by the loop each round without it: a hint to look,
  // so relaxed.
  std::atomic<bool> has_wish{false};
  mutable std::mutex status_mutex;
  LiveFeedStatus status;  ///< guarded by status_mutex
};

LiveFeed::LiveFeed(const LiveFeedOptions& options, core::RecordRing& ring,
                   std::function<void()> wait_for_room,
                   std::function<void(core::LogLevel, const std::string&)> log)
    : impl_(std::make_unique<Impl>(options, ring, std::move(wait_for_room), std::move(log))) {}
LiveFeed::~LiveFeed() = default;

venue::VenueState& LiveFeed::state() { return impl_->state; }
void LiveFeed::resume(std::uint32_t instrument, core::WallNs watched_until,
                      core::WallNs candles_until) {
  impl_->known[instrument] = {watched_until, candles_until};
  impl_->venue_watched_until = std::max(impl_->venue_watched_until, watched_until);
}
int LiveFeed::do_work() { return impl_->do_work(); }
void LiveFeed::want(std::vector<std::string> symbols, venue::StreamKinds kinds) {
  {
    const std::lock_guard lock(impl_->wish_mutex);
    impl_->wish = {std::move(symbols), kinds};
    impl_->has_wish.store(true, std::memory_order_relaxed);
  }
  impl_->loop.wake();
}
void LiveFeed::wake() noexcept { impl_->loop.wake(); }
void LiveFeed::request_stop() noexcept {
  impl_->stop_requested.store(true, std::memory_order_relaxed);
  impl_->loop.wake();
}
bool LiveFeed::is_stopped() const noexcept { return impl_->is_stopped.load(); }
LiveFeedStatus LiveFeed::status() const {
  const std::lock_guard lock(impl_->status_mutex);
  return impl_->status;
}
const std::vector<Refusal>& LiveFeed::refusals() const { return impl_->writer.refusals(); }
const core::Histogram* LiveFeed::latency_ns(market::RecordType type, LatencySpan span) const {
  return impl_->writer.latency_ns(type, span);
}
const core::Histogram& LiveFeed::decode_ns() const { return impl_->writer.decode_ns(); }

}  // namespace perp::feed
