import MillraceCore
import MillraceTrees

/// The categories of a pandas column: LightGBM's Python package gives the model their places in the
/// list instead of them.
enum LightGBMCategories: Equatable {
    case texts([String])
    case numbers([Double])
    case truths([Bool])

    var count: Int {
        switch self {
        case .texts(let list): list.count
        case .numbers(let list): list.count
        case .truths(let list): list.count
        }
    }

    /// Type of the model input.
    var type: ElementType {
        switch self {
        case .texts: .string
        case .numbers: .float64
        case .truths: .bool
        }
    }

    /// The lists of a `pandas_categorical` line, one a column of type category; nil for null.
    static func lists(_ json: [UInt8]) throws(DocumentError) -> [LightGBMCategories]? {
        var reader = DocumentReader(json, isBinary: false)
        if try reader.kind() == .null {
            try reader.skip()
            try reader.finish()
            return nil
        }
        var lists: [LightGBMCategories] = []
        try reader.beginArray()
        while try reader.nextElement() { lists.append(try list(&reader)) }
        try reader.finish()
        return lists
    }

    private static func list(
        _ reader: inout DocumentReader
    ) throws(DocumentError) -> LightGBMCategories {
        var texts: [String] = []
        var numbers: [Double] = []
        var truths: [Bool] = []
        var count = 0
        try reader.beginArray()
        while try reader.nextElement() {
            count += 1
            switch try reader.kind() {
            case .text: texts.append(try reader.text())
            case .number:
                let number = try reader.double()
                // Of greater ones several integers are one float64.
                guard number.magnitude < 0x1p53 else {
                    throw reader.failure("a category of 2^53 or more, which nobody can tell apart")
                }
                numbers.append(number)
            case .truth: truths.append(try reader.integer() != 0)
            default: throw reader.failure("a category that is no text, number, true or false")
            }
        }
        if texts.count == count { return .texts(texts) }
        if numbers.count == count { return .numbers(numbers) }
        if truths.count == count { return .truths(truths) }
        throw reader.failure("categories of several kinds in one column")
    }

    /// The matrix with a record's place in the list, NaN where it is not in it.
    func encode(input: Int, in program: inout TreeProgram) -> TreeProgram.Matrix {
        switch self {
        case .texts(let list): return program.add(.encodeTexts(input, list))
        case .numbers(let list):
            let value = program.add(.input(input, as: .float64))
            return program.add(.encodeNumbers(value, list))
        case .truths(let list):
            let value = program.add(.input(input, as: .float64))
            return program.add(.encodeNumbers(value, list.map { $0 ? 1 : 0 }))
        }
    }
}

/// What stands behind a LightGBM file's trees and matters for scoring.
struct LightGBMTail {
    /// The lists of `pandas_categorical`; empty where there are none.
    private(set) var categories: [LightGBMCategories] = []
    /// The line of `pandas_categorical`.
    private(set) var line = 0
    /// `categorical_feature` of the parameters, where it names features by number.
    private(set) var categoricalFeatures: [Int] = []

    /// Reads to the end of the file.
    init(_ text: inout LightGBMText) throws(LightGBMError) {
        while let range = try text.next() {
            defer { text.forget() }
            if text.starts(range, with: "[categorical_feature: ") {
                let list = text.text(range).dropFirst("[categorical_feature: ".count).dropLast()
                let numbers = list.split(separator: ",").map { Int($0) }
                if numbers.allSatisfy({ $0 != nil }) {
                    categoricalFeatures = numbers.compactMap { $0 }
                }
            }
            guard text.starts(range, with: "pandas_categorical:") else { continue }
            let start = range.lowerBound + "pandas_categorical:".utf8.count
            line = text.line
            do throws(DocumentError) {
                let json = Array(text.bytes[start..<range.upperBound])
                categories = try LightGBMCategories.lists(json) ?? []
            } catch {
                throw LightGBMError(
                    line: line, "pandas_categorical, byte \(error.offset): \(error.what)")
            }
        }
    }

    /// The categories of each feature that has some. The file does not say which columns the lists
    /// belong to; it is known where as many features are categorical.
    func categoriesByFeature(
        _ header: LightGBMHeader
    ) throws(LightGBMError) -> [Int: LightGBMCategories] {
        guard !categories.isEmpty else { return [:] }
        var features = categoricalFeatures
        if features.count != categories.count {
            features = header.featureInfos.indices.filter {
                if case .categories = header.featureInfos[$0] { true } else { false }
            }
        }
        let advice =
            "; take the line pandas_categorical out of the file and send the columns' codes"
        guard features.count == categories.count, Set(features).count == features.count else {
            throw LightGBMError(
                line: line,
                "pandas_categorical has \(categories.count) columns, the model \(features.count) "
                    + "categorical features, so nobody knows which is which" + advice,
                .unsupported)
        }
        var byFeature: [Int: LightGBMCategories] = [:]
        for (feature, list) in zip(features.sorted(), categories) {
            guard feature >= 0, feature < header.featureCount else {
                throw LightGBMError(
                    line: line, "categorical_feature \(feature) of \(header.featureCount)")
            }
            guard header.featureInfos.isEmpty || header.mayHold(list.count, feature) else {
                throw LightGBMError(
                    line: line,
                    "the \(list.count) categories of pandas_categorical do not fit "
                        + "'\(header.featureNames[feature])'" + advice, .unsupported)
            }
            byFeature[feature] = list
        }
        return byFeature
    }
}

extension LightGBMHeader {
    /// Whether a list of so many categories may be that of a feature: of those that training saw
    /// none is beyond its end. Where the last one was not seen, another column may be the one that
    /// the list is of: a column of ordered categories is in the lists, but a number to the model.
    fileprivate func mayHold(_ categories: Int, _ feature: Int) -> Bool {
        switch featureInfos[feature] {
        case .none: true
        case .numeric: false
        case .categories(let greatest):
            greatest == categories - 1
                || greatest < categories
                    && !featureInfos.contains(.numeric(least: 0, greatest: Double(categories - 1)))
        }
    }
}
