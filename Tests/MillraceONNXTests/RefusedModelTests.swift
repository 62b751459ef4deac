import FoundationEssentials
import Glibc
import MillraceCore
import MillraceONNX
import Testing

/// Loads a model; nil where it loads, else why not.
private func refusal(_ path: String, _ engine: OnnxEngine = engine) -> ModelError? {
    do {
        _ = try engine.load(path: path)
        return nil
    } catch {
        return error
    }
}

/// A folder of its own for files that a test makes.
private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/millrace-onnx-\(UUID())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

private func write(_ bytes: some Collection<UInt8>, _ path: String) throws {
    try Data(bytes).write(to: URL(filePath: path))
}

private func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path)))
}

@Suite("models that must be refused before ONNX Runtime is asked")
struct RefusedModelTests {
    /// An engine without a library: only what is refused by ourselves gets its own reason.
    private let engine = OnnxEngine(library: "/nonexistent/libonnxruntime.so")

    @Test(arguments: [
        ("empty.onnx", "empty file"), ("text.onnx", "not an ONNX model"),
        ("truncated.onnx", "not a whole ONNX model"),
        ("external_outside.onnx", "outside the model's folder"),
        ("external_absolute.onnx", "absolute path"),
        ("external_dots_inside.onnx", "outside the model's folder"),
        ("external_missing.onnx", "cannot be read"),
    ])
    func file(_ name: String, _ reason: String) throws {
        let error = try #require(refusal("\(fixtureFolder)/refused/\(name)", engine))
        #expect(error.kind == .invalid)
        #expect(error.message.contains(reason), "\(error.message)")
        #expect(error.message.contains(name), "\(error.message)")
    }

    @Test func whatIsNoFile() throws {
        #expect(refusal(fixtureFolder, engine)?.message.contains("is a folder") == true)
        #expect(refusal("/nonexistent/m.onnx", engine)?.kind == .unreadable)
        #expect(refusal("/dev/null", engine)?.message.contains("not a regular file") == true)
        try withFolder { folder in
            #expect(unsafe mkfifo(folder + "/pipe", 0o600) == 0)
            #expect(refusal(folder + "/pipe", engine)?.kind == .unreadable)
            // A file with a hole: nothing is read of it.
            let large = folder + "/large"
            try write([], large)
            #expect(unsafe truncate(large, 1 << 31) == 0)
            #expect(refusal(large, engine)?.message.contains("at most 2 GiB") == true)
        }
    }

    @Test("every prefix of a model is refused without a trap", arguments: ["logistic_binary"])
    func prefixes(_ name: String) throws {
        let whole = try read("\(fixtureFolder)/\(name).onnx")
        try withFolder { folder in
            for count in 1..<whole.count {
                try write(whole[..<count], folder + "/m.onnx")
                let error = try #require(refusal(folder + "/m.onnx", engine))
                // Cut between two fields behind the graph, it is whole to us.
                #expect(error.kind == .invalid || error.kind == .libraryMissing)
            }
        }
    }

    @Test("damaged bytes never trap", arguments: ["logistic_zipmap_string", "external_data"])
    func damage(_ name: String) throws {
        let whole = try read("\(fixtureFolder)/\(name).onnx")
        var random: UInt64 = 88_172_645_463_325_252
        try withFolder { folder in
            for _ in 0..<1500 {
                var bytes = whole
                for _ in 0..<3 {
                    random ^= random << 13
                    random ^= random >> 7
                    random ^= random << 17
                    bytes[Int(random % UInt64(bytes.count))] = UInt8(
                        truncatingIfNeeded: random >> 32)
                }
                try write(bytes, folder + "/m.onnx")
                #expect(refusal(folder + "/m.onnx", engine) != nil)
            }
        }
    }

    @Test func externalDataThroughLinks() throws {
        let model = try read(fixtureFolder + "/external_data.onnx")
        try withFolder { folder in
            let path = folder + "/m.onnx"
            try write(model, path)
            try write(1...8, folder + "/outside.bin")
            let weights = folder + "/weights"
            #expect(unsafe mkdir(weights, 0o700) == 0)
            #expect(unsafe symlink("../outside.bin", weights + "/external.bin") == 0)
            #expect(refusal(path, engine)?.message.contains("symbolic link") == true)
            #expect(unsafe unlink(weights + "/external.bin") == 0)
            #expect(unsafe link(folder + "/outside.bin", weights + "/external.bin") == 0)
            #expect(refusal(path, engine)?.message.contains("hard link") == true)
            #expect(unsafe unlink(weights + "/external.bin") == 0)
            #expect(unsafe mkdir(weights + "/external.bin", 0o700) == 0)
            #expect(refusal(path, engine)?.message.contains("regular file") == true)
        }
    }

