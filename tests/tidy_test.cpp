// The repository's own rules: includes point down, no third-party header is installed, lines stay
// readable, nothing unfinished is left behind. Goal: a rule that a reader relies on cannot rot
// unseen. Method: read the layer table from cmake/PerpLayers.cmake and walk the tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = PERP_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::map<std::string, std::set<std::string>> layer_table() {
  std::map<std::string, std::set<std::string>> table;
  const std::string text = read(root / "cmake/PerpLayers.cmake");
  const std::regex row("\"([a-z]+)\\|([a-z -]+)\\|[^\"]*\"");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), row); it != std::sregex_iterator();
       ++it) {
    std::set<std::string> allowed{(*it)[1].str()};
    std::istringstream lower((*it)[2].str());
    for (std::string name; lower >> name;)
      if (name != "-") allowed.insert(name);
    table[(*it)[1].str()] = allowed;
  }
  return table;
}

std::vector<fs::path> files_under(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.is_regular_file() &&
          (entry.path().extension() == ".hpp" || entry.path().extension() == ".cpp"))
        files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string place(const fs::path& path, std::size_t line) {
  return fs::relative(path, root).string() + ":" + std::to_string(line + 1);
}

// Old data leaves the hot tables by whole chunks and partitions. Rows are deleted where a person
// asks for them to be made anew (metrics reset), and nowhere else.
TEST(Tidy, NothingDeletesRowsOfTheHotTables) {
  const std::map<std::string, std::size_t> allowed{
      {"src/warehouse/metrics_worker.cpp", 1},  // perp metrics reset
      {"src/warehouse/upkeep.cpp", 1},          // perp db clean, which spares them
      {"src/warehouse/retention.cpp", 1},       // perp_status, perp_errors
      {"src/warehouse/claim.cpp", 1}};          // perp_load_cursors
  std::map<std::string, std::size_t> found;
  std::vector<fs::path> files = files_under({"src", "include", "examples"});
  for (const auto& entry : fs::recursive_directory_iterator(root / "sql"))
    if (entry.is_regular_file()) files.push_back(entry.path());
  for (const fs::path& file : files) {
    const std::string text = read(file);
    const std::regex deletes(
        R"(DELETE\s+FROM\s+(ONLY\s+)?(\{\}|perp_data|perp_metrics|perp_load)|TRUNCATE\s+perp_)",
        std::regex::icase);
    const auto count = static_cast<std::size_t>(std::distance(
        std::sregex_iterator(text.begin(), text.end(), deletes), std::sregex_iterator()));
    if (count > 0) found[fs::relative(file, root).string()] = count;
  }
  EXPECT_EQ(found, allowed);
}

TEST(Tidy, LayerTableIsReadable) {
  const auto table = layer_table();
  EXPECT_EQ(table.size(), 14u);
  EXPECT_TRUE(table.at("core") == std::set<std::string>{"core"});
  EXPECT_FALSE(table.at("venue").contains("net")) << "an adapter is testable without a socket";
  EXPECT_FALSE(table.at("rolling").contains("market")) << "rolling is a library of its own";
}

TEST(Tidy, IncludesPointDown) {
  const auto table = layer_table();
  const std::regex include("^\\s*#include\\s+[<\"](perp/)?([a-z]+)/[^>\"]+[>\"]");
  for (const fs::path& path : files_under({"include/perp", "src"})) {
    const fs::path relative = fs::relative(path, root);
    auto part = relative.begin();
    if (*part++ == "include") ++part;
    const std::string layer = part->string();
    if (!table.contains(layer)) continue;  // include/perp/perp.hpp, the door to all of it
    const auto lines = lines_of(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(lines[i], match, include) || !table.contains(match[2].str())) continue;
      std::string allowed;
      for (const std::string& name : table.at(layer)) allowed += " " + name;
      EXPECT_TRUE(table.at(layer).contains(match[2].str()))
          << place(path, i) << ": layer '" << layer << "' may include only:" << allowed;
    }
  }
}

