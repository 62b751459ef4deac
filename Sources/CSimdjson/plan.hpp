// The compiled mapping: a tree of the record's places that somebody wants something of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <simdjson.h>

#include "CSimdjson.h"
#include "decimal.hpp"
#include "text.hpp"

namespace millrace {

/// A slot with its own copies of the texts.
struct Slot {
    MillraceSource source;
    MillraceElementType type;
    bool is_array;
    bool parses_text;
    bool missing_is_error;
    uint32_t header;
    uint32_t count;
    uint8_t *base;
    size_t row_bytes;
    uint64_t missing_bits;
    std::string missing_text;
    std::vector<std::string> tokens;
};

/// A prediction field; `prefix` is its name as JSON with the colon.
struct Field {
    std::string name;
    std::string prefix;
    uint32_t column;
    uint32_t element;
    bool is_vector;
};

constexpr int32_t no_field = -1;
constexpr int32_t nest_field = -2;

/// One place in the record, reached by the keys and indexes from the root to it.
struct Node {
    // What the walker looks at for every field comes first.

    /// The name's first eight bytes, zeros behind a shorter one, and the mask of those that count.
    uint64_t name_word = 0;
    uint64_t name_mask = 0;
    size_t name_count = 0;
    /// Number of the record in which the place was met last.
    uint64_t stamp = 0;
    /// Where the only wish is one float32: the element in row 0, and bytes from row to row.
    uint8_t *float32_base = nullptr;
    size_t float32_row_bytes = 0;
    /// The sibling that came after this one when the order was learned.
    Node *follower = nullptr;
    /// The child met last.
    Node *last_met = nullptr;
    /// Prediction field of this name (top level only), no_field or nest_field.
    int32_t field = no_field;
    /// Whether slots read this place.
    bool is_place = false;

    std::string name;
    /// Slots of the plan that read this place, by index.
    std::vector<uint32_t> scalar_slots;
    std::vector<uint32_t> array_slots;
    /// A slot at or below this place, for messages; -1 without one.
    int32_t slot_below = -1;
    uint32_t depth = 0;
    std::vector<std::unique_ptr<Node>> children;
    /// Children by name: an open-addressed table, at most half full.
    std::vector<Node *> table;
    uint64_t table_mask = 0;
    /// Children that can be array elements, by rising index.
    std::vector<std::pair<uint32_t, Node *>> elements;

    bool is_entered_by_array() const { return !elements.empty() || !array_slots.empty(); }
    Node *child(const std::string &name);
    void seal();

    static uint64_t hash(uint64_t word, size_t count) {
        uint64_t mixed = (word ^ (uint64_t(count) << 56)) * 0x9E3779B97F4A7C15u;
        return mixed >> 40;
    }

    bool is_named(const uint8_t *bytes, size_t count) const {
        return count == name_count && ((load_word(bytes) ^ name_word) & name_mask) == 0
            && (count <= 8 || std::memcmp(name.data() + 8, bytes + 8, count - 8) == 0);
    }

    /// The child of that name, whose bytes may be read up to eight behind its start: at once where
    /// the fields come in the order last seen.
    __attribute__((always_inline)) Node *find(const uint8_t *bytes, size_t count) {
        if (last_met == nullptr) { return nullptr; }
        Node *guess = last_met->follower;
        if (!guess->is_named(bytes, count)) {
            guess = look_up(bytes, count);
            if (guess == nullptr) { return nullptr; }
            last_met->follower = guess;
        }
        last_met = guess;
        return guess;
    }

    __attribute__((noinline)) Node *look_up(const uint8_t *bytes, size_t count) const {
        uint64_t mask = count >= 8 ? ~uint64_t(0) : (uint64_t(1) << (count * 8)) - 1;
        uint64_t at = hash(load_word(bytes) & mask, count) & table_mask;
        for (; table[at] != nullptr; at = (at + 1) & table_mask) {
            if (table[at]->is_named(bytes, count)) { return table[at]; }
        }
        return nullptr;
    }
};

}  // namespace millrace

/// What the C interface hands out: the compiled mapping and the buffers of one lane.
struct MillraceJSONPlan {
    MillraceLimits limits;
    MillraceOnConflict on_conflict;
    size_t capacity_rows;
    std::string under;
    std::string under_prefix;
    std::vector<millrace::Slot> slots;
    std::vector<millrace::Field> fields;
    millrace::Node root;
    /// All places with slots, and how many there are.
    std::vector<millrace::Node *> places;
    /// Slots that are not fields.
    std::vector<uint32_t> external_slots;
    uint64_t stamp = 0;

    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
    millrace::TextPool texts;
    std::vector<uint8_t> key_bytes;
    std::vector<MillraceProblem> problems;

    /// Per row of the last read: offset of the last brace in the value.
    std::vector<size_t> brace;
    std::vector<uint8_t> is_empty;
    /// Per row, for `keep`: a bit for each prediction field that the record has.
    std::vector<uint64_t> kept;
    size_t kept_words = 0;

    /// Bytes wanted behind each value for the predictions; follows what was written.
    size_t prediction_room;
    /// What the last read left there.
    size_t room_of_read;
    std::string written;
};
