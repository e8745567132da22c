#pragma once
// Databases for tests: each test makes its own on the server that the environment names, and drops
// it afterwards. Text is an independent way in: libpq's text protocol, nothing of ours.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <libpq-fe.h>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::warehouse::test {

using TextRow = std::vector<std::optional<std::string>>;

/// A connection that speaks text only.
class Text {
 public:
  explicit Text(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK) {
      const std::string why = PQerrorMessage(connection_);
      PQfinish(connection_);
      throw std::runtime_error(why);
    }
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);
  }
  ~Text() { PQfinish(connection_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  std::vector<TextRow> rows(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      const std::string why = PQresultErrorMessage(result);
      PQclear(result);
      throw std::runtime_error(sql.substr(0, 200) + ": " + why);
    }
    std::vector<TextRow> out;
    for (int r = 0; r < PQntuples(result); ++r) {
      TextRow& row = out.emplace_back();
      for (int c = 0; c < PQnfields(result); ++c)
        row.push_back(PQgetisnull(result, r, c) != 0
                          ? std::nullopt
                          : std::optional<std::string>(PQgetvalue(result, r, c)));
    }
    PQclear(result);
    return out;
  }
  /// The first field of the first row; "NULL" for NULL, "" without rows.
  std::string one(const std::string& sql) {
    const std::vector<TextRow> found = rows(sql);
    return found.empty() ? std::string() : found[0][0].value_or("NULL");
  }
  /// The first column.
  std::vector<std::string> list(const std::string& sql) {
    std::vector<std::string> out;
    for (const TextRow& row : rows(sql)) out.push_back(row[0].value_or("NULL"));
    return out;
  }

 private:
  PGconn* connection_;
};

/// `dsn` with some keys replaced.
inline std::string with(const std::string& dsn, const std::map<std::string, std::string>& changes) {
  PQconninfoOption* options = PQconninfoParse(dsn.c_str(), nullptr);
  std::map<std::string, std::string> keys;
  for (PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr;
       ++option)
    if (option->val != nullptr && *option->val != '\0') keys[option->keyword] = option->val;
  PQconninfoFree(options);
  for (const auto& [key, value] : changes) keys[key] = value;
  std::string out;
  for (const auto& [key, value] : keys) out += key + "='" + value + "' ";
  return out;
}

inline std::string value_of(const std::string& dsn, const std::string& key) {
  PQconninfoOption* options = PQconninfoParse(dsn.c_str(), nullptr);
  std::string out;
  for (PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr;
       ++option)
    if (key == option->keyword && option->val != nullptr) out = option->val;
  PQconninfoFree(options);
  return out;
}

enum class Server { plain, timescale };
inline std::string name_of(Server server) {
  return server == Server::plain ? "plain" : "timescale";
}
inline const char* variable_of(Server server) {
  return server == Server::plain ? "PERP_TEST_PLAIN_DSN" : "PERP_TEST_TIMESCALE_DSN";
}

/// A database of its own on one of the two servers.
class DatabaseTest : public testing::TestWithParam<Server> {
 protected:
  void SetUp() override {
    const char* server = std::getenv(variable_of(GetParam()));
    if (server == nullptr || *server == '\0')
      GTEST_SKIP() << variable_of(GetParam()) << " is not set: no " << name_of(GetParam())
                   << " server; run under scripts/test-databases";
    server_dsn_ = server;
    static std::atomic<int> count{0};
    database_ = "perp_test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
    Text(server_dsn_).rows("CREATE DATABASE " + database_);
    dsn_ = with(server_dsn_, {{"dbname", database_}});
  }
  void TearDown() override {
    if (!database_.empty())
      Text(server_dsn_).rows("DROP DATABASE IF EXISTS " + database_ + " WITH (FORCE)");
  }

  std::string server_dsn_;
  std::string database_;
  std::string dsn_;
};

inline auto both_servers() { return testing::Values(Server::plain, Server::timescale); }
inline std::string server_name(const testing::TestParamInfo<Server>& info) {
  return name_of(info.param);
}

}  // namespace perp::warehouse::test
