#include "walker.hpp"

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))

namespace millrace {

namespace {

bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/// Where the scalar in front of the next structural byte ends: only white space is between.
ALWAYS_INLINE const uint8_t *trimmed(const uint8_t *end) {
    while (end[-1] <= ' ' && is_space(end[-1])) { end -= 1; }
    return end;
}

/// A value's place: a node that reads it whole, and an array's node that takes it as an element.
struct Target {
    Node *node;
    Node *list;
};

class Walker {
public:
    Walker(MillraceJSONPlan &plan, const Record &record, MillraceProblem &problem)
        : plan_(plan), record_(record), problem_(problem) {}

    bool run(Target target);
    bool root_scalar();

private:
    MillraceJSONPlan &plan_;
    const Record &record_;
    MillraceProblem &problem_;
    size_t places_met_ = 0;
    bool is_failed_ = false;

    /// The open containers: the place of each (null where nobody wants anything below) and, for
    /// arrays, the element at hand and the next of `Node::elements`.
    Node *nodes_[MILLRACE_JSON_DEPTH_LIMIT];
    uint32_t elements_[MILLRACE_JSON_DEPTH_LIMIT];
    uint32_t cursors_[MILLRACE_JSON_DEPTH_LIMIT];
    uint64_t object_bits_ = 0;
    unsigned depth_ = 0;

    NEVER_INLINE bool fail(MillraceProblemKind kind, size_t at);
    bool push(Node *node, bool is_object, size_t at);
    bool scalar(Target target, const uint32_t *at);
    bool finish(const uint32_t *at);

    Node *member(Node *parent, const uint8_t *start, const uint8_t *close);
    NEVER_INLINE Node *escaped_member(Node *parent, const uint8_t *start, const uint8_t *close);
    Node *meet(Node *child);
    NEVER_INLINE void note_duplicate(Node *child);
    NEVER_INLINE void note_conflict(Node *child);
    NEVER_INLINE Target element_target(Node *here);

