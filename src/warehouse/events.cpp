#include "warehouse/events.hpp"

#include <perp/core/time.hpp>
#include <perp/market/instrument_table.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

using market::ContractType;
using market::FeedState;
using market::InstrumentStatus;

std::string venue_key(market::VenueId id) {
  const market::Venue* venue = market::find_venue(id);
  return venue == nullptr ? fmt::format("venue{}", static_cast<unsigned>(id))
                          : std::string(venue->key);
}

std::string text_of(ContractType type) {
  switch (type) {
    case ContractType::linear_perpetual: return "linear_perpetual";
    case ContractType::inverse_perpetual: return "inverse_perpetual";
    case ContractType::dated_future: return "dated_future";
    case ContractType::spot: return "spot";
    case ContractType::other: return "other";
    case ContractType::unknown: break;
  }
  return "unknown";
}

std::string text_of(InstrumentStatus status) {
  switch (status) {
    case InstrumentStatus::live: return "live";
    case InstrumentStatus::prelaunch: return "prelaunch";
    case InstrumentStatus::suspended: return "suspended";
    case InstrumentStatus::delisted: return "delisted";
    case InstrumentStatus::unknown: break;
  }
  return "unknown";
}

std::string_view text_of(market::GapCause cause) {
  switch (cause) {
    case market::GapCause::sequence: return "sequence";
    case market::GapCause::checksum: return "checksum";
    case market::GapCause::half_seen: return "half_seen";
    case market::GapCause::disconnect: return "disconnect";
    case market::GapCause::venue_has_none: return "venue_has_none";
    case market::GapCause::silence: return "silence";
    case market::GapCause::not_running: return "not_running";
    case market::GapCause::unknown: break;
  }
  return "unknown";
}

struct StatusText {
  std::string_view state;   ///< as the feed says it
  std::string_view status;  ///< in the words of perp_status
};
StatusText text_of(FeedState state) {
  switch (state) {
    case FeedState::connecting: return {"connecting", "started"};
    case FeedState::live: return {"live", "connected"};
    case FeedState::stale: return {"stale", "warning"};
    case FeedState::reconnecting: return {"reconnecting", "warning"};
    case FeedState::down: return {"down", "stopped"};
    case FeedState::unknown: break;
  }
  return {"unknown", "warning"};
}

Value ms_or_null(std::int64_t ns) {
  return integer_or_null(
      ns != core::unknown_ns,
      ns == core::unknown_ns ? 0 : core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms);
}

// Microseconds since the epoch; a record without times is dated by the database's clock.
Value time_of(const market::RecordHeader& record) {
  const std::int64_t ns =
      record.receive_ns != core::unknown_ns ? record.receive_ns : record.exchange_ns;
  return integer_or_null(
      ns != core::unknown_ns,
      ns == core::unknown_ns ? 0 : core::floor_to(ns, core::ns_per_us) / core::ns_per_us);
}

// The kind of record that a status or a hole is about; padding stands for all of a connection's.
std::string stream_name(market::RecordType stream) {
  return stream == market::RecordType::padding ? "connection"
                                               : std::string(market::name_of(stream));
}

// Free text from outside, made storable: what is not plain UTF-8 is escaped like in json_string().
std::string storable(std::string_view text) {
  if (is_storable_text(text)) return std::string(text);
  const std::string escaped = json_string(text);
  return escaped.substr(1, escaped.size() - 2);
}

std::string json_list(std::span<const market::ColumnId> ids, bool with_common) {
  std::string out = with_common ? R"(["ts", "symbol", "source", "perpspec", "interval")" : "[";
  for (market::ColumnId id : ids)
    out += fmt::format("{}\"{}\"", out == "[" ? "" : ", ", column_name(id));
  return out + "]";
}

constexpr const char* put_instrument =
    "SELECT "
    "perp_put_instrument($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20::"
    "text::jsonb)";
constexpr const char* insert_status =
    "INSERT INTO perp_status (script_name, status, message, details, ts) "
    "VALUES ($1, $2, $3, $4::text::jsonb, coalesce(timestamptz 'epoch' + $5 * interval '1 "
    "microsecond', now()))";
