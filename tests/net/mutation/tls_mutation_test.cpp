// What each safety step is for. Goal: no step of tls_safety.cpp can go unnoticed. Method: this
// program links a tls_safety.cpp that can leave one out (PERP_TLS_MUTATION, which the library is
// never built with), runs every case of the client's tests, and counts those that then fail.
#include "net/certificate_cases.hpp"
#include "net/protocol_cases.hpp"
#include "net/safety_step.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace perp::net {
namespace {

std::optional<SafetyStep> dropped;

}  // namespace

bool takes(SafetyStep step) noexcept;  // asked by this program's tls_safety.cpp
bool takes(SafetyStep step) noexcept { return dropped != step; }

namespace {

using test::TlsCase;

const std::vector<TlsCase>& all_cases() {
  static const std::vector<TlsCase> cases = [] {
    std::vector<TlsCase> all;
    for (auto some : {test::good_certificate_cases(), test::wrong_name_cases(),
                      test::bad_certificate_cases(), test::protocol_cases()})
      all.insert(all.end(), some.begin(), some.end());
    return all;
  }();
  return cases;
}

/// "name: complaint" of each case that does not come out as it should.
std::vector<std::string> complaints() {
  std::vector<std::string> found;
  for (const TlsCase& one : all_cases()) {
    const TlsContext context =
        TlsContext::client({.ca_file = test::trusted_root_file(), .alpn = "http/1.1"});
    const std::string complaint = test::complaint(one, test::outcome_of(one, context));
    if (!complaint.empty()) found.push_back(one.name + ": " + complaint);
  }
  return found;
}

std::string lines(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += "\n  " + text;
  return all;
}

class TlsMutationOf : public testing::TestWithParam<SafetyStep> {};

TEST_P(TlsMutationOf, IsNoticedByTenCasesOrMore) {
  dropped = GetParam();
  const std::vector<std::string> found = complaints();
  dropped.reset();
  RecordProperty("cases_that_fail", static_cast<int>(found.size()));
  EXPECT_GE(found.size(), 10u) << lines(found);
}

INSTANTIATE_TEST_SUITE_P(EachStep, TlsMutationOf, testing::ValuesIn(all_safety_steps),
                         [](const auto& step) { return std::string(to_text(step.param)); });

TEST(TlsMutation, WithEveryStepTakenNoCaseFails) {
  const std::vector<std::string> found = complaints();
  EXPECT_TRUE(found.empty()) << lines(found);
}

}  // namespace
}  // namespace perp::net
