#pragma once
// simdjson On-Demand for adapters: one message, its fields by name in any order, each number scaled
// and rounded once. The first refusal is remembered with its field; later reads then return missing
// values, so a decoder reads everything and asks once. Private to the venue layer. No allocation
// once the parser has grown.
#include <perp/market/decimal.hpp>
#include <perp/market/instrument_table.hpp>
#include <perp/venue/adapter.hpp>

#include <simdjson.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace perp::venue::json {

namespace ondemand = simdjson::ondemand;

/// The first refusal of a message and the field that caused it.
struct Fault {
  DecodeStatus status = DecodeStatus::ok;
  std::string_view field;

  bool ok() const { return status == DecodeStatus::ok; }
  void raise(DecodeStatus why, std::string_view where) {
    if (status != DecodeStatus::ok) return;
    status = why;
    field = where.empty() ? "message" : where;  // a venue may refuse without a word
  }
};

inline DecodeStatus status_of(simdjson::error_code code) {
  switch (code) {
    case simdjson::SUCCESS: return DecodeStatus::ok;
    case simdjson::UTF8_ERROR: return DecodeStatus::not_utf8;
    case simdjson::NO_SUCH_FIELD: return DecodeStatus::missing_field;
    case simdjson::INCORRECT_TYPE: return DecodeStatus::wrong_type;
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE: return DecodeStatus::out_of_range;
    case simdjson::INDEX_OUT_OF_BOUNDS: return DecodeStatus::missing_field;
    default: return DecodeStatus::malformed_json;
  }
}

/// One scalar as it stands in the message, without white space around it.
struct Token {
  std::string_view text;  ///< for a string: what is between the quotes, escapes not resolved
  bool is_string = false;
  bool is_null = false;
  bool is_missing = false;  ///< no such field
  /// Nothing was said: absent, null or "".
  bool is_empty() const { return is_missing || is_null || (is_string && text.empty()); }
};

inline constexpr Token absent{.text = {}, .is_string = false, .is_null = false, .is_missing = true};

inline Token make_token(std::string_view raw, Fault& fault, std::string_view field) {
  while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= ' ') raw.remove_suffix(1);
  Token token;
  if (raw.empty()) {
    fault.raise(DecodeStatus::malformed_json, field);
    token.is_missing = true;
    return token;
  }
  if (raw.front() == '"') {
    if (raw.size() < 2 || raw.back() != '"') {
      fault.raise(DecodeStatus::malformed_json, field);
      return token;
    }
    token.is_string = true;
    token.text = raw.substr(1, raw.size() - 2);
  } else {
    token.text = raw;
    token.is_null = raw == "null";
    if (raw.front() == '{' || raw.front() == '[') fault.raise(DecodeStatus::wrong_type, field);
  }
  return token;
}

inline Token token_of(simdjson::simdjson_result<ondemand::value> value, Fault& fault,
                      std::string_view field) {
  Token token;
  ondemand::value inner;
  if (const auto error = std::move(value).get(inner); error != simdjson::SUCCESS) {
    token.is_missing = true;
    if (error != simdjson::NO_SUCH_FIELD) fault.raise(status_of(error), field);
    return token;
  }
  return make_token(inner.raw_json_token(), fault, field);
}

// --- a token as a value. `required`: absent, null or "" is a fault; otherwise it is a missing
// value. ---

inline double decimal(const Token& token, market::Scale scale, bool required, Fault& fault,
                      std::string_view field) {
  double value = market::missing;
  if (token.is_empty()) {
    if (required) fault.raise(DecodeStatus::missing_field, field);
    return value;
  }
  if (!market::parse_decimal(token.text, scale, value)) {
    const bool looks_like_number =
        !token.text.empty() &&
        (token.text[0] == '-' || (token.text[0] >= '0' && token.text[0] <= '9'));
    fault.raise(looks_like_number ? DecodeStatus::out_of_range : DecodeStatus::wrong_type, field);
    return market::missing;
  }
  return value;
}

inline std::int64_t integer(const Token& token, bool required, Fault& fault,
                            std::string_view field) {
  std::int64_t value = market::unknown_id;
  if (token.is_empty()) {
    if (required) fault.raise(DecodeStatus::missing_field, field);
    return value;
  }
  if (!market::parse_integer(token.text, value)) {
    const bool looks_like_number =
        !token.text.empty() &&
        (token.text[0] == '-' || (token.text[0] >= '0' && token.text[0] <= '9'));
    fault.raise(looks_like_number ? DecodeStatus::out_of_range : DecodeStatus::wrong_type, field);
    return market::unknown_id;
  }
  return value;
}

