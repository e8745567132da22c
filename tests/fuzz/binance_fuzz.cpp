#include "fuzz/decode_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  return perp::test::fuzz_adapter(perp::venue::binance_adapter(), data, size);
}
