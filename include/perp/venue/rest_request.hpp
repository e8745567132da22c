#pragma once
// A RestCall with its values filled in: what an HTTP client sends. Cold path, any thread.
#include <perp/venue/connect.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace perp::venue {

/// Values of a call's holes. What is not given is left out, or, if the call needs it, refused.
struct RestQuery {
  static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::min();

  std::string_view symbol{};
  std::string_view period{};     ///< empty: the call's own
  std::int64_t from_id = none;   ///< the first id wanted
  std::int64_t until_id = none;  ///< ids below this one
  std::int64_t start_ms = none;  ///< times [start, end); each venue's own bounds are made of them
  std::int64_t end_ms = none;
  std::string_view cursor{};  ///< as the reply before said it
};

struct RestRequest {
  std::string_view method{};
  std::string target{};  ///< path and query, percent-encoded
  std::string body{};    ///< JSON, if the venue asks by POST
};

/// nullopt if a value that the call needs is missing. @param adapter whose endpoints name the path
std::optional<RestRequest> make_request(const Adapter& adapter, const RestCall& call,
                                        const RestQuery& query = {});

}  // namespace perp::venue
