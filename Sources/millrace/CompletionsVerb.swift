extension Verb {
    /// `millrace completions SHELL`
    static let completions: Verb = Verb(
        name: "completions", operands: "bash|zsh|fish",
        summary: "Print the completions for a shell.\nbash: source <(millrace completions bash)."
            + "\nzsh: put the output into a file _millrace in a folder of fpath.\nfish: millrace"
            + " completions fish | source.",
        options: [],
        run: { arguments throws(CommandError) in
            let shells = Verb.completions.operandWords
            guard let name = arguments.operands.first, arguments.operands.count == 1 else {
                throw CommandError(
                    .usage, "completions needs one shell: \(shells.joined(separator: ", "))")
            }
            let completions = Completions(verbs: Main.verbs, options: Main.options)
            switch name {
            case "bash": Output.print(completions.bash)
            case "zsh": Output.print(completions.zsh)
            case "fish": Output.print(completions.fish)
            default:
                throw CommandError(
                    .usage,
                    "no completions for '\(name)'; shells are \(shells.joined(separator: ", "))")
            }
            return .done
        })
}
