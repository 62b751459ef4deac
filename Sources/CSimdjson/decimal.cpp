#include "decimal.hpp"

#include <charconv>
#include <limits>

#include "CSimdjson.h"

namespace millrace {

namespace {

constexpr int64_t exponent_bound = 1'000'000;
constexpr uint64_t largest_exact_double = uint64_t(1) << 53;

bool is_digit(uint8_t byte) { return uint8_t(byte - '0') <= 9; }

/// Takes digits into the mantissa while they fit.
struct DigitSink {
    uint64_t mantissa = 0;
    int significant = 0;
    /// Digits left out since the mantissa was full.
    int64_t dropped = 0;
    bool is_exact = true;

    void take(uint8_t byte) {
        if (significant < 19) {
            mantissa = mantissa * 10 + (byte - '0');
            significant += mantissa != 0;
        } else {
            dropped += 1;
            is_exact = false;
        }
    }

    const uint8_t *take_run(const uint8_t *at, const uint8_t *end) {
        while (end - at >= 8 && significant <= 11 && are_eight_digits(load_word(at))) {
            uint64_t values = load_word(at) ^ 0x3030303030303030u;
            // Zeros before the first other digit are not significant.
            if (mantissa != 0) {
                significant += 8;
            } else if (values != 0) {
                significant += 8 - (__builtin_ctzll(values) >> 3);
            }
            mantissa = mantissa * 100'000'000 + eight_values(values);
            at += 8;
        }
        while (at != end && is_digit(*at)) { take(*at++); }
        return at;
    }
};

}  // namespace

bool scan_decimal(const uint8_t *start, const uint8_t *end, Decimal &decimal) {
    const uint8_t *at = start;
    decimal.is_negative = at != end && *at == '-';
    at += decimal.is_negative;
    if (at == end || !is_digit(*at)) { return false; }
    DigitSink digits;
    if (*at == '0') {
        at += 1;
        if (at != end && is_digit(*at)) { return false; }
    } else {
        at = digits.take_run(at, end);
    }
    int64_t exponent = digits.dropped;
    if (at != end && *at == '.') {
        at += 1;
        const uint8_t *fraction = at;
        int64_t dropped_before = digits.dropped;
        at = digits.take_run(at, end);
        if (at == fraction) { return false; }
        exponent -= (at - fraction) - (digits.dropped - dropped_before);
    }
    if (at != end && (*at == 'e' || *at == 'E')) {
        at += 1;
        bool is_down = at != end && *at == '-';
        if (at != end && (*at == '-' || *at == '+')) { at += 1; }
        if (at == end || !is_digit(*at)) { return false; }
        int64_t written = 0;
        for (; at != end && is_digit(*at); at += 1) {
            if (written < exponent_bound) { written = written * 10 + (*at - '0'); }
        }
        exponent += is_down ? -written : written;
    }
    if (at != end) { return false; }
    if (exponent > exponent_bound) { exponent = exponent_bound; }
    if (exponent < -exponent_bound) { exponent = -exponent_bound; }
    decimal.mantissa = digits.mantissa;
    decimal.exponent = int32_t(exponent);
    decimal.is_exact = digits.is_exact;
    return true;
}

double decimal_to_double(const Decimal &decimal, const uint8_t *start, const uint8_t *end) {
    double value;
    if (decimal.mantissa == 0 && decimal.is_exact) {
        value = 0;
    } else if (
        decimal.is_exact && decimal.mantissa <= largest_exact_double && decimal.exponent >= -22
        && decimal.exponent <= 22) {
        value = double(decimal.mantissa);
        value = decimal.exponent < 0 ? value / exact_powers_of_ten[-decimal.exponent]
                                     : value * exact_powers_of_ten[decimal.exponent];
    } else {
        auto text = reinterpret_cast<const char *>(start + decimal.is_negative);
        value = 0;
        auto outcome = std::from_chars(text, reinterpret_cast<const char *>(end), value);
        if (outcome.ec == std::errc::result_out_of_range) {
            // The library does not say which end of the range was left.
            value = decimal.exponent > 0 ? std::numeric_limits<double>::infinity() : 0;
        }
    }
    return decimal.is_negative ? -value : value;
}

float decimal_to_float(const Decimal &decimal, const uint8_t *start, const uint8_t *end) {
    if (decimal.is_exact && decimal.exponent <= 0 && decimal.exponent >= -22) {
        // Rounded twice, so within 2^-52 of the value. Where singles do not part in four times
        // that distance, the nearest double gives the same single.
        double about = double(decimal.mantissa) / exact_powers_of_ten[-decimal.exponent];
        auto low = float(about * (1 - 0x1p-50));
        auto high = float(about * (1 + 0x1p-50));
        if (low == high) { return decimal.is_negative ? -low : low; }
    }
    return float(decimal_to_double(decimal, start, end));
}

IntegerOutcome decimal_to_magnitude(
    const Decimal &decimal, const uint8_t *start, const uint8_t *end, uint64_t &magnitude) {
    magnitude = decimal.mantissa;
    int64_t exponent = decimal.exponent;
    if (!decimal.is_exact) {
        // More than 19 significant digits: collect them again without the zeros at their end.
        const uint8_t *last = end;
        for (const uint8_t *at = start; at != end; at += 1) {
            if (*at == 'e' || *at == 'E') { last = at; break; }
        }
        int64_t kept = 0, zeros = 0, seen = 0;
        magnitude = 0;
        bool overflows = false;
        for (const uint8_t *at = start; at != last; at += 1) {
            if (!is_digit(*at)) { continue; }
            seen += seen != 0 || *at != '0';
            if (*at == '0') { zeros += 1; continue; }
            for (; zeros > 0; zeros -= 1) {
                overflows |= __builtin_mul_overflow(magnitude, uint64_t(10), &magnitude);
            }
            overflows |= __builtin_mul_overflow(magnitude, uint64_t(10), &magnitude);
            overflows |= __builtin_add_overflow(magnitude, uint64_t(*at - '0'), &magnitude);
            kept = seen;
        }
        // `exponent` counts from the 19th significant digit.
        exponent += 19 - kept;
        if (exponent < 0) { return IntegerOutcome::fraction; }
        if (overflows) { return IntegerOutcome::overflow; }
    }
    if (magnitude == 0) { return IntegerOutcome::value; }
    for (; exponent < 0; exponent += 1) {
        if (magnitude % 10 != 0) { return IntegerOutcome::fraction; }
        magnitude /= 10;
    }
    for (; exponent > 0; exponent -= 1) {
        if (__builtin_mul_overflow(magnitude, uint64_t(10), &magnitude)) {
            return IntegerOutcome::overflow;
        }
    }
    return IntegerOutcome::value;
}

}  // namespace millrace

bool millrace_json_number(const uint8_t *text, size_t count, double *value) noexcept {
    millrace::Decimal decimal;
    if (!millrace::scan_decimal(text, text + count, decimal)) { return false; }
    *value = millrace::decimal_to_double(decimal, text, text + count);
    return true;
}
