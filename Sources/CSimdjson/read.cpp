// Reads a batch: copy into the arena, structural index, walk.
#include <algorithm>

#include "walker.hpp"

namespace millrace {

namespace {

/// Behind each value: what the walker reads too far, and the zero that ends it.
constexpr size_t padding_bytes = 64;
constexpr size_t smallest_index_bytes = 16 << 10;
/// A larger structural index than for a value of this size is not kept between batches.
constexpr size_t kept_index_bytes = 1 << 20;

bool is_taken(const MillraceResult &result) { return result.state == MILLRACE_STATE_TAKEN; }

/// Starts to load a value that another thread has touched last.
void prefetch(const MillraceRecord &record) {
    auto value = static_cast<const char *>(record.value);
    size_t bytes = std::min<size_t>(size_t(record.value_count), 512);
    for (size_t at = 0; at < bytes; at += 64) { __builtin_prefetch(value + at); }
}

bool is_syntax(MillraceProblemKind kind) { return kind < MILLRACE_NOT_AN_OBJECT; }

/// Where a value of that size makes the next one begin: at a multiple of 64.
size_t stride(const MillraceJSONPlan &plan, size_t count) {
    size_t room = std::max(plan.prediction_room, padding_bytes);
    return (count + room + 63) & ~size_t(63);
}

void make_index_room(MillraceJSONPlan &plan, size_t count) {
    if (plan.parser != nullptr && plan.parser->capacity() >= count) { return; }
    size_t capacity = smallest_index_bytes;
    while (capacity < count) { capacity *= 2; }
    plan.parser.reset();
    auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, 1, plan.parser);
    if (error != simdjson::SUCCESS) { throw std::bad_alloc(); }
}

/// The first control character inside a string; `count` without one.
size_t find_control_character(const uint8_t *bytes, size_t count) {
    bool is_inside = false;
    for (size_t at = 0; at < count; at += 1) {
        if (!is_inside) {
            is_inside = bytes[at] == '"';
        } else if (bytes[at] == '\\') {
            at += 1;
        } else if (bytes[at] == '"') {
            is_inside = false;
        } else if (bytes[at] < 0x20) {
            return at;
        }
    }
    return count;
}

/// Names the reason why the bytes have no structural index.
void explain(
    simdjson::error_code error, const uint8_t *bytes, size_t count, MillraceProblem &problem) {
    size_t invalid = find_invalid_utf8(bytes, count);
    if (invalid != count) {
        problem.kind = MILLRACE_INVALID_UTF8;
        problem.at = invalid;
    } else if (error == simdjson::EMPTY) {
        problem.kind = MILLRACE_EMPTY;
    } else if (error == simdjson::UNESCAPED_CHARS) {
        problem.kind = MILLRACE_CONTROL_CHARACTER;
        problem.at = find_control_character(bytes, count);
    } else {
        problem.kind = MILLRACE_UNCLOSED_STRING;
    }
}

/// Reads one value that is in the arena already, into row `row`.
bool read_value(
    MillraceJSONPlan &plan, const uint8_t *bytes, size_t count, size_t row,
    MillraceProblem &problem) {
    make_index_room(plan, count);
    auto error = plan.parser->stage1(bytes, count, simdjson::stage1_mode::regular);
    if (error != simdjson::SUCCESS) {
        explain(error, bytes, count, problem);
        return false;
    }
    if (count >= 3 && std::memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        problem.kind = MILLRACE_BYTE_ORDER_MARK;
        return false;
    }
    Record record;
    record.bytes = bytes;
    record.count = count;
    record.indexes = plan.parser->structural_indexes.get();
    record.index_count = plan.parser->n_structural_indexes;
    record.row = row;
    record.has_escapes = std::memchr(bytes, '\\', count) != nullptr;
    plan.stamp += 1;
    for (size_t word = 0; word < plan.kept_words; word += 1) {
        plan.kept[row * plan.kept_words + word] = 0;
    }
    if (walk(plan, record, problem)) { return true; }
    // Some of simdjson's implementations look at bytes outside of strings only as syntax.
    size_t invalid = is_syntax(problem.kind) ? find_invalid_utf8(bytes, count) : count;
    if (invalid != count) {
        problem.kind = MILLRACE_INVALID_UTF8;
        problem.at = invalid;
    }
    return false;
}

MillraceProblem no_problem(size_t record) {
    MillraceProblem problem{};
    problem.record = int32_t(record);
    problem.slot = -1;
    problem.field = no_field;
    problem.element = -1;
    return problem;
}

}  // namespace

}  // namespace millrace

using namespace millrace;

size_t millrace_json_room(
    MillraceJSONPlan *plan, const MillraceRecord *records, const MillraceResult *results,
    size_t count) noexcept {
    size_t room = 64;
    for (size_t i = 0; i < count; i += 1) {
        size_t bytes = size_t(records[i].value_count);
        if (!is_taken(results[i]) || records[i].value == nullptr) { continue; }
        if (bytes <= plan->limits.value_bytes) { room += stride(*plan, bytes); }
    }
    return room;
}

MillraceReadSummary millrace_json_read(
    MillraceJSONPlan *plan, const MillraceRecord *records, MillraceResult *results, size_t count,
    uint8_t *arena, size_t arena_used, int32_t *record_of_row, const MillraceText *headers,
    size_t header_count) noexcept {
    plan->problems.clear();
    plan->texts.reset();
    plan->room_of_read = std::max(plan->prediction_room, padding_bytes);
    size_t row = 0;
    size_t start = (arena_used + 63) & ~size_t(63);
    for (size_t i = 0; i < count; i += 1) {
        if (i + 2 < count) { prefetch(records[i + 2]); }
        if (!is_taken(results[i])) { continue; }
        if (records[i].value == nullptr) {
            results[i].state = MILLRACE_STATE_PASSED;
            continue;
        }
        size_t bytes = size_t(records[i].value_count);
        MillraceProblem problem = no_problem(i);
        if (bytes > plan->limits.value_bytes) {
            problem.kind = MILLRACE_VALUE_TOO_LARGE;
            problem.count = bytes;
        } else if (bytes == 0) {
            problem.kind = MILLRACE_EMPTY;
        } else if (row == plan->capacity_rows) {
            problem.kind = MILLRACE_NO_ROW_LEFT;
        } else {
            uint8_t *value = arena + start;
            std::memcpy(value, records[i].value, bytes);
            std::memset(value + bytes, 0, 16);
            bool is_read = read_value(*plan, value, bytes, row, problem);
            if (is_read && !plan->external_slots.empty()) {
                auto texts = headers == nullptr ? nullptr : headers + i * header_count;
                store_external(*plan, row, records[i], texts, problem);
                is_read = problem.kind == MILLRACE_NO_PROBLEM;
            }
            if (is_read) {
                results[i].row = int32_t(row);
                results[i].output_start = ptrdiff_t(start);
                results[i].output_count = ptrdiff_t(bytes);
                record_of_row[row] = int32_t(i);
                row += 1;
                start += stride(*plan, bytes);
                continue;
            }
        }
        plan->problems.push_back(problem);
    }
    if (plan->parser != nullptr && plan->parser->capacity() > kept_index_bytes) {
        plan->parser.reset();
    }
    return {row, start, plan->problems.data(), plan->problems.size()};
}
