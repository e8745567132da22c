#pragma once
// wolfSSL allocates and frees a buffer for each record that it reads or writes. This gives it
// blocks from a free list of the calling thread, so that a connection in its steady state asks the
// heap for nothing. Blocks are malloc's own and carry no mark: one from before the pool may enter
// it, one of the pool may be freed by anyone.
namespace perp::net {

/// Process-wide; before the first use of wolfSSL by this layer. False if wolfSSL refuses.
[[nodiscard]] bool pool_wolfssl_memory() noexcept;

}  // namespace perp::net
