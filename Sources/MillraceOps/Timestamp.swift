/// Points in time as text, without Foundation.
package enum Timestamp {
    /// RFC 3339 in UTC with milliseconds (cut, not rounded): `2026-11-24T08:01:02.345Z`.
    /// `nanoseconds` since 1970-01-01T00:00:00Z; every value is representable (1677 to 2262).
    package static func utc(nanoseconds: Int64) -> String {
        let (milliseconds, _) = floorDivide(nanoseconds, by: 1_000_000)
        let (days, ofDay) = floorDivide(milliseconds, by: 86_400_000)
        let date = civil(fromDays: days)
        let clock = [
            padded(ofDay / 3_600_000, 2), padded(ofDay / 60_000 % 60, 2),
            padded(ofDay / 1000 % 60, 2),
        ].joined(separator: ":")
        let day = "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
        return "\(day)T\(clock).\(padded(ofDay % 1000, 3))Z"
    }

    /// Days since 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from
    /// March, so that the leap day is a year's last; 400 years are 146,097 days. The method is
    /// `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// https://howardhinnant.github.io/date_algorithms.html
    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, by: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// Quotient rounded down and the remainder from 0; `divisor` is positive.
    private static func floorDivide(
        _ value: Int64, by divisor: Int64
    ) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
