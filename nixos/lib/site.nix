# Maps site.json to the list of modules of each machine. Pure: it reads no path and evaluates no
# module.
#
# site     the parsed site.json, as site/siteJson.ts writes it
# modules  the user's modules, see docs/nixos.md
# parts    our modules and those of the user's inputs: guest, bridge, virtualization, k0s-node,
#          microvm, host, k0s (null without k0s-nix)
{
  lib,
  site,
  parts,
  modules ? { },
}:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    isString
    mapAttrs
    removeAttrs
    split
    ;

  listOf = value: if builtins.isList value then value else [ value ];

  known = [
    "all"
    "guests"
    "hosts"
    "profiles"
    "roles"
    "machines"
    "hypervisors"
  ];
  knownRoles = [
    "controller"
    "worker"
  ];

  # All faults are reported together, so that a user can fix them in one pass.
  faults =
    if site.version or null != 1 then
      [
        "site.json has version ${toString (site.version or "none")}; mkSite supports version 1"
      ]
    else
      map (
        key: "modules.${key} is unknown; use one of ${concatStringsSep ", " known}"
      ) (filter (key: !(elem key known)) (attrNames modules))
      ++ map (
        role: "modules.roles.${role} is not a role; use ${concatStringsSep " or " knownRoles}"
      ) (filter (role: !(elem role knownRoles)) (attrNames (modules.roles or { })))
      ++ map (
        name: "${name} is both a machine and a hypervisor; rename one of them"
      ) (filter (name: site.hypervisors ? ${name}) (attrNames site.machines))
      ++ map (
        name:
        "machine ${name} has the role ${site.machines.${name}.role}, which requires k0s-nix; "
        + "pass the input k0s-nix to mkSite"
      ) (
        filter (name: parts.k0s or null == null && site.machines.${name} ? role) (
          attrNames site.machines
        )
      )
      ++ map (
        name:
        "machine ${name} has the role ${site.machines.${name}.role}, but site.json has no cluster "
        + "for it; state cluster in the site"
      ) (
        filter (name: site.machines.${name} ? role && !(site.machines.${name} ? cluster)) (
          attrNames site.machines
        )
      );

  # Entries that select no machine, most likely because of a typo. They are only warnings: one flake
  # may serve several sites, and a site may have no worker for some time.
  unmatched =
    let
      machines = builtins.attrValues site.machines;
      targets = {
        machines = attrNames site.machines;
        profiles = map (machine: machine.profile or null) machines;
        roles = concatMap rolesOf machines;
        hypervisors = attrNames site.hypervisors;
      };
      reasonOf = {
        machines = name: "the site has no VM ${name}";
        profiles = name: "no VM in the site has the profile ${name}";
        roles = name: "no VM in the site has the role ${name}";
        hypervisors = name: "the site has no hypervisor ${name}";
      };
    in
    concatMap (
      kind:
      map (
        name:
        "mkSite: modules.${kind}.${name} is not used: ${reasonOf.${kind} name}; "
        + "correct the name or remove the entry"
      ) (filter (name: !(elem name targets.${kind})) (attrNames (modules.${kind} or { })))
    ) (attrNames targets);

  # Nix has builtins.warn since 2.23.
  warn =
    builtins.warn or (message: value: builtins.trace "evaluation warning: ${message}" value);

  checked =
    result:
    if faults == [ ] then
      builtins.foldl' (value: message: warn message value) result unmatched
    else
      throw "mkSite: the site cannot be built:\n  ${concatStringsSep "\n  " faults}";

  # "controller+worker" has both roles.
  rolesOf = machine: filter isString (split "[+]" (machine.role or ""));

  own = kind: name: listOf (modules.${kind}.${name} or [ ]);

  # The options of a VM. The profile is not among them: it only selects modules.
  guestSettings =
    machine:
    {
      _file = "site.json, machine ${machine.name}";
      networking = { inherit (machine) hostName; };
      microvm = {
        inherit (machine) vcpu;
        mem = machine.memoryMiB;
      }
      // (if machine ? vsockCid then { vsock.cid = machine.vsockCid; } else { });
      microvm-guest = {
        inherit (machine)
          name
          network
          operatorKeys
          volumes
          shares
          ;
      };
    }
    // (
      if machine ? role then
        {
          k0s-node = {
            enable = true;
            inherit (machine) role;
            address = machine.network.ip;
            clusterName = machine.cluster.name;
            version = machine.cluster.k0sVersion;
          }
          # A worker gets the rest from the controllers.
          // (
            if machine.cluster ? endpoint then
              {
                inherit (machine.cluster)
                  endpoint
                  nodeLocalLoadBalancing
                  podNetwork
                  serviceNetwork
                  ;
                apiNames = machine.cluster.sans;
              }
            else
              { }
          );
        }
      else
        { }
    );

  guest = _: machine: {
    modules = [
      parts.microvm
      parts.guest
      (guestSettings machine)
      { _module.args.machine = removeAttrs machine [ "profile" ]; }
    ]
    ++ (
      if machine ? role then
        [
          parts.k0s
          parts.k0s-node
        ]
      else
        [ ]
    )
    ++ listOf (modules.all or [ ])
    ++ listOf (modules.guests or [ ])
    ++ (if machine ? profile then own "profiles" machine.profile else [ ])
    ++ concatMap (own "roles") (rolesOf machine)
    ++ own "machines" machine.name;
  };

  hypervisorSettings = host: {
    _file = "site.json, hypervisor ${host.name}";
    networking.hostName = lib.mkDefault host.name;
    microvm-bridge = {
      enable = true;
      physicalNic = host.nic;
      name = host.bridge;
      address = host.hostIp;
    };
  };

  hypervisor = _: host: {
    modules = [
      parts.host
      parts.bridge
      parts.virtualization
      (hypervisorSettings host)
      { _module.args.hypervisor = host; }
    ]
    ++ concatLists [
      (listOf (modules.all or [ ]))
      (listOf (modules.hosts or [ ]))
      (own "hypervisors" host.name)
    ];
  };

  # A hypervisor without a module of its own has no disks and no boot loader. It is built elsewhere.
  built = builtins.intersectAttrs (modules.hypervisors or { }) site.hypervisors;
in
checked {
  machines = mapAttrs guest site.machines;
  hypervisors = mapAttrs hypervisor built;
}
