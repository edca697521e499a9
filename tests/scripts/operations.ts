/** Parameters of operations as the resources send them, for a sandbox. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeRecord, openRecord } from "../../provider/ownership";
import { claimsDigest, sharedName } from "../../provider/resources/hosts/hostRecords";
import type { Sandbox } from "./sandbox";

export const urn = (stack: string, name: string): string =>
  `urn:pulumi:${stack}::pulumi-microvm::microvm:index:X::${name}`;

export const ours = (owner: string): string => `"urn":${JSON.stringify(owner)},`;

export const storePath = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;

type Parameters = Record<string, string>;

export function volume(box: Sandbox, more: Parameters = {}, stack = "lab"): Parameters {
  const image = box.path("microvms", "kc1", "var.img");
  const owner = urn(stack, "kc1.var");
  return {
    owner: ours(owner),
    known: "no",
    key: "kc1.var",
    vm: "kc1",
    image,
    bytes: "65536",
    fs: "ext4",
    label: "kc1-var",
    on_delete: "retain",
    adopt: "",
    stack: `"urn":"urn:pulumi:${stack}::pulumi-microvm::`,
    record: openRecord(owner, { image, fsType: "ext4", label: "kc1-var", onDelete: "retain" }),
    ...more,
  };
}

export function vm(more: Parameters = {}, stack = "lab", restart = ""): Parameters {
  const owner = urn(stack, "kc1");
  return {
    owner: ours(owner),
    name: "kc1",
    runner: storePath("runner"),
    toplevel: storePath("system"),
    running: "yes",
    restart: `"restart":${JSON.stringify(restart)}`,
    memory_target: "",
    hardware: "h1",
    guest: `${storePath("system")} 198.18.0.21 kc1`,
    running_guest: "",
    bridge: "",
    update: "start",
    seen: "",
    start_seconds: "10",
    parallelism: "4",
    known: "no",
    record: openRecord(owner, { running: true, restart }),
    ...more,
  };
}

export function closure(more: Parameters = {}, stack = "lab"): Parameters {
  const owner = urn(stack, "kc1");
  return {
    owner: ours(owner),
    name: "kc1",
    former_name: "",
    record: makeRecord(owner, {}),
    roots: `runner ${storePath("runner")} toplevel ${storePath("system?")}`,
    derivations: "",
    build_seconds: "10",
    ...more,
  };
}

/** A host with system `a` that switches to system `b`. The switch exits with `code`. */
export function system(box: Sandbox, more: Parameters = {}, stack = "lab", code = 0): Parameters {
  const before = box.makeSystem("a");
  if (!existsSync(box.path("systems", "current-system"))) box.install(before);
  const owner = urn(stack, "hv1");
  return {
    owner: ours(owner),
    record: makeRecord(owner, {}),
    step: "switch",
    toplevel: box.makeSystem("b", code),
    derivation: "",
    switch_seconds: "10",
    build_seconds: "10",
    confirm_seconds: "15",
    boot_seconds: "60",
    stop_order: "kw1 kc1",
    stack: `urn:pulumi:${stack}::pulumi-microvm::`,
    ...more,
  };
}

/** An exclusive claim that was decided on the current claims of the host. */
export function host(box: Sandbox, more: Parameters = {}, stack = "lab"): Parameters {
  const owner = urn(stack, "hv1");
  const record = makeRecord(owner, {});
  const shared = sharedName(owner);
  const seen = claimsOf(box);
  return { owner: ours(owner), record, name: "host", outdated: shared, shared, seen, ...more };
}

/** The shared claim of a stack that has no wants yet. */
export function sharedHost(box: Sandbox, more: Parameters = {}, stack = "lab"): Parameters {
  const owner = urn(stack, "hv1");
  const record = makeRecord(owner, { shared: true, wants: [], leaving: [] });
  return host(box, { record, name: sharedName(owner), outdated: "host", ...more }, stack);
}

/** Digest of the claims on a host. */
export function claimsOf(box: Sandbox): string {
  const directory = box.path("state", "hosts");
  const files = existsSync(directory) ? readdirSync(directory) : [];
  // A killed run may have left `host.json.new`.
  const claims = files.filter((file) => file.endsWith(".json"));
  const records = claims.map((file): [string, string] => [
    `hosts/${file.replace(".json", "")}`,
    readFileSync(join(directory, file), "utf8").trimEnd(),
  ]);
  return claimsDigest({ records: new Map(records) });
}

/** A system of a guest. Its host name is that of this machine, because the scripts compare them. */
export function guestSystem(
  box: Sandbox,
  name: string,
  hostname = readFileSync("/etc/hostname", "utf8"),
  code = 0,
): string {
  const toplevel = box.makeSystem(name, code);
  mkdirSync(join(toplevel, "etc"), { recursive: true });
  writeFileSync(join(toplevel, "etc", "hostname"), hostname);
  return toplevel;
}

/** Renames kc1 with its volumes to kc9. */
export function rename(more: Parameters = {}, stack = "lab"): Parameters {
  return {
    owner: ours(urn(stack, "kc9")),
    former_owner: ours(urn(stack, "kc1")),
    name: "kc9",
    from: "kc1",
    stack: `"urn":"urn:pulumi:${stack}::pulumi-microvm::`,
    start_seconds: "10",
    parallelism: "4",
    ...more,
  };
}
