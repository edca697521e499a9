/** Mount points and tags that the guest needs for itself. Pure. */
import type { VmDraft } from "./draft";
import type { Issue } from "./issues";
import type { Value } from "./value";

interface Reserved {
  path: string;
  /** Directories below it are reserved too. */
  below: boolean;
  why: string;
}

const STORE = "the guest mounts the Nix store there";
const API = "it is a virtual file system of the kernel";
/**
 * /etc, /run and /nix may have mounts below them: /etc/kubernetes, /run/secrets, /nix/.rw-store
 * (microvm.nix's writable store). /etc/ssh may not: the guest's host key is there.
 */
const RESERVED: readonly Reserved[] = [
  { path: "/", below: false, why: "the root file system of the guest is in memory" },
  { path: "/etc", below: false, why: "the guest's own /etc with its SSH host key is there" },
  { path: "/etc/ssh", below: true, why: "the SSH host key that the provider pins is there" },
  { path: "/nix", below: false, why: STORE },
  { path: "/nix/store", below: true, why: STORE },
  { path: "/nix/.ro-store", below: true, why: STORE },
  { path: "/proc", below: true, why: API },
  { path: "/sys", below: true, why: API },
  { path: "/dev", below: true, why: API },
  { path: "/run", below: false, why: "it holds the runtime state of the guest's services" },
];

/** The tags of the shares that the guest's NixOS module has. */
const RESERVED_TAGS: Readonly<Record<string, string>> = {
  etc: "the share of the guest's own /etc",
  "ro-store": "the share of the Nix store",
};

export function checkMounts(vm: VmDraft): Issue[] {
  return [
    ...vm.volumes.flatMap(({ mountPoint }) => checkMountPoint(mountPoint)),
    ...vm.shares.flatMap(({ path, tag, mountPoint }) => [
      ...checkTag(path, tag),
      ...checkMountPoint(mountPoint),
    ]),
  ];
}

function checkMountPoint({ path, value }: Value<string>): Issue[] {
  if (value === undefined) return [];
  const reserved = RESERVED.find(
    (one) => value === one.path || (one.below && value.startsWith(`${one.path}/`)),
  );
  if (reserved === undefined) return [];
  return [
    {
      path,
      code: "reserved",
      what: `nothing can be mounted at ${value}: ${reserved.why}`,
      remedy: "use another mount point: /var, /srv/data",
    },
  ];
}

function checkTag(path: Issue["path"], tag: string): Issue[] {
  const use = new Map(Object.entries(RESERVED_TAGS)).get(tag);
  if (use === undefined) return [];
  const what = `the tag ${tag} is reserved for ${use}`;
  return [{ path, code: "reserved", what, remedy: "use another tag" }];
}
