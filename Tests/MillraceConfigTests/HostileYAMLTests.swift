import MillraceConfig
import MillraceTestKit
import Testing

@Suite struct HostileYAMLTests {
    private func complaints(_ bytes: [UInt8]) -> [String] {
        short(PipelineReader.read(bytes: bytes, path: "p.yaml", environment: [:]).complaints)
    }

    @Test func anAliasBombIsRefusedAtEachPlace() {
        let bomb = """
            a: &a [x, x, x, x, x, x, x, x, x]
            b: &b [*a, *a, *a]
            name: *b
            """
        let list = complaints(Array(bomb.utf8))
        #expect(list.contains("1:4: anchors are not allowed; write the value out where it is used"))
        #expect(
            list.filter { $0.hasSuffix("aliases are not allowed; write the value out") }.count == 4)
        #expect(list.contains("3:7: aliases are not allowed; write the value out"))
        // The alias was the name's value: that the name is unusable is not said twice.
        #expect(!list.contains { $0.contains("name must be") })
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func deepNestingEnds(_ opener: String) {
        let text = "x:\n " + String(repeating: opener, count: 10_000)
        let list = complaints(Array(text.utf8))
        #expect(list.count == 1)
        #expect(list.first?.hasSuffix("nested more than 64 levels deep") == true)
    }

    @Test func sixtyFourLevelsAreRead() {
        let text = PipelineText.with {
            $0.rest =
                "deep: " + String(repeating: "[", count: 63) + String(repeating: "]", count: 63)
        }
        #expect(complaints(Array(text.utf8)).first?.hasPrefix("7:1: unknown key 'deep'") == true)
    }

    @Test func aFileOverOneMebibyteIsRefused() {
        let atLimit = PipelineText().text + String(repeating: "#", count: 1 << 20)
        #expect(
            complaints(Array(atLimit.utf8).dropLast(PipelineText().text.utf8.count).map(\.self))
                == [])
        #expect(
            complaints(Array(atLimit.utf8)) == ["1:1: the file is larger than 1 MiB"])
    }

    @Test func aHugeScalarIsShownShort() {
        let text = PipelineText.with {
            $0.rest = "memory: " + String(repeating: "9", count: 1_000_000)
        }
        #expect(
            complaints(Array(text.utf8)) == [
                "7:9: memory must be a size from 32MiB to 1TiB, as 64KB or 256MiB, but is '"
                    + String(repeating: "9", count: 60) + "...'"
            ])
    }

    @Test(
        arguments: [
            ([0xFF], "2:3"), ([0xC3], "2:3"), ([0xED, 0xA0, 0x80], "2:3"), ([0xC0, 0x80], "2:3"),
            ([0xF4, 0x90, 0x80, 0x80], "2:3"), ([0x00], "2:3"), ([0x1B], "2:3"), ([0x7F], "2:3"),
            ([0xC3, 0xA9, 0x07], "2:4"),
        ] as [([UInt8], String)])
    func bytesThatAreNoTextHaveAPlace(_ bytes: [UInt8], _ place: String) {
        #expect(
            complaints(Array("a: b\nx:".utf8) + bytes) == [
                "\(place): not valid UTF-8 text, or a control character; save the file as UTF-8"
            ])
    }

    @Test func utf16IsRefused() {
        let text = "name: x".utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        #expect(
            complaints([0xFF, 0xFE] + text) == [
                "1:1: not valid UTF-8 text, or a control character; save the file as UTF-8"
            ])
    }

    @Test func aByteOrderMarkIsNoError() {
        #expect(complaints([0xEF, 0xBB, 0xBF] + Array(PipelineText().text.utf8)) == [])
    }

    @Test func windowsLineEndsAreRead() {
        let text = PipelineText.with { $0.rest = "lanes: x" }.replacing("\n", with: "\r\n")
        #expect(
            complaints(Array(text.utf8)) == [
                "7:8: lanes must be an integer from 0 to 256, without quotes, but is 'x'"
            ])
    }

    @Test func mergeKeysAndControlCharactersAreShownEscaped() {
        let text = PipelineText.with { $0.rest = "<<: {lanes: 3}\n\"a\\e[31m\\u202e\": 1" }
        let list = complaints(Array(text.utf8))
        #expect(list.count == 2)
        #expect(list.first?.hasPrefix("7:1: unknown key '<<'; known keys are") == true)
        #expect(list.last?.hasPrefix("8:1: unknown key 'a\\u{1b}[31m\\u{202e}'") == true)
    }

    @Test func keysThatAreNoTextAreRefused() {
        let text = PipelineText.with { $0.rest = "? {a: b}\n: c\n? [x]\n: [y]\nlanes: 3" }
        #expect(
            complaints(Array(text.utf8)) == [
                "7:3: a key must be text", "9:3: a key must be text",
            ])
    }

    /// Every prefix and many mutations of a good file: complaints or a file, never a trap.
    @Test func brokenFilesGiveComplaints() {
        let good = Array(
            PipelineText.with {
                $0.model = "model: {file: m, inputs: {x: [/a, {field: $key, missing: \"0\"}]}}"
                $0.append = "append: {p: \"y[1]\", q: 'z[\"a b\"]'}"
                $0.rest = "dead_letter: {topic: d}\nhttp: {listen: '[::1]:0'}\nmemory: ${M:-1GiB}"
            }.utf8)
        #expect(complaints(good) == [])
        var generator = SeededRandom(seed: 42)
        let marks = Array("{}[]:,'\"#&*!|>-?%@`$\n\t \\/~0\u{0}".utf8)
        for length in good.indices {
            let outcome = PipelineReader.read(
                bytes: Array(good[..<length]), path: "p", environment: [:])
            #expect((outcome.file == nil) == outcome.complaints.contains { $0.severity == .error })
        }
        for _ in 0..<3000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: bytes.indices, using: &generator)
                bytes[index] = marks.randomElement(using: &generator) ?? 0
            }
            let outcome = PipelineReader.read(bytes: bytes, path: "p", environment: [:])
            #expect((outcome.file == nil) == outcome.complaints.contains { $0.severity == .error })
        }
    }
}
