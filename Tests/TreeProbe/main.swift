import Glibc
import MillraceBoosters
import MillraceCore
import MillraceONNX
import MillraceTrees

// Scores raw rows with a model, for scripts that compare and time models: no JSON, no pipeline.
//
// TreeProbe predict MODEL ROWS FEATURES OUT [OUTPUT...] [--engine NAME]
//     Scores all rows, in batches of changing size, and writes the outputs as float64, one after
//     the other; prints a JSON line for each. Without OUTPUT: all.
// TreeProbe time MODEL ROWS FEATURES BATCH SECONDS [--engine NAME] [--output NAME]
//     Prints the rows per second of one thread, median of some rounds. Without --output: the last
//     output of floating-point numbers.
// TreeProbe load MODEL
//     Prints the seconds from the file to a session that is ready, and the process's peak memory.
// TreeProbe fuzz FOLDER COUNT SEED [--first NUMBER]
//     Loads COUNT damaged copies of the folder's files, and scores with those that load; prints how
//     many were refused, and why. With COUNT 1 `--first NUMBER` makes the mutant of that number
//     again.
//
// ROWS holds float64 numbers, FEATURES a row. Where the model runs is chosen as `millrace` does it,
// or named by --engine. ONNX Runtime is looked for in MILLRACE_ENGINES.

let usage = """
    usage: TreeProbe predict MODEL ROWS FEATURES OUT [OUTPUT...] [--engine NAME]
           TreeProbe time MODEL ROWS FEATURES BATCH SECONDS [--engine NAME] [--output NAME]
           TreeProbe load MODEL [--engine NAME]
           TreeProbe fuzz FOLDER COUNT SEED [--first NUMBER]
    """
let engineFolder = unsafe getenv("MILLRACE_ENGINES").map { unsafe String(cString: $0) }
var words = Array(CommandLine.arguments.dropFirst(2))
let wantedEngine = option("--engine")
let wantedOutput = option("--output")
let wantedFirst = option("--first")

let engines: [any Engine] = [
    OnnxTreesEngine(),
    OnnxEngine(searchFolders: engineFolder.map { [$0] } ?? []),
    XGBoostEngine(),
    LightGBMEngine(),
    CatBoostEngine(),
]

/// Takes an option and its value out of the words.
@MainActor
func option(_ name: String) -> String? {
    guard let place = words.firstIndex(of: name), place + 1 < words.count else { return nil }
    defer { words.removeSubrange(place...(place + 1)) }
    return words[place + 1]
}

/// The model, and the name of the engine that took it.
func load(_ path: String) throws(Failure) -> (any Model, String) {
    guard let file = unsafe fopen(path, "rb") else { throw Failure("\(path) cannot be read") }
    let head = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { room, used in
        used = unsafe fread(room.baseAddress, 1, 4096, file)
    }
    unsafe fclose(file)
    var refusals = "no engine knows the file"
    for engine in engines where (wantedEngine ?? engine.name) == engine.name {
        guard engine.recognizes(head: head, path: path) else { continue }
        do throws(ModelError) {
            return (try engine.load(path: path), engine.name)
        } catch {
            refusals = "\(engine.name): \(error)"
            if error.kind != .declined { break }
        }
    }
    throw Failure(refusals)
}

func session(
    _ model: any Model, outputs: [String], maxRows: Int
) throws(Failure) -> any Session {
    do throws(ModelError) {
        return try model.makeSession(outputs: outputs, maxRows: maxRows)
    } catch { throw Failure("no session: \(error)") }
}

func run(
    _ session: any Session, _ features: FeatureColumns, _ rows: Range<Int>
) throws(Failure) {
    do throws(ModelError) {
        try session.predict(features, rows: rows)
    } catch { throw Failure("rows \(rows): \(error)") }
}

