import Glibc
import MillraceCore

// Runs hostile records through the JSON codec, for scripts/fuzz; not a product.
//
// RecordProbe fuzz CORPUS COUNT SEED [--first NUMBER]
//     Decodes and appends COUNT generated records, each with one of several mappings, compares all
//     of it with Foundation's parser and prints what is not alike. CORPUS is
//     Tests/Corpus/bad-records.tsv.
// RecordProbe show CORPUS NUMBER SEED
//     Writes the record of that number.

@main
struct RecordProbe {
    static func main() {
        var words = Array(CommandLine.arguments.dropFirst())
        var first: UInt64 = 0
        if let place = words.firstIndex(of: "--first"), place + 1 < words.count {
            first = UInt64(words[place + 1]) ?? 0
            words.removeSubrange(place...(place + 1))
        }
        guard words.count == 4, let seeds = BadRecord.read(words[1])?.map({ $0.bytes }),
            let count = UInt64(words[2]), let seed = UInt64(words[3])
        else {
            print("usage: RecordProbe fuzz CORPUS COUNT SEED [--first NUMBER]")
            print("       RecordProbe show CORPUS NUMBER SEED")
            exit(2)
        }
        if words[0] == "show" {
            var hostile = HostileRecords(seeds: seeds)
            let value = hostile.value(count, seed: seed)
            _ = unsafe write(STDOUT_FILENO, value, value.count)
            return
        }
        do throws(ModelError) {
            try fuzz(HostileRecords(seeds: seeds), first..<first + count, seed: seed)
        } catch {
            print(error)
            exit(2)
        }
    }

    private static let blockCount = UInt64(RecordTrial.batchCount)
    private static let batchCounts = [RecordTrial.batchCount, 7, 1]

    /// Prints each finding and, at the end, what was scored and refused. The records of a block go
    /// through one mapping, in batches of one size. The number of the block's first record lies in
    /// a file in /dev/shm meanwhile: it is still there when one has ended the process.
    private static func fuzz(
        _ records: HostileRecords, _ numbers: Range<UInt64>, seed: UInt64
    ) throws(ModelError) {
        var hostile = records
        let note = "/dev/shm/millrace-fuzz-\(getpid()).number"
        let file = unsafe open(note, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var findings = 0
        var scored = 0
        var refused: [RecordError.Kind: Int] = [:]
        var next = numbers.lowerBound
        while next < numbers.upperBound {
            let text = Array("\(next)\n".utf8)
            _ = unsafe pwrite(file, text, text.count, 0)
            let block = next / blockCount
            let end = min(numbers.upperBound, (block + 1) * blockCount)
            let trial = try RecordTrial(variant: block)
            let batch = batchCounts[Int(block / 5 % UInt64(batchCounts.count))]
            for start in stride(from: next, to: end, by: batch) {
                let stop = min(start + UInt64(batch), end)
                let values = (start..<stop).map { hostile.value($0, seed: seed) }
                for (index, finding) in trial.run(values) {
                    findings += 1
                    print("mutant \(start + UInt64(index)), seed \(seed): \(finding)")
                    fflush(nil)
                }
            }
            scored += trial.scored
            refused.merge(trial.refused) { $0 + $1 }
            next = end
        }
        close(file)
        _ = unsafe unlink(note)
        let reasons = refused.sorted { $0.value > $1.value }
            .map { "\($0.value) \($0.key.rawValue)" }.joined(separator: ", ")
        print(
            "\(numbers.count) records from \(numbers.lowerBound) on, seed \(seed): "
                + "\(scored) scored; dead: \(reasons); "
                + "\(findings) findings")
    }
}
