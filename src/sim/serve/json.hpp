#pragma once
// What a client sends, as a tree: small texts, read strictly (RFC 8259). For a venue's own requests
// only; cold beside what a venue sends. Any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::sim {

class Json {
 public:
  enum class Kind : std::uint8_t { null, boolean, number, text, array, object };

  /// Nothing if `text` is not one JSON value, or is nested deeper than 16.
  static std::optional<Json> parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_object() const { return kind_ == Kind::object; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_text() const { return kind_ == Kind::text; }
  bool is_true() const { return kind_ == Kind::boolean && text_ == "true"; }
  /// Of a text its characters, of a number, true, false and null their spelling.
  const std::string& text() const { return text_; }
  const std::vector<Json>& items() const { return items_; }
  /// The first member of that name; nullptr if there is none or this is no object.
  const Json* find(std::string_view name) const;
  /// The text of a member that is one; empty otherwise.
  std::string_view text_of(std::string_view name) const;
  /// A number without fraction, or a text of one.
  std::optional<std::int64_t> integer() const;
  /// The value as it was written.
  std::string_view raw() const { return raw_; }

 private:
  friend class JsonReader;
  Kind kind_ = Kind::null;
  std::string text_;
  std::string raw_;
  std::vector<Json> items_;
  std::vector<std::string> names_;  // of an object's items
};

/// `text` as a JSON text, quotes included.
std::string json_quoted(std::string_view text);

}  // namespace perp::sim
