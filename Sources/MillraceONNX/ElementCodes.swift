import MillraceCore

extension ElementType {
    /// ONNX's number of the type (ONNXTensorElementDataType, and TensorProto.DataType alike).
    var onnxCode: Int32 {
        switch self {
        case .float32: 1
        case .uint8: 2
        case .int8: 3
        case .uint16: 4
        case .int16: 5
        case .int32: 6
        case .int64: 7
        case .string: 8
        case .bool: 9
        case .float64: 11
        case .uint32: 12
        case .uint64: 13
        }
    }

    init?(onnxCode: Int32) {
        guard let type = Self.allCases.first(where: { $0.onnxCode == onnxCode }) else { return nil }
        self = type
    }

    /// The name of any type of ONNX, for messages about those that we cannot feed.
    static func onnxName(_ code: Int32) -> String {
        switch code {
        case 10: "float16"
        case 14: "complex64"
        case 15: "complex128"
        case 16: "bfloat16"
        default: ElementType(onnxCode: code).map { "\($0)" } ?? "element type \(code)"
        }
    }
}
