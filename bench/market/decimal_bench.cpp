// Numbers from text: ours against strtod, std::from_chars, fast_float and simdjson's own parser on
// a shuffled mix of recorded texts (PERP_CAPTURES_DIR; otherwise on generated ones of like
// lengths), so that neither length nor place of the point can be guessed. One item is one number.
//   recorded     the places are known in advance, numbers overlap in the processor: throughput
//   chain        the next number begins behind the end of the last, as in a message: latency counts
//   timestamps   integers of 13 digits; ids: integers of 9 to 13
// `perp_baseline` is our path without SSE4.1, `perp_view` is parse_decimal() of a string_view,
// which has nothing readable behind it.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "market/decimal_texts.hpp"

#include <perp/core/prng.hpp>
#include <perp/market/decimal.hpp>
#include <perp/market/short_decimal.hpp>

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cstdlib>
#include <fast_float/fast_float.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {
namespace {

constexpr std::size_t text_count = 32'768;

/// Texts as they stand in a message: "...","...",
struct Texts {
  struct Place {
    std::uint32_t offset;
    std::uint32_t size;
  };
  std::string buffer;
  std::vector<Place> places;

  void add(std::string_view text) {
    buffer += '"';
    places.push_back(
        {static_cast<std::uint32_t>(buffer.size()), static_cast<std::uint32_t>(text.size())});
    buffer.append(text).append("\",");
  }
  void close() { buffer.append(64, ' '); }
  const char* begin() const { return buffer.data() + 1; }
  const char* end() const { return buffer.data() + buffer.size(); }
};
constexpr std::size_t between = 3;  // from a text's end to the next one's beginning

bool is_decimal(std::string_view text) {
  double value = 0;
  return !text.empty() && text.size() < 24 && text.find_first_not_of("-.0123456789") == text.npos &&
         market::parse_decimal(text, value);
}

/// What stands between quotes and is a number, of all WebSocket recordings of one venue.
std::vector<std::string> recorded(const std::filesystem::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("ws_")) continue;
    std::string all(static_cast<std::size_t>(entry.file_size()), '\0');
    std::ifstream(entry.path(), std::ios::binary)
        .read(all.data(), static_cast<std::streamsize>(all.size()));
    for (std::size_t at = 0; (at = all.find('"', at)) != all.npos;) {
      const std::size_t end = all.find('"', ++at);
      if (end == all.npos) break;
      if (const auto text = std::string_view(all).substr(at, end - at); is_decimal(text))
        found.emplace_back(text);
      at = end;  // a closing quote may be taken for an opening one: what lies between is no number
    }
  }
  return found;
}

