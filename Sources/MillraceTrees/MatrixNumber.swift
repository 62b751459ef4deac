import Glibc

/// An element of a matrix. Nothing here traps, whatever the numbers.
protocol MatrixNumber: SourceNumber, Comparable {
    static var one: Self { get }

    init(signed: Int64)
    init(unsigned: UInt64)
    /// To int64: the whole part; the least number for NaN and what does not fit, as x86 does it.
    init(single: Float)
    init(double: Double)

    static func sum(_ a: Self, _ b: Self) -> Self
    static func difference(_ a: Self, _ b: Self) -> Self
    static func product(_ a: Self, _ b: Self) -> Self
    /// Of int64 the whole quotient; `a` where there is none.
    static func quotient(_ a: Self, _ b: Self) -> Self
    static func negation(_ a: Self) -> Self
    var isNotANumber: Bool { get }
}

/// An element of a matrix with functions beyond arithmetic.
protocol RealNumber: MatrixNumber, BinaryFloatingPoint {
    static func exponential(_ x: Self) -> Self
    static func logarithm(_ x: Self) -> Self
    static func logarithmOfOnePlus(_ x: Self) -> Self
}

extension RealNumber {
    static var one: Self { 1 }

    init(signed: Int64) { self.init(signed) }
    init(unsigned: UInt64) { self.init(unsigned) }

    static func sum(_ a: Self, _ b: Self) -> Self { a + b }
    static func difference(_ a: Self, _ b: Self) -> Self { a - b }
    static func product(_ a: Self, _ b: Self) -> Self { a * b }
    static func quotient(_ a: Self, _ b: Self) -> Self { a / b }
    static func negation(_ a: Self) -> Self { -a }
    var isNotANumber: Bool { isNaN }
}

extension Float: RealNumber {
    init(single: Float) { self = single }
    init(double: Double) { self.init(double) }

    static func exponential(_ x: Float) -> Float { expf(x) }
    static func logarithm(_ x: Float) -> Float { logf(x) }
    static func logarithmOfOnePlus(_ x: Float) -> Float { log1pf(x) }

    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number { Number(single: self) }
}

extension Double: RealNumber {
    init(single: Float) { self.init(single) }
    init(double: Double) { self = double }

    static func exponential(_ x: Double) -> Double { Glibc.exp(x) }
    static func logarithm(_ x: Double) -> Double { Glibc.log(x) }
    static func logarithmOfOnePlus(_ x: Double) -> Double { Glibc.log1p(x) }

    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number { Number(double: self) }
}

extension Int64: MatrixNumber {
    static var one: Int64 { 1 }

    init(signed: Int64) { self = signed }
    init(unsigned: UInt64) { self.init(bitPattern: unsigned) }
    init(single: Float) { self.init(double: Double(single)) }
    init(double: Double) {
        let isInside = double >= -0x1p63 && double < 0x1p63
        self = isInside ? Int64(double) : .min
    }

    static func sum(_ a: Int64, _ b: Int64) -> Int64 { a &+ b }
    static func difference(_ a: Int64, _ b: Int64) -> Int64 { a &- b }
    static func product(_ a: Int64, _ b: Int64) -> Int64 { a &* b }
    static func quotient(_ a: Int64, _ b: Int64) -> Int64 {
        a.dividedReportingOverflow(by: b).partialValue
    }
    static func negation(_ a: Int64) -> Int64 { 0 &- a }
    var isNotANumber: Bool { false }

    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number { Number(signed: self) }
}

/// An element of a model input.
protocol SourceNumber: BitwiseCopyable {
    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number
}

extension SourceNumber where Self: FixedWidthInteger & SignedInteger {
    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number {
        Number(signed: Int64(truncatingIfNeeded: self))
    }
}

extension SourceNumber where Self: FixedWidthInteger & UnsignedInteger {
    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number {
        Number(unsigned: UInt64(truncatingIfNeeded: self))
    }
}

extension Int8: SourceNumber {}
extension Int16: SourceNumber {}
extension Int32: SourceNumber {}
extension UInt8: SourceNumber {}
extension UInt16: SourceNumber {}
extension UInt32: SourceNumber {}
extension UInt64: SourceNumber {}

/// A bool as formats write it.
struct TruthByte: SourceNumber {
    let byte: UInt8

    func converted<Number: MatrixNumber>(to type: Number.Type) -> Number {
        Number(signed: byte == 0 ? 0 : 1)
    }
}
