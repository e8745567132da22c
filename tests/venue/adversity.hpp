#pragma once
// What every adapter must withstand, as properties over a scenario (messages in an order that makes
// sense): whatever is refused, or found no room, leaves no trace but its counters, so that the
// scenario goes on as if it had never come. The truth is the same scenario undisturbed.
#include "venue/decode_session.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perp::test {

struct Step {
  std::string text;
  std::string endpoint = {};  ///< empty: a frame
  std::string symbol = {};
  std::string period = {};
};
using Scenario = std::vector<Step>;

/// What a step made of the state.
struct Outcome {
  venue::DecodeStatus status;
  std::vector<Seen> records;
  std::vector<market::Instrument> instruments;
  std::uint8_t kind;
};

inline Outcome play(DecodeSession& session, const Step& step) {
  const venue::DecodeStatus status =
      step.endpoint.empty() ? session.frame(step.text)
                            : session.rest(step.endpoint, step.text, step.symbol, step.period);
  return {status, session.records, session.instruments, session.state.message_kind};
}

inline void expect_same(const Outcome& got, const Outcome& wanted, const std::string& where) {
  EXPECT_EQ(venue::name_of(got.status), venue::name_of(wanted.status)) << where;
  EXPECT_EQ(got.kind, wanted.kind) << where;
  expect_same(got.records, wanted.records, where);
  ASSERT_EQ(got.instruments.size(), wanted.instruments.size()) << where;
  for (std::size_t i = 0; i < got.instruments.size(); ++i)
    EXPECT_EQ(std::memcmp(&got.instruments[i], &wanted.instruments[i], sizeof(market::Instrument)),
              0)
        << where;
}

/// Counters that only taken messages move.
inline std::vector<std::uint64_t> counters(const venue::VenueState& state) {
  return {
      state.instruments.size(), state.provisional_instruments, state.duplicates,       state.gaps,
      state.checksums_verified, state.checksum_mismatches,     state.other_instruments};
}

inline std::vector<Outcome> play_all(const venue::Adapter& adapter, const Scenario& scenario) {
  DecodeSession session(adapter);
  std::vector<Outcome> out;
  for (const Step& step : scenario) out.push_back(play(session, step));
  return out;
}

/// Each message cut at every byte comes before the whole one.
inline void expect_truncations_leave_no_trace(const venue::Adapter& adapter,
                                              const Scenario& scenario) {
  const std::vector<Outcome> wanted = play_all(adapter, scenario);
  DecodeSession clean(adapter);
  DecodeSession session(adapter);
  for (std::size_t i = 0; i < scenario.size(); ++i) {
    const std::string where = "step " + std::to_string(i);
    play(clean, scenario[i]);
    for (std::size_t size = 0; size < scenario[i].text.size(); ++size) {
      Step cut = scenario[i];
      cut.text.resize(size);
      const std::uint64_t messages = session.message_total();
      const Outcome outcome = play(session, cut);
      ASSERT_EQ(outcome.status, venue::DecodeStatus::malformed_json)
          << where << " cut at byte " << size << ": " << cut.text.substr(0, 200);
      ASSERT_EQ(session.message_total(), messages + 1);
    }
    expect_same(play(session, scenario[i]), wanted[i], where);
    ASSERT_EQ(counters(session.state), counters(clean.state)) << where;
  }
}

/// Each message is tried with every amount of room that is too small before it is taken.
inline void expect_small_sinks_leave_no_trace(const venue::Adapter& adapter,
                                              const Scenario& scenario) {
  DecodeSession clean(adapter);
  DecodeSession session(adapter);
  for (std::size_t i = 0; i < scenario.size(); ++i) {
    const Step& step = scenario[i];
    const std::string where = "step " + std::to_string(i);
    const Outcome wanted = play(clean, step);
    std::size_t need = 0;
    for (const Seen& record : wanted.records)
      need += sizeof(market::RecordHeader) + record.payload.size();
    need += wanted.instruments.size() * (sizeof(market::RecordHeader) + sizeof(market::Instrument));
    const Padded padded(step.text);
    for (std::size_t room = 0; room < need; room += 8) {
      const std::vector<std::uint64_t> before = counters(session.state);
      const std::uint64_t messages = session.message_total();
      std::vector<std::uint64_t> space(room / 8 + 1);
      venue::RecordSink sink(std::as_writable_bytes(std::span(space.data(), room / 8)));
      const venue::DecodeStatus status =
          step.endpoint.empty() ? adapter.decode(session.state, {.payload = padded.view()}, sink)
                                : adapter.decode_rest(session.state,
                                                      {.endpoint = step.endpoint,
                                                       .symbol = step.symbol,
                                                       .body = padded.view(),
                                                       .period = step.period},
                                                      sink);
      ASSERT_EQ(status, venue::DecodeStatus::sink_full)
          << where << " with " << room << " of " << need << " bytes";
      ASSERT_EQ(sink.bytes().size(), 0u);
      ASSERT_EQ(session.message_total(), messages) << where;
      ASSERT_EQ(counters(session.state), before) << where;
    }
    expect_same(play(session, step), wanted, where);
    ASSERT_EQ(counters(session.state), counters(clean.state)) << where;
  }
}

