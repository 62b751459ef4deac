internal import Glibc

/// Where lines are read from.
package enum LineInput: Sendable {
    /// An open file, pipe or terminal; the caller closes it.
    case descriptor(Int32)
    /// Bytes in memory.
    case bytes([UInt8])
}

/// Reads the input piece by piece. One thread.
struct LineReader {
    private let input: LineInput
    /// Bytes taken of an input in memory.
    private var taken = 0
    /// A file never waits, so it is not asked whether it would.
    private let isFile: Bool

    /// What one read brought.
    enum Piece: Equatable {
        case bytes(Int)
        /// Nothing within the time.
        case nothing
        case end
        /// The input fails, with the system's error number.
        case failed(Int32)
    }

    init(_ input: LineInput) {
        self.input = input
        var status = stat()
        if case .descriptor(let descriptor) = input {
            isFile =
                unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        } else {
            isFile = false
        }
    }

    /// Reads what is there, at most the room; waits for it, at most that time or until the waker
    /// ends it.
    mutating func read(
        into room: UnsafeMutableRawBufferPointer, timeoutMs: Int32, waker: Waker
    ) -> Piece {
        switch input {
        case .bytes(let bytes):
            let count = min(room.count, bytes.count - taken)
            guard count > 0 else { return .end }
            unsafe room.copyBytes(from: bytes[taken..<taken + count])
            taken += count
            return .bytes(count)
        case .descriptor(let descriptor):
            guard isFile || waker.wait(timeoutMs: timeoutMs, orReadable: descriptor) else {
                return .nothing
            }
            let count = unsafe Glibc.read(descriptor, room.baseAddress, room.count)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            let code = errno
            return code == EINTR || code == EAGAIN ? .nothing : .failed(code)
        }
    }
}
