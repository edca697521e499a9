/** Objects that two stacks claim, and parameters that contain shell commands. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import {
  closure,
  guestSystem,
  host,
  ours,
  rename,
  sharedHost,
  system,
  vm,
  volume,
} from "./operations";
import { Sandbox } from "./sandbox";

jest.setTimeout(120_000);

let box: Sandbox;
beforeEach(() => (box = new Sandbox()));
afterEach(() => box.remove());

type Make = (box: Sandbox, more: Record<string, string>, stack: string) => Record<string, string>;

const THINGS: [string, string, string, Make][] = [
  ["volume", "volume-apply", "volume-remove", volume],
  ["VM", "microvm-apply", "microvm-remove", (_, more, stack) => vm(more, stack)],
  ["closure", "closure-apply", "closure-remove", (_, more, stack) => closure(more, stack)],
  ["host", "host-claim", "host-release", host],
];

describe.each(THINGS)("a %s that another stack claims", (_, apply, remove, make) => {
  const prod = { known: "yes", on_delete: "delete" };

  test("does not change, and the error names the owner", () => {
    expect(box.run(apply, make(box, {}, "lab")).code).toBe(0);
    const before = { contents: box.contents(), journal: box.journal() };
    for (const script of [apply, remove]) {
      const ran = box.run(script, make(box, prod, "prod"));
      expect(ran.code).toBe(1);
      expect(ran.output).toMatch(/^n0nce fail owned\t.* belongs to urn:pulumi:lab::/);
      expect({ contents: box.contents(), journal: box.journal() }).toEqual(before);
    }
    expect(box.run(remove, make(box, { on_delete: "delete" }, "lab")).code).toBe(0);
    expect(box.run(apply, make(box, {}, "prod")).code).toBe(0);
  });

  test("is recognized as ours if the name has quotes, backslashes and patterns", () => {
    for (const odd of ['a"b', "a\\b", "a*b", "[a]", 'x","urn":"y']) {
      const record = (stack: string): Record<string, string> => {
        const { record: text = "", owner = "" } = make(box, {}, stack);
        const named = ours(`urn:pulumi:${stack}::${odd}`);
        return { owner: named, record: text.replace(owner, () => named) };
      };
      const mine = make(box, record("lab"), "lab");
      expect(box.run(apply, mine)).toMatchObject({ code: 0 });
      expect(box.run(apply, mine)).toMatchObject({ code: 0 });
      expect(box.run(remove, make(box, { ...record("prod"), ...prod }, "prod")).code).toBe(1);
      const gone = { ...record("lab"), on_delete: "delete" };
      expect(box.run(remove, make(box, gone, "lab"))).toMatchObject({ code: 0 });
    }
  });
});

describe("a shared host", () => {
  const file = (stack: string): string => `state/hosts/${sharedHost(box, {}, stack)["name"]}.json`;
  const claimed = (): string[] => readdirSync(box.path("state/hosts")).sort();

  test("has one claim per stack, and each stack removes only its own", () => {
    for (const stack of ["lab", "prod"]) {
      expect(box.run("host-claim", sharedHost(box, {}, stack))).toMatchObject({ code: 0 });
    }
    expect(claimed()).toHaveLength(2);
    expect(box.run("host-release", sharedHost(box, {}, "lab"))).toMatchObject({ code: 0 });
    expect(existsSync(box.path(file("lab")))).toBe(false);
    expect(existsSync(box.path(file("prod")))).toBe(true);
  });

  test("is refused as stale if another stack was faster", () => {
    const prod = sharedHost(box, {}, "prod");
    expect(box.run("host-claim", sharedHost(box, {}, "lab"))).toMatchObject({ code: 0 });
    const before = { contents: box.contents(), journal: box.journal() };
    const { code, output } = box.run("host-claim", prod);
    expect(code).toBe(1);
    expect(output).toMatch(/^n0nce fail stale\tanother stack changed its claim/);
    expect({ contents: box.contents(), journal: box.journal() }).toEqual(before);
  });

  test.each([
    ["becomes shared", host, sharedHost],
    ["becomes exclusive", sharedHost, host],
  ])("%s: the stack replaces its own claim", (_, first, second) => {
    expect(box.run("host-claim", first(box))).toMatchObject({ code: 0 });
    expect(box.run("host-claim", second(box))).toMatchObject({ code: 0 });
    expect(claimed()).toEqual([`${second(box)["name"]}.json`]);
  });

  test("is refused while another stack has an exclusive claim", () => {
    expect(box.run("host-claim", host(box, {}, "lab"))).toMatchObject({ code: 0 });
    const { output } = box.run("host-claim", sharedHost(box, {}, "prod"));
    expect(output).toMatch(/^n0nce fail owned\tthis host belongs to urn:pulumi:lab::/);
    expect(claimed()).toEqual(["host.json"]);
  });
});

describe("a reboot of a host", () => {
  const rebootOf = (stack: string): string => {
    expect(box.run("system-switch", system(box)).code).toBe(0);
    expect(box.run("system-confirm", system(box)).code).toBe(0);
    expect(box.run("microvm-apply", vm({}, stack)).code).toBe(0);
    const before = box.contents();
    const { code, output } = box.run("system-reboot", system(box));
    if (code === 0) return "rebooted";
    expect(box.contents()).toEqual(before);
    return output;
  };

  test("is refused while a VM of another stack runs", () => {
    expect(rebootOf("prod")).toMatch(
      /^n0nce fail owned\t.*VMs of other stacks run there: kc1 \(urn:pulumi:prod::/,
    );
    box.run("microvm-apply", vm({ running: "no", known: "yes" }, "prod"));
    expect(box.run("system-reboot", system(box)).code).toBe(0);
  });

  test("stops the VMs of its own stack", () => {
    expect(rebootOf("lab")).toBe("rebooted");
  });
});

test("a record without an owner is refused too", () => {
  expect(box.run("microvm-apply", vm()).code).toBe(0);
  box.write("state/vms/kc1.json", "{}\n");
  expect(box.run("microvm-apply", vm()).output).toMatch(/^n0nce fail foreign\t.*names no owner/);
});

/** Values that contain a command. Each would run it through another kind of quoting mistake. */
const HOSTILE: ((command: string) => string)[] = [
  (command) => `$(${command})\`${command}\`; ${command}; x | ${command} &`,
  (command) => `'; ${command}; '"; ${command}; "`,
  (command) => `-e *[!a]? a]=1 $((x[$(${command})])) \u2028é\\`,
];

