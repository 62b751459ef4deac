import MillraceCore
import MillraceOps
import Testing

struct EndpointsTests {
    static func routes(_ health: Health, metrics: [Metric] = []) -> [HttpRoute] {
        Endpoints.routes(
            health: { health }, metrics: { metrics }, status: { "{\"pipeline\":\"fraud\"}" })
    }

    private static func get(
        _ path: String, _ health: Health, accept: String = "", metrics: [Metric] = []
    ) -> HttpResponse {
        HttpRouter(routes(health, metrics: metrics)).answer(
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

    @Test func statusIsJSON() {
        #expect(
            Self.get("/status.json", Self.good)
                == HttpResponse(
                    contentType: "application/json", body: "{\"pipeline\":\"fraud\"}\n"))
    }

    @Test func unknownPathsListThePaths() {
        let list = Self.get("/index.html", Self.good)
        #expect(list.status == 404)
        for line in [
            "\n/             a live page", "\n/livez        200", "\n/status.json  what",
        ] {
            #expect(list.body.contains(line), "\(list.body)")
        }
    }

    @Test func overASocket() throws {
        let server = try HttpServer(
            listen: "127.0.0.1:0",
            routes: Self.routes(Self.waiting))
        let answer = try #require(
            exchange(request("GET", "/readyz", "Accept: application/json"), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(answer.contains("Content-Type: application/json\r\n"))
        #expect(answer.contains("{\"ready\":false,"))
        server.close()
    }
}
