#pragma once
// When contracts' histories begin, as earlier runs found it (kline_discovery_cache).
#include <perp/feed/history_feed.hpp>
#include <perp/warehouse/connection.hpp>

#include <memory>
#include <optional>
#include <string>

namespace perp::app {

/// "BTC" of a primary contract, "BTC-USDC" of another: as the tables name them.
std::string symbol_of(const market::Instrument& instrument);

/// One thread: its feed's. Its database is asked for when something is first wanted of it.
class KnownStarts final : public feed::HistoryStarts {
 public:
  /// @param is_new what is known is found out again
  KnownStarts(market::VenueId venue, std::string dsn, bool is_new)
      : venue_(venue), dsn_(std::move(dsn)), is_new_(is_new) {}
  std::optional<std::int64_t> find(const market::Instrument& instrument,
                                   std::int64_t period_ns) override;
  void found(const market::Instrument& instrument, const feed::HistoryStart& start) override;

 private:
  warehouse::Connection& connection();

  market::VenueId venue_;
  std::string dsn_;
  bool is_new_;
  std::unique_ptr<warehouse::Connection> connection_;
};

}  // namespace perp::app
