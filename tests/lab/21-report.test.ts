/**
 * Reports of real previews. With RECORD_PREVIEWS=1 it also records them for tests/unit/cli, which
 * renders the recordings as comments.
 */
import { buildPreview } from "../../cli/preview/build";
import type { Preview } from "../../cli/preview/build";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { FlakeCopy, PROJECT, STACK, SiteCopy, lab, on, pulumi } from "./lab";
import type { Ended } from "./lab";
import { writeRecording } from "../previewRecordings";
import { recorded } from "./previewRecording";

const site = new SiteCopy();
const flake = new FlakeCopy();
const base = { flake: flake.reference };

beforeAll(() => site.converge(base));
afterEach(() => site.set(base));
afterAll(async () => {
  await site.release();
  flake.remove();
});

async function preview(name: string): Promise<Preview> {
  const recording = await recorded();
  if (process.env["RECORD_PREVIEWS"] === "1") writeRecording(name, recording);
  return buildPreview(recording, "key");
}

test("a memory change in a profile restarts its VMs", async () => {
  await site.set({ ...base, "profiles.worker.memory": "224MiB" });
  const { model, hash } = await preview("memory");
  expect(hash?.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(model.machines).toContainEqual(
    expect.objectContaining({ name: "kw1", effect: "restart" }),
  );
});

test("a changed package is switched live", async () => {
  flake.setPackages({ "lab-app": "1.1", "lab-tool": "3" });
  try {
    const { model } = await preview("packages");
    expect(model.machines).toContainEqual(expect.objectContaining({ name: "kw1", effect: "live" }));
  } finally {
    flake.setPackages({ "lab-app": "1.0" });
  }
});

test("a removed VM with a volume", async () => {
  await site.set({ ...base, "vms.kw2": undefined });
  const { model } = await preview("removed");
  expect(model.deletions.map(({ resource }) => resource)).toEqual([
    "Volume kw2-var",
    "MicroVm kw2",
    "NixClosure kw2",
  ]);
});

test("drift", async () => {
  await on("hv1", "systemctl stop microvm@kw1");
  try {
    const { model } = await preview("drift");
    const running = { resource: "MicroVm kw1", path: "running", isRepaired: true };
    expect(model.drift).toContainEqual(expect.objectContaining(running));
  } finally {
    await on("hv1", "systemctl start microvm@kw1");
  }
});

// A route that refuses at once, for a real one would take a minute to time out.
test("a dead hypervisor", async () => {
  const route = (verb: string): Promise<unknown> =>
    lab(["exec", "ip", "route", verb, "unreachable", "198.18.0.12/32"]);
  await route("add");
  try {
    const { model } = await preview("dead");
    expect(model.unread.map(({ host }) => host)).toEqual(["hv2"]);
  } finally {
    await route("del");
  }
});

test("a blocked step", async () => {
  const libvirtd = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd";
  await on("hv1", `systemctl stop ${libvirtd}`);
  try {
    const { model } = await preview("blocked");
    expect(model.problems).toMatchObject([{ resource: "Hypervisor hv1", others: 0 }]);
    expect(model.problems[0]?.text).toMatch(/libvirtd is inactive/);
  } finally {
    await on("hv1", "systemctl start libvirtd");
  }
});

describe("the program", () => {
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-report-"));
  const main = join(PROJECT, "bin", "cli", "main.js");
  const program = (...words: string[]): Promise<Ended> =>
    lab(["exec", process.execPath, main, STACK, ...words]);

  /** A new private key in the stack's configuration. Returns a line from its middle. */
  async function useKey(name: string): Promise<string> {
    const file = join(directory, name);
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    const key = readFileSync(file, "utf8");
    rmSync(file);
    const set = ["config", "set", "--secret", "sshPrivateKey", STACK];
    await lab(["exec", "pulumi", ...set], key);
    return key.split("\n")[3] ?? "";
  }

  afterAll(async () => {
    await pulumi("config", "rm", "sshPrivateKey", STACK);
    rmSync(directory, { recursive: true, force: true });
  });

  test("no report contains a secret; a changed secret is another plan: not applied", async () => {
    const canary = await useKey("first");
    const out = join(directory, "out");
    const seen = await program("preview", "--json", "--out", out);
    expect(seen.code).toBe(0);
    const { hash } = z.object({ hash: z.string() }).parse(JSON.parse(seen.stdout));
    const files = readdirSync(out).map((name) => readFileSync(join(out, name), "utf8"));
    expect(files).toHaveLength(3);
    for (const text of [seen.text, ...files]) expect(text).not.toContain(canary);
    // The report shows the place of the secret.
    expect(seen.stdout).toMatch(/"privateKey"[^]*"\[secret\]"/);

    await useKey("second");
    const applied = await program("apply", "--hash", hash);
    expect(applied.text).toMatch(/The plan is not the one of --hash: nothing was changed/);
    expect(applied.code).toBe(4);
  });
});
