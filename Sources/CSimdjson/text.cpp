#include "text.hpp"

#include <algorithm>
#include <cstring>

namespace millrace {

namespace {

constexpr size_t block_bytes = 64 << 10;
constexpr size_t kept_bytes = 1 << 20;

int hex_digit(uint8_t byte) {
    if (uint8_t(byte - '0') <= 9) { return byte - '0'; }
    uint8_t letter = byte | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/// The four digits after \u; -1 where they are not there.
int32_t read_code_unit(const uint8_t *text, size_t count, size_t at) {
    if (count - at < 4) { return -1; }
    int32_t unit = 0;
    for (size_t i = at; i < at + 4; i += 1) {
        int digit = hex_digit(text[i]);
        if (digit < 0) { return -1; }
        unit = unit * 16 + digit;
    }
    return unit;
}

uint8_t *write_utf8(uint8_t *out, int32_t scalar) {
    if (scalar < 0x80) {
        *out++ = uint8_t(scalar);
    } else if (scalar < 0x800) {
        *out++ = uint8_t(0xC0 | (scalar >> 6));
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    } else if (scalar < 0x10000) {
        *out++ = uint8_t(0xE0 | (scalar >> 12));
        *out++ = uint8_t(0x80 | ((scalar >> 6) & 0x3F));
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    } else {
        *out++ = uint8_t(0xF0 | (scalar >> 18));
        *out++ = uint8_t(0x80 | ((scalar >> 12) & 0x3F));
        *out++ = uint8_t(0x80 | ((scalar >> 6) & 0x3F));
        *out++ = uint8_t(0x80 | (scalar & 0x3F));
    }
    return out;
}

uint8_t simple_escape(uint8_t byte) {
    switch (byte) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/// What stands at the beginning of the text.
struct Sequence {
    /// Bytes of a character, or of the broken beginning of one (at least 1).
    size_t count;
    bool is_valid;
};

Sequence first_sequence(const uint8_t *text, size_t count) {
    uint8_t lead = text[0];
    if (lead < 0x80) { return {1, true}; }
    uint8_t lowest = 0x80, highest = 0xBF;
    size_t wanted;
    if (lead >= 0xC2 && lead <= 0xDF) {
        wanted = 2;
    } else if ((lead & 0xF0) == 0xE0) {
        wanted = 3;
        if (lead == 0xE0) { lowest = 0xA0; }
        if (lead == 0xED) { highest = 0x9F; }
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        wanted = 4;
        if (lead == 0xF0) { lowest = 0x90; }
        if (lead == 0xF4) { highest = 0x8F; }
    } else {
        return {1, false};
    }
    for (size_t i = 1; i < wanted; i += 1) {
        if (i == count || text[i] < lowest || text[i] > highest) { return {i, false}; }
        lowest = 0x80;
        highest = 0xBF;
    }
    return {wanted, true};
}

}  // namespace

uint8_t *TextPool::reserve(size_t count) {
    if (blocks_.empty() || blocks_.back().size - used_ < count) {
        size_t size = std::max(count, block_bytes);
        blocks_.push_back({std::unique_ptr<uint8_t[]>(new uint8_t[size]), size});
        used_ = 0;
    }
    return blocks_.back().bytes.get() + used_;
}

void TextPool::reset() {
    while (blocks_.size() > 1 || (!blocks_.empty() && blocks_.back().size > kept_bytes)) {
        blocks_.pop_back();
    }
    used_ = 0;
}

ptrdiff_t unescape(const uint8_t *text, size_t count, uint8_t *out, size_t &failed_at) {
    uint8_t *start = out;
    size_t at = 0;
    while (at < count) {
        auto found = static_cast<const uint8_t *>(std::memchr(text + at, '\\', count - at));
        size_t plain = found == nullptr ? count - at : size_t(found - (text + at));
        std::memcpy(out, text + at, plain);
        out += plain;
        at += plain;
        if (at == count) { break; }
        failed_at = at;
        at += 1;
        if (at == count) { return -1; }
        if (text[at] != 'u') {
            uint8_t byte = simple_escape(text[at]);
            if (byte == 0) { return -1; }
            *out++ = byte;
            at += 1;
            continue;
        }
        int32_t scalar = read_code_unit(text, count, at + 1);
        if (scalar < 0 || (scalar >= 0xDC00 && scalar <= 0xDFFF)) { return -1; }
        at += 5;
        if (scalar >= 0xD800 && scalar <= 0xDBFF) {
            if (count - at < 2 || text[at] != '\\' || text[at + 1] != 'u') { return -1; }
            int32_t low = read_code_unit(text, count, at + 2);
            if (low < 0xDC00 || low > 0xDFFF) { return -1; }
            scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        out = write_utf8(out, scalar);
    }
    return out - start;
}

size_t find_invalid_utf8(const uint8_t *text, size_t count) {
    size_t at = 0;
    while (at < count) {
        Sequence sequence = first_sequence(text + at, count - at);
        if (!sequence.is_valid) { return at; }
        at += sequence.count;
    }
    return count;
}

void write_string(std::string &out, const uint8_t *text, size_t count) {
    static const char digits[] = "0123456789abcdef";
    out.push_back('"');
    size_t at = 0;
    while (at < count) {
        uint8_t byte = text[at];
        if (byte >= 0x80) {
            Sequence sequence = first_sequence(text + at, count - at);
            if (sequence.is_valid) {
                out.append(reinterpret_cast<const char *>(text + at), sequence.count);
            } else {
                out.append("\xEF\xBF\xBD");
            }
            at += sequence.count;
            continue;
        }
        switch (byte) {
        case '"': out.append("\\\""); break;
        case '\\': out.append("\\\\"); break;
        case '\b': out.append("\\b"); break;
        case '\f': out.append("\\f"); break;
        case '\n': out.append("\\n"); break;
        case '\r': out.append("\\r"); break;
        case '\t': out.append("\\t"); break;
        default:
            if (byte < 0x20) {
                out.append("\\u00");
                out.push_back(digits[byte >> 4]);
                out.push_back(digits[byte & 15]);
            } else {
                out.push_back(char(byte));
            }
        }
        at += 1;
    }
    out.push_back('"');
}

}  // namespace millrace
