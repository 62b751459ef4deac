// Trees of which every node is asked for 64 rows at once: one comparison of 64 bins a node, and a
// bit a row that tells which rows reach it. No step depends on what a row holds, so nothing waits
// for memory or a branch.
#include "CTrees.h"
#include "leaves.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define CT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

namespace {

/// Rows whose bin is at least the node's rank.
CT_AVX512 inline uint64_t ask(const ct_block_node &node, const uint8_t *bins) {
    return _mm512_cmpge_epu8_mask(
        _mm512_load_si512(bins + node.column), _mm512_set1_epi8(char(node.rank)));
}

/// Rows whose category is in a set of 256 bits: each row looks up its byte, then its bit.
CT_AVX512 inline uint64_t ask_set(
    const ct_block_member &member, const uint8_t *sets, const uint8_t *bins) {
    __m512i byte = _mm512_load_si512(bins + member.column);
    __m512i bit = _mm512_load_si512(bins + member.column + CT_BLOCK_ROWS);
    auto set = reinterpret_cast<const __m128i *>(sets + size_t(member.set) * 32);
    __m512i low = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128(set)), byte);
    __m512i high = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128(set + 1)), byte);
    __mmask64 is_high = _mm512_test_epi8_mask(byte, _mm512_set1_epi8(16));
    return _mm512_test_epi8_mask(_mm512_mask_blend_epi8(is_high, low, high), bit);
}

/// Leaf of each row, counted from the left.
CT_AVX512 inline __m512i generic_leaves(
    const ct_block_trees &trees, const ct_block_tree &tree, const uint8_t *bins) {
    const ct_block_node *nodes = trees.nodes + tree.first_node;
    int count = tree.nodes;
    uint64_t answers[CT_BLOCK_LEAVES];
    uint64_t reached[CT_BLOCK_LEAVES + 1];
    for (int i = 0; i < count; i++) answers[i] = ask(nodes[i], bins);
    const ct_block_member *members = trees.members + tree.first_member;
    for (int i = 0; i < tree.members; i++)
        answers[members[i].slot] = ask_set(members[i], trees.sets, bins);
    reached[0] = ~uint64_t(0);
    __m512i leaf = _mm512_setzero_si512();
    for (int i = 0; i < count; i++) {
        const ct_block_node &node = nodes[i];
        uint64_t right = reached[i] & answers[i];
        reached[node.left_slot] = reached[i] ^ right;
        reached[node.right_slot] = right;
        leaf = _mm512_mask_add_epi8(leaf, right, leaf, _mm512_set1_epi8(char(node.left_leaves)));
    }
    return leaf;
}

/// The bits of a leaf's number, highest first, as one bit a row each.
template <int depth> CT_AVX512 inline __m512i from_bits(const uint64_t *bits) {
    __m512i leaf = _mm512_setzero_si512();
    for (int level = 0; level < depth; level++)
        leaf = _mm512_or_si512(
            leaf, _mm512_maskz_set1_epi8(bits[level], char(1 << (depth - 1 - level))));
    return leaf;
}

/// Rows that go right somewhere in the level, and which of them reach which node of the next one.
template <int level>
CT_AVX512 inline uint64_t perfect_level(const uint64_t *answers, uint64_t *reached, bool is_last) {
    constexpr int first = (1 << level) - 1;
    uint64_t all = 0;
#pragma clang loop unroll_count(32)
    for (int i = first; i < 2 * first + 1; i++) {
        uint64_t right = reached[i] & answers[i];
        all |= right;
        if (is_last) continue;
        reached[2 * i + 1] = reached[i] ^ right;
        reached[2 * i + 2] = right;
    }
    return all;
}

template <int depth>
CT_AVX512 inline __m512i perfect_leaves(const ct_block_node *nodes, const uint8_t *bins) {
    constexpr int count = (1 << depth) - 1;
    uint64_t answers[count];
    for (int i = 0; i < count; i++) answers[i] = ask(nodes[i], bins);
    uint64_t reached[count];
    uint64_t bits[depth];
    reached[0] = ~uint64_t(0);
    bits[0] = perfect_level<0>(answers, reached, depth == 1);
    if constexpr (depth > 1) bits[1] = perfect_level<1>(answers, reached, depth == 2);
    if constexpr (depth > 2) bits[2] = perfect_level<2>(answers, reached, depth == 3);
    if constexpr (depth > 3) bits[3] = perfect_level<3>(answers, reached, depth == 4);
    if constexpr (depth > 4) bits[4] = perfect_level<4>(answers, reached, depth == 5);
    if constexpr (depth > 5) bits[5] = perfect_level<5>(answers, reached, depth == 6);
    if constexpr (depth > 6) bits[6] = perfect_level<6>(answers, reached, depth == 7);
    if constexpr (depth > 7) bits[7] = perfect_level<7>(answers, reached, depth == 8);
    return from_bits<depth>(bits);
}

template <int depth>
CT_AVX512 inline __m512i oblivious_leaves(const ct_block_node *nodes, const uint8_t *bins) {
    uint64_t bits[depth];
    for (int level = 0; level < depth; level++) bits[level] = ask(nodes[level], bins);
    return from_bits<depth>(bits);
}