describe.each(
  THINGS.flatMap(([, apply, remove, make]): [string, string, Make][] => [
    [apply, apply, make],
    [remove, apply, make],
  ]),
)("%s", (name, apply, make) => {
  test("executes no value of any parameter", () => {
    const canary = box.path("canary");
    const parameters = make(box, {}, "lab");
    if (name !== apply) box.run(apply, parameters);
    box.save();
    for (const key of Object.keys(parameters)) {
      for (const wrap of HOSTILE) {
        box.restore();
        box.run(name, { ...parameters, [key]: wrap(`: >${canary}`) });
        expect({ key, executed: existsSync(canary) }).toEqual({ key, executed: false });
      }
    }
  });
});

/** The other scripts, with valid parameters and the state that they require. */
const OTHERS: [string, () => Record<string, string>][] = [
  [
    "microvm-settle",
    () => {
      box.run("microvm-apply", vm());
      return vm({ outcome: "confirmed" });
    },
  ],
  [
    "microvm-rename",
    () => {
      box.run("volume-apply", volume(box));
      box.run("microvm-apply", vm());
      return rename();
    },
  ],
  [
    "volume-grown",
    () => {
      box.run("volume-apply", volume(box));
      return volume(box);
    },
  ],
  [
    "operate",
    () => {
      mkdirSync(box.path("run", "operations", "op"), { recursive: true });
      box.write("run/operations/op/output", "inner done\n");
      return { operation: "op", nonce_inner: "inner", seconds: "9" };
    },
  ],
  [
    "image",
    () => {
      box.run("volume-apply", volume(box));
      return { image: box.path("microvms", "kc1", "var.img") };
    },
  ],
  ["journal-tail", () => ({ name: "kc1" })],
  [
    "guest-switch",
    () => {
      box.install(guestSystem(box, "a"));
      const toplevel = guestSystem(box, "b");
      const closureInfo = box.path("store", "info");
      mkdirSync(closureInfo);
      writeFileSync(`${closureInfo}/registration`, "");
      const seconds = { switch_seconds: "9", confirm_seconds: "9" };
      return { toplevel, closure_info: closureInfo, reported: "no", by: "provider", ...seconds };
    },
  ],
];

