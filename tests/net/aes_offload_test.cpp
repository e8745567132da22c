// AES-GCM through wolfSSL's crypto callback into libcrypto. The independent truth is wolfSSL's own
// code, asked with the same key, nonce, associated data and text.
#include "net/aes_offload.hpp"

#include "net/wolfssl.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>
#include <wolfssl/wolfcrypt/aes.h>

namespace perp::net {
namespace {

using Bytes = std::vector<unsigned char>;

/// wolfSSL's cipher state, on a device or (INVALID_DEVID) by its own code.
class Cipher {
 public:
  Cipher(int device, const Bytes& key) {
    start_wolfssl();
    EXPECT_EQ(wc_AesInit(&aes_, nullptr, device), 0);
    EXPECT_EQ(set_key(key), 0);
  }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher() { wc_AesFree(&aes_); }

  int set_key(const Bytes& key) {
    return wc_AesGcmSetKey(&aes_, key.data(), static_cast<word32>(key.size()));
  }
  int seal(const unsigned char* in, unsigned char* out, std::size_t size, const Bytes& iv,
           const Bytes& aad, unsigned char* tag) {
    return wc_AesGcmEncrypt(&aes_, out, in, static_cast<word32>(size), iv.data(),
                            static_cast<word32>(iv.size()), tag, AesGcm::tag_bytes, aad.data(),
                            static_cast<word32>(aad.size()));
  }
  int open(const unsigned char* in, unsigned char* out, std::size_t size, const Bytes& iv,
           const Bytes& aad, const unsigned char* tag) {
    return wc_AesGcmDecrypt(&aes_, out, in, static_cast<word32>(size), iv.data(),
                            static_cast<word32>(iv.size()), tag, AesGcm::tag_bytes, aad.data(),
                            static_cast<word32>(aad.size()));
  }
  const Aes* state() const noexcept { return &aes_; }

