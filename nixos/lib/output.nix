# The output `pulumiMicrovm` (docs/flake-output.md) of systems that are already evaluated.
#
# buildRunner  microvm.nix's lib.buildRunner
{ buildRunner }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    groupBy
    hashString
    mapAttrs
    sort
    substring
    unsafeDiscardStringContext
    ;

  # Names only: who evaluates wants nothing built for it.
  pathsOf = drv: {
    drvPath = unsafeDiscardStringContext drv.drvPath;
    outputs.out = unsafeDiscardStringContext drv.outPath;
  };

  hasPrefix = prefix: text: substring 0 (builtins.stringLength prefix) text == prefix;

  # What points to the system that is booted, and not to the machine it boots on.
  isOfSystem = parameter: hasPrefix "init=" parameter || hasPrefix "regInfo=" parameter;

  # The runner once more, with everything in it but the system: kernel, initrd, the VMM and its arguments, cards, the
  # virtiofsd commands with the shares' sources. Its path is the hash that we want, and microvm.nix's own code
  # decides what belongs into it.
  hardwareOf =
    { config, pkgs, ... }:
    let
      runner = buildRunner {
        inherit pkgs;
        microvmConfig = config.microvm // {
          inherit (config.networking) hostName;
          kernelParams = filter (parameter: !(isOfSystem parameter)) config.microvm.kernelParams;
          systemSymlink = false;
        };
        toplevel = throw "microvm.nix put the system into the runner although systemSymlink is false; `hardware` would change with it";
      };
    in
    hashString "sha256" (unsafeDiscardStringContext runner.outPath);

  nameOf = package: package.pname or (builtins.parseDrvName package.name).name;
  versionOf = package: package.version or (builtins.parseDrvName package.name).version;

  # Names with versions, for the preview. Several versions of one name come in one text.
  packagesOf =
    packages:
    let
      named = filter (
        package:
        builtins.isAttrs package && (package ? name || package ? pname) && versionOf package != ""
      ) packages;
      versions = packages: attrNames (groupBy versionOf packages);
    in
    mapAttrs (_: packages: concatStringsSep ", " (sort (a: b: a < b) (versions packages))) (
      groupBy nameOf named
    );

  # What a system runs is more than its PATH.
  systemPackages =
    config:
    config.environment.systemPackages
    ++ [
      config.boot.kernelPackages.kernel
      config.systemd.package
    ]
    ++ (if config.services.k0s.enable or false then [ config.services.k0s.package ] else [ ]);

  # The VMM is the hypervisor's business, but changes with the VM. Older revisions of microvm.nix have no option for it.
  vmmPackages =
    config:
    let
      vmm = config.microvm.${config.microvm.hypervisor} or { };
    in
    if vmm ? package then [ vmm.package ] else [ ];

  # Nix names the machine in the trace: NixOS's own messages often do not.
  inContextOf = what: value: builtins.addErrorContext "while evaluating ${what} of the site" (builtins.deepSeq value value);

  # What microvm.nix's deploy.rebuild asks before it switches a guest over SSH; and Nix, which that needs.
  canSwitchLive =
    config:
    config.system.switch.enable
    && config.nix.enable
    && config.services.openssh.enable
    && builtins.any (share: share.source == "/nix/store") config.microvm.shares;

  machine =
    name: { config, pkgs, ... }@system:
    inContextOf "machine ${name}" (
      pathsOf config.microvm.declaredRunner
      // {
        toplevel = pathsOf config.system.build.toplevel;
        # The same derivation as microvm.nix's own, so it is built once.
        closureInfo = pathsOf (pkgs.closureInfo { rootPaths = [ config.system.build.toplevel ]; });
        hardware = hardwareOf system;
        liveSwitch = canSwitchLive config;
        packages = packagesOf (systemPackages config ++ vmmPackages config);
      }
    );

  # What the system's links kernel, initrd and kernel-modules name: a change of any of them takes a reboot. Containers have none.
  bootHashOf =
    config:
    let
      pathOf = value: unsafeDiscardStringContext "${value}";
      parts = [
        (config.boot.kernelPackages.kernel or "")
        (config.system.build.initialRamdisk or "")
        (config.system.modulesTree or "")
      ];
    in
    hashString "sha256" (concatStringsSep " " (map pathOf parts));

  hypervisor =
    name: { config, ... }:
    inContextOf "hypervisor ${name}" (
      pathsOf config.system.build.toplevel
      // {
        packages = packagesOf (systemPackages config);
        bootHash = bootHashOf config;
      }
    );

  # Each machine is evaluated by itself, so this is seen only here. It is also what looks into a machine first.
  requireOneLeader =
    machines: result:
    let
      nodes = mapAttrs (
        name: { config, ... }:
        inContextOf "machine ${name}" (
          let
            node = config.k0s-node or { };
          in
          {
            isController = node.enable or false && node.role != "worker";
            isLeader = node.enable or false && node.isLeader;
          }
        )
      ) machines;
      named = predicate: filter (name: predicate nodes.${name}) (attrNames nodes);
      controllers = named (node: node.isController);
      leaders = named (node: node.isLeader);
    in
    if controllers == [ ] || builtins.length leaders == 1 then
      result
    else
      throw "mkSite: one controller begins the k0s cluster, here ${
        if leaders == [ ] then "none does" else "${concatStringsSep " and " leaders} do"
      }; set k0s-node.isLeader = true in the module of exactly one of ${concatStringsSep ", " controllers}";
in
{
  inherit packagesOf hardwareOf;

  # systems: { machines, hypervisors } of evaluated NixOS systems
  pulumiMicrovm =
    systems:
    requireOneLeader systems.machines {
      version = 1;
      machines = mapAttrs machine systems.machines;
      hypervisors = mapAttrs hypervisor systems.hypervisors;
    };
}
