// `perp sim faults` as its user runs it: what it prints, what it refuses, and that SIGTERM ends it
// in order. What it does to connections is tests/sim/fault_proxy_*_test.cpp's.
#include "app/program.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace perp::app::testing {
namespace {

std::string script_of(const Folder& folder, const std::string& text) {
  const std::string path = folder / "t.faults";
  std::ofstream(path) << text;
  return path;
}

TEST(SimFaults, SaysWhereItListensAndWhatItDid) {
  const Folder folder;
  const std::string script = script_of(folder, "always okx gap 1/10\n");
  const Outcome outcome =
      run("sim faults " + script + " --to okx=https://127.0.0.1:1 --to okx=wss://127.0.0.1:2 " +
          "--to bybit=https://127.0.0.1:3 --for 0.05 --format json --tls-folder " +
          (folder / "tls") + " --log " + (folder / "log.jsonl"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::vector<nlohmann::json> parsed;
  for (std::string line; std::getline(lines, line);) parsed.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(parsed.size(), 3U);
  EXPECT_EQ(parsed[0]["venue"], "okx");
  EXPECT_TRUE(parsed[0]["websocket"].get<std::string>().starts_with("wss://127.0.0.1:"));
  EXPECT_TRUE(parsed[1]["rest"].get<std::string>().starts_with("https://127.0.0.1:"));
  EXPECT_TRUE(std::filesystem::exists(parsed[0]["tls_ca"].get<std::string>()));
  EXPECT_EQ(parsed[2]["venues"].size(), 2U);
  EXPECT_EQ(parsed[2]["faults"][0]["kind"], "gap");
  EXPECT_EQ(parsed[2]["faults"][0]["episodes"], 1);
  const std::string log = read_file(folder / "log.jsonl");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
}

TEST(SimFaults, EndsInOrderOnSigterm) {
  const Folder folder;
  const std::string script = script_of(folder, "1h * cut\n");
  // The signal comes as soon as the addresses are there.
  const std::string out = folder / "out";
  const std::string command = std::string(PERP_PROGRAM) + " sim faults " + script +
                              " --to okx=https://127.0.0.1:1 --tls-folder " + (folder / "tls") +
                              " >" + out + " & pid=$!; until grep -q tls-ca " + out +
                              "; do sleep 0.01; done; kill -TERM $pid; wait $pid";
  const int status = std::system(("/bin/sh -c '" + command + "'").c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_NE(read_file(out).find("messages to perp"), std::string::npos);
}

TEST(SimFaults, OnlyChecksAScript) {
  const Outcome outcome = run(std::string("sim faults ") + PERP_SOURCE_DIR +
                              "/examples/faults/all_kinds.faults --check");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("faults"), std::string::npos);
}

TEST(SimFaults, WhatCannotBeUsedIsNamed) {
  const Folder folder;
  const std::string bad = script_of(folder, "10s binance stal\n");
  const auto error_of = [&](const std::string& arguments) {
    const Outcome outcome = run("sim faults " + arguments + " --tls-folder " + (folder / "tls"));
    EXPECT_NE(outcome.exit_code, 0) << arguments;
    return outcome.err;
  };
  EXPECT_NE(error_of(bad + " --check").find("t.faults:1:13: unknown kind 'stal'"),
            std::string::npos);
  const std::string good = script_of(folder, "10s binance cut\n");
  EXPECT_NE(error_of(good).find("--to"), std::string::npos);
  EXPECT_NE(error_of(good + " --to okx=https://127.0.0.1:1").find("unknown venue 'binance'"),
            std::string::npos);
  EXPECT_NE(error_of(good + " --to https://127.0.0.1:1").find("NAME=https://HOST:PORT"),
            std::string::npos);
  EXPECT_NE(error_of(good + " --to binance=https://127.0.0.1:1/path").find("has a path"),
            std::string::npos);
  const std::string twice = " --to binance=https://127.0.0.1:1 --to binance=https://127.0.0.1:2";
  EXPECT_NE(error_of(good + twice).find("is there twice"), std::string::npos);
  const std::string to = good + " --to binance=https://127.0.0.1:1";
  EXPECT_NE(error_of(to + " --listen nowhere").find("--listen"), std::string::npos);
  EXPECT_NE(error_of(to + " --listen 127.0.0.1:x").find("--listen"), std::string::npos);
  EXPECT_NE(error_of(to + " --venue-ca /nowhere.pem").find("/nowhere.pem"), std::string::npos);
  EXPECT_NE(error_of("/nowhere.faults").find("/nowhere.faults"), std::string::npos);
}

}  // namespace
}  // namespace perp::app::testing
