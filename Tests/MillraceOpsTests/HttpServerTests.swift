import Glibc
import MillraceCore
import MillraceOps
import Testing

/// Over real loopback sockets; every server takes a free port.
struct HttpServerTests {
    private static let routes = [
        HttpRoute("/hello", "says hello") { _ in HttpResponse(body: "hello\n") },
        HttpRoute("/big", "a megabyte") { _ in
            HttpResponse(body: String(repeating: "x", count: 1_000_000))
        },
    ]

    private static func server(
        _ limits: HttpServer.Limits = HttpServer.Limits()
    ) throws(ServiceError) -> HttpServer {
        try HttpServer(listen: "127.0.0.1:0", routes: routes, limits: limits)
    }

    @Test func answersWithSafeHeaders() throws {
        let server = try Self.server()
        #expect(server.address == "127.0.0.1:\(server.port)")
        let answer = try #require(exchange(request("GET", "/hello?x=1"), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nhello\n"))
        #expect(answer.contains("Content-Type: text/plain; charset=utf-8\r\n"))
        #expect(answer.contains("X-Content-Type-Options: nosniff\r\n"))
        #expect(answer.contains("Cache-Control: no-store\r\n"))
        #expect(!answer.contains("Access-Control"))
        server.close()
    }

    @Test func headHasTheLengthAndNoBody() throws {
        let server = try Self.server()
        let answer = try #require(exchange(request("HEAD", "/hello"), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.contains("Content-Length: 6\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
        server.close()
    }

