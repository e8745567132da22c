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
#include "venue/shape_number.hpp"
#include "venue/shape_pattern.hpp"

#include <perp/core/time.hpp>
#include <perp/market/instrument_table.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace perp::venue {

/// What the messages before looked like; speed alone depends on it. One VenueState's own. Allocates
/// when an instrument is new.
class ShapeMemory {
 public:
  /// Prices of one instrument may have several forms: mark prices are longer than those traded.
  static constexpr std::size_t price_slots = 4;
  static constexpr std::size_t hole_slots = 256;
  using PriceForms = std::array<shape::FormCode, price_slots>;

  /// The instrument that came last, and its text up to the quote behind it.
  struct Symbol {
    alignas(16) std::array<char, 16> text{};
    std::uint32_t judged = 0x10000;  ///< a bit for each byte that counts; none yet
    std::uint32_t size = 0;
    const market::InstrumentEntry* entry = nullptr;
  };

  const Symbol& last() const { return last_; }
  void remember(std::string_view text, const market::InstrumentEntry& entry) {
    if (text.size() >= last_.text.size()) return;
    std::memcpy(last_.text.data(), text.data(), text.size());
    last_.text[text.size()] = '"';
    last_.size = static_cast<std::uint32_t>(text.size());
    last_.judged = (std::uint32_t{2} << text.size()) - 1;
    last_.entry = &entry;
    if (prices_.size() <= index_of(entry)) prices_.resize(index_of(entry) + 1);
  }
  PriceForms& prices_of(const market::InstrumentEntry& entry) {
    const std::size_t index = index_of(entry);
    return index < prices_.size() ? prices_[index] : prices_.front();
  }
  shape::FormCode& hole(std::size_t slot) { return holes_[slot]; }

 private:
  static std::size_t index_of(const market::InstrumentEntry& entry) {
    return entry.id & 0x00ff'ffff;
  }

  Symbol last_;
  std::array<shape::FormCode, hole_slots> holes_{};
  std::vector<PriceForms> prices_ = std::vector<PriceForms>(1);
};

/// What matching one message needs beside its text. `find(symbol)` gives the instrument of a text,
/// nullptr if it has none yet; of one text always the same as long as the memory lives.
template <class Find>
struct ShapeScope {
  const char* end = nullptr;  ///< of the message; 64 bytes behind it are readable
  ShapeMemory& memory;
  Find find;
  int price_shift = 0;
  int size_shift = 0;
  ShapeMemory::PriceForms* prices = nullptr;  ///< of the symbol
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

/// Up to eight bytes of a text as they lie in memory.
consteval std::uint64_t word_of(std::string_view text) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size() && i < 8; ++i)
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << 8 * i;
  return word;
}

/// Whether the bytes at `at` are those of Text from Begin on. Reads at most 7 bytes behind them.
template <ShapeText Text, std::size_t Begin = 0, std::size_t Size = Text.view().size()>
[[gnu::always_inline]] inline bool equals(const char* at) {
  constexpr std::string_view text = Text.view().substr(Begin, Size);
  if constexpr (Size < 8) {
    return (load<std::uint64_t>(at) ^ word_of(text)) << (64 - 8 * Size) == 0;
  } else if constexpr (Size <= 16) {
    return ((load<std::uint64_t>(at) ^ word_of(text)) |
            (load<std::uint64_t>(at + Size - 8) ^ word_of(text.substr(Size - 8)))) == 0;
  } else {
    return equals<Text, Begin, 16>(at) && equals<Text, Begin + 16, Size - 16>(at + 16);
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
  FormCode form = 13 * 16;  // between 2001 and 2286
  std::int64_t ms = 0;
  at = read_usual_integer(at, ms, form);
  // 0 means "none" on these venues; beyond the year 2255 it is not a time in ms.
  if (at == nullptr || ms <= 0 || ms > 9'000'000'000'000) return nullptr;
  time_ns = ms * core::ns_per_ms;
  return at;
}

/// Whether the text at `at` is this symbol's, up to its quote.
[[gnu::always_inline]] inline bool is_symbol(const char* at, const ShapeMemory::Symbol& symbol) {
#if defined(__SSE4_1__)
  const __m128i same =
      _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)),
                     _mm_load_si128(reinterpret_cast<const __m128i*>(symbol.text.data())));
  return (static_cast<std::uint32_t>(_mm_movemask_epi8(same)) & symbol.judged) == symbol.judged;
