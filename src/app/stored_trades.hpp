#pragma once
// Which trades need not be asked for again: what the database has, else the journal.
#include <perp/feed/history_feed.hpp>
#include <perp/market/venue_id.hpp>

#include <memory>
#include <string>

namespace perp::app {

/// Asks the table `trades`. One thread: its feed's.
std::shared_ptr<feed::StoredTrades> trades_of_database(market::VenueId venue, std::string dsn);

/// Reads a journal once, for all venues; of each contract it keeps where its ids have holes, or, of
/// ids without order, the newest 4096. @throws core::Error as journal::Reader
class JournalTrades {
 public:
  static std::shared_ptr<const JournalTrades> read(const std::string& folder);
  static std::shared_ptr<feed::StoredTrades> of_venue(std::shared_ptr<const JournalTrades> journal,
                                                      market::VenueId venue);

 private:
  struct Contents;
  friend class VenueJournalTrades;
  std::shared_ptr<Contents> contents_;
};

}  // namespace perp::app
