#include <perp/engine/replay_check.hpp>
#include <perp/journal/reader.hpp>
#include <perp/market/record_kind.hpp>

#include <fmt/format.h>

#include <cstring>

namespace perp::engine {
namespace {

const market::RecordHeader& header_at(const std::uint64_t* words) {
  return *reinterpret_cast<const market::RecordHeader*>(words);
}

}  // namespace

void ConclusionMatcher::input(journal::Position position) {
  while (pending_at_ < pending_.size()) {
    const market::RecordHeader& header = header_at(pending_.data() + pending_at_);
    ++check.missing;
    fault(header, position, "is missing before the input");
    pending_at_ += header.size / 8;
  }
  pending_.clear();
  pending_at_ = 0;
  ++check.inputs;
}

void ConclusionMatcher::concluded(const state::DerivedSink& sink) {
  const std::size_t before = pending_.size();
  pending_.resize(before + sink.bytes().size() / 8);
  if (!sink.empty())
    std::memcpy(pending_.data() + before, sink.bytes().data(), sink.bytes().size());
  check.concluded += sink.record_count();
}

void ConclusionMatcher::stored(const market::RecordHeader& record, journal::Position position) {
  ++check.stored;
  if (pending_at_ == pending_.size()) {
    ++check.surplus;
    fault(record, position, "was not concluded");
    return;
  }
  const market::RecordHeader& expected = header_at(pending_.data() + pending_at_);
  pending_at_ += expected.size / 8;
  if (expected.size == record.size && std::memcmp(&expected, &record, record.size) == 0) {
    ++check.equal;
    return;
  }
  ++check.differing;
  fault(record, position, "differs from what is concluded");
}

void ConclusionMatcher::for_each_pending(
    const std::function<void(const market::RecordHeader&)>& visit) const {
  for (std::size_t at = pending_at_; at < pending_.size();) {
    const market::RecordHeader& header = header_at(pending_.data() + at);
    at += header.size / 8;
    visit(header);
  }
}

void ConclusionMatcher::finish() {
  for_each_pending([this](const market::RecordHeader&) { ++check.at_end; });
  pending_.clear();
  pending_at_ = 0;
}

void ConclusionMatcher::fault(const market::RecordHeader& record, journal::Position position,
                              const char* what) {
  if (!check.first_fault.empty()) return;
  check.first_fault =
      fmt::format("position {}: {} of instrument {:#x} at {} ns {}", position,
                  market::name_of(record.type), record.instrument, record.exchange_ns, what);
}

namespace {

/// Folds a whole journal, calling `concluded(sink)` after each input and telling the matcher, if
/// there is one.
template <class Concluded>
std::uint64_t fold_journal(const std::string& folder, const state::StateOptions& options,
                           ConclusionMatcher* matcher, Concluded concluded) {
  state::MarketState state(options);
  state::DerivedSink sink;
  journal::Reader reader(folder);
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.is_repeat()) continue;
    if ((record->flags & market::flag_derived) != 0) {
      if (matcher != nullptr) matcher->stored(*record, reader.position());
      continue;
    }
    if (matcher != nullptr) matcher->input(reader.position());
    state.apply(*record, sink);
    concluded(sink);
    sink.reset();
  }
  return reader.damage_count();
}

}  // namespace

ReplayCheck check_replay(const std::string& folder, const state::StateOptions& options) {
  ConclusionMatcher matcher;
  matcher.check.damages = fold_journal(
      folder, options, &matcher, [&](const state::DerivedSink& sink) { matcher.concluded(sink); });
  matcher.finish();
  return matcher.check;
}

std::vector<std::byte> replay_conclusions(const std::string& folder,
                                          const state::StateOptions& options) {
  std::vector<std::byte> all;
  fold_journal(folder, options, nullptr, [&](const state::DerivedSink& sink) {
    all.insert(all.end(), sink.bytes().begin(), sink.bytes().end());
  });
  return all;
}

}  // namespace perp::engine
