internal import CRdkafka

/// Version of the librdkafka that is loaded, which may be newer than the headers we build with.
package struct LibraryVersion: Sendable, Comparable, CustomStringConvertible {
    /// 2 in 2.16.0.
    package let major: Int
    /// 16 in 2.16.0.
    package let minor: Int
    /// 0 in 2.16.0.
    package let patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// The library of this process.
    package static let current: LibraryVersion = {
        let packed = rd_kafka_version()  // 0xMMmmrrxx
        let bytes = (24, 16, 8)
        return LibraryVersion(
            Int(packed >> Int32(bytes.0)) & 0xff, Int(packed >> Int32(bytes.1)) & 0xff,
            Int(packed >> Int32(bytes.2)) & 0xff)
    }()

    package static func < (a: LibraryVersion, b: LibraryVersion) -> Bool {
        (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
    }

    package var description: String { "\(major).\(minor).\(patch)" }

    /// consume_batch_queue loses or repeats records around seek, pause and rebalance before 2.1.0,
    /// and moves the position past errors until 2.13.2 (librdkafka #4208, #4844).
    package var hasSafeBatchConsume: Bool { self >= LibraryVersion(2, 13, 2) }

    /// The cooperative assignor loses assignments or hangs before (librdkafka #4059, #4528, #4800);
    /// 2.10.0 itself is warned against (#5088).
    package var hasSafeCooperativeAssignor: Bool { self >= LibraryVersion(2, 10, 1) }

    /// `group.protocol=consumer` (KIP-848) is generally available.
    package var hasConsumerGroupProtocol: Bool { self >= LibraryVersion(2, 12, 0) }

    /// A full queue is looked at again after `fetch.queue.backoff.ms`; before, after a whole
    /// second.
    package var hasFetchQueueBackoff: Bool { self >= LibraryVersion(2, 2, 0) }

    /// SCRAM sends the client's nonce twice, which Kafka 4 refuses (librdkafka #4895).
    package var hasBrokenScram: Bool { self < LibraryVersion(2, 6, 1) }
}
