#pragma once
// For tests of adapters: one VenueState fed with texts, its records copied out for looking at;
// captures read from the folder named by PERP_CAPTURES_DIR; and numbers computed from their decimal
// text without any of our own arithmetic.
#include <perp/market/record_kind.hpp>
#include <perp/venue/registry.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace perp::test {

using nlohmann::json;

/// A record as the test expects it, or as it came: everything but the ring's sequence number.
struct Seen {
  market::RecordType type = market::RecordType::padding;
  std::string native;
  std::int64_t exchange_ns = core::unknown_ns;
  std::int64_t receive_ns = core::unknown_ns;
  std::uint8_t flags = 0;
  std::vector<std::byte> payload;  ///< with what follows it (levels)

  template <class Payload>
  const Payload& as() const {
    EXPECT_GE(payload.size(), sizeof(Payload));
    return *reinterpret_cast<const Payload*>(payload.data());
  }
  std::vector<market::Level> levels() const {
    std::vector<market::Level> out((payload.size() - sizeof(market::Book)) / sizeof(market::Level));
    if (!out.empty())
      std::memcpy(out.data(), payload.data() + sizeof(market::Book),
                  out.size() * sizeof(market::Level));
    return out;
  }
};

template <class Payload>
Seen expect_record(market::RecordType type, const std::string& native, std::int64_t exchange_ns,
                   std::uint8_t flags, const Payload& payload,
                   const std::vector<market::Level>& levels = {}) {
  Seen seen{type, native, exchange_ns, core::unknown_ns, flags, {}};
  seen.payload.resize(sizeof payload + levels.size() * sizeof(market::Level));
  std::memcpy(seen.payload.data(), &payload, sizeof payload);
  if (!levels.empty())
    std::memcpy(seen.payload.data() + sizeof payload, levels.data(),
                levels.size() * sizeof(market::Level));
  return seen;
}

/// Text behind which `frame_padding` bytes of rubbish may be read and must not matter.
struct Padded {
  explicit Padded(const std::string& text)
      : bytes(text + std::string(venue::frame_padding, '}')), size(text.size()) {}
  std::string bytes;
  std::size_t size;
  std::string_view view() const { return {bytes.data(), size}; }
};

class DecodeSession {
 public:
  explicit DecodeSession(const venue::Adapter& adapter) : state(adapter) {}

  venue::DecodeStatus frame(const std::string& text, std::int64_t receive_ns = core::unknown_ns) {
    const Padded padded(text);
    sink_.reset();
    return keep(
        state.adapter.decode(state, {.payload = padded.view(), .receive_ns = receive_ns}, sink_));
  }
  venue::DecodeStatus rest(const std::string& endpoint, const std::string& text,
                           const std::string& symbol = "", const std::string& period = "",
                           bool is_backfill = false) {
    const Padded padded(text);
    sink_.reset();
    return keep(state.adapter.decode_rest(state,
                                          {.endpoint = endpoint,
                                           .symbol = symbol,
                                           .body = padded.view(),
                                           .period = period,
                                           .is_backfill = is_backfill},
                                          sink_));
  }

  /// Records of the last message, instrument definitions apart.
  std::vector<Seen> records;
  std::vector<market::Instrument> instruments;
  venue::VenueState state;

  const market::InstrumentEntry& entry(const std::string& native) {
    const market::InstrumentEntry* found = state.instruments.find(native);
    EXPECT_NE(found, nullptr) << native;
    static const market::InstrumentEntry none;
    return found == nullptr ? none : *found;
  }
  std::string_view kind() const { return state.adapter.message_kinds[state.message_kind]; }
  std::uint64_t count(std::string_view kind) const {
    for (std::size_t i = 0; i < state.adapter.message_kinds.size(); ++i)
      if (state.adapter.message_kinds[i] == kind) return state.messages[i];
    ADD_FAILURE() << "no such kind: " << kind;
    return 0;
  }
  std::uint64_t message_total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : state.messages) total += count;
    return total;
  }

 private:
  venue::DecodeStatus keep(venue::DecodeStatus status) {
    records.clear();
    instruments.clear();
    if (status != venue::DecodeStatus::ok) {
      EXPECT_EQ(sink_.bytes().size(), 0u) << "a refused message left records";
      EXPECT_EQ(sink_.record_count(), 0u);
    }
    std::size_t count = 0;
    for (std::span<const std::byte> rest = std::as_const(sink_).bytes(); !rest.empty(); ++count) {
      if (!market::is_well_formed(rest)) {
        ADD_FAILURE() << "record " << count << " is not well formed";
        break;
      }
      const auto& header = *reinterpret_cast<const market::RecordHeader*>(rest.data());
      take(header);
      rest = rest.subspan(header.size);
    }
    EXPECT_EQ(count, sink_.record_count());
    return status;
  }
  void take(const market::RecordHeader& header) {
    if (header.type == market::RecordType::instrument) {
      instruments.push_back(market::payload<market::Instrument>(header));
      return;
    }
    Seen seen{header.type, {}, header.exchange_ns, header.receive_ns, header.flags, {}};
    EXPECT_EQ(header.venue, state.instruments.venue());
    const std::size_t index = header.instrument & 0x00ff'ffff;
    if (index < state.instruments.size()) {
      EXPECT_EQ(state.instruments.entries()[index].id, header.instrument);
      seen.native = state.instruments.entries()[index].instrument.native.view();
    } else {
      ADD_FAILURE() << "a record about an instrument that was never defined";
    }
    const auto* begin = reinterpret_cast<const std::byte*>(&header + 1);
    seen.payload.assign(begin, begin + (header.size - sizeof header));
    records.push_back(std::move(seen));
  }

  // One for all messages: under AddressSanitizer each new one is a mapping of the kernel's.
  venue::RecordSink sink_;
};

