import MillraceCore

/// What we learn from the bytes of a model before ONNX Runtime sees them: that it is one, which
/// files outside of it it names, and which labels its classifiers have.
///
/// Walks the protobuf without a tree. Nested graphs count towards `depthLimit`, so a hostile file
/// cannot exhaust the stack.
struct ModelScan {
    /// A tensor whose data lies in another file.
    struct ExternalTensor {
        let tensor: String
        /// As the model writes it; nil where the model names no file.
        let location: String?
    }

    /// A ZipMap node of the main graph, which turns a row of scores into a map.
    struct ZipMap {
        /// Of the node's field in the file.
        let range: Range<Int>
        let input: String
        let output: String
        let labels: [ClassLabel]
    }

    /// An attribute of a node: where its name and the whole of it lie in the file.
    struct Attribute {
        let name: Range<Int>
        let message: Range<Int>
    }

    /// A node of the main graph.
    struct Node {
        /// Of the node's field in the file.
        let range: Range<Int>
        /// Its own, or that of its first output.
        let name: String
        let operation: String
        /// Of the operation; empty for the standard's own.
        let domain: String
        /// Names of its inputs, then of all that the graphs within it read.
        let reads: [String]
        let writes: [String]
        let attributes: [Attribute]
    }

    /// An input that the main graph declares.
    struct Input {
        let name: String
        /// The bytes of its TypeProto.Tensor; nil where it is something else than a tensor.
        let tensorType: Range<Int>?
    }

    /// An output that the main graph declares.
    struct Output {
        /// Of the output's field in the file.
        let range: Range<Int>
        let name: String
        /// As of an input.
        let tensorType: Range<Int>?
    }

    /// Graphs within graphs; real models have two or three.
    static let depthLimit = 32
    /// Class labels of one classifier; a larger set is not worth keeping.
    static let labelLimit = 100_000
    /// Different label sets; a model with more than a few gets no labels from them anyway.
    static let labelSetLimit = 100

    let bytes: [UInt8]
    private(set) var irVersion: UInt64 = 0
    /// The graph's field and the bytes of the message in it.
    private(set) var graph: (field: Range<Int>, message: Range<Int>) = (0..<0, 0..<0)
    private(set) var externals: [ExternalTensor] = []
    /// In the order of the file, in which a node comes after those that it reads from.
    private(set) var nodes: [Node] = []
    private(set) var zipMaps: [ZipMap] = []
    private(set) var inputs: [Input] = []
    private(set) var outputs: [Output] = []
    /// Tensors of the main graph that the file tells a type of, besides inputs and outputs.
    private(set) var describedNames: Set<String> = []
    /// The label sets of the main graph's classifiers, each once.
    private(set) var labelSets: [[ClassLabel]] = []

    /// What the graphs within the node that is being scanned read.
    private var namesReadInside: [String] = []
    /// First inputs of ArrayFeatureExtractor: where converters keep labels as a constant.
    private var labelTensorNames: Set<String> = []
    /// The main graph's constants: the bytes of their tensors.
    private(set) var initializers: [String: Range<Int>] = [:]

    init(_ bytes: [UInt8]) throws(ScanFailure) {
        self.bytes = bytes
        try scanModel()
        for name in labelTensorNames.sorted() {
            if let range = initializers[name] { try addLabels(ofTensor: range) }
        }
    }

