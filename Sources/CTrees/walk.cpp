// Trees walked from the root: for rows too few to fill a block, for trees too large to ask every
// node, and for processors without wide registers.
#include "CTrees.h"
#include "leaves.hpp"

namespace {

struct Narrow {
    using Node = ct_node16;
    using Bin = uint16_t;
};
struct Wide {
    using Node = ct_node32;
    using Bin = uint32_t;
};

/// Levels between two looks at whether all have arrived.
constexpr uint32_t levels_at_once = 4;

/// One step of each of `count` walkers: `at[i]` is a node, `bins[i]` the first bin of its row.
template <class Kind, int count>
inline void step(
    const typename Kind::Node *nodes, const typename Kind::Bin *const *bins, int stride,
    uint32_t *at) {
    for (int i = 0; i < count; i++) {
        const typename Kind::Node node = nodes[at[i]];
        at[i] = node.child + (bins[i][size_t(node.column) * size_t(stride)] >= node.rank);
    }
}

template <class Kind, int count>
bool have_arrived(const typename Kind::Node *nodes, const uint32_t *at) {
    bool have = true;
    for (int i = 0; i < count; i++) have &= nodes[at[i]].child == at[i];
    return have;
}

template <class Kind, int count>
inline void descend(
    const typename Kind::Node *nodes, const typename Kind::Bin *const *bins, int stride,
    uint32_t depth, uint32_t *at) {
    while (depth > levels_at_once + 2) {
        for (uint32_t level = 0; level < levels_at_once; level++)
            step<Kind, count>(nodes, bins, stride, at);
        depth -= levels_at_once;
        if (have_arrived<Kind, count>(nodes, at)) return;
    }
    for (; depth > 0; depth--) step<Kind, count>(nodes, bins, stride, at);
}

/// `count` rows of one tree at once.
template <class Kind, class Sum, int count>
void walk_rows(
    const ct_walk_trees &trees, uint32_t tree, const typename Kind::Bin *bins, int stride,
    const ct_leaves &leaves, const ct_block &block, int place, int used) {
    auto nodes = static_cast<const typename Kind::Node *>(trees.nodes);
    uint32_t at[count];
    const typename Kind::Bin *rows[count];
    for (int i = 0; i < count; i++) {
        at[i] = trees.roots[tree];
        // Walkers beyond the last row walk along with it.
        rows[i] = bins + place + (i < used ? i : used - 1);
    }
    descend<Kind, count>(nodes, rows, stride, trees.depths[tree], at);
    for (int i = 0; i < count; i++) at[i] = trees.leaf_of[at[i]];
    millrace::add_leaves<Sum>(leaves, block, tree, place, used, at);
}

/// Eight trees of one row at once.
template <class Kind, class Sum>
void walk_one(
    const ct_walk_trees &trees, uint32_t first, uint32_t end, const typename Kind::Bin *bins,
    int stride, const ct_leaves &leaves, const ct_block &block, int place) {
    constexpr int count = 8;
    auto nodes = static_cast<const typename Kind::Node *>(trees.nodes);
    const typename Kind::Bin *rows[count];
    for (auto &row : rows) row = bins + place;
    for (uint32_t tree = first; tree < end; tree += count) {
        uint32_t at[count];
        uint32_t depth = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t own = tree + i < end ? tree + i : tree;
            at[i] = trees.roots[own];
            depth = trees.depths[own] > depth ? trees.depths[own] : depth;
        }
        descend<Kind, count>(nodes, rows, stride, depth, at);
        for (uint32_t i = 0; i < count && tree + i < end; i++) {
            uint32_t leaf = trees.leaf_of[at[i]];
            millrace::add_leaves<Sum>(leaves, block, tree + i, place, 1, &leaf);
        }
    }
}

/// Rows below which each walks by itself.
constexpr int rows_together = 4;

template <class Kind, class Sum>
void walk(
    const ct_walk_trees &trees, uint32_t first, uint32_t end, const void *bytes, int stride,
    const ct_leaves &leaves, const ct_block &block) {
    auto bins = static_cast<const typename Kind::Bin *>(bytes);
    if (block.rows < rows_together) {
        for (int i = 0; i < block.rows; i++)
            walk_one<Kind, Sum>(trees, first, end, bins, stride, leaves, block, i);
        return;
    }
    for (uint32_t tree = first; tree < end; tree++) {
        for (int place = 0; place < block.rows; place += 16) {
            int used = block.rows - place < 16 ? block.rows - place : 16;
            if (used > 8)
                walk_rows<Kind, Sum, 16>(trees, tree, bins, stride, leaves, block, place, used);
            else
                walk_rows<Kind, Sum, 8>(trees, tree, bins, stride, leaves, block, place, used);
        }
    }
}

template <class Sum>
void begin(const ct_leaves &leaves, const Sum *base, const ct_block &block) {
    auto sums = static_cast<Sum *>(block.sums);
    for (uint32_t k = 0; k < leaves.targets; k++) {
        for (int i = 0; i < CT_BLOCK_ROWS; i++) {
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
    const ct_walk_trees *trees, uint32_t first, uint32_t end, const void *bins, int stride,
    const ct_leaves *leaves, const ct_block *block) {
    if (trees->is_wide) {
        leaves->is_double
            ? walk<Wide, double>(*trees, first, end, bins, stride, *leaves, *block)
            : walk<Wide, float>(*trees, first, end, bins, stride, *leaves, *block);
    } else {
        leaves->is_double
            ? walk<Narrow, double>(*trees, first, end, bins, stride, *leaves, *block)
            : walk<Narrow, float>(*trees, first, end, bins, stride, *leaves, *block);
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
