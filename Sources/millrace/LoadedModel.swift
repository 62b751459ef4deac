internal import MillraceConfig
internal import MillraceCore

/// A model, and the engine that runs it.
struct LoadedModel: Sendable {
    /// An engine that knows the file but leaves it to another one.
    struct Declined: Sendable, Equatable {
        let engine: String
        let reason: String
    }

    let model: any Model
    let engine: String
    /// In the order in which they were asked.
    let declined: [Declined]

    /// Loads the file with the first of the engines that knows it and does not decline it.
    ///
    /// - Parameter choice: engines of other names are not asked. Where the choice is why the file
    ///   cannot be run, the error's kind is `declined`.
    init(
        path: String, engines: [any Engine], choice: EngineChoice = .auto, log: Log = .none
    ) throws(ModelError) {
        let head = try ModelFile.head(of: path)
        let knowing = engines.filter { $0.recognizes(head: head, path: path) }
        let asked = knowing.filter { choice == .auto || $0.name == choice.rawValue }
        guard !knowing.isEmpty else { throw Self.unknown(path, to: engines) }
        var declined: [Declined] = []
        for engine in asked {
            do throws(ModelError) {
                model = try engine.load(path: path)
            } catch {
                guard error.kind == .declined else { throw Self.told(error, of: declined) }
                let reason = Self.reason(error, path: path)
                declined.append(Declined(engine: engine.name, reason: reason))
                continue
            }
            self.engine = engine.name
            self.declined = declined
            if let first = declined.first {
                log(
                    .info, "an engine declined the model, the next one runs it",
                    [
                        ("model", path), ("engine", engine.name), ("declined", first.engine),
                        ("reason", declined.map(\.reason).joined(separator: "; ")),
                    ])
            }
            return
        }
        throw Self.refused(path, by: declined, choice: choice, knowing: knowing)
    }

    /// Where an engine's library is missing, why another one that needs none does not run the file.
    private static func told(_ error: ModelError, of declined: [Declined]) -> ModelError {
        guard error.kind == .libraryMissing, let first = declined.first else { return error }
        return ModelError(
            error.kind, "\(error.message); \(first.engine) does not run it: \(first.reason)")
    }

    /// No engine knows the file.
    private static func unknown(_ path: String, to engines: [any Engine]) -> ModelError {
        ModelError(
            .invalid,
            "'\(path)' is not a model that an engine here knows (\(names(of: engines)))")
    }

    /// No engine that was asked runs the file.
    private static func refused(
        _ path: String, by declined: [Declined], choice: EngineChoice, knowing: [any Engine]
    ) -> ModelError {
        let reasons = declined.map { "\($0.engine) does not run '\(path)': \($0.reason)" }
        let others = knowing.filter { other in !declined.contains { $0.engine == other.name } }
        var text = reasons.joined(separator: "; ")
        if declined.isEmpty { text = "\(choice.rawValue) does not know models like '\(path)'" }
        if choice != .auto, !others.isEmpty { text += "; write auto or \(names(of: others))" }
        return ModelError(.declined, text)
    }

    private static func names(of engines: [any Engine]) -> String {
        var names: [String] = []
        for engine in engines where !names.contains(engine.name) { names.append(engine.name) }
        return names.joined(separator: ", ")
    }

    /// The message without the path that it may begin with.
    private static func reason(_ error: ModelError, path: String) -> String {
        error.message.hasPrefix("\(path): ")
            ? String(error.message.dropFirst(path.count + 2)) : error.message
    }
}
