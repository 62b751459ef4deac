/// Numbers for the wall: at one place for the life of the object, aligned to a cache line, which is
/// what the widest registers want. Written by who makes it, then only read. An index outside of it
/// gives the first element and sets none: no number of a file may trap.
@safe final class AlignedArray<Element: BitwiseCopyable>: @unchecked Sendable {
    // Sendable: a layout fills it before it hands it on; a scorer's own never leaves its thread.
    let count: Int
    let base: UnsafeMutablePointer<Element>

    /// All elements are `value`.
    init(repeating value: Element, count: Int) {
        self.count = max(0, count)
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: max(64, max(1, self.count) * MemoryLayout<Element>.stride), alignment: 64)
        unsafe base = raw.bindMemory(to: Element.self, capacity: max(1, self.count))
        unsafe base.initialize(repeating: value, count: max(1, self.count))
    }

    convenience init(_ elements: [Element], or value: Element) {
        self.init(repeating: value, count: elements.count)
        for index in elements.indices { self[index] = elements[index] }
    }

    deinit { unsafe base.deallocate() }

    subscript(index: Int) -> Element {
        get {
            guard index >= 0, index < count else { return unsafe base.pointee }
            return unsafe base[index]
        }
        set {
            guard index >= 0, index < count else { return }
            unsafe base[index] = newValue
        }
    }
}