    @Test("external data is found wherever a tensor can be") func externalDataEverywhere() throws {
        let tensor = message(
            (8, text("w")), (13, message((1, text("location")), (2, text("../x")))))
        let attribute = { (number: UInt64, value: [UInt8]) in
            message((1, text("a")), (number, value))
        }
        let node = { (attribute: [UInt8]) in message((4, text("Foo")), (5, attribute)) }
        let sparse = message((1, tensor))
        let graphs: [[UInt8]] = [
            message((5, tensor)), message((15, sparse)), message((15, message((2, tensor)))),
            message((1, node(attribute(5, tensor)))), message((1, node(attribute(10, tensor)))),
            message((1, node(attribute(22, sparse)))), message((1, node(attribute(23, sparse)))),
            message((1, node(attribute(6, message((5, tensor)))))),
            message((1, node(attribute(11, message((1, node(attribute(5, tensor)))))))),
        ]
        let version: [UInt8] = [8, 8]
        var models = graphs.map { version + message((7, $0)) }
        let function = message((7, node(attribute(5, tensor))))
        models.append(version + message((7, message((2, text("g")))), (25, function)))
        models.append(
            version
                + message((7, message((2, text("g")))), (25, message((11, attribute(5, tensor))))))
        models.append(
            version + message((7, message((2, text("g")))), (20, message((1, graphs[0])))))
        try withFolder { folder in
            for (index, model) in models.enumerated() {
                try write(model, folder + "/m.onnx")
                let error = try #require(refusal(folder + "/m.onnx", engine))
                #expect(
                    error.message.contains("outside the model's folder"), "model \(index): \(error)"
                )
            }
            // Marked as external without a file, and ONNX Runtime's marker for memory.
            for (tensor, reason) in [
                (message((8, text("w"))) + [14 << 3, 1], "names no file"),
                (
                    message((13, message((1, text("location")), (2, text("*/_ORT_MEM_ADDR_/*"))))),
                    "unusual"
                ),
            ] {
                try write(version + message((7, message((5, tensor)))), folder + "/m.onnx")
                #expect(refusal(folder + "/m.onnx", engine)?.message.contains(reason) == true)
            }
        }
    }

    @Test func deepNesting() throws {
        var graph = message((2, text("g")))
        for _ in 0..<200 {
            graph = message((1, message((4, text("If")), (5, message((6, graph))))))
        }
        try withFolder { folder in
            try write([8, 8] + message((7, graph)), folder + "/m.onnx")
            #expect(refusal(folder + "/m.onnx", engine)?.message.contains("nested") == true)
            let small = message((2, text("g")))
            try write([8, 8] + message((7, small), (7, small)), folder + "/m.onnx")
            #expect(
                refusal(folder + "/m.onnx", engine)?.message.contains("two main graphs") == true)
        }
    }

    @Test(
        "shapes that the file does not fill",
        arguments: [
            [1 << 40], [1 << 32, 1 << 32], [-1], [3, -9], [1 << 62, 4, 0x7fff_ffff], [2000],
        ] as [[Int64]])
    func absurdShapes(_ shape: [Int64]) throws {
        let dimensions = shape.flatMap { OnnxWriter.field(1, integer: $0) }
        let packed = message((1, shape.flatMap { OnnxWriter.varint(UInt64(bitPattern: $0)) }))
        let values = message((8, text("w")), (9, [0, 0, 0, 0]))
        let sparse = message((1, values)) + shape.flatMap { OnnxWriter.field(3, integer: $0) }
        var graphs = [
            message((5, dimensions + values)), message((5, packed + values)),
            message((1, message((4, text("Foo")), (5, message((5, dimensions + values)))))),
        ]
        // What is sparse may be larger than its bytes.
        if shape != [2000] { graphs.append(message((15, sparse))) }
        try withFolder { folder in
            for graph in graphs {
                try write([8, 8] + message((7, graph)), folder + "/m.onnx")
                let error = try #require(refusal(folder + "/m.onnx", engine))
                #expect(error.message.contains("more elements than the file"), "\(error)")
            }
        }
    }

    @Test func functionsThatGrow() throws {
        func call(_ name: String) -> [UInt8] {
            message((7, message((4, text(name)), (7, text("f")))))
        }
        func function(_ name: String, _ body: [UInt8]) -> [UInt8] {
            message((25, message((1, text(name)), (10, text("f"))) + body))
        }
        let main = message((7, message((1, message((4, text("f0")), (7, text("f")))))))
        var doubled: [UInt8] = []
        for level in 0..<40 {
            let next = "f\(level + 1)"
            doubled += function("f\(level)", level < 39 ? call(next) + call(next) : call("Add"))
        }
        // A long row of functions is none of these, nor is a function that nobody calls.
        let row = (0..<3000).flatMap { function("f\($0)", call("f\($0 + 1)")) }
        let within = message(
            (
                7,
                message(
                    (4, text("If")),
                    (5, message((6, message((1, message((4, text("f0")), (7, text("f"))))))))
                )
            ))
        for (functions, isRefused) in [
            (function("f0", call("f0")), true),
            (function("f0", call("f1")) + function("f1", call("f2") + call("f0")), true),
            (function("f0", within), true), (doubled, true), (row, false),
            (function("f1", call("f1")) + function("f0", call("Add")), false),
        ] {
            try withFolder { folder in
                try write([8, 8] + main + functions, folder + "/m.onnx")
                let error = try #require(refusal(folder + "/m.onnx", engine))
                #expect(error.message.contains("functions that call") == isRefused, "\(error)")
            }
        }
    }

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func message(_ fields: (number: UInt64, bytes: [UInt8])...) -> [UInt8] {
        func varint(_ value: UInt64) -> [UInt8] {
            value < 0x80
                ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
        }
        return fields.flatMap {
            varint($0.number << 3 | 2) + varint(UInt64($0.bytes.count)) + $0.bytes
        }
    }
}

