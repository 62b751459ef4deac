import Testing

@testable import MillraceWorker
@testable import millrace

/// The text of the progress line.
struct ProgressTextTests {
    private static func look(
        atMs timeMs: Int64 = 0, recordsIn: UInt64 = 0, finished: UInt64 = 0, dead: UInt64 = 0,
        hindrance: String? = nil, _ goal: Progress.Goal
    ) -> Progress {
        Progress(
            timeNs: timeMs * 1_000_000, recordsIn: recordsIn, finished: finished, dead: dead,
            hindrance: hindrance, goal: goal)
    }

    private static func line(columns: Int = 120, _ looks: [Progress]) -> String {
        var text = ProgressText()
        for look in looks { text.add(look) }
        return text.line(columns: columns)
    }

    private static let untilEnd = [
        look(.untilEnd(left: 2_900_000)),
        look(atMs: 4_000, finished: 1_240_000, dead: 3, .untilEnd(left: 1_660_000)),
    ]

    @Test func aRunWithAnEndTellsItsShareAndTheTimeLeft() {
        #expect(
            Self.line(Self.untilEnd)
                == "42 %  1.2 M of 2.9 M records  310 k/s  3 dead  6 s left")
    }

    @Test func aRunWhoseEndIsNotKnownYet() {
        let looks = [
            Self.look(.untilEnd(left: nil)),
            Self.look(atMs: 500, finished: 50, .untilEnd(left: nil)),
        ]
        #expect(Self.line(looks) == "50 records  100/s  0 dead")
    }

    @Test func aServiceTellsItsRatesAndLag() {
        func goal(_ lag: Int64?) -> Progress.Goal {
            .service(lag: lag, inFlightBytes: 4_300_000, boundBytes: 32 << 20)
        }
        let first = Self.look(recordsIn: 1_000, finished: 500, goal(nil))
        let second = Self.look(atMs: 2_000, recordsIn: 25_600, finished: 2_500, dead: 2, goal(31))
        #expect(
            Self.line([first, second])
                == "12 k/s in  1.0 k/s out  2 dead  lag 31  4.1 MiB of 32 MiB in flight")
        #expect(
            Self.line([first]) == "0/s in  0/s out  0 dead  4.1 MiB of 32 MiB in flight")
        let held = Self.look(hindrance: "holding: model", goal(0))
        #expect(Self.line([held]).hasPrefix("holding: model  0/s in  0/s out  0 dead  lag 0  "))
    }

    @Test func linesTellTheShareOfTheFile() {
        func look(_ timeMs: Int64, _ doneBytes: Int, _ totalBytes: Int?) -> Progress {
            Self.look(
                atMs: timeMs, finished: UInt64(timeMs),
                .lines(doneBytes: doneBytes, totalBytes: totalBytes))
        }
        #expect(
            Self.line([look(0, 0, 1_000), look(1_000, 200, 1_000)])
                == "20 %  1.0 k records  1.0 k/s  0 dead  4 s left")
        #expect(Self.line([look(0, 0, nil), look(100, 9, nil)]) == "100 records  1.0 k/s  0 dead")
        // All is read: nothing is left to estimate.
        #expect(
            Self.line([look(0, 0, 9), look(100, 9, 9)]) == "100 %  100 records  1.0 k/s  0 dead")
    }

    @Test func ratesAreThoseOfTheLastSeconds() {
        // Nothing for a minute, then 100 a second.
        var looks = [Self.look(.untilEnd(left: nil))]
        for step in 0...40 {
            looks.append(
                Self.look(
                    atMs: 60_000 + Int64(step) * 250, finished: UInt64(step * 25),
                    .untilEnd(left: nil)))
        }
        #expect(Self.line(looks) == "1.0 k records  100/s  0 dead")
    }

    @Test(arguments: 1...70)
    func itFitsIntoTheColumns(columns: Int) {
        let full = Self.line(Self.untilEnd)
        let line = Self.line(columns: columns, Self.untilEnd)
        #expect(line.count <= columns)
        #expect(!line.isEmpty && full.hasPrefix(line))
        #expect(columns < full.count || line == full)
        if columns >= 4, line != full {
            #expect(full.dropFirst(line.count).hasPrefix("  "), "a part is cut: \(line)")
        }
    }

    @Test func controlCharactersCountAsTheyAreShown() {
        let looks = [Self.look(hindrance: "a\u{1b}[2Kb", .untilEnd(left: nil))]
        #expect(Self.line(columns: 22, looks) == "a\\u001b[2Kb  0 records")
        #expect(Self.line(columns: 21, looks) == "a\\u001b[2Kb")
        #expect(Self.line(columns: 5, looks) == "a\\u00")
    }

    @Test(arguments: [
        (0, "0"), (7, "7"), (999, "999"), (999.4, "999"), (999.5, "1.0 k"), (1_000, "1.0 k"),
        (1_249, "1.2 k"), (9_949, "9.9 k"), (9_960, "10 k"), (12_345, "12 k"), (310_000, "310 k"),
        (999_499, "999 k"), (999_600, "1.0 M"), (2_900_000, "2.9 M"), (12e9, "12 G"),
        (1.2e13, "12000 G"), (-3, "0"), (.nan, "-"), (.infinity, "-"),
    ])
    func numbersAreShort(value: Double, text: String) {
        #expect(Compact.number(value) == text)
    }

    @Test(arguments: [
        (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (4_300_000, "4.1 MiB"),
        (32 << 20, "32 MiB"), (3 << 30, "3.0 GiB"),
    ])
    func bytesAreBinary(value: Int, text: String) { #expect(Compact.bytes(value) == text) }

    @Test(arguments: [
        (0, "0 s"), (0.2, "1 s"), (59, "59 s"), (59.5, "1 min"), (130, "2 min 10 s"),
        (3_900, "1 h 5 min"), (3_600, "1 h"), (273_600, "3 d 4 h"), (1e30, "more than 99 d"),
        (.nan, "more than 99 d"),
    ])
    func durationsHaveTwoUnits(seconds: Double, text: String) {
        #expect(Compact.duration(seconds: seconds) == text)
    }

    @Test(arguments: [(0, 0, "100 %"), (0, 5, "0 %"), (999, 1_000, "99 %"), (9, 5, "100 %")])
    func percentAreRoundedDown(part: Double, whole: Double, text: String) {
        #expect(Compact.percent(part, of: whole) == text)
    }

    @Test func whatIsLeftIsKnownOnceEveryPartitionsBeginningIs() {
        var snapshot = WorkerSnapshot()
        #expect(snapshot.offsetsLeft == nil)
        snapshot.ends = [0: 100, 1: 50, 2: 0]
        #expect(snapshot.offsetsLeft == nil)
        snapshot.assigned = [0, 1, 2]
        snapshot.frontiers = [0: 40]
        #expect(snapshot.offsetsLeft == nil)
        snapshot.frontiers[1] = 70  // read beyond the end: those records belong to another run
        #expect(snapshot.offsetsLeft == 60)
        // A partition of which nothing is to be read has no frontier.
        snapshot.frontiers[1] = nil
        snapshot.readToEnd = [1]
        #expect(snapshot.offsetsLeft == 60)
    }
}

/// The progress line on a terminal. Python makes the terminal and reads its screen.
@Suite(
    .enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"),
    .enabled(if: Tool.isThere("python3"), "needs python3"))
struct ProgressTerminalTests {
    /// `run(words, ...)` gives a command a terminal as its stderr and returns its exit code, all
    /// bytes that came, and the screen's lines at the end.
    private static let terminal = #"""
        import fcntl, json, os, pty, re, signal, struct, subprocess, sys, termios, threading, time
        millrace, folder, pipelines = (os.environ[n] for n in ("MILLRACE", "T", "PIPELINES"))
        fraud = pipelines + "/fraud.yaml"
        row = open(pipelines + "/data/fraud.jsonl", "rb").readline()
        os.environ["TERM"] = "xterm"
        def screen(text):
            lines, column = [""], 0
            for piece in re.findall("\r|\n|\x1b\\[K|[^\r\n\x1b]+|\x1b", text):
                if piece == "\r": column = 0
                elif piece == "\n": lines.append("")
                elif piece == "\x1b[K": lines[-1] = lines[-1][:column]
                else:
                    assert piece != "\x1b", "an escape that nobody expects"
                    lines[-1] = lines[-1][:column] + piece + lines[-1][column + len(piece):]
                    column += len(piece)
            return lines
        def run(words, columns=100, during=lambda process, seen: None, **more):
            ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | more
            for name, stream in more.items():
                if stream == "terminal": more[name] = theirs
            process = subprocess.Popen([millrace, *words], stderr=theirs, **more)
            os.close(theirs)
            seen = bytearray()
            def read():
                try:
                    while data := os.read(ours, 65536): seen.extend(data)
                except OSError: pass  # the other end is closed
            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            process.resize = lambda columns: fcntl.ioctl(
                ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            try:
                during(process, seen)
                code = process.wait(60)
            finally: process.kill()
            reader.join()
            os.close(ours)
            text = seen.decode()
            return code, text, screen(text)
        def until(condition):
            for _ in range(3000):
                if condition(): return
                time.sleep(0.01)
            sys.exit("waited too long")
        def drawn(text):
            return [p for p in re.split("\r\x1b\\[K|\r\n", text) if "/s" in p and "=" not in p]
        """#

    private func python(_ text: String) throws -> Command.Ended {
        try Command.shell("python3 - <<'PYTHON'\n\(Self.terminal)\n\(text)\nPYTHON")
    }

    /// A pipe that gives good and bad lines until a progress line was seen.
    private static let feeding = #"""
        def feed(process, seen):
            for _ in range(3):
                process.stdin.write(row + b"oops\n")
                process.stdin.flush()
                count = seen.count(b"oops")
                until(lambda: seen.count(b"oops") > count or b"oops" in seen)
                time.sleep(0.3)
            process.stdin.close()
        """#

    @Test func scoreKeepsOneLineBelowTheDeadLetters() throws {
        let ended = try python(
            Self.feeding + #"""

                code, text, lines = run(["score", fraud], during=feed, stdin=subprocess.PIPE)
                assert drawn(text), repr(text)
                assert [json.loads(l)["line"] for l in lines[:3]] == [2, 4, 6], lines
                assert lines[3].startswith("records=6 dead=3 ") and lines[4:] == [""], lines
                print(code)
                """#)
        #expect(ended.output == "0\n", "\(ended)")
    }

    @Test func nothingOfItComesElsewhere() throws {
        let ended = try python(
            Self.feeding + #"""

                for words, more in [
                        (["--log-format", "json"], {}), ([], {"stdout": "terminal"}),
                        ([], {"env": os.environ | {"TERM": "dumb"}})]:
                    code, text, lines = run(["score", fraud, *words], during=feed,
                                            stdin=subprocess.PIPE, **more)
                    assert "\x1b" not in text and not drawn(text), repr(text)
                    print(code, len([l for l in lines if "oops" in l]))
                with subprocess.Popen([millrace, "score", fraud], stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                    process.stdin.write(row)
                    process.stdin.flush()
                    time.sleep(0.6)
                    process.stdin.close()
                    text = process.stderr.read()
                assert text.startswith(b"records=1 dead=0 ") and text.count(b"\n") == 1, text
                """#)
        #expect(ended.output == "0 3\n0 3\n0 3\n", "\(ended)")
    }

    /// As after Ctrl-Z and `bg`: the shell has the last line, and nothing of it may be erased.
    @Test func inTheBackgroundNothingIsErased() throws {
        let ended = try python(
            #"""
            to_shell, shell_in = os.pipe()
            lines_out, lines_in = os.pipe()
            pid, terminal = pty.fork()
            if pid == 0:
                os.close(lines_in)
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                process = subprocess.Popen(
                    [millrace, "score", fraud], stdin=lines_out, stdout=subprocess.DEVNULL,
                    preexec_fn=lambda: os.setpgid(0, 0))
                os.tcsetpgrp(2, process.pid)
                os.read(to_shell, 1)
                os.tcsetpgrp(2, os.getpgrp())
                os.write(2, b"shell> ")
                os._exit(process.wait())
            seen = bytearray()
            def read():
                try:
                    while data := os.read(terminal, 65536): seen.extend(data)
                except OSError: pass
            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            os.write(lines_in, row)
            until(lambda: b"/s" in seen)
            os.write(shell_in, b".")
            until(lambda: b"shell> " in seen)
            os.write(lines_in, b"oops\n")
            until(lambda: b"oops" in seen)
            os.close(lines_in)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            reader.join()
            before, after = seen.decode().split("shell> ")
            assert drawn(before), repr(before)
            assert "\x1b" not in after and not drawn(after), repr(after)
            print(code, after.count("\n"))
            """#)
        #expect(ended.output == "0 2\n", "\(ended)")
    }

    /// The output's reader waits, so that the run stands in the middle of the file.
    @Test func scoreTellsTheShareOfTheFileAndFitsTheTerminal() throws {
        let ended = try python(
            #"""
            with open(folder + "/in", "wb") as file: file.write(row * 60000)
            def during(process, seen):
                until(lambda: re.search(rb"[1-9]\d? %  .* records", seen))
                process.resize(18)
                length = len(seen)
                until(lambda: len(seen) > length + 60)
                process.stdout.read()
            code, text, lines = run(["score", fraud, folder + "/in"], columns=60, during=during,
                                    stdout=subprocess.PIPE)
            shown = re.split("\r\x1b\\[K", text)[1:-1]
            assert all(len(l) < 60 for l in shown), shown
            assert len(shown[-1]) < 18 and " %" in shown[-1], shown
            assert len(lines) == 2 and lines[0].startswith("records=60000 "), lines
            print(code)
            """#)
        #expect(ended.output == "0\n", "\(ended)")
    }

    @Test func aSignalLeavesNoLineOfScore() throws {
        let ended = try python(
            #"""
            for number in (signal.SIGINT, signal.SIGTERM):
                def during(process, seen):
                    until(lambda: b"/s" in seen)
                    process.send_signal(number)
                code, text, lines = run(["score", fraud], during=during, stdin=subprocess.PIPE)
                print(-code == number, lines)
            """#)
        #expect(ended.output == "True ['']\nTrue ['']\n", "\(ended)")
    }

    /// As in a script's `score ... &`, which Ctrl-C does not mean.
    @Test func anIgnoredSignalLeavesScoreAsItWas() throws {
        let ended = try python(
            #"""
            def during(process, seen):
                until(lambda: b"/s" in seen)
                process.send_signal(signal.SIGINT)
                count = seen.count(b"/s")
                until(lambda: seen.count(b"/s") > count + 2)
                process.terminate()
            code, text, lines = run(
                ["score", fraud], during=during, stdin=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
            print(-code == signal.SIGTERM, lines)
            """#)
        #expect(ended.output == "True ['']\n", "\(ended)")
    }

    /// No broker is there, so that librdkafka and the worker complain all the time.
    @Test func logLinesOfRunStayWhole() throws {
        let ended = try python(
            #"""
            env = os.environ | {"KAFKA_BROKERS": "127.0.0.1:1", "MILLRACE_HTTP": "127.0.0.1:0"}
            def during(process, seen):
                until(lambda: seen.count(b"starting  0/s in") > 2)
                process.terminate()
            code, text, lines = run(["run", fraud], columns=200, during=during, env=env)
            event = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z (INFO |WARN |ERROR) \S.*")
            assert len(lines) > 5 and all(event.fullmatch(l) for l in lines[:-1]), lines
            assert lines[-1] == "", lines
            print(code, len([l for l in lines if "INFO  started millrace=" in l]))
            """#)
        #expect(ended.output == "0 1\n", "\(ended)")
    }
}
