// What the leaves of some rows add to the sums of a block.
#ifndef MILLRACE_LEAVES_HPP
#define MILLRACE_LEAVES_HPP

#include "CTrees.h"

#include <cmath>
#include <cstring>

namespace millrace {

template <class Sum>
void combine(uint8_t aggregate, Sum &sum, bool *is_set, Sum value) {
    if (aggregate == CT_SUM) {
        sum += value;
        return;
    }
    bool replaces = !*is_set || (aggregate == CT_MINIMUM ? value < sum : value > sum);
    if (replaces) sum = value;
    *is_set = true;
}

/// Whether the leaf is linear in features that are all there; `*sum` is then what it gives.
template <class Feature>
bool has_line(
    const ct_leaves &leaves, const ct_view *features, size_t row, uint32_t leaf, double *sum) {
    *sum = leaves.line_constants[leaf];
    if (std::isnan(*sum)) return false;
    for (uint32_t i = leaves.line_starts[leaf]; i < leaves.line_starts[leaf + 1]; i++) {
        const ct_view &view = features[leaves.line_features[i]];
        Feature value;
        std::memcpy(
            &value, static_cast<const char *>(view.base) + row * view.stride, sizeof value);
        if (std::isnan(value)) return false;
        // Rounded after each step, as the libraries do: no fused multiplication.
        double product = leaves.line_factors[i] * double(value);
        *sum += product;
    }
    return true;
}

template <class Sum>
void add_general(
    const ct_leaves &leaves, const ct_block &block, int place, uint32_t leaf) {
    auto sums = static_cast<Sum *>(block.sums);
    auto values = static_cast<const Sum *>(leaves.values);
    size_t row = block.row + size_t(place);
    double line = 0;
    bool is_linear = leaves.line_starts
        && (leaves.features_are_double
                ? has_line<double>(leaves, block.features, row, leaf, &line)
                : has_line<float>(leaves, block.features, row, leaf, &line));
    for (uint32_t i = leaves.starts[leaf]; i < leaves.starts[leaf + 1]; i++) {
        size_t at = size_t(leaves.entry_targets[i]) * CT_BLOCK_ROWS + size_t(place);
        Sum value = is_linear ? Sum(line) : values[i];
        combine(leaves.aggregate, sums[at], block.is_set ? block.is_set + at : nullptr, value);
    }
}

/// Adds for rows `place` to `place + count` of the block the leaves of one tree.
template <class Sum>
void add_leaves(
    const ct_leaves &leaves, const ct_block &block, uint32_t tree, int place, int count,
    const uint32_t *leaf) {
    auto sums = static_cast<Sum *>(block.sums);
    auto values = static_cast<const Sum *>(leaves.values);
    switch (leaves.giving) {
    case CT_SINGLE:
        sums += size_t(leaves.tree_targets[tree]) * CT_BLOCK_ROWS + size_t(place);
        for (int i = 0; i < count; i++) sums[i] += values[leaf[i]];
        break;
    case CT_DENSE:
        for (int i = 0; i < count; i++) {
            const Sum *given = values + size_t(leaf[i]) * leaves.targets;
            Sum *at = sums + place + i;
            for (uint32_t k = 0; k < leaves.targets; k++) at[size_t(k) * CT_BLOCK_ROWS] += given[k];
        }
        break;
    default:
        for (int i = 0; i < count; i++) add_general<Sum>(leaves, block, place + i, leaf[i]);
    }
}

}  // namespace millrace

#endif
