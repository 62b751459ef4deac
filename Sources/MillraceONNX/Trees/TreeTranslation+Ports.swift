import MillraceCore
import MillraceTrees

// Inputs and outputs, as the engine onnxruntime shows them for the same file.
extension TreeTranslation {
    static func inputs(_ scan: ModelScan) throws(TreesFailure) -> [ModelInput] {
        var inputs: [ModelInput] = []
        for input in scan.inputs where scan.initializers[input.name] == nil {
            let place = "input '\(printable(input.name))'"
            let type: (code: UInt64, dimensions: [Int?]?)
            do throws(ScanFailure) {
                type = try tensorType(input.tensorType, scan.bytes)
            } catch {
                throw .scan(error)
            }
            guard let code = Int32(exactly: type.code), let element = ElementType(onnxCode: code),
                element != .uint64, let dimensions = type.dimensions
            else { throw .declined("\(place) is of a type that tree models do not have") }
            guard (1...2).contains(dimensions.count) else {
                throw .declined("\(place) has \(dimensions.count) dimensions, not 1 or 2")
            }
            guard dimensions[0] == nil else { throw .declined("\(place) has a fixed batch") }
            guard dimensions.count == 1 || (dimensions[1] ?? 0) > 0 else {
                throw .declined("\(place) leaves its width open")
            }
            inputs.append(
                ModelInput(
                    name: input.name, type: element, rowShape: Array(dimensions.dropFirst())))
        }
        return inputs
    }

    /// Of a TypeProto.Tensor; a dimension is nil where it is free.
    private static func tensorType(
        _ message: Range<Int>?, _ bytes: [UInt8]
    ) throws(ScanFailure) -> (UInt64, [Int?]?) {
        var code: UInt64 = 0
        var dimensions: [Int?]?
        var reader = WireReader(bytes, message ?? 0..<0)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): code = value
            case (2, .bytes(let shape)):
                var found: [Int?] = []
                var inner = WireReader(bytes, shape)
                while let field = try inner.next() {
                    guard field.number == 1, case .bytes(let range) = field.value else { continue }
                    found.append(try dimension(range, bytes))
                }
                dimensions = found
            default: break
            }
        }
        return (code, dimensions)
    }

    private static func dimension(
        _ range: Range<Int>, _ bytes: [UInt8]
    ) throws(ScanFailure) -> Int? {
        var result: Int?
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            if field.number == 1, case .varint(let value) = field.value {
                let signed = Int64(bitPattern: value)
                result = signed < 0 ? nil : Int(signed)
            }
        }
        return result
    }

    /// - Parameter tensors: the graph's own names of the model's outputs, in their order.
    mutating func addOutputs(
        tensors: [String], _ removal: ZipMapRemoval
    ) throws(TreesFailure) {
        var contents: [TreeProgram.Output.Content] = []
        var shown: [ModelOutput] = []
        for (output, tensor) in zip(scan.outputs, tensors) {
            do throws(TreesFailure) {
                let labels = removal.replaced[output.name]?.labels
                let (content, type, shape) = try content(try value(tensor))
                guard labels == nil || (type == .float32 && shape == [labels?.count ?? 0]) else {
                    throw .declined("has another number of scores than of labels")
                }
                if labels == nil { try checkDeclared(output, type) }
                contents.append(content)
                shown.append(
                    ModelOutput(
                        name: output.name, type: type, rowShape: shape, classLabels: labels))
            } catch {
                guard case .declined(let reason) = error else { throw error }
                throw .declined("output '\(printable(output.name))' \(reason)")
            }
        }
        let labelled = OutputFinder.labelled(shown, scan.labelSets)
        program.outputs = zip(labelled, contents).map { output, content in
            .init(name: output.name, content: content, classLabels: output.classLabels)
        }
    }

    /// ONNX Runtime refuses models that declare another type than they compute.
    private func checkDeclared(
        _ output: ModelScan.Output, _ type: ElementType
    ) throws(TreesFailure) {
        let code: UInt64
        do throws(ScanFailure) {
            (code, _) = try Self.tensorType(output.tensorType, scan.bytes)
        } catch {
            throw .scan(error)
        }
        guard code == 0 || code == UInt64(type.onnxCode) else {
            throw .declined("is declared with another type than \(type)")
        }
    }

    private mutating func content(
        _ value: Value
    ) throws(TreesFailure) -> (TreeProgram.Output.Content, ElementType, [Int?]) {
        var value = value
        if case .leaves(let leaves) = value { value = .numbers(try numbers(leaves)) }
        if case .labels(let labels) = value {
            guard labels.type == .int64 || labels.type == .string else {
                throw .declined("is of type \(labels.type)")
            }
            if labels.layout == .flat {
                return (.labels(labels.index, labels.labels), labels.type, [])
            }
            value = .numbers(try numbers(labels))
        }
        guard case .numbers(let numbers) = value, numbers.layout != .transposed else {
            throw .declined("does not have a row for each record")
        }
        guard numbers.type == number(of: numbers).elementType else {
            throw .declined("is of type \(numbers.type)")
        }
        let isFlat = numbers.layout == .flat
        return (
            .numbers(try matrix(numbers), isFlat: isFlat), numbers.type,
            isFlat ? [] : [numbers.width]
        )
    }
}

extension TreeProgram.Number {
    fileprivate var elementType: ElementType {
        switch self {
        case .float32: .float32
        case .float64: .float64
        case .int64: .int64
        }
    }
}
