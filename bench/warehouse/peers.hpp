#pragma once
// Other ways to load the same rows: files of binary COPY for psql, an INSERT for each row, and
// INSERT ... SELECT unnest(...) ON CONFLICT with binary arrays, which is what drivers of other
// languages offer for upserts.
#include "warehouse/fixture.hpp"

#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <unistd.h>

#include <bit>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {

/// Both tables' rows as files of binary COPY.
struct CopyFiles {
  std::string data, metrics;

  CopyFiles(const std::string& prefix, const Minutes& minutes)
      : data(prefix + "_data.copy"), metrics(prefix + "_metrics.copy") {
    std::ofstream data_out(data, std::ios::binary), metrics_out(metrics, std::ios::binary);
    data_out << warehouse::copy_header;
    metrics_out << warehouse::copy_header;
    std::byte buffer[4096];
    for_each_minute(minutes, [&](const MinuteRow& row) {
      for (auto [layout, out] : {std::pair(&warehouse::perp_data_layout, &data_out),
                                 std::pair(&warehouse::perp_metrics_layout, &metrics_out)}) {
        const warehouse::EncodedRow encoded = warehouse::encode_row(
            *layout, warehouse::encode_series(*layout, row.symbol, row.perpspec), row.ts,
            row.values, {}, buffer);
        out->write(reinterpret_cast<const char*>(buffer), encoded.end - buffer);
      }
    });
    data_out << warehouse::copy_trailer;
    metrics_out << warehouse::copy_trailer;
    data_out.close();
    metrics_out.close();
    if (!data_out || !metrics_out) throw std::runtime_error("cannot write " + prefix);
  }
};

/// The program itself: Debian's /usr/bin/psql is a script that looks for it, which takes longer
/// than many a question.
inline const std::string& psql_program() {
  static const std::string found = [] {
    FILE* const pipe = popen("pg_config --bindir 2>/dev/null", "r");
    std::string folder;
    for (int c; pipe != nullptr && (c = std::fgetc(pipe)) != EOF && c != '\n';)
      folder += static_cast<char>(c);
    if (pipe != nullptr) pclose(pipe);
    const std::string program = folder + "/psql";
    return access(program.c_str(), X_OK) == 0 ? program : std::string("psql");
  }();
  return found;
}

inline void run_psql(const std::string& dsn, const std::string& options) {
  const std::string command = psql_program() + " -qX -v ON_ERROR_STOP=1 '" + dsn + "' " + options;
  if (std::system(command.c_str()) != 0) throw std::runtime_error("psql failed");
}

/// `\copy target (columns of table) FROM file`, as psql's -c.
inline std::string copy_option(const std::string& target, const warehouse::Table& table,
                               const std::string& file) {
  return " -c '\\copy " + target + " (" + table.column_list() + ") FROM '\"'\"'" + file +
         "'\"'\"' (FORMAT binary)'";
}

inline void psql_copy(const std::string& dsn, const CopyFiles& files) {
  run_psql(dsn, copy_option("perp_data", warehouse::perp_data(), files.data) +
                    copy_option("perp_metrics", warehouse::perp_metrics(), files.metrics));
}

/// What runs at the same time, each in a thread. @throws what the first of them threw
inline void at_once(const std::vector<std::function<void()>>& works) {
  std::vector<std::future<void>> running;
  for (const auto& work : works) running.push_back(std::async(std::launch::async, work));
  for (std::future<void>& one : running) one.get();
}

/// DO UPDATE of all that is not key, as anybody would write it.
inline std::string on_conflict(const warehouse::Table& table) {
  std::string out;
  for (const warehouse::TableColumn& column : table.columns())
    if (column.role != warehouse::ColumnRole::key)
      out += (out.empty() ? "" : ", ") + warehouse::quote_identifier(column.name) + " = EXCLUDED." +
             warehouse::quote_identifier(column.name);
  return " ON CONFLICT (ts, symbol, perpspec) DO UPDATE SET " + out;
}

