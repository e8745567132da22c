#pragma once
// Records of lane 0's small tables as statements: instrument -> instruments, feed_status ->
// perp_status, error -> perp_errors, and rows that could not be stored -> perp_errors.
#include "warehouse/batch.hpp"

#include <perp/journal/format.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/warehouse/connection.hpp>

#include <string>
#include <string_view>

namespace perp::warehouse {

Statement instrument_statement(const market::RecordHeader& record);
/// `instrument` is the native symbol the status is about, empty for the whole venue.
Statement status_statement(const market::RecordHeader& record, std::string_view instrument);
/// A hole for data_gaps; `symbol` is empty where the whole venue is meant.
Statement gap_statement(const market::RecordHeader& record, const std::string& symbol);
Statement error_statement(const market::RecordHeader& record);
Statement refused_statement(const RefusedRow& row);
Statement damage_statement(const journal::Damage& damage);
/// A program's own life, for perp_status. `status` is one of its seven words, `details` is JSON.
Statement life_statement(const std::string& program, const std::string& status,
                         const std::string& message, const std::string& details);
/// Registers a spec of market's table, unless it is there: what the user changed in its row stays.
Statement perpspec_statement(const market::Perpspec& spec);

/// A JSON string with its quotes. Bytes outside printable ASCII are written as \u00xx, so that a
/// text of any encoding can be stored and read back byte for byte; NUL, which jsonb cannot hold,
/// becomes \\x00.
std::string json_string(std::string_view bytes);

/// Whether PostgreSQL takes the text in a UTF-8 database: well-formed and without NUL.
bool is_storable_text(std::string_view text) noexcept;

}  // namespace perp::warehouse
