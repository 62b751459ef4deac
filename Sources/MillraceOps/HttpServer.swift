internal import CMicrohttpd
package import MillraceCore

/// A small HTTP/1.1 server for the eyes of operators: GET and HEAD without bodies, on one thread
/// of its own, with limits on everything that a client can take.
///
/// Owns the socket and the thread; both are gone when `close` returns or the value is dropped.
/// Do neither on the server's own thread (in a handler): it would wait for itself.
@safe package struct HttpServer: ~Copyable {
    /// What clients may take.
    package struct Limits: Sendable {
        /// Open at once; more wait in the backlog.
        package var connections: UInt32 = 64
        /// Open at once from one address; more are closed at once.
        package var connectionsPerAddress: UInt32 = 32
        /// A connection on which nothing moves for so long is closed.
        package var idleTimeoutSeconds: UInt32 = 8
        /// A request and the reading of its answer may take so long, however often a byte moves.
        package var requestTimeoutSeconds: UInt32 = 20
        /// Request line and headers together.
        package var headerBytes: Int = 8192

        /// Fit for probes, a scraper and some people.
        package init() {}
    }

    /// Of libmicrohttpd.
    package static var libraryVersion: String { unsafe String(cString: MHD_get_version()) }

    /// Address and port in use, `127.0.0.1:41237` or `[::1]:41237`.
    package let address: String
    /// The port in use, also when 0 was asked for.
    package let port: UInt16
    /// Whether only this machine can reach it; then only its own names are served.
    package let isLoopback: Bool

    private let daemon: OpaquePointer
    /// The handlers' context; held once by hand for the thread, let go after it is joined.
    private let context: Unmanaged<HandlerContext>

    /// Listens on `listen` (see `ListenAddress`) and answers with `routes` from now on. Fails with
    /// the address and the reason when the address cannot be had.
    package init(
        listen: String, routes: [HttpRoute], token: HttpToken? = nil, limits: Limits = Limits()
    ) throws(ServiceError) {
        guard let listenAddress = ListenAddress(listen) else {
            throw ServiceError(
                code: "",
                message: "cannot listen on '\(listen)': write address:port, for instance "
                    + "127.0.0.1:9464, [::1]:9464 or localhost:0",
                isFatal: true, isRetriable: false)
        }
        let socket = try ListenSocket(listenAddress)
        let port = socket.port
        let isLoopback = socket.isLoopback
        let router = HttpRouter(routes, isLoopback: isLoopback, token: token)
        let context = unsafe Unmanaged.passRetained(HandlerContext(router))
        let daemon = unsafe millrace_http_start(
            socket.release(),
            millrace_http_limits(
                connections: limits.connections,
                connections_per_address: limits.connectionsPerAddress,
                idle_timeout_seconds: limits.idleTimeoutSeconds,
                request_timeout_seconds: limits.requestTimeoutSeconds,
                header_bytes: max(limits.headerBytes, 0)),
            answerRequest, context.toOpaque())
        guard let daemon = unsafe daemon else {
            unsafe context.release()
            throw ServiceError(
                code: "",
                message: "cannot serve on \(listen): no thread or no memory for the HTTP server",
                isFatal: true, isRetriable: true)
        }
        self.address = listenAddress.display(port: port)
        self.port = port
        self.isLoopback = isLoopback
        unsafe self.daemon = daemon
        unsafe self.context = context
    }

    /// Closes the socket and all connections and waits for the thread to end.
    package consuming func close() {}

    deinit {
        unsafe millrace_http_stop(daemon)
        unsafe context.release()
    }
}

/// What the C callback finds behind its context pointer.
private final class HandlerContext: Sendable {
    let router: HttpRouter

    init(_ router: HttpRouter) { self.router = router }
}

/// Called by libmicrohttpd on its thread: once when a request's headers are complete and again when
/// the request is. An answer to the first call ends the connection and no body is read, which is
/// right for a request that is refused; the others are answered in the second call and leave the
/// connection open for the next request.
private let answerRequest: MHD_AccessHandlerCallback = {
    context, connection, url, method, _, _, _, requestState in
    guard let context = unsafe context, let connection = unsafe connection,
        let url = unsafe url, let method = unsafe method, let requestState = unsafe requestState
    else { return .NO }
    let router = unsafe Unmanaged<HandlerContext>.fromOpaque(context).takeUnretainedValue().router
    let isFirstCall = unsafe requestState.pointee == nil
    var request = unsafe HttpRequest(
        method: String(cString: method), path: String(cString: url),
        accept: header("Accept", of: connection) ?? "", hasBody: hasBody(connection))
    unsafe request.host = header("Host", of: connection)
    unsafe request.origin = header("Origin", of: connection)
    unsafe request.fetchSite = header("Sec-Fetch-Site", of: connection)
    unsafe request.fetchMode = header("Sec-Fetch-Mode", of: connection)
    unsafe request.fetchDest = header("Sec-Fetch-Dest", of: connection)
    unsafe request.authorization = header("Authorization", of: connection)
    if let refusal = router.refusal(of: request) {
        return unsafe queue(refusal, on: connection)
    }
    if isFirstCall {
        // Any value but nil: the second call shall know that it is one.
        unsafe requestState.pointee = context
        return .YES
    }
    return unsafe queue(router.answer(to: request), on: connection)
}

@unsafe private func hasBody(_ connection: OpaquePointer) -> Bool {
    if unsafe header("Transfer-Encoding", of: connection) != nil { return true }
    guard let length = unsafe header("Content-Length", of: connection) else { return false }
    return length != "0"
}

@unsafe private func header(_ name: String, of connection: OpaquePointer) -> String? {
    unsafe MHD_lookup_connection_value(connection, .HEADER_KIND, name)
        .map { unsafe String(cString: $0) }
}

@unsafe private func queue(
    _ response: HttpResponse, on connection: OpaquePointer
) -> MHD_Result {
    var body = response.body
    let made = body.withUTF8 { bytes in
        unsafe MHD_create_response_from_buffer(
            bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
            .RESPMEM_MUST_COPY)
    }
    guard let made = unsafe made else { return .NO }
    defer { unsafe MHD_destroy_response(made) }
    for (name, value) in response.allHeaders {
        unsafe MHD_add_response_header(made, name, value)
    }
    return unsafe MHD_queue_response(connection, response.status, made)
}
