#include "app/known_starts.hpp"

#include <perp/warehouse/kline_starts.hpp>

namespace perp::app {

std::string symbol_of(const market::Instrument& instrument) {
  std::string symbol(instrument.base.view());
  if (instrument.is_primary == 0) symbol.append("-").append(instrument.quote.view());
  return symbol;
}

std::optional<std::int64_t> KnownStarts::find(const market::Instrument& instrument,
                                              std::int64_t period_ns) {
  if (is_new_) return std::nullopt;
  return warehouse::find_kline_start(connection(), venue_, symbol_of(instrument), period_ns);
}

void KnownStarts::found(const market::Instrument& instrument, const feed::HistoryStart& start) {
  warehouse::put_kline_start(connection(), venue_, symbol_of(instrument),
                             {.period_ns = start.period_ns,
                              .first_ms = start.first_ms,
                              .requests = static_cast<std::int32_t>(start.requests),
                              .duration_ms = static_cast<std::int32_t>(start.duration_ms)});
}

warehouse::Connection& KnownStarts::connection() {
  if (connection_ == nullptr)
    connection_ = std::make_unique<warehouse::Connection>(dsn_, "perp backfill");
  return *connection_;
}

}  // namespace perp::app
