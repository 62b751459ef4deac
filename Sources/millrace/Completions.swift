/// Completions for shells, made from the table of verbs.
struct Completions: Sendable {
    let verbs: [Verb]
    /// Options in place of a verb.
    let options: [Verb.Option]

    // MARK: bash

    /// To be sourced. Where it offers nothing, bash offers files.
    var bash: String {
        """
        # bash completion of millrace, made by: millrace completions bash
        _millrace() {
            local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
            COMPREPLY=()
            # bash takes the = of --option=value for a word of its own.
            if [ "$word" = "=" ]; then word=; fi
            if [ "$previous" = "=" ]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
            if [ "$COMP_CWORD" -eq 1 ]; then
                words="\(firstWords.joined(separator: " "))"
            else
                case "${COMP_WORDS[1]} $previous" in
        \(verbs.flatMap(bashValues).joined(separator: "\n"))
                    *)
                        case ${COMP_WORDS[1]} in
        \(verbs.map(bashVerb).joined(separator: "\n"))
                        esac
                        # Options only where one has begun; else words and files.
                        case $word in
                            -*) ;;
                            *) words=$(printf '%s\\n' $words | grep -v '^-') ;;
                        esac
                        ;;
                esac
            fi
            COMPREPLY=($(compgen -W "$words" -- "$word"))
        }
        complete -o bashdefault -o default -F _millrace millrace
        """
    }

    private var firstWords: [String] { verbs.map(\.name) + options.map { "--\($0.name)" } }

    private func bashValues(_ verb: Verb) -> [String] {
        verb.options.filter { $0.value != nil }.map { option in
            let words = option.choices.joined(separator: " ")
            return "            '\(verb.name) --\(option.name)') words=\"\(words)\" ;;"
        }
    }

    private func bashVerb(_ verb: Verb) -> String {
        let words = verb.operandWords + (verb.options.map(\.name) + ["help"]).map { "--\($0)" }
        return "                    \(verb.name)) words=\"\(words.joined(separator: " "))\" ;;"
    }

    // MARK: zsh

    /// For a file `_millrace` in a folder of fpath.
    var zsh: String {
        """
        #compdef millrace
        # zsh completion of millrace, made by: millrace completions zsh
        _millrace() {
            local -a verbs
            verbs=(
        \(verbs.map(zshDescription).joined(separator: "\n"))
            )
            if (( CURRENT == 2 )); then
                _describe verb verbs
                _arguments \\
        \(options.map { "            \(zshOption($0))" }.joined(separator: " \\\n"))
                return
            fi
            local verb=$words[2]
            shift words
            (( CURRENT-- ))
            case $verb in
        \(verbs.map(zshVerb).joined(separator: "\n"))
            esac
        }
        _millrace "$@"
        """
    }

    private func zshDescription(_ verb: Verb) -> String {
        "        '\(verb.name):\(Self.zshQuoted(verb.headline))'"
    }

    private func zshVerb(_ verb: Verb) -> String {
        var parts = (verb.options + [Self.help]).map(zshOption)
        if !verb.operandWords.isEmpty {
            parts.append("'1:\(verb.name):(\(verb.operandWords.joined(separator: " ")))'")
        } else if verb.takesFiles {
            parts.append("'*:file:_files'")
        }
        let arguments = parts.map { "            \($0)" }.joined(separator: " \\\n")
        return "        \(verb.name)) _arguments \\\n\(arguments) ;;"
    }

    private func zshOption(_ option: Verb.Option) -> String {
        let summary = Self.zshQuoted(option.summary)
        guard let value = option.value else { return "'--\(option.name)[\(summary)]'" }
        let choices = option.choices.isEmpty ? "" : "(\(option.choices.joined(separator: " ")))"
        return "'--\(option.name)=[\(summary)]:\(value):\(choices)'"
    }

    /// Within single quotes and the brackets of `_arguments`.
    private static func zshQuoted(_ text: String) -> String {
        text.replacing("'", with: "'\\''").replacing("[", with: "\\[")
            .replacing("]", with: "\\]").replacing(":", with: "\\:")
    }

    // MARK: fish

    /// To be sourced, or for a file millrace.fish in a folder of completions.
    var fish: String {
        var lines = ["# fish completion of millrace, made by: millrace completions fish"]
        lines.append("complete -c millrace -f -n __fish_use_subcommand")
        for verb in verbs {
            lines.append(
                "complete -c millrace -f -n __fish_use_subcommand -a \(verb.name)"
                    + " -d '\(Self.fishQuoted(verb.headline))'")
        }
        for option in options {
            lines.append("complete -c millrace -n __fish_use_subcommand \(fishOption(option))")
        }
        for verb in verbs {
            let start = "complete -c millrace -n '__fish_seen_subcommand_from \(verb.name)'"
            if !verb.takesFiles { lines.append("\(start) -f") }
            if !verb.operandWords.isEmpty {
                lines.append("\(start) -a '\(verb.operandWords.joined(separator: " "))'")
            }
            lines += (verb.options + [Self.help]).map { "\(start) \(fishOption($0))" }
        }
        return lines.joined(separator: "\n")
    }

    private func fishOption(_ option: Verb.Option) -> String {
        var text = "-l \(option.name)"
        if option.value != nil { text += " -x" }
        if !option.choices.isEmpty { text += " -a '\(option.choices.joined(separator: " "))'" }
        return text + " -d '\(Self.fishQuoted(option.summary))'"
    }

    private static func fishQuoted(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
    }

    private static let help = Verb.Option(name: "help", value: nil, summary: "what the verb takes")
}

extension Verb {
    /// The words of which the verb takes one, as `bash|zsh`; empty where it takes files or nothing.
    var operandWords: [String] {
        let words = operands.split(separator: "|")
        let areWords = words.allSatisfy { $0.allSatisfy { $0.isLetter && $0.isLowercase } }
        return areWords ? words.map { String($0) } : []
    }

    /// Whether the verb's operands are names of files.
    var takesFiles: Bool { !operands.isEmpty && operandWords.isEmpty }
}
