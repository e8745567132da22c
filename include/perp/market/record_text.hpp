#pragma once
// Records as text for people and scripts: one JSON object on one line per record, every field of
// its kind by the name it has in record.hpp. A missing double, an unknown time or id is null; enums
// are words; an infinite double, which JSON lacks, is the text "inf" or "-inf". Cold path (`perp
// journal cat`, logs, tests): it allocates.
#include <perp/market/record.hpp>

#include <string>
#include <string_view>

namespace perp::market {

/// Appends the object, without a line end. @param record is well-formed. @param instrument its
/// definition, for the canonical id ("binance:PEPE-USDT-PERP"); nullptr leaves "symbol" null.
/// Doubles are the shortest text that reads back to the same value; bytes that are not UTF-8 become
/// U+FFFD.
void append_json(std::string& out, const RecordHeader& record, const Instrument* instrument);
/// "sequence", "half_seen"; "unknown" beyond the last.
std::string_view name_of(GapCause cause) noexcept;
[[nodiscard]] std::string to_json(const RecordHeader& record, const Instrument* instrument);

}  // namespace perp::market
