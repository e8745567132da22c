// Goal: the files of the programs that came before are taken for what they say, and what has no
// place here is listed. Method: their keys as they documented them; what comes out is read by the
// configuration's own reader.
#include "app/config_import.hpp"

#include "app/config/config.hpp"
#include "app/program.hpp"
#include "app/yaml_text.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace perp::app::testing {
namespace {

using nlohmann::json;
using List = std::vector<std::string>;

constexpr const char* yaml_file = R"(# a collector of one venue
database:
  host: db.example   # where it is
  port: 5433
  database: "market"
  user: 'collector'
  password: hunter2
redis:
  host: localhost
binance:
  api_key: abc
  testnet: yes
  rate_limit: 1200
collection:
  symbols:
    - BTC/USDT
    - ETHUSDT
    - "SOL/USDT:USDT"
  timeframes: [1m, 5m]
  order_book:
    limit: 100
logging:
  level: WARNING
database_type: postgresql
)";

Config read(const std::string& toml) {
  Config config;
  config.read_toml(toml, "imported.toml");
  for (const ConfigFault& fault : config.faults()) ADD_FAILURE() << fault.text() << "\n" << toml;
  return config;
}

TEST(ConfigImport, AYamlFileIsTakenForWhatItSays) {
  const ImportedConfig imported = import_config(yaml_file, "config.yaml");
  const Config config = read(imported.toml);
  EXPECT_EQ(config.text("database.host"), "db.example");
  EXPECT_EQ(config.text("database.port"), "5433");
  EXPECT_EQ(config.text("database.database"), "market");
  EXPECT_EQ(config.text("database.user"), "collector");
  EXPECT_EQ(config.text("database.password"), "");
  EXPECT_EQ(config.list("exchanges.binance.symbols"), (List{"BTCUSDT", "ETHUSDT", "SOLUSDT"}));
  EXPECT_TRUE(config.boolean("exchanges.binance.testnet"));
  EXPECT_EQ(config.text("logging.level"), "warn");
  EXPECT_EQ(imported.taken, 7U);
  EXPECT_EQ(
      imported.left,
      (List{"database.password: a secret is not written: give it as DB_PASSWORD",
            "redis.host: there is no such setting", "binance.api_key: there is no such setting",
            "binance.rate_limit: there is no such setting",
            "collection.timeframes: there is no such setting",
            "collection.order_book.limit: there is no such setting",
            "database_type: there is no such setting"}));
  EXPECT_EQ(imported.toml.find("hunter2"), std::string::npos);
}

TEST(ConfigImport, AJsonFileIsTakenForWhatItSays) {
  const ImportedConfig imported = import_config(
      R"({"exchanges":{"binance":{"enabled":true,"symbols":"all"},"bybit":{"enabled":false,"symbols":["BTC","ETH"]},
          "okx":{"symbols":"top50"},"hyperliquid":{"addressScanCount":1000}},
          "rolling":{"tradeBucketSizeMs":1000},"logging":{"level":"info"},"db_retention_days":3,
          "symbols":[],"loader":{"lanes":99}})",
      "default.json");
  const Config config = read(imported.toml);
  EXPECT_TRUE(config.boolean("exchanges.binance.enabled"));
  EXPECT_EQ(config.list("exchanges.binance.symbols"), List{"all"});
  EXPECT_FALSE(config.boolean("exchanges.bybit.enabled"));
  EXPECT_EQ(config.list("exchanges.bybit.symbols"), (List{"BTC", "ETH"}));
  EXPECT_EQ(config.integer("db_retention_days"), 3);
  EXPECT_FALSE(config.is_set("exchanges.okx.symbols"));
  ASSERT_EQ(imported.left.size(), 5U);
  EXPECT_EQ(imported.left[0], "exchanges.okx.symbols: 'top50' is a rank: name the symbols, or all");
  EXPECT_EQ(imported.left[1], "exchanges.hyperliquid.addressScanCount: there is no such setting");
  EXPECT_EQ(imported.left[3], "symbols: is empty; expected 'all' or names");
  EXPECT_EQ(imported.left[4], "loader.lanes: is 99; expected an integer from 1 to 16");
}

TEST(ConfigImport, WhatIsNeitherIsToldWithItsPlace) {
  for (const auto& [text, name, place] :
       {std::tuple{"{\"a\":", "x.json", "x.json"}, std::tuple{"[1]", "x.json", "x.json"},
        std::tuple{"a: 1\n\tb: 2\n", "x.yaml", "x.yaml:2"},
        std::tuple{"a: &anchor\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: |\n  text\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a:\n  - b: 1\n", "x.yaml", "x.yaml:2"},
        std::tuple{"a: {b: 1}\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: [1, 2\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: [1, [2]]\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: \"b\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: \"b\\n\"\n", "x.yaml", "x.yaml:1"},
        std::tuple{"a: 1\na: 2\n", "x.yaml", "x.yaml:2"},
        std::tuple{"a: 1\n  b: 2\n", "x.yaml", "x.yaml:2"},
        std::tuple{"  a: 1\nb: 2\n", "x.yaml", "x.yaml:2"},
        std::tuple{"words alone\n", "x.yaml", "x.yaml:1"}}) {
    try {
      import_config(text, name);
      ADD_FAILURE() << text << " was taken";
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find(place), std::string::npos) << error.what();
    }
  }
  std::string deep;
  for (std::size_t i = 0; i < 100; ++i) deep += std::string(i, ' ') + "a:\n";
  EXPECT_THROW(import_config(deep, "x.yaml"), core::Error);
}

TEST(ConfigImport, YamlIsReadAsOtherReadersDo) {
  // The right side is what PyYAML 6 gives for the left.
  for (const auto& [text, expected] :
       {std::pair{"a: 1\nb: -2\nc: 1.5\nd: 1200 # x\n", R"({"a":1,"b":-2,"c":1.5,"d":1200})"},
        std::pair{"a: yes\nb: off\nc: null\nd: ~\ne:\n",
                  R"({"a":true,"b":false,"c":null,"d":null,"e":null})"},
        std::pair{"a: it's # no\nb: x#y\nc: 'a # b'\n", R"({"a":"it's","b":"x#y","c":"a # b"})"},
        std::pair{"a: http://h:1/p\n", R"({"a":"http://h:1/p"})"},
        std::pair{"a:\n- 1\n- x\nb: []\n", R"({"a":[1,"x"],"b":[]})"},
        std::pair{"---\na: ['x, y', z]\n", R"({"a":["x, y","z"]})"},
        std::pair{"a:\n    b:\n        c: 1\n    d: 2\n", R"({"a":{"b":{"c":1},"d":2}})"},
        std::pair{"", "{}"}})
    EXPECT_EQ(json(parse_yaml(text, "x")), json::parse(expected)) << text;
}

TEST(ConfigImport, TheCommandPrintsAFileAndListsTheRest) {
  const Folder folder;
  std::ofstream(folder / "old.yaml") << yaml_file;
  const auto done = run("config import " + (folder / "old.yaml"));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(read(done.out).text("database.host"), "db.example");
  EXPECT_NE(done.err.find("redis.host: there is no such setting"), std::string::npos) << done.err;
  EXPECT_EQ((done.out + done.err).find("hunter2"), std::string::npos);
  EXPECT_EQ(run("config import " + (folder / "none.yaml")).exit_code, 1);
}

}  // namespace
}  // namespace perp::app::testing
