/**
 * The identity of an evaluation: the flake's tree, its inputs, site.json and the programs that
 * evaluate. docs/decisions/0008 says why nothing else matters. Pure, except that it reads the
 * flake's lock file from the store.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Program } from "./nix";
import { OUTPUT } from "./output";

/** Version of the cached files. A new version does not find the files of an older one. */
const FORMAT = 2;

/** An evaluation that can be cached, and the references with which Nix evaluates exactly that. */
export interface Identity {
  /** 64 hexadecimal digits. */
  key: string;
  /** References of the flake and of the input `site`, each with the hash of its content. */
  flake: string;
  site: string;
}

const locked = z.looseObject({
  type: z.string(),
  narHash: z.string().optional(),
  rev: z.string().optional(),
  dir: z.string().optional(),
});
type Locked = z.infer<typeof locked>;
const lockFile = z.object({
  root: z.string(),
  nodes: z.record(
    z.string(),
    z.looseObject({
      locked: locked.optional(),
      inputs: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});
type LockGraph = z.infer<typeof lockFile>;
/** The fields of `nix flake metadata --json` that all versions since 2.4 have. */
const metadata = z.looseObject({
  url: z.string(),
  path: z.string().optional(),
  locked,
  locks: lockFile,
});

/**
 * The identity of an evaluation with a site directory that holds `siteJson`. `text` is the JSON of
 * `nix flake metadata`. Undefined, so nothing is cached, if the tree has uncommitted changes, if an
 * input is not in the flake's lock file, or if the metadata is not as expected.
 */
export function identityOf(
  text: string,
  siteDirectory: string,
  siteJson: string,
  evaluators: readonly Program[],
): Identity | undefined {
  const found = parse(text);
  if (found === undefined || !isLocked(found.locked)) return undefined;
  const site = siteNode(found.locks);
  if (site?.narHash === undefined) return undefined;
  const others = withoutSite(found.locks, site.name);
  if (!isInLockFile(others, found.path, found.locked.dir)) return undefined;
  const content = {
    format: FORMAT,
    output: OUTPUT,
    evaluators,
    flake: found.locked,
    locks: others,
    // Not the directory's path or times, since an evaluation reads only what is in it.
    site: { narHash: site.narHash, siteJson },
  };
  return {
    key: createHash("sha256").update(JSON.stringify(content)).digest("hex"),
    flake: found.url,
    site: `path:${siteDirectory}?narHash=${encodeURIComponent(site.narHash)}`,
  };
}

function parse(text: string): z.infer<typeof metadata> | undefined {
  try {
    return metadata.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A copied tree is locked by its hash. A tree of a version control needs its revision too. */
function isLocked({ type, narHash, rev, ...rest }: Locked): boolean {
  if (narHash === undefined || "dirtyRev" in rest) return false;
  return ["path", "tarball", "file"].includes(type) || rev !== undefined;
}

function siteNode({
  root,
  nodes,
}: LockGraph): { name: string; narHash: string | undefined } | undefined {
  const name = nodes[root]?.inputs?.["site"];
  if (typeof name !== "string") return undefined;
  return { name, narHash: nodes[name]?.locked?.narHash };
}

function withoutSite(locks: LockGraph, site: string): LockGraph["nodes"] {
  return Object.fromEntries(Object.entries(locks.nodes).filter(([name]) => name !== site));
}

/** An input that is not in the lock file may resolve to another one when Nix evaluates. */
function isInLockFile(
  nodes: LockGraph["nodes"],
  source: string | undefined,
  directory = "",
): boolean {
  const inputs = Object.values(nodes).flatMap((node) => node.locked ?? []);
  if (inputs.length === 0) return true;
  if (source === undefined || inputs.some(({ narHash }) => narHash === undefined)) return false;
  try {
    const file = readFileSync(join(source, directory, "flake.lock"), "utf8");
    const written = Object.values(lockFile.parse(JSON.parse(file)).nodes);
    return inputs.every((input) => written.some((node) => isDeepStrictEqual(node.locked, input)));
  } catch {
    return false;
  }
}
