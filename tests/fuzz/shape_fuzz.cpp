// Both lanes of an adapter side by side: whatever comes, the same records or the same refusal, and
// they go on alike. The first byte picks the venue ('0' + its place in the list), the lines behind
// it are frames; what follows a frame in the input also lies behind it in memory.
#include "fuzz/decode_fuzz.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace perp::test {
namespace {

void require_alike(const venue::VenueState& both, const venue::VenueState& on_demand) {
  require(both.message_kind == on_demand.message_kind, "another kind");
  require(both.fault_field == on_demand.fault_field, "another field is at fault");
  require(both.messages == on_demand.messages, "other counts of messages");
  const auto counts = [](const venue::VenueState& state) {
    return std::vector<std::uint64_t>{state.instruments.size(),
                                      state.decode_errors,
                                      state.duplicates,
                                      state.gaps,
                                      state.checksums_verified,
                                      state.checksum_mismatches,
                                      state.other_instruments,
                                      state.unnamed_rows,
                                      state.provisional_instruments};
  };
  require(counts(both) == counts(on_demand), "other counts");
}

int fuzz_lanes(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const market::Venue& venue =
      market::venues[static_cast<unsigned char>(data[0] - '0') % market::venues.size()];
  const venue::Adapter* const adapter = venue::find_adapter(venue.id);
  if (adapter == nullptr) return 0;
  venue::VenueState both(*adapter);
  venue::VenueState on_demand(*adapter);
  on_demand.lanes = venue::Lanes::on_demand;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    // A buffer of its own, so that the address sanitizer sees a read beyond the padding.
    std::vector<char> bytes(end + venue::frame_padding, '"');
    std::memcpy(bytes.data(), input.data(), std::min(bytes.size(), input.size()));
    input.remove_prefix(std::min(end + 1, input.size()));
    if (end == 0) continue;
    const venue::Frame frame{.payload = {bytes.data(), end}, .receive_ns = 1};
    alignas(8) std::byte nothing[8];
    venue::RecordSink none(std::span<std::byte>(nothing, 0));
    venue::RecordSink none_too(std::span<std::byte>(nothing, 0));
    require(adapter->decode(both, frame, none) == adapter->decode(on_demand, frame, none_too),
            "another status without room");
    require_alike(both, on_demand);
    venue::RecordSink one;
    venue::RecordSink two;
    require(adapter->decode(both, frame, one) == adapter->decode(on_demand, frame, two),
            "another status");
    require(std::ranges::equal(one.bytes(), two.bytes()), "other records");
    require_alike(both, on_demand);
    check_records(both, one);
  }
  return 0;
}

}  // namespace
}  // namespace perp::test

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return perp::test::fuzz_lanes(data, size);
}
