#include "store.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace millrace {

namespace {

template <typename Element>
void put(const Slot &slot, size_t row, uint32_t element, Element value) {
    std::memcpy(
        slot.base + row * slot.row_bytes + size_t(element) * sizeof(Element), &value, sizeof value);
}

/// What is wrong with a number; MILLRACE_NO_PROBLEM where it was written.
template <typename Element>
MillraceProblemKind put_integer(
    const Slot &slot, size_t row, uint32_t element, const Found &number) {
    uint64_t magnitude;
    switch (decimal_to_magnitude(number.decimal, number.start, number.end, magnitude)) {
    case IntegerOutcome::fraction: return MILLRACE_NOT_AN_INTEGER;
    case IntegerOutcome::overflow: return MILLRACE_OUT_OF_RANGE;
    case IntegerOutcome::value: break;
    }
    using Limits = std::numeric_limits<Element>;
    uint64_t limit = uint64_t(Limits::max());
    if (number.decimal.is_negative) { limit = std::is_signed_v<Element> ? limit + 1 : 0; }
    if (magnitude > limit) { return MILLRACE_OUT_OF_RANGE; }
    put(slot, row, element, Element(number.decimal.is_negative ? 0 - magnitude : magnitude));
    return MILLRACE_NO_PROBLEM;
}

MillraceProblemKind put_bool(
    const Slot &slot, size_t row, uint32_t element, const Found &number) {
    uint64_t magnitude;
    auto outcome = decimal_to_magnitude(number.decimal, number.start, number.end, magnitude);
    bool is_bit = outcome == IntegerOutcome::value && magnitude <= 1
        && !(number.decimal.is_negative && magnitude == 1);
    if (!is_bit) { return MILLRACE_OUT_OF_RANGE; }
    put(slot, row, element, uint8_t(magnitude));
    return MILLRACE_NO_PROBLEM;
}

MillraceProblemKind put_number(
    const Slot &slot, size_t row, uint32_t element, const Found &number) {
    switch (slot.type) {
    case MILLRACE_FLOAT32: {
        float value = decimal_to_float(number.decimal, number.start, number.end);
        if (std::isinf(value)) { return MILLRACE_OUT_OF_RANGE; }
        put(slot, row, element, value);
        return MILLRACE_NO_PROBLEM;
    }
    case MILLRACE_FLOAT64: {
        double value = decimal_to_double(number.decimal, number.start, number.end);
        if (std::isinf(value)) { return MILLRACE_OUT_OF_RANGE; }
        put(slot, row, element, value);
        return MILLRACE_NO_PROBLEM;
    }
    case MILLRACE_INT8: return put_integer<int8_t>(slot, row, element, number);
    case MILLRACE_INT16: return put_integer<int16_t>(slot, row, element, number);
    case MILLRACE_INT32: return put_integer<int32_t>(slot, row, element, number);
    case MILLRACE_INT64: return put_integer<int64_t>(slot, row, element, number);
    case MILLRACE_UINT8: return put_integer<uint8_t>(slot, row, element, number);
    case MILLRACE_UINT16: return put_integer<uint16_t>(slot, row, element, number);
    case MILLRACE_UINT32: return put_integer<uint32_t>(slot, row, element, number);
    case MILLRACE_UINT64: return put_integer<uint64_t>(slot, row, element, number);
    case MILLRACE_BOOL: return put_bool(slot, row, element, number);
    case MILLRACE_STRING: return MILLRACE_WRONG_TYPE;
    }
    return MILLRACE_WRONG_TYPE;
}

/// 0 or 1 in a slot's own type.
MillraceProblemKind put_flag(const Slot &slot, size_t row, uint32_t element, bool flag) {
    Found number{MILLRACE_NUMBER, nullptr, nullptr, {flag, 0, false, true}};
    return put_number(slot, row, element, number);
}

/// A text in a string slot, or one that holds a number.
MillraceProblemKind put_text(
    MillraceJSONPlan &plan, const Slot &slot, size_t row, uint32_t element, const uint8_t *start,
    const uint8_t *end) {
    if (slot.type == MILLRACE_STRING) {
        MillraceText text{start, end - start};
        put(slot, row, element, text);
        return MILLRACE_NO_PROBLEM;
    }
    if (size_t(end - start) > plan.limits.number_bytes) { return MILLRACE_NOT_A_NUMBER_TEXT; }
    Found number{MILLRACE_NUMBER, start, end, {}};
    if (!scan_decimal(start, end, number.decimal)) { return MILLRACE_NOT_A_NUMBER_TEXT; }
    return put_number(slot, row, element, number);
}

/// Copies bytes to where they stay until the next read.
MillraceText keep(MillraceJSONPlan &plan, const uint8_t *start, size_t count) {
    uint8_t *copy = plan.texts.reserve(count);
    std::memcpy(copy, start, count);
    plan.texts.commit(count);
    return {copy, ptrdiff_t(count)};
}

/// A JSON string's inside for a slot that takes text.
MillraceProblemKind put_string(
    MillraceJSONPlan &plan, const Slot &slot, size_t row, uint32_t element, const Found &found) {
    if (slot.type != MILLRACE_STRING && !slot.parses_text) { return MILLRACE_WRONG_TYPE; }
    size_t count = size_t(found.end - found.start);
    uint8_t *plain = plan.texts.reserve(count);
    size_t failed_at = 0;
    ptrdiff_t plain_count = unescape(found.start, count, plain, failed_at);
    if (plain_count < 0) { return MILLRACE_WRONG_TYPE; }  // the walker has refused such a record
    if (slot.type == MILLRACE_STRING) { plan.texts.commit(size_t(plain_count)); }
    return put_text(plan, slot, row, element, plain, plain + plain_count);
}

void put_missing(const Slot &slot, size_t row, uint32_t element) {
    switch (slot.type) {
    case MILLRACE_STRING: {
        auto start = reinterpret_cast<const uint8_t *>(slot.missing_text.data());
        put(slot, row, element, MillraceText{start, ptrdiff_t(slot.missing_text.size())});
        break;
    }
    case MILLRACE_INT8: case MILLRACE_UINT8: case MILLRACE_BOOL:
        put(slot, row, element, uint8_t(slot.missing_bits));
        break;
    case MILLRACE_INT16: case MILLRACE_UINT16:
        put(slot, row, element, uint16_t(slot.missing_bits));
        break;
    case MILLRACE_FLOAT32: case MILLRACE_INT32: case MILLRACE_UINT32:
        put(slot, row, element, uint32_t(slot.missing_bits));
        break;
    case MILLRACE_FLOAT64: case MILLRACE_INT64: case MILLRACE_UINT64:
        put(slot, row, element, slot.missing_bits);
        break;
    }
}

MillraceProblemKind put_external_text(
    MillraceJSONPlan &plan, const Slot &slot, size_t row, const uint8_t *start, size_t count) {
    if (slot.type != MILLRACE_STRING) {
        return put_text(plan, slot, row, 0, start, start + count);
    }
    if (find_invalid_utf8(start, count) != count) { return MILLRACE_TEXT_NOT_UTF8; }
    MillraceText text = keep(plan, start, count);
    return put_text(plan, slot, row, 0, text.start, text.start + text.count);
}

MillraceProblemKind put_timestamp(
    MillraceJSONPlan &plan, const Slot &slot, size_t row, int64_t timestamp_ms) {
    char digits[24];
    auto written = std::to_chars(digits, digits + sizeof digits, timestamp_ms);
    auto start = reinterpret_cast<const uint8_t *>(digits);
    return put_external_text(plan, slot, row, start, size_t(written.ptr - digits));
}

}  // namespace

