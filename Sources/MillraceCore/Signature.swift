/// Element types of model inputs and outputs.
package enum ElementType: UInt8, Sendable, CaseIterable {
    case float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool, string

    /// Bytes of one element in a column; a string is a `TextSlice`.
    package var byteCount: Int {
        switch self {
        case .int8, .uint8, .bool: 1
        case .int16, .uint16: 2
        case .float32, .int32, .uint32: 4
        case .float64, .int64, .uint64: 8
        case .string: unsafe MemoryLayout<TextSlice>.stride
        }
    }

    /// Whether a value of this type can be NaN.
    package var isFloatingPoint: Bool { self == .float32 || self == .float64 }
}

/// A borrowed piece of UTF-8 text, not terminated.
@unsafe package struct TextSlice {
    /// Nil only when `count` is 0.
    package var start: UnsafePointer<UInt8>?
    /// Bytes.
    package var count: Int

    package init(start: UnsafePointer<UInt8>?, count: Int) {
        unsafe self.start = start
        unsafe self.count = count
    }
}

/// One named model input. Its first dimension is the batch; `width` elements make a row.
package struct ModelInput: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    /// Dimensions after the batch; nil is a free one. [] for [N], [k] for [N,k].
    package let rowShape: [Int?]

    package init(name: String, type: ElementType, rowShape: [Int?]) {
        self.name = name
        self.type = type
        self.rowShape = rowShape
    }

    /// Elements of one row; nil where a dimension after the batch is free.
    package var width: Int? { Self.product(of: rowShape) }

    static func product(of shape: [Int?]) -> Int? {
        var product = 1
        for dimension in shape {
            guard let dimension else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            if overflow { return nil }
            product = next
        }
        return product
    }
}

/// A class label of a classifier.
package enum ClassLabel: Sendable, Hashable, CustomStringConvertible {
    case integer(Int64)
    case text(String)

    package var description: String {
        switch self {
        case .integer(let value): String(value)
        case .text(let value): value
        }
    }
}

/// One named model output. `width` elements make a row.
package struct ModelOutput: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    /// Dimensions after the batch; nil is a free one. Maps (ZipMap) show as [number of classes].
    package let rowShape: [Int?]
    /// Labels of the row's elements in order, where the model names them.
    package let classLabels: [ClassLabel]?

    package init(
        name: String, type: ElementType, rowShape: [Int?], classLabels: [ClassLabel]? = nil
    ) {
        self.name = name
        self.type = type
        self.rowShape = rowShape
        self.classLabels = classLabels
    }

    /// Elements of one row; nil where a dimension after the batch is free.
    package var width: Int? { ModelInput.product(of: rowShape) }
}

/// What a model takes and gives.
package struct Signature: Sendable, Equatable {
    package let inputs: [ModelInput]
    package let outputs: [ModelOutput]
    /// The batch size that the model insists on, where its first dimension is not free.
    package let fixedBatch: Int?

    package init(inputs: [ModelInput], outputs: [ModelOutput], fixedBatch: Int? = nil) {
        self.inputs = inputs
        self.outputs = outputs
        self.fixedBatch = fixedBatch
    }
}
