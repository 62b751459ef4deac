import MillraceCore
import MillraceOps
import Testing

struct AccessRulesTests {
    private static let paths = ["/", "/livez", "/readyz", "/metrics", "/status.json", "/nothing"]

    private static func status(
        _ path: String = "/status.json", isLoopback: Bool = true, method: String = "GET",
        _ change: (inout HttpRequest) -> Void
    ) -> UInt32 {
        var request = HttpRequest(method: method, path: path)
        request.host = "localhost:9464"
        change(&request)
        let router = HttpRouter(
            EndpointsTests.routes(Health(isLive: true, missing: [])), isLoopback: isLoopback)
        return (router.refusal(of: request) ?? router.answer(to: request)).status
    }

    @Test(arguments: [nil, "none", "same-origin"])
    func ownAndTypedRequestsAreServed(site: String?) {
        #expect(Self.status { $0.fetchSite = site } == 200)
    }

    @Test(arguments: paths, ["cross-site", "same-site", "", "strange", "none, cross-site"])
    func otherSitesLearnNothing(path: String, site: String) {
        #expect(Self.status(path) { $0.fetchSite = site } == 403)
        // What a page can do: load as an image, a script or a frame, fetch, or send a form.
        for (mode, dest) in [
            ("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe"),
            ("navigate", "object"), ("websocket", "empty"),
        ] {
            let status = Self.status(path) {
                ($0.fetchSite, $0.fetchMode, $0.fetchDest) = (site, mode, dest)
            }
            #expect(status == 403, "\(mode) \(dest)")
        }
        #expect(Self.status(path, method: "POST") { $0.fetchSite = site } == 403)
    }

    @Test func aLinkLeadsToThePageAndNowhereElse() {
        for path in Self.paths {
            let status = Self.status(path) {
                ($0.fetchSite, $0.fetchMode, $0.fetchDest) = ("cross-site", "navigate", "document")
            }
            #expect(status == (path == "/" ? 200 : 403), "\(path)")
        }
    }

    @Test(arguments: ["http://localhost:9464", "https://LOCALHOST:9464"])
    func ownOriginsAreServed(origin: String) {
        #expect(Self.status { $0.origin = origin } == 200)
    }

    @Test(arguments: [
        "null", "", "http://localhost", "http://localhost:9465", "http://evil.example",
        "http://localhost:9464.evil.example", "http://evil.example/localhost:9464",
        "ftp://localhost:9464", "localhost:9464",
    ])
    func otherOriginsAreRefused(origin: String) {
        #expect(Self.status { $0.origin = origin } == 403)
        #expect(Self.status { ($0.origin, $0.fetchSite) = (origin, "same-origin") } == 403)
    }

    @Test(arguments: [
        "localhost", "localhost:1", "LocalHost:9464", "127.0.0.1", "127.0.0.1:9464", "127.1.2.3:80",
        "[::1]", "[::1]:9464", nil,
    ])
    func namesOfThisMachineAreServed(host: String?) {
        #expect(Self.status { $0.host = host } == 200)
    }

    @Test(arguments: [
        "", "evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.evil.example", "localhost:9464:1", "localhost:x", "127.0.0", "127.0.0.256", "::1",
        "[::2]", "[::1]x:1", "localhost.", "128.0.0.1", "127.0.0.1:9464@evil.example",
    ])
    func otherNamesForALoopbackAddressAreRefused(host: String) {
        for path in Self.paths { #expect(Self.status(path) { $0.host = host } == 403) }
        // A network may have any names.
        #expect(Self.status("/livez", isLoopback: false) { $0.host = host } == 200)
    }

    @Test(arguments: ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"])
    func theServerKnowsThatItsAddressIsLoopback(listen: String) throws {
        let server = try HttpServer(
            listen: listen, routes: EndpointsTests.routes(Health(isLive: true, missing: [])))
        let isLoopback = server.isLoopback
        server.close()
        #expect(isLoopback)
    }

    /// Over a socket: which headers are read, and that nothing is in the answer.
    @Test(arguments: [
        "Sec-Fetch-Site: cross-site", "sec-fetch-site: same-site", "Origin: http://evil.example",
    ])
    func refusalsAreEmpty(header: String) throws {
        let server = try HttpServer(
            listen: "0.0.0.0:0", routes: EndpointsTests.routes(Health(isLive: true, missing: [])))
        let isLoopback = server.isLoopback
        #expect(!isLoopback)
        let answer = try #require(exchange(request("GET", "/readyz", header), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
        #expect(!answer.contains("Access-Control"))
        let served = try #require(exchange(request("GET", "/readyz"), port: server.port))
        #expect(served.hasSuffix("\r\n\r\nready\n"))
        server.close()
    }

    @Test func aNameThatPointsHereIsRefused() throws {
        let server = try HttpServer(
            listen: "127.0.0.1:0", routes: EndpointsTests.routes(Health(isLive: true, missing: [])))
        let text = "GET /readyz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        let answer = try #require(exchange(text, port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 403 "))
        #expect(answer.hasSuffix("\r\n\r\n"))
        server.close()
    }
}
