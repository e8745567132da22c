// Goal: one configuration, whichever way it is given, and no fault that is not told with its place.
// Method: every row of the table through every layer and every pair of layers; each kind of fault
// by its exact text; what is shown is read again.
#include "app/config/config.hpp"

#include "app/live_options.hpp"
#include "app/program.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>
#include <set>

namespace perp::app::testing {
namespace {

using List = std::vector<std::string>;

/// A value of the setting that is not its default; `other` gives a second one. As the file spells
/// it and as a flag or variable does.
struct Sample {
  std::string toml;
  std::string text;
  SettingValue value;
};

Sample sample_of(const Setting& setting, int other) {
  const auto text = [](const std::string& word) { return Sample{"\"" + word + "\"", word, word}; };
  switch (setting.type) {
    case SettingType::boolean: {
      const bool value = (other == 0) != (setting.fallback == SettingValue(true));
      return {value ? "true" : "false", value ? "true" : "false", value};
    }
    case SettingType::integer: {
      std::int64_t value = setting.least + 1 + other;
      if (setting.name == "ring_bytes") value = (1 << 20) << (1 + other);
      if (setting.name == "journal.segment_bytes") value = (20 + other) << 20;
      return {std::to_string(value), std::to_string(value), value};
    }
    case SettingType::text:
      if (!setting.choices.empty())
        return text(setting.choices[static_cast<std::size_t>(1 + other) % setting.choices.size()]);
      if (setting.name.ends_with("websocket_url"))
        return text(fmt::format("wss://127.0.0.1:{}", 8443 + other));
      if (setting.name.ends_with("rest_url"))
        return text(fmt::format("https://127.0.0.1:{}", 8443 + other));
      return text(fmt::format("word {}", other));
    case SettingType::list: {
      List list{"BTC", other == 0 ? "ETH" : "SOL"};
      if (!setting.choices.empty())
        list = {setting.choices[static_cast<std::size_t>(1 + other)], setting.choices.back()};
      return {"[\"" + list[0] + "\", \"" + list[1] + "\"]", list[0] + "," + list[1], list};
    }
  }
  return {};
}

/// "a.b" = value, as a file of its own.
std::string toml_of(const Setting& setting, const std::string& value) {
  return setting.name + " = " + value + "\n";
}

void give(Config& config, const Setting& setting, Layer layer, const Sample& sample) {
  switch (layer) {
    case Layer::fallback: break;
    case Layer::file: config.read_toml(toml_of(setting, sample.toml), "a.toml"); break;
    case Layer::environment: {
      const List environment{variable_of(setting) + "=" + sample.text};
      config.read_environment(environment);
      break;
    }
    case Layer::flag:
      if (setting.flag.empty())
        config.read_flag("--set", setting.name + "=" + sample.text);
      else
        config.read_flag(setting.flag, setting.flag_item.empty()
                                           ? sample.text
                                           : setting.flag_item + "=" + sample.text);
      break;
  }
}

TEST(Config, EverySettingIsGivenByEveryLayerAndTheLaterLayerWins) {
  for (const Setting& setting : settings()) {
    const Sample lower = sample_of(setting, 0);
    const Sample upper = sample_of(setting, 1);
    for (const Layer first : {Layer::fallback, Layer::file, Layer::environment, Layer::flag})
      for (const Layer second : {Layer::fallback, Layer::file, Layer::environment, Layer::flag}) {
        if (first == second) continue;
        Config config;
        give(config, setting, first, first < second ? lower : upper);
        give(config, setting, second, first < second ? upper : lower);
        const Layer wins = std::max(first, second);
        SCOPED_TRACE(fmt::format("{}: {} then {}", setting.name, name_of(first), name_of(second)));
        EXPECT_EQ(faults_text(config.faults()), "");
        EXPECT_EQ(config.origin(setting.name).layer, wins);
        EXPECT_TRUE(config.value(setting.name) == upper.value);
        EXPECT_FALSE(config.origin(setting.name).place.empty());
        for (const Setting& other : settings())
          if (other.name != setting.name) {
            ASSERT_TRUE(config.value(other.name) == other.fallback) << other.name << " has changed";
          }
      }
  }
}

TEST(Config, TheTableIsSound) {
  std::set<std::string> names;
  std::set<std::string> variables;
  std::set<std::string> flags;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_TRUE(variables.insert(variable_of(setting)).second) << setting.name;
    if (!setting.other_variable.empty()) {
      EXPECT_TRUE(variables.insert(setting.other_variable).second) << setting.name;
    }
    if (!setting.flag.empty() && setting.flag_item.empty()) {
      EXPECT_TRUE(flags.insert(setting.flag).second) << setting.flag;
    }
    EXPECT_FALSE(setting.help.empty()) << setting.name;
    EXPECT_EQ(check_setting(setting, setting.fallback), "") << setting.name << ": its default";
    EXPECT_FALSE(is_settings_table(setting.name)) << setting.name << " is a key and a table";
  }
}

TEST(Config, ASecondNameOfAVariableCountsWhereTheFirstIsNotSet) {
  Config config;
  const List both{"DATABASE_URL=host=a", "PERP_DATABASE_DSN=host=b", "BINANCE_ENABLED=false",
                  "PERP_IO="};
  config.read_environment(both);
  EXPECT_EQ(config.text("database.dsn"), "host=b");
  EXPECT_FALSE(config.boolean("exchanges.binance.enabled"));
  EXPECT_EQ(config.origin("exchanges.binance.enabled").place, "BINANCE_ENABLED");
  EXPECT_FALSE(config.is_set("io")) << "an empty variable is none";
}

TEST(Config, AVariableThatIsNearlyASettingIsWarnedOf) {
  Config config;
  const List environment{"PERP_JOURNAL_FOLDR=x", "PERP_CAPTURES_DIR=/x", "PERP_CONFIG=/x"};
  config.read_environment(environment);
  ASSERT_EQ(config.warnings().size(), 1U);
  EXPECT_EQ(config.warnings()[0],
            "PERP_JOURNAL_FOLDR: is no setting and has no effect; did you mean "
            "'PERP_JOURNAL_FOLDER'?");
  EXPECT_TRUE(config.faults().empty()) << "others use that prefix too";
}

std::string fault_of_toml(const std::string& text) {
  Config config;
  config.read_toml(text, "perp.toml");
  return faults_text(config.faults());
}

TEST(Config, EachFaultOfAFileHasItsPlaceAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"venuse = []", "perp.toml:1:1: unknown key 'venuse'; did you mean 'venues'?\n"},
      {"\n[logging]\n  levle = \"info\"",
       "perp.toml:3:3: unknown key 'logging.levle'; did you mean 'logging.level'?\n"},
      {"sync_ms = 3", "perp.toml:1:1: unknown key 'sync_ms'; did you mean 'journal.sync_ms'?\n"},
      {"[journal]\nzzzzzz = 1",
       "perp.toml:2:1: unknown key 'journal.zzzzzz'; [journal] has folder sync_ms segment_bytes "
       "keep_book_deltas checkpoint_s\n"},
      {"[exchanges.kraken]\nenabled = true",
       "perp.toml:1:12: unknown key 'exchanges.kraken'; [exchanges] has binance bybit okx "
       "hyperliquid\n"},
      {"zzzzzzzzz = 1", "perp.toml:1:1: unknown key 'zzzzzzzzz'; `perp config keys` lists them\n"},
      {"io = \"urng\"",
       "perp.toml:1:6: 'io' is 'urng'; expected one of auto, uring, epoll; did you mean "
       "'uring'?\n"},
      {"io = 3", "perp.toml:1:6: 'io' is an integer; expected one of auto, uring, epoll\n"},
      {"testnet = \"yes\"", "perp.toml:1:11: 'testnet' is a text; expected true or false\n"},
      {"testnet = 1", "perp.toml:1:11: 'testnet' is an integer; expected true or false\n"},
      {"[journal]\nsync_ms = 60001",
       "perp.toml:2:11: 'journal.sync_ms' is 60001; expected an integer from 0 to 60000\n"},
      {"[journal]\nsync_ms = -1",
       "perp.toml:2:11: 'journal.sync_ms' is -1; expected an integer from 0 to 60000\n"},
      {"[journal]\nsync_ms = 1.5",
       "perp.toml:2:11: 'journal.sync_ms' is a number with a fraction; expected an integer from 0 "
       "to 60000\n"},
      {"[journal]\nsync_ms = 2026-11-01",
       "perp.toml:2:11: 'journal.sync_ms' is a date or time; expected an integer from 0 to "
       "60000\n"},
      {"journal = 3", "perp.toml:1:11: 'journal' is an integer; expected a table [journal]\n"},
      {"[io]\na = 1", "perp.toml:1:1: 'io' is a table; expected one of auto, uring, epoll\n"},
      {"ring_bytes = 3000000",
       "perp.toml:1:14: 'ring_bytes' is 3000000; expected a power of two\n"},
      {"ring_bytes = 1024",
       "perp.toml:1:14: 'ring_bytes' is 1024; expected an integer from 1048576 to 1073741824\n"},
      {"[journal]\nsegment_bytes = 16777217",
       "perp.toml:2:17: 'journal.segment_bytes' is 16777217; expected a multiple of 1048576\n"},
      {"venues = [\"binance\", 3]",
       "perp.toml:1:22: 'venues' has an integer in its list; expected a list of all, binance, "
       "bybit, okx, hyperliquid\n"},
      {"venues = [\"binnance\"]",
       "perp.toml:1:10: 'venues' is 'binnance'; expected a list of all, binance, bybit, okx, "
       "hyperliquid; did you mean 'binance'?\n"},
      {"venues = []", "perp.toml:1:10: 'venues' is empty; expected 'all' or names\n"},
      {"symbols = [\"all\", \"BTC\"]",
       "perp.toml:1:11: 'symbols' has 'all' beside others; it stands alone\n"},
      {"symbols = \"BTC,,ETH\"", "perp.toml:1:11: 'symbols' has an empty text in its list\n"},
      {"exchanges.okx.websocket_url = \"https://x\"",
       "perp.toml:1:31: 'exchanges.okx.websocket_url' is 'https://x'; expected "
       "wss://host[:port]\n"},
      {"exchanges.okx.rest_url = \"https://x/path\"",
       "perp.toml:1:26: 'exchanges.okx.rest_url' is 'https://x/path'; expected "
       "https://host[:port]\n"},
      {"pins.binance = 4096",
       "perp.toml:1:16: 'pins.binance' is 4096; expected an integer from -1 to 4095\n"},
      {"[database]\npassword = 123",
       "perp.toml:2:12: 'database.password' is an integer; expected "
       "a text\n"},
  };
  for (const auto& [text, fault] : cases) EXPECT_EQ(fault_of_toml(text), fault) << text;
}

