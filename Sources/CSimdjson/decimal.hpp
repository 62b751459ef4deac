// Numbers: JSON's grammar, and exact conversion to doubles and 64-bit integers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are read as little-endian words");

/// A number's text, taken apart: (-1)^is_negative * mantissa * 10^exponent.
struct Decimal {
    uint64_t mantissa;
    int32_t exponent;
    bool is_negative;
    /// False where the text has more significant digits than `mantissa` holds.
    bool is_exact;
};

enum class IntegerOutcome { value, fraction, overflow };

/// Any number; false where [start, end) is not one by JSON's grammar. Nothing behind `end` matters.
bool scan_decimal(const uint8_t *start, const uint8_t *end, Decimal &decimal);

/// The nearest double, as strtod rounds; infinite where it overflows. [start, end) is the number's
/// text, valid.
double decimal_to_double(const Decimal &decimal, const uint8_t *start, const uint8_t *end);

/// The magnitude of an integer written in any form (3, 3.0, 30e-1).
IntegerOutcome decimal_to_magnitude(
    const Decimal &decimal, const uint8_t *start, const uint8_t *end, uint64_t &magnitude);

constexpr double exact_powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline uint64_t load_word(const uint8_t *bytes) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

inline bool are_eight_digits(uint64_t word) {
    return ((word & 0xF0F0F0F0F0F0F0F0u) | (((word + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4))
        == 0x3333333333333333u;
}

/// Value of eight ASCII digits, the first in the lowest byte.
inline uint64_t eight_digits(uint64_t word) {
    word -= 0x3030303030303030u;
    word = word * 10 + (word >> 8);
    return (((word & 0x000000FF000000FFu) * 0x000F424000000064u)
            + (((word >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u))
        >> 32;
}

/// Numbers of at most eight characters after the sign and without exponent, which is nearly all of
/// them, without a loop. False says nothing: ask `scan_decimal`. Reads up to eight bytes behind
/// `end`.
inline bool scan_short_decimal(const uint8_t *start, const uint8_t *end, Decimal &decimal) {
    bool is_negative = *start == '-';
    start += is_negative;
    size_t count = size_t(end - start);
    if (count - 1 >= 8) { return false; }
    if (uint8_t(start[0] - '0') > 9) { return false; }
    if (start[0] == '0' && count > 1 && start[1] != '.') { return false; }
    // Right-aligned: the last character in the highest byte, '0' before the first.
    unsigned unused_bits = unsigned(8 - count) * 8;
    uint64_t word = (load_word(start) << unused_bits)
        | (0x3030303030303030u & ((uint64_t(1) << unused_bits) - 1));
    uint64_t differs = word ^ 0x2E2E2E2E2E2E2E2Eu;
    uint64_t points = ~(((differs & 0x7F7F7F7F7F7F7F7Fu) + 0x7F7F7F7F7F7F7F7Fu) | differs)
        & 0x8080808080808080u;
    int32_t exponent = 0;
    if (points != 0) {
        unsigned point = unsigned(__builtin_ctzll(points)) & ~7u;  // bit position of the point's byte
        if (point == 56) { return false; }
        uint64_t whole = word & ((uint64_t(1) << point) - 1);
        uint64_t fraction = word & ~((uint64_t(1) << (point + 8)) - 1);
        word = fraction | (whole << 8) | 0x30;
        exponent = int32_t(point >> 3) - 7;
    }
    if (!are_eight_digits(word)) { return false; }
    decimal.mantissa = eight_digits(word);
    decimal.exponent = exponent;
    decimal.is_negative = is_negative;
    decimal.is_exact = true;
    return true;
}

}  // namespace millrace