test.each(OTHERS)("%s executes no value of any parameter", (name, prepare) => {
  const canary = box.path("canary");
  const parameters = prepare();
  box.save();
  expect(box.run(name, parameters).output).toMatch(/n0nce done\n$/);
  for (const key of Object.keys(parameters)) {
    for (const wrap of HOSTILE) {
      box.restore();
      box.run(name, { ...parameters, [key]: wrap(`: >${canary}`) });
      expect({ key, executed: existsSync(canary) }).toEqual({ key, executed: false });
    }
  }
});

/** These scripts stop early, because the guest's devices and links do not exist. */
test.each<[string, Record<string, string>]>([
  ["guest-grow", { label: "kc1-var", bytes: "65536" }],
  ["guest-confirm", { toplevel: "/x" }],
])("%s executes no value of any parameter", (name, parameters) => {
  const canary = box.path("canary");
  for (const key of Object.keys(parameters)) {
    for (const wrap of HOSTILE) {
      expect(box.run(name, { ...parameters, [key]: wrap(`: >${canary}`) }).code).not.toBe(0);
      expect({ key, executed: existsSync(canary) }).toEqual({ key, executed: false });
    }
  }
});

/** A separate test, because a system on trial cannot be removed. */
test("the system of another stack does not change, and the error names the owner", () => {
  expect(box.run("system-switch", system(box)).code).toBe(0);
  const before = { contents: box.contents(), journal: box.journal() };
  for (const name of ["switch", "confirm", "default", "reboot", "settle", "remove"]) {
    const ran = box.run(`system-${name}`, system(box, {}, "prod"));
    expect(ran.code).toBe(1);
    expect(ran.output).toMatch(/^n0nce fail owned\t.* belongs to urn:pulumi:lab::/);
    expect({ contents: box.contents(), journal: box.journal() }).toEqual(before);
  }
});

test.each(["switch", "confirm", "default", "reboot", "settle", "remove"])(
  "system-%s executes no value of any parameter",
  (name) => {
    const canary = box.path("canary");
    const parameters = system(box);
    if (name !== "switch") box.run("system-switch", parameters);
    box.save();
    for (const key of Object.keys(parameters)) {
      for (const wrap of HOSTILE) {
        box.restore();
        box.run(`system-${name}`, { ...parameters, [key]: wrap(`: >${canary}`) });
        expect({ key, executed: existsSync(canary) }).toEqual({ key, executed: false });
      }
    }
  },
);

describe("input that a lost connection cuts off", () => {
  test("is not run, whether the script or its parameters are incomplete", () => {
    expect(box.run("microvm-apply", vm(), 0, 0.5)).toMatchObject({ steps: 0 });
    for (const part of [0.1, 0.3, 0.6, 0.9, 0.999]) {
      const ran = box.run("microvm-apply", vm(), 0, 1, part);
      expect(ran.code).not.toBe(0);
      expect(ran).toMatchObject({ steps: 0 });
    }
    expect(box.contents()).toEqual({});
  });
});