#else
  return symbol.size != 0 && std::memcmp(at, symbol.text.data(), symbol.size + 1) == 0;
#endif
}

template <class Scope>
[[gnu::noinline]] const market::InstrumentEntry* find_symbol(std::string_view text, Scope& scope) {
  const market::InstrumentEntry* const entry = scope.find(text);
  if (entry != nullptr) scope.memory.remember(text, *entry);
  return entry;
}

/// An instrument and with it the scales of what follows.
template <class Scope>
[[gnu::always_inline]] inline const char* read_symbol(const char* at, Scope& scope,
                                                      const market::InstrumentEntry*& into) {
  const ShapeMemory::Symbol& last = scope.memory.last();
  const market::InstrumentEntry* entry = last.entry;
  const char* end = at + last.size;
  if (!is_symbol(at, last)) [[unlikely]] {
    end = end_of_text(at, scope.end);
    if (end == nullptr) return nullptr;
    entry = find_symbol(std::string_view(at, static_cast<std::size_t>(end - at)), scope);
    if (entry == nullptr) return nullptr;
  }
  if (!entry->has_quantity_factor || entry->quantity_factor.mantissa != 1) return nullptr;
  scope.price_shift = -entry->price_divisor.exponent;
  scope.size_shift = entry->quantity_factor.exponent;
  scope.prices = &scope.memory.prices_of(*entry);
  into = entry;
  return end;
}

/// Without a branch on the value, which nobody can predict.
[[gnu::always_inline]] inline const char* read_boolean(const char* at, bool& value) {
  value = equals<"true">(at);
  const bool is_false = equals<"false">(at);
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
    return shape::equals<Text, step.begin, step.size>(at);
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
      return shape::skip_usual_integer(at, scope.memory.hole(slot + I));
    } else if constexpr (step.hole == Hole::skip_decimal) {
      double unused;
      return shape::read_usual_decimal(at, 0, unused, scope.memory.hole(slot + I));
    } else if constexpr (step.hole == Hole::list) {
      return *at == ']' ? at : std::get<step.field>(fields).match(at, into, scope);
    } else {
      auto& field = into.*std::get<step.field>(fields);
      if constexpr (step.hole == Hole::symbol) {
        return shape::read_symbol(at, scope, field);
      } else if constexpr (step.hole == Hole::text) {
        const char* const end = shape::end_of_text(at, scope.end);
        if (end == nullptr) return nullptr;
        field = std::string_view(at, static_cast<std::size_t>(end - at));
        return end;
      } else if constexpr (step.hole == Hole::price) {
        return shape::read_usual_decimal(at, scope.price_shift, field,
                                         (*scope.prices)[slot % ShapeMemory::price_slots]);
      } else if constexpr (step.hole == Hole::size) {
        return shape::read_decimal(at, terminator<I>(), scope.size_shift, field);
      } else if constexpr (step.hole == Hole::decimal) {
        return shape::read_usual_decimal(at, 0, field, scope.memory.hole(slot + I));
      } else if constexpr (step.hole == Hole::percent) {
        return shape::read_usual_decimal(at, -2, field, scope.memory.hole(slot + I));
      } else if constexpr (step.hole == Hole::integer) {
        return shape::read_usual_integer(at, field, scope.memory.hole(slot + I));
      } else if constexpr (step.hole == Hole::time) {
        return shape::read_time(at, field);
      } else {
        static_assert(step.hole == Hole::boolean);
        return shape::read_boolean(at, field);
      }
    }
  }

  /// The byte behind a hole.
  template <std::size_t I>
  static consteval char terminator() {
    static_assert(I + 1 < pattern.step_count && pattern.steps[I + 1].kind == Kind::literal,
                  "text must follow a size");
    return Text.data[pattern.steps[I + 1].begin];
  }

  /// Where the memory keeps this shape's holes. That two shapes share a place costs time only.
  static constexpr std::size_t slot = [] {
    std::size_t hash = 0;
    for (const char c : Text.view()) hash = hash * 31 + static_cast<unsigned char>(c);
    return hash % (ShapeMemory::hole_slots - pattern.step_count);
  }();
};

}  // namespace perp::venue
