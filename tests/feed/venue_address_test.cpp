// Goal: an address that a venue's reply names leads to a WebSocket, and never from TLS to none.
#include "feed/venue_address.hpp"

#include <gtest/gtest.h>

namespace perp::feed {
namespace {

TEST(VenueAddress, WhatAReplyNamesIsNotTakenOnTrust) {
  net::Url url;
  EXPECT_EQ(read_address("wss://ws.example/?token=x", true, url), "");
  EXPECT_EQ(url.host, "ws.example");
  EXPECT_EQ(read_address("ws://ws.example/", false, url), "");
  EXPECT_EQ(read_address("ws://ws.example/", true, url), "the reply names an address without TLS");
  EXPECT_EQ(read_address("https://ws.example/", true, url), "the reply names no WebSocket");
  EXPECT_EQ(read_address("", true, url), "the reply names no address");
}

}  // namespace
}  // namespace perp::feed
