/** A VM that does not start after a change is rolled back to its previous runner. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  mutations,
  journalEnd,
  on,
  state,
  up,
} from "./lab";

const site = new SiteCopy();
beforeAll(async () => {
  await site.converge();
  await on("kw1", "echo kept > /var/lib/data/rolled-back; sync");
});
afterAll(() => site.restore());

async function expectRolledBack(change: Record<string, unknown>, cause: RegExp): Promise<void> {
  const runner = await on("hv1", "readlink /var/lib/microvms/kw1/current");
  const others = await bootId("kc1");
  const before = await bootId("kw1");
  const end = await journalEnd("hv1");
  await site.set(change);
  const text = await failingUp();
  expect(text).toMatch(cause);
  expect(text).toContain(`rolled back to ${runner}`);

  expect(await on("hv1", "readlink /var/lib/microvms/kw1/current")).toBe(runner);
  expect(await on("hv1", "readlink /var/lib/microvms/kw1/booted")).toBe(runner);
  expect(await on("kw1", "cat /var/lib/data/rolled-back")).toBe("kept");
  expect(await bootId("kw1")).not.toBe(before);
  expect(await bootId("kc1")).toBe(others);
  expect((await state()).get("MicroVm kw1")?.outputs).toMatchObject({ runner, status: "ready" });
  expect(await mutations("hv1", end)).toContain(`rolling kw1 back to ${runner}`);

  // The site equals the running state again, so there are no changes.
  await site.reset();
  await up();
  expect(await on("hv1", "readlink /var/lib/microvms/kw1/booted")).toBe(runner);
  await expectNoChanges();
}

/** A share below a file: the VMM fails. */
const IMPOSSIBLE = { source: "/srv/empty", mountPoint: "/usr/bin/env/lost" };

test("its unit fails", async () => {
  await on("hv1", "mkdir -p /srv/empty");
  await expectRolledBack(
    { "vms.kw1.shares": { lost: IMPOSSIBLE }, "vms.kw1.startTimeout": "40s" },
    /cannot create directory .*Not a directory/,
  );
}, 400_000);

test("its guest does not answer in time", async () => {
  await on("hv1", "mkdir -p /srv/empty");
  await expectRolledBack(
    {
      // An empty directory hides the guest's sshd: the unit is active, but SSH does not answer.
      "vms.kw1.shares": { empty: { source: "/srv/empty", mountPoint: "/usr/sbin" } },
      "vms.kw1.startTimeout": "60s",
    },
    // The last part is the end of the unit's journal.
    new RegExp(
      "kw1 did not come up with .*rolled back to .*and answers again" +
        ".*did not answer in \\d+ s: [^\\n]*\\n.*Failed to start ssh\\.service",
      "s",
    ),
  );
}, 400_000);

test("if a new VM does not start, the error shows its journal", async () => {
  await on("hv2", "mkdir -p /srv/empty");
  await site.set({
    "vms.kw9": {
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.39",
      mac: "02:00:00:00:00:39",
      volumes: { var: { size: "64MiB", mountPoint: "/var/lib/data", onDelete: "delete" } },
      shares: { lost: IMPOSSIBLE },
      startTimeout: "20s",
    },
  });
  expect(await failingUp()).toMatch(/kw9.*Not a directory/s);
  // It is in the state, so that the next run can continue or remove it.
  expect((await state()).get("MicroVm kw9")).toBeDefined();
  await site.reset();
  await up();
  await expectNoChanges();
  expect(
    await on("hv2", "ls /var/lib/pulumi-microvm/vms /var/lib/pulumi-microvm/volumes"),
  ).not.toContain("kw9");
  await on("hv2", "rm -rf /var/lib/microvms/kw9");
}, 400_000);
