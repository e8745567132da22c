#include <perp/core/error.hpp>
#include <perp/venue/subscription_table.hpp>

#include <bit>

namespace perp::venue {

// Eight bytes at a time; the topics of a venue differ in a few bytes in the middle, so each block
// is mixed into all bits.
std::uint32_t SubscriptionTable::hash_of(std::string_view topic) noexcept {
  constexpr std::uint64_t multiplier = 0x9e37'79b9'7f4a'7c15;
  std::uint64_t hash = topic.size() * multiplier;
  while (!topic.empty()) {
    std::uint64_t block = 0;
    const std::size_t size = topic.size() < sizeof block ? topic.size() : sizeof block;
    std::memcpy(&block, topic.data(), size);
    hash = (hash ^ block) * multiplier;
    hash ^= hash >> 32;
    topic.remove_prefix(size);
  }
  return static_cast<std::uint32_t>(hash);
}

SubscriptionTable::SubscriptionTable(std::span<const std::string_view> topics) {
  slots_.resize(std::bit_ceil(2 * topics.size() + 1));
  ends_.reserve(topics.size());
  for (const std::string_view topic : topics) {
    if (topic.empty() || topic.size() > topic_bytes_max)
      throw core::Error("a topic of " + std::to_string(topic.size()) + " bytes", std::string(topic),
                        "a topic has 1 to " + std::to_string(topic_bytes_max) + " bytes");
    const auto index = static_cast<std::uint32_t>(ends_.size());
    const bool is_new = find(topic) == no_subscription;
    text_ += topic;
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
    if (!is_new) continue;
    const std::uint32_t hash = hash_of(topic);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].index != no_subscription) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {.hash = hash, .index = index};
  }
}

std::uint32_t SubscriptionTable::find(std::string_view wanted) const noexcept {
  if (slots_.empty() || wanted.empty() || wanted.size() > topic_bytes_max) return no_subscription;
  const std::uint32_t hash = hash_of(wanted);
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.index == no_subscription) return no_subscription;
    if (slot.hash == hash && topic(slot.index) == wanted) return slot.index;
  }
}

}  // namespace perp::venue
