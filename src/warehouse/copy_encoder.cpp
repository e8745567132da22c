#include "warehouse/wire.hpp"

#include <perp/warehouse/copy_encoder.hpp>

#include <bit>
#include <cmath>
#include <cstring>

namespace perp::warehouse {
namespace {

using market::ColumnId;

constexpr std::size_t key_fields = 4;   // ts, symbol, perpspec, source: what every row says
constexpr std::size_t fill_bytes = 32;  // NULL runs are written in blocks of this size

constexpr void add_slot(RowLayout& layout, ColumnId id) {
  const market::Column& raw = market::columns[static_cast<std::size_t>(
      market::is_change(id) ? market::raw_column_of(id) : id)];
  if (layout.slot_count >= 64) throw "more than 64 value columns: the masks are too narrow";
  const std::uint64_t bit = std::uint64_t{1} << layout.slot_count;
  if (raw.type == market::ColumnType::position_side) layout.side_slots |= bit;
  if (!market::is_change(id) && raw.name == "age_ms") layout.int4_slots |= bit;
  layout.slots[static_cast<std::size_t>(id)] = static_cast<std::uint8_t>(layout.slot_count++);
}

constexpr void count_fields(RowLayout& layout) {
  const int others = (layout.has_defaults ? 1 : 0) + (layout.has_window_sizes ? 1 : 0) +
                     (layout.has_notes ? 1 : 0);
  layout.field_count =
      static_cast<std::uint16_t>(key_fields + layout.slot_count + static_cast<unsigned>(others));
}

// The order here is that of Table: a test compares the two through a real COPY.
constexpr RowLayout make_layout(bool is_metrics) {
  RowLayout layout;
  for (std::uint8_t& slot : layout.slots) slot = RowLayout::absent;
  layout.has_window_sizes = is_metrics;
  layout.has_notes = !is_metrics;
  const auto add_raw = [&](bool is_extension) {
    for (std::size_t i = 0; i < market::column_count; ++i)
      if (market::columns[i].is_extension == is_extension &&
          (!is_metrics || !is_extension || market::columns[i].has_change))
        add_slot(layout, static_cast<ColumnId>(i));
  };
  add_raw(false);
  if (is_metrics)
    for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
      for (std::size_t i = 0; i < market::column_count; ++i)
        if (market::columns[i].has_change && !market::columns[i].is_extension)
          add_slot(layout, market::change_column(static_cast<ColumnId>(i), window));
  add_raw(true);
  if (is_metrics)
    for (std::size_t i = 0; i < market::column_count; ++i)
      for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
        if (market::columns[i].has_change && market::columns[i].is_extension)
          add_slot(layout, market::change_column(static_cast<ColumnId>(i), window));
  count_fields(layout);
  return layout;
}

template <class Integer>
std::byte* put(std::byte* out, Integer value) {
  const Integer swapped = swap_bytes(value);
  std::memcpy(out, &swapped, sizeof swapped);
  return out + sizeof swapped;
}

std::byte* put_bytes(std::byte* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// NULL is a length of -1, four 0xff bytes. Whole blocks are written, past the run: what follows
// overwrites them, and row_bytes_max() counts the last block.
std::byte* put_nulls(std::byte* out, std::size_t count) {
  const std::size_t bytes = 4 * count;
  for (std::size_t done = 0; done < bytes; done += fill_bytes)
    std::memset(out + done, 0xff, fill_bytes);
  return out + bytes;
}

void append_text_field(std::string& out, std::string_view text) {
  append_u32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

}  // namespace

constexpr RowLayout data_layout = make_layout(false);
constexpr RowLayout metrics_layout = make_layout(true);
const RowLayout perp_data_layout = data_layout;
const RowLayout perp_metrics_layout = metrics_layout;

// The whole row is refused for one bad value: a bar without its high would be stored as if it were
// known.
MinuteSlots slots_of(std::span<const market::MinuteValue> values) noexcept {
  constexpr std::uint64_t exponent = 0x7ff0000000000000, mantissa = 0x000fffffffffffff;
  // Not many are text or int4: which ones is looked at behind the loop.
  MinuteSlots out;
  for (const market::MinuteValue& value : values) {
    const auto bits = std::bit_cast<std::uint64_t>(value.value);
    if ((bits & exponent) == exponent) {
      if ((bits & mantissa) != 0) continue;  // missing
      out.refusal = RowRefusal::not_finite;
      return out;
    }
    if (value.column >= RowLayout::id_limit) continue;
    // Where a table has not the column, `absent` is beyond every slot.
    const std::uint8_t data = data_layout.slots[value.column];
    const std::uint8_t metrics = metrics_layout.slots[value.column];
    out.data |= std::uint64_t{data != RowLayout::absent} << (data & 63);
    out.metrics |= std::uint64_t{metrics != RowLayout::absent} << (metrics & 63);
  }
  if (((out.data & (data_layout.side_slots | data_layout.int4_slots)) |
       (out.metrics & (metrics_layout.side_slots | metrics_layout.int4_slots))) == 0)
    return out;
  const auto is_in = [](std::uint64_t slots, const RowLayout& layout, std::uint16_t column) {
    const std::uint8_t slot =
        column < RowLayout::id_limit ? layout.slots[column] : RowLayout::absent;
    return slot != RowLayout::absent && (slots >> slot & 1) != 0;
  };
  for (const market::MinuteValue& value : values) {
    if (std::isnan(value.value)) continue;
    const bool is_side = is_in(data_layout.side_slots, data_layout, value.column) ||
                         is_in(metrics_layout.side_slots, metrics_layout, value.column);
    if (is_side && value.value != 1 && value.value != 2)
      out.refusal = RowRefusal::side_out_of_range;
    if (is_in(data_layout.int4_slots, data_layout, value.column) &&
        (std::abs(value.value) > 2147483647.0 || value.value != std::trunc(value.value)))
      out.refusal = RowRefusal::int4_out_of_range;
  }
  return out;
}

RowLayout narrowed(const RowLayout& layout, std::uint64_t slots, bool has_notes) {
  const auto bits_below = [](std::uint64_t mask, unsigned slot) {
    return static_cast<unsigned>(std::popcount(mask & ((std::uint64_t{1} << slot) - 1)));
  };
  RowLayout out;
  for (std::size_t id = 0; id < RowLayout::id_limit; ++id) {
    const std::uint8_t slot = layout.slots[id];
    const bool is_kept = slot != RowLayout::absent && (slots >> slot & 1) != 0;
    out.slots[id] =
        is_kept ? static_cast<std::uint8_t>(bits_below(slots, slot)) : RowLayout::absent;
  }
  for (unsigned slot = 0; slot < layout.slot_count; ++slot) {
    if ((slots >> slot & 1) == 0) continue;
    out.side_slots |= (layout.side_slots >> slot & 1) << out.slot_count;
    out.int4_slots |= (layout.int4_slots >> slot & 1) << out.slot_count;
    ++out.slot_count;
  }
  out.has_defaults = false;
  out.has_notes = has_notes && layout.has_notes;
  count_fields(out);
  return out;
}

std::string_view to_string(RowRefusal refusal) {
  switch (refusal) {
    case RowRefusal::none: return "none";
    case RowRefusal::not_finite: return "a value is infinite";
    case RowRefusal::side_out_of_range: return "a position side is neither 1 (long) nor 2 (short)";
    case RowRefusal::int4_out_of_range: return "age_ms is not a whole number of 32 bits";
  }
  return "unknown";
}

std::string encode_series(const RowLayout& layout, std::string_view symbol,
                          std::string_view perpspec) {
  std::string out;
  append_text_field(out, symbol);
  append_text_field(out, perpspec);
  append_text_field(out, perpspec);  // source: which spec's inputs made it
  if (layout.has_defaults) append_text_field(out, "1min");
  if (layout.has_window_sizes) {
    const auto& windows = market::change_windows_minutes;
    append_u32(out, static_cast<std::uint32_t>(20 + 6 * windows.size()));
    append_u32(out, 1);  // dimensions
    append_u32(out, 0);  // no NULL inside
    append_u32(out, oid_int2);
    append_u32(out, static_cast<std::uint32_t>(windows.size()));
    append_u32(out, 1);  // first index
    for (int window : windows) {
      append_u32(out, 2);
      append_u16(out, static_cast<std::uint16_t>(window));
    }
  }
  return out;
}

std::size_t row_bytes_max(const RowLayout& layout, std::string_view series,
                          std::string_view notes) {
  return 2 + 12 + series.size() + 12 * std::size_t{layout.slot_count} + 4 + notes.size() +
         fill_bytes;
}

EncodedRow encode_row(const RowLayout& layout, std::string_view series, std::int64_t ts,
                      std::span<const market::MinuteValue> values, std::string_view notes,
                      std::byte* out) noexcept {
  double dense[64];
  std::uint64_t present = 0;
  for (const market::MinuteValue& value : values) {
    const std::uint8_t slot =
        value.column < RowLayout::id_limit ? layout.slots[value.column] : RowLayout::absent;
    if (slot == RowLayout::absent || std::isnan(value.value)) continue;
    if (std::isinf(value.value)) return {out, RowRefusal::not_finite};
    dense[slot] = value.value;
    present |= std::uint64_t{1} << slot;
  }
  std::byte* at = put(out, layout.field_count);
  at = put(at, std::uint32_t{8});
  at = put(at, static_cast<std::uint64_t>(ts));
  at = put_bytes(at, series);
  const std::uint64_t special = layout.side_slots | layout.int4_slots;
  unsigned next = 0;
  while (present != 0) {
    const auto slot = static_cast<unsigned>(std::countr_zero(present));
    at = put_nulls(at, slot - next);
    const double value = dense[slot];
    if ((special >> slot & 1) == 0) {
      at = put(at, std::uint32_t{8});
      at = put(at, std::bit_cast<std::uint64_t>(value + 0.0));  // adding 0 turns -0 into 0
    } else if ((layout.side_slots >> slot & 1) != 0) {
      if (value != 1 && value != 2) return {out, RowRefusal::side_out_of_range};
      const std::string_view text = value == 1 ? "long" : "short";
      at = put_bytes(put(at, static_cast<std::uint32_t>(text.size())), text);
    } else {
      if (!(value >= -2147483648.0 && value <= 2147483647.0) || value != std::trunc(value))
        return {out, RowRefusal::int4_out_of_range};
      at = put(put(at, std::uint32_t{4}),
               static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
    }
    next = slot + 1;
    present &= present - 1;
  }
  at = put_nulls(at, layout.slot_count - next);
  if (layout.has_notes) {
    if (notes.empty()) {
      at = put(at, ~std::uint32_t{0});
    } else {
      at = put_bytes(put(at, static_cast<std::uint32_t>(notes.size())), notes);
    }
  }
  return {at, RowRefusal::none};
}

}  // namespace perp::warehouse
