# Builds the output `pulumiMicrovm` (docs/flake-output.md) from evaluated systems.
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

  # Paths without context, so that an evaluation builds nothing.
  pathsOf = drv: {
    drvPath = unsafeDiscardStringContext drv.drvPath;
    outputs.out = unsafeDiscardStringContext drv.outPath;
  };

  hasPrefix = prefix: text: substring 0 (builtins.stringLength prefix) text == prefix;

  # These parameters name the system, not the hardware.
  isOfSystem = parameter: hasPrefix "init=" parameter || hasPrefix "regInfo=" parameter;

  # A hash of the runner without the system: kernel, initrd, the VMM and its arguments, cards, and
  # the virtiofsd commands with the sources of the shares. microvm.nix's own code builds this
  # runner, so it decides what belongs to the hardware.
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
        toplevel = throw (
          "microvm.nix added the system to the runner although systemSymlink is false, so "
          + "`hardware` would change with each system; use a revision of microvm.nix that does not"
        );
      };
    in
    hashOf runner.outPath;

  nameOf = package: package.pname or (builtins.parseDrvName package.name).name;
  versionOf = package: package.version or (builtins.parseDrvName package.name).version;

  # Package names with versions, for the preview. Several versions of one package are joined.
  packagesOf =
    packages:
    let
      versioned = filter (
        package:
        builtins.isAttrs package && (package ? name || package ? pname) && versionOf package != ""
      ) packages;
      versions = packages: attrNames (groupBy versionOf packages);
    in
    mapAttrs (_: packages: concatStringsSep ", " (sort (a: b: a < b) (versions packages))) (
      groupBy nameOf versioned
    );

  # The packages on the PATH, and the important ones that are not there.
  systemPackages =
    config:
    config.environment.systemPackages
    ++ [
      config.boot.kernelPackages.kernel
      config.systemd.package
    ]
    ++ (if config.services.k0s.enable or false then [ config.services.k0s.package ] else [ ]);

  # The VMM runs on the hypervisor but belongs to the VM's closure. Older revisions of microvm.nix
  # have no option for its package.
  vmmPackages =
    config:
    let
      vmm = config.microvm.${config.microvm.hypervisor} or { };
    in
    if vmm ? package then [ vmm.package ] else [ ];

  # Adds the machine to Nix's trace. The messages of NixOS often do not name it.
  inContextOf =
    what: value:
    builtins.addErrorContext "while evaluating ${what} of the site" (builtins.deepSeq value value);

  # For the program, which names the machine. Nix prints them too, but does not say whose they are.
  warningsOf = config: map unsafeDiscardStringContext (config.warnings or [ ]);

  # The conditions of microvm.nix's deploy.rebuild for a switch over SSH, and Nix, which it
  # requires.
  canSwitchLive =
    config:
    config.system.switch.enable
    && config.nix.enable
    && config.services.openssh.enable
    && builtins.any (share: share.source == "/nix/store") config.microvm.shares;

  # For the order of a cluster's steps. `unit` changes exactly when an activation restarts k0s.
  k0sOf =
    config:
    if config.services.k0s.enable or false then
      {
        k0s = {
          version = versionOf config.services.k0s.package;
          unit = hashOf config.systemd.units."k0s.service".text;
          configuration = hashOf "${config.environment.etc."k0s/k0s.yaml".source}";
        };
      }
    else
      { };
  hashOf = text: hashString "sha256" (unsafeDiscardStringContext text);

  machine =
    name: { config, pkgs, ... }@system:
    inContextOf "machine ${name}" (
      pathsOf config.microvm.declaredRunner
      // {
        toplevel = pathsOf config.system.build.toplevel;
        # The same derivation as in microvm.nix, so it is built only once.
        closureInfo = pathsOf (pkgs.closureInfo { rootPaths = [ config.system.build.toplevel ]; });
        hardware = hardwareOf system;
        liveSwitch = canSwitchLive config;
        packages = packagesOf (systemPackages config ++ vmmPackages config);
        warnings = warningsOf config;
      }
      // k0sOf config
    );

  # A hash of kernel, initrd and kernel modules. A change of any of them requires a reboot.
  # Containers have none of them.
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
        warnings = warningsOf config;
      }
    );
in
{
  inherit packagesOf hardwareOf;

  # systems: { machines, hypervisors } of evaluated NixOS systems
  pulumiMicrovm =
    systems: {
      version = 1;
      machines = mapAttrs machine systems.machines;
      hypervisors = mapAttrs hypervisor systems.hypervisors;
    };
}
