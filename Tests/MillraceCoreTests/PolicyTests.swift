import MillraceCore
import Testing

@Suite("Sequencer")
struct SequencerTests {
    @Test("batches leave in number order, whatever the order in which they come")
    func order() {
        var sequencer = Sequencer()
        sequencer.deposit(number: 1, slot: 11)
        #expect(sequencer.takeNext() == nil)
        sequencer.deposit(number: 2, slot: 12)
        sequencer.deposit(number: 0, slot: 10)
        #expect(sequencer.takeNext() == 10)
        #expect(sequencer.takeNext() == 11)
        #expect(sequencer.takeNext() == 12)
        #expect(sequencer.takeNext() == nil)
    }
}

@Suite("Failure policy")
struct FailurePolicyTests {
    private func isHold(_ verdict: FailurePolicy.Verdict) -> Bool {
        if case .hold = verdict { true } else { false }
    }

    @Test("a few bad records at the start go through")
    func fewBad() {
        var policy = FailurePolicy(maxRatio: 0.5)
        for _ in 0..<99 {
            #expect(policy.judge(records: 1, scored: 0, refused: 0, dead: 1) == .proceed)
        }
        #expect(isHold(policy.judge(records: 1, scored: 0, refused: 0, dead: 1)))
    }

    @Test("too many dead letters in the window hold the flow, however they are spread")
    func ratio() {
        var policy = FailurePolicy(maxRatio: 0.5)
        #expect(policy.judge(records: 500, scored: 500, refused: 0, dead: 0) == .proceed)
        #expect(policy.judge(records: 400, scored: 0, refused: 0, dead: 400) == .proceed)
        #expect(isHold(policy.judge(records: 400, scored: 0, refused: 0, dead: 400)))
        // The held batch does not count: a good one goes on.
        #expect(policy.judge(records: 400, scored: 400, refused: 0, dead: 0) == .proceed)
    }

    @Test("the window forgets")
    func window() {
        var policy = FailurePolicy(maxRatio: 0.5)
        for _ in 0..<10 {
            #expect(policy.judge(records: 512, scored: 512, refused: 0, dead: 200) == .proceed)
        }
        for _ in 0..<3 {
            #expect(policy.judge(records: 512, scored: 512, refused: 0, dead: 0) == .proceed)
        }
        #expect(policy.judge(records: 512, scored: 112, refused: 0, dead: 400) == .proceed)
    }

    @Test("a ratio of 1 switches the rule off")
    func off() {
        var policy = FailurePolicy(maxRatio: 1)
        for _ in 0..<5 {
            #expect(policy.judge(records: 512, scored: 0, refused: 0, dead: 512) == .proceed)
        }
    }

    @Test("an engine that refuses a whole batch holds at once, even with the ratio off")
    func engineDown() {
        var policy = FailurePolicy(maxRatio: 1)
        #expect(isHold(policy.judge(records: 4, scored: 4, refused: 4, dead: 4)))
        #expect(policy.judge(records: 4, scored: 4, refused: 3, dead: 3) == .proceed)
    }

    @Test("single refused records are bad records until there are too many in a row")
    func lonely() {
        var policy = FailurePolicy(maxRatio: 1)
        for _ in 0..<7 {
            #expect(policy.judge(records: 1, scored: 1, refused: 1, dead: 1) == .proceed)
        }
        #expect(isHold(policy.judge(records: 1, scored: 1, refused: 1, dead: 1)))
        #expect(policy.judge(records: 1, scored: 1, refused: 0, dead: 0) == .proceed)
        #expect(policy.judge(records: 1, scored: 1, refused: 1, dead: 1) == .proceed)
    }

    @Test("an engine that scores what it scored before has refused bad records")
    func provenEngine() {
        var policy = FailurePolicy(maxRatio: 1)
        for _ in 0..<20 {
            let verdict = policy.judge(records: 1, scored: 1, refused: 1, dead: 1, engine: .works)
            #expect(verdict == .proceed)
        }
        let batch = policy.judge(records: 4, scored: 4, refused: 4, dead: 4, engine: .works)
        #expect(batch == .proceed)
        #expect(
            isHold(policy.judge(records: 1, scored: 1, refused: 1, dead: 1, engine: .isBroken)))
    }

    @Test("waiting times double up to half a minute and start over")
    func backoff() {
        var backoff = Backoff(firstNs: 1_000_000_000)
        let seconds = (0..<8).map { _ in backoff.next() / 1_000_000_000 }
        #expect(seconds == [1, 2, 4, 8, 16, 30, 30, 30])
        for _ in 0..<1_000 { _ = backoff.next() }
        #expect(backoff.next() == 30_000_000_000)
        backoff.reset()
        #expect(backoff.next() == 1_000_000_000)
    }
}

@Suite("Proven row")
struct ProvenRowTests {
    @Test("numbers and texts are the row's own, whatever becomes of the columns")
    func copies() throws {
        let numbers = try #require(
            FeatureColumn(name: "n", type: .float32, rowShape: [2], capacityRows: 3))
        let texts = try #require(
            FeatureColumn(name: "t", type: .string, rowShape: [], capacityRows: 3))
        let features = FeatureColumns(columns: [numbers, texts], capacityRows: 3)
        features.rowCount = 3
        unsafe numbers.storage.copyBytes(
            from: [UInt8](repeating: 1, count: numbers.storage.count))
        let word = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 3)
        _ = unsafe word.initialize(from: Array("abc".utf8))
        let slices = unsafe texts.storage.bindMemory(to: TextSlice.self)
        unsafe slices[1] = TextSlice(start: UnsafePointer(word.baseAddress), count: 3)
        let proven = try #require(ProvenRow(1, of: features))
        unsafe word.update(repeating: UInt8(ascii: "x"))
        unsafe word.deallocate()
        unsafe numbers.storage.copyBytes(
            from: [UInt8](repeating: 2, count: numbers.storage.count))
        let copies = proven.features.columns
        #expect(proven.features.rowCount == 1)
        #expect(unsafe Array(copies[0].storage) == Array(repeating: 1, count: 8))
        let slice = unsafe copies[1].storage.bindMemory(to: TextSlice.self)[0]
        let text = unsafe UnsafeBufferPointer(start: slice.start, count: slice.count)
        #expect(unsafe String(decoding: text, as: UTF8.self) == "abc")
        #expect(ProvenRow(3, of: features) == nil)
    }
}

@Suite("Field pointers")
struct FieldPointerTests {
    @Test(
        "RFC 6901 text is parsed and printed back",
        arguments: [
            ("/a", ["a"]), ("/a/b", ["a", "b"]), ("/", [""]), ("/a~1b/m~0n", ["a/b", "m~n"]),
            ("/0/x", ["0", "x"]), ("/é", ["é"]),
        ])
    func parse(text: String, tokens: [String]) throws {
        let pointer = try #require(FieldPointer(text))
        #expect(pointer.tokens == tokens)
        #expect(pointer.description == text)
    }

    @Test("what is no pointer to a field is refused", arguments: ["", "a", "/a~", "/a~2", "a/b"])
    func refuse(text: String) {
        #expect(FieldPointer(text) == nil)
    }
}