std::string generated(core::Prng& prng) {
  const auto with = [&](std::int64_t whole, std::int64_t fraction) {
    std::string text = std::to_string(prng.below(static_cast<std::uint64_t>(whole)));
    if (fraction > 0) text += '.';
    for (; fraction > 0; --fraction) text += static_cast<char>('0' + prng.below(10));
    return text;
  };
  switch (prng.below(8)) {
    case 0: return "0";
    case 1: return with(1'000, 0);
    case 2: return with(100, 3);
    case 3: return with(10, prng.between(3, 8));
    case 4: return with(1, prng.between(4, 8));
    case 5: return with(100'000, 1);
    case 6: return with(100'000, 2);
    default: return with(1'000'000'000, prng.between(0, 4));
  }
}

/// As many of each venue, in random order.
const Texts& mixed() {
  static const Texts texts = [] {
    Texts out;
    core::Prng prng(3);
    std::vector<std::vector<std::string>> sources;
    if (const char* dir = std::getenv("PERP_CAPTURES_DIR"); dir != nullptr) {
      for (const char* venue : {"binance", "bybit", "okx", "hyperliquid"})
        sources.push_back(recorded(std::filesystem::path(dir) / venue));
    } else {
      sources.resize(1);
      for (std::size_t i = 0; i < text_count; ++i) sources[0].push_back(generated(prng));
    }
    for (std::size_t i = 0; i < text_count; ++i) {
      const auto& source = sources[i % sources.size()];
      require(!source.empty(), "decimal: no numbers in the recordings");
      out.add(source[prng.below(source.size())]);
    }
    // Venues took turns; now they do not.
    Texts shuffled;
    for (std::size_t i = 0; i < text_count; ++i)
      std::swap(out.places[i], out.places[i + prng.below(text_count - i)]);
    for (const auto& place : out.places)
      shuffled.add(std::string_view(out.buffer).substr(place.offset, place.size));
    shuffled.close();
    return shuffled;
  }();
  return texts;
}

Texts integers(std::uint64_t low, std::uint64_t high, bool is_any_length) {
  core::Prng prng(4);
  Texts texts;
  for (std::size_t i = 0; i < text_count; ++i) {
    const std::uint64_t bound = is_any_length ? high >> prng.below(14) : high;
    texts.add(std::to_string(low + prng.below(bound - low)));
  }
  texts.close();
  return texts;
}
const Texts& timestamps() {
  static const Texts texts = integers(1'600'000'000'000, 1'800'000'000'000, false);
  return texts;
}
const Texts& ids() {
  static const Texts texts = integers(100'000'000, 8'000'000'000'000, true);
  return texts;
}

// Each reads the number at `at` (it has `size` bytes) and returns the first byte behind it, nullptr
// for a refusal.

struct Perp {
  static const char* read(const char* at, std::size_t, double& value) {
    return market::parse_short_decimal(at, 0, value);
  }
  static const char* read(const char* at, std::size_t, std::int64_t& value) {
    return market::parse_short_integer(at, value);
  }
};
struct PerpBaseline {
  static const char* read(const char* at, std::size_t, double& value) {
    return market::parse_short_decimal<market::detail::SwarReader>(at, 0, value);
  }
  static const char* read(const char* at, std::size_t, std::int64_t& value) {
    return market::parse_short_integer<market::detail::SwarReader>(at, value);
  }
};
struct PerpView {
  static const char* read(const char* at, std::size_t size, double& value) {
    return market::parse_decimal({at, size}, value) ? at + size : nullptr;
  }
  static const char* read(const char* at, std::size_t size, std::int64_t& value) {
    return market::parse_integer({at, size}, value) ? at + size : nullptr;
  }
};
struct FastFloat {
  static const char* read(const char* at, std::size_t size, double& value) {
    const auto result = fast_float::from_chars(at, at + size, value);
    return result.ec == std::errc{} ? result.ptr : nullptr;
  }
};
struct FromChars {
  template <class Number>
  static const char* read(const char* at, std::size_t size, Number& value) {
    const auto result = std::from_chars(at, at + size, value);
    return result.ec == std::errc{} ? result.ptr : nullptr;
  }
};
struct Strtod {
  static const char* read(const char* at, std::size_t, double& value) {
    char* end = nullptr;
    value = std::strtod(at, &end);
    return end;
  }
};
struct Simdjson {  // takes a text in quotes
  static const char* read(const char* at, std::size_t size, double& value) {
    namespace parser = simdjson::SIMDJSON_BUILTIN_IMPLEMENTATION::numberparsing;
    const auto* text = reinterpret_cast<const std::uint8_t*>(at - 1);
    return parser::parse_double_in_string(text).get(value) == simdjson::SUCCESS ? at + size
                                                                                : nullptr;
  }
};

template <class Who, class Number>
void check(const Texts& texts) {
  for (const auto& place : texts.places) {
    const char* const at = texts.buffer.data() + place.offset;
    const std::string text(at, place.size);
    Number value = 0;
    require(Who::read(at, place.size, value) == at + place.size, "decimal: wrong end");
    if constexpr (std::is_same_v<Number, double>) {
      require(std::bit_cast<std::uint64_t>(value) ==
                  std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)),
              "decimal: wrong value");
    } else {
      require(value == std::strtoll(text.c_str(), nullptr, 10), "integer: wrong value");
    }
  }
}

template <class Who, class Number, const Texts& (*Source)()>
void known_places(benchmark::State& state) {
  const Texts& texts = Source();
  check<Who, Number>(texts);
  for (auto _ : state) {
    Number sum = 0;
    for (const auto& place : texts.places) {
      Number value = 0;
      if (Who::read(texts.buffer.data() + place.offset, place.size, value) == nullptr) break;
      sum += value;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(text_count));
}

template <class Who, class Number, const Texts& (*Source)()>
void chain(benchmark::State& state) {
  const Texts& texts = Source();
  check<Who, Number>(texts);
  for (auto _ : state) {
    Number sum = 0;
    const char* at = texts.begin();
    for (std::size_t i = 0; i < text_count; ++i) {
      Number value = 0;
      at = Who::read(at, static_cast<std::size_t>(texts.end() - at), value);
      if (at == nullptr) break;
      at += between;
      sum += value;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(text_count));
}

/// Every path against strtod; the answer is what counts, not the time.
void equal_to_strtod(benchmark::State& state) {
  constexpr std::uint64_t count = 100'000'000;
  std::uint64_t seed = 20261125;
  std::uint64_t refused = 0;
  for (auto _ : state) {
    market::testing::DecimalTexts texts(seed++);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string_view text = texts.next();
      const auto expected = std::bit_cast<std::uint64_t>(std::strtod(text.data(), nullptr));
      const auto is_right = [&](const char* end, double value) {
        return end == text.data() + text.size() && std::bit_cast<std::uint64_t>(value) == expected;
      };
      double value = 0;
      const char* end = Perp::read(text.data(), text.size(), value);
      refused += end == nullptr;
      bool is_equal = end == nullptr || is_right(end, value);
      end = PerpBaseline::read(text.data(), text.size(), value);
      is_equal &= end == nullptr || is_right(end, value);
      is_equal &= is_right(PerpView::read(text.data(), text.size(), value), value);
      if (!is_equal) throw std::runtime_error("differs from strtod: " + std::string(text));
    }
  }
  require(refused == 0, "decimal: a short text was refused");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}

BENCHMARK(known_places<Perp, double, mixed>)->Name("market/decimal/perp/recorded");
BENCHMARK(known_places<PerpBaseline, double, mixed>)->Name("market/decimal/perp_baseline/recorded");
BENCHMARK(known_places<PerpView, double, mixed>)->Name("market/decimal/perp_view/recorded");
BENCHMARK(known_places<FastFloat, double, mixed>)->Name("market/decimal/fast_float/recorded");
BENCHMARK(known_places<FromChars, double, mixed>)->Name("market/decimal/from_chars/recorded");
BENCHMARK(known_places<Simdjson, double, mixed>)->Name("market/decimal/simdjson/recorded");
BENCHMARK(known_places<Strtod, double, mixed>)->Name("market/decimal/strtod/recorded");
BENCHMARK(chain<Perp, double, mixed>)->Name("market/decimal/perp/chain");
BENCHMARK(chain<PerpBaseline, double, mixed>)->Name("market/decimal/perp_baseline/chain");
BENCHMARK(chain<FastFloat, double, mixed>)->Name("market/decimal/fast_float/chain");
BENCHMARK(chain<FromChars, double, mixed>)->Name("market/decimal/from_chars/chain");
BENCHMARK(chain<Strtod, double, mixed>)->Name("market/decimal/strtod/chain");

BENCHMARK(known_places<Perp, std::int64_t, timestamps>)->Name("market/integer/perp/timestamps");
BENCHMARK(known_places<PerpBaseline, std::int64_t, timestamps>)
    ->Name("market/integer/perp_baseline/timestamps");
BENCHMARK(known_places<PerpView, std::int64_t, timestamps>)
    ->Name("market/integer/perp_view/timestamps");
BENCHMARK(known_places<FromChars, std::int64_t, timestamps>)
    ->Name("market/integer/from_chars/timestamps");
BENCHMARK(known_places<Perp, std::int64_t, ids>)->Name("market/integer/perp/ids");
BENCHMARK(known_places<PerpBaseline, std::int64_t, ids>)->Name("market/integer/perp_baseline/ids");
BENCHMARK(known_places<PerpView, std::int64_t, ids>)->Name("market/integer/perp_view/ids");
BENCHMARK(known_places<FromChars, std::int64_t, ids>)->Name("market/integer/from_chars/ids");

BENCHMARK(equal_to_strtod)
    ->Name("market/decimal/perp/equal_to_strtod_100M")
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

const bool goals = [] {
  at_least("market/decimal/*/recorded", {"fast_float"}, 2.5);
  at_least("market/decimal/*/chain", {"fast_float"}, 2.5);
  at_least("market/integer/*/timestamps", {"from_chars"}, 1.5);
  rounds("market/decimal/*/equal_to_strtod_100M", 1);
  return true;
}();

}  // namespace
}  // namespace perp::bench
