import COnnxRuntime
import Glibc
import MillraceCore
import Testing

@testable import MillraceONNX

private func failure(_ body: () throws(ModelError) -> Void) -> ModelError? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

/// A table whose every function fails with no message: calls reach it, nothing is made.
private func failingTable(missing slot: Int? = nil) -> UnsafeMutablePointer<UnsafeRawPointer?> {
    let fails: @convention(c) () -> OpaquePointer? = { unsafe OpaquePointer(bitPattern: 16) }
    let says: @convention(c) (OpaquePointer) -> UnsafePointer<CChar>? = { _ in
        unsafe UnsafePointer(strdup("stub says no\nsecond line"))
    }
    let ignores: @convention(c) (OpaquePointer) -> Void = { _ in }
    let table = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(
        capacity: Int(ONNX_API_SLOTS))
    unsafe table.initialize(
        repeating: unsafeBitCast(fails, to: UnsafeRawPointer.self), count: Int(ONNX_API_SLOTS))
    unsafe table[2] = unsafeBitCast(says, to: UnsafeRawPointer.self)
    unsafe table[93] = unsafeBitCast(ignores, to: UnsafeRawPointer.self)
    if let slot { unsafe table[slot] = nil }
    return unsafe table
}

@Suite("onnx runtime's library")
struct LibraryTests {
    @Test func missing() throws {
        let error = try #require(
            failure { () throws(ModelError) in
                _ = try OnnxLibrary.open(
                    ["/nonexistent/a.so", "/nonexistent/b.so"], log: .none)
            })
        #expect(error.kind == .libraryMissing)
        #expect(error.message.contains("/nonexistent/a.so"))
        #expect(error.message.contains("MILLRACE_ONNXRUNTIME"))
    }

    @Test func thereButNoLibrary() throws {
        let error = try #require(
            failure { () throws(ModelError) in
                _ = try OnnxLibrary.open(["/nonexistent/a.so", #filePath], log: .none)
            })
        #expect(error.kind == .libraryMissing)
        #expect(error.message.contains("LibraryTests.swift"), "\(error.message)")
    }

    @Test func anotherLibrary() throws {
        let error = try #require(
            failure { () throws(ModelError) in
                _ = try OnnxLibrary.open(["libm.so.6"], log: .none)
            })
        #expect(error.kind == .symbolMissing)
        #expect(error.message.contains("OrtGetApiBase"))
    }

    @Test func tooOld() throws {
        let old = unsafe OnnxApiBase(
            get_api: { _ in unsafe UnsafeRawPointer(bitPattern: 16) },
            get_version_string: { unsafe UnsafePointer(strdup("1.19.2")) })
        let unknown = unsafe OnnxApiBase(
            get_api: { _ in nil }, get_version_string: { unsafe UnsafePointer(strdup("1.30.0")) })
        let nameless = unsafe OnnxApiBase(
            get_api: { _ in nil }, get_version_string: { nil })
        for (base, text) in [(old, "1.19.2"), (unknown, "1.30.0"), (nameless, "unknown")] {
            let error = try #require(
                failure { () throws(ModelError) in
                    _ = try OnnxLibrary(base: base, name: "fake.so", log: .none)
                })
            #expect(error.kind == .libraryTooOld)
            #expect(error.message.contains(text) && error.message.contains("1.20"))
        }
    }

    @Test func holesAndFailuresInTheTable() throws {
        let hole = unsafe OnnxApiBase(
            get_api: { _ in unsafe UnsafeRawPointer(failingTable(missing: 9)) },
            get_version_string: { unsafe UnsafePointer(strdup("1.20.0")) })
        let failing = unsafe OnnxApiBase(
            get_api: { _ in unsafe UnsafeRawPointer(failingTable()) },
            get_version_string: { unsafe UnsafePointer(strdup("1.32.0")) })
        let first = failure { () throws(ModelError) in
            _ = try OnnxLibrary(base: hole, name: "fake.so", log: .none)
        }
        #expect(first?.kind == .symbolMissing)
        let second = failure { () throws(ModelError) in
            _ = try OnnxLibrary(base: failing, name: "fake.so", log: .none)
        }
        #expect(second?.message == "allocator: stub says no second line")
    }

    @Test func pathMustBeAbsolute() {
        let engine = OnnxEngine(library: "lib/libonnxruntime.so")
        let error = failure { () throws(ModelError) in
            _ = try engine.load(path: fixtureFolder + "/ridge.onnx")
        }
        #expect(error?.message.contains("must be absolute") == true)
    }
}
