#pragma once
// The fast lane: a message in its usual spelling, matched byte for byte against a shape while its
// numbers are read (shape_pattern.hpp says how a shape is written, docs/hacking.md how one is
// added).
//
//   using Trade = Shape<R"({"e":"trade","s":"<symbol>","p":"<price>","T":<time>})",
//                       &TradeEvent::entry, &TradeEvent::price, &TradeEvent::exchange_ns>;
//
// The fields behind the pattern are filled in the order of its holes. A match is certain: every
// byte was looked at, and each value is what simdjson's lane would have read. Whatever is not
// certain (another order of keys, white space, an escape, text beyond ASCII, a long or odd number,
// an instrument that is not known yet) is no match, changes nothing but `into`, and is left to that
// lane. Private to the venue layer; a pure function; no allocation once a list's vector has grown.
#include "venue/shape_pattern.hpp"

#include <perp/market/instrument_table.hpp>
#include <perp/market/short_decimal.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace perp::venue {

/// What matching one message needs beside its text. `find(symbol)` gives the instrument of a text,
/// nullptr if it has none yet.
template <class Find>
struct ShapeScope {
  const char* end = nullptr;  ///< of the message; 64 bytes behind it are readable
  Find find;
  int price_shift = 0;
  int size_shift = 0;
};

namespace shape {

template <class Word>
Word load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Behind the end, or nullptr.
inline bool is_past(const char* at, const char* end) {
  return reinterpret_cast<std::uintptr_t>(at) - 1 >= reinterpret_cast<std::uintptr_t>(end);
}

/// Whether Size bytes at `at` are those at `text`, which is a constant. Reads at most 7 bytes
/// behind them.
template <std::size_t Size>
[[gnu::always_inline]] inline bool equals(const char* at, const char* text) {
  if constexpr (Size < 8) {
    std::uint64_t wanted = 0;
    std::memcpy(&wanted, text, Size);
    return (load<std::uint64_t>(at) ^ wanted) << (64 - 8 * Size) == 0;
#if defined(__SSE4_1__)
  } else if constexpr (Size >= 16) {
    __m128i difference = _mm_setzero_si128();
    const auto look = [&](std::size_t offset) {
      difference = _mm_or_si128(
          difference,
          _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + offset)),
                        _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + offset))));
    };
    for (std::size_t offset = 0; offset + 16 <= Size; offset += 16) look(offset);
    if constexpr (Size % 16 != 0) look(Size - 16);
    return _mm_test_all_zeros(difference, difference) != 0;
#endif
  } else {
    std::uint64_t difference = 0;
    for (std::size_t offset = 0; offset + 8 <= Size; offset += 8)
      difference |= load<std::uint64_t>(at + offset) ^ load<std::uint64_t>(text + offset);
    if constexpr (Size % 8 != 0)
      difference |= load<std::uint64_t>(at + Size - 8) ^ load<std::uint64_t>(text + Size - 8);
    return difference == 0;
  }
}

/// The quote that ends the printable ASCII text at `at`; nullptr where something else comes first.
[[gnu::always_inline]] inline const char* end_of_text(const char* at, const char* end) {
  for (; at <= end + shape_reach; at += 16) {
#if defined(__SSE4_1__)
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // Signed: bytes from 0x80 on are below ' ', too.
    const __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(' '), bytes),
                                                  _mm_cmpgt_epi8(bytes, _mm_set1_epi8('~'))),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    const auto found = static_cast<unsigned>(_mm_movemask_epi8(odd));
    if (found == 0) continue;
    at += std::countr_zero(found);
    return *at == '"' ? at : nullptr;
#else
    for (int i = 0; i < 16; ++i) {
      if (at[i] == '"') return at + i;
      if (at[i] < ' ' || at[i] > '~' || at[i] == '\\') return nullptr;
    }
#endif
  }
  return nullptr;
}

[[gnu::always_inline]] inline const char* read_time(const char* at, std::int64_t& time_ns) {
  std::int64_t ms = 0;
  at = market::parse_short_integer(at, ms);
  // 0 means "none" on these venues; beyond the year 2255 it is not a time in ms.
  if (at == nullptr || ms <= 0 || ms > 9'000'000'000'000) return nullptr;
  time_ns = ms * core::ns_per_ms;
  return at;
}

/// Without a branch on the value, which nobody can predict.
[[gnu::always_inline]] inline const char* read_boolean(const char* at, bool& value) {
  value = equals<4>(at, "true");
  const bool is_false = equals<5>(at, "false");
  return (static_cast<unsigned>(value) | static_cast<unsigned>(is_false)) != 0
             ? at + 5 - (value ? 1 : 0)
             : nullptr;
}

}  // namespace shape

/// The destination of a <list>: rows of the shape Row, appended to the vector that the message's
/// field points to.
template <class Row, auto Field>
struct ShapeList {
  template <class Message, class Scope>
  [[gnu::always_inline]] static const char* match(const char* at, Message& into, Scope& scope) {
    auto& rows = *(into.*Field);
    for (;; ++at) {
      auto& row = rows.emplace_back();
      at = Row::match(at, row, scope);
      if (at == nullptr || *at != ',') return at;
    }
  }
};
template <class Row, auto Field>
inline constexpr ShapeList<Row, Field> rows{};

