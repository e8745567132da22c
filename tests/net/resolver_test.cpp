// Names through a look-up of the test's own, which counts, fails and blocks on demand; and the
// system's for numeric addresses and localhost.
#include "net/support.hpp"

#include <perp/core/error.hpp>
#include <perp/net/dialer.hpp>
#include <perp/net/resolver.hpp>

#include <atomic>
#include <latch>
#include <map>
#include <mutex>

namespace perp::net {
namespace {

using test::Acceptor;
using test::PlainSocket;
using test::Recorder;

Endpoint address(const char* text, std::uint16_t port = 0) {
  Endpoint endpoint;
  EXPECT_TRUE(Endpoint::parse(text, port, endpoint)) << text;
  return endpoint;
}

/// A name server of the test's own.
class Names {
 public:
  ResolverOptions options() {
    ResolverOptions options;
    options.look_up = [this](const std::string& host, std::vector<Endpoint>& endpoints) {
      ++look_ups;
      const std::lock_guard lock(mutex_);
      const auto found = names_.find(host);
      if (found == names_.end()) return std::string("Name or service not known");
      endpoints = found->second;
      return std::string();
    };
    return options;
  }
  void set(const std::string& host, std::vector<Endpoint> endpoints) {
    const std::lock_guard lock(mutex_);
    names_[host] = std::move(endpoints);
  }
  void remove(const std::string& host) {
    const std::lock_guard lock(mutex_);
    names_.erase(host);
  }
  std::atomic<int> look_ups{0};

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<Endpoint>> names_;
};

class NameTest : public testing::Test {
 protected:
  Resolution ask(Resolver& resolver, const std::string& host, std::uint16_t port = 443) {
    std::optional<Resolution> answer;
    const Resolver::Query query =
        resolver.resolve(loop_, host, port, [&](const Resolution& given) { answer = given; });
    EXPECT_TRUE(query.is_pending());
    EXPECT_TRUE(test::run_until(loop_, [&] { return answer.has_value(); }));
    EXPECT_FALSE(query.is_pending());
    return answer.value_or(Resolution{});
  }

