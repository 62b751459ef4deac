import MillraceCore
import Testing

@Suite("Listen addresses")
struct ListenAddressTests {
    @Test(
        "are host and port",
        arguments: [
            ("127.0.0.1:9464", "127.0.0.1:9464"), ("localhost:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"), ("0.0.0.0:65535", "0.0.0.0:65535"),
            (":80", "127.0.0.1:80"), ("host", nil), ("host:", nil), ("host:65536", nil),
            ("host:-1", nil), ("host:+1", nil), ("::1:80", nil), ("[host]:80", nil),
            ("ho st:80", nil), ("host:080", nil),
        ] as [(String, String?)])
    func forms(_ text: String, _ expected: String?) {
        #expect(ListenAddress(text)?.description == expected)
    }
}