/// A wire time in milliseconds (number or text) as ns. 0 is "none" on these venues and becomes
/// unknown.
inline std::int64_t time_ms(const Token& token, bool required, Fault& fault,
                            std::string_view field) {
  const std::int64_t ms = integer(token, required, fault, field);
  if (ms == market::unknown_id || ms == 0) return core::unknown_ns;
  if (ms < 0 || ms > 9'000'000'000'000) {  // beyond the year 2255 it is not a time in ms
    fault.raise(DecodeStatus::out_of_range, field);
    return core::unknown_ns;
  }
  return ms * core::ns_per_ms;
}

/// Text as it stands; one with escapes is refused (symbols, sides and ids have none).
inline std::string_view text(const Token& token, bool required, Fault& fault,
                             std::string_view field) {
  if (token.is_empty()) {
    if (required) fault.raise(DecodeStatus::missing_field, field);
    return {};
  }
  if (!token.is_string || token.text.find('\\') != std::string_view::npos) {
    fault.raise(DecodeStatus::wrong_type, field);
    return {};
  }
  return token.text;
}

inline market::Tristate boolean(const Token& token, bool required, Fault& fault,
                                std::string_view field) {
  if (token.is_empty()) {
    if (required) fault.raise(DecodeStatus::missing_field, field);
    return market::Tristate::unknown;
  }
  if (token.text == "true" && !token.is_string) return market::Tristate::yes;
  if (token.text == "false" && !token.is_string) return market::Tristate::no;
  fault.raise(DecodeStatus::wrong_type, field);
  return market::Tristate::unknown;
}

/// The scale that divides by a power of ten.
constexpr market::Scale inverse(market::Scale power_of_ten) { return {1, -power_of_ten.exponent}; }

/// Native size -> coins; NaN while the contract size is unknown, but checked all the same.
inline double coins(const Token& token, const market::InstrumentEntry& entry, bool required,
                    Fault& fault, std::string_view field) {
  const double value =
      decimal(token, entry.has_quantity_factor ? entry.quantity_factor : market::Scale{}, required,
              fault, field);
  return entry.has_quantity_factor ? value : market::missing;
}

/// A JSON object being read. Fields may be asked in any order; asking in the message's order is
/// fastest. After a fault nothing more is read: simdjson abandons a document that it found broken
/// and must not be asked again.
class Object {
 public:
  Object(ondemand::object object, Fault& fault) : object_(object), fault_(&fault) {}

  Token token(std::string_view key) {
    if (fault_->ok()) return token_of(object_.find_field_unordered(key), *fault_, key);
    Token none;
    none.is_missing = true;
    return none;
  }

  /// Text as it stands; a text with escapes is refused (symbols, sides and ids have none).
  std::string_view text(std::string_view key) { return json::text(token(key), true, *fault_, key); }
  std::string_view optional_text(std::string_view key) {
    return json::text(token(key), false, *fault_, key);
  }

  double decimal(std::string_view key, market::Scale scale = {}) {
    return json::decimal(token(key), scale, true, *fault_, key);
  }
  double optional_decimal(std::string_view key, market::Scale scale = {}) {
    return json::decimal(token(key), scale, false, *fault_, key);
  }
  /// Native price per named unit -> price per coin.
  double price(std::string_view key, const market::InstrumentEntry& entry) {
    return decimal(key, inverse(entry.price_divisor));
  }
  double optional_price(std::string_view key, const market::InstrumentEntry& entry) {
    return optional_decimal(key, inverse(entry.price_divisor));
  }
  /// Native size -> coins; NaN while the contract size is unknown.
  double quantity(std::string_view key, const market::InstrumentEntry& entry) {
    return coins(token(key), entry, true, key);
  }
  double optional_quantity(std::string_view key, const market::InstrumentEntry& entry) {
    return coins(token(key), entry, false, key);
  }

  std::int64_t integer(std::string_view key) {
    return json::integer(token(key), true, *fault_, key);
  }
  std::int64_t optional_integer(std::string_view key) {
    return json::integer(token(key), false, *fault_, key);
  }
  std::int64_t time_ms(std::string_view key) {
    return json::time_ms(token(key), true, *fault_, key);
  }
  std::int64_t optional_time_ms(std::string_view key) {
    return json::time_ms(token(key), false, *fault_, key);
  }

  bool boolean(std::string_view key) {
    return json::boolean(token(key), true, *fault_, key) == market::Tristate::yes;
  }
  market::Tristate optional_boolean(std::string_view key) {
    return json::boolean(token(key), false, *fault_, key);
  }

  /// A nested object or array; false (and a fault if required) where it is absent.
  bool object(std::string_view key, ondemand::object& out, bool required = true) {
    return fault_->ok() &&
           nested(object_.find_field_unordered(key).get_object().get(out), key, required);
  }
  bool array(std::string_view key, ondemand::array& out, bool required = true) {
    return fault_->ok() &&
           nested(object_.find_field_unordered(key).get_array().get(out), key, required);
  }

