#pragma once
// What a venue's reply says of its limits: the weight used so far, what is left, for how long to
// stay away. Pure functions over header texts, cold path, any thread; what cannot be read is absent
// and never guessed. The texts' owner is the reply. Feeds feed/host_ledger.hpp.
#include <perp/core/time.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace perp::feed {

/// Who says what in a reply's head.
enum class LimitStyle : std::uint8_t {
  none,     ///< OKX, Hyperliquid: replies say nothing
  binance,  ///< X-MBX-USED-WEIGHT-1M: used in the venue's current minute, by this address
  bybit,    ///< X-Bapi-Limit, X-Bapi-Limit-Status (what is left), X-Bapi-Limit-Reset-Timestamp
};

/// A reply's field by name, case aside; empty where it has none. E.g. net::HttpHead::value.
using HeaderLookup = std::function<std::string_view(std::string_view name)>;

struct LimitReading {
  std::optional<std::uint32_t> used{};       ///< weight since the venue's window began
  std::optional<std::uint32_t> limit{};      ///< weight per window, as the venue has it
  std::optional<std::uint32_t> remaining{};  ///< weight that is left in the venue's window
  core::WallNs reset_at{};                   ///< by the venue's clock; unknown where it is not said
};

/// https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info (LIMITS),
/// https://bybit-exchange.github.io/docs/v5/rate-limit
LimitReading read_limits(LimitStyle style, const HeaderLookup& header);

/// An HTTP date in any of the three forms of RFC 9110 section 5.6.7, ns since 1970. Weekdays are
/// checked for their spelling only. @param now decides the century of a two-digit year.
std::optional<core::WallNs> parse_http_date(std::string_view text, core::WallNs now);

/// For how long to stay away, ns, counted from the reply: Retry-After in seconds or as a date
/// (RFC 9110 section 10.2.3), which is measured from the reply's own Date where that can be read,
/// so that our clock's error does not count. 0 for a date that has passed.
std::optional<std::int64_t> parse_retry_after(std::string_view retry_after, std::string_view date,
                                              core::WallNs now);

}  // namespace perp::feed