TEST(Config, EveryFaultIsListedInTheOrderOfTheFile) {
  EXPECT_EQ(fault_of_toml("zzzzzzz = 1\nio = 3\n[journal]\nfoldr = \"x\"\nsync_ms = true\n"),
            "perp.toml:1:1: unknown key 'zzzzzzz'; `perp config keys` lists them\n"
            "perp.toml:2:6: 'io' is an integer; expected one of auto, uring, epoll\n"
            "perp.toml:4:1: unknown key 'journal.foldr'; did you mean 'journal.folder'?\n"
            "perp.toml:5:11: 'journal.sync_ms' is true or false; expected an integer from 0 to "
            "60000\n");
}

TEST(Config, WhatIsNoTomlIsToldWithItsPlace) {
  for (const char* text : {"a = ", "[journal", "io = \"auto", "io = \"auto\"\nio = \"epoll\"",
                           "x = \xff\xfe", "= 3"}) {
    const std::string fault = fault_of_toml(text);
    EXPECT_TRUE(fault.starts_with("perp.toml:")) << text << ": " << fault;
    EXPECT_EQ(std::count(fault.begin(), fault.end(), '\n'), 1) << fault;
  }
  EXPECT_EQ(fault_of_toml(std::string((1 << 20) + 1, '#')),
            "perp.toml: has 1048577 bytes; a configuration has at most 1048576\n");
}

