/** Everyday use: first and second `up`, start, stop and restart of VMs, reboot of a host. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  lab,
  mutations,
  journalEnd,
  on,
  preview,
  pulumi,
  state,
  until,
  up,
  STACK,
} from "./lab";

const site = new SiteCopy();
const VMS = { kc1: "hv1", kw1: "hv1", kw2: "hv2" } as const;
const NAMES = ["kc1", "kw1", "kw2"] as const;

beforeAll(() => site.converge());
afterAll(() => site.release());

async function bootIds(): Promise<Record<string, string>> {
  const pairs = await Promise.all(
    NAMES.map(async (vm): Promise<[string, string]> => [vm, await bootId(vm)]),
  );
  return Object.fromEntries(pairs);
}

/** All files that a preview could change on a host. */
function snapshot(host: string): Promise<string> {
  return on(
    host,
    "find /var/lib/microvms /var/lib/pulumi-microvm /nix/var/nix/gcroots -xdev " +
      "-not -path '*/run/*' -printf '%p %y %m %u %s %T@ %l\\n' | grep -v 'var.img' | sort; " +
      "find /var/lib/microvms -name '*.img' -printf '%p %s\\n' | sort; ls /nix/store",
  );
}

const hostKeyFile = (vm: string): string =>
  `/var/lib/microvms/${vm}/etc/ssh/ssh_host_ed25519_key.pub`;

test("VMs are active, and guests answer SSH through br0 with the pinned key", async () => {
  const resources = await state();
  for (const vm of NAMES) {
    expect(await on(VMS[vm], `systemctl is-active microvm@${vm}`)).toBe("active");
    const key = resources.get(`MicroVm ${vm}`)?.outputs?.["guestHostKey"];
    const shown = await lab([
      "exec",
      "ssh-keyscan",
      "-t",
      "ed25519",
      String(site.get(`vms.${vm}.ip`)),
    ]);
    expect(shown.stdout).toContain(key);
    expect(await on(vm, "hostname")).toBe(vm);
  }
});

test("the stack outputs describe each VM", async () => {
  const { stdout } = await pulumi("stack", "output", "--json", STACK);
  const outputs: unknown = JSON.parse(stdout);
  for (const vm of NAMES) {
    expect(outputs).toMatchObject({
      vms: {
        [vm]: {
          address: site.get(`vms.${vm}.ip`),
          hypervisor: VMS[vm],
          running: true,
          stale: false,
          runner: await on(VMS[vm], `readlink /var/lib/microvms/${vm}/current`),
          guestHostKey: await on(VMS[vm], `cat ${hostKeyFile(vm)} | cut -d ' ' -f 1-2`),
        },
      },
    });
  }
});

test("a second preview and a second up have no changes", async () => {
  const boots = await bootIds();
  const before = [await snapshot("hv1"), await snapshot("hv2")];
  const end = await journalEnd("hv1");
  await expectNoChanges();
  expect(await preview()).toEqual({});
  expect([await snapshot("hv1"), await snapshot("hv2")]).toEqual(before);
  expect(await up()).toMatch(/Resources:\s+\d+ unchanged/);
  expect(await mutations("hv1", end)).toEqual([]);
  expect(await bootIds()).toEqual(boots);
});

test("a preview with changes does not change the host", async () => {
  const before = await snapshot("hv1");
  await site.set({ "vms.kw1.running": false, "profiles.controller.memory": "320MiB" });
  expect(Object.keys(await preview()).sort()).toEqual([
    "Hypervisor hv1",
    "MicroVm kc1",
    "MicroVm kw1",
    "NixClosure kc1",
  ]);
  expect(await snapshot("hv1")).toBe(before);
  await site.reset();
});

test("a memory change in a profile restarts only the VMs of the profile", async () => {
  const boots = await bootIds();
  await site.set({ "profiles.worker.memory": "208MiB" });
  await up();
  const after = await bootIds();
  expect(after["kc1"]).toBe(boots["kc1"]);
  expect(after["kw1"]).not.toBe(boots["kw1"]);
  expect(after["kw2"]).not.toBe(boots["kw2"]);
  await site.reset();
  await up();
  await expectNoChanges();
});

test("a closure can be built on the host, without a copy in the operator's store", async () => {
  const before = await bootId("kw2");
  // A size whose closure does not exist yet.
  const memory = `${200 + Math.floor(Math.random() * 100)}MiB`;
  await site.set({ "hypervisors.hv2.build": "host", "vms.kw2.memory": memory });
  await up();
  expect(await bootId("kw2")).not.toBe(before);
  const runner = await on("hv2", "readlink /var/lib/microvms/kw2/current");
  expect(await on("hv2", `nix-store --check-validity ${runner} && echo valid`)).toBe("valid");
  expect((await lab(["exec", "nix-store", "--check-validity", runner])).code).not.toBe(0);
  await expectNoChanges();
  await site.reset();
  await up();
});

test("running: false stops a VM, true starts it, and restart restarts it", async () => {
  await site.set({ "vms.kw1.running": false });
  await up();
  expect(await on("hv1", "systemctl is-active microvm@kw1 || true")).toBe("inactive");
  await expectNoChanges();
  await site.reset();
  await up();
  const boots = await bootIds();
  await site.set({ "vms.kw1.restart": "again" });
  expect(await preview()).toEqual({ "MicroVm kw1": { op: "update", diff: ["restart"] } });
  const end = await journalEnd("hv1");
  await up();
  expect(await mutations("hv1", end)).toEqual(["restarting kw1"]);
  const after = await bootIds();
  expect(after["kw1"]).not.toBe(boots["kw1"]);
  expect(after["kc1"]).toBe(boots["kc1"]);
  await site.reset();
  await up();
});

test("adding and removing a VM does not affect other VMs", async () => {
  const boots = await bootIds();
  await site.set({
    "vms.kw3": {
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.33",
      mac: "02:00:00:00:00:33",
      volumes: {
        var: { size: "64MiB", fsType: "ext4", mountPoint: "/var/lib/data", onDelete: "delete" },
      },
    },
  });
  await up();
  expect(await on("kw3", "hostname")).toBe("kw3");
  await site.reset();
  await up();
  expect(
    await on(
      "hv2",
      "ls /var/lib/microvms/kw3 2>/dev/null; ls /nix/var/nix/gcroots/microvm | grep kw3 || true",
    ),
  ).toBe("etc");
  expect(await on("hv2", "systemctl is-active microvm@kw3 || true")).toBe("inactive");
  expect(await bootIds()).toEqual(boots);
  await expectNoChanges();
});

test("a rebooted hypervisor starts its VMs, and the next up has no changes", async () => {
  await site.set({ "vms.kw1.running": false });
  await up();
  const before = await bootId("kc1");
  const { code, text } = await lab(["reboot", "hv1"]);
  if (code !== 0) throw new Error(text);
  const after = await until("kc1 comes back", 120, () => bootId("kc1"));
  expect(after).not.toBe(before);
  await expectNoChanges();
  expect(await on("hv1", "systemctl is-active microvm@kw1 || true")).toBe("inactive");
  await site.reset();
  await up();
}, 300_000);
