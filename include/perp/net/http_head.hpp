#pragma once
// The head of an HTTP/1 message: a start line and its fields, taken line by line as they arrive.
// Strict (RFC 9112): lines end in CRLF, names are tokens, values hold no control bytes, nothing is
// folded, sizes have limits. What two readers could read in two ways is refused, since there
// smuggling lives. Shared by the response and the request parser; one owner thread. Keeps its
// memory from one head to the next.
#include <perp/net/http_error.hpp>
#include <perp/net/stream_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::net {

struct HttpField {
  std::string_view name;
  std::string_view value;  ///< without the space around it
};

/// ASCII letters' case aside.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
/// Is `token` an element of the comma-separated list `value`? Case aside.
bool has_list_element(std::string_view value, std::string_view token) noexcept;
/// A token of RFC 9110 section 5.6.2, e.g. a field's name or a method.
bool is_http_token(std::string_view text) noexcept;
/// What a field's value may hold: visible bytes, space, tab and bytes from 0x80.
bool is_http_field_value(std::string_view text) noexcept;

class HttpHead {
 public:
  /// What has to hold of a start line.
  using StartLineCheck = HttpError (*)(std::string_view line) noexcept;

  /// @param check asked as soon as the start line is there; null: there is none, fields only (a
  /// chunked body's trailers)
  HttpHead(const HttpLimits& limits, StartLineCheck check);

  /// Takes whole lines from the front of `received` up to and with the empty line.
  [[nodiscard]] HttpProgress parse(StreamBuffer& received);
  void reset() noexcept;

  std::string_view start_line() const noexcept { return text_of(start_line_); }
  std::size_t size() const noexcept { return fields_.size(); }
  HttpField field(std::size_t index) const noexcept {
    return {text_of(fields_[index].name), text_of(fields_[index].value)};
  }
  /// How often the field is there.
  std::size_t count(std::string_view name) const noexcept;
  /// The first one's value, or empty.
  std::string_view value(std::string_view name) const noexcept;
  /// Is `token` an element of any field of that name?
  bool has_element(std::string_view name, std::string_view token) const noexcept;
  /// Lines taken so far, the refused one included: where an error is.
  std::size_t line() const noexcept { return line_; }
  HttpError error() const noexcept { return error_; }

 private:
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  struct StoredField {
    Range name;
    Range value;
  };

  HttpError take_line(std::string_view line);
  HttpProgress fail(HttpError error) noexcept;
  std::string_view text_of(Range range) const noexcept {
    return std::string_view(text_).substr(range.begin, range.size);
  }

  std::string text_;  // the lines' bytes; reserved to the limit at the first head
  std::vector<StoredField> fields_;
  Range start_line_;
  StartLineCheck check_;
  std::size_t limit_bytes_;
  std::size_t limit_fields_;
  std::size_t scanned_ = 0;  // bytes of the unfinished line that hold no LF
  std::size_t line_ = 0;
  bool has_start_line_ = false;
  HttpError error_ = HttpError::none;
};

}  // namespace perp::net
