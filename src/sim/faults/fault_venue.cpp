#include "sim/faults/fault_venue.hpp"

#include "sim/faults/fault_link.hpp"

#include <perp/core/error.hpp>
#include <perp/net/proxy.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

/// Acts on connections: those that exist when it begins, and in an interval those that open.
bool is_of_connections(FaultKind kind) noexcept {
  switch (kind) {
    case FaultKind::cut:
    case FaultKind::rst:
    case FaultKind::fin:
    case FaultKind::close:
    case FaultKind::half_open:
    case FaultKind::partial:
    case FaultKind::garbage:
    case FaultKind::rsv1:
    case FaultKind::big:
    case FaultKind::trickle: return true;
    default: return false;
  }
}

/// Of those, the ones that are about HTTP connections as well.
bool is_of_http(FaultKind kind) noexcept {
  return kind == FaultKind::cut || kind == FaultKind::trickle;
}

/// Whoever opens a connection is spared: it is what perp recovers on.
bool spares_new_ones(FaultKind kind) noexcept {
  return kind == FaultKind::half_open || kind == FaultKind::partial;
}

bool is_of_messages(FaultKind kind) noexcept {
  return kind >= FaultKind::stall && kind <= FaultKind::rewrite;
}

net::HttpClientOptions http_options(const net::Url& url) {
  net::HttpClientOptions options;
  options.connections_max = 32;
  options.redirects_max = 0;
  options.answer_timeout_ns = 30 * core::ns_per_second;
  options.transport.proxy = net::proxy_of_environment(url.host);
  return options;
}

/// The context for a URL that speaks TLS.
const net::TlsContext& context_of(const FaultVenue::Surroundings& around, const net::Url& url) {
  static const net::TlsContext unused = net::TlsContext::client();
  if (around.client_tls != nullptr) return *around.client_tls;
  if (url.is_secure())
    throw core::Error("speaks TLS", url.text(), "the proxy has no authorities to trust");
  return unused;
}

}  // namespace

FaultVenue::FaultVenue(const Surroundings& around, const FaultUpstream& upstream, std::size_t index,
                       const net::Endpoint& at)
    : around_(around),
      upstream_(upstream),
      index_(index),
      random_(around.seed ^ (index + 1)),
      http_tls_(&context_of(around, upstream.rest)),
      http_(around.loop, around.resolver, upstream.rest, *http_tls_, http_options(upstream.rest)),
      burial_(around.loop, [this] { bury(); }) {
  if (!upstream.websocket.is_websocket())
    throw core::Error("a WebSocket has a ws:// or wss:// address", upstream.websocket.text(),
                      "its scheme is another");
  static_cast<void>(context_of(around, upstream.websocket));
  websocket_transport_.proxy = net::proxy_of_environment(upstream.websocket.host);
  listener_.emplace(around.loop, at, static_cast<net::AcceptHandler&>(*this));
}

FaultVenue::~FaultVenue() = default;

void FaultVenue::begin(const FaultEpisode& episode) {
  book().begin(episode);
  auto made = std::make_unique<ActiveFault>(episode, around_.seed);
  ActiveFault& fault = *made;
  const auto behind = std::upper_bound(
      faults_.begin(), faults_.end(), episode.rule->line,
      [](std::size_t line, const auto& other) { return line < other->rule().line; });
  faults_.insert(behind, std::move(made));
  list_faults();
  const FaultKind kind = episode.rule->kind;
  if (!is_of_connections(kind)) return;
  // By index: a link that acts may end, but is buried later.
  for (std::size_t i = 0; i < links_.size(); ++i) {
    FaultLink& link = *links_[i];
    if (link.is_over() || (!link.is_websocket() && !is_of_http(kind))) continue;
    if (fault.selects(link.target())) link.act(episode);
  }
}

void FaultVenue::end(const FaultEpisode& episode) {
  const auto found = std::find_if(faults_.begin(), faults_.end(), [&](const auto& fault) {
    return fault->episode().number == episode.number;
  });
  if (found == faults_.end()) return;
  const std::uint64_t hits = (*found)->hits();
  faults_.erase(found);
  list_faults();
  if (episode.end_ns > episode.begin_ns)
    for (std::size_t i = 0; i < links_.size(); ++i)
      if (!links_[i]->is_over()) links_[i]->end(episode);
  std::erase_if(unanswered_, [&](Unanswered& one) {
    if (one.episode != episode.number) return false;
    one.socket.break_off();
    return true;
  });
  book().end(episode, hits);
}

void FaultVenue::list_faults() {
  message_faults_.clear();
  for (const auto& fault : faults_)
    if (is_of_messages(fault->rule().kind) && fault->rule().is_of_messages)
      message_faults_.push_back(fault.get());
}

ActiveFault* FaultVenue::answering(std::string_view target, bool is_websocket) {
  for (const auto& fault : faults_) {
    const FaultKind kind = fault->rule().kind;
    const bool is_its = is_websocket ? kind == FaultKind::handshake
                                     : kind == FaultKind::status || kind == FaultKind::html ||
                                           kind == FaultKind::no_answer;
    if (is_its && fault->selects(target)) return fault.get();
  }
  return nullptr;
}

void FaultVenue::meet(FaultLink& link) {
  for (const auto& fault : faults_) {
    const FaultKind kind = fault->rule().kind;
    if (!is_of_connections(kind) || spares_new_ones(kind)) continue;
    if (!link.is_websocket() && !is_of_http(kind)) continue;
    if (fault->selects(link.target())) link.act(fault->episode());
  }
}

bool FaultVenue::edit_answer(const FaultPlace& place, std::string_view body, std::string& edited) {
  bool is_edited = false;
  std::string current;
  for (const auto& fault : faults_) {
    if (!is_of_messages(fault->rule().kind) || !fault->rule().is_of_answers) continue;
    const std::string_view text = is_edited ? std::string_view(current) : body;
    if (!fault->selects(place.target, text) || !fault->edit(text, edited)) continue;
    book().changed_answer(fault->episode(), place, text, edited);
    current = edited;
    is_edited = true;
  }
  if (is_edited) edited = current;
  return is_edited;
}

void FaultVenue::on_accepted(net::Socket socket) {
  ++accepted_;
  ++traffic_.connections;
  for (const auto& fault : faults_) {
    if (fault->rule().kind != FaultKind::refuse || !fault->selects({})) continue;
    book().answered(fault->episode(), {.venue = index_, .connection = accepted_}, 0);
    if (fault->rule().is_silent)
      unanswered_.push_back({std::move(socket), fault->episode().number});
    else
      socket.break_off();
    return;
  }
  links_.push_back(std::make_unique<FaultLink>(*this, accepted_, std::move(socket)));
}

void FaultVenue::bury() {
  std::erase_if(links_, [](const auto& link) { return link->is_over(); });
}

void FaultVenue::stop() {
  listener_.reset();
  unanswered_.clear();
  for (std::size_t i = 0; i < links_.size(); ++i) links_[i]->stop();
}

std::size_t FaultVenue::connection_count() const noexcept {
  return static_cast<std::size_t>(std::count_if(links_.begin(), links_.end(),
                                                [](const auto& link) { return !link->is_over(); }));
}

}  // namespace perp::sim