/// One small change of one valid key: what a hand mistypes.
TEST(Config, AMistypedKeyIsToldWithTheKeyThatWasMeant) {
  constexpr unsigned seed = 7;
  std::mt19937 random(seed);
  std::vector<std::string> known;
  for (const Setting& setting : settings()) known.push_back(setting.name);
  int told = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string& name = known[random() % known.size()];
    std::string wrong = name;
    const std::size_t from = name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1;
    const std::size_t at = from + random() % (name.size() - from);
    switch (random() % 3) {
      case 0: wrong.erase(at, 1); break;
      case 1: wrong.insert(at, 1, static_cast<char>('a' + random() % 26)); break;
      default: wrong[at] = static_cast<char>('a' + random() % 26); break;
    }
    if (find_setting(wrong) != nullptr || wrong.ends_with('.') || wrong.empty()) continue;
    const std::string fault = fault_of_toml("\n" + wrong + " = 1\n");
    EXPECT_TRUE(fault.starts_with("perp.toml:2:")) << "seed " << seed << ": " << fault;
    EXPECT_NE(fault.find("unknown key '" + wrong + "'; did you mean '"), std::string::npos)
        << "seed " << seed << ": " << fault;
    if (fault.find("did you mean '" + name + "'?") != std::string::npos) ++told;
  }
  EXPECT_GT(told, 180) << "of 200; two keys may be equally near";
}

