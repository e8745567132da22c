#include "venue/json_text.hpp"

#include <perp/venue/rest_request.hpp>

#include <algorithm>

namespace perp::venue {
namespace {

std::string percent_encoded(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                          (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.' ||
                          byte == '_' || byte == '~';
    if (is_plain) {
      encoded += byte;
      continue;
    }
    encoded += '%';
    encoded += digits[code >> 4];
    encoded += digits[code & 15];
  }
  return encoded;
}

/// The value of a hole; empty if it is not given.
std::string value_of(std::string_view hole, const RestCall& call, const RestQuery& query) {
  const auto number = [](std::int64_t value, std::int64_t less = 0) {
    return value == RestQuery::none ? std::string() : std::to_string(value - less);
  };
  if (hole == "symbol") return std::string(query.symbol);
  if (hole == "period") return std::string(query.period.empty() ? call.period : query.period);
  if (hole == "from_id") return number(query.from_id);
  if (hole == "until_id") return number(query.until_id);
  if (hole == "start") return number(query.start_ms);
  if (hole == "start-1") return number(query.start_ms, 1);
  if (hole == "end") return number(query.end_ms);
  if (hole == "end-1") return number(query.end_ms, 1);
  if (hole == "cursor") return std::string(query.cursor);
  return {};
}

/// Copies `pattern` with its one hole filled, if it has one. False: the hole has no value.
template <class Encode>
bool fill(std::string_view pattern, const RestCall& call, const RestQuery& query, std::string& out,
          Encode encode, bool& is_optional) {
  const std::size_t open = pattern.find('<');
  const std::size_t close = pattern.find('>', open);
  if (open == std::string_view::npos || close == std::string_view::npos) {
    out += pattern;
    return true;
  }
  std::string_view hole = pattern.substr(open + 1, close - open - 1);
  is_optional = hole.ends_with('?');
  if (is_optional) hole.remove_suffix(1);
  const std::string value = value_of(hole, call, query);
  if (value.empty()) return false;
  out += pattern.substr(0, open);
  encode(out, value);
  out += pattern.substr(close + 1);
  return true;
}

bool fill_query(const RestCall& call, const RestQuery& query, std::string& target) {
  char separator = '?';
  for (std::string_view rest = call.query; !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view parameter = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string filled;
    bool is_optional = false;
    const bool is_given = fill(
        parameter, call, query, filled,
        [](std::string& out, const std::string& value) { out += percent_encoded(value); },
        is_optional);
    if (!is_given && !is_optional) return false;
    if (!is_given) continue;
    target += separator;
    target += filled;
    separator = '&';
  }
  return true;
}

bool fill_body(const RestCall& call, const RestQuery& query, std::string& body) {
  for (std::string_view rest = call.body; !rest.empty();) {
    const std::size_t end = std::min(rest.find('>'), rest.size() - 1) + 1;
    bool is_optional = false;
    if (!fill(
            rest.substr(0, end), call, query, body,
            [](std::string& out, const std::string& value) { append_escaped(out, value); },
            is_optional))
      return false;
    rest.remove_prefix(end);
  }
  return true;
}

}  // namespace

std::optional<RestRequest> make_request(const Adapter& adapter, const RestCall& call,
                                        const RestQuery& query) {
  const auto endpoint =
      std::find_if(adapter.endpoints.begin(), adapter.endpoints.end(),
                   [&](const Endpoint& candidate) { return candidate.name == call.endpoint; });
  if (endpoint == adapter.endpoints.end()) return std::nullopt;
  RestRequest request{.method = call.method, .target = std::string(endpoint->path)};
  if (!fill_query(call, query, request.target) || !fill_body(call, query, request.body))
    return std::nullopt;
  return request;
}

}  // namespace perp::venue