template <ShapeText Text, auto... Fields>
class Shape {
 public:
  /// Matches at `at`. @returns the byte behind the shape, or nullptr. The caller looks whether the
  /// message ends there; `at` may be up to shape_reach bytes behind the message's end.
  template <class Message, class Scope>
  [[gnu::always_inline]] static const char* match(const char* at, Message& into, Scope& scope) {
    return run<0, pattern.step_count>(at, into, scope);
  }

 private:
  using Kind = ShapeStep::Kind;
  static constexpr ShapePattern<Text.view().size()> pattern{Text.view()};
  static_assert(pattern.field_count == sizeof...(Fields), "a field for each hole, in their order");
  static constexpr std::tuple fields{Fields...};

  /// Texts that are longer are preceded by a look at the message's end.
  static constexpr std::size_t short_literal = 16;
  static consteval bool is_within_reach() {
    std::size_t reach = 0;
    std::size_t first = 0;
    bool is_first = true;
    for (std::size_t i = 0; i < pattern.step_count; ++i) {
      const ShapeStep& step = pattern.steps[i];
      if (step.kind == Kind::literal) reach = step.size > short_literal ? 0 : reach + step.size;
      if (reach > shape_reach) return false;
      if (step.kind == Kind::group) continue;
      if (step.kind == Kind::hole || step.size > short_literal) {
        if (is_first) first = reach;
        is_first = false;
        reach = 0;
      }
    }
    return first + 1 + reach <= shape_reach;  // as a row of a list
  }
  static_assert(is_within_reach(), "texts that follow each other are too long together");

  template <std::size_t I>
  [[gnu::always_inline]] static bool is_literal(const char* at, const char* end) {
    constexpr ShapeStep step = pattern.steps[I];
    if constexpr (step.size > short_literal)
      if (end - at < static_cast<std::ptrdiff_t>(step.size)) return false;
    return shape::equals<step.size>(at, Text.data + step.begin);
  }

  template <std::size_t I, std::size_t End, class Message, class Scope>
  [[gnu::always_inline]] static const char* run(const char* at, Message& into, Scope& scope) {
    if constexpr (I == End) {
      return at;
    } else {
      constexpr ShapeStep step = pattern.steps[I];
      if constexpr (step.kind == Kind::literal) {
        if (!is_literal<I>(at, scope.end)) return nullptr;
        return run<I + 1, End>(at + step.size, into, scope);
      } else if constexpr (step.kind == Kind::group) {
        constexpr std::size_t behind = I + 1 + step.size;
        if (is_literal<I + 1>(at, scope.end)) {
          at = run<I + 2, behind>(at + pattern.steps[I + 1].size, into, scope);
          if (at == nullptr) return nullptr;
        }
        return run<behind, End>(at, into, scope);
      } else {
        at = fill<I>(at, into, scope);
        if (shape::is_past(at, scope.end)) return nullptr;
        return run<I + 1, End>(at, into, scope);
      }
    }
  }

  template <std::size_t I, class Message, class Scope>
  [[gnu::always_inline]] static const char* fill(const char* at, Message& into, Scope& scope) {
    constexpr ShapeStep step = pattern.steps[I];
    if constexpr (step.hole == Hole::skip_text) {
      return shape::end_of_text(at, scope.end);
    } else if constexpr (step.hole == Hole::skip_integer) {
      std::int64_t unused;
      return market::parse_short_integer(at, unused);
    } else if constexpr (step.hole == Hole::skip_decimal) {
      double unused;
      return market::parse_short_decimal(at, 0, unused);
    } else if constexpr (step.hole == Hole::list) {
      return *at == ']' ? at : std::get<step.field>(fields).match(at, into, scope);
    } else {
      auto& field = into.*std::get<step.field>(fields);
      if constexpr (step.hole == Hole::symbol) {
        const char* const end = shape::end_of_text(at, scope.end);
        if (end == nullptr) return nullptr;
        const market::InstrumentEntry* const entry =
            scope.find(std::string_view(at, static_cast<std::size_t>(end - at)));
        if (entry == nullptr || !entry->has_quantity_factor || entry->quantity_factor.mantissa != 1)
          return nullptr;
        scope.price_shift = -entry->price_divisor.exponent;
        scope.size_shift = entry->quantity_factor.exponent;
        field = entry;
        return end;
      } else if constexpr (step.hole == Hole::text) {
        const char* const end = shape::end_of_text(at, scope.end);
        if (end == nullptr) return nullptr;
        field = std::string_view(at, static_cast<std::size_t>(end - at));
        return end;
      } else if constexpr (step.hole == Hole::price) {
        return market::parse_short_decimal(at, scope.price_shift, field);
      } else if constexpr (step.hole == Hole::size) {
        return market::parse_short_decimal(at, scope.size_shift, field);
      } else if constexpr (step.hole == Hole::decimal) {
        return market::parse_short_decimal(at, 0, field);
      } else if constexpr (step.hole == Hole::percent) {
        return market::parse_short_decimal(at, -2, field);
      } else if constexpr (step.hole == Hole::integer) {
        return market::parse_short_integer(at, field);
      } else if constexpr (step.hole == Hole::time) {
        return shape::read_time(at, field);
      } else {
        static_assert(step.hole == Hole::boolean);
        return shape::read_boolean(at, field);
      }
    }
  }
};

}  // namespace perp::venue