/// One transaction: COPY into temporary tables, then one INSERT ... ON CONFLICT for each table.
inline void psql_stage_and_merge(const std::string& dsn, const CopyFiles& files) {
  std::string options = "-1";
  for (const auto& [table, file] : {std::pair(&warehouse::perp_data(), &files.data),
                                    std::pair(&warehouse::perp_metrics(), &files.metrics)}) {
    const std::string stage = "stage_" + table->name(), columns = table->column_list();
    options += " -c 'CREATE TEMP TABLE " + stage + " ON COMMIT DROP AS SELECT " + columns +
               " FROM " + table->name() + " WITH NO DATA'" + copy_option(stage, *table, *file) +
               " -c 'INSERT INTO " + table->name() + " (" + columns + ") SELECT " + columns +
               " FROM " + stage + on_conflict(*table) + "'";
  }
  run_psql(dsn, options);
}

/// An INSERT for each row, made before the clock starts, with the columns that the row has.
class RowByRow {
 public:
  explicit RowByRow(const Minutes& minutes) {
    for_each_minute(minutes, [&](const MinuteRow& row) {
      for (const warehouse::Table* table : {&warehouse::perp_data(), &warehouse::perp_metrics()})
        statements_.push_back(insert_of(*table, row));
    });
  }
  /// Each in a transaction of its own.
  void run(const std::string& dsn) const {
    const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(dsn.c_str()), PQfinish);
    for (const std::string& statement : statements_) {
      PGresult* const result = PQexec(connection.get(), statement.c_str());
      const bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK;
      PQclear(result);
      if (!is_good) throw std::runtime_error(PQerrorMessage(connection.get()));
    }
  }

 private:
  static std::string insert_of(const warehouse::Table& table, const MinuteRow& row) {
    std::string names = "ts, symbol, perpspec, source";
    std::string values = std::to_string(row.ts) + ", '" + row.symbol + "', '" + row.perpspec +
                         "', '" + row.perpspec + "'";
    for (const warehouse::TableColumn& column : table.columns())
      for (const market::MinuteValue& value : row.values) {
        if (column.role != warehouse::ColumnRole::value ||
            value.column != static_cast<std::uint16_t>(column.id))
          continue;
        names += ", " + warehouse::quote_identifier(column.name);
        char text[32];
        const char* const end = std::to_chars(text, text + sizeof text, value.value).ptr;
        values += ", " + (column.type == warehouse::SqlType::position_side
                              ? std::string(value.value == 1 ? "'long'" : "'short'")
                              : std::string(static_cast<const char*>(text), end));
      }
    return "INSERT INTO " + table.name() + " (" + names + ") VALUES (" + values + ")";
  }

  std::vector<std::string> statements_;
};

