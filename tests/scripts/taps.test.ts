/** The facts of a probe about the taps and the VMM of a running VM, and how taps are connected. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseFacts } from "../../provider/hosts/facts/hostFacts";
import type { HostFacts } from "../../provider/hosts/facts/hostFacts";
import { tapsOf } from "../../provider/resources/machines/tap";
import { vm } from "./operations";
import { Sandbox } from "./sandbox";

jest.setTimeout(120_000);

let box: Sandbox;
let runner: string;
beforeEach(() => {
  box = new Sandbox();
  runner = box.path("store", "runner");
  mkdirSync(join(runner, "share", "microvm"), { recursive: true });
  writeFileSync(join(runner, "share", "microvm", "tap-interfaces"), "vm-kc1\n");
  replace("ip", IP);
  expect(box.run("microvm-apply", vm({ runner })).code).toBe(0);
  links("br0 up", "eno1 up br0", "vm-kc1 up br0");
});
afterEach(() => box.remove());

/** `ip` with its interfaces in a file: name, state, and the bridge if it is a port of one. */
const IP = `
show() {
  case $1 in br*) is=yes ;; *) is=no ;; esac
  [ "$want" = all ] || [ "$is" = yes ] || return 0
  if [ "$2" = up ]; then flags=BROADCAST,MULTICAST,UP,LOWER_UP; else flags=BROADCAST,MULTICAST; fi
  name=$1
  case $1 in veth*) name=$1@if2 ;; esac
  rest="qdisc noqueue \${3:+master $3 }state UNKNOWN mode DEFAULT group default"
  echo "7: $name: <$flags> mtu 1500 $rest"
}
case $* in
  '-o link show') want=all ;;
  '-o link show type bridge') want=bridge ;;
  'link show dev '*) grep -q "^$4 " "$BOX/links"; exit ;;
  'link set dev '*' master '*' up')
    grep -q "^$6 " "$BOX/links" || {
      echo "Error: argument \\"$6\\" is wrong: Device does not exist" >&2
      exit 1
    }
    sed -i "s/^$4 .*/$4 up $6/" "$BOX/links"; exit ;;
esac
while read -r name state master; do show "$name" "$state" "$master"; done <"$BOX/links"
`;

