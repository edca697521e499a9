/**
 * Changes during a probe, which takes no lock, and during an operation whose connection was lost.
 * The tests create the critical moment deterministically.
 */
import * as fs from "node:fs";
import { script } from "../../provider/hosts/transport/script";
import { parseFacts } from "../../provider/hosts/facts/hostFacts";
import type { HostFacts } from "../../provider/hosts/facts/hostFacts";
import { host, storePath, volume } from "./operations";
import { appears, operate, replace as replaceIn, runText } from "./background";
import type { Ended } from "./background";
import { NONCE, Sandbox } from "./sandbox";

jest.setTimeout(60_000);

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

const run = (text: string, parameters: Record<string, string>): Promise<Ended> =>
  runText(box, text, parameters);

/** The facts of a probe. `change` inserts a concurrent step into its text. */
async function probed(change: (text: string) => string = (text) => text): Promise<HostFacts> {
  const { code, output } = await run(change(script("probe", "read")), {});
  expect(`${code ?? "killed"} ${output.slice(-200)}`).toMatch(/^0 [^]*n0nce done\n$/);
  const lines = output.split("\n").filter((line) => line !== "" && !line.startsWith(NONCE));
  return parseFacts("hv1", lines, 0);
}

const replace = (name: string, text: string): void => replaceIn(box, name, text);

/**
 * find has read all names and blocks on its pipe. Then the files that it has not read yet vanish.
 */
const VANISHING = (directory: string): string => `
case "$*" in *${directory}*-printf*) ;; *) exec "$REAL" "$@" ;; esac
pipe=$BOX/pipe.$$
mkfifo "$pipe"
{ sleep 0.5; PATH=$REAL_PATH "$REAL" "$BOX/${directory}" -name 'gone*' -delete; cat; } <"$pipe" &
code=0
"$REAL" "$@" >"$pipe" || code=$?
wait
exit $code`;

describe("objects that vanish during a probe cause no error, and the others are reported", () => {
  test.each<[string, string, (facts: HostFacts) => unknown]>([
    ["a VM's links", "microvms/kc1", (facts) => facts.vms.get("kc1")?.current],
    ["GC roots", "gcroots/pulumi-microvm/kc1", (facts) => facts.closures?.get("kc1")?.["current"]],
  ])("%s", async (_, directory, found) => {
    fs.mkdirSync(box.path(directory), { recursive: true });
    const target = box.moved(storePath("x".repeat(60)));
    fs.writeFileSync(target, "");
    for (let count = 0; count < 2000; count++) {
      fs.symlinkSync(target, box.path(directory, `gone${count}`));
    }
    fs.symlinkSync(target, box.path(directory, "current"));
    replace("find", VANISHING(directory.split("/")[0] ?? ""));
    expect(found(await probed())).toBe(target);
  });

  test("an image", async () => {
    expect(box.run("volume-apply", volume(box))).toMatchObject({ code: 0 });
    fs.copyFileSync(box.path("microvms/kc1/var.img"), box.path("microvms/kc1/a.img"));
    replace("stat", `rm -f "$BOX/microvms/kc1/a.img"; exec "$REAL" "$@"`);
    const { images } = await probed();
    expect([...images.keys()]).toEqual([box.path("microvms/kc1/var.img")]);
  });

  test("a record, and the recorded hardware of a VM", async () => {
    expect(box.run("volume-apply", volume(box))).toMatchObject({ code: 0 });
    fs.mkdirSync(box.path("state/hardware"));
    fs.writeFileSync(box.path("state/hardware/kc1"), `${storePath("runner")} h1\n`);
    const { records } = await probed((text) => {
      const hardware = text.replace("while read -r runner hash", 'rm -f "$file"; $&');
      const both = hardware.replace(
        '[ -f "$1" ] || return 1',
        '$&; case $1 in */kc1.var.json) rm -f "$1" ;; esac',
      );
      expect(both.length).toBeGreaterThan(hardware.length);
      return both;
    });
    expect([...records.keys()]).toEqual([]);
  });

  test("but a file that cannot be read is an error", async () => {
    fs.mkdirSync(box.path("microvms/kc1"));
    replace("find", `echo "find: '$BOX/x': Input/output error" >&2; exit 1`);
    const { code, output } = await run(script("probe", "read"), {});
    expect(code).not.toBe(0);
    expect(output).toContain("Input/output error");
  });
});