    @Test func bodiesLargerThanTheConnectionMemoryArriveWhole() throws {
        let server = try Self.server()
        let answer = try #require(exchange(request("GET", "/big"), port: server.port))
        #expect(answer.utf8.filter { $0 == UInt8(ascii: "x") }.count >= 1_000_000)
        server.close()
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
    func otherMethodsAreRefused(method: String) throws {
        let server = try Self.server()
        let answer = try #require(
            exchange(request(method, "/hello", "Content-Length: 0"), port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 405 "))
        #expect(answer.contains("Allow: GET, HEAD\r\n"))
        server.close()
    }

    @Test(arguments: [
        request("GET", "/hello", "Content-Length: 5") + "12345",
        request("GET", "/hello", "Transfer-Encoding: chunked") + "5\r\n12345\r\n0\r\n\r\n",
        request("GET", "/hello", "Content-Length: 1000000000"),
    ])
    func bodiesAreRefused(text: String) throws {
        let server = try Self.server()
        let answer = try #require(exchange(text, port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 413 "))
        server.close()
    }

    @Test func unknownPathsListTheKnownOnes() throws {
        let server = try Self.server()
        for path in ["/nothing", "/hello/", "/../hello", "/%00", "/%2e%2e/etc/passwd", "*"] {
            let answer = try #require(exchange(request("GET", path), port: server.port))
            #expect(answer.hasPrefix("HTTP/1.1 404 "), "\(path): \(answer)")
            #expect(answer.hasSuffix("/hello  says hello\n/big    a megabyte\n"))
        }
        server.close()
    }

    @Test func keepsAConnectionForTheNextRequest() throws {
        let server = try Self.server()
        let client = try #require(RawClient(port: server.port))
        let text = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.send(text)
        #expect(client.read(until: "hello\n") != nil)
        client.send(text)
        #expect(client.read(until: "hello\n") != nil)
        server.close()
    }

    @Test(arguments: [
        "\u{0}\u{1}\u{2}garbage\r\n\r\n",
        "GET\r\n\r\n",
        "GET /hello HTTP/9.9\r\n\r\n",
        "GET /hello HTTP/1.1\r\nno colon here\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    ])
    func garbageIsRefusedAndHurtsNobody(text: String) throws {
        // Some of it looks like the beginning of something longer.
        var limits = HttpServer.Limits()
        limits.idleTimeoutSeconds = 1
        let server = try Self.server(limits)
        let answer = try #require(exchange(text, port: server.port))
        #expect(!answer.contains(" 200 "))
        #expect(try #require(exchange(request("GET", "/hello"), port: server.port)).contains("200"))
        server.close()
    }

    @Test func garbageBehindAGoodRequestEndsTheConnection() throws {
        let server = try Self.server()
        let good = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        let answer = try #require(
            exchange(good + "\u{1}\u{2}\u{3} nonsense\r\n\r\n", port: server.port))
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(!answer.dropFirst(9).contains("HTTP/1.1 200 "))
        server.close()
    }

    @Test func oversizedHeadersAreRefused() throws {
        let server = try Self.server()
        let long = String(repeating: "a", count: 100_000)
        for text in [request("GET", "/" + long), request("GET", "/hello", "X-Long: " + long)] {
            let client = try #require(RawClient(port: server.port))
            client.send(text)
            // The server closes with unread input, so the reset may overtake its answer.
            let answer = try #require(client.readToEnd())
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
        }
        #expect(exchange(request("GET", "/hello"), port: server.port)?.contains("200") == true)
        server.close()
    }

    @Test func aSilentClientIsDropped() throws {
        var limits = HttpServer.Limits()
        limits.idleTimeoutSeconds = 1
        let server = try Self.server(limits)
        let silent = try #require(RawClient(port: server.port))
        let halfway = try #require(RawClient(port: server.port))
        halfway.send("GET /hello HTTP/1.1\r\nHos")
        #expect(silent.readToEnd() == "")
        #expect(halfway.readToEnd()?.contains(" 200 ") == false)
        server.close()
    }

    /// One byte now and then is as good as none: neither is a request.
    @Test func aClientThatSendsSlowlyIsDropped() throws {
        var limits = HttpServer.Limits()
        limits.requestTimeoutSeconds = 1
        let server = try Self.server(limits)
        let slow = try #require(RawClient(port: server.port))
        slow.send("GET /hello HTTP/1.1\r\nX: ")
        var bytes = 0
        while bytes < 100, slow.send("a") {
            bytes += 1
            usleep(100_000)
        }
        #expect(bytes < 60)
        server.close()
    }

    @Test func aClientThatReadsSlowlyIsDropped() throws {
        var limits = HttpServer.Limits()
        limits.requestTimeoutSeconds = 1
        let huge = HttpRoute("/huge", "more than fits") { _ in
            HttpResponse(body: String(repeating: "x", count: 64 << 20))
        }
        let server = try HttpServer(listen: "127.0.0.1:0", routes: [huge], limits: limits)
        let slow = try #require(RawClient(port: server.port))
        slow.send(request("GET", "/huge"))
        var read = 0
        for _ in 0..<100 {
            guard let bytes = slow.readSome(atMost: 64 << 10) else { break }
            read += bytes
            usleep(20_000)
        }
        // The sockets' buffers, at most, come after the end.
        #expect(read < 32 << 20)
        #expect(slow.readToEnd().map { $0.utf8.count < 32 << 20 } == true)
        server.close()
    }

    /// A connection may be kept for longer than a request may take.
    @Test func eachRequestHasItsOwnTime() throws {
        var limits = HttpServer.Limits()
        limits.requestTimeoutSeconds = 2
        let server = try Self.server(limits)
        let client = try #require(RawClient(port: server.port))
        for _ in 0..<6 {
            client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(client.read(until: "hello\n") != nil)
            usleep(700_000)
        }
        server.close()
    }

    /// What it was to read is held for it, and so is its place: not for longer than a silent one.
    @Test func aClientThatDoesNotReadIsDropped() throws {
        var limits = HttpServer.Limits()
        limits.idleTimeoutSeconds = 1
        limits.connectionsPerAddress = 1
        // More than the sockets' buffers take.
        let huge = HttpRoute("/huge", "more than fits") { _ in
            HttpResponse(body: String(repeating: "x", count: 64 << 20))
        }
        let server = try HttpServer(listen: "127.0.0.1:0", routes: [huge], limits: limits)
        let lazy = try #require(RawClient(port: server.port))
        lazy.send(request("GET", "/huge"))
        #expect(exchange(request("GET", "/other"), port: server.port) == "")
        var isServedAgain = false
        for _ in 0..<100 where !isServedAgain {
            usleep(100_000)
            let answer = exchange(request("GET", "/other"), port: server.port)
            isServedAgain = answer?.contains(" 404 ") == true
        }
        #expect(isServedAgain)
        let read = try #require(lazy.readToEnd())
        #expect(read.utf8.count < 64 << 20)
        server.close()
    }

    @Test func connectionsOverOneAddressesShareAreRefused() throws {
        var limits = HttpServer.Limits()
        limits.connectionsPerAddress = 4
        let server = try Self.server(limits)
        let text = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        var held: [RawClient] = []
        for _ in 0..<4 {
            let client = try #require(RawClient(port: server.port))
            client.send(text)
            #expect(client.read(until: "hello\n") != nil)
            held.append(client)
        }
        #expect(exchange(text, port: server.port) == "")
        held.removeAll()
        // The server learns of the closed ones on its own thread: ask until it has.
        var isServedAgain = false
        for _ in 0..<10_000 where !isServedAgain {
            isServedAgain =
                exchange(request("GET", "/hello"), port: server.port)?.contains("200") == true
        }
        #expect(isServedAgain)
        server.close()
    }

    @Test func connectionsOverTheLimitWaitForAFreePlace() throws {
        var limits = HttpServer.Limits()
        limits.connections = 4
        limits.connectionsPerAddress = 100
        let server = try Self.server(limits)
        var held: [RawClient] = []
        for _ in 0..<4 {
            let client = try #require(RawClient(port: server.port))
            client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(client.read(until: "hello\n") != nil)
            held.append(client)
        }
        let waiting = try #require(RawClient(port: server.port))
        waiting.send(request("GET", "/hello"))
        held.removeAll()
        #expect(waiting.readToEnd()?.contains(" 200 ") == true)
        server.close()
    }

    @Test func closeEndsOpenConnectionsAndFreesThePort() throws {
        let server = try Self.server()
        let port = server.port
        let idle = try #require(RawClient(port: port))
        let halfway = try #require(RawClient(port: port))
        halfway.send("GET /hel")
        server.close()
        #expect(idle.readToEnd() == "")
        #expect(halfway.readToEnd() == "")
        #expect(RawClient(port: port) == nil)
        let next = try HttpServer(listen: "127.0.0.1:\(port)", routes: Self.routes)
        #expect(next.port == port)
        next.close()
    }

    @Test func aDroppedServerIsClosed() throws {
        var server: HttpServer? = try Self.server()
        let port = server?.port ?? 0
        #expect(RawClient(port: port) != nil)
        server = nil
        #expect(RawClient(port: port) == nil)
    }

    @Test func aPortInUseIsAClearError() throws {
        let first = try Self.server()
        let address = first.address
        #expect {
            _ = try HttpServer(listen: address, routes: [])
        } throws: { error in
            let error = error as? ServiceError
            return error?.code == "EADDRINUSE" && error?.isRetriable == true
                && error?.message.contains("cannot listen on \(address): address already in use")
                    == true
        }
        first.close()
    }

    @Test(arguments: ["[::1]:0", "localhost:0", ":0", "127.0.0.1:0"])
    func formsOfAddresses(listen: String) throws {
        let server = try HttpServer(listen: listen, routes: Self.routes)
        let expected = listen.hasPrefix("[") ? "[::1]" : "127.0.0.1"
        #expect(server.address == "\(expected):\(server.port)")
        #expect(server.port != 0)
        server.close()
    }

    @Test(arguments: [
        "", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "::1:9464", "[::1]", "[localhost]:1", "example.org:9464", "[::1%nowhere]:9464",
        "256.1.1.1:80", "192.0.2.1:0", "127.0.0.1: 80",
    ])
    func wrongAddressesAreErrors(listen: String) {
        #expect {
            _ = try HttpServer(listen: listen, routes: [])
        } throws: { error in
            (error as? ServiceError)?.message.hasPrefix("cannot listen on ") == true
        }
    }
}
