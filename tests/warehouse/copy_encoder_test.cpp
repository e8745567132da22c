// Rows are decoded back here by the COPY format's documentation, field by field, and compared with
// what went in. https://www.postgresql.org/docs/15/sql-copy.html (binary format)
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

namespace perp::warehouse {
namespace {

std::uint64_t read(const std::string& bytes, std::size_t& at, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < size; ++i)
    out = out << 8 | static_cast<unsigned char>(bytes.at(at++));
  return out;
}

std::vector<std::optional<std::string>> decode(const std::string& bytes) {
  std::size_t at = 0;
  std::vector<std::optional<std::string>> fields(read(bytes, at, 2));
  for (auto& field : fields) {
    const auto length = static_cast<std::int32_t>(static_cast<std::uint32_t>(read(bytes, at, 4)));
    if (length < 0) continue;
    field = bytes.substr(at, static_cast<std::size_t>(length));
    EXPECT_EQ(field->size(), static_cast<std::size_t>(length));
    at += static_cast<std::size_t>(length);
  }
  EXPECT_EQ(at, bytes.size());
  return fields;
}

double as_double(const std::string& field) {
  std::size_t at = 0;
  const std::uint64_t bits = read(field, at, 8);
  double out;
  std::memcpy(&out, &bits, 8);
  return out;
}

struct Encoded {
  RowRefusal refusal;
  std::string bytes;
};

Encoded encode(const RowLayout& layout, const std::vector<market::MinuteValue>& values,
               std::string_view notes = {}, std::int64_t ts = 1'735'689'600'000) {
  const std::string series = encode_series(layout, "BTC", "bin-ohlcv");
  std::vector<std::byte> buffer(row_bytes_max(layout, series, notes) + 64, std::byte{0x5a});
  const EncodedRow row = encode_row(layout, series, ts, values, notes, buffer.data());
  // The slack that the header promises is enough: nothing behind it was touched.
  for (std::size_t i = buffer.size() - 64; i < buffer.size(); ++i)
    EXPECT_EQ(buffer[i], std::byte{0x5a});
  return {row.refusal, std::string(reinterpret_cast<const char*>(buffer.data()),
                                   static_cast<std::size_t>(row.end - buffer.data()))};
}

market::MinuteValue value(market::ColumnId id, double number) {
  return {static_cast<std::uint16_t>(id), {}, number};
}

TEST(CopyEncoder, HeaderAndTrailerAreTheFormats) {
  EXPECT_EQ(copy_header, std::string("PGCOPY\n\377\r\n\0", 11) + std::string(8, '\0'));
  EXPECT_EQ(copy_trailer, "\377\377");
}

TEST(CopyEncoder, FieldCountsAreTheTables) {
  EXPECT_EQ(perp_data_layout.field_count, perp_data().columns().size());
  EXPECT_EQ(perp_metrics_layout.field_count, perp_metrics().columns().size());
}

TEST(CopyEncoder, EachColumnLandsInItsTablesPlace) {
  for (const auto& [table, layout] : {std::pair(&perp_data(), &perp_data_layout),
                                      std::pair(&perp_metrics(), &perp_metrics_layout)}) {
    for (std::size_t c = 0; c < table->columns().size(); ++c) {
      const TableColumn& column = table->columns()[c];
      if (column.role != ColumnRole::value) continue;
      const auto fields = decode(encode(*layout, {value(column.id, 2)}).bytes);
      ASSERT_EQ(fields.size(), table->columns().size());
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (table->columns()[i].role == ColumnRole::value ||
            table->columns()[i].role == ColumnRole::notes) {
          EXPECT_EQ(fields[i].has_value(), i == c)
              << column.name << " " << table->columns()[i].name;
        }
      }
      if (column.type == SqlType::float8) {
        EXPECT_EQ(as_double(*fields[c]), 2) << column.name;
      } else if (column.type == SqlType::position_side) {
        EXPECT_EQ(*fields[c], "short");
      } else {
        EXPECT_EQ(*fields[c], std::string("\0\0\0\2", 4));
      }
    }
  }
}