function replace(name: string, text: string): void {
  writeFileSync(box.path("bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

const links = (...lines: string[]): void => box.write("links", `${lines.join("\n")}\n`);

function probe(): string[] {
  box.write("run/operations/op/output", "inner done\n");
  return box.run("operate", { operation: "op", nonce_inner: "inner" }).output.split("\n");
}

function facts(): HostFacts {
  return parseFacts("hv1", probe(), 0);
}

const taps = (): string[] => tapsOf(facts(), facts().vms.get("kc1"));
const journal = (): string[] => box.journal().filter((line) => line.includes("connecting"));

describe("a probe", () => {
  test("says of which bridge a tap is a port, and which bridges there are", () => {
    expect(taps()).toEqual(["br0"]);
    expect(facts().bridges).toEqual(new Map([["br0", { up: true, ports: ["eno1", "vm-kc1"] }]]));
  });

  test.each([
    ["is a port of none", "vm-kc1 up", ["none"]],
    ["is a port of another bridge", "vm-kc1 up br1", ["br1"]],
    ["is down", "vm-kc1 down br0", ["down"]],
    ["is missing", "vm-kc10 up br0", ["missing"]],
  ])("says if a tap %s", (_, line, expected) => {
    links("br0 up", "br1 down", line);
    expect(taps()).toEqual(expected);
  });

  test("reads the names of interfaces with a peer, and ports that a name is the start of", () => {
    links("br0 up", "veth1 up br0", "vm-kc1-x up br0", "vm-kc1 up");
    expect(taps()).toEqual(["none"]);
    expect(facts().bridges?.get("br0")?.ports).toEqual(["veth1", "vm-kc1-x"]);
  });

  test("knows nothing of taps if it could not read the interfaces", () => {
    replace("ip", "exit 1");
    expect(probe()).toContain("silent\tbridges");
    expect(taps()).toEqual([]);
  });

  test("looks only into runners of the store", () => {
    const elsewhere = box.path("microvms", "kc1", "own");
    mkdirSync(join(elsewhere, "share", "microvm"), { recursive: true });
    writeFileSync(join(elsewhere, "share", "microvm", "tap-interfaces"), "br0\n");
    const booted = box.path("microvms", "kc1", "booted");
    rmSync(booted);
    symlinkSync(elsewhere, booted);
    expect(taps()).toEqual([]);
  });

  test("starts as many processes for two taps as for one", () => {
    const log = box.path("calls");
    const counted = (): number => {
      rmSync(log, { force: true });
      for (const name of ["ip", "grep", "sed", "find", "awk"]) {
        const real = name === "ip" ? IP : `PATH=$REAL_PATH exec ${name} "$@"`;
        replace(name, `[ -e "$BOX/inner" ] || echo ${name} >>"$BOX/calls"\n${real}`);
      }
      probe();
      return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
    };
    const withTaps = (text: string): number => {
      writeFileSync(join(runner, "share", "microvm", "tap-interfaces"), text);
      return counted();
    };
    // On a busy machine single counts differ by one. A process for each tap would never give 0.
    const differences = Array.from({ length: 5 }, () => {
      const one = withTaps("vm-kc1\n");
      expect(one).toBeGreaterThan(2);
      return withTaps("vm-kc1 vm-kc2\nvm-kc3\n") - one;
    });
    expect(differences).toContain(0);
    expect(taps()).toEqual(["br0", "missing", "missing"]);
  });

  describe("of a VMM", () => {
    let vmm: ChildProcess | undefined;
    afterEach(() => vmm?.kill());

    /** A process with these arguments is what microvm@kc1 runs. */
    function run(...words: string[]): void {
      vmm = spawn("/bin/sh", ["-c", "while :; do sleep 1; done", "vmm", ...words]);
      const real = readFileSync(box.path("bin", "systemctl"), "utf8");
      const pid = String(vmm.pid ?? 0);
      replace(
        "systemctl",
        real.replace(
          "'Id=%s\\nActiveState=%s\\n\\n'",
          `'MainPID=${pid}\\nId=%s\\nActiveState=%s\\n\\n'`,
        ),
      );
    }

    test.each([
      [["-qmp", "unix:kc1.sock"], "qemu"],
      [["--api-socket", "kc1.sock"], "cloud-hypervisor"],
      [["-name", "x-qmp"], undefined],
    ])("%j: it is %s", (words, expected) => {
      run(...words);
      expect(facts().vms.get("kc1")?.vmm).toBe(expected);
    });
  });

  test("says whether the runner has a balloon", () => {
    expect(facts().vms.get("kc1")?.hasBalloon).toBeUndefined();
    mkdirSync(join(runner, "bin"));
    writeFileSync(join(runner, "bin", "microvm-balloon"), "", { mode: 0o755 });
    expect(facts().vms.get("kc1")?.hasBalloon).toBe(true);
  });
});

describe("microvm-apply", () => {
  const connect = (more: Record<string, string> = {}) =>
    box.run(
      "microvm-apply",
      vm({ runner, known: "yes", update: "nothing", bridge: "br0", ...more }),
    );

  test.each([["vm-kc1 up"], ["vm-kc1 down br0"], ["vm-kc1 up br1"]])(
    "connects a tap again without a restart: %s",
    (line) => {
      links("br0 up", "br1 up", line);
      expect(connect()).toMatchObject({ code: 0 });
      expect(taps()).toEqual(["br0"]);
      expect(journal()).toEqual(["op: connecting vm-kc1 of kc1 to br0"]);
      expect(box.journal().join()).not.toContain("restarting");
    },
  );

  test("leaves taps alone if it is not told to connect them", () => {
    links("br0 up", "vm-kc1 up");
    expect(connect({ bridge: "" })).toMatchObject({ code: 0 });
    expect(taps()).toEqual(["none"]);
  });

  test("fails if the bridge does not take it", () => {
    links("vm-kc1 up");
    const { code, output } = connect();
    expect(code).toBe(1);
    expect(output).toMatch(
      /fail operation\tvm-kc1 of VM kc1 was not connected to br0: .*not exist/,
    );
  });

  test("records where the guest is with the wanted system and the one that runs", () => {
    const line = (name: string, ip: string): string => `${box.path("store", name)} ${ip} kc1`;
    const file = (): string[] =>
      readFileSync(box.path("state", "guests", "kc1"), "utf8")
        .trim()
        .split("\n");
    mkdirSync(box.path("microvms", "kc1", "etc", "pulumi-microvm"), { recursive: true });
    symlinkSync(box.path("store", "a"), box.path("microvms/kc1/etc/pulumi-microvm/system"));
    const of = (name: string, ip: string) =>
      connect({ toplevel: box.path("store", name), guest: line(name, ip), bridge: "" });
    expect(of("a", "192.0.2.1").code).toBe(0);
    expect(of("b", "192.0.2.2").code).toBe(0);
    expect(file()).toEqual([line("b", "192.0.2.2"), line("a", "192.0.2.1")]);
    expect(of("c", "192.0.2.3").code).toBe(0);
    // The guest still runs `a`; `b` was never more than installed.
    expect(file()).toEqual([
      line("c", "192.0.2.3"),
      line("b", "192.0.2.2"),
      line("a", "192.0.2.1"),
    ]);
    const said = line("a", "192.0.2.9");
    rmSync(box.path("state", "guests", "kc1"));
    expect(connect({ guest: line("d", "192.0.2.4"), running_guest: said, bridge: "" }).code).toBe(
      0,
    );
    expect(file()).toEqual([line("d", "192.0.2.4"), said]);
  });
});
