#include "app/stored_trades.hpp"

#include "app/known_starts.hpp"

#include <perp/journal/reader.hpp>
#include <perp/venue/registry.hpp>
#include <perp/warehouse/history.hpp>

#include <charconv>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace perp::app {
namespace {

using Id = std::pair<std::int64_t, std::int64_t>;  // trade_id, trade_id_high
using Ids = std::set<Id>;

constexpr std::size_t newest_max = 4096;

const venue::Connect* connect_of(market::VenueId venue) {
  const venue::Adapter* const adapter = venue::find_adapter(venue);
  return adapter == nullptr ? nullptr : adapter->connect;
}

bool is_sum_of_fills(market::VenueId venue) {
  const venue::Connect* const connect = connect_of(venue);
  return connect != nullptr && connect->is_trade_sum_of_fills;
}

bool counts_trades(market::VenueId venue) {
  const venue::Connect* const connect = connect_of(venue);
  return connect != nullptr && feed::counts_trades(*connect);
}

template <class Number>
bool parse_all(std::string_view text, Number& number, int base) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

/// The inverse of how the table spells it: a number, or a UUID's 32 digits.
void insert_id(Ids& ids, std::string_view text) {
  std::int64_t number = 0;
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  if (text.size() == 32 && parse_all(text.substr(0, 16), high, 16) &&
      parse_all(text.substr(16), low, 16))
    ids.emplace(static_cast<std::int64_t>(low), static_cast<std::int64_t>(high));
  else if (parse_all(text, number, 10))
    ids.emplace(number, market::unknown_id);
}

class DatabaseTrades final : public feed::StoredTrades {
 public:
  DatabaseTrades(market::VenueId venue, std::string dsn) : venue_(venue), dsn_(std::move(dsn)) {}

  std::vector<feed::TradeRun> find_runs(const market::Instrument& instrument,
                                        feed::TimeSpan within) override {
    std::vector<feed::TradeRun> runs;
    for (const warehouse::TradeIdRun& run :
         warehouse::trade_runs(connection(), venue_, symbol_of(instrument), within.start_ms,
                               within.end_ms, is_sum_of_fills(venue_)))
      runs.push_back({run.first_id, run.last_id, run.first_ms, run.last_ms});
    return runs;
  }
  Ids find_ids(const market::Instrument& instrument, feed::TimeSpan within) override {
    Ids ids;
    for (const std::string& text : warehouse::trade_ids(connection(), venue_, symbol_of(instrument),
                                                        within.start_ms, within.end_ms))
      insert_id(ids, text);
    return ids;
  }
  std::optional<feed::TimeSpan> find_ends(const market::Instrument& instrument,
                                          feed::TimeSpan within) override {
    const auto ends = warehouse::trade_ends(connection(), venue_, symbol_of(instrument),
                                            within.start_ms, within.end_ms);
    if (!ends) return std::nullopt;
    return feed::TimeSpan{ends->first, ends->second};
  }

 private:
  warehouse::Connection& connection() {
    if (connection_ == nullptr)
      connection_ = std::make_unique<warehouse::Connection>(dsn_, "perp backfill");
    return *connection_;
  }

  market::VenueId venue_;
  std::string dsn_;
  std::unique_ptr<warehouse::Connection> connection_;
};

/// Runs by their first id; each new trade makes one of its own or joins its neighbours.
class Runs {
 public:
  void add(feed::TradeRun run) {
    auto next = runs_.upper_bound(run.first_id);
    if (next != runs_.begin() && std::prev(next)->second.last_id + 1 >= run.first_id)
      run = joined(std::prev(next)->second, run);
    while (next != runs_.end() && next->first <= run.last_id + 1) {
      run = joined(run, next->second);
      next = runs_.erase(next);
    }
    runs_[run.first_id] = run;
  }
  std::vector<feed::TradeRun> all() const {
    std::vector<feed::TradeRun> found;
    for (const auto& [first, run] : runs_) found.push_back(run);
    return found;
  }

 private:
  static feed::TradeRun joined(const feed::TradeRun& one, const feed::TradeRun& other) {
    return {std::min(one.first_id, other.first_id), std::max(one.last_id, other.last_id),
            std::min(one.first_ms, other.first_ms), std::max(one.last_ms, other.last_ms)};
  }

