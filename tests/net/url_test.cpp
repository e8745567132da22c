// Addresses of servers and proxies: what is taken, and what is refused with its reason.
#include <perp/core/error.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/url.hpp>

#include <gtest/gtest.h>

namespace perp::net {
namespace {

TEST(Url, PartsAreFound) {
  const Url binance = Url::parse("wss://FSTREAM.binance.com/public/ws?streams=a/b");
  EXPECT_EQ(binance.scheme, Url::Scheme::wss);
  EXPECT_EQ(binance.host, "fstream.binance.com");
  EXPECT_EQ(binance.port, 443);
  EXPECT_EQ(binance.target, "/public/ws?streams=a/b");
  EXPECT_EQ(binance.authority(), "fstream.binance.com");
  EXPECT_TRUE(binance.is_secure());
  EXPECT_TRUE(binance.is_websocket());

  const Url local = Url::parse("HTTP://[::1]:8080?x=1");
  EXPECT_EQ(local.host, "::1");
  EXPECT_EQ(local.port, 8080);
  EXPECT_EQ(local.target, "/?x=1");
  EXPECT_EQ(local.authority(), "[::1]:8080");
  EXPECT_FALSE(local.is_secure());
  EXPECT_EQ(Url::parse(local.text()), local);
  EXPECT_EQ(Url::parse("ws://127.0.0.1:80").authority(), "127.0.0.1");
}

TEST(Url, WhatIsNoAddressIsRefusedWithItsReason) {
  const auto reason = [](const char* text) -> std::string {
    try {
      Url::parse(text);
    } catch (const core::Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
      return error.what();
    }
    return "taken";
  };
  const std::pair<const char*, const char*> cases[] = {
      {"fstream.binance.com", "scheme"}, {"ftp://a", "none of the schemes"},
      {"wss://", "host is missing"},     {"wss://:443/", "host is missing"},
      {"wss://a b/", "space"},           {"wss://a:0", "no port"},
      {"wss://a:65536", "no port"},      {"wss://a:4x", "no port"},
      {"wss://a:", "no port"},           {"wss://user:pw@a/", "user or password"},
      {"wss://a/#top", "fragment"},      {"wss://[::1", "']'"},
      {"wss://[127.0.0.1]/", "no IPv6"}, {"wss://[::1]443/", "behind ']'"},
      {"wss://a,b/", "no host name"},    {"wss://a\r\nHost: b/", "control byte"},
  };
  for (const auto& [text, why] : cases)
    EXPECT_NE(reason(text).find(why), std::string::npos) << text << ": " << reason(text);
}

TEST(Proxy, IsTakenFromItsUsualForms) {
  const Proxy whole = Proxy::parse("http://user:p%40ss@proxy.corp:3128/");
  EXPECT_EQ(whole.host, "proxy.corp");
  EXPECT_EQ(whole.port, 3128);
  EXPECT_EQ(whole.credentials, "user:p@ss");
  EXPECT_EQ(Proxy::parse("proxy:8080").host, "proxy");
  EXPECT_EQ(Proxy::parse("proxy").port, 80);
  EXPECT_THROW(Proxy::parse("https://proxy:1"), core::Error);
  EXPECT_THROW(Proxy::parse("socks5://proxy:1"), core::Error);
  EXPECT_THROW(Proxy::parse("http://proxy/path"), core::Error);
  try {
    Proxy::parse("http://user:secret%4@proxy");
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
}

TEST(Proxy, NamesWithoutOneAreTheListsAndThoseBelow) {
  const char* const list = "example.com, .corp,10.0.0.1";
  EXPECT_TRUE(is_without_proxy("example.com", list));
  EXPECT_TRUE(is_without_proxy("a.EXAMPLE.com", list));
  EXPECT_TRUE(is_without_proxy("db.corp", list));
  EXPECT_TRUE(is_without_proxy("10.0.0.1", list));
  EXPECT_FALSE(is_without_proxy("badexample.com", list));
  EXPECT_FALSE(is_without_proxy("example.com.evil", list));
  EXPECT_FALSE(is_without_proxy("example.com", ""));
  EXPECT_TRUE(is_without_proxy("anything", "*"));
}

TEST(Proxy, TheEnvironmentDecides) {
  ::setenv("HTTPS_PROXY", "http://proxy:3128", 1);
  ::setenv("NO_PROXY", "direct.test", 1);
  EXPECT_EQ(proxy_of_environment("fstream.binance.com")->host, "proxy");
  EXPECT_FALSE(proxy_of_environment("direct.test"));
  EXPECT_FALSE(proxy_of_environment("127.0.0.1"));
  EXPECT_FALSE(proxy_of_environment("localhost"));
  EXPECT_FALSE(proxy_of_environment("::1"));
  ::setenv("HTTPS_PROXY", "https://proxy", 1);
  try {
    static_cast<void>(proxy_of_environment("a.test"));
    ADD_FAILURE();
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find("HTTPS_PROXY"), std::string::npos) << error.what();
  }
  ::unsetenv("HTTPS_PROXY");
  ::unsetenv("NO_PROXY");
}

}  // namespace
}  // namespace perp::net
