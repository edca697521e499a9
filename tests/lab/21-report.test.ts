/**
 * Reports of real previews. With RECORD_PREVIEWS=1 it also records them for tests/unit/cli, which
 * renders the recordings as comments.
 */
import { buildPreview } from "../../cli/preview/build";
import type { Preview } from "../../cli/preview/build";
import { FlakeCopy, SiteCopy, lab, on, up } from "./lab";
import { writeRecording } from "../previewRecordings";
import { recorded } from "./previewRecording";

const site = new SiteCopy();
const flake = new FlakeCopy();
const base = { flake: flake.reference };

beforeAll(async () => {
  await site.use();
  await site.set(base);
  await up();
});
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
    expect(model.machines).toContainEqual(
      expect.objectContaining({ name: "kw1", effect: "switch" }),
    );
  } finally {
    flake.setPackages({ "lab-app": "1.0" });
  }
});

test("a removed VM with a volume", async () => {
  await site.set({ ...base, "vms.kw2": undefined });
  const { model } = await preview("removed");
  expect(model.deletions.length).toBeGreaterThan(0);
});

test("drift", async () => {
  await on("hv1", "systemctl stop microvm@kw1");
  try {
    const { model } = await preview("drift");
    expect(model.drift.length).toBeGreaterThan(0);
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
    expect(model.problems.length).toBeGreaterThan(0);
  } finally {
    await on("hv1", "systemctl start libvirtd");
  }
});
