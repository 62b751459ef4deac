/// Writes ONNX models for tests.
enum OnnxWriter {
    static func varint(_ value: UInt64) -> [UInt8] {
        var (rest, bytes) = (value, [UInt8]())
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func field(_ number: UInt64, _ bytes: some Collection<UInt8>) -> [UInt8] {
        varint(number << 3 | 2) + varint(UInt64(bytes.count)) + bytes
    }

    static func field(_ number: UInt64, _ text: String) -> [UInt8] { field(number, text.utf8) }

    static func field(_ number: UInt64, integer value: Int64) -> [UInt8] {
        varint(number << 3) + varint(UInt64(bitPattern: value))
    }

    private static func raw(_ word: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
    }

    /// What an attribute holds.
    enum Attribute {
        case integer(Int64), text(String), number(Float)
        case integers([Int64]), numbers([Double]), texts([String])
        /// Of data type and dimensions.
        case floats([Double]), doubles([Double]), bytes([UInt8])

        func bytes(_ name: String) -> [UInt8] {
            var result = field(1, name)
            switch self {
            case .integer(let value): result += field(3, integer: value) + field(20, integer: 2)
            case .text(let text): result += field(4, text) + field(20, integer: 3)
            case .number(let number):
                result += [0x15] + raw(UInt64(number.bitPattern), 4) + field(20, integer: 1)
            case .integers(let values):
                result += values.flatMap { field(8, integer: $0) } + field(20, integer: 7)
            case .numbers(let values):
                result += values.flatMap { [0x3d] + raw(UInt64(Float($0).bitPattern), 4) }
                result += field(20, integer: 6)
            case .texts(let texts):
                result += texts.flatMap { field(9, $0) } + field(20, integer: 8)
            case .floats(let values):
                let data = values.flatMap { raw(UInt64(Float($0).bitPattern), 4) }
                result += field(5, tensor("t", 1, [values.count], data)) + field(20, integer: 4)
            case .doubles(let values):
                let data = values.flatMap { raw($0.bitPattern, 8) }
                result += field(5, tensor("t", 11, [values.count], data)) + field(20, integer: 4)
            case .bytes(let values):
                result += field(5, tensor("t", 2, [values.count], values)) + field(20, integer: 4)
            }
            return field(5, result)
        }
    }

    static func tensor(_ name: String, _ type: Int64, _ shape: [Int], _ data: [UInt8]) -> [UInt8] {
        shape.flatMap { field(1, integer: Int64($0)) } + field(2, integer: type) + field(8, name)
            + field(9, data)
    }

    static func tensor(_ name: String, integers: [Int64]) -> [UInt8] {
        tensor(name, 7, [integers.count], integers.flatMap { raw(UInt64(bitPattern: $0), 8) })
    }

    /// NodeProto, as a field of the graph.
    static func node(
        _ operation: String, domain: String = "ai.onnx.ml", _ inputs: [String], _ outputs: [String],
        _ attributes: [String: Attribute] = [:], name: String = ""
    ) -> [UInt8] {
        var bytes = inputs.flatMap { field(1, $0) } + outputs.flatMap { field(2, $0) }
        bytes += field(3, name) + field(4, operation) + field(7, domain)
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) { bytes += value.bytes(key) }
        return field(1, bytes)
    }

    /// A TreeEnsembleRegressor that reads X and has one leaf, of 1 for the first target.
    static func leaf(_ output: String, targets: Int64 = 1) -> [UInt8] {
        node(
            "TreeEnsembleRegressor", ["X"], [output],
            [
                "nodes_treeids": .integers([0]), "nodes_nodeids": .integers([0]),
                "nodes_featureids": .integers([0]), "nodes_values": .numbers([0]),
                "nodes_modes": .texts(["LEAF"]), "nodes_truenodeids": .integers([0]),
                "nodes_falsenodeids": .integers([0]), "target_treeids": .integers([0]),
                "target_nodeids": .integers([0]), "target_ids": .integers([0]),
                "target_weights": .numbers([1]), "n_targets": .integer(targets),
            ])
    }

    /// ValueInfoProto; a dimension of nil is free.
    static func port(_ name: String, _ type: Int64, _ shape: [Int64?]?) -> [UInt8] {
        var tensor = field(1, integer: type)
        if let shape {
            tensor += field(
                2, shape.flatMap { field(1, $0.map { field(1, integer: $0) } ?? field(2, "N")) })
        }
        return field(1, name) + field(2, field(1, tensor))
    }

    /// - Parameters:
    ///   - nodes: fields as `node` makes them.
    ///   - tensors: of the initializers.
    static func model(
        _ nodes: [UInt8], inputs: [[UInt8]], outputs: [[UInt8]], tensors: [[UInt8]] = [],
        learning: Int64 = 3
    ) -> [UInt8] {
        var graph = nodes + field(2, "g")
        graph += tensors.flatMap { field(5, $0) }
        graph += inputs.flatMap { field(11, $0) } + outputs.flatMap { field(12, $0) }
        return field(1, integer: 8) + field(7, graph)
            + field(8, field(1, "") + field(2, integer: 17))
            + field(8, field(1, "ai.onnx.ml") + field(2, integer: learning))
    }
}