    NEVER_INLINE bool check_escapes(const uint8_t *start, const uint8_t *close);
    NEVER_INLINE bool long_number(const uint8_t *start, const uint8_t *end, Decimal &decimal);
    NEVER_INLINE bool other_number(Target target, const uint8_t *start, const uint8_t *end);
    bool float_field(Node *node, const uint8_t *start, const uint8_t *end);
    bool number(Target target, const uint8_t *start, const uint8_t *end);
    bool text(Target target, const uint8_t *start, const uint8_t *close);
    bool literal(Target target, const uint8_t *start, const uint8_t *end);
    NEVER_INLINE void deliver(Target target, const Found &found);
    Node *enter_object(Target target);
    Node *enter_array(Target target);
    void check_length(Node *node, uint32_t count);
    NEVER_INLINE void fill_missing();
};

bool Walker::fail(MillraceProblemKind kind, size_t at) {
    problem_.kind = at >= record_.count ? MILLRACE_TRUNCATED : kind;
    problem_.at = at;
    problem_.byte = at < record_.count ? record_.bytes[at] : 0;
    problem_.slot = -1;
    problem_.field = no_field;
    is_failed_ = true;
    return false;
}

ALWAYS_INLINE bool Walker::push(Node *node, bool is_object, size_t at) {
    if (depth_ == MILLRACE_JSON_DEPTH_LIMIT) { return fail(MILLRACE_TOO_DEEP, at); }
    nodes_[depth_] = node;
    elements_[depth_] = 0;
    cursors_[depth_] = 0;
    object_bits_ = (object_bits_ << 1) | uint64_t(is_object);
    depth_ += 1;
    return true;
}

// Keys.

/// The child of that name, met for the first time in this record; null where nobody wants it.
ALWAYS_INLINE Node *Walker::member(Node *parent, const uint8_t *start, const uint8_t *close) {
    if (record_.has_escapes) { return escaped_member(parent, start, close); }
    if (parent == nullptr) { return nullptr; }
    return meet(parent->find(start, size_t(close - start)));
}

Node *Walker::escaped_member(Node *parent, const uint8_t *start, const uint8_t *close) {
    size_t count = size_t(close - start);
    if (std::memchr(start, '\\', count) == nullptr) {
        return parent == nullptr ? nullptr : meet(parent->find(start, count));
    }
    if (plan_.key_bytes.size() < count + 8) { plan_.key_bytes.resize(count + 8); }
    uint8_t *plain = plan_.key_bytes.data();
    size_t failed_at = 0;
    ptrdiff_t plain_count = unescape(start, count, plain, failed_at);
    if (plain_count < 0) {
        fail(MILLRACE_BAD_ESCAPE, size_t(start - record_.bytes) + failed_at);
        return nullptr;
    }
    return parent == nullptr ? nullptr : meet(parent->find(plain, size_t(plain_count)));
}

ALWAYS_INLINE Node *Walker::meet(Node *child) {
    if (child == nullptr) { return nullptr; }
    if (child->stamp == plan_.stamp) {
        note_duplicate(child);
        return nullptr;
    }
    child->stamp = plan_.stamp;
    places_met_ += child->is_place;
    if (child->field != no_field) { note_conflict(child); }
    return child;
}

void Walker::note_duplicate(Node *child) {
    // A field that is there only for conflicts has told of itself already, or is left alone.
    if (child->slot_below < 0 || problem_.kind != MILLRACE_NO_PROBLEM) { return; }
    note(problem_, MILLRACE_DUPLICATE_FIELD, child->slot_below, -1, MILLRACE_NULL);
    problem_.depth = child->depth;
}

void Walker::note_conflict(Node *child) {
    if (plan_.on_conflict == MILLRACE_ON_CONFLICT_KEEP) {
        size_t field = size_t(child->field);
        plan_.kept[record_.row * plan_.kept_words + field / 64] |= uint64_t(1) << (field % 64);
        return;
    }
    if (problem_.kind != MILLRACE_NO_PROBLEM) { return; }
    note(problem_, MILLRACE_FIELD_EXISTS, -1, -1, MILLRACE_NULL);
    problem_.field = child->field;
}

Target Walker::element_target(Node *here) {
    Target target{nullptr, nullptr};
    uint32_t element = elements_[depth_ - 1];
    uint32_t &cursor = cursors_[depth_ - 1];
    if (cursor < here->elements.size() && here->elements[cursor].first == element) {
        target.node = meet(here->elements[cursor].second);
        cursor += 1;
    }
    if (!here->array_slots.empty()) { target.list = here; }
    return target;
}

// Scalars.

bool Walker::check_escapes(const uint8_t *start, const uint8_t *close) {
    size_t count = size_t(close - start);
    if (std::memchr(start, '\\', count) == nullptr) { return true; }
    if (plan_.key_bytes.size() < count) { plan_.key_bytes.resize(count); }
    size_t failed_at = 0;
    if (unescape(start, count, plan_.key_bytes.data(), failed_at) >= 0) { return true; }
    return fail(MILLRACE_BAD_ESCAPE, size_t(start - record_.bytes) + failed_at);
}

bool Walker::long_number(const uint8_t *start, const uint8_t *end, Decimal &decimal) {
    size_t at = size_t(start - record_.bytes);
    if (!scan_decimal(start, end, decimal)) { return fail(MILLRACE_BAD_NUMBER, at); }
    if (size_t(end - start) <= plan_.limits.number_bytes) { return true; }
    fail(MILLRACE_NUMBER_TOO_LONG, at);
    problem_.count = uint64_t(end - start);
    return false;
}

/// Any number for any target.
bool Walker::other_number(Target target, const uint8_t *start, const uint8_t *end) {
    Found found{MILLRACE_NUMBER, start, end, {}};
    if (!scan_short_decimal(start, end, found.decimal)
        && !long_number(start, end, found.decimal)) {
        return false;
    }
    if (target.node != nullptr || target.list != nullptr) { deliver(target, found); }
    return true;
}

ALWAYS_INLINE bool Walker::number(Target target, const uint8_t *start, const uint8_t *end) {
    Decimal decimal;
    if (target.node != nullptr || target.list != nullptr
        || !scan_short_decimal(start, end, decimal)) {
        return other_number(target, start, end);
    }
    return true;
}

/// The usual case of a mapped field: a short number for a float32. False says nothing.
ALWAYS_INLINE bool Walker::float_field(Node *node, const uint8_t *start, const uint8_t *end) {
    Decimal decimal;
    if (!scan_short_decimal(start, end, decimal)) { return false; }
    float value = short_decimal_to_float(decimal);
    std::memcpy(
        node->float32_base + record_.row * node->float32_row_bytes, &value, sizeof value);
    return true;
}

ALWAYS_INLINE bool Walker::text(Target target, const uint8_t *start, const uint8_t *close) {
    if (record_.has_escapes && !check_escapes(start, close)) { return false; }
    if (target.node != nullptr || target.list != nullptr) {
        deliver(target, {MILLRACE_TEXT, start, close, {}});
    }
    return true;
}

ALWAYS_INLINE bool Walker::literal(Target target, const uint8_t *start, const uint8_t *end) {
    Found found{MILLRACE_NULL, start, end, {}};
    size_t count = size_t(end - start);
    if (count == 4 && std::memcmp(start, "true", 4) == 0) {
        found.kind = MILLRACE_TRUE;
    } else if (count == 5 && std::memcmp(start, "false", 5) == 0) {
        found.kind = MILLRACE_FALSE;
    } else if (count != 4 || std::memcmp(start, "null", 4) != 0) {
        return fail(MILLRACE_BAD_LITERAL, size_t(start - record_.bytes));
    }
    if (target.node != nullptr || target.list != nullptr) { deliver(target, found); }
    return true;
}

void Walker::deliver(Target target, const Found &found) {
    if (target.node != nullptr) {
        for (uint32_t slot : target.node->scalar_slots) {
            store(plan_, slot, record_.row, 0, found, problem_);
        }
        for (uint32_t slot : target.node->array_slots) {
            if (found.kind == MILLRACE_NULL) {
                store_missing(plan_, slot, record_.row, MILLRACE_FIELD_NULL, problem_);
            } else {
                note(problem_, MILLRACE_WRONG_TYPE, int32_t(slot), -1, found.kind);
            }
        }
    }
    if (target.list != nullptr) {
        uint32_t element = elements_[depth_ - 1];
        for (uint32_t slot : target.list->array_slots) {
            if (element < plan_.slots[slot].count) {
                store(plan_, slot, record_.row, element, found, problem_);
            }
        }
    }
}

// Containers.

Node *Walker::enter_object(Target target) {
    if (target.node == nullptr && target.list == nullptr) { return nullptr; }
    deliver(target, {MILLRACE_OBJECT, nullptr, nullptr, {}});
    return target.node != nullptr && !target.node->children.empty() ? target.node : nullptr;
}

Node *Walker::enter_array(Target target) {
    if (target.list != nullptr) {
        deliver({nullptr, target.list}, {MILLRACE_ARRAY, nullptr, nullptr, {}});
    }
    if (target.node == nullptr) { return nullptr; }
    for (uint32_t slot : target.node->scalar_slots) {
        note(problem_, MILLRACE_WRONG_TYPE, int32_t(slot), -1, MILLRACE_ARRAY);
    }
    return target.node->is_entered_by_array() ? target.node : nullptr;
}

void Walker::check_length(Node *node, uint32_t count) {
    for (uint32_t slot : node->array_slots) {
        if (plan_.slots[slot].count == count || problem_.kind != MILLRACE_NO_PROBLEM) { continue; }
        note(problem_, MILLRACE_WRONG_LENGTH, int32_t(slot), -1, MILLRACE_ARRAY);
        problem_.count = count;
    }
}

void Walker::fill_missing() {
    for (Node *node : plan_.places) {
        if (node->stamp == plan_.stamp) { continue; }
        for (uint32_t slot : node->scalar_slots) {
            store_missing(plan_, slot, record_.row, MILLRACE_FIELD_MISSING, problem_);
        }
        for (uint32_t slot : node->array_slots) {
            store_missing(plan_, slot, record_.row, MILLRACE_FIELD_MISSING, problem_);
        }
    }
}

/// A record that is a lone number, string or literal: valid, but not an object.
bool Walker::root_scalar() {
    const uint8_t *start = record_.bytes + record_.indexes[0];
    const uint8_t *end = trimmed(record_.bytes + record_.indexes[1]);
    MillraceValueKind kind = MILLRACE_NULL;
    Decimal decimal;
    switch (*start) {
    case '"':
        kind = MILLRACE_TEXT;
        if (!check_escapes(start + 1, end - 1)) { return false; }
        break;
    case 't': case 'f': case 'n':
        if (!literal({}, start, end)) { return false; }
        kind = *start == 't' ? MILLRACE_TRUE : *start == 'f' ? MILLRACE_FALSE : MILLRACE_NULL;
        break;
    case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        kind = MILLRACE_NUMBER;
        if (!long_number(start, end, decimal)) { return false; }
        break;
    default: return fail(MILLRACE_EXPECTED_VALUE, record_.indexes[0]);
    }
    if (record_.index_count > 1) { return fail(MILLRACE_TRAILING_BYTES, record_.indexes[1]); }
    problem_.kind = MILLRACE_NOT_AN_OBJECT;
    problem_.found = kind;
    return false;
}

/// `at` is the bracket that closes the record.
bool Walker::finish(const uint32_t *at) {
    if (at + 1 != record_.indexes + record_.index_count) {
        return fail(MILLRACE_TRAILING_BYTES, at[1]);
    }
    if (record_.bytes[record_.indexes[0]] != '{') {
        problem_.kind = MILLRACE_NOT_AN_OBJECT;
        problem_.found = MILLRACE_ARRAY;
        return false;
    }
    if (places_met_ != plan_.places.size()) { fill_missing(); }
    plan_.brace[record_.row] = *at;
    plan_.is_empty[record_.row] = record_.index_count == 2;
    return problem_.kind == MILLRACE_NO_PROBLEM;
}

/// A string, number or literal at `at`.
ALWAYS_INLINE bool Walker::scalar(Target target, const uint32_t *at) {
    const uint8_t *start = record_.bytes + at[0];
    const uint8_t *end = record_.bytes + at[1];
    switch (*start) {
    case '"': return text(target, start + 1, trimmed(end) - 1);
    case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        return number(target, start, trimmed(end));
    case 't': case 'f': case 'n': return literal(target, start, trimmed(end));
    default: return fail(MILLRACE_EXPECTED_VALUE, at[0]);
    }
}

/// Goes through the record, whose first value is a container; the labels say what must come at
/// `at`.
bool Walker::run(Target target) {
    const uint8_t *const bytes = record_.bytes;
    const uint32_t *at = record_.indexes;
    Node *here = nullptr;

value:
    if (bytes[*at] == '{') {
        here = enter_object(target);
        if (!push(here, true, *at)) { return false; }
        at += 1;
        if (bytes[*at] == '}') { goto close; }
        goto key;
    }
    if (bytes[*at] == '[') {
        here = enter_array(target);
        if (!push(here, false, *at)) { return false; }
        at += 1;
        if (bytes[*at] != ']') { goto element; }
        if (here != nullptr) { check_length(here, 0); }
        goto close;
    }
    if (!scalar(target, at)) { return false; }
    at += 1;

after_value:
    if (object_bits_ & 1) {
        if (bytes[*at] == ',') {
            at += 1;
            goto key;
        }
        if (bytes[*at] == '}') { goto close; }
        return fail(MILLRACE_EXPECTED_COMMA_OR_BRACE, *at);
    }
    if (bytes[*at] == ',') {
        at += 1;
        elements_[depth_ - 1] += 1;
        goto element;
    }
    if (bytes[*at] != ']') { return fail(MILLRACE_EXPECTED_COMMA_OR_BRACKET, *at); }
    if (here != nullptr) { check_length(here, elements_[depth_ - 1] + 1); }
    goto close;

element:
    target = here == nullptr ? Target{} : element_target(here);
    goto value;

key:
    if (bytes[*at] != '"') { return fail(MILLRACE_EXPECTED_KEY, *at); }
    if (bytes[at[1]] != ':') { return fail(MILLRACE_EXPECTED_COLON, at[1]); }
    target.list = nullptr;
    target.node = member(here, bytes + *at + 1, trimmed(bytes + at[1]) - 1);
    at += 2;
    if (target.node != nullptr && target.node->float32_base != nullptr
        && float_field(target.node, bytes + *at, trimmed(bytes + at[1]))) {
        at += 1;
        goto after_value;
    }
    if (is_failed_) { return false; }
    goto value;

close:
    depth_ -= 1;
    object_bits_ >>= 1;
    if (depth_ == 0) { return finish(at); }
    here = nodes_[depth_ - 1];
    at += 1;
    goto after_value;
}

}  // namespace

bool walk(MillraceJSONPlan &plan, const Record &record, MillraceProblem &problem) {
    Walker walker(plan, record, problem);
    switch (record.bytes[record.indexes[0]]) {
    case '{': return walker.run({&plan.root, nullptr});
    case '[': return walker.run({});
    default: return walker.root_scalar();
    }
}

}  // namespace millrace