  Loop loop_;
  Names names_;
};

class LoopResolver : public NameTest {};

TEST_F(LoopResolver, AnswersNumericAddressesWithoutALookUp) {
  Resolver resolver(names_.options());
  EXPECT_EQ(ask(resolver, "192.0.2.1", 99).endpoints,
            std::vector<Endpoint>{address("192.0.2.1", 99)});
  EXPECT_EQ(ask(resolver, "2001:db8::1", 99).endpoints,
            std::vector<Endpoint>{address("2001:db8::1", 99)});
  EXPECT_EQ(names_.look_ups, 0);
}

TEST_F(LoopResolver, TheSystemsLookUpKnowsLocalhostAndRefusesWhatCannotBe) {
  Resolver resolver;
  const Resolution local = ask(resolver, "localhost", 80);
  EXPECT_EQ(local.error, "");
  ASSERT_FALSE(local.endpoints.empty());
  for (const Endpoint& endpoint : local.endpoints)
    EXPECT_EQ(endpoint, Endpoint::loopback(endpoint.family, 80));
  // RFC 6761: a name under .invalid does not exist; a label has at most 63 characters.
  const Resolution wrong = ask(resolver, std::string(64, 'x') + ".invalid");
  EXPECT_TRUE(wrong.endpoints.empty());
  EXPECT_EQ(wrong.error.rfind("resolving " + std::string(64, 'x') + ".invalid: ", 0), 0U)
      << wrong.error;
}

TEST_F(LoopResolver, FamiliesTakeTurnsBeginningWithTheFirstAnswered) {
  names_.set("mixed", {address("2001:db8::1"), address("2001:db8::2"), address("192.0.2.1"),
                       address("2001:db8::3")});
  Resolver resolver(names_.options());
  const std::vector<Endpoint> expected{address("2001:db8::1", 7), address("192.0.2.1", 7),
                                       address("2001:db8::2", 7), address("2001:db8::3", 7)};
  EXPECT_EQ(ask(resolver, "mixed", 7).endpoints, expected);
}

TEST_F(LoopResolver, KeepsAnswersForTheirTimeAndSaysTheirAge) {
  names_.set("venue", {address("192.0.2.1")});
  ResolverOptions options = names_.options();
  options.ttl_ns = core::ns_per_hour;
  Resolver resolver(options);
  const Resolution first = ask(resolver, "venue", 1);
  const Resolution second = ask(resolver, "venue", 2);
  EXPECT_EQ(names_.look_ups, 1);
  EXPECT_EQ(second.endpoints, std::vector<Endpoint>{address("192.0.2.1", 2)});
  EXPECT_EQ(second.resolved_at, first.resolved_at);
  EXPECT_GT(second.age_ns(core::mono_now()), 0);

  options.ttl_ns = 0;
  Resolver fresh(options);
  static_cast<void>(ask(fresh, "venue"));
  names_.set("venue", {address("192.0.2.9")});
  EXPECT_EQ(ask(fresh, "venue").endpoints, std::vector<Endpoint>{address("192.0.2.9", 443)});
}

TEST_F(LoopResolver, AFailureIsToldAndAnEarlierAnswerStays) {
  ResolverOptions options = names_.options();
  options.ttl_ns = 0;
  options.failure_ttl_ns = 0;
  Resolver resolver(options);
  const Resolution unknown = ask(resolver, "venue");
  EXPECT_EQ(unknown.error, "resolving venue: Name or service not known");
  EXPECT_TRUE(unknown.endpoints.empty());
  names_.set("venue", {address("192.0.2.1")});
  const Resolution known = ask(resolver, "venue");
  EXPECT_EQ(known.error, "");
  names_.remove("venue");
  const Resolution stale = ask(resolver, "venue");
  EXPECT_EQ(stale.error, unknown.error);
  EXPECT_EQ(stale.endpoints, known.endpoints);
  EXPECT_EQ(stale.resolved_at, known.resolved_at) << "the age is that of the addresses";
}

TEST_F(LoopResolver, FailuresAreKeptForTheirTime) {
  ResolverOptions options = names_.options();
  options.failure_ttl_ns = core::ns_per_hour;
  Resolver resolver(options);
  EXPECT_NE(ask(resolver, "nobody").error, "");
  EXPECT_NE(ask(resolver, "nobody").error, "");
  EXPECT_EQ(names_.look_ups, 1);
}

TEST_F(LoopResolver, ForgetsTheOldestNameBeyondItsLimit) {
  ResolverOptions options = names_.options();
  options.names_max = 2;
  options.ttl_ns = core::ns_per_hour;
  for (const char* name : {"a", "b", "c"}) names_.set(name, {address("192.0.2.1")});
  Resolver resolver(options);
  for (const char* name : {"a", "b", "c", "b", "c"}) static_cast<void>(ask(resolver, name));
  EXPECT_EQ(names_.look_ups, 3);
  static_cast<void>(ask(resolver, "a"));
  EXPECT_EQ(names_.look_ups, 4);
}

TEST_F(LoopResolver, AWithdrawnQueryIsNotAnsweredAndALookUpMayOutliveIt) {
  std::latch has_begun(1);
  std::latch may_end(1);
  ResolverOptions options;
  options.look_up = [&](const std::string& host, std::vector<Endpoint>& endpoints) {
    if (host == "slow") {
      has_begun.count_down();
      may_end.wait();
    }
    endpoints.push_back(address("192.0.2.1"));
    return std::string();
  };
  options.queries_max = 2;
  Resolver resolver(options);
  const auto must_not = [](const Resolution&) { ADD_FAILURE() << "it was withdrawn"; };
  Resolver::Query slow = resolver.resolve(loop_, "slow", 1, must_not);
  has_begun.wait();
  bool is_answered = false;
  Resolver::Query queued = resolver.resolve(loop_, "other", 1, must_not);
  const Resolver::Query last =
      resolver.resolve(loop_, "last", 1, [&](const Resolution&) { is_answered = true; });
  EXPECT_THROW(static_cast<void>(resolver.resolve(loop_, "more", 1, must_not)), core::Error)
      << "two are waiting";
  slow.withdraw();
  queued = {};
  may_end.count_down();
  EXPECT_TRUE(test::run_until(loop_, [&] { return is_answered; }));
}

class LoopDialer : public NameTest {
 protected:
  void SetUp() override {
    resolver_.emplace(names_.options());
    dialer_ = std::make_unique<Dialer>(
        loop_, *resolver_,
        [this](Socket socket) {
          socket_ = std::move(socket);
          if (starts_) socket_.start(recorder_);
          if (at_dialled_) at_dialled_();
        },
        [this](const std::string& why) {
          failures_.push_back(why);
          if (at_failed_) at_failed_();
        });
  }
  bool run_until_done() {
    return test::run_until(loop_, [&] { return socket_.exists() || !failures_.empty(); });
  }

