#include "venue/record_order.hpp"

#include <algorithm>
#include <vector>

namespace perp::venue {
namespace {

void order(RecordSink& sink, std::size_t from_bytes, bool is_newest_first) {
  const std::span<std::byte> bytes = sink.bytes().subspan(from_bytes);
  struct Place {
    std::int64_t exchange_ns;
    std::size_t offset;
    std::size_t size;
  };
  std::vector<Place> places;
  for_each_record(bytes, [&](const market::RecordHeader& header) {
    const auto* at = reinterpret_cast<const std::byte*>(&header);
    places.push_back(
        {header.exchange_ns, static_cast<std::size_t>(at - bytes.data()), header.size});
  });
  if (is_newest_first) std::reverse(places.begin(), places.end());
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.exchange_ns < b.exchange_ns; });
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  std::size_t write = 0;
  for (const Place& place : places) {
    std::memcpy(bytes.data() + write, copy.data() + place.offset, place.size);
    write += place.size;
  }
}

}  // namespace

void order_newest_first(RecordSink& sink, std::size_t from_bytes) { order(sink, from_bytes, true); }
void order_by_time(RecordSink& sink, std::size_t from_bytes) { order(sink, from_bytes, false); }

}  // namespace perp::venue