/// The rows as binary arrays, a statement's worth each, made before the clock starts.
class UnnestUpsert {
 public:
  explicit UnnestUpsert(const Minutes& minutes) {
    for (const warehouse::Table* table : {&warehouse::perp_data(), &warehouse::perp_metrics()})
      tables_.push_back(std::make_unique<Upsert>(*table));
    for_each_minute(minutes, [&](const MinuteRow& row) {
      for (auto& table : tables_) table->add(row);
    });
    for (auto& table : tables_) table->finish_batch();
  }
  /// A transaction for each batch of both tables.
  void run(const std::string& dsn) const {
    const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(dsn.c_str()), PQfinish);
    const auto check = [&](PGresult* result) {
      const bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK;
      PQclear(result);
      if (!is_good) throw std::runtime_error(PQerrorMessage(connection.get()));
    };
    for (std::size_t i = 0; i < tables_.size(); ++i)
      check(PQprepare(connection.get(), tables_[i]->table.name().c_str(), tables_[i]->sql.c_str(),
                      0, nullptr));
    for (std::size_t batch = 0; batch < tables_[0]->batches.size(); ++batch) {
      check(PQexec(connection.get(), "BEGIN"));
      for (const auto& table : tables_) {
        std::vector<const char*> values;
        std::vector<int> lengths, formats;
        for (const std::string& array : table->batches[batch]) {
          values.push_back(array.data());
          lengths.push_back(static_cast<int>(array.size()));
          formats.push_back(1);
        }
        check(PQexecPrepared(connection.get(), table->table.name().c_str(),
                             static_cast<int>(values.size()), values.data(), lengths.data(),
                             formats.data(), 0));
      }
      check(PQexec(connection.get(), "COMMIT"));
    }
  }

 private:
  static constexpr std::uint32_t batch_rows = 10'000;

  static void append(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      out += static_cast<char>(value >> shift & 0xff);
  }

  struct Upsert {
    const warehouse::Table& table;
    std::vector<warehouse::TableColumn> columns;
    std::string sql;
    std::vector<std::vector<std::string>> batches;  // an array per column
    std::vector<std::string> arrays;                // of the batch that is being made
    std::uint32_t rows = 0;

    explicit Upsert(const warehouse::Table& of) : table(of) {
      std::string names, unnested, updates;
      for (const warehouse::TableColumn& column : of.columns()) {
        // The one has a default, the other is NULL.
        if (column.name == "window_sizes" || column.name == "notes") continue;
        columns.push_back(column);
        const std::string quoted = warehouse::quote_identifier(column.name);
        const char* const comma = columns.size() == 1 ? "" : ", ";
        names += comma + quoted;
        unnested += comma + ("$" + std::to_string(columns.size())) + "::" + type_of(column) + "[]";
        if (column.role != warehouse::ColumnRole::key)
          updates += (updates.empty() ? "" : ", ") + quoted + " = EXCLUDED." + quoted;
      }
      sql = "INSERT INTO " + of.name() + " (" + names + ") SELECT * FROM unnest(" + unnested +
            ") ON CONFLICT (ts, symbol, perpspec) DO UPDATE SET " + updates;
      arrays.resize(columns.size());
    }
    static const char* type_of(const warehouse::TableColumn& column) {
      switch (column.type) {
        case warehouse::SqlType::int8: return "int8";
        case warehouse::SqlType::int4: return "int4";
        case warehouse::SqlType::float8: return "float8";
        default: return "text";
      }
    }
    static std::uint32_t oid_of(const warehouse::TableColumn& column) {
      switch (column.type) {
        case warehouse::SqlType::int8: return 20;
        case warehouse::SqlType::int4: return 23;
        case warehouse::SqlType::float8: return 701;
        default: return 25;
      }
    }
    void add(const MinuteRow& row) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        std::string& out = arrays[i];
        const warehouse::TableColumn& column = columns[i];
        const auto text = [&](std::string_view value) {
          append(out, value.size(), 4);
          out += value;
        };
        if (column.name == "ts") {
          append(out, 8, 4);
          append(out, static_cast<std::uint64_t>(row.ts), 8);
        } else if (column.name == "symbol") {
          text(row.symbol);
        } else if (column.name == "perpspec" || column.name == "source") {
          text(row.perpspec);
        } else if (column.name == "interval") {
          text("1min");
        } else {
          const market::MinuteValue* found = nullptr;
          for (const market::MinuteValue& value : row.values)
            if (value.column == static_cast<std::uint16_t>(column.id)) found = &value;
          if (found == nullptr) {
            append(out, 0xffffffff, 4);
          } else if (column.type == warehouse::SqlType::position_side) {
            text(found->value == 1 ? "long" : "short");
          } else {
            append(out, 8, 4);
            append(out, std::bit_cast<std::uint64_t>(found->value), 8);
          }
        }
      }
      if (++rows == batch_rows) finish_batch();
    }
    void finish_batch() {
      if (rows == 0) return;
      std::vector<std::string>& batch = batches.emplace_back();
      for (std::size_t i = 0; i < columns.size(); ++i) {
        std::string head;
        for (std::uint32_t word : {1u, 1u, oid_of(columns[i]), rows, 1u}) append(head, word, 4);
        batch.push_back(head + arrays[i]);
        arrays[i].clear();
      }
      rows = 0;
    }
  };
  std::vector<std::unique_ptr<Upsert>> tables_;
};

}  // namespace perp::bench
