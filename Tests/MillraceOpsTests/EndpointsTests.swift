import MillraceCore
import MillraceOps
import Testing

struct EndpointsTests {
    private static func get(
        _ path: String, _ health: Health, accept: String = "", metrics: [Metric] = []
    ) -> HttpResponse {
        HttpRouter(Endpoints.routes(health: { health }, metrics: { metrics })).answer(
            to: HttpRequest(path: path, accept: accept))
    }

    private static let good = Health(isLive: true, missing: [])
    private static let waiting = Health(
        isLive: true, missing: ["no partition assigned", "broker \"b1\" unreachable\u{1b}[31m"])
    private static let dead = Health(isLive: false, missing: ["lane 0 hangs since 120 s"])

    @Test func livez() {
        #expect(Self.get("/livez", Self.good) == HttpResponse(body: "ok\n"))
        #expect(Self.get("/livez", Self.waiting) == HttpResponse(body: "ok\n"))
        #expect(
            Self.get("/livez", Self.dead)
                == HttpResponse(
                    status: 503,
                    body: "not live: only a restart helps\nlane 0 hangs since 120 s\n"))
    }

    @Test func readyz() {
        #expect(Self.get("/readyz", Self.good) == HttpResponse(body: "ready\n"))
        #expect(
            Self.get("/readyz", Self.waiting)
                == HttpResponse(
                    status: 503,
                    body: """
                        not ready
                        no partition assigned
                        broker "b1" unreachable\\u001b[31m

                        """))
        #expect(Self.get("/readyz", Self.dead).status == 503)
        #expect(Self.get("/readyz", Health(isLive: false, missing: [])).status == 503)
    }

    @Test(arguments: [
        "application/json", "text/html, application/json;q=0.9", "Application/JSON ; q=1",
    ])
    func readyzAsJSON(accept: String) {
        #expect(
            Self.get("/readyz", Self.waiting, accept: accept)
                == HttpResponse(
                    status: 503, contentType: "application/json",
                    body: #"{"ready":false,"missing":["no partition assigned","#
                        + #""broker \"b1\" unreachable\u001b[31m"]}"# + "\n"))
    }

    @Test func livezAsJSON() {
        let json = "application/json"
        #expect(
            Self.get("/livez", Self.waiting, accept: json).body
                == "{\"live\":true,\"missing\":[]}\n")
        #expect(
            Self.get("/livez", Self.dead, accept: json).body
                == "{\"live\":false,\"missing\":[\"lane 0 hangs since 120 s\"]}\n")
    }

    @Test(arguments: ["", "*/*", "text/plain", "application/jsonp", "xapplication/json"])
    func textOtherwise(accept: String) {
        #expect(Self.get("/readyz", Self.good, accept: accept).body == "ready\n")
    }

    @Test func metricsPage() {
        let metric = Metric(
            "millrace_up", .gauge, "Up.", samples: [Metric.Sample(value: .number(1))])
        let page = Self.get("/metrics", Self.good, metrics: [metric])
        #expect(page.status == 200)
        #expect(page.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(page.body == "# HELP millrace_up Up.\n# TYPE millrace_up gauge\nmillrace_up 1\n")
    }

    @Test func indexListsThePaths() {
        let index = Self.get("/", Self.good).body
        #expect(index.hasPrefix("millrace\n\n/livez    200"))
        #expect(index.contains("\n/readyz   200"))
        #expect(index.contains("\n/metrics  all counters"))
    }

    @Test func overASocket() throws {
        let server = try HttpServer(
            listen: "127.0.0.1:0",
            routes: Endpoints.routes(health: { Self.waiting }, metrics: { [] }))
        let answer = try #require(
            exchange(request("GET", "/readyz", "Accept: application/json"), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(answer.contains("Content-Type: application/json\r\n"))
        #expect(answer.contains("{\"ready\":false,"))
        server.close()
    }
}
