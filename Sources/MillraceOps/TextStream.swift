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
    }

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
            guard !state.drawn.isEmpty else { return put(lines) }
            return put(Self.erasing + lines + state.drawn)
        }
    }

    /// Lends the stream to somebody who writes whole lines to it in another way.
    package func lend(_ body: () -> Void) {
        state.withLock { state in
            if !state.drawn.isEmpty { put(Self.erasing) }
            body()
            put(state.drawn)
        }
    }

    /// Draws the progress line that `text` makes for the terminal's columns in the place of the
    /// last one. False once `endProgress` was called: draw no more then.
    package func showProgress(_ text: (_ columns: Int) -> String) -> Bool {
        state.withLock { state in
            guard !state.isProgressOver else { return false }
            // In the background the shell has the terminal's last line.
            guard isInForeground else { return true }
            // A terminal wraps behind its last column, some before it.
            let line = LogText.withoutControls(text(max(1, columns - 1)))
            put(Self.erasing + line)
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
        if !state.drawn.isEmpty { put(Self.erasing) }
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

    @discardableResult
    private func put(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, unsafe !rest.isEmpty {
                let written = unsafe Glibc.write(descriptor, start, rest.count)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { return false }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
            return true
        }
    }
}
