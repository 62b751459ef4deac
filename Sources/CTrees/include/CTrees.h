/// The tree kernel's loops over one block of rows: bins of feature values, and trees over bins.
///
/// A bin is a small whole number that stands for a feature's value: how many of a column's
/// thresholds are not above it. A tree's node asks only whether the bin of a column is at least its
/// rank, and goes right where it is. What a value that is not there means, which way a comparison
/// points, and whether numbers are floats or doubles is thus settled once a row and column.
///
/// Nothing here checks anything: MillraceTrees/TreeLayout makes what is handed over, and does.
#ifndef MILLRACE_CTREES_H
#define MILLRACE_CTREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Rows of a block, and the distance of two columns' bins in it.
#define CT_BLOCK_ROWS 64
/// Thresholds that a narrow column can have: ranks 1 to 254, 255 is above all of them.
#define CT_NARROW_THRESHOLDS 254
/// Thresholds that are kept as they are, in 16 numbers; NaN is behind the last.
#define CT_SHORT_LIST 16
/// Numbers of more than CT_SHORT_LIST and up to CT_NARROW_THRESHOLDS thresholds: every 16th of
/// them, then all; NaN is behind the last.
#define CT_TABLE 272
/// Leaves that a tree in blocks can have.
#define CT_BLOCK_LEAVES 256

/// Where the values of a feature lie: row `i` at `base + i * stride` bytes.
typedef struct {
    const void *base;
    ptrdiff_t stride;
} ct_view;

enum ct_kind {
    CT_RANK = 0,
    CT_EQUAL = 1,
    CT_MEMBER = 2,         // of a set of bits: 1, else 0
    CT_LISTED_MEMBER = 3,  // of a sorted list of int64: 1, else 0
    CT_CODE = 4,           // in wide bins: the category, or one that no set has
    CT_CODE_BYTE = 5,      // in narrow bins: in which byte of a set of 256 bits it is
    CT_CODE_BIT = 6,       // and which bit there
};

enum ct_missing {
    CT_NAN_IS_HIGH = 1,      // a missing value is above all thresholds, else below
    CT_NAN_IS_ZERO = 2,      // NaN is taken for 0 and not missing
    CT_ZERO_IS_MISSING = 4,  // so is what is at most 1e-35f in magnitude
};

enum ct_reading { CT_EXACT = 0, CT_TRUNCATED = 1, CT_TRUNCATED_NONNEGATIVE = 2 };

/// How the bins of a column come from the values of a feature.
typedef struct {
    uint32_t feature;
    uint8_t kind;     // ct_kind
    uint8_t missing;  // bits of ct_missing
    uint8_t reading;  // ct_reading, of members
    /// CT_RANK and CT_EQUAL: the place of its thresholds in `numbers`; members: in `words`.
    size_t first;
    /// Thresholds, 1 of CT_EQUAL; words, of 64 categories each or of one.
    uint32_t count;
} ct_column;

typedef struct {
    const ct_column *columns;
    uint32_t count;
    bool is_double;
    /// Thresholds, sorted: a short list, a table, or, where there are more, just as many numbers.
    const void *numbers;
    const uint64_t *words;
} ct_columns;

/// Columns that a row in rows can have, and the distance of two rows' bins.
#define CT_ROW_COLUMNS 128

/// Bins of up to CT_BLOCK_ROWS rows from `row` on: `bins[column * CT_BLOCK_ROWS + i]`. Rows of the
/// block that are not there get no bins.
void ct_bin_narrow(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint8_t *bins);
/// The same, row by row: `bins[i * CT_ROW_COLUMNS + column]`.
void ct_bin_rows(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint8_t *bins);
/// As ct_bin_narrow into 16 or 32 bits. The bins of a single row lie side by side: `bins[column]`.
void ct_bin_wide16(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint16_t *bins);
void ct_bin_wide32(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint32_t *bins);

/// Above all ranks but "never" (the type's greatest). As a category: one that each set's rule about
/// missing values has put above, so that it counts as a member.
#define CT_HIGH16 0xfffe
#define CT_HIGH32 0xfffffffeu
/// The same in 8 bits of a category, and a category that is in no set.
#define CT_NARROW_HIGH 254
#define CT_NARROW_NO_CATEGORY 255
/// In the column of a walk's node: it asks whether the category is in the set that `rank` names.
#define CT_SET16 0x8000
#define CT_SET32 0x80000000u

/// A node of a walk. Its children lie side by side; a leaf is its own child and has the rank
/// "never".
typedef struct {
    uint32_t child;
    uint16_t column;
    uint16_t rank;
} ct_node16;

typedef struct {
    uint32_t child;
    uint32_t column;
    uint32_t rank;
} ct_node32;

enum ct_giving {
    CT_SINGLE = 0,  // one value a leaf, all of a tree for one target
    CT_DENSE = 1,   // `targets` values a leaf
    CT_GENERAL = 2, // entries, aggregates that are no sums, linear leaves
};

enum ct_aggregate { CT_SUM = 0, CT_MINIMUM = 1, CT_MAXIMUM = 2 };

