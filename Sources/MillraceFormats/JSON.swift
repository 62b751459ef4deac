internal import CSimdjson
package import MillraceCore

/// JSON objects: fields by JSON Pointer in, prediction fields spliced in front of the closing
/// brace.
///
/// Every byte of a record is validated (RFC 8259, strict UTF-8, no byte order mark); a value is at
/// most 64 levels deep. Any other record is a dead letter.
package struct JSONFormat: Format {
    package var name: String { "json" }
    /// Largest value in bytes; at most 1 GiB.
    package let maxValueBytes: Int
    /// Longest text of one number in bytes.
    package let maxNumberBytes: Int

    /// Of simdjson.
    package static var libraryVersion: String {
        unsafe String(cString: millrace_simdjson_version())
    }

    /// Limits out of range are taken as the nearest ones in range.
    package init(maxValueBytes: Int = 8 << 20, maxNumberBytes: Int = 1024) {
        self.maxValueBytes = min(max(maxValueBytes, 1), 1 << 30)
        self.maxNumberBytes = min(max(maxNumberBytes, 1), 64 << 10)
    }

    package func makeCodec(
        features plan: FeaturePlan, append: AppendPlan, into features: FeatureColumns,
        headers: (any HeaderReader)?
    ) throws(ModelError) -> any BatchCodec {
        try JSONCodec(
            format: self, features: plan, append: append, into: features, headers: headers)
    }
}
