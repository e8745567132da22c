#include <perp/net/http_head.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace perp::net {
namespace {

enum : std::uint8_t { in_token = 1, in_value = 2 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0x20; c < 256; ++c)
    if (c != 0x7f) classes[c] |= in_value;
  classes['\t'] |= in_value;
  for (unsigned c = '0'; c <= '9'; ++c) classes[c] |= in_token;
  for (unsigned c = 'A'; c <= 'Z'; ++c) classes[c] |= in_token;
  for (unsigned c = 'a'; c <= 'z'; ++c) classes[c] |= in_token;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    classes[static_cast<unsigned char>(c)] |= in_token;
  return classes;
}
constexpr std::array<std::uint8_t, 256> classes = make_classes();

bool all_of_class(std::string_view text, std::uint8_t wanted) noexcept {
  std::uint8_t common = wanted;
  for (const char c : text) common &= classes[static_cast<unsigned char>(c)];
  return common != 0;
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

bool has_list_element(std::string_view value, std::string_view token) noexcept {
  while (true) {
    const std::size_t comma = std::min(value.find(','), value.size());
    if (equals_ignoring_case(trim(value.substr(0, comma)), token)) return true;
    if (comma == value.size()) return false;
    value.remove_prefix(comma + 1);
  }
}

bool is_http_token(std::string_view text) noexcept {
  return !text.empty() && all_of_class(text, in_token);
}

bool is_http_field_value(std::string_view text) noexcept { return all_of_class(text, in_value); }

HttpHead::HttpHead(const HttpLimits& limits, StartLineCheck check)
    : check_(check),
      limit_bytes_(std::min<std::size_t>(limits.head_bytes, UINT32_MAX)),
      limit_fields_(limits.fields),
      has_start_line_(check == nullptr) {
  text_.reserve(std::min<std::size_t>(limit_bytes_, 4096));
  fields_.reserve(std::min<std::size_t>(limit_fields_, 64));
}

void HttpHead::reset() noexcept {
  text_.clear();
  fields_.clear();
  start_line_ = {};
  scanned_ = 0;
  line_ = 0;
  has_start_line_ = check_ == nullptr;
  error_ = HttpError::none;
}

HttpProgress HttpHead::parse(StreamBuffer& received) {
  if (error_ != HttpError::none) return HttpProgress::failed;
  const auto data = received.data();
  std::string_view rest(reinterpret_cast<const char*>(data.data()), data.size());
  HttpProgress progress = HttpProgress::need_more;
  while (true) {
    // No line is longer than what the limit leaves, so no more is looked at.
    const std::size_t left = limit_bytes_ - text_.size();
    const std::string_view visible = rest.substr(0, left + 2);
    const std::size_t line_feed = visible.find('\n', scanned_);
    if (line_feed == std::string_view::npos) {
      scanned_ = visible.size();
      if (visible.size() < left + 2) break;
      ++line_;
      return fail(HttpError::head_too_large);
    }
    scanned_ = 0;
    ++line_;
    if (line_feed == 0 || rest[line_feed - 1] != '\r') return fail(HttpError::bare_line_feed);
    const std::string_view line = rest.substr(0, line_feed - 1);
    rest.remove_prefix(line_feed + 1);
    if (line.empty() && has_start_line_) {
      progress = HttpProgress::complete;
      break;
    }
    const HttpError refused = take_line(line);
    if (refused != HttpError::none) return fail(refused);
  }
  received.consume(data.size() - rest.size());
  return progress;
}

HttpError HttpHead::take_line(std::string_view line) {
  const auto begin = static_cast<std::uint32_t>(text_.size());
  const auto range_of = [&](std::string_view part) {
    return Range{begin + static_cast<std::uint32_t>(part.data() - line.data()),
                 static_cast<std::uint32_t>(part.size())};
  };
  if (!has_start_line_) {
    if (line.empty() || !is_http_field_value(line)) return HttpError::bad_start_line;
    const HttpError refused = check_(line);
    if (refused != HttpError::none) return refused;
    start_line_ = range_of(line);
    has_start_line_ = true;
    text_.append(line);
    return HttpError::none;
  }
  if (is_space(line.front())) return HttpError::folded_field;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_http_token(line.substr(0, colon)))
    return HttpError::bad_field_name;
  const std::string_view value = line.substr(colon + 1);
  if (!is_http_field_value(value)) return HttpError::bad_field_value;
  if (fields_.size() == limit_fields_) return HttpError::too_many_fields;
  const std::string_view trimmed = trim(value);
  fields_.push_back(
      {range_of(line.substr(0, colon)), trimmed.empty() ? Range{} : range_of(trimmed)});
  text_.append(line);
  return HttpError::none;
}

std::size_t HttpHead::count(std::string_view name) const noexcept {
  std::size_t found = 0;
  for (const StoredField& field : fields_)
    found += equals_ignoring_case(text_of(field.name), name) ? 1U : 0U;
  return found;
}

std::string_view HttpHead::value(std::string_view name) const noexcept {
  for (const StoredField& field : fields_)
    if (equals_ignoring_case(text_of(field.name), name)) return text_of(field.value);
  return {};
}

bool HttpHead::has_element(std::string_view name, std::string_view token) const noexcept {
  for (const StoredField& field : fields_)
    if (equals_ignoring_case(text_of(field.name), name) &&
        has_list_element(text_of(field.value), token))
      return true;
  return false;
}

HttpProgress HttpHead::fail(HttpError error) noexcept {
  error_ = error;
  return HttpProgress::failed;
}

}  // namespace perp::net