TEST(Config, FaultsOfVariablesAndFlagsNameThem) {
  Config config;
  const List environment{"PERP_IO=urng", "PERP_JOURNAL_SYNC_MS=12x", "PERP_TESTNET=maybe"};
  config.read_environment(environment);
  config.read_flag("--pin", "binance");
  config.read_flag("--pin", "bianance=1");
  config.read_flag("--pin", "binance=x");
  config.read_flag("--venue-url", "okx=ftp://x");
  config.read_flag("--set", "journal.foldr=x");
  config.read_flag("--set", "journal.folder");
  config.read_flag("--sync-ms", "99999999999999999999");
  EXPECT_EQ(
      faults_text(config.faults()),
      "PERP_TESTNET: is 'maybe'; expected true or false\n"
      "PERP_IO: is 'urng'; expected one of auto, uring, epoll; did you mean 'uring'?\n"
      "PERP_JOURNAL_SYNC_MS: is '12x'; expected an integer from 0 to 60000\n"
      "--pin: is 'binance'; expected NAME=VALUE with a name of engine, feed, binance, bybit, okx, "
      "hyperliquid; did you mean 'binance'?\n"
      "--pin: is 'bianance=1'; expected NAME=VALUE with a name of engine, feed, binance, bybit, "
      "okx, hyperliquid; did you mean 'binance'?\n"
      "--pin binance: is 'x'; expected an integer from -1 to 4095\n"
      "--venue-url okx: is no address ('ftp://x': is no address of a server: 'ftp' is none of the "
      "schemes http, https, ws and wss); expected wss://host[:port]\n"
      "--set: unknown key 'journal.foldr'; did you mean 'journal.folder'?\n"
      "--set: is 'journal.folder'; expected KEY=VALUE; did you mean 'journal.folder'?\n"
      "--sync-ms: is '99999999999999999999'; expected an integer from 0 to 60000\n");
}

TEST(Config, ASecretIsShownNowhere) {
  Config config;
  config.read_toml("[database]\ndsn = \"host=h password=hunter2\"\npassword = \"hunter2\"\n",
                   "a.toml");
  for (const bool with_origin : {false, true}) {
    EXPECT_EQ(config_toml(config, with_origin).find("hunter2"), std::string::npos);
    EXPECT_EQ(config_json(config, with_origin).find("hunter2"), std::string::npos);
  }
  EXPECT_NE(config_toml(config, false).find("# dsn is set (a secret)"), std::string::npos);
}

TEST(Config, WhatIsShownReadsAsTheSameConfiguration) {
  Config config;
  for (const Setting& setting : settings())
    if (!setting.is_secret) give(config, setting, Layer::flag, sample_of(setting, 0));
  config.read_flag("--journal", "a \"b\" \\ c\x7f\t\xc3\xa9");
  ASSERT_EQ(faults_text(config.faults()), "");
  for (const bool with_origin : {false, true}) {
    Config again;
    again.read_toml(config_toml(config, with_origin), "shown.toml");
    EXPECT_EQ(faults_text(again.faults()), "");
    for (const Setting& setting : settings())
      EXPECT_TRUE(again.value(setting.name) == config.value(setting.name)) << setting.name;
  }
  const auto json = nlohmann::json::parse(config_json(config, true));
  EXPECT_EQ(json.size(), settings().size());
  EXPECT_EQ(json["pins.engine"]["value"], 0);
  EXPECT_EQ(json["pins.engine"]["origin"], "flag");
  EXPECT_EQ(json["pins.engine"]["place"], "--pin engine");
}

