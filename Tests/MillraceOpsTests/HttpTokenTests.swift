import MillraceCore
import MillraceOps
import Testing

struct HttpTokenTests {
    private static let secret = "0123456789abcdef"

    private static func answer(
        _ path: String, _ authorization: String?, missing: [String] = []
    ) -> HttpResponse {
        var request = HttpRequest(path: path)
        request.host = "localhost"
        request.authorization = authorization
        let router = HttpRouter(
            EndpointsTests.routes(Health(isLive: true, missing: missing)),
            token: HttpToken(secret))
        return router.refusal(of: request) ?? router.answer(to: request)
    }

    @Test(arguments: [
        "Bearer 0123456789abcdef", "bearer 0123456789abcdef", "Bearer  0123456789abcdef",
        // Basic: operator:0123456789abcdef, and without a name.
        "Basic b3BlcmF0b3I6MDEyMzQ1Njc4OWFiY2RlZg==", "basic OjAxMjM0NTY3ODlhYmNkZWY=",
    ])
    func theTokenOpensEveryPath(authorization: String) throws {
        for path in ["/", "/livez", "/readyz", "/metrics", "/status.json"] {
            #expect(Self.answer(path, authorization).status == 200, "\(path)")
        }
        #expect(Self.answer("/nothing", authorization).status == 404)
        let told = Self.answer("/readyz", authorization, missing: ["topic 'a' is missing"])
        #expect(told.body.contains("topic 'a' is missing"))
    }

    @Test(arguments: [
        nil, "", "Bearer", "Bearer ", "0123456789abcdef", "Bearer 0123456789abcde",
        "Bearer 0123456789abcdeF", "Bearer 0123456789abcdef0", "Bearer 0123456789abcdef ",
        "Bearer 0123456789abcdef0123456789abcdef", "Basic 0123456789abcdef", "Basic ====",
        "Basic MDEyMzQ1Njc4OWFiY2RlZg==", "Basic b3BlcmF0b3I6", "Digest 0123456789abcdef",
        "Bearer MDEyMzQ1Njc4OWFiY2RlZg==", "Bearer \u{e9}123456789abcdef",
    ])
    func withoutItOnlyLifeAndReadinessAreTold(authorization: String?) throws {
        for path in ["/", "/metrics", "/status.json", "/nothing", "/livez/", "/LIVEZ"] {
            let answer = Self.answer(path, authorization)
            #expect(answer.status == 401, "\(path)")
            #expect(answer.headers["WWW-Authenticate"]?.hasPrefix("Basic ") == true)
            #expect(!answer.body.contains(Self.secret))
        }
        #expect(Self.answer("/livez", authorization).status == 200)
        #expect(Self.answer("/readyz", authorization).status == 200)
        let told = Self.answer("/readyz", authorization, missing: ["topic 'a' is missing"])
        #expect(told.status == 503)
        #expect(!told.body.contains("topic"))
    }

    @Test func itIsNotShown() throws {
        let token = try #require(HttpToken(Self.secret))
        #expect("\(token) \(String(reflecting: token))".contains(Self.secret) == false)
        #expect(HttpToken("") == nil)
    }

    /// Over a socket: which header is read.
    @Test func theServerAsksForIt() throws {
        let server = try HttpServer(
            listen: "127.0.0.1:0",
            routes: EndpointsTests.routes(Health(isLive: true, missing: [])),
            token: HttpToken(Self.secret))
        let refused = try #require(exchange(request("GET", "/metrics"), port: server.port))
        #expect(refused.hasPrefix("HTTP/1.1 401 "))
        #expect(refused.contains("\r\nWWW-Authenticate: Basic realm=\"millrace\""))
        let served = try #require(
            exchange(
                request("GET", "/metrics", "authorization: Bearer \(Self.secret)"),
                port: server.port))
        #expect(served.hasPrefix("HTTP/1.1 200 "))
        #expect(exchange(request("GET", "/livez"), port: server.port)?.contains(" 200 ") == true)
        server.close()
    }
}