@Suite(
    "models that ONNX Runtime or the contract refuses",
    .enabled(if: hasOnnxRuntime, "no ONNX Runtime: run scripts/setup"))
struct UnsupportedModelTests {
    @Test(arguments: [
        ("unknown_operator", ModelError.Kind.invalid, "Frobnicate"),
        ("unknown_domain", .invalid, "com.example"),
        ("float16_input", .unsupported, "input 'x' has the type float16"),
        ("scalar_input", .unsupported, "input 'x' has no batch dimension"),
    ])
    func refuses(_ name: String, _ kind: ModelError.Kind, _ reason: String) throws {
        let error = try #require(refusal("\(fixtureFolder)/refused/\(name).onnx"))
        #expect(error.kind == kind)
        #expect(error.message.contains(reason), "\(error.message)")
        #expect(!error.message.contains("\n"))
    }

    @Test func truncatedBehindTheGraph() throws {
        // Without its operator sets, the last field, it is whole to our scan.
        let model = try read(fixtureFolder + "/identity_int8.onnx")
        try withFolder { folder in
            try write(model.dropLast(4), folder + "/m.onnx")
            #expect(refusal(folder + "/m.onnx")?.kind == .invalid)
        }
    }

    @Test func outputsThatAreNot() throws {
        let model = try engine.load(path: fixtureFolder + "/qda.onnx")
        #expect(model.signature.outputs.map(\.name) == ["probabilities"])
        for (names, reason) in [
            (["nothing"], "is none of the model's"), ([], "no output"),
            (["label"], "its first dimension must be the batch"),
        ] {
            do {
                _ = try model.makeSession(outputs: names, maxRows: 1)
                Issue.record("\(names) accepted")
            } catch {
                #expect(error.message.contains(reason), "\(error)")
            }
        }
    }
}

@Suite("files are recognized by content")
struct RecognitionTests {
    @Test(arguments: Fixture.names)
    func model(_ name: String) throws {
        let head = Array(try read("\(fixtureFolder)/\(name).onnx").prefix(4096))
        #expect(engine.recognizes(head: head, path: "model"))
        #expect(engine.recognizes(head: Array(head.prefix(64)), path: "model"))
    }

    @Test func others() throws {
        let savedModel: [UInt8] = [8, 1, 18, 0x90, 0x4e, 10, 5] + Array("meta".utf8)
        let others: [[UInt8]] = [
            [], [8], [8, 8], savedModel, Array("<?xml version=\"1.0\"?><PMML/>".utf8),
            Array("version https://git-lfs".utf8), [0x50, 0x4b, 3, 4], [0, 0, 0, 0],
            [0x1c, 0, 0, 0] + Array("TFL3".utf8), Array(repeating: 0xff, count: 64),
        ]
        for head in others {
            #expect(!engine.recognizes(head: head, path: "model.onnx"), "\(head.prefix(8))")
        }
    }
}
