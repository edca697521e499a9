/** Renames a VM and a hypervisor, and renames them back. */
import { z } from "zod";
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  journalEnd,
  mutations,
  on,
  pulumi,
  up,
  STACK,
} from "./lab";

const site = new SiteCopy();
const WRITTEN = "/var/lib/data/renamed";
const fields = z.record(z.string(), z.unknown());

beforeAll(() => site.converge());
afterAll(() => site.restore());

/** The lab's kw1 under another name. */
const named = (name: string, more: object): Record<string, unknown> => ({
  "vms.kw1": undefined,
  [`vms.${name}`]: { ...fields.parse(site.get("vms.kw1")), ...more },
});

test("a renamed VM stops and starts once and keeps its data, also when renamed back", async () => {
  await on("kw1", `echo precious > ${WRITTEN}; sync`);
  const others = [await bootId("kc1"), await bootId("kw2")];
  const before = await bootId("kw1");
  const end = await journalEnd("hv1");
  await site.set(named("kw9", { renamedFrom: "kw1", hostName: "kw1" }));
  const { text } = await pulumi("preview", STACK);
  expect(text).toContain("kw9: renamed from kw1: stops, its directory moves, starts as kw9");
  expect(text).not.toMatch(/\d+ to (create|delete|replace)/);
  expect(await mutations("hv1", end)).toEqual([]);

  await up();
  await expectNoChanges();
  const after = await bootId("kw9");
  expect(after).not.toBe(before);
  expect(await on("kw9", `cat ${WRITTEN}`)).toBe("precious");
  expect(await on("hv1", "ls -d /var/lib/microvms/kw1 2>&1 || true")).toMatch(/No such file/);
  const lines = await mutations("hv1", end);
  expect(lines.filter((line) => /^(renaming|starting) k[^ ]+( to kw9)?$/.test(line))).toEqual([
    "renaming kw1 to kw9",
    "starting kw9",
  ]);

  await site.set({ "vms.kw1": backAs("kw9") });
  await up();
  await expectNoChanges();
  expect(await on("kw1", `cat ${WRITTEN}`)).toBe("precious");
  expect([await bootId("kc1"), await bootId("kw2")]).toEqual(others);
  await on("kw1", `rm ${WRITTEN}`);
  await site.set({ "vms.kw1.volumes": { var: { label: "kw1-var" } } });
  await expectNoChanges();
}, 300_000);

/** The label of its volume and the name of its k0s node do not change. */
const backAs = (renamedFrom: string): object => ({
  ...fields.parse(site.get("vms.kw1")),
  renamedFrom,
  hostName: "kw1",
  volumes: { var: { label: "kw1-var" } },
});

test("a hypervisor is renamed and renamed back while its VM runs", async () => {
  const before = await bootId("kw2");
  const end = await journalEnd("hv2");
  const host = fields.parse(site.get("hypervisors.hv2"));
  await site.set({
    "hypervisors.hv2": undefined,
    "hypervisors.hv9": { ...host, renamedFrom: "hv2" },
    "vms.kw2.hypervisor": "hv9",
  });
  const { text } = await pulumi("preview", STACK);
  expect(text).toContain("hv9: renamed from hv2: on the host only its record changes");
  expect(text).not.toMatch(/\d+ to (create|delete|replace)/);
  await up();
  await expectNoChanges();
  await site.set({ "hypervisors.hv2": { ...host, renamedFrom: "hv9" } });
  await up();
  await expectNoChanges();
  expect(await bootId("kw2")).toBe(before);
  expect(await mutations("hv2", end)).toEqual(["claiming this host", "claiming this host"]);
}, 300_000);
