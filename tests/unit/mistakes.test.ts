/** The most likely mistakes of a new user, and docs/troubleshooting.md, which quotes them. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingFlake, withHint } from "../../components/evaluation/localFlake";
import { siteArgs } from "../../components/program";
import { documented, mistakes } from "../troubleshooting";
import { SITE, faultsOf } from "./site/faults/cases";

const TESTS = join(__dirname, "..");

/** The text of all tests. */
function tests(): string {
  const files = readdirSync(TESTS, { recursive: true, encoding: "utf8" });
  const texts = files
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => readFileSync(join(TESTS, file), "utf8"));
  return texts.join("\n");
}

describe("docs/troubleshooting.md", () => {
  const all = mistakes();

  test("has twenty mistakes, each once", () => {
    expect(all).toHaveLength(20);
    expect(new Set(all.map(({ name }) => name)).size).toBe(20);
  });

  test("has only messages that some test produces", () => {
    const calls = tests().matchAll(/documented\(\s*"([^"]+)"(?:, (\d))?/g);
    const used = new Set([...calls].map(([, name = "", nth = "0"]) => `${name} ${nth}`));
    const needed = all.flatMap(({ name, excerpts }) => excerpts.map((_, nth) => `${name} ${nth}`));
    expect(needed.filter((one) => !used.has(one))).toEqual([]);
  });
});

test.each<[RegExp, (site: string) => string, string]>([
  [documented("wrong key"), (s) => s.replace("vcpu: 1", "vcpus: 1"), "profiles.worker.vcpus"],
  [documented("duplicate address"), (s) => s.replace("192.0.2.32", "192.0.2.31"), "vms.kw2.ip"],
  [documented("duplicate address"), (s) => s.replace("00:00:32", "00:00:31"), "vms.kw2.mac"],
  [documented("wrong subnet"), (s) => s.replace("192.0.2.31", "192.0.3.31"), "vms.kw1.ip"],
  [
    documented("memory of 2 GiB"),
    (s) => s.replace("vsockCid: 31", "memory: 2GiB"),
    "vms.kw1.memory",
  ],
])("a fault of the site file is %s", (message, edit, where) => {
  const fault = faultsOf(edit(SITE)).find((one) => one.includes(` ${where}: `));
  expect(fault).toMatch(/^stacks\/x\.yaml:\d+:\d+ /);
  expect(fault).toMatch(message);
});

describe("old Node", () => {
  const { versions } = process;
  afterEach(() => Object.defineProperty(process, "versions", { value: versions }));

  test("the program ends before it reads anything", async () => {
    Object.defineProperty(process, "versions", { value: { ...versions, node: "20.20.2" } });
    await expect(siteArgs()).rejects.toThrow(documented("old Node"));
    await expect(siteArgs()).rejects.toThrow("https://nodejs.org/en/download");
  });
});

describe("flake not found", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pulumi-microvm-flake-"));
    mkdirSync(join(root, "systems"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test("a directory without flake.nix is named, with what to correct", () => {
    for (const flake of [root, `path:${root}`, join(root, "none")]) {
      const message = missingFlake(flake) ?? "";
      expect(message).toMatch(documented("flake not found"));
      expect(message).toContain(`${flake} has no flake.nix; correct \`flake\` in the site file`);
    }
  });

  test("Nix looks for the flake of a plain path upward, and for no other", () => {
    writeFileSync(join(root, "flake.nix"), "");
    expect(missingFlake(join(root, "systems"))).toBeUndefined();
    expect(missingFlake(`path:${root}`)).toBeUndefined();
    expect(missingFlake(`path:${root}/systems`)).toContain("has no flake.nix");
  });

  test("flakes elsewhere, and those with parameters, are Nix's own business", () => {
    for (const flake of ["github:me/site", "git+file:/none", "path:/none?dir=x", "site"]) {
      expect(missingFlake(flake)).toBeUndefined();
    }
  });

  test.each([
    "error: getting status of '/nix/store/x-source/new.nix': No such file or directory",
    "error: path '/nix/store/x-source/new.nix' does not exist",
    "error: Path 'new.nix' in the repository \"/srv/site\" is not tracked by Git.",
  ])("a file that git does not know: %s", (message) => {
    for (const flake of ["/srv/site", "git+file:/srv/site?dir=a", "git+file:///srv/site"]) {
      expect(withHint(flake, message)).toMatch(documented("flake not found", 1));
      expect(withHint(flake, message)).toMatch(/^error: .*\n.*Run: git -C \/srv\/site add -A$/s);
    }
    expect(withHint("path:/srv/site", message)).toBe(message);
    expect(withHint("github:me/site", message)).toBe(message);
  });

  test("another error of Nix has no hint", () => {
    expect(withHint("/srv/site", "error: syntax error")).toBe("error: syntax error");
  });
});
