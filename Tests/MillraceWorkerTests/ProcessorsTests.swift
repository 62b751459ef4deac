import MillraceWorker
import Testing

@Suite struct ProcessorsTests {
    @Test(
        arguments: [
            (8, nil, 8), (8, "max 100000", 8), (8, "200000 100000", 2), (8, "150000 100000", 2),
            (8, "50000 100000", 1), (2, "800000 100000", 2), (8, "", 8), (8, "100000", 8),
            (8, "0 100000", 8), (8, "100000 0", 8), (8, "99999999999999999999 1", 8), (0, nil, 1),
        ] as [(Int, String?, Int)])
    func theSmallerOfMachineAndQuota(online: Int, quota: String?, usable: Int) {
        #expect(Processors.usable(online: online, quota: quota) == usable)
    }

    @Test func thereIsAtLeastOne() { #expect(Processors.count >= 1) }
}