TEST(Config, TheSpecialSettingDecidesUnlessTheGeneralOneCameLater) {
  const auto venues_of = [](const Config& config) {
    std::string names;
    for (const LiveVenueOptions& venue : live_options(config).venues)
      names += std::string(market::find_venue(venue.feed.venue)->key) + " ";
    return names;
  };
  Config config;
  EXPECT_EQ(venues_of(config), "binance bybit okx hyperliquid ");
  config.read_toml(
      "exchanges.okx.enabled = false\nexchanges.bybit.symbols = [\"SOL\"]\n"
      "symbols = [\"BTC\"]\n",
      "a.toml");
  EXPECT_EQ(venues_of(config), "binance bybit hyperliquid ");
  EXPECT_EQ(live_options(config).venues[0].feed.symbols, List{"BTC"});
  EXPECT_EQ(live_options(config).venues[1].feed.symbols, List{"SOL"});
  config.read_flag("--venues", "okx");
  config.read_flag("--symbols", "ETH");
  EXPECT_EQ(venues_of(config), "okx ") << "a flag is later than the file";
  EXPECT_EQ(live_options(config).venues[0].feed.symbols, List{"ETH"});
  config.read_flag("--set", "exchanges.okx.enabled=false");
  EXPECT_THROW(live_options(config), core::Error) << "no venue is left";
}

TEST(Config, OptionsOfTheDaemonAreWhatTheConfigurationSays) {
  Config config;
  config.read_toml(R"(
venues = "binance,hyperliquid"
streams = ["trades", "book"]
testnet = true
tls_ca = "ca.pem"
io = "epoll"
idle = "spin"
ring_bytes = 2097152
ledger_folder = "ledger"
haste = 60
db_retention_days = 3
obeys_proxy_variables = false
[exchanges.hyperliquid]
testnet = false
websocket_url = "wss://[::1]:9000"
rest_url = "https://sim:9001"
[pins]
engine = 5
hyperliquid = 6
[journal]
folder = "j"
sync_ms = 7
keep_book_deltas = false
checkpoint_s = 0
[database]
host = "h"
database = "it's"
user = "u"
password = 'back\slash'
[loader]
lanes = 4
batch_rows = 10
flush_ms = 20
[logging]
level = "warn"
format = "json"
status_s = 0
)",
                   "a.toml");
  ASSERT_EQ(faults_text(config.faults()), "");
  const LiveOptions options = live_options(config);
  ASSERT_EQ(options.venues.size(), 2U);
  const feed::LiveFeedOptions& binance = options.venues[0].feed;
  const feed::LiveFeedOptions& hyperliquid = options.venues[1].feed;
  EXPECT_EQ(binance.kinds, venue::kinds_of(venue::StreamKind::trades, venue::StreamKind::book));
  EXPECT_TRUE(binance.symbols.empty()) << "all";
  EXPECT_TRUE(binance.is_testnet);
  EXPECT_FALSE(hyperliquid.is_testnet);
  EXPECT_EQ(hyperliquid.websocket_origin, "wss://[::1]:9000");
  EXPECT_EQ(hyperliquid.rest_origin, "https://sim:9001");
  EXPECT_EQ(binance.tls_ca_file, "ca.pem");
  EXPECT_EQ(binance.ledger_folder, "ledger");
  EXPECT_FALSE(binance.obeys_proxy_variables);
  EXPECT_EQ(binance.haste, 60);
  EXPECT_EQ(binance.loop.engine, net::IoEngine::epoll);
  EXPECT_EQ(binance.loop.idle.kind, core::IdleKind::spin);
  EXPECT_EQ(options.venues[0].cpu, -1);
  EXPECT_EQ(options.venues[1].cpu, 6);
  EXPECT_EQ(options.ring_bytes, 2'097'152U);
  EXPECT_EQ(options.status_ns, 0);
  const WarehouseOptions& warehouse = options.warehouse;
  EXPECT_EQ(warehouse.engine_cpu, 5);
  EXPECT_EQ(warehouse.engine.journal.folder, "j");
  EXPECT_EQ(warehouse.engine.journal.sync_ms, 7);
  EXPECT_FALSE(warehouse.engine.journal.keep_book_deltas);
  EXPECT_EQ(warehouse.engine.checkpoint_every_ns, 0);
  EXPECT_EQ(warehouse.loader.dsn, "host='h' dbname='it\\'s' user='u' password='back\\\\slash'");
  EXPECT_EQ(warehouse.loader.lanes, 4U);
  EXPECT_EQ(warehouse.loader.batch_rows, 10U);
  EXPECT_EQ(warehouse.loader.flush_ms, 20);
  EXPECT_EQ(warehouse.loader.retention_days, 3);
  EXPECT_EQ(log_options(config).level, core::LogLevel::warn);
  EXPECT_EQ(log_options(config).format, core::LogFormat::json);
}

