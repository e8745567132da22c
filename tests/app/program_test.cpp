// Goal: the program tells the truth without a database: exit codes, summaries, refusals with their
// place. Method: run it; count the messages of its input independently.
#include "app/program.hpp"

#include <perp/sim/record.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace perp::app::testing {
namespace {

using nlohmann::json;

std::uint64_t count_lines(const std::string& path) {
  const std::string text = read_file(path);
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

/// The subcommands that a help text lists.
std::vector<std::string> subcommands_of(const std::string& help) {
  std::vector<std::string> names;
  const std::size_t begin = help.find("Subcommands:");
  if (begin == std::string::npos) return names;
  std::stringstream lines(help.substr(begin));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line.starts_with("  "))
    if (line[2] != ' ') names.push_back(line.substr(2, line.find_first_of(" ,", 2) - 2));
  return names;
}

TEST(Program, HelpAndUsageHaveTheirExitCodes) {
  const Outcome help = run("--help");
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command :
       {"replay", "run", "query", "db", "journal", "sim", "venues", "doctor", "version"})
    EXPECT_NE(help.out.find(command), std::string::npos) << command;
  // Each command that the list names is there when it is called, which builds it alone.
  const std::vector<std::string> commands = subcommands_of(help.out);
  for (const std::string& name : commands) {
    const Outcome one = run(name + " --help");
    EXPECT_EQ(one.exit_code, 0) << name << one.err;
    EXPECT_NE(one.out.find("Usage: perp " + name), std::string::npos) << one.out;
  }
  EXPECT_GE(commands.size(), 20u);
  EXPECT_EQ(run("").exit_code, 2);
  EXPECT_EQ(run("nonsense").exit_code, 2);
  EXPECT_EQ(run("query pd --symbol BTC").exit_code, 2) << "no database, no perpspec";
  EXPECT_EQ(run("replay /does/not/exist").exit_code, 1);
  const Outcome absent = run("replay /does/not/exist");
  EXPECT_NE(absent.err.find("/does/not/exist"), std::string::npos) << "the error names the input";
}

/// A variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

// A command that empties another database than the one that was named is the worst it can do.
TEST(Program, TheDatabaseThatIsNamedIsTheOneWhateverTheEnvironmentSays) {
  const Folder journal;
  const std::map<std::string, std::string> arguments{
      {"query pd", "--symbol BTC --perpspec bin-ohlcv --from 2026-11-01 --to 2026-11-02"},
      {"query metrics", "--symbol BTC --from 2026-11-01 --to 2026-11-02"},
      {"query wide", "--symbol BTC --from 2026-11-01 --to 2026-11-02"},
      {"query snapshot", "--symbol BTC --at 2026-11-01"},
      {"query wicks", "--symbol BTC --perpspec bin-ohlcv --from 2026-11-01 --to 2026-11-02"},
      {"query gaps", "--symbol BTC --perpspec bin-ohlcv"},
      {"db setup", "--drop"},
      {"db migrate", ""},
      {"db stats", ""},
      {"db clean", "--truncate --yes"},
      {"db rollup", ""},
      {"db seal", ""},
      {"db update-fees", "--exchange binance --taker 0.0004"},
      {"db versions", ""},
      {"db info", ""},
      {"metrics calc", ""},
      {"metrics backfill", ""},
      {"metrics reset", "--from 2026-11-01 --to 2026-11-02"},
      {"perpspec add", "bin-x c,v"},
      {"perpspec list", ""},
      {"perpspec show", "bin-tv"},
      {"verify", "--journal " + journal.path()},
      {"prune", ""},
      {"status", ""},
      {"errors", ""}};
  // They wait for a database, or look at more; their settings' order is config_test's.
  const std::set<std::string> others{"run",          "replay",      "backfill",  "collect",
                                     "config check", "config show", "sim check", "doctor"};
  std::vector<std::string> with_database;
  for (const std::string& name : subcommands_of(run("--help").out)) {
    const std::string help = run(name + " --help").out;
    std::vector<std::string> leaves;
    for (const std::string& child : subcommands_of(help)) leaves.push_back(name + " " + child);
    if (leaves.empty()) leaves.push_back(name);
    for (const std::string& leaf : leaves)
      if (run(leaf + " --help").out.find("--db") != std::string::npos && !others.contains(leaf))
        with_database.push_back(leaf);
  }
  EXPECT_EQ(with_database.size(), arguments.size());
  for (const std::string& command : with_database) {
    ASSERT_TRUE(arguments.contains(command)) << command << ": which arguments does it need?";
    const std::string line = command + " " + arguments.at(command);
    const Variable variable("DATABASE_URL", "host=127.0.0.1 port=2");
    const Outcome named = run(line + " --db 'host=127.0.0.1 port=1'");
    EXPECT_NE(named.exit_code, 0) << command;
    EXPECT_NE(named.err.find("port 1 failed"), std::string::npos) << command << ": " << named.err;
    const Outcome unnamed = run(line);
    EXPECT_NE(unnamed.exit_code, 0) << command;
    EXPECT_NE(unnamed.err.find("port 2 failed"), std::string::npos)
        << command << ": " << unnamed.err;
  }
}

