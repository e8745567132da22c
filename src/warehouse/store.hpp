#pragma once
// Writes one batch in one transaction that also moves the lane's cursor. Three ways: direct COPY,
// stage and merge, and bisecting, which finds the rows that the server refuses. Owned by one lane;
// throws what the server says.
#include "warehouse/batch.hpp"

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace perp::warehouse {

enum class StoreMode : std::uint8_t { direct, merge, bisect };

class Store {
 public:
  Store(int lane, std::string journal) : lane_(lane), journal_(std::move(journal)) {}

  /// The batch is sorted and folded. On return it is committed; batch.bisected lists the rows that
  /// the server refused (StoreMode::bisect only). @throws DatabaseError; nothing is stored then,
  /// unless the error is a lost connection: then nobody knows.
  void write(Connection& connection, Batch& batch, std::span<const Series> series, StoreMode mode);

  /// A new connection has no stage tables yet.
  void forget_session() { stages_.clear(); }

 private:
  /// Rows [first, last) of one part of a batch: perp_data with perp_metrics (of a batch by kind,
  /// one kind of them), or one fact table.
  struct Part {
    std::size_t table = 0;  ///< index in fact_tables(); hot: perp_data and perp_metrics
    std::size_t first = 0;
    std::size_t last = 0;
  };
  static constexpr std::size_t hot = ~std::size_t{0};

  std::vector<Part> parts_of(const Batch& batch, std::span<const Series> series,
                             StoreMode mode) const;
  void copy(Connection& connection, const Batch& batch, std::span<const Series> series,
            const Part& part, bool into_stage, const std::string& before);
  void copy_hot(Connection& connection, const Batch& batch, std::span<const Series> series,
                const Part& part, bool into_stage, const std::string& before);
  void copy_facts(Connection& connection, const Batch& batch, const Part& part, bool into_stage,
                  const std::string& before);
  static std::vector<std::string> tables_of(const Part& part);
  static std::vector<Statement> merge_statements(const Part& part);
  static RefusedRow refusal_of(const Batch& batch, std::span<const Series> series, const Part& part,
                               const DatabaseError& error);
  void make_stage(Connection& connection, const std::string& table);
  void make_stages(Connection& connection, const Part& part);
  void bisect(Connection& connection, Batch& batch, std::span<const Series> series);
  void commit(Connection& connection, Batch& batch, std::vector<Statement> before);

  int lane_;
  std::string journal_;
  std::set<std::string> stages_;  // temporary tables of this session
  std::vector<std::byte> buffer_;
};

/// Class 22 (data) and 23 (integrity): some row's own fault, so that the others can be stored.
bool is_row_fault(const DatabaseError& error);

}  // namespace perp::warehouse
