#include <perp/core/error.hpp>
#include <perp/sim/truth_log.hpp>

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace perp::sim {

std::string TruthLog::path_of(const std::string& folder, market::VenueId venue) {
  return folder + "/" + std::string(market::find_venue(venue)->key) + ".truth";
}

TruthLog::TruthLog(const std::string& folder, market::VenueId venue)
    : file_(core::File::open(path_of(folder, venue), O_WRONLY | O_CREAT | O_TRUNC)) {
  TruthHeader header;
  header.venue = static_cast<std::uint32_t>(venue);
  file_.pwrite_all(std::as_bytes(std::span(&header, 1)), 0);
  written_ = sizeof header;
  rows_.reserve(rows_max);
}

TruthLog::~TruthLog() {
  try {
    flush();
  } catch (const core::Error&) {
    // A server that ends in order has flushed before; here nobody is left to tell.
  }
}

void TruthLog::define(std::uint16_t market, std::string_view native, int price_digits,
                      int quantity_digits) {
  TruthDefinition row;
  row.market = market;
  row.price_digits = static_cast<std::int16_t>(price_digits);
  row.quantity_digits = static_cast<std::int16_t>(quantity_digits);
  std::copy_n(native.data(), std::min(native.size(), sizeof row.native), row.native);
  add(std::bit_cast<TruthRow>(row));
}

void TruthLog::flush() {
  if (rows_.empty()) return;
  file_.pwrite_all(std::as_bytes(std::span<const TruthRow>(rows_)), written_);
  written_ += rows_.size() * sizeof(TruthRow);
  written_rows_ += rows_.size();
  rows_.clear();
}

TruthFile TruthFile::read(const std::string& path) {
  const core::File file = core::File::open(path, O_RDONLY);
  TruthHeader header;
  TruthFile truth;
  const std::uint64_t size = file.size();
  if (size < sizeof header ||
      file.pread_all(std::as_writable_bytes(std::span(&header, 1)), 0) != sizeof header ||
      header.magic != TruthHeader::magic_value || header.row_bytes != sizeof(TruthRow))
    throw core::Error("this is no truth of a simulated venue", path,
                      "it must be written by `perp sim serve --truth`");
  truth.venue = static_cast<market::VenueId>(header.venue);
  truth.rows.resize((size - sizeof header) / sizeof(TruthRow));
  const std::size_t bytes =
      file.pread_all(std::as_writable_bytes(std::span<TruthRow>(truth.rows)), sizeof header);
  truth.rows.resize(bytes / sizeof(TruthRow));
  std::size_t kept = 0;
  for (const TruthRow& row : truth.rows) {
    if (row.kind != TruthKind::definition) {
      truth.rows[kept++] = row;
      continue;
    }
    const auto definition = std::bit_cast<TruthDefinition>(row);
    if (truth.markets.size() <= definition.market) truth.markets.resize(definition.market + 1U);
    truth.markets[definition.market] = {
        std::string(definition.native, strnlen(definition.native, sizeof definition.native)),
        definition.price_digits, definition.quantity_digits};
  }
  truth.rows.resize(kept);
  for (const TruthRow& row : truth.rows)
    if (row.market >= truth.markets.size())
      throw core::Error("a row names a market that is not defined", path, "the file is damaged");
  return truth;
}

}  // namespace perp::sim
