/** The errors of a failed build, with the real Nix. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../provider/hosts/nix/nix";
import { repository } from "./nix";

const before = { ...process.env };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-build-"));
  process.env["NIX_CONF_DIR"] = join(repository, "lab", "flake", "etc", "nix");
});
afterEach(() => {
  process.env["PATH"] = before["PATH"];
  process.env["NIX_CONF_DIR"] = before["NIX_CONF_DIR"];
  if (before["NIX_CONF_DIR"] === undefined) Reflect.deleteProperty(process.env, "NIX_CONF_DIR");
  Reflect.deleteProperty(process.env, "NIX_CONFIG");
  rmSync(directory, { recursive: true, force: true });
});

/** A derivation that is different in each test, so that Nix builds it. */
function instantiated(script: string): string {
  const expression = `derivation {
    name = "runner-kw1";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "${script}" ];
    PATH = "/usr/bin:/bin";
    when = "${directory}";
  }`;
  const { stdout, stderr } = spawnSync("nix-instantiate", ["--expr", expression], {
    encoding: "utf8",
  });
  const path = stdout.trim();
  if (!path.endsWith(".drv")) throw new Error(stderr);
  return path;
}

async function failure(derivation: string, milliseconds = 30_000): Promise<string> {
  const call = {
    urn: "urn",
    deadline: Date.now() + milliseconds,
    signal: new AbortController().signal,
    status: () => undefined,
  };
  const error: unknown = await build(call, "kw1", [derivation]).catch((caught: unknown) => caught);
  if (!(error instanceof Error)) throw new Error("it was built");
  return error.message;
}

test("names the VM and the derivation, and ends with the log of the builder", async () => {
  const derivation = instantiated(
    "for i in $(seq 200); do echo line $i; done; echo no such thing >&2; exit 3",
  );
  const message = await failure(derivation);
  expect(message).toMatch(/^kw1: building on this machine: nix-store ended with code \d+:\n/);
  expect(message).toContain("\nline 200\nno such thing\n");
  expect(message).toContain(derivation);
  expect(message).toMatch(/failed with exit code 3/);
  expect(message.split("\n").length).toBeLessThanOrEqual(61);
  expect(message).not.toContain("\nline 100\n");
});

test("a configured remote builder is used; Nix's message about a dead one is shown", async () => {
  const system = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
  const builder = `ssh://nobody@127.0.0.1:1 ${system}`;
  process.env["NIX_CONFIG"] = `max-jobs = 0\nbuilders = ${builder}\n`;
  const message = await failure(instantiated("echo > $out"));
  expect(message).toMatch(/^kw1: building on this machine: nix-store ended with code \d+:\n/);
  expect(message).toMatch(/cannot build on 'ssh:\/\/nobody@127\.0\.0\.1:1'/);
  expect(message).toContain("unable to start any build");
});

test("reports the deadline", async () => {
  expect(await failure(instantiated("sleep 20"), 500)).toBe(
    "kw1: building on this machine: nix-store was stopped: deadline",
  );
});

test("reports that Nix is missing", async () => {
  const derivation = instantiated("exit 1");
  mkdirSync(join(directory, "empty"));
  process.env["PATH"] = join(directory, "empty");
  expect(await failure(derivation)).toMatch(
    /^kw1: building on this machine: cannot run nix-store: .*\n {2}Install Nix on this machine/,
  );
});
