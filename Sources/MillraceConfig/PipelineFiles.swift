/// Finds pipeline files.
package enum PipelineFiles {
    /// Folders within folders that are looked into.
    static let depthLimit = 16
    /// Names looked at in one folder, and files found at all.
    static let countLimit = 10_000

    /// Which files of a folder are looked for.
    package enum Kind: Sendable {
        case pipelines
        /// Names ending in `_test.yaml` or `_test.yml`.
        case tests
    }

    /// The files among the paths, and the `.yaml` and `.yml` files of that kind within the folders
    /// among them (hidden ones left out), each once, folders in sorted order. What is missing or
    /// empty is a complaint.
    package static func expand(
        _ paths: [String], _ kind: Kind = .pipelines
    ) -> (files: [String], complaints: [Complaint]) {
        var files: [String] = []
        var known: Set<String> = []
        var complaints: [Complaint] = []
        for path in paths {
            do throws(FileBytes.Failure) {
                guard try FileBytes.kind(of: path) == .folder else {
                    if known.insert(path).inserted { files.append(path) }
                    continue
                }
                let found = try search(path, kind)
                if found.isEmpty {
                    let name = kind == .tests ? "_test.yaml" : ".yaml"
                    complaints.append(
                        Complaint(file: path, message: "no \(name) file in this folder"))
                }
                for file in found where known.insert(file).inserted { files.append(file) }
            } catch {
                complaints.append(
                    Complaint(file: path, message: "cannot read it: \(error.reason)"))
            }
        }
        return (files, complaints)
    }

    private static func search(_ top: String, _ wanted: Kind) throws(FileBytes.Failure) -> [String]
    {
        var found: [String] = []
        var folders = [(path: top, depth: 0)]
        while let folder = folders.popLast() {
            let names = try FileBytes.names(in: folder.path, limit: countLimit)
            for name in names {
                let path = PathText.resolve(name, in: folder.path == "." ? "./" : folder.path)
                // A link that leads nowhere is no pipeline file.
                guard let kind = try? FileBytes.kind(of: path) else { continue }
                if kind == .folder, folder.depth < depthLimit, !FileBytes.isLink(path) {
                    folders.append((path, folder.depth + 1))
                } else if kind == .file, isName(name, of: wanted), found.count < countLimit {
                    found.append(path)
                }
            }
        }
        return found.sorted()
    }

    private static func isName(_ name: String, of kind: Kind) -> Bool {
        for suffix in [".yaml", ".yml"] where name.hasSuffix(suffix) {
            return name.hasSuffix("_test" + suffix) == (kind == .tests)
        }
        return false
    }
}