// A hole without a beginning or an end began or ended when it was noticed. Told again, it may have
// grown.
constexpr const char* insert_gap =
    "INSERT INTO data_gaps (table_name, exchange_id, symbol, interval, gap_start, gap_end, "
    "missing, "
    "detected_at, reason) "
    "SELECT $1, $2, $3, $4, coalesce($5, at), coalesce($6, at), $7, at, $9 FROM (SELECT "
    "coalesce($8 / "
    "1000, now_ms()) AS at) t "
    "ON CONFLICT (table_name, exchange_id, symbol, interval, gap_start) DO UPDATE SET gap_end = "
    "greatest(data_gaps.gap_end, EXCLUDED.gap_end), missing = coalesce(EXCLUDED.missing, "
    "data_gaps.missing), reason = EXCLUDED.reason";
constexpr const char* insert_error =
    "INSERT INTO perp_errors (script_name, perpspec, error_type, error_code, error_message, "
    "details, ts) "
    "VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, coalesce(timestamptz 'epoch' + $7 * interval '1 "
    "microsecond', now()))";

}  // namespace

std::string json_string(std::string_view bytes) {
  std::string out = "\"";
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte == 0) {
      out += "\\\\x00";
    } else if (byte < 0x20 || byte > 0x7e) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// Where an error arose, innermost place first, as a JSON list of texts. Code is found by the names
/// of its parts: what happened depends on the message, not on a line of ours.
static std::string stack_of(std::initializer_list<std::string> places) {
  std::string out;
  for (const std::string& place : places) out += (out.empty() ? "[" : ", ") + json_string(place);
  return out + "]";
}

bool is_storable_text(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead == 0) return false;
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    if (length >= 3) {  // overlong forms, surrogates, beyond U+10FFFF
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
          (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
        return false;
    }
    i += length;
  }
  return true;
}

Statement instrument_statement(const market::RecordHeader& record) {
  const auto& instrument = market::payload<market::Instrument>(record);
  const std::string metadata =
      fmt::format(R"({{"settle": {}, "is_provisional": {}}})",
                  json_string(instrument.settle.view()), instrument.is_provisional != 0);
  return {put_instrument,
          {static_cast<std::int16_t>(record.venue),
           static_cast<std::int64_t>(record.instrument),
           std::string(instrument.native.view()),
           std::string(instrument.base.view()),
           std::string(instrument.quote.view()),
           market::canonical_id(record.venue, instrument),
           text_of(instrument.contract_type),
           text_of(instrument.status),
           number_or_null(instrument.contract_size),
           instrument.multiplier,
           number_or_null(instrument.tick_size),
           number_or_null(instrument.lot_size),
           number_or_null(instrument.min_quantity),
           number_or_null(instrument.min_notional),
           number_or_null(instrument.max_leverage),
           number_or_null(instrument.funding_interval_ns == core::unknown_ns
                              ? market::missing
                              : static_cast<double>(instrument.funding_interval_ns) /
                                    static_cast<double>(core::ns_per_hour)),
           ms_or_null(instrument.listed_ns),
           ms_or_null(instrument.delisted_ns),
           instrument.is_primary != 0,
           metadata}};
}

Statement status_statement(const market::RecordHeader& record, std::string_view instrument) {
  const auto& status = market::payload<market::FeedStatus>(record);
  const StatusText text = text_of(status.state);
  const std::string stream = stream_name(status.stream);
  const std::string details = fmt::format(
      R"({{"state": "{}", "stream": "{}", "connection": {}, "instrument": {}}})", text.state,
      stream, status.connection, instrument.empty() ? "null" : json_string(instrument));
  return {insert_status,
          {"feed " + venue_key(record.venue), std::string(text.status),
           text_or_null(storable(status.reason.view())), details, time_of(record)}};
}