void note(
    MillraceProblem &problem, MillraceProblemKind kind, int32_t slot, int64_t element,
    MillraceValueKind found) {
    if (problem.kind != MILLRACE_NO_PROBLEM) { return; }
    problem.kind = kind;
    problem.slot = slot;
    problem.element = element;
    problem.found = found;
}

void store(
    MillraceJSONPlan &plan, uint32_t slot_index, size_t row, uint32_t element, const Found &found,
    MillraceProblem &problem) {
    const Slot &slot = plan.slots[slot_index];
    MillraceProblemKind kind = MILLRACE_NO_PROBLEM;
    switch (found.kind) {
    case MILLRACE_NUMBER: kind = put_number(slot, row, element, found); break;
    case MILLRACE_TEXT: kind = put_string(plan, slot, row, element, found); break;
    case MILLRACE_TRUE: kind = put_flag(slot, row, element, true); break;
    case MILLRACE_FALSE: kind = put_flag(slot, row, element, false); break;
    case MILLRACE_NULL:
        if (slot.missing_is_error) {
            kind = MILLRACE_FIELD_NULL;
        } else {
            put_missing(slot, row, element);
        }
        break;
    case MILLRACE_OBJECT: case MILLRACE_ARRAY: kind = MILLRACE_WRONG_TYPE; break;
    }
    if (kind != MILLRACE_NO_PROBLEM) {
        note(problem, kind, int32_t(slot_index), slot.is_array ? int64_t(element) : -1, found.kind);
    }
}

void store_missing(
    MillraceJSONPlan &plan, uint32_t slot_index, size_t row, MillraceProblemKind kind,
    MillraceProblem &problem) {
    const Slot &slot = plan.slots[slot_index];
    if (slot.missing_is_error) {
        note(problem, kind, int32_t(slot_index), -1, MILLRACE_NULL);
        return;
    }
    for (uint32_t element = 0; element < slot.count; element += 1) {
        put_missing(slot, row, element);
    }
}

void store_external(
    MillraceJSONPlan &plan, size_t row, const MillraceRecord &record, const MillraceText *headers,
    MillraceProblem &problem) {
    for (uint32_t index : plan.external_slots) {
        const Slot &slot = plan.slots[index];
        MillraceText text{nullptr, 0};
        if (slot.source == MILLRACE_SOURCE_KEY) {
            text = {static_cast<const uint8_t *>(record.key), record.key_count};
        } else if (slot.source == MILLRACE_SOURCE_HEADER && headers != nullptr) {
            text = headers[slot.header];
        }
        MillraceProblemKind kind;
        if (slot.source == MILLRACE_SOURCE_TIMESTAMP && record.timestamp_ms >= 0) {
            kind = put_timestamp(plan, slot, row, record.timestamp_ms);
        } else if (text.start != nullptr) {
            kind = put_external_text(plan, slot, row, text.start, size_t(text.count));
        } else {
            store_missing(plan, index, row, MILLRACE_FIELD_MISSING, problem);
            continue;
        }
        if (kind != MILLRACE_NO_PROBLEM) {
            note(problem, kind, int32_t(index), -1, MILLRACE_TEXT);
        }
    }
}

}  // namespace millrace
