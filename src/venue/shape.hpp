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
#include <vector>

namespace perp::venue {

/// What the messages before looked like; speed alone depends on it. One VenueState's own. Allocates
/// when an instrument is new.
class ShapeMemory {
 public:
  /// The forms of one instrument's numbers, for each place in a shape that has one.
  static constexpr std::size_t form_slots = 16;
  using Forms = std::array<shape::FormCode, form_slots>;

  /// The instrument that came last, and its text up to the quote behind it.
  struct Symbol {
    alignas(16) std::array<char, 16> text{};
    std::uint32_t judged = 0x10000;  ///< a bit for each byte that counts; none yet
    std::uint32_t size = 0;
    const market::InstrumentEntry* entry = nullptr;
    std::size_t index = 0;  ///< of its forms
  };

  const Symbol& last() const { return last_; }
  void remember(std::string_view text, const market::InstrumentEntry& entry) {
    if (text.size() >= last_.text.size()) return;
    std::memcpy(last_.text.data(), text.data(), text.size());
    last_.text[text.size()] = '"';
    last_.size = static_cast<std::uint32_t>(text.size());
    last_.judged = (std::uint32_t{2} << text.size()) - 1;
    last_.entry = &entry;
    last_.index = entry.id & 0x00ff'ffff;
    if (forms_.size() <= last_.index) forms_.resize(last_.index + 1);
  }
  /// Of the instrument that came last. Valid until the next remember().
  Forms& forms() { return forms_[last_.index]; }

 private:
  Symbol last_;
  std::vector<Forms> forms_ = std::vector<Forms>(1);
};

/// What matching one message needs beside its text. `find(symbol)` gives the instrument of a text,
/// nullptr if it has none yet; of one text always the same as long as the memory lives.
template <class Find>
struct ShapeScope {
  ShapeScope(const char* message_end, ShapeMemory& shape_memory, Find find_instrument)
      : end(message_end),
        memory(shape_memory),
        find(find_instrument),
        forms(&shape_memory.forms()) {}

  const char* end;  ///< of the message; 64 bytes behind it are readable
  ShapeMemory& memory;
  Find find;
  shape::DecimalScale price_scale;
  shape::DecimalScale size_scale;
  ShapeMemory::Forms* forms;  ///< of the symbol, before it of the last message's
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
constexpr std::uint64_t word_of(std::string_view text) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size() && i < 8; ++i)
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << 8 * i;
  return word;
}