  std::optional<Resolver> resolver_;
  std::unique_ptr<Dialer> dialer_;
  Recorder recorder_;
  Socket socket_;
  bool starts_ = true;
  std::vector<std::string> failures_;
  std::function<void()> at_dialled_;
  std::function<void()> at_failed_;
};

/// An address of this machine on which nobody listens at the port of one that does.
const char* const nobody = "127.0.0.2";

TEST_F(LoopDialer, TriesTheNextAddressWhenOneRefuses) {
  const PlainSocket listener = PlainSocket::listen();
  names_.set("venue", {address(nobody), address("127.0.0.1")});
  DialerOptions options;
  options.stagger_ns = core::ns_per_minute;  // only the refusal can lead on
  dialer_->dial("venue", listener.endpoint().port, options);
  EXPECT_TRUE(dialer_->is_dialling());
  ASSERT_TRUE(run_until_done());
  EXPECT_FALSE(dialer_->is_dialling());
  EXPECT_EQ(socket_.peer(), listener.endpoint());
  const PlainSocket peer = listener.accept();
  peer.send_all("welcome");
  EXPECT_TRUE(test::run_until(loop_, [&] { return recorder_.received == "welcome"; }));
}

TEST_F(LoopDialer, DoesNotWaitForAnAddressThatDoesNotAnswer) {
  // The first address has a listener whose backlog is full: silence, as from a dead route.
  const PlainSocket silent = PlainSocket::listen(AF_INET, 0);
  std::vector<PlainSocket> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(silent.endpoint().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fillers.back().fd(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  Acceptor acceptor;
  std::optional<Listener> listener;
  listener.emplace(loop_, address("127.0.0.3", silent.endpoint().port), acceptor);
  names_.set("venue", {address("127.0.0.1"), address("127.0.0.3")});
  DialerOptions options;
  options.stagger_ns = 20 * core::ns_per_ms;
  dialer_->dial("venue", silent.endpoint().port, options);
  ASSERT_TRUE(run_until_done());
  EXPECT_TRUE(failures_.empty());
  EXPECT_EQ(socket_.peer(), listener->endpoint());
  // The other attempt is gone: the listener and both ends of the connection are left.
  EXPECT_TRUE(test::run_until(loop_, [&] { return loop_.socket_count() == 3; }));
}

TEST_F(LoopDialer, SaysWhatEveryAddressSaid) {
  const PlainSocket listener = PlainSocket::listen();
  names_.set("venue", {address(nobody), address("127.0.0.3")});
  const std::string port = std::to_string(listener.endpoint().port);
  dialer_->dial("venue", listener.endpoint().port);
  ASSERT_TRUE(run_until_done());
  EXPECT_EQ(failures_, std::vector<std::string>{"dialling venue: connecting to 127.0.0.2:" + port +
                                                ": Connection refused; connecting to 127.0.0.3:" +
                                                port + ": Connection refused"});
}

TEST_F(LoopDialer, SaysThatTheNameIsUnknown) {
  dialer_->dial("nowhere", 1);
  ASSERT_TRUE(run_until_done());
  EXPECT_EQ(failures_, std::vector<std::string>{
                           "dialling nowhere: resolving nowhere: Name or service not known"});
}

TEST_F(LoopDialer, HasADeadlineForAllOfIt) {
  const PlainSocket silent = PlainSocket::listen(AF_INET, 0);
  std::vector<PlainSocket> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(silent.endpoint().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fillers.back().fd(), reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  names_.set("venue", {address("127.0.0.1")});
  DialerOptions options;
  options.deadline_ns = 50 * core::ns_per_ms;
  dialer_->dial("venue", silent.endpoint().port, options);
  ASSERT_TRUE(run_until_done());
  EXPECT_EQ(failures_, std::vector<std::string>{"dialling venue: no connection within 50 ms"});
  EXPECT_TRUE(test::run_until(loop_, [&] { return loop_.socket_count() == 0; }));
}

TEST_F(LoopDialer, ASocketThatIsNotStartedIsClosed) {
  const PlainSocket listener = PlainSocket::listen();
  names_.set("venue", {address("127.0.0.1")});
  starts_ = false;
  bool is_dialled = false;
  at_dialled_ = [&] { is_dialled = true; };
  dialer_->dial("venue", listener.endpoint().port);
  ASSERT_TRUE(test::run_until(loop_, [&] { return is_dialled; }));
  EXPECT_FALSE(socket_.exists());
  EXPECT_TRUE(test::run_until(loop_, [&] { return loop_.socket_count() == 0; }));
}

TEST_F(LoopDialer, MayBeDestroyedOrDialAgainInItsCalls) {
  const PlainSocket listener = PlainSocket::listen();
  names_.set("venue", {address("127.0.0.1")});
  at_failed_ = [&] { dialer_->dial("venue", listener.endpoint().port); };
  at_dialled_ = [&] { dialer_.reset(); };
  dialer_->dial("nowhere", 1);
  ASSERT_TRUE(test::run_until(loop_, [&] { return socket_.exists(); }));
  EXPECT_EQ(failures_.size(), 1U);
  EXPECT_EQ(dialer_, nullptr);
}

TEST_F(LoopDialer, CancellingIsSilent) {
  const PlainSocket listener = PlainSocket::listen();
  names_.set("venue", {address("127.0.0.1")});
  dialer_->dial("venue", listener.endpoint().port);
  dialer_->cancel();
  EXPECT_FALSE(dialer_->is_dialling());
  for (int i = 0; i < 20; ++i) loop_.run_once(core::ns_per_ms);
  EXPECT_FALSE(socket_.exists());
  EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace perp::net
