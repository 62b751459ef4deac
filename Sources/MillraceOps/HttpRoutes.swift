/// What a handler sees of a request.
package struct HttpRequest: Sendable {
    /// As sent; methods are case-sensitive.
    package let method: String
    /// Decoded, without the query.
    package let path: String
    /// The value of the Accept header; empty where there is none.
    package let accept: String
    /// Whether the headers announce a body.
    package let hasBody: Bool
    /// The header Host, which is absent only in HTTP/1.0.
    package var host: String?
    /// The header Origin.
    package var origin: String?
    /// The headers Sec-Fetch-Site, -Mode and -Dest, by which a browser says where a request comes
    /// from and what it is for.
    package var fetchSite: String?
    package var fetchMode: String?
    package var fetchDest: String?
    /// The header Authorization.
    package var authorization: String?
    /// Whether the client may know more than whether the worker lives and works: it has the token,
    /// or none is wanted. The router's word, not the client's.
    package internal(set) var isTrusted = false

    /// A request as a test or the server sees it.
    package init(
        method: String = "GET", path: String, accept: String = "", hasBody: Bool = false
    ) {
        self.method = method
        self.path = path
        self.accept = accept
        self.hasBody = hasBody
    }

    /// Whether the client asks for `application/json` by name.
    package var acceptsJSON: Bool {
        accept.split(separator: ",").contains { range in
            let type = range.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
            return type.lowercased() == HttpResponse.json
        }
    }
}

/// What a handler answers.
package struct HttpResponse: Sendable, Equatable {
    /// The HTTP status code.
    package let status: UInt32
    /// The media type of `body`.
    package let contentType: String
    /// Sent as UTF-8; a HEAD request gets its length only.
    package let body: String
    /// Headers beside those that every response of the server has.
    package let headers: [String: String]

    /// 200 and plain text unless said otherwise.
    package init(
        status: UInt32 = 200, contentType: String = HttpResponse.plainText, body: String,
        headers: [String: String] = [:]
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
    }

    /// The media type of plain text.
    package static let plainText = "text/plain; charset=utf-8"
    /// The media type of JSON.
    package static let json = "application/json"

    /// The content policy of what is no page: nothing in it may run or load, and nobody may frame
    /// it.
    static let closedPolicy =
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    /// The headers that every response has: what may be done with it, `headers` having the last
    /// word.
    var allHeaders: [String: String] {
        [
            "Content-Type": contentType,
            "Content-Security-Policy": Self.closedPolicy,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            // Whoever has opened the page in a window of theirs loses hold of it.
            "Cross-Origin-Opener-Policy": "same-origin",
        ].merging(headers) { _, own in own }
    }
}

/// One path of the server and what answers it.
package struct HttpRoute: Sendable {
    /// Begins with a slash; matched as a whole.
    package let path: String
    /// One line for the list of paths.
    package let summary: String
    /// Whether it is served without the token; its handler looks at `HttpRequest.isTrusted`.
    package let isOpen: Bool
    /// Called on the server's only thread: while it works, no other request is answered.
    package let handler: @Sendable (HttpRequest) -> HttpResponse

    /// `path` begins with a slash.
    package init(
        _ path: String, _ summary: String, isOpen: Bool = false,
        handler: @escaping @Sendable (HttpRequest) -> HttpResponse
    ) {
        self.path = path
        self.summary = summary
        self.isOpen = isOpen
        self.handler = handler
    }

    /// The paths with their summaries, one a line.
    package static func list(_ routes: [HttpRoute]) -> String {
        let width = routes.map(\.path.count).max() ?? 0
        return routes.map { route in
            let gap = String(repeating: " ", count: width - route.path.count + 2)
            return "\(route.path)\(gap)\(route.summary)\n"
        }.joined()
    }
}

/// Chooses the route of a request and refuses what the server does not do. Has no socket.
package struct HttpRouter: Sendable {
    private let routes: [HttpRoute]
    private let isLoopback: Bool
    private let token: HttpToken?

    /// The first of several routes with the same path wins. `isLoopback`: only this machine can
    /// reach the server. `token`: what all but open routes ask for.
    package init(_ routes: [HttpRoute], isLoopback: Bool = false, token: HttpToken? = nil) {
        self.routes = routes
        self.isLoopback = isLoopback
        self.token = token
    }

    /// The first reason not to serve the request, whatever its path; nil: `answer` may follow.
    /// What every request must fulfil belongs here.
    package func refusal(of request: HttpRequest) -> HttpResponse? {
        guard AccessRules.allow(request, isLoopback: isLoopback) else {
            return HttpResponse(status: 403, body: "")
        }
        if !isTrusted(request), route(of: request)?.isOpen != true {
            return HttpResponse(
                status: 401, body: "send the token of http.token\n",
                headers: ["WWW-Authenticate": "Basic realm=\"millrace\", charset=\"UTF-8\""])
        }
        if request.method != "GET" && request.method != "HEAD" {
            return HttpResponse(
                status: 405, body: "only GET and HEAD are served\n",
                headers: ["Allow": "GET, HEAD"])
        }
        if request.hasBody {
            return HttpResponse(status: 413, body: "send the request without a body\n")
        }
        return nil
    }

    /// What the route of the path says, or a list of the paths where there is no such one.
    package func answer(to request: HttpRequest) -> HttpResponse {
        guard let route = route(of: request) else {
            return HttpResponse(
                status: 404, body: "no such path; there are:\n" + HttpRoute.list(routes))
        }
        var request = request
        request.isTrusted = isTrusted(request)
        return route.handler(request)
    }

    private func route(of request: HttpRequest) -> HttpRoute? {
        routes.first { $0.path == request.path }
    }

    private func isTrusted(_ request: HttpRequest) -> Bool {
        token.map { $0.isIn(request.authorization) } ?? true
    }
}
