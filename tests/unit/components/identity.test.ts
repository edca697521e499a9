/** Which outputs of `nix flake metadata --json` of several Nix versions allow caching. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityOf } from "../../../components/evaluation/identity";

const nix = { file: "/nix/store/x-nix-2.31.2/bin/nix", size: 1, modifiedMs: 1000 };
const NIXPKGS = {
  type: "github",
  owner: "NixOS",
  repo: "nixpkgs",
  rev: "b".repeat(40),
  narHash: "sha256-nixpkgs",
  lastModified: 2,
};
const GIT = {
  type: "git",
  url: "file:///srv/site",
  rev: "a".repeat(40),
  revCount: 7,
  lastModified: 3,
  narHash: "sha256-site-flake",
};
let source: string;

beforeEach(() => {
  source = mkdtempSync(join(tmpdir(), "pulumi-microvm-identity-"));
  writeLock("", NIXPKGS);
});
afterEach(() => rmSync(source, { recursive: true, force: true }));

function writeLock(directory: string, locked: object): void {
  mkdirSync(join(source, directory), { recursive: true });
  const nodes = { root: { inputs: { nixpkgs: "nixpkgs" } }, nixpkgs: { locked } };
  const text = JSON.stringify({ nodes, root: "root", version: 7 });
  writeFileSync(join(source, directory, "flake.lock"), text);
}

function metadata(locked: object = GIT, nixpkgs: object = NIXPKGS, site?: object): object {
  const siteLocked = {
    type: "path",
    path: "/srv/.site",
    lastModified: 1,
    narHash: "sha256-dir+/=",
  };
  return {
    url: "git+file:///srv/site?rev=a",
    path: source,
    locked,
    locks: {
      root: "root",
      nodes: {
        nixpkgs: { locked: nixpkgs, original: { type: "indirect", id: "nixpkgs" } },
        root: { inputs: { nixpkgs: "nixpkgs", site: "site" } },
        site: site ?? { flake: false, locked: siteLocked },
      },
    },
  };
}

const identify = (of: object, siteJson = "{}", program = nix) =>
  identityOf(JSON.stringify(of), "/srv/.site", siteJson, [program]);
const key = (of: object): string | undefined => identify(of)?.key;

test("a locked flake has a key and references with content hashes", () => {
  expect(key(metadata())).toMatch(/^[0-9a-f]{64}$/);
  expect(identify(metadata())).toMatchObject({
    flake: "git+file:///srv/site?rev=a",
    site: "path:/srv/.site?narHash=sha256-dir%2B%2F%3D",
  });
});

test("the key changes with everything that the evaluation can read", () => {
  writeLock("", { ...NIXPKGS, rev: "c".repeat(40) });
  const other = key(metadata(GIT, { ...NIXPKGS, rev: "c".repeat(40) }));
  writeLock("", NIXPKGS);
  const site = { locked: { type: "path", narHash: "sha256-other" } };
  const keys = [
    key(metadata()),
    other,
    key(metadata({ ...GIT, lastModified: 4 })),
    key(metadata({ ...GIT, narHash: "sha256-another" })),
    key(metadata(GIT, NIXPKGS, site)),
    identify(metadata(), '{"version":1}')?.key,
    identify(metadata(), "{}", { ...nix, file: "/nix/store/y-nix-2.32.0/bin/nix" })?.key,
  ];
  expect(keys).not.toContain(undefined);
  expect(new Set(keys).size).toBe(keys.length);
});

test("the key does not depend on the path and the times of the site's directory", () => {
  const locked = { type: "path", path: "/elsewhere", lastModified: 99, narHash: "sha256-dir+/=" };
  expect(key(metadata(GIT, NIXPKGS, { flake: false, locked }))).toBe(key(metadata()));
});

test("a flake below the root of its tree has its lock file in its own directory", () => {
  rmSync(join(source, "flake.lock"));
  expect(key(metadata({ ...GIT, dir: "nix" }))).toBeUndefined();
  writeLock("nix", NIXPKGS);
  expect(key(metadata({ ...GIT, dir: "nix" }))).toBeDefined();
});

const uncommitted = { ...GIT, rev: undefined };
const unhashed = { ...GIT, narHash: undefined };
test.each([
  ["uncommitted changes, in the output of Nix 2.8", metadata(uncommitted)],
  [
    "uncommitted changes, in the output of Nix 2.17",
    metadata({ ...uncommitted, dirtyRev: "a-dirty" }),
  ],
  ["a dirty revision in addition to a revision", metadata({ ...GIT, dirtyRev: "a-dirty" })],
  ["no content hash of the tree", metadata(unhashed)],
  [
    "an input with a relative path, which is locked without a hash",
    metadata(GIT, { type: "path", path: "./other" }),
  ],
  ["an input with another revision in the lock file", metadata(GIT, { ...NIXPKGS, rev: "c" })],
  ["no content hash of the site", metadata(GIT, NIXPKGS, { locked: { type: "path" } })],
  ["no input `site`", { ...metadata(), locks: { root: "root", nodes: { root: {} } } }],
  ["no known fields", {}],
])("there is no key with %s", (_, of) => {
  expect(identify(of)).toBeUndefined();
});

test("there is no key for output that is not JSON", () => {
  expect(identityOf("warning: ...", "/srv/.site", "{}", [nix])).toBeUndefined();
});
