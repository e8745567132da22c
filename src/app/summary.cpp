#include "app/summary.hpp"

#include "app/output.hpp"

#include <perp/market/record_kind.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace perp::app {
namespace {

using Json = nlohmann::ordered_json;

std::string rate(std::uint64_t count, double seconds) {
  return seconds > 0
             ? grouped(static_cast<std::uint64_t>(static_cast<double>(count) / seconds)) + "/s"
             : "-";
}

std::string percentiles(const core::Histogram& histogram) {
  if (histogram.count() == 0) return "-";
  const auto at = [&](double percent) {
    return duration_text(static_cast<double>(histogram.percentile(percent)));
  };
  return fmt::format("p50 {}  p99 {}  p99.9 {}  max {}  ({} samples)", at(50), at(99), at(99.9),
                     duration_text(static_cast<double>(histogram.max())),
                     grouped(histogram.count()));
}

Json percentiles_json(const core::Histogram& histogram) {
  if (histogram.count() == 0) return nullptr;
  return {{"p50", histogram.percentile(50)},
          {"p99", histogram.percentile(99)},
          {"p99_9", histogram.percentile(99.9)},
          {"max", histogram.max()},
          {"samples", histogram.count()}};
}

std::uint64_t total_decode_errors(const Report& report) {
  std::uint64_t count = 0;
  for (const VenueReport& venue : report.venues) count += venue.decode_errors;
  return count;
}

/// What came from outside never moves a terminal's cursor.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return text;
}

void add_line(std::string& out, std::string_view name, const std::string& value) {
  out += fmt::format("{:<14}{}\n", name, value);
}

void add_venues(std::string& out, const Report& report) {
  Table messages({"venue", "message kind", "messages", "by shape"});
  for (const VenueReport& venue : report.venues)
    for (const MessageCount& row : venue.messages)
      messages.row({std::string(market::find_venue(venue.venue)->key), row.kind,
                    grouped(row.messages), grouped(row.by_shape)});
  out += messages.text() + "\n";
  Table venues({"venue", "decode_errors", "venue errors", "instruments", "provisional",
                "other instruments", "duplicates", "gaps", "checksums ok", "wrong"});
  for (const VenueReport& venue : report.venues)
    venues.row({std::string(market::find_venue(venue.venue)->key), grouped(venue.decode_errors),
                grouped(venue.venue_errors), grouped(venue.instruments),
                grouped(venue.provisional_instruments), grouped(venue.other_instrument_messages),
                grouped(venue.duplicates), grouped(venue.gaps), grouped(venue.checksums_verified),
                grouped(venue.checksum_mismatches)});
  out += venues.text() + "\n";
}

void add_live(std::string& out, const Report& report) {
  Table feeds({"feed", "symbols", "connections", "losses", "roll-overs", "resubscribed", "holes",
               "trades filled", "books resynced", "refreshed", "requests", "failed",
               "clock offset"});
  for (const feed::LiveFeedStatus& feed : report.live)
    feeds.row({std::string(market::find_venue(feed.venue)->key), grouped(feed.symbols),
               grouped(feed.connections.size()), grouped(feed.losses), grouped(feed.roll_overs),
               grouped(feed.resubscribed), grouped(feed.holes), grouped(feed.trades_filled),
               grouped(feed.books_resynced), grouped(feed.books_refreshed), grouped(feed.requests),
               grouped(feed.requests_failed),
               feed.clock_offset_ns == core::unknown_ns
                   ? "-"
                   : duration_text(static_cast<double>(feed.clock_offset_ns))});
  out += feeds.text() + "\n";
  Table latencies({"feed", "record", "latency", "count", "negative", "p50", "p99", "max"});
  for (const feed::LiveFeedStatus& feed : report.live)
    for (const feed::LatencyStatus& row : feed.latencies)
      latencies.row({std::string(market::find_venue(feed.venue)->key),
                     std::string(market::name_of(row.type)), std::string(feed::name_of(row.span)),
                     grouped(row.count), grouped(row.negative),
                     duration_text(static_cast<double>(row.p50_ns)),
                     duration_text(static_cast<double>(row.p99_ns)),
                     duration_text(static_cast<double>(row.max_ns))});
  if (!latencies.empty()) out += latencies.text() + "\n";
  for (const feed::LiveFeedStatus& feed : report.live)
    add_line(out, "io", fmt::format("{} {}", market::find_venue(feed.venue)->key, feed.io));
}