/// Every byte of every record, NaN for NaN.
inline void expect_same(const std::vector<Seen>& got, const std::vector<Seen>& wanted,
                        const std::string& where) {
  ASSERT_EQ(got.size(), wanted.size()) << where;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::string place = where + " record " + std::to_string(i);
    EXPECT_EQ(market::name_of(got[i].type), market::name_of(wanted[i].type)) << place;
    EXPECT_EQ(got[i].native, wanted[i].native) << place;
    EXPECT_EQ(got[i].exchange_ns, wanted[i].exchange_ns) << place;
    EXPECT_EQ(int{got[i].flags}, int{wanted[i].flags}) << place;
    ASSERT_EQ(got[i].payload.size(), wanted[i].payload.size()) << place;
    for (std::size_t at = 0; at < got[i].payload.size(); at += 8) {
      std::uint64_t a = 0;
      std::uint64_t b = 0;
      std::memcpy(&a, got[i].payload.data() + at, 8);
      std::memcpy(&b, wanted[i].payload.data() + at, 8);
      double x = 0;
      double y = 0;
      std::memcpy(&x, &a, 8);
      std::memcpy(&y, &b, 8);
      EXPECT_TRUE(a == b || (std::isnan(x) && std::isnan(y)))
          << place << " " << market::name_of(got[i].type) << " payload byte " << at << ": " << x
          << " (" << a << ") for " << y << " (" << b << ")";
    }
  }
}

// --- numbers from text: schoolbook multiplication of decimal digits, then one strtod ---

/// An exact decimal: digits x 10^exponent.
struct Decimal {
  std::string digits = "1";
  int exponent = 0;
  bool is_negative = false;
};
inline Decimal to_decimal(std::string text) {
  Decimal out;
  out.is_negative = !text.empty() && text[0] == '-';
  if (out.is_negative) text.erase(0, 1);
  if (const std::size_t e = text.find_first_of("eE"); e != std::string::npos) {
    out.exponent = std::stoi(text.substr(e + 1));
    text.resize(e);
  }
  if (const std::size_t dot = text.find('.'); dot != std::string::npos) {
    out.exponent -= static_cast<int>(text.size() - dot - 1);
    text.erase(dot, 1);
  }
  out.digits = text;
  return out;
}
inline Decimal times(const Decimal& a, const Decimal& b) {
  std::vector<int> cells(a.digits.size() + b.digits.size(), 0);
  for (std::size_t i = a.digits.size(); i-- > 0;)
    for (std::size_t k = b.digits.size(); k-- > 0;) {
      const std::size_t at = i + k + 1;
      cells[at] += (a.digits[i] - '0') * (b.digits[k] - '0');
      cells[at - 1] += cells[at] / 10;
      cells[at] %= 10;
    }
  Decimal out{"", a.exponent + b.exponent, a.is_negative != b.is_negative};
  for (const int cell : cells) out.digits += static_cast<char>('0' + cell);
  return out;
}
inline double to_number(const Decimal& value) {
  return std::strtod(
      ((value.is_negative ? "-" : "") + value.digits + "e" + std::to_string(value.exponent))
          .c_str(),
      nullptr);
}

/// The text of a JSON scalar, "" for one that is absent or null.
inline std::string text_of(const json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}
/// text x factor, NaN for "". A factor of "" is an unknown one.
inline double scaled(const std::string& text, const std::string& factor = "1") {
  if (text.empty() || factor.empty()) return market::missing;
  return to_number(times(to_decimal(text), to_decimal(factor)));
}
inline std::int64_t ms(const std::string& text) {
  return text.empty() || text == "0" ? core::unknown_ns : std::stoll(text) * core::ns_per_ms;
}
inline std::int64_t whole(const std::string& text) {
  return text.empty() ? market::unknown_id : std::stoll(text);
}

// --- captures ---

/// The folder, or "" with the test skipped by the caller.
inline std::string captures_folder(const std::string& venue) {
  const char* root = std::getenv("PERP_CAPTURES_DIR");
  return root == nullptr || *root == '\0' ? "" : std::string(root) + "/" + venue;
}
#define PERP_REQUIRE_CAPTURES(folder, venue)                     \
  const std::string folder = perp::test::captures_folder(venue); \
  if (folder.empty()) GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recordings to read"

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}
/// The messages of a .json (whole), .jsonl (lines) or .tsv (time, tab, message) file, without the
/// ends of their lines.
inline std::vector<std::string> read_messages(const std::string& path) {
  std::string text = read_text(path);
  if (path.ends_with(".json")) return {text};
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (path.ends_with(".tsv")) line = line.substr(line.find('\t') + 1);
    if (!line.empty()) out.push_back(line);
  }
  return out;
}

/// The endpoint whose name or alias is the longest one inside a file's name, as recordings are
/// matched: letters and digits only, without regard to case.
inline std::string endpoint_in_name(const venue::Adapter& adapter, const std::string& file) {
  const auto plain = [](std::string_view text) {
    std::string out;
    for (const char c : text)
      if (std::isalnum(static_cast<unsigned char>(c)) != 0)
        out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  const std::string haystack = plain(file.substr(0, file.find('.')));
  std::string best;
  std::size_t best_size = 0;
  for (const venue::Endpoint& endpoint : adapter.endpoints) {
    std::istringstream names(std::string(endpoint.name) + " " + std::string(endpoint.aliases));
    for (std::string name; names >> name;)
      if (const std::string needle = plain(name);
          needle.size() > best_size && haystack.find(needle) != std::string::npos) {
        best = endpoint.name;
        best_size = needle.size();
      }
  }
  return best;
}

}  // namespace perp::test
