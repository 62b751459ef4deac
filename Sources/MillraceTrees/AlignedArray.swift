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
        unsafe base = Self.room(self.count)
        unsafe base.initialize(repeating: value, count: max(1, self.count))
    }

    /// Takes over what a list holds; an empty one has a `value` to show.
    init(_ list: consuming AlignedList<Element>, or value: Element) {
        count = list.count
        unsafe base = list.take()
        if count == 0 { unsafe base.initialize(to: value) }
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

    /// Memory for so many elements, at least one.
    fileprivate static func room(_ count: Int) -> UnsafeMutablePointer<Element> {
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: max(64, max(1, count) * MemoryLayout<Element>.stride), alignment: 64)
        return unsafe raw.bindMemory(to: Element.self, capacity: max(1, count))
    }
}

/// An `AlignedArray` in the making, whose length is not known before: it is not copied at the end.
@safe struct AlignedList<Element: BitwiseCopyable>: ~Copyable {
    private(set) var count = 0
    private var capacity: Int
    private var base: UnsafeMutablePointer<Element>

    /// Room that is not written to costs nothing.
    init(capacity: Int = 16) {
        self.capacity = max(16, capacity)
        unsafe base = AlignedArray<Element>.room(self.capacity)
    }

    deinit { unsafe base.deallocate() }

    mutating func append(_ element: Element) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: element)
        count += 1
    }

    private mutating func grow() {
        let wider = unsafe AlignedArray<Element>.room(2 * capacity)
        unsafe wider.initialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = unsafe wider
        capacity *= 2
    }

    /// An index outside of it gives the first element and sets none.
    subscript(index: Int) -> Element {
        get { unsafe base[index >= 0 && index < count ? index : 0] }
        set {
            guard index >= 0, index < count else { return }
            unsafe base[index] = newValue
        }
    }

    fileprivate consuming func take() -> UnsafeMutablePointer<Element> {
        let taken = unsafe base
        discard self
        return unsafe taken
    }
}
