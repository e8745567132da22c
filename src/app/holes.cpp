#include "app/holes.hpp"

#include <perp/journal/reader.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace perp::app {
namespace {

using market::RecordType;

/// A venue's clock and ours differ, and a candle is fetched as a whole minute.
constexpr std::int64_t slack_ns = core::ns_per_minute;

/// Books are one stream, whatever carries them.
RecordType stream_of(RecordType type) {
  return type == RecordType::book_snapshot ? RecordType::book_delta : type;
}

std::int64_t missing_of(const Hole& hole) {
  if (hole.expected_id != market::unknown_id && hole.got_id != market::unknown_id)
    return hole.got_id > hole.expected_id ? hole.got_id - hole.expected_id : -1;
  if (hole.stream == RecordType::kline && hole.from_ns != core::unknown_ns &&
      hole.to_ns != core::unknown_ns && hole.to_ns >= hole.from_ns)
    return (core::floor_to(hole.to_ns, core::ns_per_minute) -
            core::floor_to(hole.from_ns, core::ns_per_minute)) /
           core::ns_per_minute;
  return -1;
}

class Search {
 public:
  explicit Search(const std::string& folder) : reader_(folder) {}

  Holes run() {
    while (const market::RecordHeader* record = reader_.next()) {
      if (reader_.is_repeat()) continue;
      if (record->type == RecordType::gap)
        add(*record);
      else if ((record->flags & market::flag_backfill) != 0 ||
               (record->type == RecordType::book_snapshot &&
                (record->flags & market::flag_derived) == 0))  // a sample mends nothing
        fill(*record);
      else if (record->type == RecordType::trade && !unbounded_.empty())
        unbounded_.erase(record->instrument);
    }
    holes_.damage_count = reader_.damage_count();
    for (std::size_t i = 0; i < holes_.all.size(); ++i) conclude(holes_.all[i], times_[i]);
    return std::move(holes_);
  }

 private:
  void add(const market::RecordHeader& record) {
    const auto& gap = market::payload<market::Gap>(record);
    if (bounds_another(record, gap)) return;
    Hole hole{.venue = record.venue,
              .stream = gap.stream,
              .cause = gap.cause,
              .from_ns = gap.from_ns,
              .to_ns = gap.to_ns,
              .expected_id = gap.expected_id,
              .got_id = gap.got_id,
              .position = reader_.position()};
    hole.missing = missing_of(hole);
    if (record.instrument != 0)
      if (const market::Instrument* instrument = reader_.find_instrument(record.instrument)) {
        hole.symbol = instrument->native.view();
        hole.base = instrument->base.view();
      }
    open_[{record.instrument, stream_of(gap.stream)}].push_back(holes_.all.size());
    if (gap.stream == RecordType::trade &&
        (gap.cause == market::GapCause::disconnect || gap.cause == market::GapCause::silence))
      unbounded_[record.instrument] = holes_.all.size();
    holes_.all.push_back(std::move(hole));
    times_.emplace_back();
  }

  /// The first trade behind a lost connection shows by its id which ones were missed: the decoder's
  /// record of that is about a hole that is listed already.
  bool bounds_another(const market::RecordHeader& record, const market::Gap& gap) {
    if (gap.stream != RecordType::trade || gap.cause != market::GapCause::sequence) return false;
    const auto found = unbounded_.find(record.instrument);
    if (found == unbounded_.end()) return false;
    Hole& hole = holes_.all[found->second];
    hole.expected_id = gap.expected_id;
    hole.got_id = gap.got_id;
    hole.missing = missing_of(hole);
    unbounded_.erase(found);
    return true;
  }

  /// A record that was fetched afterwards belongs to the newest hole that it lies in.
  void fill(const market::RecordHeader& record) {
    const auto found = open_.find({record.instrument, stream_of(record.type)});
    if (found == open_.end()) return;
    const std::int64_t at = record.type == RecordType::kline
                                ? market::payload<market::Kline>(record).open_ns
                                : record.exchange_ns;
    if (record.type == RecordType::book_snapshot) {
      // It makes the book whole, whatever its time.
      for (const std::size_t index : found->second) ++holes_.all[index].filled;
      open_.erase(found);
      return;
    }
    for (auto index = found->second.rbegin(); index != found->second.rend(); ++index) {
      Hole& hole = holes_.all[*index];
      if (at == core::unknown_ns || hole.from_ns == core::unknown_ns ||
          at < hole.from_ns - slack_ns || at > hole.to_ns + slack_ns)
        continue;
      ++hole.filled;
      if (record.type == RecordType::kline) times_[*index].insert(at);
      return;
    }
  }

  static void conclude(Hole& hole, const std::set<std::int64_t>& times) {
    if (hole.filled > 0) hole.fill = Fill::some;
    const bool is_book = stream_of(hole.stream) == RecordType::book_delta;
    const std::uint64_t got = hole.stream == RecordType::kline ? times.size() : hole.filled;
    if ((is_book && hole.filled > 0) ||
        (!is_book && hole.missing >= 0 && got >= static_cast<std::uint64_t>(hole.missing)))
      hole.fill = Fill::whole;
  }

  journal::Reader reader_;
  Holes holes_;
  std::vector<std::set<std::int64_t>> times_;  ///< of each hole: the candles it got
  /// Holes in trades behind which no trade has come yet, by instrument.
  std::map<std::uint32_t, std::size_t> unbounded_;
  /// Holes that may yet be filled, by instrument and stream.
  std::map<std::pair<std::uint32_t, RecordType>, std::vector<std::size_t>> open_;
};

}  // namespace

std::string_view name_of(Fill fill) noexcept {
  switch (fill) {
    case Fill::none: return "none";
    case Fill::some: return "some";
    case Fill::whole: return "whole";
  }
  return "unknown";
}

Holes find_holes(const std::string& folder) { return Search(folder).run(); }

}  // namespace perp::app