TEST(CopyEncoder, KeysAndFixedFieldsComeFirst) {
  const auto data = decode(encode(perp_data_layout, {}, "trades", 1).bytes);
  EXPECT_EQ(*data[0], std::string("\0\0\0\0\0\0\0\1", 8));
  EXPECT_EQ(*data[1], "BTC");
  EXPECT_EQ(*data[2], "bin-ohlcv");
  EXPECT_EQ(*data[3], "bin-ohlcv");
  EXPECT_EQ(*data[4], "1min");
  EXPECT_EQ(*data.back(), "trades");
  const auto metrics = decode(encode(perp_metrics_layout, {}).bytes);
  // One dimension, no NULL inside, int2 (OID 21), 3 elements from index 1: 1, 5, 10.
  const char array[] =
      "\0\0\0\1\0\0\0\0\0\0\0\25\0\0\0\3\0\0\0\1\0\0\0\2\0\1\0\0\0\2\0\5\0\0\0\2\0\12";
  EXPECT_EQ(*metrics[5], std::string(array, sizeof array - 1));
}

// Against the whole row: the same fields under the same names, and only those.
TEST(CopyEncoder, ANarrowedRowIsTheWholeOneWithoutTheColumnsThatNobodyKnows) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const auto& [table, whole] : {std::pair(&perp_data(), &perp_data_layout),
                                     std::pair(&perp_metrics(), &perp_metrics_layout)})
    for (int round = 0; round < 500; ++round) {
      std::vector<std::vector<market::MinuteValue>> rows(1 + random() % 4);
      std::uint64_t slots = 0;
      for (auto& values : rows) {
        for (const TableColumn& column : table->columns())
          if (column.role == ColumnRole::value && random() % 8 == 0)
            values.push_back(value(column.id, random() % 4 == 0   ? std::nan("")
                                              : random() % 2 == 0 ? 1.0
                                                                  : 2.0));
        const MinuteSlots of = slots_of(values);
        slots |= whole == &perp_data_layout ? of.data : of.metrics;
      }
      const bool has_notes = random() % 2 == 0;
      const std::string_view notes = has_notes ? "trades" : "";
      const RowLayout layout = narrowed(*whole, slots, has_notes);
      const std::string list = table->column_list(slots, has_notes) + ",";
      ASSERT_EQ(layout.field_count, std::count(list.begin(), list.end(), ','));
      for (const auto& values : rows) {
        const auto all = decode(encode(*whole, values, notes).bytes);
        const auto few = decode(encode(layout, values, notes).bytes);
        std::size_t at = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
          const TableColumn& column = table->columns()[i];
          if (list.find('"' + column.name + "\",") == std::string::npos) {
            const bool is_default = column.name == "interval" || column.name == "window_sizes";
            EXPECT_TRUE(is_default || !all[i]) << column.name << " is left out and known";
            continue;
          }
          ASSERT_LT(at, few.size());
          EXPECT_EQ(few[at++], all[i]) << column.name;
        }
        EXPECT_EQ(at, few.size());
      }
    }
}

