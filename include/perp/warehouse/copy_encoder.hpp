#pragma once
// Rows of perp_data and perp_metrics in PostgreSQL's binary COPY format, straight from the sparse
// values of a minute record. What is the same in every row of a series (symbol, perpspec, source,
// interval, window sizes) is encoded once and copied; runs of NULL are runs of 0xff bytes. About 20
// ns for a row of perp_data. Used by loader lanes, each with its own buffers. Allocates nothing per
// row, never throws per row.
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace perp::warehouse {

/// The first bytes of a binary COPY stream: signature, flags, no header extension.
inline constexpr std::string_view copy_header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
/// The last two: a field count of -1.
inline constexpr std::string_view copy_trailer{"\377\377", 2};

/// Which column ids a table has, and where: derived from market's column table at compile time.
struct RowLayout {
  static constexpr std::size_t id_limit = 1024;
  static constexpr std::uint8_t absent = 0xff;
  std::array<std::uint8_t, id_limit> slots{};  ///< column id -> place among the value columns
  std::uint64_t side_slots = 0;                ///< bit per slot: a position side, written as text
  std::uint64_t int4_slots = 0;                ///< bit per slot: an int4 column
  std::uint16_t slot_count = 0;
  std::uint16_t field_count = 0;  ///< all fields of a row
  bool has_defaults = true;       ///< interval and window sizes are written, not left to the table
  bool has_window_sizes = false;
  bool has_notes = false;
};

extern const RowLayout perp_data_layout;
extern const RowLayout perp_metrics_layout;

/// A table's layout of fewer columns: of its values those of `slots`, of the others what the
/// table's defaults do not say. A server takes each NULL of each row from the stream, at some 15
/// ns: columns that no row of a COPY knows are better left out of it. Table::column_list() lists
/// the same.
RowLayout narrowed(const RowLayout& layout, std::uint64_t slots, bool has_notes);

/// Why a row cannot be written as it is. Nothing of it is in the buffer then.
enum class RowRefusal : std::uint8_t {
  none = 0,
  not_finite,         ///< an infinity; missing values are NaN and become NULL
  side_out_of_range,  ///< a position side that is neither 1 (long) nor 2 (short)
  int4_out_of_range,  ///< age_ms is not a whole number of 32 bits
};
std::string_view to_string(RowRefusal refusal);

/// What a minute's values are to both tables, in one look at each value.
struct MinuteSlots {
  std::uint64_t data = 0;     ///< bit per slot of perp_data_layout: the columns that they know
  std::uint64_t metrics = 0;  ///< the same of perp_metrics_layout
  RowRefusal refusal = RowRefusal::none;  ///< why encode_row() would refuse a row of them
};
MinuteSlots slots_of(std::span<const market::MinuteValue> values) noexcept;

/// The bytes of a row between ts and its values, encoded once per series. The same for all narrowed
/// layouts.
std::string encode_series(const RowLayout& layout, std::string_view symbol,
                          std::string_view perpspec);

/// The most bytes that a row can take, the slack that the encoder may overwrite included.
std::size_t row_bytes_max(const RowLayout& layout, std::string_view series, std::string_view notes);

struct EncodedRow {
  std::byte* end;  ///< one past the row
  RowRefusal refusal;
};

/// Writes one row at `out`, which has row_bytes_max() bytes. Values whose column the table does not
/// have are passed over (perp_data takes no changes). Of two values for one column the later
/// stands.
/// @param notes empty = NULL; ignored by a table without notes.
EncodedRow encode_row(const RowLayout& layout, std::string_view series, std::int64_t ts,
                      std::span<const market::MinuteValue> values, std::string_view notes,
                      std::byte* out) noexcept;

}  // namespace perp::warehouse