 private:
  Aes aes_{};
};

struct Random {
  explicit Random(std::uint64_t seed) : engine(seed) {}
  std::size_t below(std::size_t limit) { return engine() % limit; }
  Bytes bytes(std::size_t size) {
    Bytes made(size);
    for (unsigned char& byte : made) byte = static_cast<unsigned char>(engine());
    return made;
  }
  /// As many short ones as long ones, by magnitude; up to 17,000.
  std::size_t size() { return below(std::min<std::size_t>(17'001, std::size_t{2} << below(15))); }

  std::mt19937_64 engine;
};

using Tag = std::array<unsigned char, AesGcm::tag_bytes>;

bool is_keyed_by(AesOffload& offload, const Cipher& cipher, const Bytes& key,
                 AesGcm::Direction direction) {
  return offload.slot_of(cipher.state())
      .gcm.is_keyed(std::as_bytes(std::span(key.data(), key.size())), direction);
}

TEST(AesOffload, GivesWolfsslsOwnBytesOnTenThousandVectors) {
  constexpr std::uint64_t seed = 20261125;
  Random random(seed);
  AesOffload offload;
  const AesOffload::Scope scope(offload);
  for (int i = 0; i < 10'000; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", vector " << i);
    const Bytes key = random.bytes(16 + 8 * random.below(3));
    const Bytes iv = random.bytes(AesGcm::iv_bytes);
    const Bytes aad = random.bytes(random.below(4) == 0 ? random.below(300) : random.below(17));
    const Bytes text = random.bytes(random.size());
    const bool in_place = random.below(2) == 0;
    Cipher theirs(INVALID_DEVID, key);
    Cipher ours(AesOffload::device_id, key);

    Bytes wanted(text.size() + 1);
    Tag wanted_tag{};
    ASSERT_EQ(theirs.seal(text.data(), wanted.data(), text.size(), iv, aad, wanted_tag.data()), 0);
    Bytes sealed(text.size() + 1);
    if (in_place) std::copy(text.begin(), text.end(), sealed.begin());
    Tag tag{};
    ASSERT_EQ(ours.seal(in_place ? sealed.data() : text.data(), sealed.data(), text.size(), iv, aad,
                        tag.data()),
              0);
    ASSERT_TRUE(is_keyed_by(offload, ours, key, AesGcm::Direction::seal)) << "not by libcrypto";
    ASSERT_EQ(sealed, wanted);
    ASSERT_EQ(tag, wanted_tag);

    Bytes opened = in_place ? sealed : Bytes(text.size() + 1);
    ASSERT_EQ(ours.open(in_place ? opened.data() : sealed.data(), opened.data(), text.size(), iv,
                        aad, tag.data()),
              0);
    ASSERT_TRUE(is_keyed_by(offload, ours, key, AesGcm::Direction::open)) << "not by libcrypto";
    opened.pop_back();
    ASSERT_EQ(opened, text);

    // One flipped bit anywhere: refused by both, with the same number, and nothing comes out.
    Bytes bad = sealed;
    Bytes bad_aad = aad;
    Bytes bad_iv = iv;
    Tag bad_tag = tag;
    const auto flip = [&](auto& bytes, std::size_t size) {
      bytes[random.below(size)] ^= static_cast<unsigned char>(1U << random.below(8));
    };
    switch (random.below(4)) {
      case 0: text.empty() ? flip(bad_tag, bad_tag.size()) : flip(bad, text.size()); break;
      case 1: aad.empty() ? flip(bad_tag, bad_tag.size()) : flip(bad_aad, bad_aad.size()); break;
      case 2: flip(bad_iv, bad_iv.size()); break;
      default: flip(bad_tag, bad_tag.size());
    }
    Bytes out(text.size() + 1, 0xAA);
    ASSERT_EQ(theirs.open(bad.data(), out.data(), text.size(), bad_iv, bad_aad, bad_tag.data()),
              AES_GCM_AUTH_E);
    ASSERT_EQ(ours.open(bad.data(), out.data(), text.size(), bad_iv, bad_aad, bad_tag.data()),
              AES_GCM_AUTH_E);
    out.pop_back();
    ASSERT_EQ(out, Bytes(text.size(), 0)) << "what was forged came out";
  }
}

TEST(AesOffload, FollowsEveryChangeOfKeyAndDirectionOfOneState) {
  Random random(7);
  AesOffload offload;
  const AesOffload::Scope scope(offload);
  Cipher ours(AesOffload::device_id, random.bytes(16));
  for (int i = 0; i < 300; ++i) {
    const Bytes key = random.bytes(i % 3 == 0 ? 32 : 16);
    ASSERT_EQ(ours.set_key(key), 0);
    Cipher theirs(INVALID_DEVID, key);
    const Bytes iv = random.bytes(AesGcm::iv_bytes);
    const Bytes text = random.bytes(100);
    Bytes sealed(text.size());
    Bytes opened(text.size());
    Tag tag{};
    if (i % 2 == 0) {
      ASSERT_EQ(ours.seal(text.data(), sealed.data(), text.size(), iv, {}, tag.data()), 0);
      ASSERT_EQ(theirs.open(sealed.data(), opened.data(), text.size(), iv, {}, tag.data()), 0);
    } else {
      ASSERT_EQ(theirs.seal(text.data(), sealed.data(), text.size(), iv, {}, tag.data()), 0);
      ASSERT_EQ(ours.open(sealed.data(), opened.data(), text.size(), iv, {}, tag.data()), 0);
    }
    ASSERT_EQ(opened, text);
  }
}

TEST(AesOffload, HoldsForMoreStatesThanItHasContexts) {
  Random random(8);
  AesOffload offload;
  const AesOffload::Scope scope(offload);
  std::vector<std::pair<Bytes, std::unique_ptr<Cipher>>> ciphers;
  for (int i = 0; i < 9; ++i) {
    Bytes key = random.bytes(16);
    auto cipher = std::make_unique<Cipher>(AesOffload::device_id, key);
    ciphers.emplace_back(std::move(key), std::move(cipher));
  }
  for (int i = 0; i < 500; ++i) {
    auto& [key, ours] = ciphers[random.below(ciphers.size())];
    Cipher theirs(INVALID_DEVID, key);
    const Bytes iv = random.bytes(AesGcm::iv_bytes);
    const Bytes text = random.bytes(40);
    Bytes wanted(text.size());
    Bytes sealed(text.size());
    Tag wanted_tag{};
    Tag tag{};
    ASSERT_EQ(theirs.seal(text.data(), wanted.data(), text.size(), iv, {}, wanted_tag.data()), 0);
    ASSERT_EQ(ours->seal(text.data(), sealed.data(), text.size(), iv, {}, tag.data()), 0);
    ASSERT_EQ(sealed, wanted);
    ASSERT_EQ(tag, wanted_tag);
  }
}

TEST(AesOffload, LeavesToWolfsslWhatIsNotOfASessionOrOfAnotherShape) {
  Random random(9);
  const Bytes key = random.bytes(16);
  const Bytes text = random.bytes(50);
  Cipher theirs(INVALID_DEVID, key);
  Bytes wanted(text.size());
  Bytes sealed(text.size());
  Tag wanted_tag{};
  Tag tag{};
  {
    Cipher ours(AesOffload::device_id, key);  // no Scope
    const Bytes iv = random.bytes(AesGcm::iv_bytes);
    ASSERT_EQ(theirs.seal(text.data(), wanted.data(), text.size(), iv, {}, wanted_tag.data()), 0);
    ASSERT_EQ(ours.seal(text.data(), sealed.data(), text.size(), iv, {}, tag.data()), 0);
    EXPECT_EQ(sealed, wanted);
    EXPECT_EQ(tag, wanted_tag);
  }
  AesOffload offload;
  const AesOffload::Scope scope(offload);
  Cipher ours(AesOffload::device_id, key);
  const Bytes long_iv = random.bytes(16);
  ASSERT_EQ(theirs.seal(text.data(), wanted.data(), text.size(), long_iv, {}, wanted_tag.data()),
            0);
  ASSERT_EQ(ours.seal(text.data(), sealed.data(), text.size(), long_iv, {}, tag.data()), 0);
  EXPECT_EQ(sealed, wanted);
  EXPECT_EQ(tag, wanted_tag);
}

TEST(AesGcm, RefusesKeysOfOtherSizesAndWorkWithoutAKey) {
  AesGcm gcm;
  std::array<std::byte, 40> bytes{};
  std::array<std::byte, AesGcm::tag_bytes> tag{};
  const std::array<std::byte, AesGcm::iv_bytes> iv{};
  EXPECT_EQ(gcm.seal(bytes.data(), bytes.data(), 8, iv, {}, tag), AesGcm::Result::failed);
  for (const std::size_t size : {0U, 1U, 15U, 17U, 31U, 33U, 40U})
    EXPECT_FALSE(gcm.set_key(std::span(bytes).first(size), AesGcm::Direction::seal)) << size;
  EXPECT_EQ(gcm.open(bytes.data(), bytes.data(), 8, iv, {}, tag), AesGcm::Result::failed);
}

}  // namespace
}  // namespace perp::net