TEST(Config, OneAddressWithoutTheOtherIsRefused) {
  Config config;
  config.read_flag("--venue-url", "okx=wss://127.0.0.1:1");
  try {
    live_options(config);
    FAIL() << "two worlds would be mixed";
  } catch (const core::Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("exchanges.okx.rest_url: ")) << error.what();
  }
}

TEST(Config, ChangesAreToldApartByWhatAReloadTakes) {
  Config before;
  Config after;
  after.read_toml("io = \"epoll\"\nlogging.level = \"debug\"\nloader.lanes = 3\n", "a.toml");
  EXPECT_EQ(changed_settings(before, after, true), (List{"loader.lanes", "logging.level"}));
  EXPECT_EQ(changed_settings(before, after, false), List{"io"});
}

// The program -------------------------------------------------------------------------------

TEST(ConfigCommand, CheckListsEveryFaultAndExitsWithTwo) {
  const Folder folder;
  std::ofstream(folder / "bad.toml") << "venuse = 1\n[journal]\nsync_ms = -1\n";
  std::ofstream(folder / "good.toml") << "io = \"epoll\"\n";
  const Outcome bad = run("config check " + (folder / "bad.toml"));
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_EQ(std::count(bad.err.begin(), bad.err.end(), '\n'), 2) << bad.err;
  EXPECT_NE(bad.err.find(folder / "bad.toml:1:1: unknown key 'venuse'"), std::string::npos);
  EXPECT_EQ(run("config check " + (folder / "good.toml")).exit_code, 0);
  const Outcome absent = run("config check " + (folder / "absent.toml"));
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_EQ(absent.err, (folder / "absent.toml: cannot be read: No such file or directory\n"));
  EXPECT_EQ(run("config check " + folder.path()).exit_code, 2) << "a folder is no file";
  EXPECT_EQ(run("run --config " + (folder / "bad.toml")).exit_code, 2);
}

TEST(ConfigCommand, ShowSaysWhereEachValueCameFrom) {
  const Folder folder;
  std::ofstream(folder / "perp.toml") << "io = \"epoll\"\nidle = \"spin\"\ntestnet = true\n";
  const std::string command = std::string("PERP_IDLE=block PERP_TESTNET=1 ") + PERP_PROGRAM +
                              " config show --origin --format json --testnet=false --config " +
                              (folder / "perp.toml") + " >" + (folder / "out");
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto json = nlohmann::json::parse(read_file(folder / "out"));
  EXPECT_EQ(json["io"]["origin"], "file");
  EXPECT_EQ(json["io"]["place"], folder / "perp.toml:1:6");
  EXPECT_EQ(json["idle"]["value"], "block");
  EXPECT_EQ(json["idle"]["place"], "PERP_IDLE");
  EXPECT_EQ(json["testnet"]["value"], false);
  EXPECT_EQ(json["testnet"]["place"], "--testnet");
  EXPECT_EQ(json["ring_bytes"]["origin"], "default");
}

TEST(ConfigCommand, TheDocumentationHasTheTable) {
  const std::string page = read_file(PERP_SOURCE_DIR "/docs/configuration.md");
  const Outcome keys = run("config keys");
  EXPECT_EQ(keys.exit_code, 0);
  EXPECT_EQ(keys.out, settings_markdown());
  EXPECT_NE(page.find(keys.out), std::string::npos)
      << "put the output of `perp config keys` into docs/configuration.md";
}

TEST(ConfigCommand, TheExampleIsRight) {
  EXPECT_EQ(run("config check " PERP_SOURCE_DIR "/examples/perp.toml").exit_code, 0);
}

}  // namespace
}  // namespace perp::app::testing
