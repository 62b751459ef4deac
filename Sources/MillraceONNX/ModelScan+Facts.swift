import MillraceCore

/// The fields of ModelProto (onnx.proto) that only people read.
extension ModelScan {
    /// Operator sets and notes that are shown; real models have a handful.
    private static let entryLimit = 100
    /// Bytes of a text that are shown.
    private static let textLimit = 1024

    func facts() throws(ScanFailure) -> ModelFacts {
        var facts = ModelFacts(format: "ONNX, IR version \(irVersion)")
        var (producer, producerVersion) = ("", "")
        var reader = WireReader(bytes, 0..<bytes.count)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            switch field.number {
            case 2: producer = shortened(message)
            case 3: producerVersion = shortened(message)
            case 6 where !message.isEmpty:
                facts.notes.append(.init(key: "doc_string", value: shortened(message)))
            case 8 where facts.operatorSets.count < Self.entryLimit:
                facts.operatorSets.append(try operatorSet(message))
            case 14 where facts.notes.count < Self.entryLimit:
                facts.notes.append(try note(message))
            default: break
            }
        }
        facts.producer =
            producerVersion.isEmpty ? producer : "\(producer) \(producerVersion)"
        return facts
    }

    /// OperatorSetIdProto.
    private func operatorSet(_ range: Range<Int>) throws(ScanFailure) -> ModelFacts.OperatorSet {
        var (domain, version) = ("", UInt64(0))
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let message)): domain = shortened(message)
            case (2, .varint(let value)): version = value
            default: break
            }
        }
        return .init(domain: domain, version: version)
    }

    /// StringStringEntryProto.
    private func note(_ range: Range<Int>) throws(ScanFailure) -> ModelFacts.Note {
        var (key, value) = ("", "")
        var reader = WireReader(bytes, range)
        while let field = try reader.next() {
            guard case .bytes(let message) = field.value else { continue }
            if field.number == 1 { key = shortened(message) }
            if field.number == 2 { value = shortened(message) }
        }
        return .init(key: key, value: value)
    }

    private func shortened(_ range: Range<Int>) -> String {
        let shown = String(decoding: bytes[range].prefix(Self.textLimit), as: UTF8.self)
        return range.count > Self.textLimit ? shown + "..." : shown
    }
}
