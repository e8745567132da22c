#include "warehouse/metrics_grid.hpp"

#include "warehouse/wire.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_columns.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>

namespace perp::warehouse {
namespace {

using rolling::missing;
using Source = MetricsPlan::Source;

constexpr std::size_t buffer_bytes = std::size_t{128} * 1024;
// Shorter, and each series' pages in the indexes are gone from the caches before its next rows
// come; longer, and those of the minutes are (docs/performance.md).
constexpr std::size_t minutes_of_block = 180;

void append_text(std::string& out, std::string_view text) {
  append_u32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void append_windows(std::string& out, std::span<const int> windows) {
  append_u32(out, static_cast<std::uint32_t>(20 + 6 * windows.size()));
  append_u32(out, 1);  // dimensions
  append_u32(out, 0);  // no NULL inside
  append_u32(out, oid_int2);
  append_u32(out, static_cast<std::uint32_t>(windows.size()));
  append_u32(out, 1);  // first index
  for (const int window : windows) {
    append_u32(out, 2);
    append_u16(out, static_cast<std::uint16_t>(window));
  }
}

template <class Integer>
char* put(char* at, Integer value) {
  const Integer swapped = swap_bytes(value);
  std::memcpy(at, &swapped, sizeof swapped);
  return at + sizeof swapped;
}

char* put_null(char* at) { return put(at, ~std::uint32_t{0}); }

}  // namespace

/// How a row of one series is written: what is the same in each of its rows is one piece of bytes.
struct MetricsGrid::RowProgram {
  enum class Kind : std::uint8_t { bytes, ts, number, text };
  struct Step {
    Kind kind;
    const double* run = nullptr;  ///< of numbers and texts
    std::size_t first = 0;        ///< of bytes: where in `constants`, and how many
    std::size_t count = 0;
  };
  std::string constants;
  std::vector<Step> steps;
  std::size_t bytes_max = 0;

