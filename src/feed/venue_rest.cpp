#include "feed/venue_rest_impl.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

constexpr std::size_t told_max = 200;
constexpr std::size_t excerpt_max = 200;

const venue::Connect& connect_of(const venue::VenueState& state) {
  if (state.adapter.connect == nullptr || state.adapter.connect->pools.empty())
    throw core::Error("this venue cannot be asked by HTTP", "state", "it is for recordings only");
  return *state.adapter.connect;
}

net::Url origin_of(const VenueRestOptions& options, const venue::Connect& connect) {
  return options.origin.host.empty() ? net::Url::parse(connect.rest_origin) : options.origin;
}

net::HttpClientOptions client_options(const VenueRestOptions& options) {
  net::HttpClientOptions made;
  made.connections_max = options.connections_max;
  made.transport.proxy = options.proxy;
  return made;
}

/// Text that came from outside, for one line of a log.
std::string excerpt_of(std::string_view body) {
  std::string text(body.substr(0, excerpt_max));
  for (char& byte : text)
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = ' ';
  return text;
}

}  // namespace

VenueRest::Impl::Impl(net::Loop& event_loop, net::Resolver& resolver, const net::TlsContext& tls,
                      venue::VenueState& venue_state, RingWriter& ring_writer, HostLedger& ledger,
                      const VenueRestOptions& wanted)
    : options(wanted),
      loop(event_loop),
      state(venue_state),
      connect(connect_of(venue_state)),
      writer(ring_writer),
      random(wanted.seed),
      client(event_loop, resolver, origin_of(wanted, connect), tls, client_options(wanted)),
      gate(ledger, connect, client) {
  if (!(options.haste >= 1 && options.haste <= 100'000))
    throw core::Error("cannot hurry so", "VenueRestOptions::haste", "expected 1 to 100,000");
  if (options.connections_max == 0 || options.attempts_max == 0 || options.fill_pages_max == 0)
    throw core::Error("nothing could ever be asked", "VenueRestOptions",
                      "connections_max, attempts_max and fill_pages_max are at least 1");
}

Moment VenueRest::Impl::now() const {
  if (!has_ticked) return ticked;
  const std::int64_t since_ns = std::max<std::int64_t>(0, loop.now() - ticked_at);
  return {ticked.mono + since_ns, {ticked.wall.ns + since_ns}};
}

std::int64_t VenueRest::Impl::hastened(std::int64_t ns) const {
  return std::max<std::int64_t>(1,
                                static_cast<std::int64_t>(static_cast<double>(ns) / options.haste));
}

const venue::RestCall* VenueRest::Impl::find_call(venue::RestPurpose purpose) const {
  for (const venue::RestCall& call : connect.calls)
    if (call.purpose == purpose) return &call;
  return nullptr;
}

void VenueRest::Impl::tell(core::LogLevel level, const std::string& what) {
  if (!options.log || told.size() >= told_max || !told.insert(what).second) return;
  options.log(level, what);
}

void VenueRest::Impl::ask(RestJob job) {
  if (job.weight == 0) job.weight = job.call->weight;
  job.order = next_order++;
  const std::pair key(job.priority, job.order);
  queue.emplace(key, std::move(job));
}

void VenueRest::Impl::pump(Moment moment) {
  if (!has_ticked) return;
  gate.begin(moment);
  for (auto at = queue.begin(); at != queue.end() && client.pending() < options.connections_max;) {
    RestJob& job = at->second;
    if (moment.mono < job.not_before) {
      ++at;
      continue;
    }
    switch (gate.ask(moment, *job.call, job.weight)) {
      case RestGate::Verdict::go: send(std::move(queue.extract(at++).mapped())); break;
      case RestGate::Verdict::pool_shut: ++at; break;
      case RestGate::Verdict::host_shut: return;
      case RestGate::Verdict::never:
        give_up_later(std::move(queue.extract(at++).mapped()),
                      "its weight is more than the budget ever grants");
        break;
    }
  }
}

void VenueRest::Impl::send(RestJob job) {
  venue::RestQuery query = job.query;
  query.symbol = job.symbol;
  query.cursor = job.cursor;
  std::optional<venue::RestRequest> request;
  if (job.token == nullptr)
    request = venue::make_request(state.adapter, *job.call, query);
  else
    request =
        venue::RestRequest{.method = job.token->method, .target = std::string(job.token->target)};
  if (!request) return give_up_later(std::move(job), "a value that it needs is not known");
  ++counts.requests;
  counts.weight += job.weight;
  net::HttpClient::Fields fields = options.fields;
  fields.emplace_back("User-Agent", "perp");
  const bool is_post = request->method == "POST";
  if (is_post) fields.emplace_back("Content-Type", "application/json");
  // std::function wants to be copied: the job is shared by its one copy that is called.
  const auto held = std::make_shared<RestJob>(std::move(job));
  const auto on_answer = [this, held](const net::HttpReply& reply) {
    on_reply(std::move(*held), reply);
  };
  if (is_post)
    client.post(std::move(request->target), std::move(request->body), on_answer, std::move(fields));
  else
    client.get(std::move(request->target), on_answer, std::move(fields));
}

void VenueRest::Impl::on_reply(RestJob job, const net::HttpReply& reply) {
  const Moment moment = now();
  const std::string endpoint(job.call->endpoint);
  switch (gate.on_reply(moment, *job.call, reply)) {
    case RestGate::Reply::banned: {
      ++counts.bans;
      const std::int64_t ban_ns = gate.banned_until() - moment.mono;
      if (options.log)
        options.log(core::LogLevel::warn,
                    fmt::format("{}: HTTP {}: nothing is asked for {:.1f} s", endpoint,
                                reply.status(), static_cast<double>(ban_ns) * 1e-9));
      // What tells the state of now is asked when it is due again.
      if (job.call->interval_ns > 0 && job.priority != RestPriority::instruments)
        give_up(job, "the host has banned us");
      else
        queue.emplace(std::pair(job.priority, job.order), std::move(job));
      break;
    }
    case RestGate::Reply::failed:
      ++counts.failed;
      ask_again(std::move(job), reply.response == nullptr
                                    ? reply.text
                                    : fmt::format("{}: HTTP {}", endpoint, reply.status()));
      break;
    case RestGate::Reply::refused: {
      ++counts.refused;
      const std::string why = fmt::format("{}: HTTP {} {}", endpoint, reply.status(),
                                          excerpt_of(reply.response->body_text()));
      tell(core::LogLevel::error, why);
      if (job.priority == RestPriority::instruments)
        ask_again(std::move(job), why);
      else
        give_up(job, why);
      break;
    }
    case RestGate::Reply::answered: {
      const venue::DecodeStatus status = job.take(job, reply);
      if (status == venue::DecodeStatus::ok) {
        ++counts.answered;
        break;
      }
      ++(status == venue::DecodeStatus::venue_error ? counts.refused : counts.bad_bodies);
      const std::string why = fmt::format("{}: {}: {}", endpoint, venue::name_of(status),
                                          excerpt_of(reply.response->body_text()));
      tell(core::LogLevel::error, why);
      ask_again(std::move(job), why);
      break;
    }
  }
  pump(moment);
}

void VenueRest::Impl::ask_again(RestJob job, const std::string& why) {
  ++job.failures;
  const bool is_endless = job.priority == RestPriority::instruments;
  if (!is_endless && job.failures >= options.attempts_max) return give_up(job, why);
  ++counts.retries;
  // A page that is refused again and again may have lost its place: from the first one on.
  if (job.failures % options.attempts_max == 0) job.cursor.clear();
  Backoff backoff(
      {.base_ns = hastened(core::ns_per_second), .cap_ns = hastened(60 * core::ns_per_second)},
      core::Prng(random.next()), job.failures - 1);
  job.not_before = now().mono + backoff.on_lost();
  const std::pair key(job.priority, job.order);
  queue.emplace(key, std::move(job));
}

void VenueRest::Impl::give_up(const RestJob& job, const std::string& why) {
  ++counts.given_up;
  if (job.give_up) job.give_up(why);
}

void VenueRest::Impl::give_up_later(RestJob job, const std::string& why) {
  run_later([this, held = std::make_shared<RestJob>(std::move(job)), why] { give_up(*held, why); });
}

venue::DecodeStatus VenueRest::Impl::decode(
    const RestJob& job, const net::HttpReply& reply, bool is_backfill, venue::TradeWindow* window,
    const std::function<bool(const market::RecordHeader&)>& keep) {
  const venue::DecodeStatus status =
      writer.rest(state,
                  {.endpoint = job.call->endpoint,
                   .symbol = job.symbol,
                   .body = reply.response->body_text(),
                   .period = job.query.period.empty() ? job.call->period : job.query.period,
                   .receive_ns = reply.receive_ns.ns,
                   .is_backfill = is_backfill,
                   .window = window},
                  keep);
  writer.publish();
  return status;
}

VenueRest::VenueRest(net::Loop& loop, net::Resolver& resolver, const net::TlsContext& tls,
                     venue::VenueState& state, RingWriter& writer, HostLedger& ledger,
                     const VenueRestOptions& options)
    : impl_(std::make_unique<Impl>(loop, resolver, tls, state, writer, ledger, options)) {}
VenueRest::~VenueRest() = default;

void VenueRest::load_instruments(std::function<void()> on_loaded) {
  impl_->on_loaded = std::move(on_loaded);
  if (!impl_->is_listing) impl_->begin_lists();
}
void VenueRest::fetch_book(const std::string& symbol) { impl_->fetch_book(symbol); }
void VenueRest::refresh_book(const std::string& symbol,
                             std::function<bool(const market::RecordHeader&)> keep,
                             std::function<void()> done) {
  impl_->refresh_book(symbol, std::move(keep), std::move(done));
}
void VenueRest::fill_trades(TradeHole hole, std::function<void(const TradeFill&)> done) {
  impl_->fill_trades(std::move(hole), std::move(done));
}
void VenueRest::fill_klines(std::string symbol, std::int64_t start_ms, std::int64_t end_ms,
                            std::function<void(const KlineFill&)> done) {
  impl_->fill_klines(std::move(symbol), start_ms, end_ms, std::move(done));
}
void VenueRest::fetch_history(const HistoryWish& wish,
                              std::function<void(const HistoryFill&)> done) {
  impl_->fetch_history(wish, std::move(done));
}

void VenueRest::fetch_trades(const TradeWish& wish, std::function<void(const HistoryFill&)> done) {
  impl_->fetch_trades(wish, std::move(done));
}

void VenueRest::tick(Moment now) {
  impl_->ticked = now;
  impl_->ticked_at = impl_->loop.now();
  impl_->has_ticked = true;
  for (const std::function<void()>& call : std::exchange(impl_->later, {})) call();
  impl_->advance(now);
  impl_->pump(now);
}

const ClockOffset& VenueRest::clock_offset() const noexcept { return impl_->clock; }

VenueRestStats VenueRest::stats() const {
  VenueRestStats stats = impl_->counts;
  stats.polls_skipped += impl_->schedule.skipped();
  stats.waiting = impl_->queue.size();
  stats.under_way = impl_->client.pending();
  stats.banned_for_ns = std::max<std::int64_t>(0, impl_->gate.banned_until() - impl_->ticked.mono);
  stats.is_breaker_open = impl_->gate.is_breaker_open();
  return stats;
}

std::vector<WeightPool> ledger_pools(const venue::Connect& connect) {
  std::vector<WeightPool> pools;
  for (const venue::RestPool& pool : connect.pools)
    pools.push_back({.name = std::string(pool.name),
                     .limit = pool.budget.count,
                     .window_ns = pool.budget.window_ns});
  return pools;
}

HostLedgerOptions ledger_options(const venue::Connect& connect) {
  HostLedgerOptions options;
  if (!connect.sockets.empty() && connect.sockets.front().limits.dials.count > 0) {
    options.connects.limit = connect.sockets.front().limits.dials.count;
    options.connects.window_ns = connect.sockets.front().limits.dials.window_ns;
  }
  options.pools = ledger_pools(connect);
  if (connect.too_often_ns > 0) options.ban_429_ns = connect.too_often_ns;
  return options;
}

}  // namespace perp::feed
