/**
 * A hypervisor that is gone, a VM that moves, a volume with a new name, a share without its
 * directory.
 */
import { z } from "zod";
import {
  FlakeCopy,
  STACK,
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  journalEnd,
  lab,
  mutations,
  on,
  pulumi,
  state,
  up,
} from "./lab";

const site = new SiteCopy();
const fields = z.record(z.string(), z.unknown());

beforeAll(() => site.converge());
afterAll(() => site.restore());

async function failingPreview(): Promise<string> {
  const { code, text } = await pulumi("preview", STACK);
  expect(code).not.toBe(0);
  return text;
}

const resourcesOf = async (name: string): Promise<string[]> =>
  [...(await state()).keys()].filter((key) => key.split(/[ -]/).includes(name));

describe("forget: true", () => {
  const link = async (direction: "up" | "down"): Promise<void> => {
    const { code, text } = await lab(["exec", "ip", "link", "set", "hv2", direction]);
    if (code !== 0) throw new Error(text);
  };
  afterAll(() => link("up"));

  test("takes a dead hypervisor out of the state; it can be taken in again", async () => {
    const before = await bootId("kw2");
    const others = [await bootId("kc1"), await bootId("kw1")];
    await link("down");
    await site.set({ "hypervisors.hv2.forget": true });
    const { code, text } = await pulumi("preview", STACK);
    expect(text).toContain("hv2: forget is true: its resources leave the state");
    expect(text).toContain("VMs kw2 (198.18.0.32)");
    expect(code).toBe(0);
    expect(await up()).toContain("MicroVm kw2 left the state; the host was not contacted");
    expect(await resourcesOf("kw2")).toEqual([]);
    expect(await resourcesOf("hv2")).toEqual([]);
    expect([await bootId("kc1"), await bootId("kw1")]).toEqual(others);
    await expectNoChanges();

    await link("up");
    await site.reset();
    await up();
    expect(await bootId("kw2")).toBe(before);
    await expectNoChanges();
  }, 400_000);
});

test("the address of a running VM is refused; a VM moves as the error describes", async () => {
  const kw2 = fields.parse(site.get("vms.kw2"));
  const before = await bootId("kw2");
  const end = await journalEnd("hv2");
  await site.set({ "vms.kw2": undefined, "vms.kw9": kw2 });
  const text = await failingPreview();
  expect(text).toContain("kw9: VM kw2 runs on hv2 with the address 198.18.0.32");
  expect(text).toContain("renamedFrom: kw2");
  await failingUp();
  await site.set({ "vms.kw2": { ...kw2, hypervisor: "hv1" } });
  expect(await failingPreview()).toContain("Remove the VM from the site, run up, and add it there");
  await failingUp();
  expect(await bootId("kw2")).toBe(before);
  expect(await mutations("hv2", end)).toEqual([]);

  await site.set({ "vms.kw2": undefined });
  await up();
  await site.set({ "vms.kw2": { ...kw2, hypervisor: "hv1" } });
  await up();
  await expectNoChanges();
  expect(await on("hv1", "systemctl is-active microvm@kw2")).toBe("active");
  expect(await on("hv2", "systemctl is-active microvm@kw2 || true")).toBe("inactive");

  // Back by the same way, to the disk that it had there.
  await site.set({ "vms.kw2": undefined });
  await up();
  await site.reset();
  await up();
  await expectNoChanges();
  await on("hv1", "rm -rf /var/lib/microvms/kw2 /var/lib/pulumi-microvm/volumes/kw2.*");
}, 600_000);

test("a share without its directory is told before the VM stops", async () => {
  const before = await bootId("kw1");
  const share = { source: "/srv/none", mountPoint: "/mnt/none" };
  await site.set({ "vms.kw1.shares": { none: share } });
  const words = "VM kw1 shares /srv/none, and the host has no such directory";
  expect(await failingPreview()).toContain(words);
  expect(await failingUp()).toContain(words);
  expect(await bootId("kw1")).toBe(before);
  await site.reset();
  await up();
  expect(await bootId("kw1")).toBe(before);
  await expectNoChanges();
}, 400_000);

test("a volume gets another name and keeps its data, and gets the old one back", async () => {
  const image = "/var/lib/microvms/kw1/var.img";
  const disk = { size: "64MiB", mountPoint: "/var/lib/data", image, label: "kw1-var" };
  await on("kw1", "echo precious >/var/lib/data/renamed; sync");
  await site.set({ "vms.kw1.volumes": { var: null, data: disk } });
  const { text } = await pulumi("preview", STACK);
  expect(text).toContain(`kw1.data: takes over the image ${image} of kw1.var with its data`);
  await up();
  await expectNoChanges();
  expect(await on("kw1", "cat /var/lib/data/renamed")).toBe("precious");
  await site.reset();
  await up();
  await expectNoChanges();
  expect(await on("kw1", "cat /var/lib/data/renamed; rm /var/lib/data/renamed")).toBe("precious");
  expect(await on("hv1", "ls /var/lib/pulumi-microvm/volumes")).not.toContain("kw1.data");
}, 400_000);

test("a VM that was switched live is imported as it runs", async () => {
  const flake = new FlakeCopy();
  const base = { flake: flake.reference };
  const kw8 = {
    hypervisor: "hv2",
    profile: "worker",
    ip: "198.18.0.38",
    mac: "02:00:00:00:00:38",
    volumes: { var: { size: "64MiB", onDelete: "delete" } },
  };
  try {
    await site.set({ ...base, "vms.kw8": kw8 });
    await up();
    flake.setPackages({ "lab-app": "1.1" });
    const before = await bootId("kw8");
    await up();
    expect(await bootId("kw8")).toBe(before);
    const vm = "/var/lib/microvms/kw8";
    const links = await on("hv2", `readlink ${vm}/booted ${vm}/current`);
    expect(new Set(links.split("\n")).size).toBe(2);
    for (const [name, { urn }] of [...(await state())].reverse()) {
      if (!/^(MicroVm|Volume|NixClosure) kw8/.test(name)) continue;
      const removed = await pulumi("state", "delete", urn, "--yes", "--force", STACK);
      expect(removed.code).toBe(0);
    }
    await on("hv2", "cd /var/lib/pulumi-microvm && rm vms/kw8.json volumes/kw8.*.json");
    await site.set({ ...base, "vms.kw8": { ...kw8, import: true } });
    await up();
    await expectNoChanges();
    await site.set({ ...base, "vms.kw8": kw8 });
    await up();
    await expectNoChanges();
    expect(await bootId("kw8")).toBe(before);
  } finally {
    await site.reset();
    await up();
    await on("hv2", "rm -rf /var/lib/microvms/kw8");
    flake.remove();
  }
}, 600_000);
