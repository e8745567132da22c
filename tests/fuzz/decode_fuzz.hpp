#pragma once
// The body of a venue adapter's fuzz target. An input is a sequence of lines for one VenueState:
// the first byte says which entry point, 'f' a frame, otherwise a REST endpoint (its index, counted
// from '0'); the rest is the payload. Whatever comes: a refused message leaves the sink empty, a
// taken one well-formed records about defined instruments, a sink without room changes nothing, and
// each message is counted once.
#include <perp/venue/registry.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace perp::test {

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

inline void check_records(const venue::VenueState& state, const venue::RecordSink& sink) {
  std::size_t count = 0;
  for (std::span<const std::byte> rest = sink.bytes(); !rest.empty(); ++count) {
    require(market::is_well_formed(rest), "a record is not well formed");
    const auto& header = *reinterpret_cast<const market::RecordHeader*>(rest.data());
    require(header.venue == state.instruments.venue(), "a record of another venue");
    const std::size_t index = header.instrument & 0x00ff'ffff;
    require(index < state.instruments.size(), "a record about an undefined instrument");
    require(state.instruments.entries()[index].id == header.instrument,
            "an id of another instrument");
    rest = rest.subspan(header.size);
  }
  require(count == sink.record_count(), "the sink miscounts its records");
}

inline std::uint64_t messages_of(const venue::VenueState& state) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : state.messages) total += count;
  return total;
}

inline int fuzz_adapter(const venue::Adapter& adapter, const unsigned char* data,
                        std::size_t size) {
  venue::VenueState state(adapter);
  std::string_view input(reinterpret_cast<const char*>(data), size);
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (line.empty()) continue;
    // A buffer of its own, so that the address sanitizer sees a read beyond the padding.
    std::string padded(line.substr(1));
    const std::size_t payload_size = padded.size();
    padded.append(venue::frame_padding, '"');
    const std::string_view payload(padded.data(), payload_size);
    const auto decode = [&](venue::RecordSink& sink) {
      if (line[0] == 'f') return adapter.decode(state, {.payload = payload}, sink);
      const auto index = static_cast<std::size_t>(static_cast<unsigned char>(line[0] - '0')) %
                         adapter.endpoints.size();
      return adapter.decode_rest(state,
                                 {.endpoint = adapter.endpoints[index].name,
                                  .symbol = "BTC-USDT-SWAP",
                                  .body = payload,
                                  .period = "1d"},
                                 sink);
    };
    const std::size_t instruments = state.instruments.size();
    const std::uint64_t messages = messages_of(state);
    alignas(8) std::byte nothing[8];
    venue::RecordSink none(std::span<std::byte>(nothing, 0));
    const venue::DecodeStatus first = decode(none);
    require(none.bytes().empty(), "records in a sink without room");
    if (first == venue::DecodeStatus::sink_full) {
      require(state.instruments.size() == instruments, "a full sink interned an instrument");
      require(messages_of(state) == messages, "a full sink counted a message");
      venue::RecordSink sink;
      const venue::DecodeStatus second =
          decode(sink);  // may find a fault behind the place where room ended
      require(second != venue::DecodeStatus::sink_full, "a sink that grows was full");
      require(second == venue::DecodeStatus::ok || sink.record_count() == 0,
              "a refused message left records");
      check_records(state, sink);
    } else if (first != venue::DecodeStatus::ok) {
      require(state.instruments.size() == instruments, "a refused message interned an instrument");
      require(!state.fault_field.empty(), "a refusal that names no field");
    }
    require(messages_of(state) == messages + 1, "a message was not counted once");
    require(state.message_kind < adapter.message_kinds.size(), "a kind that has no name");
  }
  return 0;
}

}  // namespace perp::test