Statement error_statement(const market::RecordHeader& record) {
  const auto& failure = market::payload<market::DecodeFailure>(record);
  const std::string stream = storable(failure.stream.view());
  const std::string field = storable(failure.field.view());
  const std::string message =
      fmt::format("{}: message refused{}{} (status {})", stream.empty() ? "unknown stream" : stream,
                  field.empty() ? "" : " at ", field, failure.status);
  const std::string_view excerpt(
      failure.excerpt.data,
      std::min<std::size_t>(failure.excerpt_size, sizeof failure.excerpt.data));
  const std::string details = fmt::format(
      R"({{"status": {}, "stream": {}, "field": {}, "message_size": {}, "excerpt": {}, "stack": {}}})",
      failure.status, json_string(failure.stream.view()), json_string(failure.field.view()),
      failure.message_size, json_string(excerpt),
      stack_of({field.empty() ? "message" : "field " + field,
                stream.empty() ? "unknown stream" : "message " + stream,
                "decoder of " + venue_key(record.venue), "feed " + venue_key(record.venue)}));
  return {insert_error,
          {"feed " + venue_key(record.venue), Null{25}, std::string("API"),
           std::string("PARSE_ERROR"), message, details, time_of(record)}};
}

Statement gap_statement(const market::RecordHeader& record, const std::string& symbol) {
  const auto& gap = market::payload<market::Gap>(record);
  const market::RecordKind* kind = market::find_record_kind(gap.stream);
  // A minute that was not seen whole is missing from perp_data, whatever stream it was to be made
  // of.
  const bool is_minute = gap.cause == market::GapCause::half_seen;
  const bool has_table = kind != nullptr && !kind->table.empty();
  const bool has_ids = gap.expected_id != market::unknown_id && gap.got_id > gap.expected_id;
  return {insert_gap,
          {is_minute   ? "perp_data"
           : has_table ? std::string(kind->table)
                       : stream_name(gap.stream),
           static_cast<std::int16_t>(record.venue), symbol,
           is_minute ? stream_name(gap.stream) : std::string(), ms_or_null(gap.from_ns),
           ms_or_null(gap.to_ns),
           integer_or_null(has_ids || is_minute,
                           has_ids ? gap.got_id - gap.expected_id : std::int64_t{1}),
           time_of(record), std::string(text_of(gap.cause))}};
}

Statement refused_statement(const RefusedRow& row) {
  const std::string details = fmt::format(
      R"({{"table": {}, "sqlstate": {}, "symbol": {}, "ts": {}, "journal_position": {}, "stack": {}}})",
      json_string(row.table), json_string(row.sqlstate), json_string(row.symbol), row.ts,
      row.position,
      stack_of({fmt::format("row of {} at {}", row.symbol, row.ts), "table " + row.table,
                fmt::format("journal position {}", row.position), "loader"}));
  return {
      insert_error,
      {std::string("perp warehouse"), text_or_null(storable(row.perpspec)), std::string("DATABASE"),
       std::string("INSERT_FAILED"), storable(row.reason), details, Null{20}}};
}

Statement damage_statement(const journal::Damage& damage) {
  const std::string details = fmt::format(R"({{"segment": {}, "offset": {}, "bytes": {}}})",
                                          damage.segment, damage.offset, damage.bytes);
  return {insert_error,
          {std::string("perp warehouse"), Null{25}, std::string("SYSTEM"),
           std::string("JOURNAL_DAMAGE"), storable(damage.why), details, Null{20}}};
}

Statement life_statement(const std::string& program, const std::string& status,
                         const std::string& message, const std::string& details) {
  return {insert_status, {program, status, text_or_null(storable(message)), details, Null{20}}};
}

Statement perpspec_statement(const market::Perpspec& spec) {
  const market::SpecRow& row = market::spec_row(market::kind_of(spec.id));
  return {
      "INSERT INTO perpspec_schema (perpspec_name, fields, extension_fields, native_interval_ms, "
      "seed) "
      "VALUES ($1, $2::text::jsonb, $3::text::jsonb, $4, $5) ON CONFLICT (perpspec_name) DO "
      "NOTHING",
      {market::perpspec_name(spec.id), json_list(market::fields(row), true),
       json_list(market::extras(row), false), static_cast<std::int32_t>(row.native_interval_ms),
       spec.is_seed}};
}

}  // namespace perp::warehouse