func predict(_ words: [String]) throws(Failure) {
    guard words.count >= 4, let width = Int(words[2]) else { throw Failure(usage) }
    let (model, engine) = try load(words[0])
    let features = try Rows(path: words[1], width: width).columns(for: model.signature.inputs)
    let names =
        words.count > 4 ? Array(words[4...]) : model.signature.outputs.map { $0.name }
    // Sizes of batches that leave every kind of remainder.
    let sizes = [512, 1, 16, 33, 2, 7, 300, 64, 15, 17, 3]
    let session = try session(model, outputs: names, maxRows: 512)
    var results = names.map { _ in Results() }
    var first = 0
    var turn = 0
    while first < features.rowCount {
        let size = model.signature.fixedBatch ?? sizes[turn % sizes.count]
        let rows = first..<min(first + size, features.rowCount)
        try run(session, features, rows)
        for (index, column) in session.predictions.columns.enumerated() {
            results[index].append(column, rows: rows.count)
        }
        first = rows.upperBound
        turn += 1
    }
    guard let file = unsafe fopen(words[3], "wb") else { throw Failure("cannot write \(words[3])") }
    defer { unsafe fclose(file) }
    for (name, result) in zip(names, results) {
        guard unsafe result.write(to: file) else { throw Failure("cannot write \(words[3])") }
        let output = model.signature.outputs.first { $0.name == name }
        let labels = output?.classLabels?.map { $0.description } ?? []
        let type = output.map { "\($0.type)" } ?? ""
        print(
            "{\"engine\":\(quoted(engine)),\"output\":\(quoted(name)),\"type\":\(quoted(type)),"
                + "\"rows\":\(features.rowCount),\"width\":\(result.width),"
                + "\"labels\":\(quoted(labels)),\"texts\":\(quoted(result.texts))}")
    }
}

func seconds() -> Double {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// Rows per second of one round over as many whole batches as the time allows.
func round(
    _ session: any Session, _ features: FeatureColumns, batch: Int, seconds limit: Double
) throws(Failure) -> Double {
    var first = 0
    var done = 0
    let start = seconds()
    var now = start
    repeat {
        // The clock is looked at every 64 rows or more, so that it costs nothing.
        for _ in 0..<max(1, 64 / batch) {
            if first + batch > features.rowCount { first = 0 }
            try run(session, features, first..<(first + batch))
            first += batch
            done += batch
        }
        now = seconds()
    } while now - start < limit
    return Double(done) / (now - start)
}

func time(_ words: [String]) throws(Failure) {
    guard words.count == 5, let width = Int(words[2]), let batch = Int(words[3]), batch > 0,
        let limit = Double(words[4])
    else { throw Failure(usage) }
    let (model, _) = try load(words[0])
    let features = try Rows(path: words[1], width: width).columns(for: model.signature.inputs)
    guard batch <= features.rowCount else { throw Failure("fewer rows than a batch") }
    let scores = model.signature.outputs.last { $0.type.isFloatingPoint }
    guard let output = wantedOutput ?? scores?.name else { throw Failure("no output of numbers") }
    let session = try session(model, outputs: [output], maxRows: batch)
    let rounds = 5
    _ = try round(session, features, batch: batch, seconds: limit / 10)  // warms caches up
    var rates: [Double] = []
    for _ in 0..<rounds {
        rates.append(
            try round(session, features, batch: batch, seconds: limit / Double(rounds)))
    }
    print(rates.sorted()[rounds / 2])
}

func measureLoad(_ words: [String]) throws(Failure) {
    guard words.count == 1 else { throw Failure(usage) }
    let start = seconds()
    let (model, engine) = try load(words[0])
    let loaded = seconds()
    let outputs = model.signature.outputs.map { $0.name }
    _ = try session(model, outputs: outputs, maxRows: 512)
    let end = seconds()
    let file = Fuzz.size(words[0])
    let peak = Fuzz.peakBytes()
    print(
        "\(engine): \(file / 1_000_000) MB, model in \(Fuzz.rounded(loaded - start)) s, session "
            + "after \(Fuzz.rounded(end - start)) s; peak \(peak / 1_000_000) MB, "
            + "\(Fuzz.rounded(Double(peak) / Double(max(1, file)))) times the file")
}

func fuzz(_ words: [String]) throws(Failure) {
    guard words.count == 3, let count = UInt64(words[1]), let seed = UInt64(words[2]),
        let first = UInt64(wantedFirst ?? "0")
    else { throw Failure(usage) }
    // Without ONNX Runtime: what trees decline is counted, not run.
    let own = engines.filter { $0.name == "trees" }
    var fuzz = try Fuzz(folder: words[0], seed: seed, engines: own)
    try fuzz.run(first..<(first + count))
}

do throws(Failure) {
    switch CommandLine.arguments.dropFirst().first {
    case "predict": try predict(words)
    case "time": try time(words)
    case "load": try measureLoad(words)
    case "fuzz": try fuzz(words)
    default: throw Failure(usage)
    }
} catch {
    let text = Array("TreeProbe: \(error.message)\n".utf8)
    _ = unsafe write(STDERR_FILENO, text, text.count)
    exit(1)
}
