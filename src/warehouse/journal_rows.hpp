#pragma once
// The journal's records as rows, for verify: which record is a row of which table, its fields in
// the binary form of COPY, and what a second row of one key means. Written apart from the loader on
// purpose: a proof must not share the code that it proves. Only the decoding of single records
// (facts.hpp) and the slicing into lanes are the loader's own.
#include <perp/journal/reader.hpp>
#include <perp/market/record.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::warehouse {

/// A table as verify sees it: a row is the concatenation of its fields, each a big-endian length
/// (-1: NULL) and so many bytes; the key's fields come first, `ts` is the first of them.
struct ComparedTable {
  enum class Merge : std::uint8_t { keep_first, keep_known, replace };
  std::string name;
  std::vector<std::string> columns;
  std::vector<Merge> merges;  ///< by column: what a second row of one key does
  std::size_t key_fields = 0;
  std::size_t fact = 0;  ///< index in fact_tables(), or `hot`: made of minute records
  static constexpr std::size_t hot = ~std::size_t{0};
};
/// @throws core::Error on a name that is neither perp_data, perp_metrics nor a table of facts
ComparedTable compared_table(std::string_view name);

std::int64_t ts_of(std::string_view row);
/// The bytes of the first `fields` fields.
std::string_view key_of(std::string_view row, std::size_t fields);
/// Field by field: offset of each, and the row's end. @throws core::Error on a torn row
std::vector<std::size_t> field_offsets(std::string_view row, std::size_t fields);
/// The row that stands after `newer` came to `older`.
std::string merged(const ComparedTable& table, const std::string& older, const std::string& newer);

/// What a pass over the journal is to find: rows of from_ms <= ts < to_ms.
struct RowWish {
  std::int64_t from_ms;
  std::int64_t to_ms;
  bool wants_fields;  ///< otherwise only where rows are
};

struct JournalRow {
  std::size_t table;  ///< index in the tables
  std::int64_t ts;
  std::string_view symbol;
  journal::Position position;
  bool is_loaded;      ///< below its lane's cursor
  std::string fields;  ///< empty unless wanted
};

class JournalRows {
 public:
  struct Counts {
    std::uint64_t refused = 0;
    std::uint64_t not_primary = 0;
  };
  using Take = std::function<void(JournalRow&&)>;

  /// @param perpspecs those that are compared
  JournalRows(const std::vector<ComparedTable>& tables, const std::set<std::string>& perpspecs,
              std::vector<journal::Position> cursors);

  /// Calls `take` for each row among the records below `to`, in order.
  Counts read(journal::Reader& reader, journal::Position to, const RowWish& wish, const Take& take);

 private:
  /// What an instrument's records of one kind are about.
  struct Subject {
    std::string symbol;
    std::string perpspec;  ///< of minutes
    bool is_row = false;
    bool is_primary = true;
    journal::Position cursor = 0;
  };
  struct Pass;
  const Subject* find_subject(const Pass& pass, const market::RecordHeader& record,
                              std::size_t kind);
  void take_minute(Pass& pass, const market::RecordHeader& record);
  void take_fact(Pass& pass, const market::RecordHeader& record, std::size_t table);
  journal::Position cursor_of(std::string_view symbol, std::string_view series) const;

  const std::vector<ComparedTable>& tables_;
  const std::set<std::string>& perpspecs_;
  std::vector<journal::Position> cursors_;
  std::map<std::pair<std::uint32_t, std::size_t>, Subject> subjects_;  ///< by instrument, kind
};

}  // namespace perp::warehouse
