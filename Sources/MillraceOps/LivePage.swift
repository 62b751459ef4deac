/// The page at `/`: one document with its style and script inside, the same for every worker; the
/// script asks `/status.json` for what it shows. Its parts are the files in Page/.
enum LivePage {
    private static let html = text(PackageResources.page_html)
    private static let style = text(PackageResources.page_css)
    private static let script = text(PackageResources.page_js)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The page, under a policy that lets nothing run or load that is not part of it.
    static func response() -> HttpResponse {
        // 128 bits that nobody can guess, new in every answer: markup that was smuggled in cannot
        // have them.
        var randomness = SystemRandomNumberGenerator()
        let halves = [randomness.next(), randomness.next()]
        let nonce = halves.map { String($0, radix: 16) }.joined(separator: "-")
        return HttpResponse(
            contentType: "text/html; charset=utf-8", body: document(nonce: nonce),
            headers: ["Content-Security-Policy": policy(nonce: nonce)])
    }

    private static func document(nonce: String) -> String {
        html.replacing("<style></style>", with: "<style nonce=\"\(nonce)\">\n\(style)</style>")
            .replacing("<script></script>", with: "<script nonce=\"\(nonce)\">\n\(script)</script>")
    }

    /// Images: the icon in the document's head.
    private static func policy(nonce: String) -> String {
        "\(HttpResponse.closedPolicy); script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)';"
            + " connect-src 'self'; img-src data:"
    }
}
