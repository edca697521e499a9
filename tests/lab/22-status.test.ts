/** `pulumi-microvm status`, `purge`, `validate` and `doctor` against real hosts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Status } from "../../cli/report/status";
import { PROJECT, SiteCopy, journalEnd, lab, mutations, on, pulumi, up, STACK } from "./lab";
import type { Ended } from "./lab";

const site = new SiteCopy();
const MAIN = join(PROJECT, "bin", "cli", "main.js");

beforeAll(() => site.converge());
afterAll(() => site.restore());

const program = (...words: string[]): Promise<Ended> =>
  lab(["exec", process.execPath, MAIN, STACK, ...words]);

async function status(): Promise<{ code: number; found: Status }> {
  const { code, stdout } = await program("status", "--json");
  // The test compares its parts.
  const found = z.custom<Status>((value) => typeof value === "object").parse(JSON.parse(stdout));
  return { code, found };
}

test("nothing to tell, then a VM that was stopped by hand; status changes nothing", async () => {
  const end = await journalEnd("hv1");
  expect(await status()).toMatchObject({ code: 0, found: { isFine: true, orphans: [] } });
  await on("hv1", "systemctl stop microvm@kw1");
  try {
    const { code, found } = await status();
    expect(code).toBe(5);
    expect(found.vms.map(({ name, condition, drifted }) => [name, condition, drifted])).toEqual([
      ["kc1", "ok", []],
      ["kw1", "drifted", ["running"]],
      ["kw2", "ok", []],
    ]);
    expect((await program("status")).stdout).toMatch(/kw1 +hv1 +stopped +drifted: running/);
    expect(await mutations("hv1", end)).toEqual([]);
  } finally {
    await on("hv1", "systemctl start microvm@kw1");
  }
});

test("a hypervisor that is away", async () => {
  const route = (verb: string): Promise<unknown> =>
    lab(["exec", "ip", "route", verb, "unreachable", "198.18.0.12/32"]);
  await route("add");
  try {
    const { code, found } = await status();
    expect(code).toBe(5);
    expect(found.hypervisors.map(({ name, state }) => [name, state])).toEqual([
      ["hv1", "ok"],
      ["hv2", "unreachable"],
    ]);
    expect(found.vms.find(({ name }) => name === "kw2")).toMatchObject({
      condition: "unread",
      running: null,
    });
    const { code: doctor, stdout } = await program("doctor");
    expect(doctor).toBe(5);
    expect(stdout).toMatch(/hv2: hv2 \(198\.18\.0\.12:22\): can't be reached/);
  } finally {
    await route("del");
  }
});

describe("what no state knows", () => {
  const image = "/var/lib/microvms/kw2/var.img";

  test("a retained volume is listed, and removed only if its name is given again", async () => {
    await site.set({ "vms.kw2": undefined });
    await up();
    const { code, found } = await status();
    expect(code).toBe(5);
    expect(found.orphans).toEqual([
      {
        host: "hv2",
        kind: "volume",
        name: "kw2.var",
        text: `a retained volume, 64 MiB: ${image}`,
      },
    ]);
    for (const [words, exit] of [
      [["kw1.var", "--confirm", "kw1.var"], 1],
      [["kw2.var", "--confirm", "kw2"], 2],
      [["kw2.var"], 2],
    ] as const) {
      expect((await program("purge", ...words)).code).toBe(exit);
    }
    await on("hv2", `test -e ${image}`);

    const purged = await program("purge", "kw2.var", "--confirm", "kw2.var");
    expect(purged.text).toContain("hv2: volume kw2.var was removed");
    expect(purged.code).toBe(0);
    await on("hv2", `test ! -e ${image} && test ! -e /var/lib/pulumi-microvm/volumes/kw2.var.json`);
    expect((await status()).found.isFine).toBe(true);
  });

  test("a running VM is listed, and stopped and removed", async () => {
    await site.reset();
    await up();
    const { stdout } = await pulumi("stack", "--show-urns", STACK);
    const urn = /urn:\S+\$microvm:index:MicroVm::kw2/.exec(stdout)?.[0] ?? "";
    expect((await pulumi("state", "delete", urn, "--yes", STACK)).code).toBe(0);
    expect((await status()).found.orphans).toMatchObject([
      { host: "hv2", kind: "VM", name: "kw2", text: "a running VM" },
    ]);
    expect((await program("purge", "kw2", "--confirm", "kw2")).code).toBe(0);
    await on("hv2", "! systemctl is-active microvm@kw2 && test ! -e /var/lib/microvms/kw2/current");
    // Its volume is in the state, and was not touched.
    await on("hv2", `test -e ${image}`);
  });
});

test("validate: the site and the flake; all faults of a site at once", async () => {
  expect((await program("validate")).stdout).toMatch(/no fault\n.*: evaluates, 3 VMs/);
  // The guides copy it to the user's fallback.
  const written = readFileSync(join(PROJECT, ".site", ".validate", "site.json"), "utf8");
  expect(JSON.parse(written)).toHaveProperty("hypervisors.hv1.nic", "eno1");
  await site.set({ "vms.kw1.ip": "192.0.3.31", "vms.kc1.memory": "a lot" });
  const { code, text } = await program("validate");
  expect(code).toBe(5);
  expect(text).toMatch(/vms\.kw1\.ip: /);
  expect(text).toMatch(/vms\.kc1\.memory: /);
  await site.reset();
});
