import Foundation
import MillraceCore

/// What JSON's null is to Foundation.
typealias TrialNull = NSNull

extension TrialPlan {
    /// The benchmark's mapping; every type and source; many fields that are kept; no feature.
    static let all = [
        TrialPlan(
            name: "bench", columns: [.init(name: "x", type: .float32, rowShape: [16])],
            slots: HostileRecords.benchNames.enumerated().map { index, name in
                slot([name], 0, index, .float32)
            },
            append: plan(["score"], .error), written: ["0.125"]),
        TrialPlan(
            name: "filled", columns: [.init(name: "x", type: .float32, rowShape: [16])],
            slots: HostileRecords.benchNames.enumerated().map { index, name in
                slot([name], 0, index, .float32, missing: .nan, parses: index % 2 == 0)
            },
            append: plan(["score", "label", "n"], .keep), written: ["0.125", nil, "-7"]),
        TrialPlan(
            name: "types", columns: types.map { .init(name: $0.rawName, type: $0, rowShape: [4]) },
            slots: types.enumerated().flatMap { column, type in typeSlots(type, column) },
            append: AppendPlan(
                outputs: outputs,
                fields: [
                    AppendField(name: "score", column: 0, selection: .vector),
                    AppendField(name: "label", column: 1, selection: .element(0)),
                ],
                onConflict: .nest, under: "ml"),
            written: ["[0.125,null]", nil]),
        TrialPlan(
            name: "kept", columns: [.init(name: "s", type: .string, rowShape: [3])],
            slots: [
                slot(["m", "name"], 0, 0, .string, missing: .text("none")),
                slot([""], 0, 1, .string, missing: .text("")),
                FeatureSlot(
                    source: .key, column: 0, element: 2, count: 1, isArray: false, type: .string,
                    missing: .text("no key"), parsesText: false),
            ],
            append: AppendPlan(
                outputs: outputs,
                fields: (0..<70).map {
                    AppendField(name: "p\($0)", column: 2, selection: .element(0))
                } + [AppendField(name: "é", column: 0, selection: .element(0))],
                onConflict: .keep, under: nil),
            written: Array(repeating: "-7", count: 70) + ["0.125"]),
        TrialPlan(
            name: "blind", columns: [], slots: [],
            append: plan(["score", "label", "n"], .error), written: ["0.125", nil, "-7"]),
    ]

    private static let outputs = ["score", "label", "n"]

    private static let types: [ElementType] = [
        .float32, .float64, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
        .bool, .string,
    ]

    private static func plan(_ names: [String], _ onConflict: ConflictPolicy) -> AppendPlan {
        AppendPlan(
            outputs: outputs,
            fields: names.enumerated().map { index, name in
                AppendField(name: name, column: index, selection: .element(0))
            },
            onConflict: onConflict, under: nil)
    }

    private static func slot(
        _ tokens: [String], _ column: Int, _ element: Int, _ type: ElementType,
        count: Int? = nil, missing: MissingPolicy = .error, parses: Bool = false
    ) -> FeatureSlot {
        FeatureSlot(
            source: .field(FieldPointer(tokens: tokens)), column: column, element: element,
            count: count ?? 1, isArray: count != nil, type: type, missing: missing,
            parsesText: parses)
    }

    /// A field of the type, one that is parsed, and the two elements of a list.
    private static func typeSlots(_ type: ElementType, _ column: Int) -> [FeatureSlot] {
        let missing: MissingPolicy = type == .string ? .text("-") : .number(1)
        // Few fields: else no record has the right type for all.
        let name = type == .string ? "text" : "n"
        return [
            slot([name], column, 0, type, missing: missing, parses: type != .string),
            slot(["d"], column, 1, type, count: 2, missing: missing, parses: type != .string),
            slot(["x/y", "0"], column, 3, type, missing: missing, parses: type != .string),
        ]
    }
}

extension ElementType {
    fileprivate var rawName: String { "\(self)" }
}

/// What the model has said: the same for each row.
@safe final class TrialOutputs {
    let columns: PredictionColumns
    private let room: UnsafeMutableRawPointer

    init(rows: Int, repeats: Int) {
        let text = Array(String(repeating: "a\"\n", count: repeats).utf8)
        let labels = rows * 8
        let numbers = unsafe labels + rows * MemoryLayout<TextSlice>.stride
        unsafe room = .allocate(byteCount: numbers + rows * 8 + text.count, alignment: 64)
        let start = unsafe room + numbers + rows * 8
        for (index, byte) in text.enumerated() {
            unsafe start.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        for row in 0..<rows {
            unsafe room.storeBytes(of: 0.125, toByteOffset: row * 8, as: Float.self)
            unsafe room.storeBytes(of: .infinity, toByteOffset: row * 8 + 4, as: Float.self)
            let slice = unsafe TextSlice(
                start: UnsafePointer(start.assumingMemoryBound(to: UInt8.self)),
                count: text.count)
            unsafe room.storeBytes(
                of: slice, toByteOffset: labels + row * MemoryLayout<TextSlice>.stride,
                as: TextSlice.self)
            unsafe room.storeBytes(of: -7, toByteOffset: numbers + row * 8, as: Int64.self)
        }
        columns = PredictionColumns(columns: [
            PredictionColumn(name: "score", type: .float32, width: 2),
            PredictionColumn(name: "label", type: .string, width: 1),
            PredictionColumn(name: "n", type: .int64, width: 1),
        ])
        unsafe columns.columns[0].base = UnsafeRawPointer(room)
        unsafe columns.columns[1].base = UnsafeRawPointer(room + labels)
        unsafe columns.columns[2].base = UnsafeRawPointer(room + numbers)
    }

    deinit { unsafe room.deallocate() }
}