Json live_json(const feed::LiveFeedStatus& feed) {
  auto connections = Json::array();
  for (const feed::ConnectionStatus& one : feed.connections)
    connections.push_back({{"number", one.number},
                           {"socket", one.socket},
                           {"state", one.state},
                           {"security", one.security},
                           {"topics", one.topics},
                           {"silent", one.silent},
                           {"refused", one.refused},
                           {"opened", one.opened},
                           {"lost", one.lost},
                           {"messages", one.messages},
                           {"last_end", one.last_end}});
  const auto ns = [](std::int64_t value) {
    return value == core::unknown_ns ? Json() : Json(value);
  };
  auto latencies = Json::object();
  for (const feed::LatencyStatus& row : feed.latencies)
    latencies[std::string(market::name_of(row.type))][std::string(feed::name_of(row.span))] = {
        {"count", row.count},
        {"negative", row.negative},
        {"p50", ns(row.p50_ns)},
        {"p99", ns(row.p99_ns)},
        {"max", ns(row.max_ns)}};
  auto conflated = Json::object();
  for (const feed::ConflatedStatus& row : feed.conflated)
    conflated[std::string(market::name_of(row.type))] = row.count;
  return {{"symbols", feed.symbols},
          {"messages", feed.ring.messages},
          {"losses", feed.losses},
          {"roll_overs", feed.roll_overs},
          {"resubscribed", feed.resubscribed},
          {"overlap_duplicates", feed.overlap_duplicates},
          {"holes", feed.holes},
          {"trades_filled", feed.trades_filled},
          {"books_resynced", feed.books_resynced},
          {"books_refreshed", feed.books_refreshed},
          {"unexpected_messages", feed.unexpected_messages},
          {"requests", feed.requests},
          {"requests_failed", feed.requests_failed},
          {"clock_offset_ns", ns(feed.clock_offset_ns)},
          {"clock_error_ns", ns(feed.clock_error_ns)},
          {"conflated", std::move(conflated)},
          {"latency_ns", std::move(latencies)},
          {"io", feed.io},
          {"system_calls", feed.loop.system_calls},
          {"connections", std::move(connections)}};
}

void add_counts(std::string& out, const char* what,
                const std::vector<std::pair<std::string, std::uint64_t>>& rows) {
  Table table({what, "count"});
  for (const auto& [name, count] : rows) table.row({name, grouped(count)});
  if (!table.empty()) out += table.text() + "\n";
}

std::string load_text(const Report& report) {
  if (!report.load) return "-";
  const warehouse::LoadReport& load = *report.load;
  std::string out = fmt::format(
      "{} rows in perp_data, {} in perp_metrics, {} in tables of facts; {} batches, {} merged, {} "
      "retried, {} reconnects, {} rows refused",
      grouped(load.rows_data), grouped(load.rows_metrics), grouped(load.rows_facts),
      grouped(load.batches), grouped(load.merged_batches), grouped(load.retries),
      grouped(load.reconnects), grouped(load.rows_refused));
  if (load.rows_expired != 0)
    out += fmt::format(", {} older than the retention", grouped(load.rows_expired));
  return out;
}

}  // namespace

bool is_clean(const Report& report) {
  return total_decode_errors(report) == 0 && report.bad_line_count == 0 &&
         report.lost_at_stop == 0 && (!report.load || report.load->rows_refused == 0);
}

std::string summary_text(const Report& report) {
  std::string out;
  if (report.live.empty())
    add_line(out, "files",
             fmt::format("{} replayed, {} skipped", report.files, report.skipped.size()));
  for (const feed::SkippedFile& file : report.skipped)
    out += fmt::format("              {}: {}\n", file.path, file.why);
  if (report.bad_line_count > 0) add_line(out, "bad lines", grouped(report.bad_line_count));
  for (const std::string& place : report.bad_lines) out += "              " + place + "\n";
  if (!report.live.empty()) add_live(out, report);
  out += "\n";
  add_venues(out, report);
  if (!report.errors.empty()) {
    Table errors({"refused", "venue", "stream", "field", "count", "first"});
    for (const feed::Refusal& error : report.errors)
      errors.row({std::string(venue::name_of(error.status)),
                  std::string(market::find_venue(error.venue)->key), error.stream, error.field,
                  grouped(error.count), printable(error.excerpt)});
    out += errors.text() + "\n";
  }
  add_counts(out, "record kind", report.records);
  add_counts(out, "minutes of", report.minutes);
  const state::Totals& totals = report.totals;
  add_line(out, "messages",
           fmt::format("{} ({}) in {:.2f} s, {} of them", grouped(report.feed.messages),
                       bytes_text(report.feed.bytes), report.feed_seconds,
                       rate(report.feed.messages, report.feed_seconds)));
  add_line(out, "decode_errors", grouped(total_decode_errors(report)));
  add_line(out, "records",
           fmt::format("{} from messages, journalled by {:.2f} s, {}", grouped(report.feed.records),
                       report.engine_seconds, rate(report.feed.records, report.engine_seconds)));
  add_line(
      out, "half-seen",
      fmt::format("{} minutes seen in part have no row (gap records)", grouped(totals.half_seen)));
  add_line(out, "late",
           fmt::format("{} trades, {} candles after their minute had closed",
                       grouped(totals.late_trades), grouped(totals.late_candles)));
  if (totals.told_before != 0)
    add_line(out, "told before",
             fmt::format("{} trades and liquidations that the journal had already: counted once",
                         grouped(totals.told_before)));
  add_line(out, "engine time", time_text(report.engine_time_ns));
  add_line(out, "decode", percentiles(report.decode_ns) + ", one message");
  add_line(
      out, "engine",
      percentiles(report.batch_ns) + ", a batch from found in the ring to journalled and folded");
  std::string conflated;
  for (const feed::LiveFeedStatus& feed : report.live)
    for (const feed::ConflatedStatus& row : feed.conflated)
      conflated += fmt::format("; {} of {}'s {} replaced by newer ones", grouped(row.count),
                               market::find_venue(feed.venue)->key, market::name_of(row.type));
  add_line(out, "ring full", fmt::format("{} waits{}", grouped(report.feed.full_waits), conflated));
  add_line(out, "journal",
           fmt::format("{}: {}, {} blocks, {} syncs, {} waits",
                       report.journal_folder.empty() ? "temporary" : report.journal_folder,
                       bytes_text(report.journal.bytes), grouped(report.journal.blocks),
                       grouped(report.journal.syncs), grouped(report.journal.waits)));
  add_line(out, "database", load_text(report));
  add_line(out, "total", fmt::format("{:.2f} s", report.total_seconds));
  if (report.was_stopped && report.live.empty())
    out += fmt::format("stopped before the end; {} records were not published\n",
                       grouped(report.lost_at_stop));
  return out;
}

