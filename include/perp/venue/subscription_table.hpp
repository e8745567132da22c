#pragma once
// From a topic's text to its number, without an allocation: how a feed tells whose message this is.
// Built when a connection's subscriptions are decided (cold, may throw), read per message. Belongs
// to the feed's thread.
#include <perp/venue/connect.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::venue {

/// No venue's topics come near it; a longer one is refused when a table is built.
inline constexpr std::size_t topic_bytes_max = 127;

/// A topic put together on the stack from what a message says.
class TopicText {
 public:
  TopicText& append(std::string_view part) noexcept {
    if (part.size() > text_.size() - size_) {
      is_too_long_ = true;
      return *this;
    }
    if (!part.empty()) std::memcpy(text_.data() + size_, part.data(), part.size());
    size_ += part.size();
    return *this;
  }
  TopicText& append_lower_case(std::string_view part) noexcept {
    const std::size_t from = size_;
    append(part);
    for (std::size_t i = from; i < size_; ++i)
      if (text_[i] >= 'A' && text_[i] <= 'Z') text_[i] = static_cast<char>(text_[i] - 'A' + 'a');
    return *this;
  }
  void cut(std::size_t size) noexcept { size_ = size; }
  std::size_t size() const noexcept { return size_; }
  /// Empty if it was too long for any topic.
  std::string_view view() const noexcept {
    return is_too_long_ ? std::string_view() : std::string_view(text_.data(), size_);
  }

 private:
  std::array<char, topic_bytes_max> text_;
  std::size_t size_ = 0;
  bool is_too_long_ = false;
};

class SubscriptionTable {
 public:
  SubscriptionTable() = default;
  /// Numbers the topics in their order. A topic that is there twice keeps its first number.
  /// @throws core::Error for one that is empty or longer than topic_bytes_max.
  explicit SubscriptionTable(std::span<const std::string_view> topics);

  /// no_subscription if it is none of them. O(1).
  std::uint32_t find(std::string_view topic) const noexcept;
  std::size_t size() const noexcept { return ends_.size(); }
  std::string_view topic(std::uint32_t index) const noexcept {
    const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t index = no_subscription;
  };
  static std::uint32_t hash_of(std::string_view topic) noexcept;

  std::string text_;
  std::vector<std::uint32_t> ends_;
  std::vector<Slot> slots_;  ///< a power of two, at most half of them taken
};

}  // namespace perp::venue
