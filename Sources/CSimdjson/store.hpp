// Writes found values into feature rows.
#pragma once

#include "plan.hpp"

namespace millrace {

/// A scalar of the record, or of a text that stands for one.
struct Found {
    MillraceValueKind kind;
    /// The number's text, or the inside of a string.
    const uint8_t *start;
    const uint8_t *end;
    /// For numbers.
    Decimal decimal;
};

/// Remembers the record's first problem with the mapping.
void note(
    MillraceProblem &problem, MillraceProblemKind kind, int32_t slot, int64_t element,
    MillraceValueKind found);

/// Writes one element of a slot in `row`, or notes why it cannot. A string still has its escapes.
void store(
    MillraceJSONPlan &plan, uint32_t slot, size_t row, uint32_t element, const Found &found,
    MillraceProblem &problem);

/// Applies the policy to all elements of a slot whose source is absent or null.
void store_missing(
    MillraceJSONPlan &plan, uint32_t slot, size_t row, MillraceProblemKind kind,
    MillraceProblem &problem);

/// Fills the slots that key, headers and timestamp feed. `headers` are the record's.
void store_external(
    MillraceJSONPlan &plan, size_t row, const MillraceRecord &record, const MillraceText *headers,
    MillraceProblem &problem);

}  // namespace millrace
