#pragma once
// The account of what a fault proxy did: one line of JSON per fault begun and ended and per message
// removed, added, doubled, changed or moved (docs/faults.md has the fields), and counts by venue
// and kind. Written by one thread; nothing here runs for a message that no fault has touched.
#include "sim/faults/fault_schedule.hpp"

#include <perp/core/file.hpp>
#include <perp/net/websocket_frame.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::sim {

/// Whom a line is about.
struct FaultPlace {
  std::size_t venue = 0;
  std::uint64_t connection = 0;  ///< of the proxy, from 1; 0: none
  std::string_view target{};     ///< that was asked for
  bool is_to_venue = false;      ///< from perp to the venue
};

class FaultBook {
 public:
  /// @param file JSON lines, made anew; empty: only counts are kept
  /// @throws core::Error naming the file
  FaultBook(std::vector<std::string> venues, const std::string& file, std::size_t text_bytes_max);

  void begin(const FaultEpisode& episode);
  void end(const FaultEpisode& episode, std::uint64_t hits);

  using Opcode = net::WebSocketOpcode;
  void removed(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
               std::string_view payload);
  void added(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
             std::string_view payload);
  void doubled(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
               std::string_view payload, std::uint64_t copies);
  void changed(const FaultEpisode& episode, const FaultPlace& place, std::string_view was,
               std::string_view payload);
  /// A body of an HTTP answer.
  void changed_answer(const FaultEpisode& episode, const FaultPlace& place, std::string_view was,
                      std::string_view body);
  void moved(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
             std::string_view payload, std::uint64_t behind);
  /// What a stall held has been delivered.
  void released(const FaultEpisode& episode, const FaultPlace& place, std::uint64_t messages,
                std::uint64_t bytes);
  /// A connection was ended or broken: "reset", "finished", "closed", "muted".
  void connection(const FaultEpisode& episode, const FaultPlace& place, std::string_view how,
                  std::size_t unsent_bytes = 0);
  /// A request, handshake or connection was answered by the proxy. @param status 0: not at all
  void answered(const FaultEpisode& episode, const FaultPlace& place, int status,
                std::string_view retry_after = {});

  /// Writes what is buffered. @throws core::Error naming the file
  void flush();

  std::vector<FaultCount>& counts() noexcept { return counts_; }
  const std::vector<FaultCount>& counts() const noexcept { return counts_; }

 private:
  FaultCount& count_of(const FaultEpisode& episode);
  void open_line(std::string_view what, const FaultEpisode& episode);
  void put_place(const FaultPlace& place);
  void put_message(std::string_view name, Opcode opcode, std::string_view payload);
  void put_text(std::string_view name, std::string_view text);
  void put_sum(std::string_view payload);
  void close_line();

  std::vector<std::string> venues_;
  std::size_t text_bytes_max_;
  core::File file_;
  std::uint64_t written_bytes_ = 0;
  std::string lines_;
  std::vector<FaultCount> counts_;  ///< venue by kind
};

}  // namespace perp::sim
