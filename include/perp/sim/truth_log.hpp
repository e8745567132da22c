#pragma once
// What a simulated venue's server put on the wire, event by event: written by the server, read by
// `perp sim check`. One file per venue, rows of 64 bytes in the order of leaving, little-endian:
//
//   | header | row | row | ...      <folder>/<venue key>.truth
//
// A row tells how many connections it left to: 0 = nobody was subscribed. A definition row names a
// market before its first row. About 30 ns a row; the writer buffers and belongs to one thread.
#include <perp/core/file.hpp>
#include <perp/market/venue_id.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

struct TruthHeader {
  static constexpr std::uint64_t magic_value = 0x31485452544d4953;  ///< "SIMTRTH1"
  std::uint64_t magic = magic_value;
  std::uint32_t row_bytes = 64;
  std::uint32_t venue = 0;
};
static_assert(sizeof(TruthHeader) == 16);

enum class TruthKind : std::uint8_t {
  definition = 0,
  trade = 1,
  kline = 2,        ///< a closed one: id is its open in ms, price its close, quantity its volume
  liquidation = 3,  ///< no id; is_buy: a short was liquidated
  book = 4,         ///< one event of the book: id is its last update (Hyperliquid: its time)
};

struct TruthRow {
  static constexpr std::int64_t no_id = INT64_MIN;
  TruthKind kind = TruthKind::trade;
  std::uint8_t is_buy = 0;
  std::uint16_t market = 0;
  std::uint32_t connections = 0;  ///< that it left to
  std::int64_t id = no_id;
  std::int64_t id_high = no_id;
  std::int64_t time_ms = 0;  ///< of matching
  std::int64_t sent_ms = 0;  ///< when it left
  std::int64_t price = 0;    ///< units of 10^-digits, per coin
  std::int64_t quantity = 0;
  std::int64_t reserved = 0;
};
static_assert(sizeof(TruthRow) == 64);

/// The row of kind `definition`, in the same 64 bytes.
struct TruthDefinition {
  TruthKind kind = TruthKind::definition;
  std::uint8_t reserved = 0;
  std::uint16_t market = 0;
  std::int16_t price_digits = 0;     ///< of prices per coin; may be negative
  std::int16_t quantity_digits = 0;  ///< of quantities in coins
  char native[56] = {};
};
static_assert(sizeof(TruthDefinition) == 64);

class TruthLog {
 public:
  /// Creates the file. @throws core::Error
  TruthLog(const std::string& folder, market::VenueId venue);
  /// Writes what is left; a failure is lost here: call flush() before.
  ~TruthLog();
  TruthLog(const TruthLog&) = delete;
  TruthLog& operator=(const TruthLog&) = delete;

  void define(std::uint16_t market, std::string_view native, int price_digits, int quantity_digits);
  void add(const TruthRow& row) {
    rows_.push_back(row);
    if (rows_.size() >= rows_max) flush();
  }
  /// Hands what is buffered to the kernel.
  void flush();
  std::uint64_t rows() const { return written_rows_ + rows_.size(); }

  static std::string path_of(const std::string& folder, market::VenueId venue);

 private:
  static constexpr std::size_t rows_max = std::size_t{16} * 1024;
  core::File file_;
  std::uint64_t written_ = 0;
  std::uint64_t written_rows_ = 0;
  std::vector<TruthRow> rows_;
};

/// A whole file. A row that is cut off at the end is left out. @throws core::Error
struct TruthFile {
  struct Market {
    std::string native;
    int price_digits = 0;
    int quantity_digits = 0;
  };
  market::VenueId venue = market::VenueId::none;
  std::vector<Market> markets;
  std::vector<TruthRow> rows;  ///< without definitions

  static TruthFile read(const std::string& path);
};

}  // namespace perp::sim