TEST(Program, TheConfigurationFileThatIsNamedIsTheOneWhateverTheEnvironmentSays) {
  const Folder folder;
  const Variable variable("PERP_CONFIG", "/does/not/exist");
  std::ofstream(folder / "perp.toml") << "[logging]\nstatus_s = 7\n";
  const Outcome checked = run("config check " + (folder / "perp.toml"));
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_NE(run("config show --config " + (folder / "perp.toml")).out.find("status_s = 7"),
            std::string::npos);
  EXPECT_NE(run("config check").err.find("/does/not/exist"), std::string::npos);
}

TEST(Program, DoesNotLoadTheLibraryThatMeasuresTheClock) {
#if defined(__x86_64__)
  const Folder folder;
  const std::string command = std::string("ldd ") + PERP_PROGRAM + " >" + (folder / "libraries");
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string libraries = read_file(folder / "libraries");
  EXPECT_NE(libraries.find("libpq"), std::string::npos);
  EXPECT_EQ(libraries.find("libhwy"), std::string::npos);
#else
  GTEST_SKIP() << "elsewhere Highway's own choice is used";
#endif
}

TEST(Program, OutputThatDoesNotArriveIsAFailureUnlessNobodyReadsOn) {
  const auto code_of = [](const std::string& command) {
    const int status = std::system((std::string("bash -c '") + command + "'").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const std::string program = PERP_PROGRAM;
  for (const char* arguments : {"--help", "venues", "config keys"}) {
    const std::string command = program + " " + arguments;
    const Folder folder;
    EXPECT_EQ(code_of(command + " >/dev/full 2>" + (folder / "err")), 1) << arguments;
    EXPECT_NE(read_file(folder / "err").find("standard output"), std::string::npos) << arguments;
    EXPECT_EQ(code_of("set -o pipefail; " + command + " | true"), 0) << arguments;
  }
}

TEST(Program, ServesAsManyCoinsAsThereAreAndNamesTheLimit) {
  const std::size_t limit = sim::symbol_limit();
  ASSERT_GE(limit, 100U);
  const Folder folder;
  const std::string serve =
      "sim serve --for 0.1 --format json --tls-folder " + (folder / "tls") + " --symbols ";
  const Outcome all = run(serve + std::to_string(limit));
  EXPECT_EQ(all.exit_code, 0) << all.err;
  for (const std::string& refused :
       {serve + std::to_string(limit + 1), serve + "0",
        "sim record " + (folder / "sim") + " --symbols " + std::to_string(limit + 1)}) {
    const Outcome outcome = run(refused);
    EXPECT_EQ(outcome.exit_code, 2) << refused;
    EXPECT_NE(outcome.err.find("--symbols"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("1 to " + std::to_string(limit)), std::string::npos) << outcome.err;
  }
  const Outcome spare = run(serve + std::to_string(limit) + " --spare 1");
  EXPECT_NE(spare.exit_code, 0);
  EXPECT_NE(spare.err.find("0 to 0"), std::string::npos) << spare.err;
}

TEST(Program, EveryMessageOfARecordingIsCounted) {
  const Folder folder;
  ASSERT_EQ(run("sim record " + (folder / "sim") + " --seed 2 --minutes 3 --symbols 3").exit_code,
            0);
  std::uint64_t lines = 0;
  for (const char* venue : {"binance", "bybit", "okx", "hyperliquid"})
    for (const char* file : {"ws.tsv", "rest.tsv"})
      lines += count_lines(folder / ("sim/" + std::string(venue) + "/" + file));
  const Outcome replay =
      run("replay " + (folder / "sim") + " --journal " + (folder / "journal") + " --format json");
  ASSERT_EQ(replay.exit_code, 0) << replay.err << replay.out;
  const json summary = json::parse(replay.out);
  EXPECT_EQ(summary["messages"], lines);
  std::uint64_t by_kind = 0;
  for (const auto& [name, venue] : summary["venues"].items())
    for (const auto& [kind, count] : venue["messages"].items()) {
      by_kind += count.get<std::uint64_t>();
      EXPECT_NE(kind, "unknown");
    }
  EXPECT_EQ(by_kind, lines) << "each message has one kind";
  EXPECT_EQ(summary["decode_errors"], 0);
  EXPECT_TRUE(summary["database"].is_null()) << "what was not asked for is null";

  EXPECT_EQ(run("journal verify " + (folder / "journal")).exit_code, 0);
  const Outcome stats = run("journal stats " + (folder / "journal") + " --format json");
  ASSERT_EQ(stats.exit_code, 0) << stats.err;
  // A journal is a recording, too: replayed, it gives the same minutes.
  const Outcome again = run("replay " + (folder / "journal") + " --format json");
  ASSERT_EQ(again.exit_code, 0) << again.err << again.out;
  EXPECT_EQ(json::parse(again.out)["minutes"], summary["minutes"]);
}

TEST(Program, BothLanesReplayARecordingAlike) {
  const Folder folder;
  ASSERT_EQ(run("sim record " + (folder / "sim") + " --seed 3 --minutes 3 --symbols 3").exit_code,
            0);
  const Outcome both = run("replay " + (folder / "sim") + " --format json");
  const Outcome one = run("replay " + (folder / "sim") + " --no-shapes --format json");
  ASSERT_EQ(both.exit_code, 0) << both.err << both.out;
  ASSERT_EQ(one.exit_code, 0) << one.err << one.out;
  const json by_both = json::parse(both.out);
  const json by_one = json::parse(one.out);
  for (const char* part : {"records", "minutes", "half_seen_minutes", "late_trades"})
    EXPECT_EQ(by_both[part], by_one[part]) << part;
  for (const auto& [name, venue] : by_one["venues"].items()) {
    EXPECT_EQ(venue["messages"], by_both["venues"][name]["messages"]);
    for (const auto& [kind, count] : venue["by_shape"].items()) EXPECT_EQ(count, 0) << kind;
  }
  const json& binance = by_both["venues"]["binance"];
  const std::uint64_t trades = binance["messages"]["aggTrade"];
  EXPECT_GT(trades, 100U);
  EXPECT_GE(binance["by_shape"]["aggTrade"].get<std::uint64_t>() + 3, trades)
      << "three instruments are new once";
}

TEST(Program, RefusedMessagesAreCountedLocatedAndPartial) {
  const Folder folder;
  std::filesystem::create_directories(folder / "binance");
  std::ofstream(folder / "binance/ws.tsv")
      << "1786171884.7\t{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":"
         "1786171884624,\"a\":1,\"s\":\"BTCUSDT\",\"p\":\"64990.90\","
         "\"q\":\"0.002\",\"f\":1,\"l\":1,\"T\":1786171884471,\"m\":true}}\n"
      << "1786171884.8\t{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":"
         "1786171884624,\"a\":2,\"s\":\"BTCUSDT\",\"p\":\"oops\","
         "\"q\":\"0.002\",\"f\":1,\"l\":1,\"T\":1786171884471,\"m\":true}}\n"
      << "1786171884.9\t{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1786\n"
      << "not a line\n"
      << "1786171885.0\t{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":"
         "1786171884624,\"a\":3,\"s\":\"BTCUSDT\",\"p\":\"64990.90\","
         "\"q\":\"0.002\",\"f\":1,\"l\":1,\"T\":1786171884471,\"m\":true}}\n";
  const Outcome replay = run("replay " + folder.path() + " --format json");
  EXPECT_EQ(replay.exit_code, 3) << "partial";
  const json summary = json::parse(replay.out);
  EXPECT_EQ(summary["decode_errors"], 2);
  EXPECT_EQ(summary["bad_lines"], 1);
  EXPECT_EQ(summary["bad_line_places"][0],
            (folder / "binance/ws.tsv") + ":4: expected 'seconds<TAB>json'");
  EXPECT_EQ(summary["records"]["trade"], 2) << "the rest of the stream goes on";
  bool has_field = false;
  for (const json& error : summary["errors"])
    has_field |= error["field"] == "p" && error["status"] == "wrong_type";
  EXPECT_TRUE(has_field) << summary["errors"].dump(1);
}

class RecordedVenue : public ::testing::TestWithParam<const char*> {};

TEST_P(RecordedVenue, GenuineRecordingsReplayWithoutARefusal) {
  const char* captures = std::getenv("PERP_CAPTURES_DIR");
  if (captures == nullptr || *captures == '\0')
    GTEST_SKIP() << "PERP_CAPTURES_DIR is not set: no recorded messages to read";
  const Outcome replay =
      run("replay " + std::string(captures) + "/" + GetParam() + " --format json");
  const json summary = json::parse(replay.out);
  EXPECT_EQ(replay.exit_code, 0) << replay.err << summary["errors"].dump(1);
  EXPECT_EQ(summary["decode_errors"], 0) << summary["errors"].dump(1);
  EXPECT_EQ(summary["bad_lines"], 0);
  EXPECT_GT(summary["messages"], 0);
  // Every file is replayed but the notes, and bodies whose symbol neither they nor their names say.
  for (const json& skipped : summary["skipped"]) {
    const std::string why = skipped["why"];
    EXPECT_TRUE(skipped["path"].get<std::string>().ends_with(".md") ||
                why.find("--symbol") != std::string::npos)
        << skipped.dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Venues, RecordedVenue,
                         ::testing::Values("binance", "bybit", "okx", "hyperliquid"));

}  // namespace
}  // namespace perp::app::testing
