/** What `nix flake metadata --json` of several versions of Nix says, and what of it can be kept. */
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

test("a locked flake has a key, and references by content", () => {
  expect(key(metadata())).toMatch(/^[0-9a-f]{64}$/);
  expect(identify(metadata())).toMatchObject({
    flake: "git+file:///srv/site?rev=a",
    site: "path:/srv/.site?narHash=sha256-dir%2B%2F%3D",
  });
});

test("the key is another one for whatever the evaluation can see", () => {
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

test("the place and the times of the site's directory are not in it", () => {
  const locked = { type: "path", path: "/elsewhere", lastModified: 99, narHash: "sha256-dir+/=" };
  expect(key(metadata(GIT, NIXPKGS, { flake: false, locked }))).toBe(key(metadata()));
});

test("a flake below the root of its tree has its lock file there", () => {
  rmSync(join(source, "flake.lock"));
  expect(key(metadata({ ...GIT, dir: "nix" }))).toBeUndefined();
  writeLock("nix", NIXPKGS);
  expect(key(metadata({ ...GIT, dir: "nix" }))).toBeDefined();
});

const uncommitted = { ...GIT, rev: undefined };
const unhashed = { ...GIT, narHash: undefined };
test.each([
  ["changes that are not committed, as Nix 2.8 says it", metadata(uncommitted)],
  [
    "changes that are not committed, as Nix 2.17 says it",
    metadata({ ...uncommitted, dirtyRev: "a-dirty" }),
  ],
  ["a dirty revision beside a revision", metadata({ ...GIT, dirtyRev: "a-dirty" })],
  ["no content hash of the tree", metadata(unhashed)],
  [
    "an input by a relative path, which is locked without a hash",
    metadata(GIT, { type: "path", path: "./other" }),
  ],
  ["an input that the lock file has in another revision", metadata(GIT, { ...NIXPKGS, rev: "c" })],
  ["no content hash of the site", metadata(GIT, NIXPKGS, { locked: { type: "path" } })],
  ["no input `site`", { ...metadata(), locks: { root: "root", nodes: { root: {} } } }],
  ["nothing that is known", {}],
])("there is none with %s", (_, of) => {
  expect(identify(of)).toBeUndefined();
});

test("nor of what is no JSON", () => {
  expect(identityOf("warning: ...", "/srv/.site", "{}", [nix])).toBeUndefined();
});
