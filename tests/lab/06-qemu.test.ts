/** A real VM: QEMU boots Debian's cloud kernel on hv2, through `MicroVm` and microvm@. */
import { z } from "zod";
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  lab,
  mutations,
  journalAfter,
  journalEnd,
  on,
  preview,
  state,
  until,
  up,
} from "./lab";
import { Gate, killedAt } from "./kill";
import { SELECTION, sampled } from "../selection";

const site = new SiteCopy();
const HOST = "hv2";
const IMAGE = "/var/lib/microvms/kq1/var.img";
const WRITTEN = "/var/lib/data/written";
const MIB = 1024 * 1024;
// Without KVM the processor is emulated, and every SSH login to the guest takes seconds.
jest.setTimeout(600_000);

interface Wanted {
  size?: string;
  memoryTarget?: string;
  restart?: string;
  running?: boolean;
}

/** The lab's site with the VM. The lab's flake uses QEMU for VMs whose name starts with `kq`. */
function kq1({ size = "64MiB", ...more }: Wanted = {}): Record<string, unknown> {
  const volumes = { var: { size, mountPoint: "/var/lib/data", onDelete: "delete" } };
  const network = { ip: "198.18.0.41", mac: "02:00:00:00:00:41" };
  return {
    "vms.kq1": { hypervisor: HOST, vcpu: 1, memory: "256MiB", volumes, ...network, ...more },
  };
}

async function converge(wanted: Wanted): Promise<void> {
  await site.set(kq1(wanted));
  await up();
}

/** QEMU's response to a command without arguments. */
async function qmp(command: string): Promise<unknown> {
  const commands = `'{"execute":"qmp_capabilities"}' '{"execute":"${command}"}'`;
  const socket = "/var/lib/microvms/kq1/kq1.sock";
  const text = await on(HOST, `(printf '%s\\n' ${commands}; sleep 1) | nc -N -U ${socket}`);
  return JSON.parse(text.split("\n").at(-1) ?? "");
}

const balloon = z.object({ return: z.object({ actual: z.number() }) });

/** Waits until QEMU's balloon has this size. It follows a target as the guest releases pages. */
async function awaitMemory(mib: number): Promise<void> {
  let seen = 0;
  await until(`query-balloon to say ${mib} MiB`, 60, async () => {
    seen = balloon.parse(await qmp("query-balloon")).return.actual / MIB;
    return seen === mib ? true : Promise.reject(new Error(`${seen} MiB`));
  });
}

const consoleSince = async (end: string): Promise<string> =>
  (await journalAfter(HOST, end, "_SYSTEMD_UNIT", "microvm@kq1.service")).join("\n");

/** Size of the mounted file system in the guest, MiB. */
async function mountedMiB(): Promise<number> {
  return Number(await on("kq1", "df -m /var/lib/data | awk 'END {print $2}'"));
}

beforeAll(() => site.converge(kq1()));
afterAll(() => site.restore());

test("it boots its own kernel, responds on br0, and has the key from its /etc share", async () => {
  expect(
    await on(HOST, "tr '\\0' ' ' </proc/$(systemctl show -P MainPID microvm@kq1)/cmdline"),
  ).toMatch(/^microvm@kq1 -name kq1 -M q35/);
  const booted = await on("kq1", "cat /proc/sys/kernel/random/boot_id; uname -r; hostname");
  expect(booted).toMatch(/-cloud-amd64\nkq1$/);
  expect(booted).not.toContain(await bootId(HOST));
  expect(await on(HOST, "ip -o link show master br0")).toContain("vm-kq1");
  expect((await lab(["exec", "bash", "-c", ": </dev/tcp/198.18.0.41/22"])).code).toBe(0);
  expect(await on(HOST, "ping -c 1 -W 5 198.18.0.41")).toContain(" 0% packet loss");
  const key = (await state()).get("MicroVm kq1")?.outputs?.["guestHostKey"];
  expect(await on(HOST, "cat /var/lib/microvms/kq1/etc/ssh/ssh_host_ed25519_key.pub")).toContain(
    key,
  );
  await expectNoChanges();
});

test("it stops gracefully, and its volume is read back after the restart", async () => {
  await on("kq1", `echo precious > ${WRITTEN}`);
  const before = await bootId("kq1");
  const end = await journalEnd(HOST);
  await converge({ restart: "1" });
  expect(await bootId("kq1")).not.toBe(before);
  expect(await on("kq1", `cat ${WRITTEN}`)).toBe("precious");
  const said = await consoleSince(end);
  expect(said).toMatch(/kq1: powering off[^]*kq1: volumes are unmounted[^]*kq1: up/);
  expect(said).not.toContain("terminating on signal");
});

