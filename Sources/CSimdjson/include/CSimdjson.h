// The JSON wall: whole batches of Kafka records in, feature rows out; predictions in, enriched
// values out. Reads with simdjson's structural index and a walker of its own; every byte of every
// record is validated. Nothing here throws, allocates per record (beyond growing its pools),
// recurses, or trusts a record's bytes. One plan belongs to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
/// Out of memory ends the process, as it does in Swift: no exception leaves the wall.
#define MILLRACE_NOEXCEPT noexcept
extern "C" {
#else
#define MILLRACE_NOEXCEPT
#endif

/// Deepest nesting of a value that is read, and longest field pointer.
#define MILLRACE_JSON_DEPTH_LIMIT 64

/// Same layout as MillraceCore.RecordView; the caller checks that.
typedef struct {
    const void *value;
    ptrdiff_t value_count;
    const void *key;
    ptrdiff_t key_count;
    int64_t timestamp_ms;
    int64_t offset;
    int32_t partition;
    uint32_t epoch;
    void *handle;
} MillraceRecord;

/// Same layout as MillraceCore.RecordResult; the caller checks that.
typedef struct {
    uint8_t state;
    int32_t run;
    int32_t row;
    ptrdiff_t output_start;
    ptrdiff_t output_count;
} MillraceResult;

/// Values of MillraceResult.state.
enum {
    MILLRACE_STATE_TAKEN = 0,
    MILLRACE_STATE_SCORED = 1,
    MILLRACE_STATE_PASSED = 2,
    MILLRACE_STATE_DEAD = 3,
};

/// Same layout as MillraceCore.TextSlice. A null `start` is no text at all.
typedef struct {
    const uint8_t *start;
    ptrdiff_t count;
} MillraceText;

/// Element types, with the raw values of MillraceCore.ElementType.
typedef enum : uint8_t {
    MILLRACE_FLOAT32, MILLRACE_FLOAT64, MILLRACE_INT8, MILLRACE_INT16, MILLRACE_INT32,
    MILLRACE_INT64, MILLRACE_UINT8, MILLRACE_UINT16, MILLRACE_UINT32, MILLRACE_UINT64,
    MILLRACE_BOOL, MILLRACE_STRING,
} MillraceElementType;

typedef enum : uint8_t {
    MILLRACE_SOURCE_FIELD, MILLRACE_SOURCE_KEY, MILLRACE_SOURCE_HEADER, MILLRACE_SOURCE_TIMESTAMP,
} MillraceSource;

/// One feature of the mapping.
typedef struct {
    MillraceSource source;
    MillraceElementType type;
    bool is_array;
    bool parses_text;
    /// Whether an absent or null source is an error; otherwise `missing_*` is written.
    bool missing_is_error;
    /// The bytes of one element of `type`; not used for strings.
    uint64_t missing_bits;
    MillraceText missing_text;
    /// For fields: the pointer's tokens, unescaped.
    const MillraceText *tokens;
    size_t token_count;
    /// For headers: which of the texts that `millrace_json_read` is given for a record.
    uint32_t header;
    /// First element's address in row 0, and bytes from row to row.
    void *base;
    size_t row_bytes;
    /// Elements: 1, or the exact length of an array.
    uint32_t count;
} MillraceSlot;

/// What happens when the record has a field of a prediction field's name.
typedef enum : uint8_t {
    MILLRACE_ON_CONFLICT_ERROR, MILLRACE_ON_CONFLICT_KEEP, MILLRACE_ON_CONFLICT_NEST,
} MillraceOnConflict;

/// One prediction field.
typedef struct {
    MillraceText name;
    /// Index into the predictions given to `millrace_json_append`.
    uint32_t column;
    /// Takes all elements of the row as a list, or else only `element`.
    bool is_vector;
    uint32_t element;
} MillraceField;

/// One model output of the rows to append, row 0 first.
typedef struct {
    const void *base;
    MillraceElementType type;
    uint32_t width;
} MillracePrediction;

typedef struct {
    size_t value_bytes;
    size_t number_bytes;
} MillraceLimits;

/// Why a record cannot be read. The comment names the members of MillraceProblem that say more.
typedef enum : uint8_t {
    MILLRACE_NO_PROBLEM,
    MILLRACE_EMPTY,
    MILLRACE_BYTE_ORDER_MARK,
    MILLRACE_INVALID_UTF8,           // at
    MILLRACE_UNCLOSED_STRING,
    MILLRACE_CONTROL_CHARACTER,      // at
    MILLRACE_TRUNCATED,              // at
    MILLRACE_EXPECTED_VALUE,         // at, byte
    MILLRACE_EXPECTED_KEY,           // at, byte
    MILLRACE_EXPECTED_COLON,         // at, byte
    MILLRACE_EXPECTED_COMMA_OR_BRACE,    // at, byte
    MILLRACE_EXPECTED_COMMA_OR_BRACKET,  // at, byte
    MILLRACE_BAD_NUMBER,             // at
    MILLRACE_BAD_LITERAL,            // at
    MILLRACE_BAD_ESCAPE,             // at
    MILLRACE_TRAILING_BYTES,         // at
    MILLRACE_NOT_AN_OBJECT,          // found
    MILLRACE_TOO_DEEP,               // at
    MILLRACE_VALUE_TOO_LARGE,        // count
    MILLRACE_NUMBER_TOO_LONG,        // at, count
    MILLRACE_FIELD_MISSING,          // slot, element
    MILLRACE_FIELD_NULL,             // slot, element
    MILLRACE_WRONG_TYPE,             // slot, element, found
    MILLRACE_WRONG_LENGTH,           // slot, count
    MILLRACE_NOT_A_NUMBER_TEXT,      // slot, element
    MILLRACE_NOT_AN_INTEGER,         // slot, element
    MILLRACE_OUT_OF_RANGE,           // slot, element
    MILLRACE_TEXT_NOT_UTF8,          // slot
    MILLRACE_DUPLICATE_FIELD,        // slot, depth; or field
    MILLRACE_FIELD_EXISTS,           // field
    MILLRACE_NO_ROW_LEFT,
} MillraceProblemKind;

/// Kinds of JSON value.
typedef enum : uint8_t {
    MILLRACE_OBJECT, MILLRACE_ARRAY, MILLRACE_TEXT, MILLRACE_NUMBER, MILLRACE_TRUE, MILLRACE_FALSE,
    MILLRACE_NULL,
} MillraceValueKind;

/// The reason of one failed record.
typedef struct {
    int32_t record;
    MillraceProblemKind kind;
    MillraceValueKind found;
    uint8_t byte;
    /// Index of a slot in the order of adding; -1 without one.
    int32_t slot;
    /// Index of a prediction field in the order of adding, or -1; the object of `nest` is -2.
    int32_t field;
    /// Element of an array slot, or -1.
    int64_t element;
    /// How many tokens of the slot's pointer name the field.
    uint32_t depth;
    /// Byte offset in the value.
    uint64_t at;
    uint64_t count;
} MillraceProblem;

/// What `millrace_json_read` did.
typedef struct {
    size_t row_count;
    /// Bytes of the arena in use now.
    size_t arena_used;
    /// Failed records in order; valid until the next call.
    const MillraceProblem *problems;
    size_t problem_count;
} MillraceReadSummary;

/// Why appending stopped.
typedef enum : uint8_t {
    MILLRACE_APPEND_DONE,
    /// `needed` more bytes behind `arena_used` are wanted; call again from `next_row`.
    MILLRACE_APPEND_NEEDS_ROOM,
    /// Field `field` selects an element that its output does not have.
    MILLRACE_APPEND_NO_SUCH_ELEMENT,
} MillraceAppendOutcome;

typedef struct {
    MillraceAppendOutcome outcome;
    size_t next_row;
    size_t needed;
    size_t arena_used;
    int32_t field;
} MillraceAppendProgress;

typedef struct MillraceJSONPlan MillraceJSONPlan;

/// A plan without slots and fields; free it with `millrace_json_free`. `under` is the name of the
/// object for `nest`. Texts are copied here and below.
MillraceJSONPlan *millrace_json_new(
    MillraceLimits limits, MillraceOnConflict on_conflict, MillraceText under,
    size_t capacity_rows) MILLRACE_NOEXCEPT;
void millrace_json_free(MillraceJSONPlan *plan) MILLRACE_NOEXCEPT;

/// Adds one; all slots and fields are added before `millrace_json_seal`.
void millrace_json_add_slot(MillraceJSONPlan *plan, const MillraceSlot *slot) MILLRACE_NOEXCEPT;
void millrace_json_add_field(MillraceJSONPlan *plan, const MillraceField *field) MILLRACE_NOEXCEPT;
void millrace_json_seal(MillraceJSONPlan *plan) MILLRACE_NOEXCEPT;

/// Bytes of arena that a read of these records may use.
size_t millrace_json_room(
    MillraceJSONPlan *plan, const MillraceRecord *records, const MillraceResult *results,
    size_t count) MILLRACE_NOEXCEPT;

/// Reads every record in state `taken`; `arena` has the room that `millrace_json_room` said behind
/// `arena_used`. Sets row, output and (for tombstones) state of the results, and
/// `record_of_row`. Failed records keep state `taken` and are reported as problems.
/// `headers` has `header_count` texts for each record, or is null.
MillraceReadSummary millrace_json_read(
    MillraceJSONPlan *plan, const MillraceRecord *records, MillraceResult *results, size_t count,
    uint8_t *arena, size_t arena_used, int32_t *record_of_row, const MillraceText *headers,
    size_t header_count) MILLRACE_NOEXCEPT;

/// Appends predictions to the records of rows first_row ..< last_row of the last read, in the
/// arena, and sets them to `scored`. Prediction row 0 is `prediction_row`, the row that the
/// predictions begin with.
MillraceAppendProgress millrace_json_append(
    MillraceJSONPlan *plan, MillraceResult *results, const int32_t *record_of_row,
    size_t first_row, size_t last_row, size_t prediction_row,
    const MillracePrediction *predictions, uint8_t *arena, size_t arena_used,
    size_t arena_capacity) MILLRACE_NOEXCEPT;

/// Whether the bytes are one number by JSON's grammar, nothing around it. On success `value` is
/// its value, infinite where it overflows.
bool millrace_json_number(const uint8_t *text, size_t count, double *value) MILLRACE_NOEXCEPT;

/// simdjson's version, of the headers: the library does not tell, and another one would have
/// another name.
const char *millrace_simdjson_version(void) MILLRACE_NOEXCEPT;

#ifdef __cplusplus
}
#endif
