// Trees walked from the root: for rows too few to fill a block, for trees too large to ask every
// node, and for processors without wide registers.
#include "CTrees.h"
#include "leaves.hpp"

namespace {

/// What a walk is made of; `sets` where some nodes ask for one.
template <bool sets> struct Narrow {
    using Node = ct_node16;
    using Bin = uint16_t;
    static constexpr Bin set = sets ? CT_SET16 : 0;
    static constexpr Bin high = CT_HIGH16;
};
template <bool sets> struct Wide {
    using Node = ct_node32;
    using Bin = uint32_t;
    static constexpr Bin set = sets ? CT_SET32 : 0;
    static constexpr Bin high = CT_HIGH32;
};

bool is_in(const ct_walk_trees &trees, uint32_t index, uint32_t category) {
    const ct_set &set = trees.sets[index];
    if (category / 64 >= set.words) return false;
    return trees.set_words[set.first_word + category / 64] >> (category % 64) & 1;
}

/// Levels between two looks at whether all have arrived.
constexpr uint32_t levels_at_once = 4;

/// Walkers go one step at a time, all of them: while one waits for its node, the others move.
/// Walker `i` reads the bins of a row at `bins + i * apart`, or all of them the same row's.
template <class Kind, int count, int stride, int apart>
inline void step(const ct_walk_trees &trees, const typename Kind::Bin *bins, uint32_t *at) {
    auto nodes = static_cast<const typename Kind::Node *>(trees.nodes);
    for (int i = 0; i < count; i++) {
        const typename Kind::Node node = nodes[at[i]];
        if (Kind::set && (node.column & Kind::set)) {
            size_t column = node.column ^ Kind::set;
            typename Kind::Bin category = bins[column * stride + i * apart];
            at[i] = node.child + (category == Kind::high || is_in(trees, node.rank, category));
            continue;
        }
        at[i] = node.child + (bins[size_t(node.column) * stride + i * apart] >= node.rank);
    }
}

template <class Kind, int count>
bool have_arrived(const typename Kind::Node *nodes, const uint32_t *at) {
    bool have = true;
    for (int i = 0; i < count; i++) have &= nodes[at[i]].child == at[i];
    return have;
}

template <class Kind, int count, int stride, int apart>
inline void descend(
    const ct_walk_trees &trees, const typename Kind::Bin *bins, uint32_t depth, uint32_t *at) {
    auto nodes = static_cast<const typename Kind::Node *>(trees.nodes);
    while (depth > levels_at_once + 2) {
        for (uint32_t level = 0; level < levels_at_once; level++)
            step<Kind, count, stride, apart>(trees, bins, at);
        depth -= levels_at_once;
        if (have_arrived<Kind, count>(nodes, at)) return;
    }
    for (; depth > 0; depth--) step<Kind, count, stride, apart>(trees, bins, at);
}

/// `count` rows of one tree at once. Where a block has fewer, the bins of rows that were lead
/// walkers of no consequence through it.
template <class Kind, class Sum, int count>
void walk_rows(
    const ct_walk_trees &trees, uint32_t tree, const typename Kind::Bin *bins,
    const ct_leaves &leaves, const ct_block &block, int place) {
    uint32_t at[count];
    for (uint32_t &walker : at) walker = trees.roots[tree];
    descend<Kind, count, CT_BLOCK_ROWS, 1>(trees, bins + place, trees.depths[tree], at);
    for (uint32_t &walker : at) walker = trees.leaf_of[walker];
    int used = block.rows - place < count ? block.rows - place : count;
    millrace::add_leaves<Sum>(leaves, block, tree, place, used, at);
}

/// `count` trees of a block's only row at once.
template <class Kind, class Sum, uint32_t count>
void walk_trees(
    const ct_walk_trees &trees, uint32_t first, uint32_t end, const typename Kind::Bin *bins,
    const ct_leaves &leaves, const ct_block &block) {
    for (uint32_t tree = first; tree < end; tree += count) {
        uint32_t at[count];
        uint32_t depth = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t own = tree + i < end ? tree + i : tree;
            at[i] = trees.roots[own];
            depth = trees.depths[own] > depth ? trees.depths[own] : depth;
        }
        descend<Kind, count, 1, 0>(trees, bins, depth, at);
        if (leaves.giving == CT_SINGLE && leaves.targets == 1) {
            // In a register: a sum in memory would make each tree wait for the one before.
            auto values = static_cast<const Sum *>(leaves.values);
            auto sums = static_cast<Sum *>(block.sums);
            Sum sum = sums[0];
            for (uint32_t i = 0; i < count && tree + i < end; i++)
                sum += values[trees.leaf_of[at[i]]];
            sums[0] = sum;
            continue;
        }
        for (uint32_t i = 0; i < count && tree + i < end; i++) {
            uint32_t leaf = trees.leaf_of[at[i]];
            millrace::add_leaves<Sum>(leaves, block, tree + i, 0, 1, &leaf);
        }
    }
}

