#pragma once
// Writes one batch in one transaction that also moves the lane's cursor. Three ways: direct COPY,
// stage and merge, and bisecting, which finds the rows that the server refuses. Owned by one lane;
// throws what the server says.
#include "warehouse/batch.hpp"

#include <cstdint>
#include <span>
#include <string>

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
  void forget_session() { has_stage_ = false; }

 private:
  void copy(Connection& connection, const Batch& batch, std::span<const Row> rows,
            std::span<const Series> series, bool into_stage, const char* before);
  void make_stage(Connection& connection);
  void bisect(Connection& connection, Batch& batch, std::span<const Series> series);
  void commit(Connection& connection, Batch& batch, std::vector<Statement> before);

  int lane_;
  std::string journal_;
  bool has_stage_ = false;
  std::vector<std::byte> buffer_;
};

/// Class 22 (data) and 23 (integrity): some row's own fault, so that the others can be stored.
bool is_row_fault(const DatabaseError& error);

}  // namespace perp::warehouse
