#pragma once
// JSON arrays of short arrays ([price, size, ...], candles, [time, ratio]) and arrays of objects,
// read one row at a time. Private to the venue layer; allocates nothing.
#include "venue/json.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace perp::venue::json {

/// The scalars of one row. Cells behind the last one that is wanted are read over: venues append
/// columns.
template <std::size_t Limit>
struct Row {
  std::array<Token, Limit> cells;
  std::size_t count = 0;

  bool has(std::size_t index) const { return index < count && !cells[index].is_empty(); }
  /// A cell that the row does not have reads as a missing field.
  Token cell(std::size_t index) const {
    if (index < count) return cells[index];
    Token none;
    none.is_missing = true;
    return none;
  }
};

/// Calls visit(row) for each row of `rows`. @returns fault.ok().
template <std::size_t Limit, class Visit>
bool each_row(ondemand::array& rows, Fault& fault, std::string_view field, Visit visit) {
  if (!fault.ok()) return false;  // simdjson may have abandoned the document
  for (auto item : rows) {
    ondemand::array cells;
    if (const auto error = item.get_array().get(cells); error != simdjson::SUCCESS) {
      fault.raise(status_of(error), field);
      return false;
    }
    Row<Limit> row;
    for (auto cell : cells) {
      if (row.count == Limit) {
        if (const auto error = cell.error(); error != simdjson::SUCCESS) {
          fault.raise(status_of(error), field);
          return false;
        }
        continue;
      }
      row.cells[row.count++] = token_of(std::move(cell), fault, field);
      if (!fault.ok()) return false;
    }
    visit(row);
    if (!fault.ok()) return false;
  }
  return fault.ok();
}

/// Calls visit(object) for each element of `items`. @returns fault.ok().
template <class Visit>
bool each_object(ondemand::array& items, Fault& fault, std::string_view field, Visit visit) {
  if (!fault.ok()) return false;
  for (auto item : items) {
    ondemand::object object;
    if (const auto error = item.get_object().get(object); error != simdjson::SUCCESS) {
      fault.raise(status_of(error), field);
      return false;
    }
    visit(object);
    if (!fault.ok()) return false;
  }
  return fault.ok();
}

/// Starts `items` again, for a list that is read twice.
inline bool restart(ondemand::array& items, Fault& fault, std::string_view field) {
  if (!fault.ok()) return false;
  bool has_items = false;
  if (const auto error = items.reset().get(has_items); error != simdjson::SUCCESS) {
    fault.raise(status_of(error), field);
    return false;
  }
  return true;
}

/// A book level's size in coins. "0" deletes the level whatever a contract's size is; any other
/// size is NaN while that is unknown.
inline double level_size(const Token& token, const market::InstrumentEntry& entry, Fault& fault,
                         std::string_view field) {
  if (entry.has_quantity_factor) return decimal(token, entry.quantity_factor, true, fault, field);
  return decimal(token, {}, true, fault, field) == 0 ? 0 : market::missing;
}

}  // namespace perp::venue::json