std::string summary_json(const Report& report) {
  Json json;
  json["files"] = report.files;
  json["skipped"] = Json::array();
  for (const feed::SkippedFile& file : report.skipped)
    json["skipped"].push_back({{"path", file.path}, {"why", file.why}});
  json["messages"] = report.feed.messages;
  json["message_bytes"] = report.feed.bytes;
  json["decode_errors"] = total_decode_errors(report);
  json["bad_lines"] = report.bad_line_count;
  json["bad_line_places"] = report.bad_lines;
  for (const VenueReport& venue : report.venues) {
    Json& row = json["venues"][std::string(market::find_venue(venue.venue)->key)];
    for (const MessageCount& counted : venue.messages) {
      row["messages"][counted.kind] = counted.messages;
      row["by_shape"][counted.kind] = counted.by_shape;
    }
    row["decode_errors"] = venue.decode_errors;
    row["venue_errors"] = venue.venue_errors;
    row["instruments"] = venue.instruments;
    row["provisional_instruments"] = venue.provisional_instruments;
    row["other_instrument_messages"] = venue.other_instrument_messages;
    row["duplicates"] = venue.duplicates;
    row["gaps"] = venue.gaps;
    row["checksums_verified"] = venue.checksums_verified;
    row["checksum_mismatches"] = venue.checksum_mismatches;
  }
  for (const feed::LiveFeedStatus& feed : report.live)
    json["live"][std::string(market::find_venue(feed.venue)->key)] = live_json(feed);
  json["errors"] = Json::array();
  for (const feed::Refusal& error : report.errors)
    json["errors"].push_back({{"venue", market::find_venue(error.venue)->key},
                              {"stream", error.stream},
                              {"status", venue::name_of(error.status)},
                              {"field", error.field},
                              {"count", error.count},
                              {"first", error.excerpt}});
  json["records_from_messages"] = report.feed.records;
  for (const auto& [name, count] : report.records) json["records"][name] = count;
  for (const auto& [name, count] : report.minutes) json["minutes"][name] = count;
  json["half_seen_minutes"] = report.totals.half_seen;
  json["late_trades"] = report.totals.late_trades;
  json["late_candles"] = report.totals.late_candles;
  json["told_before"] = report.totals.told_before;
  json["engine_time"] =
      report.engine_time_ns == core::unknown_ns ? Json() : Json(time_text(report.engine_time_ns));
  json["seconds"] = {{"feed", report.feed_seconds},
                     {"engine", report.engine_seconds},
                     {"total", report.total_seconds}};
  json["latency_ns"] = {{"decode", percentiles_json(report.decode_ns)},
                        {"engine_batch", percentiles_json(report.batch_ns)}};
  json["ring_full_waits"] = report.feed.full_waits;
  json["journal"] = {
      {"folder", report.journal_folder.empty() ? Json() : Json(report.journal_folder)},
      {"bytes", report.journal.bytes},
      {"blocks", report.journal.blocks},
      {"syncs", report.journal.syncs},
      {"waits", report.journal.waits}};
  if (report.load) {
    const warehouse::LoadReport& load = *report.load;
    json["database"] = {
        {"perp_data", load.rows_data},       {"perp_metrics", load.rows_metrics},
        {"facts", load.rows_facts},          {"instruments", load.instruments},
        {"perp_status", load.status_rows},   {"perp_errors", load.error_rows},
        {"batches", load.batches},           {"merged_batches", load.merged_batches},
        {"retries", load.retries},           {"reconnects", load.reconnects},
        {"rows_refused", load.rows_refused}, {"rows_expired", load.rows_expired}};
  } else {
    json["database"] = nullptr;
  }
  json["stopped"] = report.was_stopped;
  json["lost_at_stop"] = report.lost_at_stop;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace perp::app
