/// Records that are read and not yet cut into a batch, oldest first.
@safe package struct WaitingLine {
    private var records = unsafe ContiguousArray<RecordView>()
    /// Records before this index are gone and wait to be cut off.
    private var head = 0
    /// Sum of the waiting records' `chargedBytes`.
    package private(set) var bytes = 0
    /// When the oldest waiting record began to wait, at the latest; nil where none waits.
    package private(set) var waitingSinceNs: Int64?

    /// Which of the waiting records came together and when, oldest first.
    private var arrivals: [(count: Int, atNs: Int64)] = []
    /// Arrivals before this index are gone and wait to be cut off.
    private var arrivalsHead = 0

    package init() {}

    /// Records that wait.
    package var count: Int { unsafe records.count - head }

    package mutating func append(
        _ arrived: ContiguousArray<RecordView>, bytes arrivedBytes: Int, nowNs: Int64
    ) {
        if unsafe arrived.isEmpty { return }
        if count == 0 { waitingSinceNs = nowNs }
        unsafe records.append(contentsOf: arrived)
        bytes &+= arrivedBytes
        unsafe arrivals.append((arrived.count, nowNs))
    }

    /// The record at `index` from the front.
    package subscript(index: Int) -> RecordView { unsafe records[head + index] }

    /// Lets the first `taken` records go; how long they have waited is added to `waits`.
    package mutating func removeFirst(
        _ taken: Int, bytes takenBytes: Int, nowNs: Int64, waits: inout [(ns: Int64, count: Int)]
    ) {
        takeArrivals(of: taken, nowNs: nowNs, into: &waits)
        head += taken
        bytes &-= takenBytes
        waitingSinceNs = count == 0 ? nil : nowNs
        if unsafe head == records.count {
            unsafe records.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 4096, unsafe head * 2 >= records.count {
            unsafe records.removeFirst(head)
            head = 0
        }
    }

    private mutating func takeArrivals(
        of taken: Int, nowNs: Int64, into waits: inout [(ns: Int64, count: Int)]
    ) {
        var left = taken
        while left > 0, arrivalsHead < arrivals.count {
            let (count, atNs) = arrivals[arrivalsHead]
            waits.append((nowNs &- atNs, min(left, count)))
            if left < count {
                arrivals[arrivalsHead].count -= left
                return
            }
            left -= count
            arrivalsHead += 1
        }
        if arrivalsHead == arrivals.count {
            arrivals.removeAll(keepingCapacity: true)
            arrivalsHead = 0
        } else if arrivalsHead >= 4096, arrivalsHead * 2 >= arrivals.count {
            arrivals.removeFirst(arrivalsHead)
            arrivalsHead = 0
        }
    }

    /// Empties the line and returns what waited.
    package mutating func removeAll() -> ContiguousArray<RecordView> {
        let rest = unsafe ContiguousArray(records[head...])
        self = WaitingLine()
        return unsafe rest
    }
}
