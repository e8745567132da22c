#include "feed/rest_gate.hpp"

#include <algorithm>
#include <string>

namespace perp::feed {
namespace {

/// Whole seconds until the venue's window begins anew, both by the venue's clock; empty where it
/// does not say, or says what has passed.
std::string until_reset(const LimitReading& limits, std::string_view date, core::WallNs now) {
  if (limits.reset_at.ns <= 0) return {};
  const core::WallNs from = parse_http_date(date, now).value_or(now);
  const std::int64_t wait_ns = limits.reset_at.ns - from.ns;
  if (wait_ns <= 0) return {};
  return std::to_string((wait_ns + core::ns_per_second - 1) / core::ns_per_second);
}

}  // namespace

RestGate::RestGate(HostLedger& ledger, const venue::Connect& connect, const net::HttpClient& client)
    : ledger_(ledger),
      connect_(connect),
      client_(client),
      pools_open_at_(connect.pools.size()),
      is_pool_shut_(connect.pools.size()) {}

void RestGate::begin(Moment now) {
  for (std::size_t i = 0; i < pools_open_at_.size(); ++i)
    is_pool_shut_[i] = now.mono < pools_open_at_[i];
  // A connection that the server closed between two requests is dialled anew without a question:
  // it is booked afterwards, and nothing goes out until it is.
  while (connects_granted_ < client_.dial_count() && grant_connect(now)) {
  }
  owes_connects_ = connects_granted_ < client_.dial_count();
}

RestGate::Verdict RestGate::ask(Moment now, const venue::RestCall& call, std::uint32_t weight) {
  if (owes_connects_ || now.mono < host_opens_at_ || is_breaker_shut(now))
    return Verdict::host_shut;
  if (is_pool_shut_[call.pool]) return Verdict::pool_shut;
  if (!may_connect(now)) return Verdict::host_shut;
  const Grant grant = ledger_.may_request(now, connect_.pools[call.pool].name, weight);
  switch (grant.verdict) {
    case Grant::Verdict::granted: break;
    case Grant::Verdict::spent:
      pools_open_at_[call.pool] = grant.retry_at;
      is_pool_shut_[call.pool] = true;
      return Verdict::pool_shut;
    case Grant::Verdict::banned: banned_until_ = grant.retry_at; [[fallthrough]];
    case Grant::Verdict::busy: host_opens_at_ = grant.retry_at; return Verdict::host_shut;
    case Grant::Verdict::too_heavy: return Verdict::never;
  }
  has_connect_to_spare_ = false;
  breaker_.may_call(now.mono);  // it says yes: this is the trial, where there is to be one
  return Verdict::go;
}

/// Asked before the ledger, so that no weight is booked for what the breaker keeps back; the trial
/// itself is taken once the weight is there.
bool RestGate::is_breaker_shut(Moment now) {
  if (breaker_.state() == CircuitBreaker::State::closed) return false;
  if (now.mono < breaker_.opens_until()) return true;
  // Half-open beyond its time: the trial got no answer, which the breaker is to learn.
  return breaker_.state() == CircuitBreaker::State::half_open && !breaker_.may_call(now.mono);
}

bool RestGate::may_connect(Moment now) {
  const bool has_free_connection = client_.connection_count() > client_.pending();
  if (has_free_connection || has_connect_to_spare_) return true;
  has_connect_to_spare_ = grant_connect(now);
  return has_connect_to_spare_;
}

bool RestGate::grant_connect(Moment now) {
  if (now.mono < connects_open_at_) return false;
  const Grant grant = ledger_.may_connect(now);
  connects_granted_ += grant ? 1U : 0U;
  if (grant.verdict == Grant::Verdict::banned) host_opens_at_ = banned_until_ = grant.retry_at;
  if (!grant) connects_open_at_ = grant.retry_at;
  return static_cast<bool>(grant);
}

RestGate::Reply RestGate::on_reply(Moment now, const venue::RestCall& call,
                                   const net::HttpReply& reply) {
  if (reply.response == nullptr) {
    breaker_.on_failure(now.mono);
    return Reply::failed;
  }
  const net::HttpHead& head = reply.response->head();
  const int status = reply.status();
  // Some venues say it in the body of a 200.
  const bool is_too_often = status == 429 || (connect_.is_too_often != nullptr && status < 400 &&
                                              connect_.is_too_often(reply.response->body_text()));
  std::string retry_after(head.value("Retry-After"));
  if (is_too_often && retry_after.empty())
    retry_after = until_reset(limits_of(call, head), head.value("Date"), now.wall);
  const bool is_ban =
      ledger_.on_status(now, is_too_often ? 429 : status, retry_after, head.value("Date"));
  if (is_ban) host_opens_at_ = banned_until_ = ledger_.banned_until(now);
  read_weight(now, call, head);
  if (status >= 500)
    breaker_.on_failure(now.mono);
  else
    breaker_.on_success();
  if (is_ban) return Reply::banned;
  if (status >= 200 && status < 300) return Reply::answered;
  return status >= 500 ? Reply::failed : Reply::refused;
}

LimitReading RestGate::limits_of(const venue::RestCall& call, const net::HttpHead& head) const {
  const venue::RestPool& pool = connect_.pools[call.pool];
  const LimitStyle style = !pool.used_field.empty()        ? LimitStyle::binance
                           : !pool.remaining_field.empty() ? LimitStyle::bybit
                                                           : LimitStyle::none;
  return read_limits(style, [&](std::string_view name) { return head.value(name); });
}

void RestGate::read_weight(Moment now, const venue::RestCall& call, const net::HttpHead& head) {
  const venue::RestPool& pool = connect_.pools[call.pool];
  if (call.is_used_field_wrong) return;
  const LimitReading reading = limits_of(call, head);
  // Nothing left is nothing left, whatever the venue's unit is.
  if (reading.remaining && *reading.remaining == 0)
    ledger_.on_used(now, pool.name, pool.budget.count);
  else if (reading.used)
    ledger_.on_used(now, pool.name, *reading.used);
}

}  // namespace perp::feed
