import MillraceCore
import MillraceTestKit

/// The group's coordinator: who is a member and what each one has.
final class Group {
    /// One process in the group, as the coordinator and its client see it.
    final class Member {
        let name: String
        /// What the coordinator has given it.
        fileprivate(set) var share: Set<Int32> = []
        /// What it is to be told, oldest first.
        fileprivate var notices: [SourceEvent] = []
        /// What it was told and has not answered yet.
        fileprivate(set) var unanswered: SourceEvent?
        /// Its id for the coordinator, another one after it was thrown out.
        fileprivate(set) var id = 0
        /// The coordinator has thrown it out; it may not know yet.
        fileprivate(set) var isEvicted = false
        /// When it hears that it was thrown out.
        fileprivate var learnsAtNs: Int64 = .min
        /// Since when it has not been heard of.
        var silentSinceNs: Int64?

        init(_ name: String) { self.name = name }

        /// Whether there is something to tell it.
        func hasNotice(_ nowNs: Int64) -> Bool {
            unanswered == nil && (isEvicted ? nowNs >= learnsAtNs : !notices.isEmpty)
        }
    }

    private enum State {
        case stable
        /// Members give back what others are to have.
        case revoking
        case assigning
    }

    private let world: World
    private var members: [Member] = []
    private var state = State.stable
    private var target: [String: Set<Int32>] = [:]
    private var needsRebalance = false
    private(set) var generation = 0
    /// Told what a member does not have any more, without having given it back.
    var onEviction: (Set<Int32>) -> Void = { _ in }

    init(_ world: World) { self.world = world }

    private var isCooperative: Bool { world.plan.isCooperative }

    // MARK: The client's side

    func join(_ name: String) -> Member {
        let member = Member(name)
        members.append(member)
        needsRebalance = true
        return member
    }

    /// The member leaves in good order.
    func leave(_ member: Member) {
        members.removeAll { $0 === member }
        member.share = []
        needsRebalance = true
    }

    /// The next thing that the client tells the worker; `held` is what it has.
    func takeNotice(_ member: Member, held: [Int32]) -> SourceEvent? {
        guard member.hasNotice(world.nowNs) else { return nil }
        if member.isEvicted {
            guard !held.isEmpty else {
                rejoin(member)
                return nil
            }
            member.unanswered = .lost(held.sorted())
            return member.unanswered
        }
        member.unanswered = member.notices.removeFirst()
        return member.unanswered
    }

    private func rejoin(_ member: Member) {
        world.trace("group: \(member.name) joins again")
        member.isEvicted = false
        members.append(member)
        needsRebalance = true
    }

    /// The client has carried out what it was told.
    func answered(_ member: Member) {
        if case .revoked(let partitions)? = member.unanswered, !member.isEvicted {
            member.share.subtract(partitions)
        }
        member.unanswered = nil
    }

    /// Whether the coordinator takes offsets under that membership.
    func accepts(_ membership: SimulatedMembership) -> Bool {
        guard let member = membership.member else { return false }
        return membership.id == member.id && membership.generation == generation
            && members.contains { $0 === member }
    }

    /// A membership that the coordinator takes.
    var anyMembership: SimulatedMembership { SimulatedMembership(members.first, generation) }

    // MARK: The coordinator's side

    func rebalance() { needsRebalance = true }

    /// The member is thrown out: others may have its partitions at once.
    func evict(_ member: Member) {
        guard !member.isEvicted, members.contains(where: { $0 === member }) else { return }
        world.trace("group: \(member.name) is thrown out")
        onEviction(member.share)
        members.removeAll { $0 === member }
        member.isEvicted = true
        member.id += 1
        // With the next answer to a heartbeat.
        member.learnsAtNs = world.nowNs + Int64(world.random.below(3_000)) * 1_000_000
        member.share = []
        member.notices = []
        needsRebalance = true
    }

    /// When the next silent member's time is over.
    var nextTimeoutNs: Int64? {
        members.compactMap { $0.silentSinceNs }.min().map { $0 + world.plan.sessionTimeoutNs }
    }

    func step() {
        for member in members {
            guard let since = member.silentSinceNs else { continue }
            if world.nowNs - since >= world.plan.sessionTimeoutNs { evict(member) }
        }
        switch state {
        case .stable: if needsRebalance { beginRebalance() }
        case .revoking: if isAnswered { assign() }
        case .assigning: if isAnswered { state = .stable }
        }
    }

    private var isAnswered: Bool {
        members.allSatisfy { $0.notices.isEmpty && $0.unanswered == nil }
    }

    private func beginRebalance() {
        guard !members.isEmpty, isAnswered else { return }
        needsRebalance = false
        drawTarget()
        for member in members {
            let leaving =
                isCooperative ? member.share.subtracting(target[member.name] ?? []) : member.share
            if !leaving.isEmpty { member.notices.append(.revoked(leaving.sorted())) }
        }
        world.trace("group: rebalance to \(describeTarget())")
        state = .revoking
    }

    private func drawTarget() {
        target = [:]
        let isSticky = world.random.chance(0.5)
        for partition in 0..<Int32(world.plan.partitions) {
            let owner = members.first { $0.share.contains(partition) }
            let pick =
                isSticky && owner != nil && world.random.chance(0.7)
                ? owner?.name : members[world.random.below(members.count)].name
            if let pick { target[pick, default: []].insert(partition) }
        }
    }

    private func describeTarget() -> String {
        target.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.sorted())" }
            .joined(separator: ", ")
    }

    /// All that is to move is free.
    private func assign() {
        generation += 1
        var given: Set<Int32> = []
        for member in members {
            let taken = members.reduce(into: Set<Int32>()) { $0.formUnion($1.share) }
            let added = (target[member.name] ?? []).subtracting(taken)
            member.share.formUnion(added)
            given.formUnion(member.share)
            // Without a change a cooperative client tells nothing, or an empty list.
            if !isCooperative || !added.isEmpty || world.random.chance(0.3) {
                member.notices.append(.assigned(added.sorted()))
            }
        }
        // The share of one who was thrown out meanwhile.
        if given.count < world.plan.partitions { needsRebalance = true }
        state = .assigning
    }
}
