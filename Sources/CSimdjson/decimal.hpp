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

/// That double rounded to single, infinite where it overflows.
float decimal_to_float(const Decimal &decimal, const uint8_t *start, const uint8_t *end);

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
    uint64_t values = word ^ 0x3030303030303030u;
    return (((values + 0x7676767676767676u) | values) & 0x8080808080808080u) == 0;
}

/// Value of eight digits given as 0 to 9, the first in the lowest byte.
inline uint64_t eight_values(uint64_t word) {
    word = word * 10 + (word >> 8);
    return (((word & 0x000000FF000000FFu) * 0x000F424000000064u)
            + (((word >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u))
        >> 32;
}

/// The same of ASCII digits.
inline uint64_t eight_digits(uint64_t word) { return eight_values(word - 0x3030303030303030u); }

/// Numbers of at most eight characters after the sign and without exponent, which is nearly all of
/// them, without a loop and without a branch on what differs from number to number. False says
/// nothing: ask `scan_decimal`. Reads up to eight bytes behind `end`.
inline bool scan_short_decimal(const uint8_t *start, const uint8_t *end, Decimal &decimal) {
    constexpr uint64_t every_byte = 0x0101010101010101u;
    bool is_negative = *start == '-';
    start += is_negative;
    size_t count = size_t(end - start);
    if (count - 1 >= 8) { return false; }
    // Digits become 0 to 9 and the point becomes 0x1E; then right-aligned, the last character in
    // the highest byte and zeros below the first.
    uint64_t word = load_word(start) ^ (every_byte * '0');
    uint8_t first = uint8_t(word);
    unsigned unused_bits = unsigned(8 - count) * 8;
    word <<= unused_bits;
    uint64_t is_point = word ^ (every_byte * 0x1E);
    uint64_t points = (is_point - every_byte) & ~is_point & (every_byte * 0x80);
    unsigned whole_end = 64;
    int32_t exponent = 0;
    if (points != 0) {
        // The lowest mark is exact. Digits before the point move up over it.
        whole_end = unsigned(__builtin_ctzll(points)) & ~7u;
        uint64_t below = ((points & (0 - points)) >> 7) - 1;
        word = (word & ~((below << 8) | 0xFF)) | ((word & below) << 8);
        exponent = int32_t(whole_end >> 3) - 7;
    }
    uint64_t not_digits = ((word + every_byte * 0x76) | word) & (every_byte * 0x80);
    unsigned is_wrong = unsigned(not_digits != 0) | unsigned(whole_end == 56) | unsigned(first > 9)
        | (unsigned(first == 0) & unsigned(whole_end - unused_bits > 8));
    if (is_wrong != 0) { return false; }
    decimal.mantissa = eight_values(word);
    decimal.exponent = exponent;
    decimal.is_negative = is_negative;
    decimal.is_exact = true;
    return true;
}

/// A short decimal as the nearest double is, rounded to single: what every tool makes of JSON's
/// numbers. Multiplying is as good as dividing here: with at most 7 digits and 6 decimal places a
/// value is at least 2^-45 (relative) away from where singles are rounded apart, and the product is
/// off by at most 2^-52; without decimal places it is exact.
inline float short_decimal_to_float(const Decimal &decimal) {
    constexpr double reciprocals[] = {1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    auto value = float(double(int64_t(decimal.mantissa)) * reciprocals[-decimal.exponent]);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits |= uint32_t(decimal.is_negative) << 31;  // signs come at random: no branch
    std::memcpy(&value, &bits, sizeof bits);
    return value;
}

}  // namespace millrace
