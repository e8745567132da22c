#pragma once
// Recorded messages and the independent reading of them: a test builds from nlohmann_json and
// strtod the records that a message should give, and compares them byte for byte with what the
// adapter wrote.
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue::test {

using Json = nlohmann::ordered_json;

/// The folder of recordings, from PERP_CAPTURES_DIR.
inline std::optional<std::string> captures_dir() {
  const char* dir = std::getenv("PERP_CAPTURES_DIR");
  if (dir == nullptr || *dir == '\0') return std::nullopt;
  return std::string(dir);
}

#define PERP_REQUIRE_CAPTURES(variable)                      \
  const auto variable = ::perp::venue::test::captures_dir(); \
  if (!variable.has_value()) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recordings"

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Line {
  std::int64_t receive_ns = core::unknown_ns;
  std::string payload;
};

/// "1723161255.030314667" seconds or "1723161255030314667" nanoseconds, without a detour through
/// double.
inline std::int64_t parse_stamp(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return std::stoll(std::string(text));
  std::string fraction(text.substr(point + 1));
  fraction.resize(9, '0');
  return std::stoll(std::string(text.substr(0, point))) * 1'000'000'000 + std::stoll(fraction);
}

/// Splits at line ends; a line may begin with a receive time and `separator`.
inline std::vector<Line> split_lines(const std::string& text, char separator) {
  std::vector<Line> lines;
  std::istringstream in(text);
  for (std::string row; std::getline(in, row);) {
    if (row.empty()) continue;
    Line line;
    if (row[0] >= '0' && row[0] <= '9') {
      const std::size_t at = row.find(separator);
      line.receive_ns = parse_stamp(std::string_view(row).substr(0, at));
      line.payload = row.substr(at + 1);
    } else {
      line.payload = row;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

/// The output of gunzip. nullopt where the program is not there.
inline std::optional<std::string> gunzip(const std::string& path) {
  FILE* pipe = popen(("gunzip -c '" + path + "' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text;
  char block[65536];
  for (std::size_t size = 0; (size = fread(block, 1, sizeof block, pipe)) > 0;)
    text.append(block, size);
  if (pclose(pipe) != 0) return std::nullopt;
  return text;
}

/// A message in its own allocation with the padding that decode() may read, so that a sanitizer
/// sees more.
class Padded {
 public:
  explicit Padded(std::string_view text)
      : data_(text.size() + frame_padding, '\0'), size_(text.size()) {
    std::memcpy(data_.data(), text.data(), text.size());
  }
  std::string_view view() const { return {data_.data(), size_}; }

 private:
  std::vector<char> data_;
  std::size_t size_;
};

/// Keeps the last message, which fault_field may point into.
inline const Padded& hold(std::string_view text) {
  static std::optional<Padded> held;
  return held.emplace(text);
}

inline DecodeStatus decode(VenueState& state, std::string_view payload, RecordSink& sink,
                           std::int64_t receive_ns = core::unknown_ns) {
  const Padded& padded = hold(payload);
  Frame frame;
  frame.payload = padded.view();
  frame.receive_ns = receive_ns;
  return state.adapter.decode(state, frame, sink);
}

struct Query {
  std::string_view endpoint;
  std::string_view symbol = {};
  std::string_view period = {};
  std::int64_t receive_ns = core::unknown_ns;
  bool is_backfill = false;
};

inline DecodeStatus decode_rest(VenueState& state, const Query& query, std::string_view body,
                                RecordSink& sink) {
  const Padded& padded = hold(body);
  RestReply reply;
  reply.endpoint = query.endpoint;
  reply.symbol = query.symbol;
  reply.period = query.period;
  reply.receive_ns = query.receive_ns;
  reply.is_backfill = query.is_backfill;
  reply.body = padded.view();
  return state.adapter.decode_rest(state, reply, sink);
}

// --- what a number in a message means, without the product's parser ---

/// The text of a JSON scalar with its decimal exponent shifted, through strtod.
inline double number(const Json& value, int shift = 0) {
  if (value.is_null()) return market::missing;
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.empty()) return market::missing;
  const std::string shifted = text + "e" + std::to_string(shift);
  char* end = nullptr;
  const double result = std::strtod(shifted.c_str(), &end);
  EXPECT_EQ(*end, '\0') << text;
  return result;
}

inline double optional_number(const Json& object, const char* key, int shift = 0) {
  return object.contains(key) ? number(object.at(key), shift) : market::missing;
}

inline std::int64_t time_of(const Json& value) {
  const auto ms = value.get<std::int64_t>();
  return ms == 0 ? core::unknown_ns : ms * 1'000'000;
}

// --- records, expected and found ---

struct Expected {
  market::RecordType type = market::RecordType::padding;
  std::string native;
  std::int64_t exchange_ns = core::unknown_ns;
  std::uint8_t flags = 0;
  std::string body;  ///< the payload's bytes and what follows them
};

template <class Payload>
Expected expect(market::RecordType type, std::string native, std::int64_t exchange_ns,
                std::uint8_t flags, const Payload& payload, std::string_view tail = {}) {
  Expected expected{type, std::move(native), exchange_ns, flags, std::string(sizeof payload, '\0')};
  std::memcpy(expected.body.data(), &payload, sizeof payload);
  expected.body += tail;
  return expected;
}

inline std::string level_bytes(const std::vector<market::Level>& bids,
                               const std::vector<market::Level>& asks) {
  std::string bytes((bids.size() + asks.size()) * sizeof(market::Level), '\0');
  if (!bids.empty()) std::memcpy(bytes.data(), bids.data(), bids.size() * sizeof(market::Level));
  if (!asks.empty())
    std::memcpy(bytes.data() + bids.size() * sizeof(market::Level), asks.data(),
                asks.size() * sizeof(market::Level));
  return bytes;
}

inline std::string_view native_of(const VenueState& state, std::uint32_t id) {
  const std::size_t index = id & 0x00ff'ffff;
  return index < state.instruments.size()
             ? state.instruments.entries()[index].instrument.native.view()
             : "<unknown>";
}

/// Compares all records but instrument and gap records with what is expected. @returns whether they
/// were equal; the first difference is a test failure that shows `message`.
inline bool matches(const VenueState& state, const RecordSink& sink,
                    const std::vector<Expected>& expected, std::int64_t receive_ns,
                    std::string_view message) {
  std::size_t index = 0;
  std::string difference;
  for_each_record(sink.bytes(), [&](const market::RecordHeader& header) {
    if (!market::is_well_formed({reinterpret_cast<const std::byte*>(&header), header.size}))
      difference = "a record is not well-formed";
    if (header.type == market::RecordType::instrument || header.type == market::RecordType::gap ||
        !difference.empty())
      return;
    if (index == expected.size()) {
      difference = "more records than expected";
      return;
    }
    const Expected& want = expected[index++];
    const std::string at = "record " + std::to_string(index - 1);
    const auto* body = reinterpret_cast<const char*>(&header + 1);
    const std::size_t size = header.size - sizeof header;
    if (header.type != want.type)
      difference = at + ": type " + std::to_string(static_cast<int>(header.type));
    else if (native_of(state, header.instrument) != want.native)
      difference = at + ": instrument " + std::string(native_of(state, header.instrument));
    else if (header.exchange_ns != want.exchange_ns)
      difference = at + ": exchange_ns " + std::to_string(header.exchange_ns) + " not " +
                   std::to_string(want.exchange_ns);
    else if (header.receive_ns != receive_ns)
      difference = at + ": receive_ns";
    else if (header.venue != state.instruments.venue())
      difference = at + ": venue";
    else if (header.flags != want.flags)
      difference =
          at + ": flags " + std::to_string(header.flags) + " not " + std::to_string(want.flags);
    else if (size != want.body.size())
      difference =
          at + ": size " + std::to_string(size) + " not " + std::to_string(want.body.size());
    else if (std::memcmp(body, want.body.data(), size) != 0) {
      std::size_t byte = 0;
      while (body[byte] == want.body[byte]) ++byte;
      double found = 0;
      double wanted = 0;
      std::memcpy(&found, body + byte / 8 * 8, 8);
      std::memcpy(&wanted, want.body.data() + byte / 8 * 8, 8);
      difference = at + ": payload differs at byte " + std::to_string(byte) + ": " +
                   std::to_string(found) + " not " + std::to_string(wanted);
    }
  });
  if (difference.empty() && index != expected.size())
    difference =
        "found " + std::to_string(index) + " records, not " + std::to_string(expected.size());
  EXPECT_TRUE(difference.empty()) << difference << "\n" << message.substr(0, 700);
  return difference.empty();
}

/// The payload of the only record of a type in the sink.
template <class Payload>
const Payload* only(const RecordSink& sink, market::RecordType type,
                    const market::RecordHeader** found = nullptr) {
  const Payload* payload = nullptr;
  int count = 0;
  for_each_record(sink.bytes(), [&](const market::RecordHeader& header) {
    if (header.type != type) return;
    ++count;
    payload = &market::payload<Payload>(header);
    if (found != nullptr) *found = &header;
  });
  EXPECT_EQ(count, 1);
  return count == 1 ? payload : nullptr;
}

inline std::uint64_t messages_of(const VenueState& state, std::string_view kind) {
  for (std::size_t i = 0; i < state.adapter.message_kinds.size(); ++i)
    if (state.adapter.message_kinds[i] == kind) return state.messages[i];
  ADD_FAILURE() << "no kind " << kind;
  return 0;
}

inline std::uint64_t messages_total(const VenueState& state) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : state.messages) total += count;
  return total;
}

}  // namespace perp::venue::test