  ondemand::object& raw() { return object_; }
  Fault& fault() { return *fault_; }

  static market::Scale inverse(market::Scale power_of_ten) { return json::inverse(power_of_ten); }

  double coins(const Token& token, const market::InstrumentEntry& entry, bool required,
               std::string_view key) {
    return json::coins(token, entry, required, *fault_, key);
  }

 private:
  bool nested(simdjson::error_code error, std::string_view key, bool required) {
    if (error == simdjson::SUCCESS) return true;
    if (required || (error != simdjson::NO_SUCH_FIELD && error != simdjson::INCORRECT_TYPE))
      fault_->raise(status_of(error), key);
    return false;
  }

  ondemand::object object_;
  Fault* fault_;
};

/// One pass over an object's fields in the order they come: visit(index, value) for each key of
/// `keys` (compile-time text; best in the usual order of the message), others are skipped. A key
/// that comes twice is malformed: which of the two is meant is not for us to guess. Faster than
/// asking field by field. @returns fault.ok().
template <std::size_t Count, class Visit>
bool each_field(ondemand::object& object, const std::array<std::string_view, Count>& keys,
                Fault& fault, Visit visit) {
  static_assert(Count <= 64);
  if (!fault.ok()) return false;
  std::uint64_t seen = 0;
  std::size_t next = 0;
  for (auto item : object) {
    ondemand::field field;
    if (const auto error = std::move(item).get(field); error != simdjson::SUCCESS) {
      fault.raise(status_of(error), "message");
      return false;
    }
    // The payload is padded and keys are short, so that comparing never leaves the buffer.
    const char* const key = field.key().raw();
    const auto is_key = [&](std::size_t index) {
      const std::string_view wanted = keys[index];
      if (key[0] != wanted[0] || key[wanted.size()] != '"') return false;
      return wanted.size() == 1 || std::memcmp(key, wanted.data(), wanted.size()) == 0;
    };
    std::size_t index = next;
    if (index == Count || !is_key(index)) {
      index = 0;
      while (index != Count && !is_key(index)) ++index;
      if (index == Count) continue;
    }
    next = index + 1;
    if ((seen >> index & 1) != 0) {
      fault.raise(DecodeStatus::malformed_json, keys[index]);
      return false;
    }
    seen |= std::uint64_t{1} << index;
    visit(index, field.value());
    if (!fault.ok()) return false;
  }
  return fault.ok();
}

/// The scalars of a flat object, read in one pass; ask for them in any order afterwards.
template <std::size_t Count>
class FlatObject {
 public:
  FlatObject(ondemand::object object, const std::array<std::string_view, Count>& keys, Fault& fault)
      : keys_(keys), fault_(fault) {
    tokens_.fill(absent);
    each_field(object, keys, fault, [&](std::size_t index, ondemand::value value) {
      tokens_[index] = make_token(value.raw_json_token(), fault, keys[index]);
    });
  }

  /// What an index means is said once per message kind, by an enumeration beside its keys.
  const Token& token(std::size_t index) const { return tokens_[index]; }
  bool has(std::size_t index) const { return !tokens_[index].is_empty(); }

  std::string_view text(std::size_t index) {
    return json::text(tokens_[index], true, fault_, keys_[index]);
  }
  std::string_view optional_text(std::size_t index) {
    return json::text(tokens_[index], false, fault_, keys_[index]);
  }
  double decimal(std::size_t index, market::Scale scale = {}) {
    return json::decimal(tokens_[index], scale, true, fault_, keys_[index]);
  }
  double optional_decimal(std::size_t index, market::Scale scale = {}) {
    return json::decimal(tokens_[index], scale, false, fault_, keys_[index]);
  }
  double price(std::size_t index, const market::InstrumentEntry& entry) {
    return decimal(index, inverse(entry.price_divisor));
  }
  double optional_price(std::size_t index, const market::InstrumentEntry& entry) {
    return optional_decimal(index, inverse(entry.price_divisor));
  }
  double quantity(std::size_t index, const market::InstrumentEntry& entry) {
    return coins(tokens_[index], entry, true, fault_, keys_[index]);
  }
  double optional_quantity(std::size_t index, const market::InstrumentEntry& entry) {
    return coins(tokens_[index], entry, false, fault_, keys_[index]);
  }
  std::int64_t integer(std::size_t index) {
    return json::integer(tokens_[index], true, fault_, keys_[index]);
  }
  std::int64_t optional_integer(std::size_t index) {
    return json::integer(tokens_[index], false, fault_, keys_[index]);
  }
  std::int64_t time_ms(std::size_t index) {
    return json::time_ms(tokens_[index], true, fault_, keys_[index]);
  }
  std::int64_t optional_time_ms(std::size_t index) {
    return json::time_ms(tokens_[index], false, fault_, keys_[index]);
  }
  bool boolean(std::size_t index) {
    return json::boolean(tokens_[index], true, fault_, keys_[index]) == market::Tristate::yes;
  }
  market::Tristate optional_boolean(std::size_t index) {
    return json::boolean(tokens_[index], false, fault_, keys_[index]);
  }

