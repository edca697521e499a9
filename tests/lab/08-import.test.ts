/** Import: adopts running VMs in microvm.nix's layout that no stack has created. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  on,
  preview,
  pulumi,
  state,
  up,
  STACK,
} from "./lab";

const site = new SiteCopy();
const kw8 = {
  hypervisor: "hv2",
  profile: "worker",
  ip: "198.18.0.38",
  mac: "02:00:00:00:00:38",
  volumes: {
    var: { size: "64MiB", mountPoint: "/var/lib/data", onDelete: "delete" },
    extra: { size: "16MiB", image: "/var/lib/extra/kw8.img", onDelete: "delete" },
  },
};

beforeAll(async () => {
  await site.converge({ "vms.kw8": kw8 });
  await forget();
});

afterAll(async () => {
  await site.reset();
  await up();
  await on("hv2", "rm -rf /var/lib/microvms/kw8");
  await site.release();
});

/**
 * Leaves the VM as `microvm -c` would: without a record, without state, without a toplevel link.
 */
async function forget(): Promise<void> {
  for (const [name, { urn }] of [...(await state())].reverse()) {
    if (!name.endsWith(" kw8") && !name.includes(" kw8-")) continue;
    if (name.startsWith("pulumi-microvm")) continue;
    const { code, text } = await pulumi("state", "delete", urn, "--yes", "--force", STACK);
    if (code !== 0) throw new Error(text);
  }
  await on(
    "hv2",
    "cd /var/lib/pulumi-microvm && rm vms/kw8.json volumes/kw8.*.json autostart/kw8 && " +
      "rm -r /nix/var/nix/gcroots/pulumi-microvm/kw8 /var/lib/microvms/kw8/toplevel",
  );
}

test("without import: true the VM is refused, and the error names the remedy", async () => {
  const text = await failingUp();
  expect(text).toMatch(/hv2: volume kw8\.var .* exists, and no stack recorded making it/);
  expect(text).toMatch(/import: true/);
});

test("import: true adopts the VM and its volumes without a stop of the VM", async () => {
  const before = await bootId("kw8");
  await site.set({ "vms.kw8": { ...kw8, import: true } });
  const planned = await preview();
  expect(planned["MicroVm kw8"]?.op).toMatch(/import|update/);
  expect(await on("hv2", "ls /var/lib/pulumi-microvm/vms")).not.toContain("kw8");
  await up();
  await expectNoChanges();
  expect(await bootId("kw8")).toBe(before);
  expect((await state()).get("MicroVm kw8")?.outputs).toMatchObject({
    running: true,
    ownership: "owned",
  });
  expect((await state()).get("Volume kw8-extra")?.outputs).toMatchObject({
    sizeMiB: 16,
    status: "ready",
  });

  // Other changes of the VM in the site are applied only after import: true is removed.
  await site.set({ "vms.kw8": { ...kw8, import: true, restart: "later", memory: "208MiB" } });
  await up();
  expect(await bootId("kw8")).toBe(before);
  await site.set({ "vms.kw8": kw8 });
  await up();
  expect(await bootId("kw8")).toBe(before);
  await site.set({ "vms.kw8": { ...kw8, restart: "now" } });
  await up();
  expect(await bootId("kw8")).not.toBe(before);
  await expectNoChanges();
}, 400_000);

test("a VM that does not run its installed runner is not imported", async () => {
  await site.set({ "vms.kw8": kw8 });
  await forget();
  const before = await bootId("kw8");
  await on(
    "hv2",
    "cd /var/lib/microvms/kw8 && cp -P current keep && ln -sfn $(readlink ../kw2/current) current",
  );
  await site.set({ "vms.kw8": { ...kw8, import: true } });
  expect(await failingUp()).toMatch(/hv2\/kw8 runs .* it can't be imported as it is/);
  await on("hv2", "cd /var/lib/microvms/kw8 && mv -T keep current");
  await up();
  expect(await bootId("kw8")).toBe(before);
  await expectNoChanges();
}, 400_000);

test("an import is undone in the state, as the guide says; the VM goes on running", async () => {
  const running = "systemctl show --property InvocationID --property ActiveState microvm@kw8";
  const before = await on("hv2", running);
  expect(before).toContain("ActiveState=active");
  const all = await state();
  for (const name of ["MicroVm kw8", "NixClosure kw8", "Volume kw8-var", "Volume kw8-extra"]) {
    const { code, text } = await pulumi(
      "state",
      "delete",
      all.get(name)?.urn ?? "",
      "--yes",
      STACK,
    );
    expect(code === 0 ? "" : text).toBe("");
  }
  await site.reset();
  await up();
  await expectNoChanges();
  expect(await on("hv2", running)).toBe(before);

  // The records on the hypervisor are still those of this stack.
  await site.set({ "vms.kw8": { ...kw8, import: true } });
  await up();
  expect(await on("hv2", running)).toBe(before);
}, 400_000);