describe("an operation whose directory exists before its unit", () => {
  const operation = "0-1";
  const attach = (): Promise<Ended> =>
    run(script("probe", "operate"), { operation, nonce_inner: "inner" });
  const directory = (): string => box.path("run", "operations", operation);
  beforeEach(() => fs.mkdirSync(directory(), { recursive: true }));

  test("is waited for", async () => {
    const attached = attach();
    setTimeout(() => fs.writeFileSync(`${directory()}/output`, "inner done\n"), 1_500);
    const { code, output } = await attached;
    expect(output).toContain(`${NONCE} done\n`);
    expect(code).toBe(0);
  });

  test("has ended if the unit never appears", async () => {
    const { code, output } = await attach();
    expect(code).toBe(1);
    expect(output).toContain(`${NONCE} fail operation\tthe operation ended without a result`);
    fs.writeFileSync(`${directory()}/start`, "no bus\n");
    expect((await attach()).output).toContain("systemd did not start the operation: no bus");
  });
});

test("a new record is on the disk before it replaces the previous one", () => {
  replace("sync", `echo "$1" >>"$BOX/synced"; [ ! -e "$BOX/broken" ] || exit 1`);
  expect(box.run("host-claim", host(box))).toMatchObject({ code: 0 });
  const record = box.path("state/hosts/host.json");
  expect(fs.readFileSync(box.path("synced"), "utf8")).toBe(`${record}.new\n`);
  const before = box.contents();
  box.write("broken", "");
  expect(box.run("host-claim", { ...host(box), record: "{}" }).code).not.toBe(0);
  expect(box.contents()).toEqual(before);
});

describe("two stacks that claim a host at the same time", () => {
  const claim = (stack: string, seconds: number): Promise<Ended> =>
    operate(box, "host-claim", { ...host(box, {}, stack), operation: stack }, seconds);

  /** The first stack has found the host free and writes its record until `go-on` exists. */
  async function inTheMiddle(): Promise<{ first: Promise<Ended> }> {
    replace(
      "sync",
      ': >"$BOX/writing"; while [ -d "$BOX" ] && [ ! -e "$BOX/go-on" ]; do /bin/sleep 0.02; done',
    );
    replace("flock", 'case " $* " in *" -w "*) : >"$BOX/waiting" ;; esac; exec "$REAL" "$@"');
    const first = claim("lab", 30);
    await appears(box, "writing");
    return { first };
  }

  test("the second waits, and its error names the owner", async () => {
    const { first } = await inTheMiddle();
    const second = claim("prod", 30);
    await appears(box, "waiting");
    box.write("go-on", "");
    expect(await first).toMatchObject({ code: 0 });
    const { code, output } = await second;
    expect(code).toBe(1);
    expect(output).toContain("n0nce status waiting for the lock of claims (held by host-claim)");
    expect(output).toMatch(/^n0nce fail owned\tthis host belongs to urn:pulumi:lab::/m);
    expect(box.journal()).toEqual(["lab: claiming this host"]);
  });

  test("the second waits until its deadline at most", async () => {
    const { first } = await inTheMiddle();
    const { code, output } = await claim("prod", 1);
    expect(code).toBe(1);
    expect(output).toMatch(
      /^n0nce fail deadline\ttimed out after 1 s waiting for the lock .*\(held by host-claim\)/m,
    );
    box.write("go-on", "");
    expect(await first).toMatchObject({ code: 0 });
  });
});
