internal import Glibc

/// The name of a worker that the pipeline file gives none.
enum InstanceName {
    /// Of this process alone, so that two workers never shut each other out; begins with the
    /// host's name, for those who look for the worker.
    static let own: String = {
        var host = [CChar](repeating: 0, count: 65)
        let isKnown = unsafe gethostname(&host, host.count - 1) == 0
        let bytes = host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let name = isKnown ? String(decoding: bytes, as: UTF8.self) : "host"
        var generator = SystemRandomNumberGenerator()
        return "\(name)-" + String(generator.next(), radix: 16)
    }()
}
