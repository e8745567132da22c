#include "feed/venue_rest_impl.hpp"

namespace perp::feed {

void VenueRest::Impl::fetch_book(const std::string& symbol) {
  const venue::RestCall* call = find_call(venue::RestPurpose::book_snapshot);
  // One at a time: so the queue holds at most one for each contract.
  if (call == nullptr || !books.insert(symbol).second) return;
  ask({.call = call,
       .priority = RestPriority::book,
       .symbol = symbol,
       .take =
           [this](RestJob& job, const net::HttpReply& reply) {
             const venue::DecodeStatus status = decode(job, reply);
             if (status != venue::DecodeStatus::ok) return status;
             ++counts.books;
             books.erase(job.symbol);
             return status;
           },
       .give_up =
           [this, symbol](const std::string&) {
             books.erase(symbol);
             if (options.on_book_failed) options.on_book_failed(symbol);
           }});
}

void VenueRest::Impl::refresh_book(const std::string& symbol,
                                   std::function<bool(const market::RecordHeader&)> keep,
                                   std::function<void()> done) {
  const venue::RestCall* call = find_call(venue::RestPurpose::book_snapshot);
  if (call == nullptr || !has_room()) return run_later(std::move(done));
  ask({.call = call,
       .priority = RestPriority::refresh,
       .symbol = symbol,
       .take =
           [this, keep = std::move(keep), done](RestJob& job, const net::HttpReply& reply) {
             const venue::DecodeStatus status = decode(job, reply, false, nullptr, keep);
             if (status != venue::DecodeStatus::ok) return status;
             ++counts.books;
             done();
             return status;
           },
       .give_up = [done](const std::string&) { done(); }});
}

}  // namespace perp::feed
