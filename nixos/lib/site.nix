# site.json -> for each machine the modules that it is made of. Pure: no path is read, nothing is evaluated.
#
# site     what site/siteJson.ts wrote, parsed
# modules  the user's own: see docs/nixos.md
# parts    our modules and those of the user's inputs: guest, bridge, virtualization, k0s-node, microvm, host, k0s (or null)
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

  # One list of all faults: who has two of them wants to read of both.
  faults =
    if site.version or null != 1 then
      [ "site.json has version ${toString (site.version or "none")}; this library reads version 1" ]
    else
      map (
        key: "modules.${key} is not known; known are ${concatStringsSep ", " known}"
      ) (filter (key: !(elem key known)) (attrNames modules))
      ++ map (
        role: "modules.roles.${role} is not a role; roles are ${concatStringsSep " and " knownRoles}"
      ) (filter (role: !(elem role knownRoles)) (attrNames (modules.roles or { })))
      ++ map (
        name: "${name} is a machine and a hypervisor; give them different names"
      ) (filter (name: site.hypervisors ? ${name}) (attrNames site.machines))
      ++ map (
        name:
        "machine ${name} has the role ${site.machines.${name}.role}, but there is no k0s-nix; give mkSite the input k0s-nix"
      ) (
        filter (name: site.machines.${name} ? role && parts.k0s or null == null) (attrNames site.machines)
      );

  checked =
    result:
    if faults == [ ] then
      result
    else
      throw "mkSite: the site can't be built:\n  ${concatStringsSep "\n  " faults}";

  # "controller+worker" is both.
  rolesOf = machine: filter isString (split "[+]" (machine.role or ""));

  own = kind: name: listOf (modules.${kind}.${name} or [ ]);

  # What a VM is, in options. The profile is a name and no fact: it only picks modules.
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
          };
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

  # A hypervisor without a module of its own has no disks and no boot loader: it is built elsewhere.
  built = builtins.intersectAttrs (modules.hypervisors or { }) site.hypervisors;
in
checked {
  machines = mapAttrs guest site.machines;
  hypervisors = mapAttrs hypervisor built;
}
