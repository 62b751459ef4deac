import MillraceCore
import Testing

@testable import MillraceOps

struct LivePageTests {
    private static let page = LivePage.response()

    private static func policy(_ response: HttpResponse) -> [String] {
        (response.allHeaders["Content-Security-Policy"] ?? "").split(separator: "; ").map(
            String.init)
    }

    /// The nonce that the policy names.
    private static func nonce(_ response: HttpResponse) -> Substring? {
        policy(response).first { $0.hasPrefix("script-src ") }?
            .dropFirst("script-src 'nonce-".count).dropLast()
    }

    @Test func isOneDocument() {
        #expect(Self.page.status == 200)
        #expect(Self.page.contentType == "text/html; charset=utf-8")
        #expect(Self.page.body.hasPrefix("<!doctype html>\n"))
        #expect(Self.page.body.hasSuffix("</html>\n"))
        // No other asset, no handler in an attribute: nothing that the policy would refuse.
        for text in ["src=", "url(", "@import", "http-equiv", " style=", "onclick="] {
            #expect(!Self.page.body.contains(text), "\(text)")
        }
    }

    @Test func onlyItsOwnPartsMayRunOrLoad() throws {
        let nonce = try #require(Self.nonce(Self.page))
        #expect(
            Self.policy(Self.page) == [
                "default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'",
                "form-action 'none'", "script-src 'nonce-\(nonce)'", "style-src 'nonce-\(nonce)'",
                "connect-src 'self'", "img-src data:",
            ])
        #expect(Self.page.body.split(separator: "<script").count == 2)
        #expect(Self.page.body.contains("<script nonce=\"\(nonce)\">"))
        #expect(Self.page.body.contains("<style nonce=\"\(nonce)\">"))
        #expect(Self.nonce(LivePage.response()) != nonce)
    }

    /// Data becomes text nodes only.
    @Test func theScriptWritesNoMarkup() {
        for text in [
            "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "DOMParser",
            "setHTML", "createContextualFragment", "srcdoc",
        ] {
            #expect(!Self.page.body.contains(text), "\(text)")
        }
    }

    @Test(arguments: ["/", "/livez", "/readyz", "/metrics", "/status.json", "/nothing"])
    func everyAnswerIsClosedToOthers(path: String) {
        let health = Health(isLive: true, missing: [])
        let headers = HttpRouter(EndpointsTests.routes(health)).answer(
            to: HttpRequest(path: path)
        ).allHeaders
        #expect(headers["X-Content-Type-Options"] == "nosniff")
        #expect(headers["Referrer-Policy"] == "no-referrer")
        #expect(headers["Cross-Origin-Resource-Policy"] == "same-origin")
        #expect(headers["Cross-Origin-Opener-Policy"] == "same-origin")
        #expect(headers["Cache-Control"] == "no-store")
        #expect(headers["Content-Security-Policy"]?.hasPrefix("default-src 'none'; ") == true)
        #expect(headers.keys.allSatisfy { !$0.hasPrefix("Access-Control") })
    }
}
