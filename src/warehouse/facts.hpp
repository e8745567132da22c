#pragma once
// Facts that are rows of tables of their own, in COPY's binary form as soon as they are read: a
// record is a row of one table, or of several, or several rows. THE table of such tables is
// fact_tables(): which record goes where, what its key is, what a second row of one key means.
#include <perp/journal/format.hpp>
#include <perp/market/record.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace perp::warehouse {

/// One row, field by field in the order of its table's columns, appended to `out`.
class FactWriter {
 public:
  explicit FactWriter(std::string& out) : out_(out) {}
  void int8(std::int64_t value);
  void int2(std::int16_t value);
  void int4(std::int32_t value);
  void float8(double value);  ///< NaN is NULL
  void text(std::string_view value);
  void boolean(market::Tristate value);  ///< unknown is NULL
  void null();

 private:
  std::string& out_;
};

/// What a row is about.
struct FactSubject {
  std::int16_t exchange = 0;
  std::string_view symbol;
  std::int64_t ts = 0;       ///< epoch ms
  std::uint32_t repeat = 0;  ///< how many records of this very content came before it in this ms
  std::uint32_t part = 0;    ///< which of the record's rows
};

enum class FactMerge : std::uint8_t {
  keep_first,  ///< a second row of one key says the same
  keep_known,  ///< the newer row stands; what it does not know stays
};

struct FactTable {
  std::string_view name;
  market::RecordType record;
  bool is_default;  ///< loaded unless told otherwise
  FactMerge merge;
  bool has_event_id;  ///< several rows of one series may have one ts
  std::size_t key_fields;
  std::span<const std::string_view> columns;  ///< the key's first
  /// When it happened, ns; unknown_ns where the record does not say; `skip` where it is no row of
  /// this table.
  std::int64_t (*time)(const market::RecordHeader& record);
  /// The fields behind ts, exchange_id and symbol.
  void (*write)(const market::RecordHeader& record, const FactSubject& subject, FactWriter& out);
  /// How many rows a record is. Their keys differ.
  std::uint32_t (*rows)(const market::RecordHeader& record) = [](const market::RecordHeader&) {
    return std::uint32_t{1};
  };
};
inline constexpr std::int64_t skip = core::unknown_ns + 1;

/// The base alone names a venue's primary instrument; any other says its quote as well.
std::string fact_symbol(const market::Instrument& instrument);

std::span<const FactTable> fact_tables();
/// Index in fact_tables(), or their count.
std::size_t find_fact_table(std::string_view name);

/// Appends the row, without COPY's field count. @returns the bytes of its key
std::uint32_t write_row(const FactTable& table, const market::RecordHeader& record,
                        const FactSubject& subject, std::string& out);

/// "1m", "5m", "1h", "1d": the greatest unit that divides it.
std::string interval_text(std::int64_t ns);

/// Same content at the same moment is told apart by its place: liquidations have no id. What is
/// equal but further apart in the journal than `reach_bytes` is one event told twice. The place
/// thus follows from that much of the journal alone, wherever a reader begins.
class Repeats {
 public:
  static constexpr std::uint64_t reach_bytes = 16u << 20;

  /// @returns how many records of the same kind, instrument, ms and content came directly before
  std::uint32_t count(const market::RecordHeader& record, std::int64_t ts,
                      journal::Position position);

 private:
  struct Told {
    std::uint64_t content;
    journal::Position position;
  };
  struct Last {
    std::int64_t ts = 0;
    std::vector<Told> told;
  };
  std::unordered_map<std::uint64_t, Last> last_;
};

struct FactRow {
  std::uint32_t begin = 0;  ///< in FactBatch::bytes
  std::uint32_t size = 0;
  std::uint32_t key_size = 0;  ///< the key's fields are the row's first bytes
  std::uint32_t series = 0;    ///< index into the lane's fact series
  std::int64_t ts = 0;
  journal::Position position = 0;
  std::uint8_t flags = 0;
};

struct FactBatch {
  std::string bytes;
  std::vector<FactRow> rows;
  bool needs_merge = false;

  std::string_view row(const FactRow& at) const {
    return std::string_view(bytes).substr(at.begin, at.size);
  }
  std::string_view key(const FactRow& at) const {
    return std::string_view(bytes).substr(at.begin, at.key_size);
  }
  /// Its symbol: the third field of every fact table.
  std::string symbol_of(const FactRow& at) const;
  void clear();
};

/// Orders rows by (series, ts, key) and leaves one of each key: the first of the journal, or the
/// last with what only earlier ones know, as the table says.
/// @returns how many rows went
std::uint64_t sort_and_fold(FactBatch& batch, const FactTable& table);

/// `INSERT ... SELECT ... ON CONFLICT` from a stage.
std::string merge_statement(const FactTable& table, std::string_view stage);
std::string column_list(const FactTable& table);

}  // namespace perp::warehouse