TEST(Tidy, InstalledHeadersIncludeNoThirdParty) {
  const std::regex third_party(
      "#include\\s+<(fmt|simdjson|libpq|liburing|CLI|zlib|boost|hwy|nlohmann|wolfssl|openssl)[/"
      ".>-]");
  const std::regex heavy("#include\\s+<(iostream|regex)>");
  for (const fs::path& path : files_under({"include"})) {
    const auto lines = lines_of(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(lines[i], third_party))
          << place(path, i) << ": third-party headers stay in src/";
      EXPECT_FALSE(std::regex_search(lines[i], heavy))
          << place(path, i) << ": a user's compile pays for this";
    }
  }
}

/// What a file includes of ours and of others, through all that it includes of ours.
void collect_includes(const fs::path& path, std::set<std::string>& includes) {
  const std::regex include("^\\s*#include\\s+[<\"]([^>\"]+)[>\"]");
  for (const std::string& line : lines_of(path)) {
    std::smatch match;
    if (!std::regex_search(line, match, include) || !includes.insert(match[1].str()).second)
      continue;
    for (const char* const folder : {"include", "src", "tests", "bench"})
      if (const fs::path file = root / folder / match[1].str(); fs::is_regular_file(file))
        collect_includes(file, includes);
  }
}

TEST(Tidy, WolfsslAndOpensslNeverMeet) {
  // wolfSSL has OpenSSL's names as macros: where both are seen, calls go to the wrong library.
  int seen = 0;
  for (const fs::path& path : files_under({"src", "tests", "bench"})) {
    if (path.extension() != ".cpp") continue;
    std::set<std::string> includes;
    collect_includes(path, includes);
    const auto has = [&](const std::string& folder) {
      const auto first = includes.lower_bound(folder);
      return first != includes.end() && first->starts_with(folder);
    };
    EXPECT_FALSE(has("wolfssl/") && has("openssl/")) << fs::relative(path, root).string();
    EXPECT_FALSE(has("wolfssl/openssl/")) << fs::relative(path, root).string();
    if (has("wolfssl/") || has("openssl/")) ++seen;
  }
  EXPECT_GE(seen, 5) << "the sources of TLS were not found";
}

TEST(Tidy, HeadersBeginWithPragmaOnceAndSayWhatTheyAre) {
  for (const fs::path& path : files_under({"include"})) {
    const auto lines = lines_of(path);
    ASSERT_GE(lines.size(), 3u) << path;
    EXPECT_EQ(lines[0], "#pragma once") << place(path, 0);
    EXPECT_EQ(lines[1].rfind("//", 0), 0u)
        << place(path, 1) << ": begin with what it is and who uses it";
  }
}

TEST(Tidy, NothingUnfinishedIsLeft) {
  // Split so that this file does not find itself.
  const std::regex unfinished(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
  for (const fs::path& path : files_under({"include", "src", "tests", "bench", "examples"})) {
    const auto lines = lines_of(path);
    for (std::size_t i = 0; i < lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(lines[i], unfinished)) << place(path, i);
  }
}

TEST(Tidy, MemoryOrdersAreSpelledInFewPlaces) {
  // One place per idea: elsewhere the named operations of these headers are used.
  const std::set<std::string> spelled{"sequence.hpp", "seqlock.hpp", "counters.hpp"};
  const std::regex order("memory_order_(acquire|release|acq_rel|seq_cst|consume)");
  for (const fs::path& path : files_under({"include", "src"})) {
    if (spelled.contains(path.filename().string())) continue;
    const auto lines = lines_of(path);
    for (std::size_t i = 0; i < lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(lines[i], order))
          << place(path, i) << ": use core/sequence.hpp, core/seqlock.hpp or core/counters.hpp";
  }
}

TEST(Tidy, FilesStayOneThing) {
  constexpr std::size_t limit = 650;
  for (const fs::path& path : files_under({"include", "src"}))
    EXPECT_LE(lines_of(path).size(), limit)
        << fs::relative(path, root) << ": look for the second noun";
}

}  // namespace
