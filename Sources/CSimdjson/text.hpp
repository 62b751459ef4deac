// Text: escapes of JSON strings in both directions, and UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace millrace {

/// Blocks of bytes that do not move until `reset`.
class TextPool {
public:
    /// Room for so many bytes; `commit` says how many of them are kept.
    uint8_t *reserve(size_t count);
    void commit(size_t count) { used_ += count; }
    /// Frees all but a small first block.
    void reset();

private:
    struct Block {
        std::unique_ptr<uint8_t[]> bytes;
        size_t size;
    };
    std::deque<Block> blocks_;
    size_t used_ = 0;
};

/// Unescapes the inside of a JSON string into `out`, which has room for as many bytes as go in.
/// Returns the bytes written; on a wrong escape or a lone surrogate it returns -1 and sets
/// `failed_at` to its position.
ptrdiff_t unescape(const uint8_t *text, size_t count, uint8_t *out, size_t &failed_at);

/// The position of the first byte that is not UTF-8; `count` where all are.
size_t find_invalid_utf8(const uint8_t *text, size_t count);

/// Writes text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void write_string(std::string &out, const uint8_t *text, size_t count);

}  // namespace millrace
