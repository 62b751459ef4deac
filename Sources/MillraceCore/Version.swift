/// Millrace's own version, also that of the engines that it has no library for.
package enum MillraceVersion {
    package static let current = "0.1.0"
}
