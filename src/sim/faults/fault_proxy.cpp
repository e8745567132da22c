#include "sim/faults/fault_venue.hpp"

#include <perp/core/error.hpp>
#include <perp/net/timer.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

constexpr std::int64_t flush_ns = 200 * core::ns_per_ms;

std::vector<std::string> names_of(const std::vector<FaultUpstream>& venues) {
  std::vector<std::string> names;
  names.reserve(venues.size());
  for (const FaultUpstream& venue : venues) names.push_back(venue.name);
  return names;
}

}  // namespace

struct FaultProxy::Impl {
  Impl(net::Loop& given_loop, net::Resolver& resolver, const FaultProxyOptions& options)
      : loop(given_loop),
        book(names_of(options.venues), options.log_file, options.text_bytes_max),
        schedule(options.script, names_of(options.venues), options.seed),
        due(loop, [this] { advance(); }),
        flush(loop, [this] {
          book.flush();
          flush.start_in(flush_ns);
        }) {
    const FaultVenue::Surroundings around{.loop = loop,
                                          .resolver = resolver,
                                          .server_tls = options.server_tls,
                                          .client_tls = options.client_tls,
                                          .book = book,
                                          .seed = options.seed};
    net::Endpoint at = options.listen;
    for (std::size_t i = 0; i < options.venues.size(); ++i) {
      venues.push_back(std::make_unique<FaultVenue>(around, options.venues[i], i, at));
      endpoints.push_back(venues.back()->endpoint());
      if (at.port != 0) ++at.port;
    }
  }

  void advance() {
    schedule.advance(
        core::mono_now() - begin,
        [this](const FaultEpisode& episode) { venues[episode.venue]->begin(episode); },
        [this](const FaultEpisode& episode) { venues[episode.venue]->end(episode); });
    if (schedule.next_ns() != FaultRule::never_ns) due.start_at(begin + schedule.next_ns());
  }

  net::Loop& loop;
  FaultBook book;
  FaultSchedule schedule;
  std::vector<std::unique_ptr<FaultVenue>> venues;
  std::vector<net::Endpoint> endpoints;
  core::MonoNs begin{};
  net::Timer due;
  net::Timer flush;
};

FaultProxy::FaultProxy(net::Loop& loop, net::Resolver& resolver, const FaultProxyOptions& options)
    : impl_(std::make_unique<Impl>(loop, resolver, options)) {}
FaultProxy::~FaultProxy() = default;

void FaultProxy::start() {
  impl_->begin = core::mono_now();
  impl_->flush.start_in(flush_ns);
  impl_->advance();
}

const net::Endpoint& FaultProxy::endpoint(std::size_t venue) const {
  return impl_->endpoints.at(venue);
}

void FaultProxy::stop() {
  impl_->due.cancel();
  const std::vector<FaultEpisode> running = impl_->schedule.running();
  for (const FaultEpisode& episode : running) impl_->venues[episode.venue]->end(episode);
  for (const auto& venue : impl_->venues) venue->stop();
}

void FaultProxy::flush_log() { impl_->book.flush(); }

bool FaultProxy::is_idle() const noexcept { return connection_count() == 0; }

std::size_t FaultProxy::connection_count() const noexcept {
  std::size_t count = 0;
  for (const auto& venue : impl_->venues) count += venue->connection_count();
  return count;
}

const FaultCount& FaultProxy::count(std::size_t venue, FaultKind kind) const {
  return impl_->book.counts().at(venue * fault_kind_count + static_cast<std::size_t>(kind));
}

const FaultTraffic& FaultProxy::traffic(std::size_t venue) const {
  return impl_->venues.at(venue)->traffic();
}

}  // namespace perp::sim
