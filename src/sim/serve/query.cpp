#include "sim/serve/query.hpp"

#include <charconv>

namespace perp::sim {
namespace {

std::string decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16).ptr ==
            text.data() + i + 3) {
      plain += static_cast<char>(code);
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

}  // namespace

Query::Query(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view parameter = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    parameters_.emplace_back(decoded(parameter.substr(0, equals)),
                             decoded(parameter.substr(equals + 1)));
  }
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [key, value] : parameters_)
    if (key == name && !value.empty()) return &value;
  return nullptr;
}

std::string_view Query::value(std::string_view name) const {
  const std::string* const found = find(name);
  return found == nullptr ? std::string_view() : std::string_view(*found);
}

std::optional<std::int64_t> Query::integer(std::string_view name, std::int64_t fallback) const {
  const std::string* const found = find(name);
  if (found == nullptr) return fallback;
  std::int64_t number = 0;
  const char* const end = found->data() + found->size();
  const auto [at, error] = std::from_chars(found->data(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  return number;
}

}  // namespace perp::sim
