/// Makes room in an ensemble for what is to come of its file, by what there was so far: lists that
/// grow by themselves are copied again and again, and lie twice in memory meanwhile.
package struct FileRoom {
    private let start: Int
    private let end: Int
    /// Where the file is looked at again.
    private var next: Int

    /// - Parameter range: of the file, where its trees are.
    package init(_ range: Range<Int>) {
        start = range.lowerBound
        end = range.upperBound
        next = start + range.count / 16
    }

    /// To be called behind each tree.
    package mutating func make(in ensemble: inout TreeEnsemble, at position: Int) {
        guard position >= next, position > start, position < end else { return }
        ensemble.reserve(done: position - start, total: end - start)
        next = position + max(1, position - start)
    }
}
