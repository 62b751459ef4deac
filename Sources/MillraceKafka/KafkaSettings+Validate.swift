internal import CRdkafka
internal import Glibc
package import MillraceCore

/// What is wrong with one property of a pipeline file.
package struct PropertyComplaint: Sendable, Equatable {
    /// Where the property stands.
    package let scope: KafkaPropertyRules.Scope
    /// The property's name, or the pipeline's setting of a topic name.
    package let name: String
    /// One line, never the value of a secret.
    package let message: String
    /// Otherwise a warning.
    package let isError: Bool

    package init(
        _ scope: KafkaPropertyRules.Scope, _ name: String, _ message: String, isError: Bool = true
    ) {
        self.scope = scope
        self.name = name
        self.message = message
        self.isError = isError
    }
}

extension KafkaSettings {
    /// Judges every property by our rules and by librdkafka itself, then all of them together.
    /// Connects to nothing.
    package func validate(library: LibraryVersion = .current) -> [PropertyComplaint] {
        let consumerConf = ClientConf()
        let producerConf = ClientConf()
        var complaints: [PropertyComplaint] = []
        for (scope, properties) in scoped {
            for (name, value) in properties {
                switch KafkaPropertyRules.verdict(name, value, library: library) {
                case .refused(let reason):
                    complaints.append(.init(scope, name, "'\(name)' cannot be set: \(reason)"))
                    continue
                case .warned(let reason):
                    complaints.append(.init(scope, name, "'\(name)': \(reason)", isError: false))
                case .fine: break
                }
                let refusal =
                    scope == .producer
                    ? producerConf.set(name, value) : consumerConf.set(name, value)
                if let refusal { complaints.append(complaint(scope, name, refusal)) }
            }
        }
        complaints +=
            groupProtocolComplaints() + transactionComplaints() + securityComplaints()
            + topicNameComplaints()
        let hasErrors = complaints.contains { $0.isError }
        return hasErrors ? complaints : complaints + togetherComplaints()
    }

    /// What only shows when a client is made: values that do not go together, certificates that
    /// cannot be read. Without brokers the clients have nobody to connect to.
    private func togetherComplaints() -> [PropertyComplaint] {
        var complaints: [PropertyComplaint] = []
        for kind in [ClientKind.consumer, .producer] {
            let offline = properties(of: kind).filter {
                $0.name != "bootstrap.servers" && $0.name != "metadata.broker.list"
            }
            do throws(KafkaError) {
                _ = try ClientHandle(kind, offline, log: .none)
            } catch {
                let complaint = complaint(naming: error.message)
                if complaints.last?.message != complaint.message { complaints.append(complaint) }
            }
        }
        return complaints
    }

    /// Placed at the user's property that the text speaks of, else at the brokers.
    private func complaint(naming text: String) -> PropertyComplaint {
        for (scope, properties) in scoped {
            for (name, value) in properties where text.contains(name) {
                // OpenSSL's text does not say so.
                let isReadable = unsafe access(value, R_OK) == 0
                let isMissing = name.hasSuffix(".location") && !isReadable
                let hint = isMissing ? "; there is no such file, or no right to read it" : ""
                return .init(scope, name, text + hint)
            }
        }
        return .init(.common, "bootstrap.servers", text)
    }

    private var scoped: [(KafkaPropertyRules.Scope, Properties)] {
        [(.common, common), (.consumer, consumer), (.producer, producer)]
    }

    private func complaint(
        _ scope: KafkaPropertyRules.Scope, _ name: String, _ refusal: ClientConf.Refusal
    ) -> PropertyComplaint {
        switch refusal {
        case .unknown(let text):
            // Java's properties have a text of their own that says what to use instead.
            guard text.hasPrefix("no such configuration property") else {
                return .init(scope, name, text)
            }
            var message = "unknown librdkafka property '\(name)'"
            if let near = nearestProperty(to: name) { message += "; did you mean '\(near)'?" }
            return .init(scope, name, message)
        case .invalid(let text):
            // librdkafka's text may have the value in it, and an alias in place of the name; not so
            // where the build lacks what the property is for.
            let isSecret =
                KafkaPropertyRules.isSecret(name) && !text.contains("not supported in this build")
            return .init(scope, name, "'\(name)': \(isSecret ? "its value is refused" : text)")
        }
    }

