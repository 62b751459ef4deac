import FoundationEssentials
import Glibc
import Testing

@testable import MillraceONNX

/// Models with changes of their main graph. One after the other, as one measures memory.
@Suite("changes of a model's graph", .serialized)
struct GraphEditTests {
    /// A model with these fields of its graph, and a field on both sides of it.
    private static func model(_ graph: WireWriter) -> [UInt8] {
        var model = WireWriter()
        model.append(1, varint: 8)
        model.append(7, bytes: graph.bytes)
        model.append(8, varint: 1)
        return model.bytes
    }

    /// A graph of a node, a name and an output; nil leaves them out.
    private static func graph(
        node: String?, nameBytes: Int, output: String?, more: String? = nil
    ) -> WireWriter {
        var graph = WireWriter()
        for (number, text) in [(1, node), (2, nil), (12, output), (13, more)] as [(UInt64, String?)]
        {
            if number == 2 { graph.append(2, bytes: [UInt8](repeating: 0x78, count: nameBytes)) }
            guard let text else { continue }
            var message = WireWriter()
            message.append(1, bytes: text.utf8)
            graph.append(number, bytes: message.bytes)
        }
        return graph
    }

    /// The edits that make `graph(node: nil, output: "b", more: "c")` of one with a node and "a".
    private static func edits(_ scan: ModelScan) throws -> [GraphEdit] {
        func field(_ number: UInt64, _ text: String) -> [UInt8] {
            var message = WireWriter()
            message.append(1, bytes: text.utf8)
            var field = WireWriter()
            field.append(number, bytes: message.bytes)
            return field.bytes
        }
        let end = scan.graph.message.upperBound
        return [
            GraphEdit(range: end..<end, bytes: field(13, "c")),
            GraphEdit(range: try #require(scan.outputs.first).range, bytes: field(12, "b")),
            GraphEdit(range: try #require(scan.nodes.first).range, bytes: []),
        ]
    }

    /// The sizes are those at which the length of the graph takes one byte more or less.
    @Test("remove, replace and add fields", arguments: [0, 100, 110, 120, 130, 16_370, 16_380])
    func fields(_ nameBytes: Int) throws {
        let scan = try ModelScan(
            Self.model(Self.graph(node: "in", nameBytes: nameBytes, output: "a")))
        let expected = Self.model(
            Self.graph(node: nil, nameBytes: nameBytes, output: "b", more: "c"))
        #expect(scan.applying(try Self.edits(scan)) == expected)
        #expect(scan.applying([]) == scan.bytes)
    }

    @Test("hold a large model once")
    func memory() throws {
        let nameBytes = 128 << 20
        let scan = try ModelScan(
            Self.model(Self.graph(node: "in", nameBytes: nameBytes, output: "a")))
        let edits = try Self.edits(scan)
        var grown = Int.max
        // Other tests run beside this one, and may grow as well.
        for _ in 0..<5 where grown >= nameBytes * 3 / 2 {
            // Where the kernel forgets no peak, there is nothing to see.
            guard let file = unsafe fopen("/proc/self/clear_refs", "w") else { return }
            unsafe fputs("5", file)
            guard unsafe fclose(file) == 0 else { return }
            let before = try Self.peakBytes()
            let edited = scan.applying(edits)
            grown = try Self.peakBytes() - before
            #expect(edited.count == scan.bytes.count - 1)
        }
        #expect(grown < nameBytes * 3 / 2, "\(grown >> 20) MiB for a model of 128 MiB")
    }

    /// The most that the process had in memory.
    private static func peakBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        let kib = try #require(line.split(whereSeparator: { !$0.isNumber }).first)
        return try #require(Int(kib)) << 10
    }
}
