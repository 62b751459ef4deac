import Glibc
import MillraceCore
import MillraceTestKit
import MillraceTrees
import Testing

@testable import MillraceBoosters

/// A file is read piece by piece: where the pieces end is nothing to what comes of it.
@Suite struct LightGBMPiecesTests {
    /// Gives a stream of bytes from a file of its own, which is gone afterwards.
    private func withStream<Result>(
        _ bytes: [UInt8], _ body: (ModelStream, String) throws -> Result
    ) throws -> Result {
        var template = Array(("/tmp/millrace-" + String(repeating: "X", count: 6)).utf8CString)
        let descriptor = unsafe template.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe mkstemp($0) } ?? -1
        }
        try #require(descriptor >= 0)
        let path = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
        defer { _ = unsafe unlink(path) }
        let written = unsafe bytes.withUnsafeBytes {
            unsafe write(descriptor, $0.baseAddress, $0.count)
        }
        close(descriptor)
        try #require(written == bytes.count)
        return try body(BoosterFile.stream(path, kind: "a model"), path)
    }

    /// "loads", or what loading fails with.
    private func said(_ bytes: [UInt8], piece: Int) throws -> String {
        try withStream(bytes) { stream, _ in
            do throws(ModelError) {
                let text = LightGBMText(stream, piece: piece)
                _ = try TreeModel(LightGBMLoader.program(text, path: "m.txt"), path: "m.txt")
                return "loads"
            } catch {
                return "\(error.kind): \(error.message)"
            }
        }
    }

    @Test(arguments: LightGBMTests.sound)
    func predictionsAreTheSame(_ name: String) throws {
        let file = try fixture(name + ".txt")
        let expected = try LightGBMExpectation(name)
        let whole = try LightGBMRun.outputs(LightGBMRun.program(file), expected)
        for piece in [1, 7, 1000, 1 << 20] {
            let got = try withStream(file.bytes) { stream, path in
                let text = LightGBMText(stream, piece: piece)
                return try LightGBMRun.outputs(LightGBMLoader.program(text, path: path), expected)
            }
            #expect(got.keys == whole.keys)
            for (output, values) in got {
                let wanted = try #require(whole[output]).values
                #expect(
                    values.values.map(\.bitPattern) == wanted.map(\.bitPattern), "\(piece) bytes")
            }
        }
    }

    /// Bytes changed, taken away, doubled: the same error, with the same line.
    @Test(arguments: ["lightgbm_categorical", "lightgbm_crlf", "lightgbm_204_categorical"])
    func errorsAreTheSame(_ name: String) throws {
        let bytes = try fixture(name + ".txt").bytes
        var random = SeededRandom(seed: 12)
        var refused = 0
        for _ in 0..<300 {
            let mutated = LightGBMRefusalTests.mutate(bytes, &random)
            let whole = LightGBMRun.failure(bytes: mutated)
            if whole != nil { refused += 1 }
            #expect(
                try said(mutated, piece: Int.random(in: 1...300, using: &random))
                    == (whole.map { "\($0.kind): \($0.message)" } ?? "loads"))
        }
        #expect(refused > 30)
    }

    @Test func aFileThatBecomesShorterIsNoDamagedOne() throws {
        let bytes = try fixture("lightgbm_regression.txt").bytes
        let error = try withStream(bytes) { stream, path -> ModelError? in
            let status = unsafe truncate(path, off_t(bytes.count / 2))
            try #require(status == 0)
            do throws(ModelError) {
                _ = try LightGBMLoader.program(LightGBMText(stream, piece: 100), path: path)
                return nil
            } catch {
                #expect(error.message == "\(path): became shorter while it was read; try again")
                return error
            }
        }
        #expect(error?.kind == .unreadable)
    }

    /// A tree leaves memory when the next ones are read, and so do the lines behind the trees.
    @Test func onlyAWindowIsInMemory() throws {
        let trees = (0..<2000).map { "Tree=\($0)\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\n\n" }
        let importances = (0..<2000).map { "feature_\($0)=1\n" }
        let head = "tree\nversion=v4\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\n\n"
        let parts =
            [head] + trees + ["end of trees\n\nfeature_importances:\n"] + importances
        let bytes = Array(parts.joined().utf8)
        try withStream(bytes) { stream, _ in
            let loader = try LightGBMLoader(LightGBMText(stream, piece: 256))
            #expect(loader.text.offset == bytes.count)
            #expect(loader.text.widest <= 3 * 256)
            let program = loader.makeProgram()
            #expect(program.facts.notes.contains { $0.key == "trees" && $0.value == "2000" })
        }
    }
}
