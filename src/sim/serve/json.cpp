#include "sim/serve/json.hpp"

#include <charconv>

namespace perp::sim {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool read(Json& value, int depth) {
    skip_space();
    const std::size_t begin = at_;
    if (!read_value(value, depth)) return false;
    value.raw_ = std::string(text_.substr(begin, at_ - begin));
    return true;
  }
  bool is_at_end() {
    skip_space();
    return at_ == text_.size();
  }

 private:
  static constexpr int depth_max = 16;

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word, Json::Kind kind, Json& value) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    value.kind_ = kind;
    value.text_ = word;
    return true;
  }

  bool read_value(Json& value, int depth) {
    if (depth > depth_max || at_ >= text_.size()) return false;
    switch (text_[at_]) {
      case '{': return read_object(value, depth);
      case '[': return read_array(value, depth);
      case '"': value.kind_ = Json::Kind::text; return read_text(value.text_);
      case 't': return take_word("true", Json::Kind::boolean, value);
      case 'f': return take_word("false", Json::Kind::boolean, value);
      case 'n': return take_word("null", Json::Kind::null, value);
      default: return read_number(value);
    }
  }

  bool read_object(Json& value, int depth) {
    value.kind_ = Json::Kind::object;
    ++at_;
    if (take('}')) return true;
    do {
      skip_space();
      std::string& name = value.names_.emplace_back();
      if (at_ >= text_.size() || text_[at_] != '"' || !read_text(name) || !take(':')) return false;
      if (!read(value.items_.emplace_back(), depth + 1)) return false;
    } while (take(','));
    return take('}');
  }

  bool read_array(Json& value, int depth) {
    value.kind_ = Json::Kind::array;
    ++at_;
    if (take(']')) return true;
    do {
      if (!read(value.items_.emplace_back(), depth + 1)) return false;
    } while (take(','));
    return take(']');
  }

  bool read_number(Json& value) {
    const std::size_t begin = at_;
    const auto digits = [this] {
      const std::size_t from = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ > from;
    };
    if (text_[at_] == '-') ++at_;
    const std::size_t whole = at_;
    if (!digits() || (text_[whole] == '0' && at_ > whole + 1)) return false;
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return false;
    }
    value.kind_ = Json::Kind::number;
    value.text_ = text_.substr(begin, at_ - begin);
    return true;
  }

  bool read_text(std::string& out) {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out += c;
      } else if (!read_escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool read_escape(std::string& out) {
    if (++at_ >= text_.size()) return false;
    switch (text_[at_]) {
      case '"':
      case '\\':
      case '/': out += text_[at_]; return true;
      case 'b': out += '\b'; return true;
      case 'f': out += '\f'; return true;
      case 'n': out += '\n'; return true;
      case 'r': out += '\r'; return true;
      case 't': out += '\t'; return true;
      case 'u': break;
      default: return false;
    }
    std::uint32_t code = 0;
    if (!read_hex(code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      std::uint32_t low = 0;
      if (text_.substr(at_ + 1, 2) != "\\u") return false;
      at_ += 2;
      if (!read_hex(low) || low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
    return true;
  }

  /// Four digits behind `at_`, which ends on the last one.
  bool read_hex(std::uint32_t& code) {
    if (at_ + 4 >= text_.size()) return false;
    const char* const begin = text_.data() + at_ + 1;
    const auto [end, error] = std::from_chars(begin, begin + 4, code, 16);
    at_ += 4;
    return error == std::errc() && end == begin + 4;
  }

  static void append_utf8(std::string& out, std::uint32_t code) {
    const auto tail = [&out, code](int shift) {
      out += static_cast<char>(0x80 | (code >> shift & 0x3f));
    };
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      tail(0);
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | code >> 12);
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xf0 | code >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<Json> Json::parse(std::string_view text) {
  Json value;
  JsonReader reader(text);
  if (!reader.read(value, 0) || !reader.is_at_end()) return std::nullopt;
  return value;
}

const Json* Json::find(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == name) return &items_[i];
  return nullptr;
}

std::string_view Json::text_of(std::string_view name) const {
  const Json* const member = find(name);
  return member != nullptr && member->is_text() ? std::string_view(member->text_)
                                                : std::string_view();
}

std::optional<std::int64_t> Json::integer() const {
  std::int64_t value = 0;
  if (kind_ != Kind::number && kind_ != Kind::text) return std::nullopt;
  const char* const end = text_.data() + text_.size();
  const auto [at, error] = std::from_chars(text_.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

std::string json_quoted(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (code < 0x20) {
      quoted += "\\u00";
      quoted += digits[code >> 4];
      quoted += digits[code & 15];
    } else {
      quoted += c;
    }
  }
  quoted += '"';
  return quoted;
}

}  // namespace perp::sim