/// A message that found no room and is then given up was never there.
inline void expect_given_up_messages_leave_no_trace(const venue::Adapter& adapter,
                                                    const Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.size(); ++i) {
    DecodeSession clean(adapter);
    DecodeSession session(adapter);
    for (std::size_t k = 0; k < scenario.size(); ++k) {
      const Step& step = scenario[k];
      if (k != i) {
        expect_same(play(session, step), play(clean, step),
                    "step " + std::to_string(k) + " without " + std::to_string(i));
        continue;
      }
      const Padded padded(step.text);
      std::uint64_t space = 0;
      venue::RecordSink sink(std::as_writable_bytes(std::span(&space, 1)));
      const venue::DecodeStatus status =
          step.endpoint.empty() ? adapter.decode(session.state, {.payload = padded.view()}, sink)
                                : adapter.decode_rest(session.state,
                                                      {.endpoint = step.endpoint,
                                                       .symbol = step.symbol,
                                                       .body = padded.view(),
                                                       .period = step.period},
                                                      sink);
      if (status != venue::DecodeStatus::sink_full) play(clean, step);  // it needs no room
    }
    ASSERT_EQ(counters(session.state), counters(clean.state)) << "without " << i;
  }
}

/// Every scalar of every message in turn becomes something that it may not be, or disappears. A
/// message that is refused for it must leave the state as it was. `refused`: how many were.
inline void expect_damage_leaves_no_trace(const venue::Adapter& adapter, const Scenario& scenario,
                                          std::size_t& refused) {
  using Ordered = nlohmann::ordered_json;
  const std::vector<Outcome> wanted = play_all(adapter, scenario);
  const std::vector<Ordered> replacements = {Ordered::object(),
                                             Ordered::array(),
                                             true,
                                             "\"x",
                                             "nonsense",
                                             -1,
                                             nullptr,
                                             "",
                                             "99999999999999999999999999",
                                             "1e999",
                                             "@"};
  refused = 0;
  for (std::size_t i = 0; i < scenario.size(); ++i) {
    const Ordered whole = Ordered::parse(scenario[i].text, nullptr, false);
    if (whole.is_discarded()) continue;
    std::vector<nlohmann::ordered_json::json_pointer> places;
    const std::function<void(const Ordered&, const Ordered::json_pointer&)> walk =
        [&](const Ordered& value, const Ordered::json_pointer& at) {
          if (places.size() > 400) return;
          if (!at.empty()) places.push_back(at);
          if (value.is_object())
            for (const auto& [key, inner] : value.items()) walk(inner, at / key);
          if (value.is_array())
            for (std::size_t k = 0; k < value.size(); ++k) walk(value[k], at / k);
        };
    walk(whole, Ordered::json_pointer());
    for (const Ordered::json_pointer& place : places) {
      std::vector<Ordered> damaged;
      for (const Ordered& replacement : replacements) {
        damaged.push_back(whole);
        damaged.back()[place] = replacement;
      }
      if (whole[place.parent_pointer()].is_object()) {
        damaged.push_back(whole);
        damaged.back()[place.parent_pointer()].erase(place.back());
      }
      DecodeSession session(adapter);
      for (std::size_t k = 0; k < i; ++k) play(session, scenario[k]);
      const std::vector<std::uint64_t> before = counters(session.state);
      for (const Ordered& message : damaged) {
        Step step = scenario[i];
        // nlohmann writes no text that is not UTF-8: it is put in afterwards.
        step.text = message.dump();
        if (const std::size_t at = step.text.find("\"@\""); at != std::string::npos)
          step.text.replace(at + 1, 1, "\xc3\x28");
        DecodeSession probe(adapter);
        for (std::size_t k = 0; k < i; ++k) play(probe, scenario[k]);
        if (play(probe, step).status == venue::DecodeStatus::ok) continue;  // it may be optional
        ++refused;
        play(session, step);
        ASSERT_EQ(counters(session.state), before)
            << "step " << i << " " << place.to_string() << " " << step.text.substr(0, 200);
        expect_same(play(probe, scenario[i]), wanted[i],
                    "step " + std::to_string(i) + " after damage at " + place.to_string());
      }
      expect_same(play(session, scenario[i]), wanted[i],
                  "step " + std::to_string(i) + " after all damage at " + place.to_string());
    }
  }
}

/// Every byte of every message in turn becomes another that means something in JSON. What is
/// refused for it must leave the state as it was; what is taken all the same (a digit for a digit)
/// is nobody's fault.
inline void expect_broken_bytes_leave_no_trace(const venue::Adapter& adapter,
                                               const Scenario& scenario) {
  const std::vector<Outcome> wanted = play_all(adapter, scenario);
  auto session = std::make_unique<DecodeSession>(adapter);
  for (std::size_t i = 0; i < scenario.size(); ++i) {
    const auto begin_again = [&] {
      session = std::make_unique<DecodeSession>(adapter);
      for (std::size_t k = 0; k < i; ++k) play(*session, scenario[k]);
    };
    for (std::size_t at = 0; at < scenario[i].text.size(); ++at)
      for (const char byte : {'"', '.', '}'}) {
        Step broken = scenario[i];
        if (broken.text[at] == byte) continue;
        broken.text[at] = byte;
        const std::vector<std::uint64_t> before = counters(session->state);
        if (play(*session, broken).status == wanted[i].status) {
          begin_again();
          continue;
        }
        ASSERT_EQ(counters(session->state), before)
            << "step " << i << " byte " << at << " is " << byte;
      }
    expect_same(play(*session, scenario[i]), wanted[i], "step " + std::to_string(i));
  }
}

/// The same messages with their keys in another order and with white space mean the same.
inline void expect_key_order_does_not_matter(const venue::Adapter& adapter,
                                             const Scenario& scenario) {
  const std::vector<Outcome> wanted = play_all(adapter, scenario);
  for (const int indent : {-1, 2}) {
    DecodeSession session(adapter);
    for (std::size_t i = 0; i < scenario.size(); ++i) {
      Step step = scenario[i];
      const json sorted = json::parse(step.text, nullptr, false);  // keys by name
      if (!sorted.is_discarded()) step.text = sorted.dump(indent);
      expect_same(play(session, step), wanted[i], "step " + std::to_string(i));
    }
  }
}

}  // namespace perp::test
