// Instruments, the clock, polls and seeds: what is asked by the clock.
#include "feed/venue_rest_impl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace perp::feed {
namespace {

/// No list has so many pages: a venue that gives one cursor after the other is at fault.
constexpr std::uint32_t list_pages_max = 100;

}  // namespace

void VenueRest::Impl::begin_lists() {
  is_listing = true;
  listing.begin();
  ask_list(0, {}, 0);
}

/// @param call where to look for the next call that lists instruments
void VenueRest::Impl::ask_list(std::size_t call, std::string cursor, std::uint32_t page) {
  while (call < connect.calls.size() &&
         connect.calls[call].purpose != venue::RestPurpose::instruments)
    ++call;
  if (call == connect.calls.size()) {
    end_lists();
    return;
  }
  ask({.call = &connect.calls[call],
       .priority = RestPriority::instruments,
       .cursor = std::move(cursor),
       .take = [this, call, page](RestJob& job, const net::HttpReply& reply) {
         const venue::DecodeStatus status = decode(job, reply);
         if (status != venue::DecodeStatus::ok) return status;
         std::string next;
         const bool has_pages = connect.next_cursor != nullptr &&
                                job.call->query.find("<cursor") != std::string_view::npos;
         if (has_pages) next = connect.next_cursor(reply.response->body_text());
         if (!next.empty() && (next == job.cursor || page + 1 >= list_pages_max)) {
           tell(core::LogLevel::error, fmt::format("{}: its pages do not end", job.call->endpoint));
           return venue::DecodeStatus::unknown_value;
         }
         listing.read(state.instruments, reply.response->body_text());
         listed_at = reply.receive_ns;
         const bool is_last = next.empty();
         ask_list(is_last ? call + 1 : call, std::move(next), is_last ? 0 : page + 1);
         return status;
       }});
}

void VenueRest::Impl::end_lists() {
  is_listing = false;
  ++counts.instrument_lists;
  std::int64_t interval_ns = core::ns_per_hour;
  for (const venue::RestCall& list : connect.calls)
    if (list.purpose == venue::RestPurpose::instruments && list.interval_ns > 0)
      interval_ns = std::min(interval_ns, list.interval_ns);
  lists_due = now().mono + hastened(interval_ns);
  std::size_t disbelieved = 0;
  for (const std::string_view native : listing.gone(state.instruments, disbelieved)) {
    const market::InstrumentEntry* entry = state.instruments.delist(native);
    if (entry == nullptr) continue;
    struct {
      market::RecordHeader header;
      market::Instrument instrument;
    } record;
    record.header.size = sizeof record;
    record.header.type = market::RecordType::instrument;
    record.header.venue = state.instruments.venue();
    record.header.instrument = entry->id;
    record.header.receive_ns = listed_at.ns;
    record.instrument = entry->instrument;
    writer.record(record.header);
  }
  writer.publish();
  if (disbelieved > 0)
    tell(core::LogLevel::warn,
         fmt::format("the list of instruments lacks {} that it had: not believed", disbelieved));
  if (on_loaded) on_loaded();
}

void VenueRest::Impl::ask_clock() {
  const venue::RestCall* call = find_call(venue::RestPurpose::clock);
  if (call == nullptr || connect.read_clock == nullptr || is_clock_waiting) return;
  is_clock_waiting = true;
  clock_due = ticked.mono + hastened(call->interval_ns);
  ask({.call = call,
       .priority = RestPriority::clock,
       .take =
           [this](RestJob& job, const net::HttpReply& reply) {
             const venue::DecodeStatus status = decode(job, reply);
             if (status != venue::DecodeStatus::ok) return status;
             is_clock_waiting = false;
             const venue::ClockReading said = connect.read_clock(reply.response->body_text());
             // Cut to its step, the time was on average half a step later.
             if (said.time_ns != core::unknown_ns)
               clock.add(reply.sent_at, reply.received_at, {said.time_ns + said.step_ns / 2});
             return status;
           },
       .give_up = [this](const std::string&) { is_clock_waiting = false; }});
}

