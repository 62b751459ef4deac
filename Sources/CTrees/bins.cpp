// Values of features to bins.
#include "CTrees.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define CT_X86 1
#endif

namespace {

template <class Number> Number value_at(const ct_view &view, size_t row) {
    Number value;
    std::memcpy(&value, static_cast<const char *>(view.base) + row * view.stride, sizeof value);
    return value;
}

/// LightGBM's kZeroThreshold.
constexpr double zero_threshold = 1e-35f;

/// The value as the column takes it; NaN where it is missing.
template <class Number> Number taken(Number value, uint8_t missing) {
    if (missing & CT_NAN_IS_ZERO) return std::isnan(value) ? Number(0) : value;
    if ((missing & CT_ZERO_IS_MISSING) && std::fabs(value) <= zero_threshold)
        return Number(NAN);
    return value;
}

/// Sorted thresholds that are not above the value; none for NaN.
template <class Number> uint32_t rank_of(const Number *sorted, uint32_t count, Number value) {
    const Number *low = sorted;
    while (count > 1) {
        uint32_t half = count / 2;
        low += low[half - 1] <= value ? half : 0;
        count -= half;
    }
    return uint32_t(low - sorted) + (count == 1 && *low <= value);
}

template <class Number>
bool is_member(const ct_column &column, const uint64_t *words, Number value) {
    if (std::isnan(value)) return false;
    if (column.reading == CT_TRUNCATED_NONNEGATIVE && value < 0) return false;
    Number whole = std::trunc(value);
    if (column.reading == CT_EXACT && whole != value) return false;
    words += column.first;
    if (column.kind == CT_LISTED_MEMBER) {
        if (std::fabs(whole) >= Number(9.2e18)) return false;
        auto category = int64_t(whole);
        auto listed = reinterpret_cast<const int64_t *>(words);
        return std::binary_search(listed, listed + column.count, category);
    }
    if (whole < 0 || whole >= Number(column.count) * 64) return false;
    auto category = uint64_t(whole);
    return words[category / 64] >> (category % 64) & 1;
}

/// The value's category up to `limit`; `high` where it is missing and above, else `none`.
template <class Number>
uint32_t category_of(
    const ct_column &column, Number value, uint32_t limit, uint32_t high, uint32_t none) {
    if (std::isnan(value)) return column.missing & CT_NAN_IS_HIGH ? high : none;
    if (column.reading == CT_TRUNCATED_NONNEGATIVE && value < 0) return none;
    Number whole = std::trunc(value);
    if (column.reading == CT_EXACT && whole != value) return none;
    return whole < 0 || whole > Number(limit) ? none : uint32_t(whole);
}

/// Categories, whole in wide bins, as byte or bit in narrow ones.
template <class Number, class Bin>
void bin_codes(
    const ct_column &column, const ct_view &view, size_t row, int rows, int apart, Bin high,
    Bin *bins) {
    for (int i = 0; i < rows; i++, bins += apart) {
        Number value = taken(value_at<Number>(view, row + i), column.missing);
        if (column.kind == CT_CODE) {
            // Sets have no categories as large (ColumnTable.categoryMax); the greatest number of
            // the type is the rank that nothing reaches, which leaves rely on.
            uint32_t none = uint32_t(high) - 1;
            *bins = Bin(category_of(column, value, 0xffff - 3, high, none));
            continue;
        }
        uint32_t code = category_of(
            column, value, CT_NARROW_HIGH - 1, CT_NARROW_HIGH, CT_NARROW_NO_CATEGORY);
        *bins = Bin(column.kind == CT_CODE_BYTE ? code / 8 : 1u << (code % 8));
    }
}

template <class Number, class Bin>
void bin_flags(
    const ct_columns &all, const ct_column &column, const ct_view &view, size_t row, int rows,
    int apart, Bin high, Bin *bins) {
    auto numbers = static_cast<const Number *>(all.numbers);
    for (int i = 0; i < rows; i++, bins += apart) {
        Number value = taken(value_at<Number>(view, row + i), column.missing);
        bool holds = column.kind == CT_EQUAL ? value == numbers[column.first]
                                             : is_member(column, all.words, value);
        bool is_high = std::isnan(value) && (column.missing & CT_NAN_IS_HIGH);
        *bins = is_high ? high : Bin(holds);
    }
}

/// The rank of each row's value: by halving, which every processor can.
template <class Number, class Bin>
void bin_ranks(
    const ct_columns &all, const ct_column &column, const ct_view &view, size_t row, int rows,
    int apart, Bin high, Bin *bins) {
    const Number *sorted = static_cast<const Number *>(all.numbers) + column.first;
    bool is_table = column.count > CT_SHORT_LIST && column.count <= CT_NARROW_THRESHOLDS;
    if (is_table) sorted += CT_TABLE - 256;
    for (int i = 0; i < rows; i++, bins += apart) {
        Number value = taken(value_at<Number>(view, row + i), column.missing);
        bool is_high = std::isnan(value) && (column.missing & CT_NAN_IS_HIGH);
        *bins = is_high ? high : Bin(rank_of(sorted, column.count, value));
    }
}

#ifdef CT_X86
#define CT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,popcnt")))

CT_AVX512 inline unsigned at_most(const float *sixteen, float value) {
    return unsigned(__builtin_popcount(
        _mm512_cmp_ps_mask(_mm512_loadu_ps(sixteen), _mm512_set1_ps(value), _CMP_LE_OQ)));
}

CT_AVX512 inline unsigned at_most(const double *sixteen, double value) {
    __m512d wanted = _mm512_set1_pd(value);
    unsigned low = _mm512_cmp_pd_mask(_mm512_loadu_pd(sixteen), wanted, _CMP_LE_OQ);
    unsigned high = _mm512_cmp_pd_mask(_mm512_loadu_pd(sixteen + 8), wanted, _CMP_LE_OQ);
    return unsigned(__builtin_popcount(low | high << 8));
}

/// The same where one comparison of 16 numbers, or two, find the rank.
template <class Number, class Bin>
CT_AVX512 void bin_ranks_at_once(
    const ct_columns &all, const ct_column &column, const ct_view &view, size_t row, int rows,
    int apart, Bin high, Bin *bins) {
    // Copies: what is stored to `bins` might be anything that a pointer leads to.
    const Number *table = static_cast<const Number *>(all.numbers) + column.first;
    const bool is_short = column.count <= CT_SHORT_LIST;
    const uint8_t missing = column.missing;
    const bool is_taken = missing & ~CT_NAN_IS_HIGH;
    const Bin above = missing & CT_NAN_IS_HIGH ? high : Bin(0);
    const ptrdiff_t stride = view.stride;
    auto place = static_cast<const char *>(view.base) + ptrdiff_t(row) * stride;
    for (int i = 0; i < rows; i++, place += stride, bins += apart) {
        Number value;
        std::memcpy(&value, place, sizeof value);
        if (is_taken) value = taken(value, missing);
        unsigned rank = at_most(table, value);
        if (!is_short) rank = rank * 16 + at_most(table + 16 + rank * 16, value);
        // NaN is above no threshold: its rank is 0 where it is not above all.
        *bins = std::isnan(value) ? above : Bin(rank);
    }
}
#endif

template <class Number, class Bin>
void bin(
    const ct_columns &all, const ct_view *features, size_t row, int rows, int stride, int apart,
    Bin high, Bin *bins) {
    bool is_at_once = ct_has_blocks();
    for (uint32_t c = 0; c < all.count; c++, bins += stride) {
        const ct_column &column = all.columns[c];
        const ct_view &view = features[column.feature];
        if (column.kind >= CT_CODE) {
            bin_codes<Number>(column, view, row, rows, apart, high, bins);
        } else if (column.kind != CT_RANK) {
            bin_flags<Number>(all, column, view, row, rows, apart, high, bins);
#ifdef CT_X86
        } else if (is_at_once && column.count <= CT_NARROW_THRESHOLDS) {
            bin_ranks_at_once<Number>(all, column, view, row, rows, apart, high, bins);
#endif
        } else {
            bin_ranks<Number>(all, column, view, row, rows, apart, high, bins);
        }
    }
}

template <class Bin>
void bin_any(
    const ct_columns &all, const ct_view *features, size_t row, int rows, int stride, int apart,
    Bin high, Bin *bins) {
    all.is_double ? bin<double>(all, features, row, rows, stride, apart, high, bins)
                  : bin<float>(all, features, row, rows, stride, apart, high, bins);
}

}  // namespace

void ct_bin_narrow(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint8_t *bins) {
    bin_any(*columns, features, row, rows, CT_BLOCK_ROWS, 1, uint8_t(255), bins);
}

void ct_bin_rows(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint8_t *bins) {
    bin_any(*columns, features, row, rows, 1, CT_ROW_COLUMNS, uint8_t(255), bins);
}

void ct_bin_wide16(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint16_t *bins) {
    int stride = rows == 1 ? 1 : CT_BLOCK_ROWS;
    bin_any(*columns, features, row, rows, stride, 1, uint16_t(CT_HIGH16), bins);
}

void ct_bin_wide32(
    const ct_columns *columns, const ct_view *features, size_t row, int rows, uint32_t *bins) {
    int stride = rows == 1 ? 1 : CT_BLOCK_ROWS;
    bin_any(*columns, features, row, rows, stride, 1, uint32_t(CT_HIGH32), bins);
}