    private mutating func scanModel() throws(ScanFailure) {
        var hasGraph = false
        var functions: [Range<Int>] = []
        var reader = WireReader(bytes, 0..<bytes.count)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let version)):
                irVersion = version
            case (7, .bytes(let message)):
                // Protobuf would merge two; nobody writes that but to confuse.
                if hasGraph { throw .twoGraphs }
                hasGraph = true
                graph = (field.range, message)
                try scanGraph(message, depth: 0)
            case (20, .bytes(let training)):
                try scanMessages(in: training, fields: [1, 2]) { scan, graph throws(ScanFailure) in
                    try scan.scanGraph(graph, depth: 1)
                }
            case (25, .bytes(let function)):
                functions.append(function)
                try scanMessages(in: function, fields: [7]) { scan, node throws(ScanFailure) in
                    try scan.scanNode(node, field: node, depth: 1)
                }
                try scanMessages(in: function, fields: [11]) {
                    scan, attribute throws(ScanFailure) in
                    _ = try scan.scanAttribute(attribute, depth: 1)
                }
            default: break
            }
        }
        if irVersion == 0 { throw .missing("ir_version") }
        if !hasGraph { throw .missing("graph") }
        try checkFunctions(functions)
    }

    private mutating func scanMessages(
        in range: Range<Int>, fields: Set<UInt64>,
        _ visit: (inout ModelScan, Range<Int>) throws(ScanFailure) -> Void
    ) throws(ScanFailure) {
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            if case .bytes(let message) = field.value, fields.contains(field.number) {
                try visit(&self, message)
            }
        }
    }

    private mutating func scanGraph(_ range: Range<Int>, depth: Int) throws(ScanFailure) {
        guard depth < Self.depthLimit else { throw .nesting }
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            switch field.number {
            case 1: try scanNode(message, field: field.range, depth: depth)
            case 5:
                let name = try scanTensor(message)
                if depth == 0 { initializers[name] = message }
            case 11 where depth == 0:
                inputs.append(
                    Input(
                        name: try text(1, in: message),
                        tensorType: try bytes(of: 1, in: try bytes(of: 2, in: message))))
            case 12:
                let name = try text(1, in: message)
                if depth == 0 {
                    outputs.append(
                        Output(
                            range: field.range, name: name,
                            tensorType: try bytes(of: 1, in: try bytes(of: 2, in: message))))
                } else {
                    namesReadInside.append(name)
                }
            case 13 where depth == 0: describedNames.insert(try text(1, in: message))
            case 15: try scanSparseTensor(message)
            default: break
            }
        }
    }

    private mutating func scanNode(_ range: Range<Int>, field: Range<Int>, depth: Int)
        throws(ScanFailure)
    {
        var inputs: [String] = []
        var outputs: [String] = []
        var name = ""
        var operation = ""
        var domain = ""
        var attributes: [Attribute] = []
        if depth == 0 { namesReadInside = [] }
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            switch field.number {
            case 1: inputs.append(text(message))
            case 2: outputs.append(text(message))
            case 3: name = text(message)
            case 4: operation = text(message)
            case 7: domain = text(message)
            case 5: attributes.append(try scanAttribute(message, depth: depth))
            default: break
            }
        }
        guard depth == 0 else {
            namesReadInside += inputs
            return
        }
        nodes.append(
            Node(
                range: field, name: name.isEmpty ? outputs.first ?? "" : name,
                operation: operation, domain: domain, reads: inputs + namesReadInside,
                writes: outputs, attributes: attributes))
        switch operation {
        case "ZipMap":
            var labels: [ClassLabel] = []
            for attribute in attributes where labels.isEmpty {
                labels = try self.labels(of: attribute)
            }
            guard let input = inputs.first, let output = outputs.first, !labels.isEmpty else {
                return
            }
            zipMaps.append(ZipMap(range: field, input: input, output: output, labels: labels))
            addLabelSet(labels)
        case "TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier":
            for attribute in attributes { addLabelSet(try labels(of: attribute)) }
        case "ArrayFeatureExtractor":
            if let input = inputs.first { labelTensorNames.insert(input) }
        default: break
        }
    }

    private mutating func scanAttribute(
        _ range: Range<Int>, depth: Int
    ) throws(ScanFailure) -> Attribute {
        var name = 0..<0
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            switch field.number {
            case 1: name = message
            case 5, 10: _ = try scanTensor(message)
            case 6, 11: try scanGraph(message, depth: depth + 1)
            case 22, 23: try scanSparseTensor(message)
            default: break
            }
        }
        return Attribute(name: name, message: range)
    }

    private mutating func scanSparseTensor(_ range: Range<Int>) throws(ScanFailure) {
        var dense: [Int64] = []
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            if field.number == 3 { dense += try dimensions(field.value) }
        }
        guard let elements = ModelLimits.elements(dense), elements <= ModelLimits.sparseElements
        else { throw .shape("a sparse one") }
        try scanMessages(in: range, fields: [1, 2]) { scan, tensor throws(ScanFailure) in
            _ = try scan.scanTensor(tensor)
        }
    }

    /// Notes what the tensor keeps in other files; its name.
    private mutating func scanTensor(_ range: Range<Int>) throws(ScanFailure) -> String {
        var name = ""
        var locations: [String] = []
        var isExternal = false
        var shape: [Int64] = []
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, let value): shape += try dimensions(value)
            case (8, .bytes(let message)): name = text(message)
            case (13, .bytes(let entry)):
                isExternal = true
                if try text(1, in: entry) == "location" {
                    locations.append(try text(2, in: entry))
                }
            case (14, .varint(let location)): isExternal = isExternal || location != 0
            default: break
            }
        }
        try checkShape(shape, bytes: isExternal ? .max : range.count, of: name)
        if isExternal && locations.isEmpty {
            externals.append(ExternalTensor(tensor: name, location: nil))
        }
        for location in locations {
            externals.append(ExternalTensor(tensor: name, location: location))
        }
        return name
    }
}