  template <class Append>
  void add_bytes(const Append& append) {
    const std::size_t first = constants.size();
    append(constants);
    const std::size_t count = constants.size() - first;
    bytes_max += count;
    if (!steps.empty() && steps.back().kind == Kind::bytes)
      steps.back().count += count;
    else
      steps.push_back({Kind::bytes, nullptr, first, count});
  }
  void add(Kind kind, const double* run, std::size_t bytes) {
    steps.push_back({kind, run});
    bytes_max += bytes;
  }
  char* write(std::size_t minute, std::int64_t ts, std::span<const std::string> texts,
              char* at) const {
    for (const Step& step : steps) {
      switch (step.kind) {
        case Kind::bytes:
          std::memcpy(at, constants.data() + step.first, step.count);
          at += step.count;
          break;
        case Kind::ts: at = put(put(at, std::uint32_t{8}), static_cast<std::uint64_t>(ts)); break;
        case Kind::number: {
          const double value = step.run[minute];
          at = std::isnan(value) ? put_null(at)
                                 : put(put(at, std::uint32_t{8}),
                                       std::bit_cast<std::uint64_t>(value + 0.0));  // -0 is 0
          break;
        }
        case Kind::text: {
          const double number = step.run[minute];
          if (std::isnan(number)) {
            at = put_null(at);
            break;
          }
          const std::string& text = texts[static_cast<std::size_t>(number)];
          at = put(at, static_cast<std::uint32_t>(text.size()));
          // NOLINTNEXTLINE(bugprone-not-null-terminated-result): its length stands before it
          std::memcpy(at, text.data(), text.size());
          at += text.size();
        }
      }
    }
    return at;
  }
};

MetricsGrid::MetricsGrid(const MetricsPlan& plan, std::int64_t from_ms, std::int64_t to_ms)
    : plan_(plan),
      first_ms_(from_ms - plan.history_minutes() * minute_ms),
      history_(static_cast<std::size_t>(plan.history_minutes())),
      minutes_(static_cast<std::size_t>((to_ms - first_ms_) / minute_ms)),
      run_length_(rolling::padded(minutes_)),
      columns_(plan.inputs.size()),
      last_texts_(plan.inputs.size(), none) {}

std::uint32_t MetricsGrid::series_of(std::string_view symbol, std::string_view perpspec,
                                     std::int64_t phase_ms) {
  const auto is = [&](std::uint32_t index) {
    const Series& series = series_[index];
    return series.symbol == symbol && series.perpspec == perpspec && series.phase_ms == phase_ms;
  };
  if (last_series_ != none && is(last_series_)) return last_series_;
  key_.assign(symbol);
  key_ += '\0';
  key_ += perpspec;
  append_u64(key_, static_cast<std::uint64_t>(phase_ms));
  const auto [found, is_new] =
      series_by_key_.try_emplace(key_, static_cast<std::uint32_t>(series_.size()));
  if (is_new) {
    series_.push_back({std::string(symbol), std::string(perpspec), phase_ms,
                       std::vector<std::uint32_t>(plan_.inputs.size(), none)});
    is_present_.resize(is_present_.size() + run_length_);
  }
  return last_series_ = found->second;
}

double MetricsGrid::number_of(std::string_view text, std::uint32_t& last) {
  if (last == none || texts_[last] != text) {
    const auto [found, is_new] =
        text_numbers_.try_emplace(std::string(text), static_cast<std::uint32_t>(texts_.size()));
    if (is_new) texts_.emplace_back(text);
    last = found->second;
  }
  return last;
}

double* MetricsGrid::run_of(Series& series, std::uint32_t series_index, std::size_t input) {
  Column& column = columns_[input];
  if (series.runs[input] == none) {
    series.runs[input] = static_cast<std::uint32_t>(column.run_series.size());
    column.run_series.push_back(series_index);
    column.values.resize(column.values.size() + run_length_, missing);
  }
  return column.values.data() + series.runs[input] * run_length_;
}

void MetricsGrid::add_row(std::span<const char> row) {
  const char* at = row.data();
  const auto refuse = [] {
    throw core::Error("unexpected row", "COPY of perp_data", "not of the columns that were asked");
  };
  if (read_u16(at) != MetricsPlan::key_fields + plan_.inputs.size()) refuse();
  at += 2;
  const char* const end = row.data() + row.size();
  const auto field = [&](bool& is_null) {
    if (end - at < 4) refuse();
    const auto size = static_cast<std::int32_t>(read_u32(at));
    at += 4;
    is_null = size < 0;
    const std::string_view bytes(at, is_null ? 0 : static_cast<std::size_t>(size));
    if (end - at < static_cast<std::ptrdiff_t>(bytes.size())) refuse();
    at += bytes.size();
    return bytes;
  };
  bool is_null = false;
  const std::string_view ts_bytes = field(is_null);
  if (ts_bytes.size() != 8) refuse();
  const auto ts = static_cast<std::int64_t>(read_u64(ts_bytes.data()));
  const std::string_view symbol = field(is_null);
  const std::string_view perpspec = field(is_null);
  const std::int64_t minute_start_ms = core::floor_to(ts, minute_ms);
  const std::int64_t offset = (minute_start_ms - first_ms_) / minute_ms;
  if (ts < first_ms_ || offset >= static_cast<std::int64_t>(minutes_)) refuse();
  const auto minute = static_cast<std::size_t>(offset);
  const std::uint32_t index = series_of(symbol, perpspec, ts - minute_start_ms);
  Series& series = series_[index];
  is_present_[index * run_length_ + minute] = 1;
  for (std::size_t input = 0; input < plan_.inputs.size(); ++input) {
    const std::string_view bytes = field(is_null);
    if (is_null) continue;
    if (plan_.inputs[input].is_text)
      run_of(series, index, input)[minute] = number_of(bytes, last_texts_[input]);
    else if (bytes.size() == 8)
      run_of(series, index, input)[minute] = std::bit_cast<double>(read_u64(bytes.data()));
    else
      refuse();
  }
  ++rows_read_;
  rows_made_ += minute >= history_ ? 1 : 0;
}

void MetricsGrid::compute_categories(Column& column) {
  for (std::size_t run = 0; run < column.run_series.size(); ++run) {
    const double* const values = column.values.data() + run * run_length_;
    const std::uint8_t* const present = is_present_.data() + column.run_series[run] * run_length_;
    for (std::size_t window = 0; window < plan_.windows.size(); ++window) {
      if (!column.changes[window]) continue;
      double* const out = column.changes[window].get() + run * run_length_;
      const auto lag = static_cast<std::size_t>(plan_.windows[window]);
      for (std::size_t i = 0; i < run_length_; ++i)
        out[i] = i >= lag && present[i - lag] != 0
                     ? rolling::change_category(values[i], values[i - lag])
                     : missing;
    }
  }
}

void MetricsGrid::compute() {
  for (std::size_t input = 0; input < plan_.inputs.size(); ++input) {
    Column& column = columns_[input];
    column.changes.clear();
    column.changes.resize(plan_.windows.size());
    std::vector<std::size_t> lags;
    std::vector<double*> outs;
    for (const MetricsPlan::Output& output : plan_.outputs) {
      if (output.source != Source::change || output.input != input) continue;
      column.changes[output.window] =
          std::make_unique_for_overwrite<double[]>(column.values.size());
      lags.push_back(static_cast<std::size_t>(plan_.windows[output.window]));
      outs.push_back(column.changes[output.window].get());
    }
    if (column.values.empty() || lags.empty()) continue;
    if (plan_.inputs[input].is_text)
      compute_categories(column);
    else
      rolling::change_columns(column.values, run_length_, lags, outs);
  }
}

std::vector<MetricsGrid::Kind> MetricsGrid::kinds(Order order) const {
  std::vector<std::uint32_t> sorted(series_.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
    const auto key = [](const Series& series) {
      return std::tie(series.symbol, series.perpspec, series.phase_ms);
    };
    return key(series_[a]) < key(series_[b]);
  });
  std::vector<Kind> out;
  for (const std::uint32_t index : sorted) {
    std::vector<bool> is_written;
    for (const MetricsPlan::Output& output : plan_.outputs) {
      const bool has_value = output.source == Source::value || output.source == Source::change
                                 ? series_[index].runs[output.input] != none
                                 : output.source != Source::window_sizes;
      is_written.push_back(order == Order::series || has_value || !output.may_be_left_out);
    }
    auto kind = std::find_if(out.begin(), out.end(),
                             [&](const Kind& one) { return one.is_written == is_written; });
    if (kind == out.end()) kind = out.insert(out.end(), {std::move(is_written), {}});
    kind->series.push_back(index);
  }
  return out;
}

std::string MetricsGrid::column_list(const std::vector<bool>& is_written) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i)
    if (is_written[i]) names.push_back(quote_identifier(plan_.outputs[i].name));
  return fmt::format("{}", fmt::join(names, ","));
}