void VenueRest::Impl::ask_poll(std::size_t poll) {
  const PollSchedule::Poll& due = schedule.polls()[poll];
  const std::uint64_t generation = schedule.generation();
  const market::InstrumentEntry* entry = state.instruments.find(due.symbol);
  if (entry != nullptr && entry->instrument.status == market::InstrumentStatus::delisted)
    return schedule.on_end(poll, generation);
  if (!has_room()) {
    ++counts.polls_skipped;
    schedule.on_end(poll, generation);
    return;
  }
  ask({.call = due.call,
       .priority = RestPriority::poll,
       .symbol = due.symbol,
       .take =
           [this, poll, generation](RestJob& job, const net::HttpReply& reply) {
             const venue::DecodeStatus status = decode(job, reply);
             if (status == venue::DecodeStatus::ok) schedule.on_end(poll, generation);
             return status;
           },
       .give_up = [this, poll,
                   generation](const std::string&) { schedule.on_end(poll, generation); }});
}

void VenueRest::Impl::ask_seeds(const std::vector<std::string>& symbols) {
  if (symbols.empty()) return;
  for (const venue::RestCall& call : connect.calls) {
    if (call.purpose != venue::RestPurpose::seed || (call.kinds & options.kinds) == 0) continue;
    if (!call.is_per_symbol) {
      ask_seed(call, {}, symbols);
      continue;
    }
    for (const std::string& symbol : symbols)
      if (has_room()) ask_seed(call, symbol, symbols);
  }
}

void VenueRest::Impl::ask_seed(const venue::RestCall& call, const std::string& symbol,
                               const std::vector<std::string>& symbols) {
  ask({.call = &call,
       .priority = RestPriority::poll,
       .symbol = symbol,
       .take = [this, symbols](RestJob& job, const net::HttpReply& reply) {
         // A reply about the whole venue: of contracts that nobody wants nothing is recorded.
         std::set<std::uint32_t> wanted;
         return decode(job, reply, false, nullptr, [&](const market::RecordHeader& header) {
           if (wanted.empty())  // behind the decoding, which may have made them known
             for (const std::string& name : symbols)
               if (const auto* entry = state.instruments.find(name); entry != nullptr)
                 wanted.insert(entry->id);
           return header.type == market::RecordType::instrument ||
                  wanted.contains(header.instrument);
         });
       }});
}

void VenueRest::start_polls(std::span<const std::string> symbols, venue::StreamKinds polled) {
  Impl& impl = *impl_;
  impl.schedule.restart(impl.connect.calls, symbols, polled, impl.options.haste);
  std::erase_if(impl.seeded, [&](const std::string& symbol) {
    return std::find(symbols.begin(), symbols.end(), symbol) == symbols.end();
  });
  std::vector<std::string> fresh;
  for (const std::string& symbol : symbols)
    if (impl.seeded.insert(symbol).second) fresh.push_back(symbol);
  // Of the schedule before, what still waits is not wanted any more.
  std::erase_if(impl.queue, [&](const auto& entry) {
    return entry.second.call->purpose == venue::RestPurpose::poll;
  });
  impl.ask_seeds(fresh);
  impl.has_polls = true;
}

void VenueRest::fetch_token(
    const venue::TokenStep& step, std::uint64_t connect_id,
    const std::function<void(const venue::TokenReply* reply, const std::string& why)>& done) {
  static constexpr venue::RestCall call{.purpose = venue::RestPurpose::token, .endpoint = "token"};
  impl_->ask({.call = &call,
              .priority = RestPriority::token,
              .token = &step,
              .weight = step.weight,
              .take =
                  [&step, connect_id, done](RestJob&, const net::HttpReply& reply) {
                    venue::TokenReply said;
                    if (!step.read(reply.response->body_text(), connect_id, said))
                      return venue::DecodeStatus::missing_field;
                    done(&said, {});
                    return venue::DecodeStatus::ok;
                  },
              .give_up = [done](const std::string& why) { done(nullptr, why); }});
}

void VenueRest::want(venue::StreamKinds kinds) {
  if (kinds == impl_->options.kinds) return;
  impl_->options.kinds = kinds;
  impl_->seeded.clear();
}

void VenueRest::Impl::advance(Moment moment) {
  if (on_loaded && !is_listing && moment.mono >= lists_due) begin_lists();
  if (!has_polls) return;
  if (moment.mono >= clock_due) ask_clock();
  schedule.advance(moment.wall, [this](std::size_t poll) { ask_poll(poll); });
}

}  // namespace perp::feed
