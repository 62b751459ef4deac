// One pass over a record along simdjson's structural indexes: validates the grammar of everything
// and writes the mapped fields.
#pragma once

#include "plan.hpp"
#include "store.hpp"

namespace millrace {

/// One record during its walk.
struct Record {
    /// The value in the arena, with at least 16 bytes behind it, the first of them 0.
    const uint8_t *bytes;
    size_t count;
    /// Positions of brackets, colons, commas and of the first byte of strings and other scalars;
    /// `index_count` of them, then `count` twice.
    const uint32_t *indexes;
    size_t index_count;
    /// The row to fill.
    size_t row;
    /// Whether there is a backslash anywhere.
    bool has_escapes;
};

/// False where the record is not one valid object or does not fit the mapping: `problem` has the
/// reason. Otherwise row `record.row` of the features and of the plan's braces is filled.
bool walk(MillraceJSONPlan &plan, const Record &record, MillraceProblem &problem);

}  // namespace millrace