MetricsGrid::RowProgram MetricsGrid::program_of(const Series& series,
                                                const std::vector<bool>& is_written) const {
  std::size_t text_max = 0;
  for (const std::string& text : texts_) text_max = std::max(text_max, text.size());
  RowProgram program;
  program.add_bytes([&](std::string& out) {
    append_u16(out,
               static_cast<std::uint16_t>(std::count(is_written.begin(), is_written.end(), true)));
  });
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    if (!is_written[i]) continue;
    const MetricsPlan::Output& output = plan_.outputs[i];
    switch (output.source) {
      case Source::ts: program.add(RowProgram::Kind::ts, nullptr, 12); break;
      case Source::symbol:
        program.add_bytes([&](std::string& out) { append_text(out, series.symbol); });
        break;
      case Source::perpspec:
        program.add_bytes([&](std::string& out) { append_text(out, series.perpspec); });
        break;
      case Source::window_sizes:
        program.add_bytes([&](std::string& out) { append_windows(out, plan_.windows); });
        break;
      case Source::value:
      case Source::change: {
        const std::uint32_t run = series.runs[output.input];
        if (run == none) {
          program.add_bytes([](std::string& out) { append_u32(out, ~std::uint32_t{0}); });
          break;
        }
        const Column& column = columns_[output.input];
        const double* const values = output.source == Source::value
                                         ? column.values.data()
                                         : column.changes[output.window].get();
        const bool is_text = plan_.inputs[output.input].is_text;
        program.add(is_text ? RowProgram::Kind::text : RowProgram::Kind::number,
                    values + run * run_length_, is_text ? 4 + text_max : 12);
      }
    }
  }
  return program;
}

std::int64_t MetricsGrid::write(Connection& connection, std::string_view table, Order order) {
  const std::vector<Kind> groups = kinds(order);
  std::vector<RowProgram> programs(series_.size());
  std::size_t row_max = 0;
  for (const Kind& kind : groups)
    for (const std::uint32_t index : kind.series) {
      programs[index] = program_of(series_[index], kind.is_written);
      row_max = std::max(row_max, programs[index].bytes_max);
    }
  std::vector<char> buffer(std::max(buffer_bytes, copy_header.size() + row_max));
  char* at = buffer.data();
  const auto send = [&] {
    connection.copy_write(std::as_bytes(std::span(buffer.data(), at)));
    at = buffer.data();
  };
  const std::size_t block_minutes = order == Order::series ? minutes_ : minutes_of_block;
  std::int64_t stored = 0;
  const auto copy = [&](const Kind& kind, std::size_t first, std::size_t last) {
    connection.copy_begin(fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", table,
                                      column_list(kind.is_written)));
    at = std::copy(copy_header.begin(), copy_header.end(), buffer.data());
    for (const std::uint32_t index : kind.series) {
      const std::uint8_t* const present = is_present_.data() + index * run_length_;
      for (std::size_t minute = first; minute < last; ++minute) {
        if (present[minute] == 0) continue;
        if (buffer.data() + buffer.size() - at < static_cast<std::ptrdiff_t>(row_max)) send();
        const std::int64_t minute_start_ms =
            first_ms_ + static_cast<std::int64_t>(minute) * minute_ms;
        at = programs[index].write(minute, minute_start_ms + series_[index].phase_ms, texts_, at);
      }
    }
    send();
    connection.copy_write(std::as_bytes(std::span(copy_trailer)));
    stored += connection.copy_end();
  };
  for (std::size_t first = history_; first < minutes_; first += block_minutes)
    for (const Kind& kind : groups) copy(kind, first, std::min(first + block_minutes, minutes_));
  if (stored != rows_made_)
    throw core::Error("rows lost by COPY", std::string(table),
                      fmt::format("{} were sent, the server stored {}", rows_made_, stored));
  return stored;
}

}  // namespace perp::warehouse
