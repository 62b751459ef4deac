/// Who may ask, token or not: what the server must not do is answer the pages of other sites in the
/// browser of somebody who can reach it.
///
/// Clients that are no browsers send none of these headers, and are served.
enum AccessRules {
    /// Whether a request may be answered. `isLoopback`: the server listens for this machine only.
    static func allow(_ request: HttpRequest, isLoopback: Bool) -> Bool {
        // A name that somebody points to 127.0.0.1 makes their page one of our own (DNS
        // rebinding). What is reached by a network may have any name.
        if isLoopback, let host = request.host, !isLoopbackName(host) { return false }
        if let origin = request.origin, !isOwn(origin, host: request.host) { return false }
        switch request.fetchSite {
        case nil, "same-origin", "none": return true
        default: return isLink(request)
        }
    }

    /// Somebody follows a link of another site to the page itself: a new document on top, which
    /// the other site can neither frame nor read. The page's own text tells nothing of the worker.
    private static func isLink(_ request: HttpRequest) -> Bool {
        request.path == "/" && request.fetchMode == "navigate" && request.fetchDest == "document"
    }

    /// `localhost`, `127.x.y.z` or `[::1]`, with or without a port.
    private static func isLoopbackName(_ host: String) -> Bool {
        var name = host.lowercased()
        if let colon = name.lastIndex(of: ":"),
            name[colon...].dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            !name.hasPrefix("[") || name[..<colon].hasSuffix("]")
        {
            name = String(name[..<colon])
        }
        if name == "localhost" || name == "[::1]" { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether the origin is that of the address in the request. A proxy in front may add TLS.
    private static func isOwn(_ origin: String, host: String?) -> Bool {
        guard let host = host?.lowercased() else { return false }
        let origin = origin.lowercased()
        return origin == "http://" + host || origin == "https://" + host
    }
}