TEST(CopyEncoder, SlotsAreRefusedForWhatEitherTableRefuses) {
  const double infinite = std::numeric_limits<double>::infinity();
  const auto of = [](market::ColumnId id, double number) {
    const std::vector<market::MinuteValue> values{value(id, number)};
    return slots_of(values);
  };
  constexpr market::ColumnId close = market::column("c"), side = market::column("lqside"),
                             age = market::column("age_ms");
  EXPECT_EQ(of(close, 0.0).refusal, RowRefusal::none);
  EXPECT_EQ(of(close, std::nan("")).refusal, RowRefusal::none);
  EXPECT_EQ(of(close, -infinite).refusal, RowRefusal::not_finite);
  EXPECT_EQ(of(side, 2).refusal, RowRefusal::none);
  EXPECT_EQ(of(side, 3).refusal, RowRefusal::side_out_of_range);
  EXPECT_EQ(of(age, 2147483647.0).refusal, RowRefusal::none);
  EXPECT_EQ(of(age, 2147483648.0).refusal, RowRefusal::int4_out_of_range);
  EXPECT_EQ(of(age, 0.5).refusal, RowRefusal::int4_out_of_range);
  EXPECT_EQ(of(market::change_column(side, 1), 0).refusal, RowRefusal::side_out_of_range);
  // Of no table: no slot, and refused all the same where it is infinite.
  const auto unknown = static_cast<market::ColumnId>(60'000);
  EXPECT_EQ(of(unknown, 1).data | of(unknown, 1).metrics, 0u);
  EXPECT_EQ(of(unknown, infinite).refusal, RowRefusal::not_finite);
}

TEST(CopyEncoder, RandomRowsComeBack) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto uniform = [&](int low, int high) {
    return std::uniform_int_distribution<>(low, high)(random);
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<market::MinuteValue> values;
    std::vector<std::optional<double>> expected(market::column_count);
    for (int i = uniform(0, 25); i > 0; --i) {
      const auto column = static_cast<std::size_t>(uniform(0, market::column_count - 1));
      if (market::columns[column].name == "lqside" || market::columns[column].name == "age_ms")
        continue;
      const double number =
          uniform(0, 9) == 0 ? std::nan("") : std::ldexp(uniform(-1000, 1000), uniform(-60, 60));
      values.push_back(value(static_cast<market::ColumnId>(column), number));
      if (!std::isnan(number)) expected[column] = number;
    }
    const auto fields = decode(encode(perp_data_layout, values).bytes);
    for (std::size_t i = 0; i < perp_data().columns().size(); ++i) {
      const TableColumn& column = perp_data().columns()[i];
      if (column.role != ColumnRole::value) continue;
      const auto& want = expected[static_cast<std::size_t>(column.id)];
      ASSERT_EQ(fields[i].has_value(), want.has_value()) << column.name;
      if (!want) continue;
      ASSERT_EQ(as_double(*fields[i]), *want) << column.name;
    }
  }
}

TEST(CopyEncoder, NegativeZeroIsStoredAsZero) {
  const auto fields = decode(encode(perp_data_layout, {value(market::column("o"), -0.0)}).bytes);
  EXPECT_EQ(*fields[5], std::string(8, '\0'));
}

TEST(CopyEncoder, PassesOverColumnsOfTheOtherTable) {
  const auto fields =
      decode(encode(perp_data_layout,
                    {value(market::change_column(market::column("c"), 1), 7), {9999, {}, 1}})
                 .bytes);
  for (std::size_t i = 5; i < fields.size(); ++i) EXPECT_FALSE(fields[i].has_value());
}

TEST(CopyEncoder, RefusesWhatAColumnCannotHold) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(encode(perp_data_layout, {value(market::column("c"), infinity)}).refusal,
            RowRefusal::not_finite);
  EXPECT_EQ(encode(perp_data_layout, {value(market::column("c"), -infinity)}).refusal,
            RowRefusal::not_finite);
  for (double side : {0.0, 3.0, 1.5, -1.0})
    EXPECT_EQ(encode(perp_data_layout, {value(market::column("lqside"), side)}).refusal,
              RowRefusal::side_out_of_range);
  for (double side : {1.0, 2.0})
    EXPECT_EQ(encode(perp_data_layout, {value(market::column("lqside"), side)}).refusal,
              RowRefusal::none);
  for (double age : {2147483648.0, -2147483649.0, 0.5})
    EXPECT_EQ(encode(perp_data_layout, {value(market::column("age_ms"), age)}).refusal,
              RowRefusal::int4_out_of_range);
  for (double age : {2147483647.0, -2147483648.0})
    EXPECT_EQ(encode(perp_data_layout, {value(market::column("age_ms"), age)}).refusal,
              RowRefusal::none);
}

}  // namespace
}  // namespace perp::warehouse