template <class Kind, class Sum>
void walk(
    const ct_walk_trees &trees, uint32_t first, uint32_t end, const void *bytes,
    const ct_leaves &leaves, const ct_block &block) {
    auto bins = static_cast<const typename Kind::Bin *>(bytes);
    if (block.rows == 1) return walk_trees<Kind, Sum, 16>(trees, first, end, bins, leaves, block);
    for (uint32_t tree = first; tree < end; tree++) {
        for (int place = 0; place < block.rows; place += 16) {
            if (block.rows - place > 8)
                walk_rows<Kind, Sum, 16>(trees, tree, bins, leaves, block, place);
            else
                walk_rows<Kind, Sum, 8>(trees, tree, bins, leaves, block, place);
        }
    }
}

template <class Sum, bool sets>
void walk_any(
    const ct_walk_trees &trees, uint32_t first, uint32_t end, const void *bins,
    const ct_leaves &leaves, const ct_block &block) {
    trees.is_wide ? walk<Wide<sets>, Sum>(trees, first, end, bins, leaves, block)
                  : walk<Narrow<sets>, Sum>(trees, first, end, bins, leaves, block);
}

template <class Sum>
void begin(const ct_leaves &leaves, const Sum *base, const ct_block &block) {
    auto sums = static_cast<Sum *>(block.sums);
    for (uint32_t k = 0; k < leaves.targets; k++) {
        for (int i = 0; i < block.rows; i++) {
            sums[k * CT_BLOCK_ROWS + i] = base ? base[k] : Sum(0);
            if (block.is_set) block.is_set[k * CT_BLOCK_ROWS + i] = false;
        }
    }
}

template <class Sum>
void end(
    const ct_leaves &leaves, Sum divisor, Sum scale, const Sum *base, const ct_block &block,
    Sum *out) {
    auto sums = static_cast<const Sum *>(block.sums);
    for (uint32_t k = 0; k < leaves.targets; k++) {
        for (int i = 0; i < block.rows; i++) {
            Sum sum = sums[k * CT_BLOCK_ROWS + i];
            if (divisor != 1) sum /= divisor;
            if (scale != 1) sum *= scale;
            if (base) sum += base[k];
            out[size_t(i) * leaves.targets + k] = sum;
        }
    }
}

}  // namespace

void ct_walk(
    const ct_walk_trees *trees, uint32_t first, uint32_t end, const void *bins,
    const ct_leaves *leaves, const ct_block *block) {
    if (trees->sets) {
        leaves->is_double ? walk_any<double, true>(*trees, first, end, bins, *leaves, *block)
                          : walk_any<float, true>(*trees, first, end, bins, *leaves, *block);
    } else {
        leaves->is_double ? walk_any<double, false>(*trees, first, end, bins, *leaves, *block)
                          : walk_any<float, false>(*trees, first, end, bins, *leaves, *block);
    }
}

void ct_begin(const ct_leaves *leaves, const void *base, const ct_block *block) {
    leaves->is_double ? begin(*leaves, static_cast<const double *>(base), *block)
                      : begin(*leaves, static_cast<const float *>(base), *block);
}

void ct_end(
    const ct_leaves *leaves, double divisor, double scale, const void *base,
    const ct_block *block, void *out) {
    if (leaves->is_double)
        end(*leaves, divisor, scale, static_cast<const double *>(base), *block,
            static_cast<double *>(out));
    else
        end(*leaves, float(divisor), float(scale), static_cast<const float *>(base), *block,
            static_cast<float *>(out));
}
