import MillraceConfig
import MillraceKafka
import Testing

@testable import millrace

struct ConnectCheckTests {
    /// The group's coordinator is away; what was found before is told all the same.
    @Test func aSilentBrokerHidesNoComplaint() throws {
        let cluster = try MockCluster(brokerCount: 2)
        try cluster.createTopic("in", partitions: 3)
        try cluster.createTopic("out", partitions: 2)
        try cluster.setCoordinator(group: "g", broker: 2)
        try cluster.setDown(broker: 2)
        let text = """
            name: p
            source: {topic: in, group: g}
            kafka: {bootstrap.servers: '\(cluster.bootstrapServers)'}
            model: {file: m.onnx}
            append: all
            sink: {topic: out}
            """
        let outcome = PipelineReader.read(bytes: Array(text.utf8), path: "p.yaml", environment: [:])
        let file = try #require(outcome.file, "\(outcome.complaints)")
        let found = ConnectCheck.complaints(about: file, timeoutMs: 2_000, tell: { _ in })
        #expect(found.count == 2)
        #expect(found.first?.message.contains("has 2 partitions and 'in' has 3") == true)
        #expect(found.last?.message.contains("for group 'g'") == true)
    }
}