  std::map<std::int64_t, feed::TradeRun> runs_;
};

}  // namespace

std::shared_ptr<feed::StoredTrades> trades_of_database(market::VenueId venue, std::string dsn) {
  return std::make_shared<DatabaseTrades>(venue, std::move(dsn));
}

struct JournalTrades::Contents {
  struct Market {
    Runs runs;
    std::set<std::pair<std::int64_t, Id>> newest;  // by time [ms]
  };
  std::map<std::pair<market::VenueId, std::string>, Market> markets;  // by native name
};

std::shared_ptr<const JournalTrades> JournalTrades::read(const std::string& folder) {
  auto made = std::make_shared<JournalTrades>();
  made->contents_ = std::make_shared<Contents>();
  std::map<std::uint32_t, Contents::Market*> by_instrument;
  journal::Reader reader(folder);
  while (const market::RecordHeader* record = reader.next()) {
    if (record->type != market::RecordType::trade || record->exchange_ns == core::unknown_ns)
      continue;
    const auto [known, is_new] = by_instrument.try_emplace(record->instrument);
    if (is_new)
      if (const market::Instrument* found = reader.find_instrument(record->instrument))
        known->second =
            &made->contents_->markets[{record->venue, std::string(found->native.view())}];
    if (known->second == nullptr) continue;
    Contents::Market& contract = *known->second;
    const auto& trade = market::payload<market::Trade>(*record);
    const std::int64_t ms = core::floor_to(record->exchange_ns, core::ns_per_ms) / core::ns_per_ms;
    if (!counts_trades(record->venue)) {
      contract.newest.insert({ms, {trade.trade_id, trade.trade_id_high}});
      if (contract.newest.size() > newest_max) contract.newest.erase(contract.newest.begin());
    } else if (trade.trade_id >= 0) {
      const std::int64_t fills =
          is_sum_of_fills(record->venue) && trade.fill_count > 0 ? trade.fill_count : 1;
      contract.runs.add({trade.trade_id - fills + 1, trade.trade_id, ms, ms});
    }
  }
  return made;
}

class VenueJournalTrades final : public feed::StoredTrades {
 public:
  VenueJournalTrades(std::shared_ptr<const JournalTrades> journal, market::VenueId venue)
      : journal_(std::move(journal)), venue_(venue) {}

  std::vector<feed::TradeRun> find_runs(const market::Instrument& instrument,
                                        feed::TimeSpan) override {
    const auto& markets = journal_->contents_->markets;
    const auto found = markets.find({venue_, std::string(instrument.native.view())});
    return found == markets.end() ? std::vector<feed::TradeRun>{} : found->second.runs.all();
  }
  Ids find_ids(const market::Instrument& instrument, feed::TimeSpan within) override {
    Ids ids;
    const auto& markets = journal_->contents_->markets;
    const auto found = markets.find({venue_, std::string(instrument.native.view())});
    if (found == markets.end()) return ids;
    for (const auto& [ms, id] : found->second.newest)
      if (ms >= within.start_ms && ms < within.end_ms) ids.insert(id);
    return ids;
  }
  std::optional<feed::TimeSpan> find_ends(const market::Instrument& instrument,
                                          feed::TimeSpan within) override {
    const auto& markets = journal_->contents_->markets;
    const auto found = markets.find({venue_, std::string(instrument.native.view())});
    std::optional<feed::TimeSpan> ends;
    if (found == markets.end()) return ends;
    for (const auto& [ms, id] : found->second.newest) {
      if (ms < within.start_ms || ms >= within.end_ms) continue;
      if (!ends) ends = {ms, ms};
      ends->end_ms = ms;
    }
    return ends;
  }

 private:
  std::shared_ptr<const JournalTrades> journal_;
  market::VenueId venue_;
};

std::shared_ptr<feed::StoredTrades> JournalTrades::of_venue(
    std::shared_ptr<const JournalTrades> journal, market::VenueId venue) {
  return std::make_shared<VenueJournalTrades>(std::move(journal), venue);
}

}  // namespace perp::app
