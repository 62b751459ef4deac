/// What a small file could make large: shapes that its bytes do not fill, and functions that call
/// functions. ONNX Runtime would allocate the one and write out the other.
enum ModelLimits {
    /// Elements that a sparse tensor may stand for: ONNX Runtime makes it dense.
    static let sparseElements: UInt64 = 1 << 26
    /// Nodes of a model with each call of a function replaced by the function's nodes.
    static let expandedNodes: UInt64 = 1 << 20
    /// Functions of a model.
    static let functions = 10_000

    /// How many elements dimensions make; nil where one is negative or the product overflows.
    static func elements(_ dimensions: [Int64]) -> UInt64? {
        var product: UInt64 = 1
        var isEmpty = false
        for dimension in dimensions {
            guard dimension >= 0 else { return nil }
            if dimension == 0 {
                isEmpty = true
                continue
            }
            let (next, overflow) = product.multipliedReportingOverflow(by: UInt64(dimension))
            guard !overflow else { return nil }
            product = next
        }
        return isEmpty ? 0 : product
    }
}

extension ModelScan {
    /// Refuses a tensor whose shape promises more elements than its bytes can hold: of the smallest
    /// types two share a byte.
    func checkShape(_ dimensions: [Int64], bytes: Int, of name: String) throws(ScanFailure) {
        guard let elements = ModelLimits.elements(dimensions), elements / 2 <= UInt64(bytes) else {
            throw .shape(name)
        }
    }

    /// The dimensions in a field, which are packed or one a field.
    func dimensions(_ value: WireReader.Value) throws(ScanFailure) -> [Int64] {
        switch value {
        case .varint(let dimension): return [Int64(bitPattern: dimension)]
        case .bytes(let packed):
            var result: [Int64] = []
            var reader = WireReader(bytes, packed)
            while let dimension = try reader.nextPacked() {
                result.append(Int64(bitPattern: dimension))
            }
            return result
        case .fixed32, .fixed64: return []
        }
    }

    /// Refuses functions that call themselves, and ones whose calls make more nodes than any model
    /// has.
    ///
    /// - Parameter functions: the bytes of all FunctionProtos.
    func checkFunctions(_ functions: [Range<Int>]) throws(ScanFailure) {
        guard !functions.isEmpty else { return }
        guard functions.count <= ModelLimits.functions else { throw .functions }
        var bodies: [String: NodeCount] = [:]
        for function in functions {
            var name = ""
            var domain = ""
            var overload = ""
            var body = NodeCount()
            var reader = WireReader(bytes, function)
            while let field = try reader.next() {
                guard case .bytes(let message) = field.value else { continue }
                switch field.number {
                case 1: name = text(message)
                case 10: domain = text(message)
                case 13: overload = text(message)
                case 7: try count(node: message, into: &body, depth: 1)
                default: break
                }
            }
            bodies[NodeCount.key(name, domain, overload)] = body
        }
        var main = NodeCount()
        try count(graph: graph.message, into: &main, depth: 0)
        guard let nodes = FunctionExpansion(bodies).nodes(main),
            nodes <= ModelLimits.expandedNodes
        else { throw .functions }
    }

    private func count(
        graph range: Range<Int>, into body: inout NodeCount, depth: Int
    ) throws(ScanFailure) {
        guard depth < Self.depthLimit else { throw .nesting }
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            if case .bytes(let message) = field.value, field.number == 1 {
                try count(node: message, into: &body, depth: depth)
            }
        }
    }

    private func count(
        node range: Range<Int>, into body: inout NodeCount, depth: Int
    ) throws(ScanFailure) {
        var operation = ""
        var domain = ""
        var overload = ""
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            switch field.number {
            case 4: operation = text(message)
            case 7: domain = text(message)
            case 8: overload = text(message)
            case 5:
                var attribute = WireReader(bytes, message)
                while let field = try attribute.next() {
                    if case .bytes(let graph) = field.value, field.number == 6 || field.number == 11
                    {
                        try count(graph: graph, into: &body, depth: depth + 1)
                    }
                }
            default: break
            }
        }
        body.calls[NodeCount.key(operation, domain, overload), default: 0] += 1
    }
}

/// The operations of a graph or function, with those of the graphs within it.
private struct NodeCount {
    var calls: [String: UInt64] = [:]

    /// The standard's own domain has two names.
    static func key(_ name: String, _ domain: String, _ overload: String) -> String {
        "\(domain == "ai.onnx" ? "" : domain)\u{0}\(name)\u{0}\(overload)"
    }
}

/// Counts nodes as if each call of a function were its nodes.
private struct FunctionExpansion {
    private enum State {
        case open
        case done(UInt64)
    }

    private let bodies: [String: NodeCount]
    private var states: [String: State] = [:]

    init(_ bodies: [String: NodeCount]) { self.bodies = bodies }

    /// Nil where a function calls itself, or the number is out of bounds.
    func nodes(_ main: NodeCount) -> UInt64? {
        var expansion = self
        return expansion.expand(main)
    }

    /// Without recursion, as functions may call one another in a long row.
    private mutating func expand(_ main: NodeCount) -> UInt64? {
        var stack: [String] = main.calls.keys.filter { bodies[$0] != nil }
        while let name = stack.last {
            guard let body = bodies[name] else { return nil }
            switch states[name] {
            case .done: stack.removeLast()
            case .open:
                guard let sum = sum(body) else { return nil }
                states[name] = .done(sum)
                stack.removeLast()
            case nil:
                states[name] = .open
                for call in body.calls.keys where bodies[call] != nil {
                    switch states[call] {
                    case .done: break
                    // It is being expanded already: this is a circle.
                    case .open: return nil
                    case nil: stack.append(call)
                    }
                }
            }
        }
        return sum(main)
    }

    /// Of a body whose functions are all done.
    private func sum(_ body: NodeCount) -> UInt64? {
        var sum: UInt64 = 0
        for (call, times) in body.calls {
            var nodes: UInt64 = 1
            if bodies[call] != nil {
                guard case .done(let own) = states[call] else { return nil }
                nodes = own
            }
            let (product, overflow) = nodes.multipliedReportingOverflow(by: times)
            guard !overflow, product <= ModelLimits.expandedNodes else { return nil }
            sum += product
        }
        return sum <= ModelLimits.expandedNodes ? sum : nil
    }
}