CT_AVX512 __m512i leaves_of(
    const ct_block_trees &trees, const ct_block_tree &tree, const uint8_t *bins) {
    const ct_block_node *nodes = trees.nodes + tree.first_node;
    if (tree.shape == CT_OBLIVIOUS) {
        switch (tree.depth) {
        case 1: return oblivious_leaves<1>(nodes, bins);
        case 2: return oblivious_leaves<2>(nodes, bins);
        case 3: return oblivious_leaves<3>(nodes, bins);
        case 4: return oblivious_leaves<4>(nodes, bins);
        case 5: return oblivious_leaves<5>(nodes, bins);
        case 6: return oblivious_leaves<6>(nodes, bins);
        case 7: return oblivious_leaves<7>(nodes, bins);
        default: return oblivious_leaves<8>(nodes, bins);
        }
    }
    if (tree.shape == CT_PERFECT) {
        switch (tree.depth) {
        case 1: return perfect_leaves<1>(nodes, bins);
        case 2: return perfect_leaves<2>(nodes, bins);
        case 3: return perfect_leaves<3>(nodes, bins);
        case 4: return perfect_leaves<4>(nodes, bins);
        case 5: return perfect_leaves<5>(nodes, bins);
        case 6: return perfect_leaves<6>(nodes, bins);
        case 7: return perfect_leaves<7>(nodes, bins);
        default: return perfect_leaves<8>(nodes, bins);
        }
    }
    return generic_leaves(trees, tree, bins);
}

template <int quarter> CT_AVX512 inline __m128i part(__m512i leaf) {
    return _mm512_extracti32x4_epi32(leaf, quarter);
}

/// Adds the values of 16 rows; `table` has up to 64 of them.
CT_AVX512 inline void add_sixteen(const float *table, int leaves, __m128i leaf, float *sums) {
    __m512i index = _mm512_cvtepu8_epi32(leaf);
    __m512 value = _mm512_permutex2var_ps(
        _mm512_loadu_ps(table), index, _mm512_loadu_ps(table + 16));
    if (leaves > 32) {
        __m512 upper = _mm512_permutex2var_ps(
            _mm512_loadu_ps(table + 32), index, _mm512_loadu_ps(table + 48));
        __mmask16 is_upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
        value = _mm512_mask_mov_ps(value, is_upper, upper);
    }
    _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), value));
}

CT_AVX512 inline __m512d look_up(const double *table, __m512i index) {
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), index, _mm512_loadu_pd(table + 8));
}

CT_AVX512 inline void add_eight(const double *table, int leaves, __m512i index, double *sums) {
    __m512d value = look_up(table, index);
    __mmask8 bit4 = _mm512_test_epi64_mask(index, _mm512_set1_epi64(16));
    if (leaves > 16) value = _mm512_mask_mov_pd(value, bit4, look_up(table + 16, index));
    if (leaves > 32) {
        __m512d upper = look_up(table + 32, index);
        upper = _mm512_mask_mov_pd(upper, bit4, look_up(table + 48, index));
        __mmask8 bit5 = _mm512_test_epi64_mask(index, _mm512_set1_epi64(32));
        value = _mm512_mask_mov_pd(value, bit5, upper);
    }
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), value));
}

CT_AVX512 inline void add_sixteen(const double *table, int leaves, __m128i leaf, double *sums) {
    add_eight(table, leaves, _mm512_cvtepu8_epi64(leaf), sums);
    add_eight(table, leaves, _mm512_cvtepu8_epi64(_mm_srli_si128(leaf, 8)), sums + 8);
}

template <class Sum>
CT_AVX512 inline void add_single(const Sum *table, int leaves, __m512i leaf, Sum *sums) {
    if (leaves <= 64) {
        add_sixteen(table, leaves, part<0>(leaf), sums);
        add_sixteen(table, leaves, part<1>(leaf), sums + 16);
        add_sixteen(table, leaves, part<2>(leaf), sums + 32);
        add_sixteen(table, leaves, part<3>(leaf), sums + 48);
        return;
    }
    alignas(64) uint8_t numbers[CT_BLOCK_ROWS];
    _mm512_store_si512(numbers, leaf);
    for (int i = 0; i < CT_BLOCK_ROWS; i++) sums[i] += table[numbers[i]];
}

template <class Sum>
CT_AVX512 void blocks(
    const ct_block_trees &trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves &leaves, const ct_block &block) {
    for (uint32_t t = first; t < end; t++) {
        const ct_block_tree &tree = trees.trees[t];
        __m512i leaf = leaves_of(trees, tree, bins);
        if (leaves.giving == CT_SINGLE) {
            auto sums = static_cast<Sum *>(block.sums)
                + size_t(leaves.tree_targets[t]) * CT_BLOCK_ROWS;
            auto table = static_cast<const Sum *>(trees.leaf_values) + tree.first_leaf;
            add_single(table, tree.leaves, leaf, sums);
            continue;
        }
        alignas(64) uint8_t numbers[CT_BLOCK_ROWS];
        _mm512_store_si512(numbers, leaf);
        uint32_t own[CT_BLOCK_ROWS];
        const uint32_t *leaf_of = trees.leaf_of + tree.first_leaf;
        for (int i = 0; i < block.rows; i++) own[i] = leaf_of[numbers[i]];
        millrace::add_leaves<Sum>(leaves, block, t, 0, block.rows, own);
    }
}

}  // namespace

bool ct_has_blocks(void) {
    static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return has;
}

void ct_blocks(
    const ct_block_trees *trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves *leaves, const ct_block *block) {
    leaves->is_double ? blocks<double>(*trees, first, end, bins, *leaves, *block)
                      : blocks<float>(*trees, first, end, bins, *leaves, *block);
}

#else

bool ct_has_blocks(void) { return false; }

void ct_blocks(
    const ct_block_trees *, uint32_t, uint32_t, const uint8_t *, const ct_leaves *,
    const ct_block *) {}

#endif
