internal import Glibc
internal import Synchronization

/// A standard stream that several threads write lines to, and at whose end one progress line may
/// stand. All that goes to the stream goes through here, so that no line mixes with another one or
/// with the progress line: that is erased before the text and drawn again behind it.
package final class TextStream: Sendable {
    private let descriptor: Int32
    private let state = Mutex(State())

    private struct State {
        /// The progress line as it stands on the screen; empty where there is none.
        var drawn = ""
        var isProgressOver = false
        /// Whether the last text was given up, as nobody read: the next one waits for nobody.
        var isStuck = false
        /// Whether what was given up broke off within a line.
        var isTorn = false
    }

    /// So long a text waits for a reader where the stream does not block; the rest of it is dropped
    /// then. A descriptor may be shared with a program that has made it so.
    private static let patienceNs: Int64 = 1_000_000_000

    /// To the first column; erases up to the end of the line.
    private static let erasing = "\r\u{1b}[K"

    /// The descriptor stays the caller's.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Whether a person watches it.
    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Writes whole lines. False where they did not get through, e.g. as the reader has gone.
    @discardableResult
    package func write(_ lines: String) -> Bool {
        state.withLock { state in
            loseLineInBackground(&state)
            guard !state.drawn.isEmpty else { return put(lines, &state) }
            return put(Self.erasing + lines + state.drawn, &state)
        }
    }

    /// Lends the stream to somebody who writes whole lines to it in another way.
    package func lend(_ body: () -> Void) {
        state.withLock { state in
            loseLineInBackground(&state)
            if !state.drawn.isEmpty { put(Self.erasing, &state) }
            body()
            put(state.drawn, &state)
        }
    }

    /// Draws the progress line that `text` makes for the terminal's columns in the place of the
    /// last one. False once `endProgress` was called: draw no more then.
    package func showProgress(_ text: (_ columns: Int) -> String) -> Bool {
        state.withLock { state in
            guard !state.isProgressOver else { return false }
            guard isInForeground else {
                state.drawn = ""
                return true
            }
            // A terminal wraps behind its last column, some before it.
            let columns = max(1, columns - 1)
            // Escapes are longer than what they stand for.
            let line = String(LogText.withoutControls(text(columns)).prefix(columns))
            put(Self.erasing + line, &state)
            state.drawn = line
            return true
        }
    }

    /// Erases the progress line for good.
    package func endProgress() { state.withLock { endProgress(&$0) } }

    /// The same for a process that has to end at once: where a thread hangs in writing to the
    /// terminal, nothing is done.
    package func endProgressIfFree() { _ = state.withLockIfAvailable { endProgress(&$0) } }

    private func endProgress(_ state: inout State) {
        loseLineInBackground(&state)
        if !state.drawn.isEmpty { put(Self.erasing, &state) }
        state.drawn = ""
        state.isProgressOver = true
    }

    /// Of the terminal; it may change at any time.
    private var columns: Int {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return 80
        }
        return Int(size.ws_col)
    }

    /// True as well where the terminal's foreground is not known, as it is not the process's own.
    private var isInForeground: Bool {
        let group = tcgetpgrp(descriptor)
        return group <= 0 || group == getpgrp()
    }

    /// In the background the terminal's last line is the shell's, and ours stands somewhere above.
    private func loseLineInBackground(_ state: inout State) {
        if !state.drawn.isEmpty, !isInForeground { state.drawn = "" }
    }

    @discardableResult
    private func put(_ text: String, _ state: inout State) -> Bool {
        guard !text.isEmpty else { return true }
        // The next text shall not be the end of a line that broke off.
        var text = state.isTorn ? "\n" + text : text
        return text.withUTF8 { bytes in
            let count = unsafe write(bytes, patienceNs: state.isStuck ? 0 : Self.patienceNs)
            state.isStuck = count < bytes.count
            if count > 0 { unsafe state.isTorn = state.isStuck && bytes[count - 1] != 0x0a }
            return !state.isStuck
        }
    }

    /// Writes as much as goes through; how many bytes that was.
    private func write(_ bytes: UnsafeBufferPointer<UInt8>, patienceNs: Int64) -> Int {
        var count = 0
        var deadlineNs: Int64?
        while count < bytes.count {
            let rest = unsafe UnsafeBufferPointer(rebasing: bytes[count...])
            let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            if written > 0 {
                count += written
                continue
            }
            if written < 0, errno == EINTR { continue }
            guard written < 0, errno == EAGAIN else { break }
            let nowNs = LogWriter.Clocks.system.monotonicNs()
            let untilNs = deadlineNs ?? nowNs &+ patienceNs
            deadlineNs = untilNs
            guard nowNs < untilNs else { break }
            var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            unsafe poll(&wait, 1, Int32(clamping: (untilNs &- nowNs) / 1_000_000 + 1))
        }
        return count
    }
}
