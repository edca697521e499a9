/**
 * Locks, slots and holds of operations that run at the same time. Work on the same object waits,
 * work on another object does not, and nothing starts a VM while an operation works on its image.
 */
import * as fs from "node:fs";
import { appears, operate, wrap } from "./background";
import { urn, ours, system, vm, volume } from "./operations";
import { openRecord } from "../../provider/ownership";
import { Sandbox } from "./sandbox";

jest.setTimeout(120_000);

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

/** A second VM beside kc1. */
function otherVm(more: Record<string, string> = {}): Record<string, string> {
  const owner = urn("lab", "kw1");
  const record = openRecord(owner, { running: true, restart: "" });
  return { ...vm(), name: "kw1", owner: ours(owner), record, ...more };
}

const UNTIL_GO_ON = 'while [ -d "$BOX" ] && [ ! -e "$BOX/go-on" ]; do /bin/sleep 0.02; done';

/** The next start of kc1 blocks until `go-on` exists. `starting` exists as soon as it has begun. */
function slowStart(): void {
  const wait = `: >"$BOX/starting"; ${UNTIL_GO_ON}`;
  wrap(
    box,
    "systemctl",
    `case "$*" in "start microvm@kc1.service") ${wait} ;; esac
exec "$STUB" "$@"`,
  );
}

describe("locks", () => {
  test("a VM starts while another VM of its host starts", async () => {
    slowStart();
    const first = operate(box, "microvm-apply", vm());
    await appears(box, "starting");
    expect(await operate(box, "microvm-apply", otherVm())).toMatchObject({ code: 0 });
    box.write("go-on", "");
    expect(await first).toMatchObject({ code: 0 });
  });

  test("work on the same VM waits and reports the holder of the lock", async () => {
    slowStart();
    const first = operate(box, "microvm-apply", vm());
    await appears(box, "starting");
    const { code, output } = await operate(box, "microvm-apply", vm({ known: "yes" }), 1);
    expect(code).toBe(1);
    expect(output).toMatch(/^n0nce waiting$/m);
    expect(output).toContain("n0nce status waiting for the lock of vm.kc1 (held by microvm-apply)");
    expect(output).toMatch(/fail deadline\ttimed out after 1 s waiting for the lock of vm\.kc1/);
    box.write("go-on", "");
    expect(await first).toMatchObject({ code: 0 });
  });

  test("a reboot of the host waits for the work on its VMs, and a switch does not", async () => {
    const parameters = system(box);
    slowStart();
    const first = operate(box, "microvm-apply", vm());
    await appears(box, "starting");
    const { output } = await operate(box, "system-reboot", parameters, 1);
    expect(output).toMatch(/fail deadline\ttimed out after 1 s waiting for the lock of host/);
    // The rollback of an unconfirmed switch does not wait either, because the host may be
    // unreachable.
    expect(await operate(box, "system-switch", parameters, 1)).toMatchObject({ code: 0 });
    const back = await operate(box, "system-switch", { ...parameters, step: "roll-back" }, 1);
    expect(back).toMatchObject({ code: 0 });
    box.write("go-on", "");
    expect(await first).toMatchObject({ code: 0 });
  });
});

describe("slots", () => {
  const uptime = (): number => Number(fs.readFileSync("/proc/uptime", "utf8").split(".")[0]);
  function take(name: string, seconds: number): void {
    fs.mkdirSync(box.path("run/slots"), { recursive: true });
    box.write(`run/slots/${name}`, `${uptime() + seconds}\n`);
  }
  const two = { parallelism: "2" };

  test("a start waits while all slots are in use, and names their holders", async () => {
    take("a", 600);
    take("b", 600);
    const { code, output } = await operate(box, "microvm-apply", vm(two), 1);
    expect(code).toBe(1);
    expect(output).toMatch(/status waiting for one of 2 slots \(used by a b\)$/m);
    expect(output).toMatch(/fail deadline\ttimed out after 1 s waiting for one of 2 slots/);
    expect(box.contents()["units/microvm@kc1.service"]).toBeUndefined();
  });

  test("a start ignores slots that have expired and its own slot", async () => {
    take("a", 600);
    take("b", -1);
    take("kc1", 600);
    expect(await operate(box, "microvm-apply", vm(two), 1)).toMatchObject({ code: 0 });
  });

  test("a start holds its slot until its guest responds", () => {
    expect(box.run("microvm-apply", vm(two))).toMatchObject({ code: 0 });
    expect(fs.readdirSync(box.path("run/slots"))).toEqual(["kc1"]);
    expect(box.run("microvm-settle", vm({ ...two, outcome: "confirmed" }))).toMatchObject({
      code: 0,
    });
    expect(fs.readdirSync(box.path("run/slots"))).toEqual([]);
  });

  test("a failed start and a stop release their slots", () => {
    wrap(box, "systemctl", '[ "$1" != start ] || exit 1; exec "$STUB" "$@"');
    expect(box.run("microvm-apply", vm(two))).toMatchObject({ code: 1 });
    expect(fs.readdirSync(box.path("run/slots"))).toEqual([]);
    wrap(box, "systemctl", 'exec "$STUB" "$@"');
    expect(box.run("microvm-apply", vm(two))).toMatchObject({ code: 0 });
    expect(box.run("microvm-remove", vm(two))).toMatchObject({ code: 0 });
    expect(fs.readdirSync(box.path("run/slots"))).toEqual([]);
  });

  test("a change that does not affect a running VM needs no slot", async () => {
    expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
    expect(box.run("microvm-settle", vm({ outcome: "confirmed" }))).toMatchObject({ code: 0 });
    take("a", 600);
    take("b", 600);
    const nothing = { ...two, known: "yes", update: "nothing" };
    expect(await operate(box, "microvm-apply", vm(nothing), 1)).toMatchObject({ code: 0 });
  });
});

