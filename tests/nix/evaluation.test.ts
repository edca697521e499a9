/** The evaluation by the program with the real Nix: its cache and its error messages. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { evaluateSite } from "../../components/evaluation/evaluate";
import type { Run } from "../../components/evaluation/nix";
import { loadSite } from "../../site/load";
import type { SiteModel, SystemModel } from "../../site/model";
import { Workplace, flakeText, run } from "./flakes";
import { repository } from "./nix";

const lab = loadSite(join(repository, "stacks", "lab.yaml"));
let at: Workplace;
let model: SiteModel;

beforeEach(() => {
  at = new Workplace();
  model = { ...lab, flake: `path:${at.flake}` };
});
afterEach(() => at.remove());

const evaluated = async (site = model, directory = at.site) =>
  (await evaluateSite(site, directory, run)).machines;

/** The Nix processes that one more evaluation starts. */
async function processesOf(site = model, directory = at.site): Promise<string[]> {
  at.nix.processes();
  await evaluated(site, directory);
  return at.nix.processes();
}

const ANEW = ["flake", "eval"];
const KEPT = ["flake"];

function command(program: string, args: string[], directory = at.flake): string {
  const result = spawnSync(program, args, { cwd: directory, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** A Nix process of another test may hold the same path for some seconds. */
async function collected(path: string): Promise<void> {
  for (const deadline = Date.now() + 40_000; ;) {
    try {
      command("nix-store", ["--delete", path]);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((wake) => setTimeout(wake, 500));
    }
  }
}

function git(...args: string[]): string {
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  return command("git", [...who, ...args]);
}

function onlyKept(): string {
  const files = readdirSync(at.cache);
  expect(files).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.json$/)]);
  return join(at.cache, files[0] ?? "");
}