    private func groupProtocolComplaints() -> [PropertyComplaint] {
        guard usesConsumerGroupProtocol else { return [] }
        return scoped.flatMap { scope, properties in
            properties.filter { KafkaPropertyRules.classicOnly.contains($0.name) }.map {
                PropertyComplaint(
                    scope, $0.name,
                    "'\($0.name)' cannot be set with group.protocol consumer: the broker decides it"
                )
            }
        }
    }

    /// What would break the promise of exactly once, or each transaction.
    private func transactionComplaints() -> [PropertyComplaint] {
        guard transactionalId != nil else { return [] }
        var complaints: [PropertyComplaint] = []
        for (scope, properties) in scoped {
            for (name, value) in properties where name == "isolation.level" {
                guard value.lowercased() == "read_uncommitted" else { continue }
                let text =
                    "'isolation.level' cannot be read_uncommitted with delivery: exactly_once: "
                    + "records that their producer took back would be scored"
                complaints.append(.init(scope, name, text))
            }
        }
        if commitIntervalMs > transactionTimeoutMs / 2 {
            let text =
                "transaction.timeout.ms (\(transactionTimeoutMs)) must be at least twice "
                + "commit_interval (\(commitIntervalMs) ms), or the brokers end transactions first"
            complaints.append(.init(.producer, "transaction.timeout.ms", text))
        }
        return complaints
    }

    private func securityComplaints() -> [PropertyComplaint] {
        func value(_ name: String) -> String {
            (common + consumer).last { $0.name == name }?.value.lowercased() ?? ""
        }
        let all = scoped.flatMap { scope, own in own.map { (scope, $0.name, $0.value) } }
        let logsIn = all.contains {
            $0.1 == "security.protocol" && $0.2.lowercased().hasPrefix("sasl_")
        }
        if !logsIn, let (scope, name, _) = all.first(where: { Self.loginNames.contains($0.1) }) {
            let text = "'\(name)' is not used; security.protocol has to be sasl_ssl for it"
            return [.init(scope, name, text, isError: false)]
        }
        let mechanism =
            common.contains { $0.name == "sasl.mechanism" }
            ? value("sasl.mechanism") : value("sasl.mechanisms")
        guard mechanism == "plain", value("security.protocol") == "sasl_plaintext" else {
            return []
        }
        let text = "the password goes over the network unencrypted: use security.protocol sasl_ssl"
        return [.init(.common, "security.protocol", text, isError: false)]
    }

    /// Properties that someone sets who means to log in.
    private static let loginNames: Set<String> = [
        "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
    ]

    /// Names that brokers refuse; and `^` would make a pattern of the source topic.
    private func topicNameComplaints() -> [PropertyComplaint] {
        let names = [
            ("source.topic", topic), ("sink.topic", sinkTopic ?? "-"),
            ("dead_letter.topic", deadLetterTopic ?? "-"),
        ]
        return names.compactMap { setting, name in
            let isLegal =
                !name.isEmpty && name.utf8.count <= 249 && name != "." && name != ".."
                && name.utf8.allSatisfy(Self.isTopicByte)
            if isLegal { return nil }
            let text = "\(setting): a topic name has 1 to 249 of the characters a-z A-Z 0-9 . _ -"
            return .init(.common, setting, text)
        }
    }

    private static func isTopicByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Known pairs of library and setting that hang or fail in the dark; checked before connecting.
    package func knownBadPair(library: LibraryVersion = .current) -> ServiceError? {
        let mechanism = (common + consumer + producer).last {
            $0.name == "sasl.mechanisms" || $0.name == "sasl.mechanism"
        }
        guard let mechanism, mechanism.value.uppercased().hasPrefix("SCRAM"),
            library.hasBrokenScram
        else { return nil }
        let text =
            "librdkafka \(library) cannot log in with SCRAM to Kafka 4: use librdkafka 2.6.1 or "
            + "newer (scripts/setup brings one), or another sasl.mechanisms"
        return ServiceError(code: "", message: text, isFatal: false, isRetriable: false)
    }
}