 private:
  const std::array<std::string_view, Count>& keys_;
  Fault& fault_;
  std::array<Token, Count> tokens_;
};

/// What every adapter keeps for parsing. Derive the adapter's own state from it.
struct JsonState : AdapterState {
  ondemand::parser parser;
  Fault fault;

  /// Starts a message. The payload is padded (frame_padding). @returns false with `fault` raised.
  bool open(std::string_view payload, ondemand::document& document) {
    fault = {};
    payload_ = payload;
    static_assert(frame_padding >= simdjson::SIMDJSON_PADDING);
    if (const auto error =
            parser.iterate(payload.data(), payload.size(), payload.size() + frame_padding)
                .get(document);
        error != simdjson::SUCCESS) {
      fault.raise(status_of(error), "message");
      return false;
    }
    return true;
  }

  /// The same, at once for a message read to its end: nothing is left, or (`in_envelope`) the one
  /// bracket that closes the envelope. Only for documents whose every field was visited; whatever
  /// else is found is looked at closely.
  void close_read(ondemand::document& document, bool in_envelope) {
    if (!fault.ok()) return;
    const char* at = nullptr;
    const auto error = document.current_location().get(at);
    if (error == simdjson::OUT_OF_BOUNDS && !in_envelope) return;
    if (error == simdjson::SUCCESS && in_envelope && *at == '}') {
      const char* const end = payload_.data() + payload_.size();
      do ++at;
      while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'));
      if (at >= end) return;
    }
    close(document);
  }

  /// The message must be one whole value: unbalanced brackets or bytes behind its end are
  /// malformed.
  void close(ondemand::document& document) {
    if (!fault.ok()) return;
    // simdjson gives up a document in which it found an error, and then it has no beginning.
    if (!document.is_alive()) return fault.raise(DecodeStatus::malformed_json, "message");
    document.rewind();
    std::string_view whole;
    ondemand::json_type type;
    simdjson::error_code error = document.type().get(type);
    if (error == simdjson::SUCCESS) {
      if (type == ondemand::json_type::object) {
        ondemand::object object;
        error = document.get_object().get(object);
        if (error == simdjson::SUCCESS) error = object.raw_json().get(whole);
      } else if (type == ondemand::json_type::array) {
        ondemand::array array;
        error = document.get_array().get(array);
        if (error == simdjson::SUCCESS) error = array.raw_json().get(whole);
      } else {
        error = simdjson::INCORRECT_TYPE;
      }
    }
    bool is_clean = error == simdjson::SUCCESS;
    if (is_clean) {
      const char* const end = payload_.data() + payload_.size();
      for (const char* at = whole.data() + whole.size(); at < end; ++at)
        is_clean &= *at == ' ' || *at == '\n' || *at == '\r' || *at == '\t';
    }
    if (!is_clean) fault.raise(DecodeStatus::malformed_json, "end of message");
  }

  /// A refusal for a missing field or a wrong type may be the effect of a message that was cut
  /// short: then that is its reason. Reads the message once more, so only what was refused pays for
  /// it.
  void judge() {
    const bool may_be_effect = fault.status == DecodeStatus::missing_field ||
                               fault.status == DecodeStatus::wrong_type ||
                               fault.status == DecodeStatus::unknown_stream;
    if (may_be_effect && !payload_.empty() && !is_balanced(payload_))
      fault = {DecodeStatus::malformed_json, "message"};
  }

 private:
  /// Whether each bracket outside a text is closed by its own kind and nothing stands open at the
  /// end.
  static bool is_balanced(std::string_view text) {
    std::array<char, 256> open;  // deeper is no message of any venue
    std::size_t depth = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (in_text) {
        if (c == '\\') ++i;
        in_text = c != '"';
        continue;
      }
      in_text = c == '"';
      if (c == '{' || c == '[') {
        if (depth == open.size()) return false;
        open[depth++] = c == '{' ? '}' : ']';
      }
      if ((c == '}' || c == ']') && (depth == 0 || open[--depth] != c)) return false;
    }
    return depth == 0 && !in_text;
  }

  std::string_view payload_;
};

}  // namespace perp::venue::json
