#pragma once
// The newest instrument record of each id, as bytes. Owned by one Writer or Reader; allocates only
// when an id is new or its record has grown.
#include <perp/market/record.hpp>

#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

namespace perp::journal {

class DefinitionTable {
 public:
  struct Definition {
    std::vector<std::uint64_t> words;    ///< the record, aligned as records are
    std::uint64_t segment = no_segment;  ///< base of the newest segment that holds these bytes

    [[nodiscard]] const market::RecordHeader& record() const {
      return *reinterpret_cast<const market::RecordHeader*>(words.data());
    }
  };
  static constexpr std::uint64_t no_segment = ~std::uint64_t{0};

  /// Keeps a copy of an instrument record that stands in `segment`.
  void remember(const market::RecordHeader& record, std::uint64_t segment) {
    Definition& definition = by_id_[record.instrument];
    definition.words.resize(record.size / sizeof(std::uint64_t));
    std::memcpy(definition.words.data(), &record, record.size);
    definition.segment = segment;
  }

  [[nodiscard]] const Definition* find(std::uint32_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
  }

  std::unordered_map<std::uint32_t, Definition>& all() { return by_id_; }
  [[nodiscard]] const std::unordered_map<std::uint32_t, Definition>& all() const { return by_id_; }

 private:
  std::unordered_map<std::uint32_t, Definition> by_id_;
};

}  // namespace perp::journal