/// What leaves give. `values` are doubles where `is_double`, else floats.
typedef struct {
    uint8_t giving;     // ct_giving
    uint8_t aggregate;  // ct_aggregate; others than CT_SUM only with CT_GENERAL
    bool is_double;
    bool features_are_double;
    uint32_t targets;
    const void *values;
    /// CT_SINGLE: the target of each tree.
    const uint32_t *tree_targets;
    /// CT_GENERAL: where a leaf's entries begin (one more for the end), and their targets.
    const uint32_t *starts;
    const uint32_t *entry_targets;
    /// Linear leaves or NULL: where a leaf's terms begin (one more for the end); a leaf without a
    /// line has none and a constant of NaN.
    const uint32_t *line_starts;
    const uint32_t *line_features;
    const double *line_factors;
    const double *line_constants;
} ct_leaves;

/// What the leaves of a block's rows are added to: `sums[target * CT_BLOCK_ROWS + i]`.
typedef struct {
    void *sums;
    /// CT_MINIMUM and CT_MAXIMUM: whether there is a value yet; as many as sums.
    bool *is_set;
    const ct_view *features;
    size_t row;
    int rows;
} ct_block;

/// Categories as bits, from 0.
typedef struct {
    size_t first_word;
    uint32_t words;
} ct_set;

/// Trees for walking from the root, 16 rows at a time, or 16 trees of a single row.
typedef struct {
    bool is_wide;       // ct_node32 over 32-bit bins, else ct_node16 over 16-bit ones
    const void *nodes;
    const uint32_t *roots;
    const uint32_t *depths;
    /// By node, of leaves.
    const uint32_t *leaf_of;
    /// NULL where no node asks for a set.
    const ct_set *sets;
    const uint64_t *set_words;
} ct_walk_trees;

/// Adds the leaves of trees `first` to `end`, in this order.
void ct_walk(
    const ct_walk_trees *trees, uint32_t first, uint32_t end, const void *bins,
    const ct_leaves *leaves, const ct_block *block);

enum ct_shape {
    CT_GENERIC = 0,    // any tree: parents before children
    CT_PERFECT = 1,    // all leaves at one depth of 1 to 8, level by level
    CT_OBLIVIOUS = 2,  // one question a level, depth 1 to 8
};

/// A node of a tree in blocks.
typedef struct {
    uint32_t column;      // place of the column's bins: its index * CT_BLOCK_ROWS
    uint16_t left_slot;   // CT_GENERIC: the child's place among the tree's nodes, or its count
    uint16_t right_slot;
    uint8_t rank;
    uint8_t left_leaves;  // CT_GENERIC: leaves below the left child
} ct_block_node;

/// A node of a CT_GENERIC tree that asks for a set; it comes among the nodes as well.
typedef struct {
    uint32_t column;  // place of the CT_CODE_BYTE bins; those of CT_CODE_BIT follow
    uint32_t set;     // of 256 bits
    uint16_t slot;    // place among the tree's nodes
} ct_block_member;

typedef struct {
    uint64_t first_node;
    uint64_t first_member;
    /// Of the values of the tree's leaves, left to right, in `leaf_values` and in `leaf_of`.
    uint64_t first_leaf;
    uint16_t nodes;
    uint16_t members;
    uint16_t leaves;
    uint8_t shape;  // ct_shape
    uint8_t depth;
} ct_block_tree;

/// Trees whose nodes are all asked, for 64 rows at once. Needs AVX-512 (F, BW, VL, DQ).
typedef struct {
    const ct_block_tree *trees;
    const ct_block_node *nodes;
    const ct_block_member *members;
    /// 32 bytes each.
    const uint8_t *sets;
    /// Of CT_SINGLE, of the type that is summed in; readable 64 numbers behind a tree's first.
    const void *leaf_values;
    /// The leaf's index in `ct_leaves`.
    const uint32_t *leaf_of;
} ct_block_trees;

/// Whether this processor and build have it.
bool ct_has_blocks(void);

/// Adds the leaves of trees `first` to `end`, in this order.
void ct_blocks(
    const ct_block_trees *trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves *leaves, const ct_block *block);

/// 64 questions that are asked of a row at once: of perfect trees one's nodes, from 1 on, of
/// oblivious ones the levels of several.
typedef struct {
    uint8_t columns[64];
    uint8_t ranks[64];
} ct_questions;

typedef struct {
    uint32_t questions;
    /// Of an oblivious tree: the place of its last level's answer.
    uint8_t first_answer;
    uint8_t shape;  // CT_PERFECT of depth 1 to 6, or CT_OBLIVIOUS
    uint8_t depth;
    uint64_t first_leaf;  // as in ct_block_tree
} ct_row_tree;

/// The trees of ct_block_trees for few rows: all nodes of a tree are asked at once. Needs AVX-512
/// with VBMI.
typedef struct {
    const ct_row_tree *trees;
    const ct_questions *questions;
    const void *leaf_values;
    const uint32_t *leaf_of;
} ct_row_trees;

/// Whether this processor and build have it.
bool ct_has_rows(void);

/// Adds the leaves of trees `first` to `end`, in this order; bins as ct_bin_rows writes them.
void ct_rows(
    const ct_row_trees *trees, uint32_t first, uint32_t end, const uint8_t *bins,
    const ct_leaves *leaves, const ct_block *block);

/// Begins a block: sums are `base` (by target, of the summed type) or 0 where it is NULL.
void ct_begin(const ct_leaves *leaves, const void *base, const ct_block *block);

/// Ends a block: (sum / divisor) * scale + base, each step rounded to the summed type, written row
/// by row to `out`. A divisor or scale of 1, and a base of NULL, are left out.
void ct_end(
    const ct_leaves *leaves, double divisor, double scale, const void *base,
    const ct_block *block, void *out);

#ifdef __cplusplus
}
#endif
#endif
