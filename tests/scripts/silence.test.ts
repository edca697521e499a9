/**
 * systemd does not respond for a moment, for example while it re-executes: that is never a fact.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { vm } from "./operations";
import { Sandbox } from "./sandbox";

jest.setTimeout(120_000);

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

/** This number of systemctl calls fails without a response. */
const silence = (calls: number): void => box.write("silent", `${calls}\n`);
const left = (): number => Number(readFileSync(box.path("silent"), "utf8"));

/** The facts of a probe by kind, and its other lines. */
function probe(): string[] {
  box.write("run/operations/op/output", "inner done\n");
  const { output } = box.run("operate", { operation: "op", nonce_inner: "inner" });
  return output.split("\n");
}

function replace(name: string, text: string): void {
  writeFileSync(box.path("bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** Units that are installed and enabled. */
const UNITS = `multi-user.target static -
microvm@.service linked -
pulumi-microvm-autostart.service enabled enabled`;

describe("a probe", () => {
  beforeEach(() => {
    expect(box.run("microvm-apply", vm()).code).toBe(0);
    box.write("units/libvirtd.socket", "");
    replace("virsh", "");
  });

  test("retries and reports the same facts", () => {
    const facts = (lines: string[]): string[] =>
      lines.filter((line) => /^(libvirtd|unit|active|invocation)\t/.test(line));
    const whole = facts(probe());
    expect(whole).toContain("libvirtd\tactive\tactive");
    expect(whole).toContain("active\tmicrovm@kc1.service\tactive");
    for (const calls of [1, 2, 3]) {
      silence(calls);
      expect(facts(probe())).toEqual(whole);
      expect(left()).toBe(0);
    }
  });

  test("reports unknown if there is still no response", () => {
    const real = readFileSync(box.path("bin/systemctl"), "utf8");
    replace("systemctl", `case $1 in is-active | list-unit-files) exit 1 ;; esac\n${real}`);
    const lines = probe();
    expect(lines).toContain("silent\tlibvirtd");
    expect(lines).toContain("silent\tunits");
    expect(lines.some((line) => /^(unit|libvirtd)\t/.test(line))).toBe(false);
    expect(lines).toContain("probed");
  });

  test("accepts a host without the units", () => {
    const lines = probe();
    expect(lines).toContain("unit\tpulumi-microvm-autostart.service\t");
    expect(lines.some((line) => line.startsWith("silent\t"))).toBe(false);
    replace("systemctl", `[ "$1" != list-unit-files ] || { echo '${UNITS}'; exit 0; }\nexit 3`);
    expect(probe()).toContain("unit\tmicrovm@.service\tinstalled");
  });

  test("never reports a VM with an unknown state as stopped", () => {
    const real = readFileSync(box.path("bin/systemctl"), "utf8");
    replace("systemctl", `[ "$1" != list-units ] || exit 1\n${real}`);
    expect(probe().join("\n")).toMatch(
      /^n0nce fail operation\tthe host did not answer: systemctl list-units\t/m,
    );
  });

  test("retries libvirtd unless it exceeds its time limit", () => {
    const tries = (text: string): { answers: boolean; tries: number } => {
      box.write("tries", "");
      replace("virsh", `echo >>"$BOX/tries"\n${text}`);
      const answers = probe().includes("libvirtd\tanswers\tyes");
      return { answers, tries: readFileSync(box.path("tries"), "utf8").length };
    };
    expect(tries('[ "$(wc -l <"$BOX/tries")" -gt 2 ]')).toEqual({ answers: true, tries: 3 });
    expect(tries("exit 1")).toEqual({ answers: false, tries: 5 });
    expect(tries("exit 124")).toEqual({ answers: false, tries: 1 });
  });

  describe("of closures", () => {
    const root = (): string => `${box.path("store")}/${"0".repeat(32)}-runner`;
    const INVALID = (): string => `invalid\t${root()}`;
    const ofClosures = (): string[] =>
      probe().filter((line) => /^(closure|invalid|silent\tclosures)/.test(line));

    beforeEach(() => {
      mkdirSync(box.path("gcroots/pulumi-microvm/kc1"), { recursive: true });
      writeFileSync(root(), "");
      symlinkSync(root(), box.path("gcroots/pulumi-microvm/kc1/runner"));
    });

    test("asks nix-store again", () => {
      replace("nix-store", `[ -e "$BOX/asked" ] || { : >"$BOX/asked"; exit 1; }\necho '${root()}'`);
      expect(ofClosures()).toEqual([`closure\tkc1/runner\t${root()}`, INVALID()]);
    });

    test("says if nix-store does not answer, instead of valid paths", () => {
      replace("nix-store", "exit 1");
      expect(ofClosures()).toContain("silent\tclosures");
    });

    test("is not confused by a root that is no store path", () => {
      symlinkSync("/etc", box.path("gcroots/pulumi-microvm/kc1/other"));
      replace("nix-store", `case $* in *' /etc'*) exit 1 ;; esac`);
      expect(ofClosures().sort()).toEqual([
        "closure\tkc1/other\t/etc",
        `closure\tkc1/runner\t${root()}`,
        "invalid\t/etc",
      ]);
    });
  });

  test("reports that the bridges could not be read", () => {
    replace("ip", "exit 1");
    expect(probe()).toContain("silent\tbridges");
  });

  test("lists file systems with sizes, except those that cannot contain images", () => {
    replace(
      "df",
      `echo 'Avail Filesystem Mounted on'
echo '5 /dev/sda1 /'
echo '7 /dev/sdb1 /data/a:b c'
echo '- /dev/sdc1 /hidden'
echo '9 tmpfs /run/user/0'`,
    );
    expect(probe().filter((line) => line.startsWith("file-system"))).toEqual([
      "file-system\t/dev/sda1\t/\t5",
      "file-system\t/dev/sdb1\t/data/a:b c\t7",
    ]);
  });
});

describe("an operation", () => {
  test.each([1, 2, 3, 4])("continues after %d calls without a response", (calls) => {
    silence(calls);
    expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
    expect(left()).toBe(0);
    silence(calls);
    expect(box.run("microvm-remove", vm())).toMatchObject({ code: 0 });
    expect(left()).toBe(0);
  });

  test("fails if systemd never reports the state of a VM, and starts nothing", () => {
    silence(1000);
    const { code, output } = box.run("microvm-apply", vm());
    expect(code).toBe(1);
    expect(output).toMatch(/fail operation\tthe host did not answer: systemctl is-active\t/);
    expect(box.journal().join()).not.toContain("starting");
  });

  test("waits for the job of a request whose response was lost", () => {
    const real = readFileSync(box.path("bin/systemctl"), "utf8");
    replace(
      "systemctl",
      `if [ "$1" = start ] && [ ! -e "$BOX/lost" ]; then
  : >"$BOX/lost"
  echo 'Failed to wait for response: Connection reset by peer' >&2
  exit 1
fi
${real}`,
    );
    expect(box.run("microvm-apply", vm())).toMatchObject({ code: 0 });
    expect(box.contents()["microvms/kc1/booted"]).toMatch(/^-> /);
  });

  test("does not retry a unit that failed", () => {
    const real = readFileSync(box.path("bin/systemctl"), "utf8");
    replace(
      "systemctl",
      `[ "$1" != start ] || { echo >>"$BOX/starts"; echo 'Job for it failed.' >&2; exit 1; }\n` +
        real,
    );
    expect(box.run("microvm-apply", vm()).output).toContain("did not start");
    expect(readFileSync(box.path("starts"), "utf8")).toBe("\n");
  });
});
