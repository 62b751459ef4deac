package import MillraceCore

/// The paths of a worker's own server.
package enum Endpoints {
    /// `/`, `/livez`, `/readyz`, `/metrics` and `/status.json`, which is what `status` gives. The
    /// closures are called on the server's thread, once a request; they must not wait for the
    /// record path.
    package static func routes(
        health: @escaping @Sendable () -> Health, metrics: @escaping @Sendable () -> [Metric],
        status: @escaping @Sendable () -> String
    ) -> [HttpRoute] {
        [
            HttpRoute("/", "a live page for people") { _ in LivePage.response() },
            HttpRoute("/livez", "200 while no restart is needed, else 503", isOpen: true) {
                request in
                liveness(known(health(), to: request), asJSON: request.acceptsJSON)
            },
            HttpRoute(
                "/readyz", "200 while records are processed, else 503 and what is missing",
                isOpen: true
            ) { request in
                readiness(known(health(), to: request), asJSON: request.acceptsJSON)
            },
            HttpRoute("/metrics", "all counters, for Prometheus") { _ in
                HttpResponse(
                    contentType: PrometheusText.contentType, body: PrometheusText.render(metrics()))
            },
            HttpRoute("/status.json", "what the page shows") { _ in
                HttpResponse(contentType: HttpResponse.json, body: status() + "\n")
            },
        ]
    }

    /// Reasons name topics and brokers: who lacks the token learns that there are some.
    private static func known(_ health: Health, to request: HttpRequest) -> Health {
        guard !request.isTrusted, !health.missing.isEmpty else { return health }
        return Health(isLive: health.isLive, missing: ["the reasons are told with the token only"])
    }

    private static func liveness(_ health: Health, asJSON: Bool) -> HttpResponse {
        let text =
            health.isLive ? "ok" : "not live: only a restart helps" + reasons(health.missing)
        let missing = health.isLive ? [] : health.missing
        return response(health.isLive, "live", text, missing, asJSON: asJSON)
    }

    private static func readiness(_ health: Health, asJSON: Bool) -> HttpResponse {
        var missing = health.missing
        if !health.isLive { missing.append("the worker has stopped; only a restart helps") }
        let text = health.isReady ? "ready" : "not ready" + reasons(missing)
        return response(health.isReady, "ready", text, missing, asJSON: asJSON)
    }

    private static func reasons(_ missing: [String]) -> String {
        missing.map { "\n" + LogText.withoutControls($0) }.joined()
    }

    private static func response(
        _ isGood: Bool, _ word: String, _ text: String, _ missing: [String], asJSON: Bool
    ) -> HttpResponse {
        let status: UInt32 = isGood ? 200 : 503
        guard asJSON else { return HttpResponse(status: status, body: text + "\n") }
        var json = "{\"\(word)\":\(isGood),\"missing\":["
        for (index, reason) in missing.enumerated() {
            json.append(index == 0 ? "" : ",")
            JSONText.append(reason, to: &json)
        }
        json.append("]}\n")
        return HttpResponse(status: status, contentType: HttpResponse.json, body: json)
    }
}
