// Splices predictions into values that are in the arena.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "plan.hpp"

namespace millrace {

namespace {

constexpr size_t largest_room_bytes = 4 << 10;

template <typename Element>
Element load(const void *base, size_t index) {
    Element element;
    std::memcpy(
        &element, static_cast<const uint8_t *>(base) + index * sizeof(Element), sizeof element);
    return element;
}

/// Shortest digits that read back as the same float, always with a point or an exponent.
template <typename Real>
void write_real(std::string &out, Real value) {
    if (!std::isfinite(value)) {
        out.append("null");
        return;
    }
    char digits[32];
    char *end = std::to_chars(digits, digits + sizeof digits - 2, value).ptr;
    bool is_marked = std::any_of(
        digits, end, [](char character) { return character == '.' || character == 'e'; });
    if (!is_marked) {
        *end++ = '.';
        *end++ = '0';
    }
    out.append(digits, size_t(end - digits));
}

template <typename Integer>
void write_integer(std::string &out, Integer value) {
    char digits[24];
    char *end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, size_t(end - digits));
}

void write_element(std::string &out, const MillracePrediction &output, size_t index) {
    switch (output.type) {
    case MILLRACE_FLOAT32: write_real(out, load<float>(output.base, index)); break;
    case MILLRACE_FLOAT64: write_real(out, load<double>(output.base, index)); break;
    case MILLRACE_INT8: write_integer(out, int(load<int8_t>(output.base, index))); break;
    case MILLRACE_INT16: write_integer(out, load<int16_t>(output.base, index)); break;
    case MILLRACE_INT32: write_integer(out, load<int32_t>(output.base, index)); break;
    case MILLRACE_INT64: write_integer(out, load<int64_t>(output.base, index)); break;
    case MILLRACE_UINT8: write_integer(out, unsigned(load<uint8_t>(output.base, index))); break;
    case MILLRACE_UINT16: write_integer(out, load<uint16_t>(output.base, index)); break;
    case MILLRACE_UINT32: write_integer(out, load<uint32_t>(output.base, index)); break;
    case MILLRACE_UINT64: write_integer(out, load<uint64_t>(output.base, index)); break;
    case MILLRACE_BOOL:
        out.append(load<uint8_t>(output.base, index) != 0 ? "true" : "false");
        break;
    case MILLRACE_STRING: {
        auto text = load<MillraceText>(output.base, index);
        write_string(out, text.start, text.start == nullptr ? 0 : size_t(text.count));
        break;
    }
    }
}

/// The fields of one row with commas between them.
void write_fields(
    MillraceJSONPlan &plan, size_t row, const MillracePrediction *outputs, size_t output_row) {
    std::string &out = plan.written;
    size_t start = out.size();
    for (size_t i = 0; i < plan.fields.size(); i += 1) {
        if (plan.kept_words != 0
            && (plan.kept[row * plan.kept_words + i / 64] >> (i % 64) & 1) != 0) {
            continue;
        }
        const Field &field = plan.fields[i];
        const MillracePrediction &output = outputs[field.column];
        if (out.size() != start) { out.push_back(','); }
        out.append(field.prefix);
        if (!field.is_vector) {
            write_element(out, output, output_row * output.width + field.element);
            continue;
        }
        out.push_back('[');
        for (size_t element = 0; element < output.width; element += 1) {
            if (element != 0) { out.push_back(','); }
            write_element(out, output, output_row * output.width + element);
        }
        out.push_back(']');
    }
}

/// What goes in front of the closing brace of that row's value.
void write_insertion(
    MillraceJSONPlan &plan, size_t row, const MillracePrediction *outputs, size_t output_row) {
    plan.written.clear();
    if (!plan.is_empty[row]) { plan.written.push_back(','); }
    size_t comma = plan.written.size();
    bool nests = plan.on_conflict == MILLRACE_ON_CONFLICT_NEST;
    if (nests) {
        plan.written.append(plan.under_prefix);
        plan.written.push_back('{');
    }
    write_fields(plan, row, outputs, output_row);
    if (nests) { plan.written.push_back('}'); }
    if (plan.written.size() == comma) { plan.written.clear(); }
    size_t wanted = std::min(plan.written.size() + 16, largest_room_bytes);
    plan.prediction_room = std::max(plan.prediction_room, wanted);
}

int32_t field_without_element(const MillraceJSONPlan &plan, const MillracePrediction *outputs) {
    for (size_t i = 0; i < plan.fields.size(); i += 1) {
        const Field &field = plan.fields[i];
        const MillracePrediction &output = outputs[field.column];
        bool is_there = field.is_vector || field.element < output.width;
        if (output.base == nullptr || !is_there) { return int32_t(i); }
    }
    return no_field;
}

}  // namespace

}  // namespace millrace

using namespace millrace;

MillraceAppendProgress millrace_json_append(
    MillraceJSONPlan *plan, MillraceResult *results, const int32_t *record_of_row,
    size_t first_row, size_t last_row, size_t prediction_row,
    const MillracePrediction *predictions, uint8_t *arena, size_t arena_used,
    size_t arena_capacity) noexcept {
    int32_t wrong_field = field_without_element(*plan, predictions);
    if (wrong_field != no_field) {
        return {MILLRACE_APPEND_NO_SUCH_ELEMENT, first_row, 0, arena_used, wrong_field};
    }
    for (size_t row = first_row; row < last_row; row += 1) {
        MillraceResult &result = results[record_of_row[row]];
        if (result.state != MILLRACE_STATE_TAKEN) { continue; }
        write_insertion(*plan, row, predictions, row - prediction_row);
        size_t count = size_t(result.output_count);
        size_t inserted = plan->written.size();
        uint8_t *value = arena + result.output_start;
        if (inserted > plan->room_of_read) {
            if (arena_capacity - arena_used < count + inserted) {
                return {
                    MILLRACE_APPEND_NEEDS_ROOM, row, count + inserted, arena_used, no_field};
            }
            std::memcpy(arena + arena_used, value, count);
            result.output_start = ptrdiff_t(arena_used);
            value = arena + arena_used;
            arena_used += count + inserted;
        }
        size_t brace = plan->brace[row];
        std::memmove(value + brace + inserted, value + brace, count - brace);
        std::memcpy(value + brace, plan->written.data(), inserted);
        result.output_count = ptrdiff_t(count + inserted);
        result.state = MILLRACE_STATE_SCORED;
    }
    return {MILLRACE_APPEND_DONE, last_row, 0, arena_used, no_field};
}