describe("a stopped VM whose image grows", () => {
  const larger = (): Record<string, string> => volume(box, { bytes: "131072", known: "yes" });
  const hold = "state/held/kc1/kc1.var";
  const unit = "units/microvm@kc1.service";
  beforeEach(() => {
    expect(box.run("volume-apply", volume(box))).toMatchObject({ code: 0 });
    expect(box.run("microvm-apply", vm({ running: "no" }))).toMatchObject({ code: 0 });
  });

  test("cannot be started by anything until the growth ends", async () => {
    wrap(box, "e2fsck", `: >"$BOX/checking"; ${UNTIL_GO_ON}; exec "$STUB" "$@"`);
    const growth = operate(box, "volume-apply", larger());
    await appears(box, "checking");
    expect(fs.existsSync(box.path(hold))).toBe(true);
    // Like the autostart unit, or a person.
    const start = await operate(box, "microvm-apply", vm({ known: "yes" }), 1);
    expect(start.output).toMatch(/fail deadline\t.* the lock of vm\.kc1/);
    box.write("go-on", "");
    expect(await growth).toMatchObject({ code: 0 });
    expect(fs.existsSync(box.path(hold))).toBe(false);
    expect(box.run("microvm-apply", vm({ known: "yes" }))).toMatchObject({ code: 0 });
    expect(fs.existsSync(box.path(unit))).toBe(true);
  });

  test("stays held after a crash until the next run has finished the work", () => {
    wrap(box, "resize2fs", "kill -KILL 0");
    expect(box.run("volume-apply", larger()).killed).toBe(true);
    expect(fs.existsSync(box.path(hold))).toBe(true);
    const start = box.run("microvm-apply", vm({ known: "yes" }));
    expect(start.code).toBe(1);
    expect(start.output).toMatch(/did not start: .* prevents it \(kc1\.var \)\tRun up again/);
    expect(fs.existsSync(box.path(unit))).toBe(false);
    wrap(box, "resize2fs", 'exec "$STUB" "$@"');
    expect(box.run("volume-apply", larger())).toMatchObject({ code: 0 });
    expect(fs.existsSync(box.path(hold))).toBe(false);
    expect(box.run("microvm-apply", vm({ known: "yes" }))).toMatchObject({ code: 0 });
    expect(fs.existsSync(box.path(unit))).toBe(true);
  });

  test("waits for a queued job of the VM before the work begins", async () => {
    box.write("job", "7\n");
    const growth = operate(box, "volume-apply", larger());
    await appears(box, hold);
    // The job ran before the condition could prevent it.
    box.write(unit, "");
    box.write("job", "0\n");
    const { code, output } = await growth;
    expect(code).toBe(1);
    expect(output).toMatch(/can't grow while its VM runs/);
    expect(fs.existsSync(box.path(hold))).toBe(false);
  });

  test("is refused if the host's unit lacks the condition", () => {
    wrap(box, "systemctl", '[ "$1" != cat ] || exit 0; exec "$STUB" "$@"');
    const before = box.contents();
    const { code, output } = box.run("volume-apply", larger());
    expect(code).toBe(1);
    expect(output).toMatch(/fail operation\tmicrovm@kc1\.service has no condition/);
    expect(box.contents()).toEqual(before);
  });
});

describe("a volume that leaves the site while its VM runs", () => {
  beforeEach(() => {
    expect(box.run("volume-apply", volume(box))).toMatchObject({ code: 0 });
    expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
  });

  test.each(["trash", "delete"])("is removed (%s) if its image is not in use", (kept) => {
    expect(box.run("volume-remove", volume(box, { on_delete: kept }))).toMatchObject({ code: 0 });
    expect(fs.existsSync(box.path("microvms/kc1/var.img"))).toBe(false);
    expect(fs.existsSync(box.path("state/held/kc1"))).toBe(false);
  });

  test.each(["trash", "delete"])("is kept (%s) if a process has the image open", (kept) => {
    const open = fs.openSync(box.path("microvms/kc1/var.img"), "r");
    try {
      const { code, output } = box.run("volume-remove", volume(box, { on_delete: kept }));
      expect(code).toBe(1);
      expect(output).toMatch(/fail operation\tvolume kc1\.var .* is in use/);
      expect(fs.existsSync(box.path("microvms/kc1/var.img"))).toBe(true);
      expect(fs.existsSync(box.path("state/held/kc1"))).toBe(false);
    } finally {
      fs.closeSync(open);
    }
  });

  test("is kept if a loop device uses the image", () => {
    wrap(box, "losetup", 'echo "/dev/loop0: []: ($2)"');
    const { output } = box.run("volume-remove", volume(box, { on_delete: "delete" }));
    expect(output).toMatch(/fail operation\tvolume kc1\.var .* is in use/);
  });

  test("is retained without a check with onDelete: retain", () => {
    const open = fs.openSync(box.path("microvms/kc1/var.img"), "r");
    expect(box.run("volume-remove", volume(box))).toMatchObject({ code: 0 });
    fs.closeSync(open);
  });
});
