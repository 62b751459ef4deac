import Testing

/// What surrounds the process: closed streams, pipes that end, signals. These need the example's
/// model and ONNX Runtime.
@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct ProcessTests {
    @Test func theDemoEndsWithItsReader() throws {
        let ended = try Command.shell("timeout 20 \"$MILLRACE\" demo | head -n 1")
        #expect(ended.output.hasPrefix("millrace demo: "))
        let inFull = try Command.shell("timeout 20 \"$MILLRACE\" demo >/dev/full")
        #expect(inFull.status == 0)
    }

    @Test func closedStreamsAreNotTakenForSockets() throws {
        let ended = try Command.shell(
            "timeout 20 \"$MILLRACE\" demo --records 5 <&- >&- 2>&-")
        #expect(ended.status == 0)
    }

    @Test func theDemoShowsEachOfAFewRecords() throws {
        let ended = try Command.shell("cd /; timeout 20 \"$MILLRACE\" demo --records 3")
        #expect(ended.status == 0)
        // A slow machine has lines about the progress between them.
        let lines = ended.output.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("{") }.count == 3, "\(ended.output)")
        #expect(lines.first?.hasPrefix("millrace demo: ") == true)
        #expect(lines.last?.hasPrefix("records=3 dead=0 ") == true)
        #expect(ended.output.contains("\nrecords=3 dead=0 "))
        #expect(!ended.output.contains("/../"))
    }

    /// The wait for a broker that is not there must not outlast the one who stops the process.
    @Test(arguments: ["TERM", "INT"])
    func aSignalEndsTheWaitForABroker(signal: String) throws {
        let ended = try Command.shell(
            """
            example=$("$MILLRACE" demo --records 1 | \\
                sed -n '1s/millrace demo: \\(.*\\) on .*/\\1/p')
            KAFKA_BROKERS=127.0.0.1:1 MILLRACE_HTTP=127.0.0.1:0 \\
                timeout -s KILL 60 "$MILLRACE" run "$example" 2>"$T/log" &
            until grep -q started "$T/log"; do sleep 0.02; done
            kill -\(signal) $(ps -o pid= --ppid $!)
            wait $!; echo "status $?"; grep -c 'not started yet: no broker answers' "$T/log"
            """)
        #expect(ended.output == "status 0\n1\n", "\(ended)")
    }

    /// Brokers are not there: ready for systemd all the same, and it is told what is missing.
    @Test(.enabled(if: Tool.isThere("python3"), "needs python3"))
    func systemdIsTold() throws {
        let ended = try Command.shell(
            """
            example=$("$MILLRACE" demo --records 1 | \\
                sed -n '1s/millrace demo: \\(.*\\) on .*/\\1/p')
            export NOTIFY_SOCKET="$T/notify" EXAMPLE="$example"
            export KAFKA_BROKERS=127.0.0.1:1 MILLRACE_HTTP=127.0.0.1:0 WATCHDOG_USEC=60000
            python3 - 2>&1 <<'PYTHON'
            import os, socket, subprocess
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(os.environ["NOTIFY_SOCKET"])
            manager.settimeout(30)
            worker = subprocess.Popen([os.environ["MILLRACE"], "run", os.environ["EXAMPLE"]],
                                      stderr=subprocess.DEVNULL)
            heard = []
            def until(text):
                while not heard or not heard[-1].startswith(text):
                    heard.append(manager.recv(4096).decode())
            until("READY=1")
            print(heard)
            until("STATUS=starting")
            until("STATUS=no broker answers")
            print(heard.count("WATCHDOG=1") > 3)
            worker.terminate()
            until("STOPPING=1")
            print(worker.wait(30))
            PYTHON
            """)
        #expect(ended.output == "['READY=1']\nTrue\n0\n", "\(ended)")
    }
}

enum Engines {
    static let areThere: Bool = {
        guard let ended = try? Command.shell("\"$MILLRACE\" demo --records 1") else { return false }
        return ended.status == 0
    }()
}
