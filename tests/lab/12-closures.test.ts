/** Closures: evaluated once; all are built and copied before a VM is changed. */
import { CountedNix } from "../nix/countedNix";
import {
  FlakeCopy,
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  journalEnd,
  mutations,
  on,
  preview,
  pulumi,
  up,
  STACK,
} from "./lab";

const VMS = ["kc1", "kw1", "kw2"];

const site = new SiteCopy();
const flake = new FlakeCopy();
const useFlake = (): Promise<void> => site.set({ flake: flake.reference });

beforeAll(() => site.converge());
beforeEach(async () => {
  flake.reset();
  await useFlake();
});
afterAll(async () => {
  await site.restore();
  flake.remove();
});

const hostOf = (vm: string): string => (vm === "kw2" ? "hv2" : "hv1");
const rootOf = (vm: string): Promise<string> =>
  on(hostOf(vm), `readlink /nix/var/nix/gcroots/pulumi-microvm/${vm}/runner`);
const currentOf = (vm: string): Promise<string> =>
  on(hostOf(vm), `readlink /var/lib/microvms/${vm}/current`);
const installed = (): Promise<string[]> => Promise.all(VMS.map(currentOf));
const boots = (): Promise<string[]> => Promise.all(VMS.map(bootId));

/** The engine's diagnostics of each failed resource, and of the program. */
function failures(text: string): string[] {
  return text
    .slice(text.indexOf("\nDiagnostics:"))
    .split(/\n {2}(?=\S)/)
    .filter((told) => /\n {4}error: /.test(told) && !told.includes("error: update failed"));
}

/** The diagnostics of kw1's closure contain one error, which matches `words`. */
const onlyError = (words: string): unknown =>
  expect.stringMatching(
    new RegExp(`NixClosure \\(kw1\\):\\n {4}error: 1 error occurred:\\n\\s+\\* ${words}`, "s"),
  );

test("a second run evaluates nothing", async () => {
  const nix = new CountedNix();
  try {
    flake.insert("flake.nix", "{\n", `  # ${Date.now()}\n`);
    expect(await preview()).toEqual({});
    expect(nix.processes()).toEqual(["flake", "eval"]);
    expect(await preview()).toEqual({});
    expect(nix.processes()).toEqual(["flake"]);
  } finally {
    nix.remove();
  }
});

test("packages alone cause no change; with a change of the closure they are shown", async () => {
  // Changes only the flake's output, not a system.
  const tell = (version: string): void =>
    flake.insert(
      "flake.nix",
      "inherit packages;\n          }\n",
      `          // { packages.hello = "${version}"; }\n`,
    );
  tell("2.12");
  await expectNoChanges();
  await up();
  flake.reset();
  tell("2.13");
  await expectNoChanges();
  flake.changeRunners();
  const before = await boots();
  const { text } = await pulumi("preview", "--diff", STACK);
  expect(text).toMatch(
    /kw1: closure (\/nix\/store\/\S+) -> (?!\1)\/nix\/store\/\S+; packages: hello 2\.12 -> 2\.13$/m,
  );
  expect(text).toMatch(/~ hello: "2\.12" => "2\.13"/);
  expect(await boots()).toEqual(before);
});

test("a flake that does not evaluate is one error, and nothing is changed", async () => {
  const ends = await Promise.all(["hv1", "hv2"].map(journalEnd));
  flake.insert("flake.nix", "pulumiMicrovm = {", " version =");
  const text = await failingUp();
  expect(failures(text)).toEqual([
    expect.stringMatching(
      new RegExp(
        "^pulumi:pulumi:Stack .*\\n {4}error: path:\\S+ could not be evaluated:\\n" +
          " {4}error: syntax error, .*flake\\.nix:\\d+:\\d+",
        "s",
      ),
    ),
  ]);
  expect(await mutations("hv1", ends[0] ?? "")).toEqual([]);
  expect(await mutations("hv2", ends[1] ?? "")).toEqual([]);
});

describe("a runner that does not build", () => {
  // The build is slow, so that other VMs would be restarted first if nothing prevented it.
  const broken =
    'if [ "$machineName" = kw1 ]; then sleep 15; echo no such kernel module >&2; exit 3; fi';

  test("fails the run with its log; no VM changes, but other closures are copied", async () => {
    const before = await boots();
    const runners = await installed();
    flake.changeRunners(broken);
    const text = await failingUp();
    expect(failures(text)).toEqual([
      onlyError("kw1: building on this machine: nix-store ended with code .*no such kernel module"),
    ]);
    expect(await boots()).toEqual(before);
    expect(await installed()).toEqual(runners);
    expect(await rootOf("kc1")).not.toBe(runners[0]);
    expect(await rootOf("kw2")).not.toBe(runners[2]);
  });

  test("with --continue-on-error the other VMs converge", async () => {
    const [kc1, kw1, kw2] = await installed();
    const boot = await bootId("kw1");
    flake.changeRunners(broken);
    // The SDK adds an error of the program for resources that were not registered.
    expect(failures(await failingUp("--continue-on-error"))).toContainEqual(
      expect.stringMatching(/NixClosure \(kw1\):\n.*no such kernel module/s),
    );
    expect(await currentOf("kw1")).toBe(kw1);
    expect(await bootId("kw1")).toBe(boot);
    expect(await currentOf("kc1")).not.toBe(kc1);
    expect(await currentOf("kw2")).not.toBe(kw2);
    await site.reset();
    await up();
  });
});

test("a full disk during a copy to a host is one error, and no VM changes", async () => {
  await on(
    "hv1",
    "mkdir -p /run/small && mount -t tmpfs -o size=4m tmpfs /run/small && " +
      "mkdir /run/small/upper /run/small/work && mount -t overlay -o " +
      "lowerdir=/nix/store,upperdir=/run/small/upper,workdir=/run/small/work overlay /nix/store",
  );
  try {
    const before = await boots();
    const runners = await installed();
    flake.changeRunners(
      'if [ "$machineName" = kw1 ]; then head -c 8M /dev/urandom >"$out.big"; ' +
        'mkdir -p "$out"; mv "$out.big" "$out/big"; fi',
    );
    const text = await failingUp();
    const found = failures(text);
    // kc1 is copied to the same disk. It fails too if that is at the same moment.
    for (const one of found) expect(one).toMatch(/No space left on device/);
    expect(found).toContainEqual(
      onlyError("hv1: copying kw1 to it: nix ended with code .*No space left on device"),
    );
    expect(await boots()).toEqual(before);
    expect(await installed()).toEqual(runners);
  } finally {
    // Removes the paths on the small disk from the Nix database.
    await on(
      "hv1",
      "umount /nix/store && umount /run/small; nix-store --verify 2>/dev/null || true",
    );
  }
});
