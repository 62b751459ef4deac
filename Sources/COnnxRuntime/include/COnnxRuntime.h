#pragma once

// The part of ONNX Runtime's C API that Millrace calls. The wheel that the library comes from has
// no headers; the API is one table of function pointers that only ever grows at its end, so a
// function is known by its slot. OnnxApi.c says which slot is which.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorInfo OrtTensorInfo;

/// What OrtGetApiBase returns.
typedef struct OnnxApiBase {
    /// Null where the library does not know that version of the table.
    const void *_Nullable (*_Nonnull get_api)(uint32_t version);
    const char *_Nullable (*_Nonnull get_version_string)(void);
} OnnxApiBase;

/// Takes the library's log lines, on any thread.
typedef void (*OnnxLogFunction)(void *_Nullable context, int severity,
                                const char *_Nullable category, const char *_Nullable log_id,
                                const char *_Nullable code_location,
                                const char *_Nullable message);

/// ONNXType: what kind of value an input or output is.
enum { ONNX_VALUE_TENSOR = 1 };

/// OrtLoggingLevel.
enum { ONNX_LOG_WARNING = 2, ONNX_LOG_ERROR = 3, ONNX_LOG_FATAL = 4 };

enum {
    ONNX_OPTIMIZE_ALL = 99,
    ONNX_SEQUENTIAL = 0,
    ONNX_ARENA_ALLOCATOR = 1,
    ONNX_DEFAULT_MEMORY = 0
};

typedef OrtStatus *_Nullable OnnxResult;

/// The functions, typed. A non-null result is an error that release_status must free.
typedef struct OnnxApi {
    const char *_Nullable (*_Nonnull get_error_message)(const OrtStatus *status);
    void (*_Nonnull release_status)(OrtStatus *status);

    OnnxResult (*_Nonnull create_env_with_logger)(OnnxLogFunction log, void *_Nullable context,
                                         int severity, const char *log_id,
                                         OrtEnv *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull disable_telemetry)(const OrtEnv *env);
    void (*_Nonnull release_env)(OrtEnv *env);

    OnnxResult (*_Nonnull create_session_options)(OrtSessionOptions *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull set_execution_mode)(OrtSessionOptions *options, int mode);
    OnnxResult (*_Nonnull set_log_severity)(OrtSessionOptions *options, int severity);
    OnnxResult (*_Nonnull set_optimization_level)(OrtSessionOptions *options, int level);
    OnnxResult (*_Nonnull set_intra_op_threads)(OrtSessionOptions *options, int count);
    OnnxResult (*_Nonnull set_inter_op_threads)(OrtSessionOptions *options, int count);
    OnnxResult (*_Nonnull add_config_entry)(OrtSessionOptions *options, const char *key,
                                           const char *value);
    void (*_Nonnull release_session_options)(OrtSessionOptions *options);

    OnnxResult (*_Nonnull create_session_from_array)(const OrtEnv *env, const void *bytes,
                                                     size_t count,
                                                     const OrtSessionOptions *options,
                                                     OrtSession *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull run)(OrtSession *session, const OrtRunOptions *_Nullable options,
                      const char *_Nullable const *_Nonnull input_names,
                      const OrtValue *_Nullable const *_Nonnull inputs, size_t input_count,
                      const char *_Nullable const *_Nonnull output_names, size_t output_count,
                      OrtValue *_Nullable *_Nonnull outputs);
    OnnxResult (*_Nonnull session_input_count)(const OrtSession *session, size_t *out);
    OnnxResult (*_Nonnull session_output_count)(const OrtSession *session, size_t *out);
    OnnxResult (*_Nonnull session_input_type)(const OrtSession *session, size_t index,
                                     OrtTypeInfo *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull session_output_type)(const OrtSession *session, size_t index,
                                      OrtTypeInfo *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull session_input_name)(const OrtSession *session, size_t index,
                                     OrtAllocator *allocator, char *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull session_output_name)(const OrtSession *session, size_t index,
                                      OrtAllocator *allocator, char *_Nullable *_Nonnull out);
    void (*_Nonnull release_session)(OrtSession *session);

    /// The tensor info belongs to the type info.
    OnnxResult (*_Nonnull tensor_info_of_type)(const OrtTypeInfo *type,
                                      const OrtTensorInfo *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull kind_of_type)(const OrtTypeInfo *type, int *out);
    void (*_Nonnull release_type_info)(OrtTypeInfo *type);
    OnnxResult (*_Nonnull tensor_info_of_value)(const OrtValue *value,
                                       OrtTensorInfo *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull element_type)(const OrtTensorInfo *info, int *out);
    OnnxResult (*_Nonnull dimension_count)(const OrtTensorInfo *info, size_t *out);
    OnnxResult (*_Nonnull dimensions)(const OrtTensorInfo *info, int64_t *out, size_t count);
    void (*_Nonnull release_tensor_info)(OrtTensorInfo *info);

    OnnxResult (*_Nonnull default_allocator)(OrtAllocator *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull allocator_free)(OrtAllocator *allocator, void *pointer);
    OnnxResult (*_Nonnull create_cpu_memory_info)(int allocator, int memory,
                                         OrtMemoryInfo *_Nullable *_Nonnull out);
    void (*_Nonnull release_memory_info)(OrtMemoryInfo *info);

    OnnxResult (*_Nonnull create_tensor)(OrtAllocator *allocator, const int64_t *shape, size_t rank,
                                int element_type, OrtValue *_Nullable *_Nonnull out);
    /// The bytes stay the caller's and must outlive the value.
    OnnxResult (*_Nonnull create_tensor_over)(const OrtMemoryInfo *info, void *bytes,
                                              size_t byte_count,
                                     const int64_t *shape, size_t rank, int element_type,
                                     OrtValue *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull kind_of_value)(const OrtValue *value, int *out);
    OnnxResult (*_Nonnull tensor_data)(OrtValue *value, void *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull string_buffer)(OrtValue *value, size_t index, size_t byte_count,
                                char *_Nullable *_Nonnull out);
    OnnxResult (*_Nonnull string_bytes)(const OrtValue *value, size_t *out);
    OnnxResult (*_Nonnull string_content)(const OrtValue *value, void *text, size_t byte_count,
                                 size_t *offsets, size_t count);
    void (*_Nonnull release_value)(OrtValue *value);
} OnnxApi;

enum {
    /// The version of the table that we ask for. All slots used here are in it.
    ONNX_API_VERSION = 20,
    /// Slots of a table of that version that we may read; a test's own table needs as many.
    ONNX_API_SLOTS = 253
};

/// Copies our functions out of the library's table of ONNX_API_SLOTS or more pointers.
/// False where one of them is null; `api` is then not to be used.
bool onnx_api_read(OnnxApi *api, const void *table);

/// Calls OrtGetApiBase, found by dlsym.
const OnnxApiBase *_Nullable onnx_api_base(void *get_api_base);

#pragma clang assume_nonnull end