// MARK: - Labels

extension ModelScan {
    private mutating func addLabelSet(_ labels: [ClassLabel]) {
        guard !labels.isEmpty, labelSets.count < Self.labelSetLimit,
            Set(labels).count == labels.count, !labelSets.contains(labels)
        else { return }
        labelSets.append(labels)
    }

    /// The values of a classlabels attribute; empty for any other.
    func labels(of attribute: Attribute) throws(ScanFailure) -> [ClassLabel] {
        guard text(attribute.name).hasPrefix("classlabels_") else { return [] }
        var labels: [ClassLabel] = []
        var reader = WireReader(bytes, attribute.message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (8, .varint(let value)): labels.append(.integer(Int64(bitPattern: value)))
            case (8, .bytes(let packed)): labels += try packedLabels(packed)
            case (9, .bytes(let message)): labels.append(.text(text(message)))
            default: break
            }
            guard labels.count <= Self.labelLimit else { return [] }
        }
        return labels
    }

    private func packedLabels(_ range: Range<Int>) throws(ScanFailure) -> [ClassLabel] {
        guard range.count <= Self.labelLimit * 10 else { return [] }
        var labels: [ClassLabel] = []
        var reader = WireReader(bytes, range)
        while let value = try reader.nextPacked() {
            labels.append(.integer(Int64(bitPattern: value)))
        }
        return labels
    }

    /// Takes a tensor of 32- or 64-bit integers or texts as a set of labels.
    private mutating func addLabels(ofTensor range: Range<Int>) throws(ScanFailure) {
        var dataType: UInt64 = 0
        var labels: [ClassLabel] = []
        var raw: Range<Int> = 0..<0
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .varint(let type)): dataType = type
            case (5, .varint(let value)), (7, .varint(let value)):
                labels.append(.integer(Int64(bitPattern: value)))
            case (5, .bytes(let packed)), (7, .bytes(let packed)):
                labels += try packedLabels(packed)
            case (6, .bytes(let message)): labels.append(.text(text(message)))
            case (9, .bytes(let message)): raw = message
            default: break
            }
            guard labels.count <= Self.labelLimit else { return }
        }
        switch dataType {
        case 6, 7:
            let size = dataType == 6 ? 4 : 8
            guard raw.count / size <= Self.labelLimit else { return }
            for start in stride(from: raw.lowerBound, to: raw.upperBound - size + 1, by: size) {
                labels.append(.integer(integer(at: start, size: size)))
            }
        case 8: break
        default: return
        }
        addLabelSet(labels)
    }

    private func integer(at start: Int, size: Int) -> Int64 {
        var value: UInt64 = 0
        for i in 0..<size { value |= UInt64(bytes[start + i]) << UInt64(8 * i) }
        return size == 4
            ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }

    /// The text of the message's field; empty where it is not there.
    private func text(_ number: UInt64, in range: Range<Int>) throws(ScanFailure) -> String {
        text(try bytes(of: number, in: range) ?? 0..<0)
    }

    /// The bytes of the message's field; the last one counts, as protobuf has it.
    private func bytes(
        of number: UInt64, in range: Range<Int>?
    ) throws(ScanFailure) -> Range<Int>? {
        guard let range else { return nil }
        var result: Range<Int>?
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            if field.number == number, case .bytes(let message) = field.value { result = message }
        }
        return result
    }

    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }
}
