/// Which librdkafka properties a pipeline file may not set, and why. The reasons are part of the
/// message that the user reads.
package enum KafkaPropertyRules {
    /// Where in the pipeline file a property stands.
    package enum Scope: String, Sendable, CaseIterable {
        case common, consumer, producer
    }

    /// What the rules say of one property.
    package enum Verdict: Sendable, Equatable {
        case fine
        case warned(String)
        case refused(String)
    }

    /// Properties that are refused whatever their value.
    private static let refused: [String: String] = {
        let commits = "offsets are committed only behind what the broker has acknowledged"
        let callback = "it is for programs that register callbacks"
        let code = "it would load and run code"
        return [
            "enable.auto.commit": commits,
            "auto.commit.enable": commits,
            "auto.commit.interval.ms": "it follows the pipeline's commit interval",
            "enable.auto.offset.store": commits,
            "offset.store.method": commits,
            "auto.offset.reset": "use source.start",
            "group.id": "use source.group",
            "enable.partition.eof": "it follows --until-end",
            "transactional.id": "it belongs to delivery: exactly_once",
            "message.timeout.ms":
                "an outage is waited out; giving a record up would leave a gap in its partition",
            "delivery.timeout.ms":
                "an outage is waited out; giving a record up would leave a gap in its partition",
            "delivery.report.only.error": "every delivery must be reported",
            "allow.auto.create.topics": "a wrong topic name must fail, not make a topic",
            "plugin.library.paths": code,
            "ssl.engine.location": code,
            "ssl.engine.id": code,
            "sasl.kerberos.kinit.cmd": "it would run a command; keep the ticket fresh outside",
            "enable.sasl.oauthbearer.unsecure.jwt": "unsigned tokens are for tests only",
            "log.queue": callback,
            "log_cb": callback,
            "enabled_events": callback,
            "opaque": callback,
            "default_topic_conf": callback,
            "interceptors": callback,
        ]
    }()

    /// Judges one property. `library` is the librdkafka that will run.
    package static func verdict(
        _ name: String, _ value: String, library: LibraryVersion = .current
    ) -> Verdict {
        if let reason = refused[name] { return .refused(reason) }
        if name.hasPrefix("test.") { return .refused("it is for tests of librdkafka") }
        if name.hasSuffix("_cb") { return .refused("it is for programs that register callbacks") }
        if name.hasPrefix("ssl.engine.") { return .refused("it would load and run code") }
        let value = value.lowercased()
        switch name {
        case "enable.idempotence":
            guard value != "true" else { return .fine }
            return .refused("without it retries can reorder and duplicate records")
        case "acks", "request.required.acks":
            guard value != "all", value != "-1" else { return .fine }
            return .refused("an acknowledged record must be on all in-sync replicas: all")
        case "max.in.flight", "max.in.flight.requests.per.connection":
            guard let number = Int(value), number > 5 else { return .fine }
            return .refused("more than 5 requests in flight can reorder records")
        case "partition.assignment.strategy": return strategy(value, library)
        case "group.protocol":
            guard value == "consumer", !library.hasConsumerGroupProtocol else { return .fine }
            return .refused("'consumer' needs librdkafka 2.12, this is \(library)")
        case "debug":
            return .warned("it logs much and names hosts, topics and groups")
        case "ssl.endpoint.identification.algorithm":
            return value == "none" ? .warned("the broker's name is not checked") : .fine
        case "enable.ssl.certificate.verification":
            return value == "false" ? .warned("the broker's certificate is not checked") : .fine
        default: return .fine
        }
    }

    private static func strategy(_ value: String, _ library: LibraryVersion) -> Verdict {
        let names = value.split(separator: ",").map { $0.filter { $0 != " " } }
        guard names.contains("cooperative-sticky") else { return .fine }
        guard names.count == 1 else {
            return .refused("cooperative-sticky cannot be mixed with others: name it alone")
        }
        guard !library.hasSafeCooperativeAssignor else { return .fine }
        return .refused(
            "cooperative-sticky loses assignments before librdkafka 2.10.1, this is \(library): "
                + "use range")
    }

    /// Properties of the classic group protocol, which the broker decides with
    /// `group.protocol: consumer`.
    static let classicOnly: Set<String> = [
        "partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms",
        "group.protocol.type",
    ]

    /// The value must never be printed.
    package static func isSecret(_ name: String) -> Bool {
        name.contains("password") || name.contains("secret") || name.contains("token")
            || name.hasSuffix(".pem") || name.hasPrefix("ssl.key")
            || name.hasPrefix("sasl.oauthbearer.") || name == "sasl.username"
    }
}