describe("a cached evaluation", () => {
  test("serves the second pass with one Nix process that does not evaluate", async () => {
    const first = await evaluated();
    expect(at.nix.processes()).toEqual(ANEW);
    expect(Object.keys(first)).toEqual(["kc1", "kw1", "kw2"]);
    expect(first["kw1"]).toMatchObject({ packages: { hello: "2.12" }, liveSwitch: false });
    expect(await evaluated()).toEqual(first);
    expect(at.nix.processes()).toEqual(KEPT);
  });

  test("depends on the content of site.json, not on its path or time", async () => {
    await evaluated();
    const other = join(at.directory, "elsewhere");
    mkdirSync(other);
    writeFileSync(join(other, "site.json"), readFileSync(join(at.site, "site.json")));
    utimesSync(join(other, "site.json"), 1, 1);
    expect(await processesOf(model, other)).toEqual(KEPT);
  });

  test("is not used for another site, flake or input", async () => {
    const vms = model.vms.map((vm) => (vm.name === "kw1" ? { ...vm, vcpu: vm.vcpu + 1 } : vm));
    const before = await evaluated();
    const after = await evaluated({ ...model, vms });
    expect(after["kw1"]?.runner).not.toEqual(before["kw1"]?.runner);
    expect(after["kw2"]).toEqual(before["kw2"]);

    at.write(flakeText("deployment name // { liveSwitch = true; }"));
    expect((await evaluated())["kw1"]?.liveSwitch).toBe(true);
    // The flake could read this file.
    writeFileSync(join(at.site, "more"), "");
    expect(await processesOf()).toEqual(ANEW);
  });

  test("belongs to the inspected content, also if files change before the evaluation", async () => {
    const before = await evaluated();
    at.write(`# anew\n${flakeText()}`);
    const racing: Run = async (text, environment) => {
      const printed = await run(text, environment);
      if (text.includes(" flake metadata ")) {
        at.write(flakeText("deployment name // { liveSwitch = true; }"));
        writeFileSync(join(at.site, "site.json"), '{"machines":{}}');
      }
      return printed;
    };
    expect((await evaluateSite(model, at.site, racing, racing)).machines).toEqual(before);
    expect((await evaluated())["kw1"]?.liveSwitch).toBe(true);
  });

  test("is not used for another nix", async () => {
    await evaluated();
    utimesSync(at.nix.file, 1, 1);
    expect(await processesOf()).toEqual(ANEW);
  });

  test.each([
    ["truncated", (text: string) => text.slice(0, -1)],
    ["empty", () => ""],
    ["not as documented", (text: string) => text.replaceAll("drvPath", "path")],
  ])("that is %s is evaluated again and replaced", async (_, spoil) => {
    const first = await evaluated();
    const file = onlyKept();
    const text = readFileSync(file, "utf8");
    writeFileSync(file, spoil(text));
    at.nix.processes();
    expect(await evaluated()).toEqual(first);
    expect(at.nix.processes()).toEqual(ANEW);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("is invalid after a derivation was collected; the evaluation creates it again", async () => {
    const drvPath = (await evaluated())["kw1"]?.toplevel.drvPath ?? "";
    await collected(drvPath);
    expect(existsSync(drvPath)).toBe(false);
    expect(await processesOf()).toEqual(ANEW);
    expect(existsSync(drvPath)).toBe(true);
    expect(await processesOf()).toEqual(KEPT);
  });

  test("is private to its owner; the 32 entries that were used last remain", async () => {
    await evaluated();
    const file = onlyKept();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
    for (let age = 1; age <= 40; age++) {
      const old = join(at.cache, `${age}.json`);
      writeFileSync(old, "");
      utimesSync(old, 1000 - age, 1000 - age);
    }
    utimesSync(file, 1, 1);
    expect(await processesOf()).toEqual(KEPT);
    at.write(flakeText("deployment name // { liveSwitch = true; }"));
    await evaluated();
    const left = readdirSync(at.cache);
    expect(left).toHaveLength(32);
    expect(left.filter((name) => name.length > 64)).toHaveLength(2);
    expect(left).toContain("30.json");
    expect(left).not.toContain("31.json");
  });

  test("is optional: a cache directory that is not writable causes no failure", async () => {
    mkdirSync(dirname(at.cache), { recursive: true });
    writeFileSync(at.cache, "a file where the directory would be");
    const logged = jest.spyOn(pulumi.log, "info").mockResolvedValue();
    expect(await processesOf()).toEqual(ANEW);
    expect(await processesOf()).toEqual(ANEW);
    expect(logged).toHaveBeenCalledWith(expect.stringContaining("is not kept for the next pass"));
    logged.mockRestore();
  });
});

describe("the warnings of an evaluation that succeeds", () => {
  /** kw1 as NixOS has it: the warning is in the output, and Nix prints it without the name. */
  const WARNING = flakeText(
    `if name == "kw1" then builtins.trace "warning: kw1's option\\nis old" (deployment name // {
      warnings = [ "kw1's option\\nis old" ];
    }) else builtins.trace "evaluation warning: mkSite: a typo" (deployment name)`,
  );
  let logged: jest.SpiedFunction<typeof pulumi.log.warn>;
  beforeEach(() => {
    logged = jest.spyOn(pulumi.log, "warn").mockResolvedValue();
  });
  afterEach(() => {
    logged.mockRestore();
    Reflect.deleteProperty(process.env, "PULUMI_CONFIG");
    Reflect.deleteProperty(process.env, "PULUMI_CONFIG_SECRET_KEYS");
  });
  const shown = (): string[] => logged.mock.calls.map(([text]) => text);
  const EXPECTED = ["kw1: kw1's option\nis old", "mkSite: a typo"];

  test("are shown once each, with the machine, also from the cache", async () => {
    at.write(WARNING);
    expect(await processesOf()).toEqual(ANEW);
    expect(shown()).toEqual(EXPECTED);
    logged.mockClear();
    expect(await processesOf()).toEqual(KEPT);
    expect(shown()).toEqual(EXPECTED);
  });

  test("show and keep no secret of the stack", async () => {
    process.env["PULUMI_CONFIG"] = JSON.stringify({ "p:token": "a typo" });
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(["p:token"]);
    at.write(WARNING);
    await evaluated();
    expect(shown()).toContain("mkSite: [secret]");
    expect(readFileSync(onlyKept(), "utf8")).not.toContain("a typo");
  });

  test("are none for Nix's own words about a repository with changes", async () => {
    git("init", "-q");
    git("add", ".");
    await evaluated({ ...model, flake: `git+file://${at.flake}` });
    expect(shown()).toEqual([]);
  });
});

describe("the evaluation of a git repository", () => {
  beforeEach(() => {
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "a site");
    model = { ...model, flake: `git+file://${at.flake}` };
  });

  test("is cached for a commit", async () => {
    expect(await processesOf()).toEqual(ANEW);
    expect(await processesOf()).toEqual(KEPT);
  });

  test("fails for a file that git does not know, and says what to do", async () => {
    writeFileSync(join(at.flake, "new.nix"), "{ }");
    at.write(flakeText("import ./new.nix"));
    const missing = evaluated().catch((error: unknown) => String(error));
    expect(await missing).toMatch(
      /could not be evaluated:\n.*new\.nix.*Nix sees only files .*Run: git -C \S+\/flake add -A$/s,
    );
    git("add", "-A");
    expect(await evaluated().catch((error: unknown) => String(error))).not.toContain("git -C");
  });

  test("is repeated in each pass for uncommitted changes", async () => {
    await evaluated();
    writeFileSync(
      join(at.flake, "flake.nix"),
      flakeText("deployment name // { liveSwitch = true; }"),
    );
    expect(await processesOf()).toEqual(ANEW);
    expect(await processesOf()).toEqual(ANEW);
    git("commit", "-qam", "changed");
    expect((await evaluated())["kw1"]?.liveSwitch).toBe(true);
    expect(await processesOf()).toEqual(KEPT);
  });
});

describe("the evaluation of a flake with an input", () => {
  beforeEach(() => {
    const other = join(at.directory, "other");
    mkdirSync(other);
    writeFileSync(join(other, "flake.nix"), "{ outputs = _: { yes = true; }; }");
    at.write(
      flakeText(
        "deployment name // { liveSwitch = other.yes; }",
        `inputs.other.url = "path:${other}";`,
      ).replace("{ site, ... }", "{ site, other, ... }"),
    );
  });

  test("is repeated in each pass if the input is not locked", async () => {
    expect(await processesOf()).toEqual(ANEW);
    expect(await processesOf()).toEqual(ANEW);
  });

  test("is cached until the lock changes", async () => {
    const lock = [`path:${at.flake}`, "--extra-experimental-features", "nix-command flakes"];
    command("nix", ["flake", "lock", ...lock]);
    expect(await processesOf()).toEqual(ANEW);
    expect(await processesOf()).toEqual(KEPT);
    writeFileSync(join(at.directory, "other", "flake.nix"), "{ outputs = _: { yes = false; }; }");
    expect((await evaluated())["kw1"]?.liveSwitch).toBe(true);
    command("nix", ["flake", "update", ...lock]);
    expect((await evaluated())["kw1"]?.liveSwitch).toBe(false);
  });
});

describe("an error", () => {
  const failure = async (): Promise<string> => {
    const error: unknown = await evaluated().catch((caught: unknown) => caught);
    if (!(error instanceof Error)) throw new Error("there was no error");
    return error.message;
  };
  const FAILED = /^path:\S+\/flake could not be evaluated:\n/;

  test("of syntax contains Nix's message, but not the command", async () => {
    at.write(flakeText().replace("in\n", ""));
    const message = await failure();
    expect(message).toMatch(FAILED);
    expect(message).toMatch(/error: syntax error, unexpected .*\n.*at .*flake\.nix:\d+:\d+/s);
    expect(message).not.toMatch(/MICROVM|exit status|"machines"/);
  });

  test.each([
    [
      "infinite recursion",
      'if name == "kw1" then (let x = x; in x) else deployment name',
      "infinite recursion encountered",
    ],
    [
      "an assertion",
      'if name == "kw1" then throw "no such disk" else deployment name',
      "no such disk",
    ],
  ])("in one machine names the machine: %s", async (_, machine, words) => {
    at.write(flakeText(machine));
    const message = await failure();
    expect(message).toMatch(FAILED);
    expect(message).toContain(words);
    expect(message).toContain("while evaluating machine kw1 of the site");
    expect(message).not.toContain("machine kw2");
    // Nix has already evaluated kc1.
    expect(message).not.toContain("drvPath");
  });

  test("names all machines that are missing from the output", async () => {
    at.write(flakeText().replace("data.machines;", '(removeAttrs data.machines [ "kw1" "kw2" ]);'));
    expect(await failure()).toBe(
      `${model.flake}: pulumiMicrovm.machines has no kw1, kw2; it has kc1`,
    );
  });

  test("names a hypervisor that the flake does not build, with the remedy", async () => {
    const system: SystemModel = {
      rebootPolicy: "never",
      switchTimeoutSeconds: 300,
      confirmTimeoutSeconds: 90,
      bootTimeoutSeconds: 600,
    };
    const hypervisors = model.hypervisors.map((hypervisor) => ({ ...hypervisor, system }));
    const error: unknown = await evaluated({ ...model, hypervisors }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toHaveProperty(
      "message",
      `${model.flake}: pulumiMicrovm.hypervisors has no hv1, hv2; it has none; ` +
        "give mkSite modules.hypervisors for it, " +
        "or remove `system` from the hypervisor in the site",
    );
  });

  test("names each member without k0s, or with another one than the site says", async () => {
    at.write(
      flakeText(
        'deployment name // { k0s = { version = "1.37.0"; unit = ""; configuration = ""; }; }',
      ),
    );
    await expect(evaluated()).rejects.toThrow(
      `${model.flake}: kc1 has k0s 1.37.0, but cluster.k0sVersion is 1.36`,
    );
    at.write(flakeText('builtins.removeAttrs (deployment name) [ "k0s" ]'));
    await expect(evaluated()).rejects.toThrow(
      "kw2 has a role, but pulumiMicrovm has no k0s for it",
    );
    const vms = model.vms.map(({ role, ...vm }) => (role === undefined ? vm : vm));
    const { cluster, ...rest } = model;
    expect(cluster).toBeDefined();
    expect(Object.keys(await evaluated({ ...rest, vms }))).toEqual(["kc1", "kw1", "kw2"]);
  });

  test("reports a missing output and an output of another shape", async () => {
    at.write(flakeText().replace("pulumiMicrovm =", "another ="));
    expect(await failure()).toMatch(/does not provide attribute .*pulumiMicrovm/s);
    at.write(flakeText("{ }"));
    expect(await failure()).toMatch(/is not as documented.*\n {2}machines\.kc1\.drvPath: /);
  });

  test("names a directory without a flake, and starts no process", async () => {
    const flake = join(at.directory, "elsewhere");
    await expect(evaluated({ ...model, flake })).rejects.toThrow(`${flake} has no flake.nix`);
    expect(at.nix.processes()).toEqual([]);
  });

  test("reports a missing nix and starts no process", async () => {
    process.env["PATH"] = at.directory;
    expect(await failure()).toMatch(/^nix is not on the PATH of this machine; install Nix/);
    expect(at.nix.processes()).toEqual([]);
  });

  test("is not cached", async () => {
    at.write(flakeText('throw "no"'));
    await failure();
    expect(existsSync(at.cache)).toBe(false);
    renameSync(join(at.flake, "flake.nix"), join(at.flake, "gone.nix"));
    expect(await failure()).toContain("has no flake.nix");
  });
});
