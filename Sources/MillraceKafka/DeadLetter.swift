internal import CRdkafka
internal import MillraceCore

/// A record as it goes to the dead letters: its own key, value, headers and timestamp, and headers
/// that say why and where from. What is too large for the broker loses first its value, then its
/// own headers and key; a header says so. So does what the broker has refused for another reason,
/// which may be the timestamp: it gets the time of writing then.
@unsafe struct DeadLetter {
    private let record: RecordView
    private let headers: [(name: String, value: String)]
    private let refusals: Int

    init(_ record: RecordView, _ error: RecordError, _ settings: KafkaSettings) {
        unsafe self.record = record
        var headers = [
            ("millrace-error-class", error.kind.rawValue),
            ("millrace-error-message", error.message),
            ("millrace-error-topic", settings.topic),
            ("millrace-error-partition", unsafe String(record.partition)),
            ("millrace-error-offset", unsafe String(record.offset)),
        ]
        if let model = settings.modelHeader { headers.append(("millrace-error-model", model)) }
        unsafe refusals = error.letterRefusals
        if error.letterRefusals > 0 {
            headers.append(("millrace-error-timestamp", unsafe String(record.timestampMs)))
        }
        unsafe self.headers = headers
    }

    /// Enqueues it, copied, partitioned by key. The error is that of the smallest form tried.
    func enqueue(
        _ client: OpaquePointer, _ topic: OpaquePointer, opaque: UInt64
    ) -> rd_kafka_resp_err_t {
        let forms: [(keepsValue: Bool, keepsRest: Bool)] = [
            (true, true), (false, true), (false, false),
        ]
        for form in unsafe forms.dropFirst(min(refusals, forms.count - 1)) {
            let error = unsafe enqueue(form, client, topic, opaque: opaque)
            guard KafkaError.isRecordsFault(error) else { return error }
        }
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
    }

    private func enqueue(
        _ form: (keepsValue: Bool, keepsRest: Bool), _ client: OpaquePointer,
        _ topic: OpaquePointer, opaque: UInt64
    ) -> rd_kafka_resp_err_t {
        var all = unsafe headers
        if !form.keepsValue { all.append(("millrace-error-value-omitted", "true")) }
        if !form.keepsRest { all.append(("millrace-error-headers-omitted", "true")) }
        let texts = all.map { HeaderText($0.name, $0.value) }
        let added = unsafe texts.map { unsafe $0.header.pointee }
        var error = RD_KAFKA_RESP_ERR_NO_ERROR
        unsafe added.withUnsafeBufferPointer { added in
            var entry = unsafe millrace_outgoing_t(
                value: form.keepsValue ? record.value : nil,
                value_count: form.keepsValue ? record.valueCount : 0,
                key: form.keepsRest ? record.key : nil,
                key_count: form.keepsRest ? record.keyCount : 0,
                timestamp_ms: refusals > 0 ? 0 : max(0, record.timestampMs), opaque: opaque,
                headers_of: form.keepsRest
                    ? record.handle?.assumingMemoryBound(to: rd_kafka_message_t.self) : nil,
                added: added.baseAddress, added_count: UInt32(clamping: added.count),
                partition: -1, copy_value: 1)
            _ = unsafe millrace_produce(client, topic, &entry, 1, &error)
        }
        withExtendedLifetime(texts) {}
        return error
    }
}
