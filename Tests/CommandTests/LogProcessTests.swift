import Testing

/// The log of `run` with no broker there, so that librdkafka complains as well.
@Suite(
    .enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"),
    .enabled(if: Tool.isThere("python3"), "needs python3"))
struct LogProcessTests {
    /// `log(words)` runs the example until stderr has all of `awaited`, or a while where that is
    /// empty, and returns stderr's lines.
    private static let running = #"""
        import hashlib, json, os, re, subprocess, sys, time
        millrace, folder, pipelines = (os.environ[n] for n in ("MILLRACE", "T", "PIPELINES"))
        os.environ |= {"KAFKA_BROKERS": "127.0.0.1:1", "MILLRACE_HTTP": "127.0.0.1:0"}
        def log(words, awaited):
            path = folder + "/log"
            with open(path, "wb") as file:
                process = subprocess.Popen(
                    [millrace, "run", *words, pipelines + "/fraud.yaml"], stderr=file)
            for _ in range(3000):
                text = open(path).read()
                if all(part in text for part in awaited): break
                time.sleep(0.01)
            else: sys.exit("waited too long for " + repr(awaited) + " in " + text)
            if not awaited: time.sleep(1)
            process.terminate()
            process.wait(60)
            return open(path).read().splitlines()
        digest = hashlib.sha256(open(pipelines + "/models/fraud.onnx", "rb").read()).hexdigest()
        """#

    private func python(_ text: String) throws -> Command.Ended {
        try Command.shell("python3 - <<'PYTHON'\n\(Self.running)\n\(text)\nPYTHON")
    }

    @Test func librdkafkasLinesAreEventsOfOurLog() throws {
        let ended = try python(
            #"""
            events = [json.loads(line) for line in log([], ['"librdkafka"', '"started"'])]
            own = [e for e in events if e["message"] == "librdkafka"]
            assert {e["level"] for e in own} <= {"warning", "error"}, own
            assert any("onnect to" in e["text"] and e["facility"] == "FAIL" for e in own), own
            event = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z (INFO |WARN |ERROR) \S.*")
            lines = log(["--log-format", "text"], ["librdkafka facility=FAIL", "started"])
            assert all(event.fullmatch(line) for line in lines), lines
            # Its lines obey the level as ours do.
            errors = [json.loads(line) for line in log(["--log-level", "error"], ["no broker"])]
            assert {e["level"] for e in errors} == {"error"}, errors
            assert not any(e["message"] == "librdkafka" for e in errors), errors
            print("done")
            """#)
        #expect(ended.output == "done\n", "\(ended)")
    }

    @Test func oneLineSaysWhatRunsOnWhat() throws {
        let ended = try python(
            #"""
            lines = [json.loads(line) for line in log([], ['"started"'])]
            [started] = [line for line in lines if line["message"] == "started"]
            assert started["level"] == "info", started
            versions = dict(line.split() for line in subprocess.check_output(
                [millrace, "--version"], text=True).splitlines())
            assert started["millrace"] == versions["millrace"], started
            assert started["librdkafka"] == versions["librdkafka"], started
            assert started["engine"] == "trees " + versions["millrace"], started
            assert started["model"] == "fraud@" + digest[:12], started
            assert int(started["lanes"]) >= 1 and started["memory_mib"] == "128", started
            print("done")
            """#)
        #expect(ended.output == "done\n", "\(ended)")
    }
}
