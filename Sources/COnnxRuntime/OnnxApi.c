#include "COnnxRuntime.h"

#include <string.h>

// Slots of the OrtApi table, in the order of OnnxApi's members.
static const int slots[] = {
    2,   // GetErrorMessage
    93,  // ReleaseStatus
    4,   // CreateEnvWithCustomLogger
    6,   // DisableTelemetryEvents
    92,  // ReleaseEnv
    10,  // CreateSessionOptions
    13,  // SetSessionExecutionMode
    22,  // SetSessionLogSeverityLevel
    23,  // SetSessionGraphOptimizationLevel
    24,  // SetIntraOpNumThreads
    25,  // SetInterOpNumThreads
    130, // AddSessionConfigEntry
    100, // ReleaseSessionOptions
    8,   // CreateSessionFromArray
    9,   // Run
    30,  // SessionGetInputCount
    31,  // SessionGetOutputCount
    33,  // SessionGetInputTypeInfo
    34,  // SessionGetOutputTypeInfo
    36,  // SessionGetInputName
    37,  // SessionGetOutputName
    95,  // ReleaseSession
    55,  // CastTypeInfoToTensorInfo
    56,  // GetOnnxTypeFromTypeInfo
    98,  // ReleaseTypeInfo
    65,  // GetTensorTypeAndShape
    60,  // GetTensorElementType
    61,  // GetDimensionsCount
    62,  // GetDimensions
    99,  // ReleaseTensorTypeAndShapeInfo
    78,  // GetAllocatorWithDefaultOptions
    76,  // AllocatorFree
    69,  // CreateCpuMemoryInfo
    94,  // ReleaseMemoryInfo
    48,  // CreateTensorAsOrtValue
    49,  // CreateTensorWithDataAsOrtValue
    67,  // GetValueType
    51,  // GetTensorMutableData
    252, // GetResizedStringTensorElementBuffer
    53,  // GetStringTensorDataLength
    54,  // GetStringTensorContent
    96,  // ReleaseValue
};

enum { SLOT_COUNT = sizeof slots / sizeof slots[0] };

_Static_assert(sizeof(OnnxApi) == SLOT_COUNT * sizeof(void *), "one slot for each function");

bool onnx_api_read(OnnxApi *api, const void *table) {
    // Function pointers have the size of data pointers on every system that has dlsym.
    void *functions[SLOT_COUNT];
    for (int i = 0; i < SLOT_COUNT; i++) {
        memcpy(&functions[i], (const char *)table + (size_t)slots[i] * sizeof(void *),
               sizeof(void *));
        if (functions[i] == NULL) return false;
    }
    memcpy(api, functions, sizeof functions);
    return true;
}

const OnnxApiBase *onnx_api_base(void *get_api_base) {
    const OnnxApiBase *(*function)(void);
    memcpy(&function, &get_api_base, sizeof function);
    return function();
}