describe("memoryTarget", () => {
  const restart = "1";

  test("is applied without a restart and confirmed by query-balloon", async () => {
    const before = await bootId("kq1");
    await site.set(kq1({ restart, memoryTarget: "192MiB" }));
    expect(await preview()).toEqual({ "MicroVm kq1": { op: "update", diff: ["memoryTargetMiB"] } });
    const end = await journalEnd(HOST);
    await up();
    await awaitMemory(192);
    expect(await mutations(HOST, end)).toEqual(["setting the memory target of kq1: 192"]);
    await expectNoChanges();
    expect(await bootId("kq1")).toBe(before);
  });

  test("is applied again when systemd itself restarts the VM", async () => {
    const before = await bootId("kq1");
    await on(HOST, "systemctl kill --signal=KILL --kill-who=main microvm@kq1");
    await until("kq1 comes back", 120, async () => {
      const after = await bootId("kq1");
      return after === before ? undefined : after;
    });
    await awaitMemory(192);
  });

  test("is applied again when the hypervisor boots", async () => {
    const { code, text } = await lab(["reboot", HOST]);
    if (code !== 0) throw new Error(text);
    await until("kq1 comes back", 180, () => bootId("kq1"));
    await awaitMemory(192);
    await expectNoChanges();
  });

  test("that was changed on the host is drift, which up repairs", async () => {
    await on(HOST, "echo 128 >/var/lib/pulumi-microvm/memory/kq1");
    expect(await preview()).toEqual({
      "MicroVm kq1": { op: "update", diff: ["memoryPending", "memoryTargetMiB"] },
    });
    await up();
    await awaitMemory(192);
    await expectNoChanges();
  });

  test("can be removed, and the guest gets all of its memory back", async () => {
    const before = await bootId("kq1");
    await converge({ restart });
    await awaitMemory(256);
    await expectNoChanges();
    expect(await bootId("kq1")).toBe(before);
  });

  test("is a clear error for a VM whose runner has no control socket", async () => {
    await site.set({ ...kq1({ restart }), "vms.kw2.memoryTarget": "128MiB" });
    expect(await failingUp()).toMatch(
      /memory target of kw2 can't be applied: the VMM .* no control socket/,
    );
    await converge({ restart });
    await expectNoChanges();
  });
});

describe(`the provider is killed, and the next up continues (${SELECTION})`, () => {
  const gate = new Gate(HOST);
  beforeAll(() => gate.install());
  afterAll(() => gate.remove());

  const KILLED: [string, Wanted, string][] = [
    ["while the memory target is set", { memoryTarget: "192MiB" }, "setting the memory target"],
    ["while a volume in use grows", { size: "68MiB" }, "growing volume kq1.var"],
    ["after the guest has grown it", { size: "72MiB" }, "the guest grew the file system"],
  ];
  test.each(sampled("qemu", KILLED, 1))("%s", async (_, wanted, text) => {
    const before = await bootId("kq1");
    await site.set(kq1({ restart: "1", size: "64MiB", ...wanted }));
    await killedAt(gate, text);
    await expectNoChanges();
    expect(await bootId("kq1")).toBe(before);
    expect(await on("kq1", `cat ${WRITTEN}`)).toBe("precious");
  });
});

describe("a volume", () => {
  const restart = "1";

  test("grows while its VM runs, also in the guest, and keeps its data", async () => {
    const before = await bootId("kq1");
    await converge({ restart, size: "96MiB" });
    expect(await on(HOST, `stat -c %s ${IMAGE}`)).toBe(String(96 * MIB));
    expect(await mountedMiB()).toBeGreaterThan(80);
    expect(await on("kq1", `cat ${WRITTEN}`)).toBe("precious");
    await expectNoChanges();
    expect(await bootId("kq1")).toBe(before);
  });

  test("of an unreachable guest stays `growing`, and the next up finishes it", async () => {
    const before = await bootId("kq1");
    await on("kq1", "mv /root/.ssh/authorized_keys /root/.ssh/kept");
    await site.set(kq1({ restart, size: "128MiB" }));
    const text = await failingUp();
    expect(text).toMatch(
      /volume kq1\.var has its new size, but guest kq1 could not grow .* refused every key/,
    );
    expect(text).toMatch(/The next up tries again/);
    const record = "/var/lib/pulumi-microvm/volumes/kq1.var.json";
    expect(await on(HOST, `cat ${record}`)).toContain('"phase":"growing"');
    expect((await preview())["Volume kq1-var"]?.diff).toContain("status");
    await on(HOST, "systemctl restart microvm@kq1");
    await until("kq1 comes back", 120, async () => {
      const after = await bootId("kq1");
      return after === before ? undefined : after;
    });
    expect(await mountedMiB()).toBeLessThan(96);
    await up();
    expect(await mountedMiB()).toBeGreaterThan(110);
    expect(await on("kq1", `cat ${WRITTEN}`)).toBe("precious");
    await expectNoChanges();
  });

  test("of a stopped VM passes e2fsck afterwards", async () => {
    await converge({ restart, size: "128MiB", running: false });
    expect(await on(HOST, `e2fsck -f -n ${IMAGE} >/dev/null 2>&1; echo $?`)).toBe("0");
    expect(
      await on(HOST, `dumpe2fs -h ${IMAGE} 2>/dev/null | grep -c 'needs_recovery' || true`),
    ).toBe("0");
  });
});
