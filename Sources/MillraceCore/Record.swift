/// One record as the source lends it: pointers into the source's own message, valid until the
/// batch that holds it hands it back (`Source.release`).
///
/// A plain value without references, so that arrays of it move by memcpy.
@unsafe package struct RecordView {
    /// The value's bytes; nil is a tombstone (Kafka's null value), which differs from an empty
    /// value.
    package var value: UnsafeRawPointer?
    /// Bytes in `value`.
    package var valueCount: Int
    /// The key's bytes; nil is a null key.
    package var key: UnsafeRawPointer?
    /// Bytes in `key`.
    package var keyCount: Int
    /// Milliseconds since 1970 as the source tells it; -1 where the record has none.
    package var timestampMs: Int64
    /// Position in the partition.
    package var offset: Int64
    /// Partition number of the source topic.
    package var partition: Int32
    /// Epoch of the assignment under which the record was read; see `Ledger`.
    package var epoch: UInt32
    /// The source's own message; headers are read through it.
    package var handle: UnsafeMutableRawPointer?

    package init(
        value: UnsafeRawPointer?, valueCount: Int, key: UnsafeRawPointer?, keyCount: Int,
        timestampMs: Int64, offset: Int64, partition: Int32, epoch: UInt32,
        handle: UnsafeMutableRawPointer?
    ) {
        unsafe self.value = value
        unsafe self.valueCount = valueCount
        unsafe self.key = key
        unsafe self.keyCount = keyCount
        unsafe self.timestampMs = timestampMs
        unsafe self.offset = offset
        unsafe self.partition = partition
        unsafe self.epoch = epoch
        unsafe self.handle = handle
    }

    /// Bytes that the record holds on to while it is in the worker: value, key and the bookkeeping
    /// of librdkafka's message and our own tables (measured at about 400 bytes, rounded up).
    package var chargedBytes: Int { unsafe valueCount &+ keyCount &+ Self.overheadBytes }

    /// The fixed part of `chargedBytes`.
    package static let overheadBytes = 512
}

/// Reads what a record carries beside value and key. One per source; called from lanes.
package protocol HeaderReader: AnyObject, Sendable {
    /// The last header of that name, as consumers of Kafka take it; nil where the record has none
    /// or its value is null. The bytes live as long as the record's handle.
    func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer?
}
