internal import CRdkafka
internal import Glibc

/// The name of a property of the loaded librdkafka that is nearest to `name`, if one is near.
func nearestProperty(to name: String) -> String? {
    guard name.utf8.count <= 64 else { return nil }
    let ranked = propertyNames().map { (name: $0, distance: editDistance($0, name)) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(2, name.utf8.count / 5) ? best.name : nil
}

/// Read from the table that librdkafka prints of its properties.
private func propertyNames() -> [String] {
    var text: UnsafeMutablePointer<CChar>?
    var count = 0
    guard let stream = unsafe open_memstream(&text, &count) else { return [] }
    unsafe rd_kafka_conf_properties_show(stream)
    unsafe fclose(stream)
    guard let text = unsafe text else { return [] }
    defer { unsafe free(text) }
    return unsafe String(cString: text).split(separator: "\n").compactMap { line in
        // name | C/P | range | default | importance | description
        let columns = line.split(separator: "|", omittingEmptySubsequences: false)
        guard columns.count >= 5, let name = columns[0].split(separator: " ").first,
            name.contains(".") || name == "acks" || name == "debug"
        else { return nil }
        return String(name)
    }
}

private func editDistance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...b.count)
    for (i, byte) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in b.enumerated() {
            let replaced = diagonal + (byte == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
        }
    }
    return row[b.count]
}