/// Whether the bytes at `at` are those of Text from Begin on. Reads at most 7 bytes behind them.
template <ShapeText Text, std::size_t Begin = 0, std::size_t Size = Text.view().size()>
[[gnu::always_inline]] inline bool equals(const char* at) {
  constexpr std::string_view text = Text.view().substr(Begin, Size);
  constexpr std::uint64_t first = word_of(text);
  if constexpr (Size < 8) {
    return (load<std::uint64_t>(at) ^ first) << (64 - 8 * Size) == 0;
  } else if constexpr (Size <= 16) {
    constexpr std::uint64_t last = word_of(text.substr(Size - 8));
    return ((load<std::uint64_t>(at) ^ first) | (load<std::uint64_t>(at + Size - 8) ^ last)) == 0;
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
  const int price_shift = -entry->price_divisor.exponent;
  const int size_shift = entry->quantity_factor.exponent;
  const auto is_within = [](int shift) { return shift >= -shift_limit && shift <= shift_limit; };
  if (!is_within(price_shift) || !is_within(size_shift)) return nullptr;
  scope.price_scale = DecimalScale(price_shift);
  scope.size_scale = DecimalScale(size_shift);
  scope.forms = &scope.memory.forms();
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

[[gnu::always_inline]] inline const char* read_boolean(const char* at, market::Tristate& value) {
  bool is_true = false;
  at = read_boolean(at, is_true);
  value = is_true ? market::Tristate::yes : market::Tristate::no;
  return at;
}

/// Which of two texts stands at `at`: that of Text from Begin on, First bytes long, or the one
/// behind its '|'.
template <ShapeText Text, std::size_t Begin, std::size_t First, std::size_t Second>
[[gnu::always_inline]] inline const char* read_choice(const char* at, bool& is_first) {
  is_first = equals<Text, Begin, First>(at);
  const bool is_second = equals<Text, Begin + First + 1, Second>(at);
  return (static_cast<unsigned>(is_first) | static_cast<unsigned>(is_second)) != 0
             ? at + (is_first ? First : Second)
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
      auto& row = rows.emplace_back();  // filled in its place: a copy would wait for its fields
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
      return shape::skip_usual_integer(at, form<step.hole, I>(scope));
    } else if constexpr (step.hole == Hole::skip_decimal) {
      double unused;
      return shape::read_usual_decimal(at, shape::DecimalScale(), unused,
                                       form<step.hole, I>(scope));
    } else if constexpr (step.hole == Hole::list) {
      return *at == ']' ? at : std::get<step.field>(fields).match(at, into, scope);
    } else {
      auto& field = into.*std::get<step.field>(fields);
      if constexpr (step.hole == Hole::symbol) {
        return shape::read_symbol(at, scope, field);
      } else if constexpr (step.hole == Hole::text) {
        const char* const end = shape::end_of_text(at, scope.end);
        if (end == nullptr || end == at) return nullptr;  // "" is nothing said
        field = std::string_view(at, static_cast<std::size_t>(end - at));
        return end;
      } else if constexpr (step.hole == Hole::price) {
        return shape::read_usual_decimal(at, scope.price_scale, field, form<Hole::price>(scope));
      } else if constexpr (step.hole == Hole::size) {
        return shape::read_decimal(at, terminator<I>(), scope.size_scale, field);
      } else if constexpr (step.hole == Hole::decimal) {
        return shape::read_usual_decimal(at, shape::DecimalScale(), field,
                                         form<step.hole, I>(scope));
      } else if constexpr (step.hole == Hole::percent) {
        return shape::read_usual_decimal(at, shape::DecimalScale(-2), field,
                                         form<step.hole, I>(scope));
      } else if constexpr (step.hole == Hole::integer) {
        return shape::read_usual_integer(at, field, form<step.hole, I>(scope));
      } else if constexpr (step.hole == Hole::time) {
        return shape::read_time(at, field);
      } else if constexpr (step.hole == Hole::choice) {
        constexpr std::size_t first = find_any(Text.view().substr(step.begin, step.size), "|");
        return shape::read_choice<Text, step.begin, first, step.size - first - 1>(at, field);
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

  static constexpr bool has_form(Hole hole) {
    return hole == Hole::decimal || hole == Hole::percent || hole == Hole::integer ||
           hole == Hole::skip_integer || hole == Hole::skip_decimal;
  }
  /// Where the memory keeps a hole's form: prices of a shape look alike, other numbers are each by
  /// itself, one place behind the other. That two shapes' places fall together costs time only.
  template <Hole hole, std::size_t I = 0, class Scope>
  static shape::FormCode& form(Scope& scope) {
    constexpr std::size_t hash = [] {
      std::size_t sum = 0;
      for (const char c : Text.view()) sum = sum * 31 + static_cast<unsigned char>(c);
      return sum;
    }();
    constexpr std::size_t number = [] {  // of the hole among those that have a place
      std::size_t count = 0;
      for (std::size_t i = 0; i < I; ++i)
        count += pattern.steps[i].kind == Kind::hole && has_form(pattern.steps[i].hole) ? 1U : 0U;
      return count;
    }();
    constexpr std::size_t of_prices = 4;
    constexpr std::size_t slot =
        hole == Hole::price ? hash % of_prices
                            : of_prices + (hash + number) % (ShapeMemory::form_slots - of_prices);
    return (*scope.forms)[slot];
  }
};

}  // namespace perp::venue
