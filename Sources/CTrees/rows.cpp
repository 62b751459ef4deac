// Trees of which every node is asked for one row at once: for rows too few to fill a block. The
// bins of a row are looked up and compared 64 at a time; what is left of a walk is bits of a
// register.
#include "CTrees.h"
#include "leaves.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define CT_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))

namespace {

/// The answers of a row, whose bins are `low` and `high`.
CT_VBMI inline uint64_t ask(const ct_questions &questions, __m512i low, __m512i high) {
    __m512i columns = _mm512_loadu_si512(questions.columns);
    __m512i bins = _mm512_permutex2var_epi8(low, columns, high);
    return _mm512_cmpge_epu8_mask(bins, _mm512_loadu_si512(questions.ranks));
}

/// The leaf of a perfect tree, counted from the left. Answer `i` is that of node `i`, whose
/// children are nodes `2 * i` and `2 * i + 1`.
inline uint64_t perfect_leaf(uint32_t depth, uint64_t answers) {
    uint64_t node = 1;
    for (uint32_t level = 0; level < depth; level++) node = 2 * node + (answers >> node & 1);
    return node - (uint64_t(1) << depth);
}

/// Calls `take` with each tree and the place of the row's leaf among the leaves of all trees.
template <class Take>
CT_VBMI inline void each_leaf(
    const ct_row_trees &trees, uint32_t first, uint32_t end, const uint8_t *bins, Take take) {
    __m512i low = _mm512_loadu_si512(bins);
    __m512i high = _mm512_loadu_si512(bins + 64);
    uint64_t answers = 0;
    uint32_t asked = UINT32_MAX;
    for (uint32_t t = first; t < end; t++) {
        const ct_row_tree tree = trees.trees[t];
        // Oblivious trees that follow each other share their questions.
        if (tree.questions != asked) {
            asked = tree.questions;
            answers = ask(trees.questions[asked], low, high);
        }
        if (tree.shape == CT_OBLIVIOUS) {
            uint64_t mask = (uint64_t(1) << tree.depth) - 1;
            take(t, tree.first_leaf + (answers >> tree.first_answer & mask));
        } else {
            take(t, tree.first_leaf + perfect_leaf(tree.depth, answers));
        }
    }
}

template <class Sum>
CT_VBMI void one_row(
    const ct_row_trees &trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves &leaves, const ct_block &block, int place) {
    auto sums = static_cast<Sum *>(block.sums) + place;
    auto values = static_cast<const Sum *>(trees.leaf_values);
    if (leaves.giving == CT_SINGLE && leaves.targets == 1) {
        // In a register: a sum in memory would make each tree wait for the one before.
        Sum sum = sums[0];
        each_leaf(trees, first, end, bins, [&](uint32_t, uint64_t leaf) CT_VBMI {
            sum += values[leaf];
        });
        sums[0] = sum;
    } else if (leaves.giving == CT_SINGLE) {
        each_leaf(trees, first, end, bins, [&](uint32_t t, uint64_t leaf) CT_VBMI {
            sums[size_t(leaves.tree_targets[t]) * CT_BLOCK_ROWS] += values[leaf];
        });
    } else {
        each_leaf(trees, first, end, bins, [&](uint32_t t, uint64_t leaf) CT_VBMI {
            millrace::add_leaves<Sum>(leaves, block, t, place, 1, trees.leaf_of + leaf);
        });
    }
}

template <class Sum>
void rows(
    const ct_row_trees &trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves &leaves, const ct_block &block) {
    for (int i = 0; i < block.rows; i++, bins += CT_ROW_COLUMNS)
        one_row<Sum>(trees, first, end, bins, leaves, block, i);
}

}  // namespace

bool ct_has_rows(void) {
    static const bool has = ct_has_blocks() && __builtin_cpu_supports("avx512vbmi");
    return has;
}

void ct_rows(
    const ct_row_trees *trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves *leaves, const ct_block *block) {
    leaves->is_double ? rows<double>(*trees, first, end, bins, *leaves, *block)
                      : rows<float>(*trees, first, end, bins, *leaves, *block);
}

#else

bool ct_has_rows(void) { return false; }

void ct_rows(
    const ct_row_trees *, uint32_t, uint32_t, const uint8_t *, const ct_leaves *,
    const ct_block *) {}

#endif
