internal import Glibc

/// Ends a wait of another thread early. A pipe, so that one call of poll(2) can wait for it and for
/// input.
final class Waker: Sendable {
    private let readEnd: Int32
    private let writeEnd: Int32

    /// Nil where the process has no file descriptor left.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Ends the wait that runs, or else the next one. Any thread.
    func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes as well.
        unsafe write(writeEnd, &byte, 1)
    }

    /// Waits until `wake`, until `descriptor` (-1: none) is ready to be read, or for that time.
    /// Returns whether the descriptor is ready.
    @discardableResult
    func wait(timeoutMs: Int32, orReadable descriptor: Int32 = -1) -> Bool {
        var waits = [
            pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard unsafe poll(&waits, 2, timeoutMs) > 0 else { return false }
        if waits[0].revents != 0 {
            var drained = [UInt8](repeating: 0, count: 64)
            while unsafe read(readEnd, &drained, drained.count) == drained.count {}
        }
        return waits[1].revents != 0
    }
}
