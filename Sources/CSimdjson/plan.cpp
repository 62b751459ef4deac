#include "plan.hpp"

#include <algorithm>

namespace millrace {

namespace {

std::string copy(MillraceText text) {
    return text.start == nullptr
        ? std::string()
        : std::string(reinterpret_cast<const char *>(text.start), size_t(text.count));
}

std::string json_prefix(const std::string &name) {
    std::string prefix;
    write_string(prefix, reinterpret_cast<const uint8_t *>(name.data()), name.size());
    prefix.push_back(':');
    return prefix;
}

/// The array index that a pointer's token names, as RFC 6901 writes it; -1 for other tokens.
int64_t element_index(const std::string &token) {
    if (token.empty() || token.size() > 9 || (token[0] == '0' && token.size() > 1)) { return -1; }
    int64_t index = 0;
    for (char character : token) {
        if (character < '0' || character > '9') { return -1; }
        index = index * 10 + (character - '0');
    }
    return index;
}

void collect(Node *root, std::vector<Node *> &all) {
    all.push_back(root);
    for (size_t i = 0; i < all.size(); i += 1) {
        for (auto &child : all[i]->children) { all.push_back(child.get()); }
    }
}

}  // namespace

Node *Node::child(const std::string &wanted) {
    for (auto &child : children) {
        if (child->name == wanted) { return child.get(); }
    }
    children.push_back(std::make_unique<Node>());
    Node *child = children.back().get();
    child->name = wanted;
    std::memcpy(&child->name_word, wanted.data(), std::min<size_t>(wanted.size(), 8));
    child->name_count = wanted.size();
    child->name_mask =
        wanted.size() >= 8 ? ~uint64_t(0) : (uint64_t(1) << (wanted.size() * 8)) - 1;
    child->follower = child;
    child->depth = depth + 1;
    return child;
}

void Node::seal() {
    if (children.empty()) { return; }
    last_met = children.back().get();
    size_t size = 4;
    while (size < children.size() * 2) { size *= 2; }
    // A few doublings more where that makes every name findable at the first try.
    for (int attempt = 0; attempt < 4; attempt += 1, size *= 2) {
        table.assign(size, nullptr);
        table_mask = size - 1;
        bool collides = false;
        for (auto &child : children) {
            uint64_t at = hash(child->name_word, child->name_count) & table_mask;
            for (; table[at] != nullptr; at = (at + 1) & table_mask) { collides = true; }
            table[at] = child.get();
        }
        if (!collides) { break; }
    }
    for (auto &child : children) {
        int64_t index = element_index(child->name);
        if (index >= 0 && child->slot_below >= 0) {
            elements.push_back({uint32_t(index), child.get()});
        }
    }
    std::sort(elements.begin(), elements.end(), [](const auto &one, const auto &other) {
        return one.first < other.first;
    });
}

}  // namespace millrace

using namespace millrace;

MillraceJSONPlan *millrace_json_new(
    MillraceLimits limits, MillraceOnConflict on_conflict, MillraceText under,
    size_t capacity_rows) noexcept {
    auto plan = new MillraceJSONPlan();
    plan->limits = limits;
    plan->on_conflict = on_conflict;
    plan->capacity_rows = capacity_rows;
    plan->under = copy(under);
    plan->under_prefix = json_prefix(plan->under);
    plan->brace.resize(capacity_rows);
    plan->is_empty.resize(capacity_rows);
    plan->prediction_room = 0;
    plan->room_of_read = 0;
    return plan;
}

void millrace_json_free(MillraceJSONPlan *plan) noexcept { delete plan; }

void millrace_json_add_slot(MillraceJSONPlan *plan, const MillraceSlot *slot) noexcept {
    Slot own;
    own.source = slot->source;
    own.type = slot->type;
    own.is_array = slot->is_array;
    own.parses_text = slot->parses_text;
    own.missing_is_error = slot->missing_is_error;
    own.header = slot->header;
    own.count = slot->count;
    own.base = static_cast<uint8_t *>(slot->base);
    own.row_bytes = slot->row_bytes;
    own.missing_bits = slot->missing_bits;
    own.missing_text = copy(slot->missing_text);
    for (size_t i = 0; i < slot->token_count; i += 1) {
        own.tokens.push_back(copy(slot->tokens[i]));
    }
    plan->slots.push_back(std::move(own));
}

void millrace_json_add_field(MillraceJSONPlan *plan, const MillraceField *field) noexcept {
    Field own;
    own.name = copy(field->name);
    own.prefix = json_prefix(own.name);
    own.column = field->column;
    own.element = field->element;
    own.is_vector = field->is_vector;
    plan->prediction_room += own.prefix.size() + 24;
    plan->fields.push_back(std::move(own));
}

void millrace_json_seal(MillraceJSONPlan *plan) noexcept {
    for (size_t i = 0; i < plan->slots.size(); i += 1) {
        const Slot &slot = plan->slots[i];
        if (slot.source != MILLRACE_SOURCE_FIELD) {
            plan->external_slots.push_back(uint32_t(i));
            continue;
        }
        Node *node = &plan->root;
        for (const std::string &token : slot.tokens) {
            node = node->child(token);
            if (node->slot_below < 0) { node->slot_below = int32_t(i); }
        }
        (slot.is_array ? node->array_slots : node->scalar_slots).push_back(uint32_t(i));
    }
    if (plan->on_conflict == MILLRACE_ON_CONFLICT_NEST) {
        plan->root.child(plan->under)->field = nest_field;
        plan->prediction_room += plan->under_prefix.size() + 2;
    } else {
        for (size_t i = 0; i < plan->fields.size(); i += 1) {
            plan->root.child(plan->fields[i].name)->field = int32_t(i);
        }
    }
    std::vector<Node *> all;
    collect(&plan->root, all);
    for (Node *node : all) {
        node->seal();
        node->is_place = !node->scalar_slots.empty() || !node->array_slots.empty();
        if (node->is_place) { plan->places.push_back(node); }
        if (node->scalar_slots.size() == 1 && node->array_slots.empty()
            && node->field == no_field) {
            const Slot &slot = plan->slots[node->scalar_slots[0]];
            if (slot.type == MILLRACE_FLOAT32) {
                node->float32_base = slot.base;
                node->float32_row_bytes = slot.row_bytes;
            }
        }
    }
    if (plan->on_conflict == MILLRACE_ON_CONFLICT_KEEP) {
        plan->kept_words = (plan->fields.size() + 63) / 64;
        plan->kept.resize(plan->capacity_rows * plan->kept_words);
    }
}

#define MILLRACE_TEXT_OF(value) #value
#define MILLRACE_TEXT(macro) MILLRACE_TEXT_OF(macro)

const char *millrace_simdjson_version() noexcept { return MILLRACE_TEXT(SIMDJSON_VERSION); }
