import Testing

/// What the unit, the manifests and the image take away from a worker; see docs/security.md. Each
/// line is asked for, so that none is lost by accident.
struct HardeningTests {
    private static func text(of path: String) throws -> String {
        try #require(SourceTree.all.first { $0.path == path }, "no \(path)").text
    }

    private static func isLine(_ line: String, in text: String) -> Bool {
        text.split(separator: "\n").contains { $0.trimmingPrefix { $0 == " " } == line }
    }

    @Test(arguments: [
        "DynamicUser=yes", "UMask=0077", "LimitCORE=0", "CapabilityBoundingSet=",
        "AmbientCapabilities=", "NoNewPrivileges=yes", "PrivateDevices=yes", "PrivateMounts=yes",
        "PrivateTmp=yes", "PrivateUsers=yes", "ProtectClock=yes", "ProtectControlGroups=yes",
        "ProtectHome=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectProc=invisible",
        "ProcSubset=pid", "ProtectSystem=strict", "RemoveIPC=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes",
        "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    ])
    func theUnitKeeps(line: String) throws {
        #expect(Self.isLine(line, in: try Self.text(of: "docker/millrace.service")))
    }

    @Test(
        arguments: ["deployment.yaml", "statefulset.yaml"],
        [
            "runAsNonRoot: true", "seccompProfile: {type: RuntimeDefault}",
            "automountServiceAccountToken: false", "enableServiceLinks: false",
            "allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true",
            "capabilities: {drop: [ALL]}",
            "- {name: config, mountPath: /etc/millrace/config, readOnly: true}",
        ])
    func theManifestKeeps(name: String, line: String) throws {
        #expect(Self.isLine(line, in: try Self.text(of: "docker/kubernetes/\(name)")))
    }

    @Test(arguments: [
        "read_only: true", "cap_drop: [ALL]", #"security_opt: ["no-new-privileges:true"]"#,
        "ulimits: {core: 0}",
    ])
    func theComposedWorkerKeeps(line: String) throws {
        let text = try Self.text(of: "docker/compose.yaml")
        let worker = text.split(separator: "\n", omittingEmptySubsequences: false)
            .drop { $0 != "  worker:" }.prefix { $0 != "" }.joined(separator: "\n")
        #expect(Self.isLine(line, in: worker))
    }

    /// A number, which Kubernetes' runAsNonRoot can judge; and nothing in the image that would make
    /// more of it.
    @Test(arguments: [
        "USER 65532:65532", "RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +",
    ])
    func theImageKeeps(line: String) throws {
        #expect(Self.isLine(line, in: try Self.text(of: "docker/Dockerfile")))
    }

    /// The user comes last, so that nothing after it is done as root and nothing before it as it.
    @Test func theImageChangesTheUserLast() throws {
        let text = try Self.text(of: "docker/Dockerfile")
        let words = text.split(separator: "\n").compactMap { $0.split(separator: " ").first }
        #expect(words.suffix(3) == ["USER", "ENTRYPOINT", "CMD"])
    }
}
