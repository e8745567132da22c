#include "feed/status_writer.hpp"

namespace perp::feed {
namespace {

template <class Payload>
struct Record {
  market::RecordHeader header;
  Payload payload;

  Record(market::RecordType type, market::VenueId venue, std::uint32_t instrument,
         std::int64_t now_ns) {
    header.size = sizeof *this;
    header.type = type;
    header.venue = venue;
    header.instrument = instrument;
    header.exchange_ns = header.receive_ns = now_ns;
  }
};

template <class Visit>
void for_each_kind(venue::StreamKinds kinds, Visit visit) {
  for (std::size_t i = 0; i < venue::stream_kind_count; ++i)
    if ((kinds >> i & 1) != 0) visit(record_type_of(static_cast<venue::StreamKind>(i)));
}

}  // namespace

void StatusWriter::status(std::uint32_t instrument, venue::StreamKinds kinds,
                          market::FeedState state, std::uint32_t connection,
                          std::string_view reason, core::WallNs now) {
  Record<market::FeedStatus> record(market::RecordType::feed_status, venue_, instrument, now.ns);
  record.payload.state = state;
  record.payload.connection = connection;
  record.payload.reason.assign_cut(reason);
  for_each_kind(kinds, [&](market::RecordType type) {
    record.payload.stream = type;
    writer_.record(record.header);
  });
}

void StatusWriter::connection(market::FeedState state, std::uint32_t connection,
                              std::string_view reason, core::WallNs now) {
  Record<market::FeedStatus> record(market::RecordType::feed_status, venue_, 0, now.ns);
  record.payload.state = state;
  record.payload.connection = connection;
  record.payload.reason.assign_cut(reason);
  writer_.record(record.header);
}

void StatusWriter::gap(std::uint32_t instrument, venue::StreamKinds kinds, core::WallNs from,
                       core::WallNs to, market::GapCause cause) {
  Record<market::Gap> record(market::RecordType::gap, venue_, instrument, to.ns);
  record.payload.from_ns = from.ns;
  record.payload.to_ns = to.ns;
  record.payload.cause = cause;
  for_each_kind(kinds, [&](market::RecordType type) {
    record.payload.stream = type;
    writer_.record(record.header);
    ++gaps_;
  });
}

void StatusWriter::tick(core::WallNs now) {
  const Record<market::Tick> record(market::RecordType::tick, venue_, 0, now.ns);
  writer_.record(record.header);
}

}  // namespace perp::feed
