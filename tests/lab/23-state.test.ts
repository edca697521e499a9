/**
 * State in an S3-compatible store, as docs/state.md has it: the lock, a killed run, the passphrase.
 * Only in the soak run, since the store has to be built.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SOAK } from "../selection";
import { gone, signal, terminate } from "./kill";
import { bootId, releaseHosts, removeVolumes, start } from "./lab";
import type { Started } from "./lab";
import { UserRepository, ok } from "./userRepository";

const LOCKED = /the stack is currently locked by 1 lock\(s\)[^]*\.pulumi\/locks\//;

(SOAK ? describe : describe.skip)("state in an S3-compatible store", () => {
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-state-"));
  const passphrase = join(scratch, "passphrase");
  const user = new UserRepository();
  let settings: string[] = [];
  let store: Started;
  let running: Started | undefined;

  beforeAll(async () => {
    await releaseHosts();
    await removeVolumes();
    await user.makeByNix();
    await user.install();
    user.pointAtLab();
    user.edit({ "vms.kc1": undefined, "vms.kw2": undefined, "hypervisors.hv2": undefined });
    writeFileSync(passphrase, "of the stack\n", { mode: 0o600 });
    store = start(["object-store", scratch], "", 0);
    await store.printed(/^PULUMI_BACKEND_URL=\S+$/m);
    const printed = store.text().trim().split("\n");
    settings = [
      ...["-u", "PULUMI_CONFIG_PASSPHRASE"],
      `PULUMI_CONFIG_PASSPHRASE_FILE=${passphrase}`,
      ...printed.filter((line) => /^[A-Z_]+=/.test(line)),
    ];
  }, 900_000);
  afterAll(async () => {
    await user.remove(settings);
    await removeVolumes();
    terminate(store.pid);
    await store.ended;
    rmSync(scratch, { recursive: true, force: true });
  });

  const pulumi = (...words: string[]) => user.pulumi(words, settings);
  const up = (): Started => user.start(["up", "--yes", "--skip-preview"], settings);

  /** Restarts kw1. Its closure takes a minute to build, during which `up` holds the lock. */
  function slowChange(): void {
    user.edit({ "vms.kw1.memory": "224MiB" });
    const script = "systems/scripts/build-runner.sh";
    user.write(script, user.read(script).replace("set -eu\n", "set -eu\nsleep 60\n"));
  }

  /** Names and contents of the objects whose name has this text. */
  function objects(part: string): Record<string, string> {
    const all = readdirSync(join(scratch, "objects"), { recursive: true, withFileTypes: true });
    const files = all.filter((entry) => entry.isFile());
    const paths = files.map((entry) => join(entry.parentPath, entry.name));
    return Object.fromEntries(
      paths.filter((path) => path.includes(part)).map((path) => [path, readFileSync(path, "utf8")]),
    );
  }

  test("a stack is made, and an up leaves nothing to do and no lock", async () => {
    await ok(pulumi("stack", "init"));
    await ok(pulumi("config", "set", "--secret", "note", "hunter2-of-the-stack"));
    await ok(up().ended);
    await ok(pulumi("preview", "--expect-no-changes"));
    expect(Object.keys(objects(".pulumi/stacks/")).length).toBeGreaterThan(0);
    expect(Object.keys(objects(".pulumi/locks/"))).toEqual([]);
  }, 300_000);

  test("the passphrase is read from a file, and without it no secret is", async () => {
    expect((await pulumi("config", "get", "note")).stdout).toContain("hunter2-of-the-stack");
    expect(user.read("Pulumi.prod.yaml")).not.toContain("hunter2");
    expect(JSON.stringify(objects(".pulumi/"))).not.toContain("hunter2");
    writeFileSync(passphrase, "another\n");
    const { code, text } = await pulumi("config", "get", "note");
    writeFileSync(passphrase, "of the stack\n");
    expect(code).not.toBe(0);
    expect(text).toContain("incorrect passphrase");
  }, 120_000);

  test("while an up holds the lock, a preview runs, and a second up is refused", async () => {
    slowChange();
    running = up();
    await running.printed(/NixClosure kw1 updating/);
    expect(Object.keys(objects(".pulumi/locks/"))).toHaveLength(1);
    expect(await ok(pulumi("preview"))).toMatch(/NixClosure kw1 update/);
    const second = await up().ended;
    expect(second.code).not.toBe(0);
    expect(second.text).toMatch(LOCKED);
    expect(second.text).toContain("pulumi cancel");
  }, 300_000);

  test("a killed up leaves its lock; after pulumi cancel the next up goes on", async () => {
    const before = await bootId("kw1");
    if (running === undefined) throw new Error("no up is running");
    const killed = signal(running, "pulumi up", "SIGKILL");
    await gone(killed);
    await running.ended;
    expect((await up().ended).text).toMatch(LOCKED);
    await ok(pulumi("cancel", "--yes"));
    expect(Object.keys(objects(".pulumi/locks/"))).toEqual([]);
    await ok(up().ended);
    await ok(pulumi("preview", "--expect-no-changes"));
    expect(await bootId("kw1")).not.toBe(before);
  }, 600_000);
});
