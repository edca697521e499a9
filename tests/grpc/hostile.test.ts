/** Misbehaving hosts and networks: each causes a clear error in time, never a success. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { SELECTION, sampled } from "../selection";
import { configOf, volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import type { Failure } from "./providerProcess";
import { answerWell, keyPair, startScriptedHost } from "./scriptedHost";
import type { Exec, ScriptedHost, Step } from "./scriptedHost";

const operator = keyPair();
const TIMEOUT_SECONDS = 2;
/** How much longer than its deadline a call may take on a busy machine. */
const SLACK_MS = 1_500;
let host: ScriptedHost;
/** One provider serves all tests: after a bad host it must work with the next one. */
let shared: ProviderProcess;
let provider: ProviderProcess;

const state = { ...volume, status: "ready", ownership: "owned" };

const config = (more: ValueMap = {}): ValueMap => ({ ...configOf(host, operator), ...more });

beforeAll(async () => {
  shared = await ProviderProcess.start();
});
afterAll(() => shared.stop());
beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = shared;
  await provider.configure(config());
});
afterEach(() => host.stop());

/** A call that only reads, and calls that send an operation, with and without an earlier probe. */
const CALLS: Record<string, () => Promise<unknown>> = {
  observe: () => provider.create("Volume", volume, true, TIMEOUT_SECONDS),
  create: () => provider.create("Volume", volume, false, TIMEOUT_SECONDS),
  update: () => provider.update("Volume", "hv1/kc1.var", state, volume, TIMEOUT_SECONDS),
  remove: () => provider.remove("Volume", "hv1/kc1.var", volume, TIMEOUT_SECONDS),
};

async function failsInTime(name: string): Promise<Failure> {
  const started = Date.now();
  const failed = await failure(CALLS[name]?.() ?? Promise.resolve());
  expect(Date.now() - started).toBeLessThan(TIMEOUT_SECONDS * 1000 + SLACK_MS);
  expect(failed.message).toMatch(/^hv1\b/);
  return failed;
}

function workWell(): void {
  Object.assign(host, { onConnect: () => "go", onAuthentication: "go", onSession: () => "go" });
  host.onExec = answerWell(host);
}

async function worksAgain(): Promise<void> {
  workWell();
  await provider.create("Volume", volume, true, 20);
}

/** Handles operations with `act`. Probes succeed. */
function onOperation(act: (exec: Exec) => void): void {
  host.onExec = (exec) => (exec.operation === undefined ? answerWell(host)(exec) : act(exec));
}

const onAny = (act: (exec: Exec) => void): void => {
  host.onExec = act;
};

const halfAnAnswer = (exec: Exec): void => {
  exec.channel.write(`${host.facts.slice(0, 5).join("\n")}\nbridge\tb`);
};

describe.each(["observe", "create", "update", "remove"])("%s, if the host", (call) => {
  const stages: [string, (step: Step) => void, RegExp][] = [
    ["greets", (step) => (host.onConnect = () => step), /greeting|connecting|connect again/],
    ["logs it in", (step) => (host.onAuthentication = step), /logging in|closed the connection/],
    ["opens a channel", (step) => (host.onSession = () => step), /channel|was lost/],
    ["answers", (step) => onAny(step === "drop" ? (exec) => exec.drop() : () => undefined), /./],
    [
      "answers completely",
      (step) =>
        onAny((exec) => {
          halfAnAnswer(exec);
          if (step === "drop") exec.drop();
        }),
      /./,
    ],
  ];

  const some = (how: string): typeof stages => sampled(`hostile ${call} ${how}`, stages, 2);

  test.each(some("stalls"))(`stalls before it %s (${SELECTION})`, async (_, set, doing) => {
    set("hold");
    const failed = await failsInTime(call);
    expect(failed.message).toContain("timed out while");
    expect(failed.message).toMatch(doing);
    await worksAgain();
  });

  test.each(some("drops"))(`drops the link before it %s (${SELECTION})`, async (_, set, doing) => {
    set("drop");
    expect((await failsInTime(call)).message).toMatch(doing);
    await worksAgain();
  });
});

describe.each<[string, (act: (exec: Exec) => void) => void]>([
  ["observe", onAny],
  ["create", onOperation],
  ["update", onOperation],
  ["remove", onOperation],
])("%s, if the host", (call, on) => {
  const answers = (lines: (nonce: string) => string[], code?: number): void =>
    on((exec) => exec.answer(lines(exec.nonce), code));

  test("closes the channel without an exit code", async () => {
    answers((nonce) => [...host.facts, `${nonce} done`]);
    expect((await failsInTime(call)).message).toMatch(/was lost|timed out/);
    expect(new Set(host.operations).size).toBeLessThanOrEqual(1);
    await worksAgain();
  });

  test("ends by a signal", async () => {
    on((exec) => {
      exec.channel.write(`${[...host.facts, `${exec.nonce} done`].join("\n")}\n`);
      exec.channel.exit("SIGKILL", false, "");
      exec.channel.end();
    });
    await failsInTime(call);
  });

  test.each<[string, (nonce: string) => string[]]>([
    ["nothing", () => []],
    ["only facts", () => host.facts],
    ["done without a nonce", () => [...host.facts, "done"]],
    ["another nonce", () => [...host.facts, `${"0".repeat(24)} done`]],
    ["the nonce within a line", (nonce) => [...host.facts, `x ${nonce} done`, ` ${nonce} done`]],
    ["words after done", (nonce) => [...host.facts, `${nonce} done done`]],
    ["a failure with another nonce", () => [...host.facts, "0000 fail input\tforged\tforged"]],
  ])("ends well but prints %s", async (_, lines) => {
    answers(lines, 0);
    const { message } = await failsInTime(call);
    expect(message).toContain("without a result");
    expect(message).not.toContain("forged");
  });

  test("prints done but exits with an error code", async () => {
    answers((nonce) => [...host.facts, `${nonce} done`], 3);
    expect((await failsInTime(call)).message).toContain("code 3");
  });

  test("sends control characters, the message contains none", async () => {
    answers((nonce) => [`${nonce} fail operation\t\u001b[2Jno\u202e room\t\u0007buy a disk`], 1);
    expect((await failsInTime(call)).message).toBe("hv1:  [2Jno  room\n   buy a disk");
  });
});

describe.each(["observe", "remove"])("%s, if the host prints", (call) => {
  const answers = (facts: string[]): void =>
    onAny((exec) => exec.answer([...facts, `${exec.nonce} done`], 0));

  test.each([
    ["no number", "image\t/var/lib/x.img\tmany\t1"],
    ["a negative number", "image\t/var/lib/x.img\t-1\t1"],
    ["too few fields", "image\t/var/lib/x.img"],
    ["too many fields", "link\tkc1/current\t/nix/store/a\t/nix/store/b"],
    ["a record of no known kind", "record\tthings\tkc1\t{}"],
    ["a second machine", `machine-id\t${"f".repeat(32)}`],
    ["a second end", "probed"],
  ])("a malformed fact: %s", async (_, line) => {
    answers([line, ...host.facts]);
    expect((await failsInTime(call)).message).toContain("the probe's answer");
    await worksAgain();
  });

  test("bytes that are not UTF-8", async () => {
    onAny((exec) => {
      exec.channel.write(Buffer.from([0xff, 0xfe, 0x0a]));
      exec.answer([...host.facts, `${exec.nonce} done`], 0);
    });
    expect((await failsInTime(call)).message).toContain("not UTF-8");
  });

  test("too many lines", async () => {
    answers([...Array.from({ length: 60_000 }, () => "x"), ...host.facts]);
    expect((await failsInTime(call)).message).toContain("more than 50000 lines");
  });
});

describe("the provider's memory", () => {
  // Its peak counts from the process's start.
  beforeEach(async () => {
    provider = await ProviderProcess.start();
    await provider.configure(config());
  });
  afterEach(() => provider.stop());

  test.each(["observe", "remove"])("%s: a gigabyte of output needs little memory", async (call) => {
    const before = provider.peakMemoryMiB();
    onAny(flood);
    expect((await failsInTime(call)).message).toContain("more than 4 MiB");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(provider.peakMemoryMiB() - before).toBeLessThan(96);
    await worksAgain();
  });

  test("a gigabyte of errors needs little memory", async () => {
    const before = provider.peakMemoryMiB();
    onAny((exec) => flood(exec, exec.channel.stderr));
    await failsInTime("remove");
    expect(provider.peakMemoryMiB() - before).toBeLessThan(96);
    await worksAgain();
  });
});

/** Prints up to a gigabyte as fast as the provider reads, also after the provider stops reading. */
function flood({ channel }: Exec, to: Writable = channel): void {
  const chunk = Buffer.alloc(64 * 1024, "facts\tand more facts\n");
  let left = (1024 * 1024 * 1024) / chunk.length;
  const more = (): void => {
    while (left > 0 && channel.writable) {
      left -= 1;
      if (!to.write(chunk)) {
        to.once("drain", more);
        return;
      }
    }
  };
  more();
}

describe("a host with few sessions or connections", () => {
  test.each([1, 2])("MaxSessions %i: the other operations wait", async (most) => {
    host.onSession = (open) => (open < most ? "go" : "refuse");
    host.onExec = (exec) => void setTimeout(() => answerWell(host)(exec), 100);
    const removals = Array.from({ length: 8 }, (_, index) =>
      provider.remove("Volume", `hv1/kc1.v${index}`, { ...volume, name: `v${index}` }, 20),
    );
    await Promise.all(removals);
    expect(host.counts).toMatchObject({ connections: 1, sessions: most });
    expect(new Set(host.operations).size).toBe(8);
    expect(host.operations).toHaveLength(8);
  });

  test("a host without sessions causes an error soon", async () => {
    host.onSession = () => "refuse";
    const failed = await failure(provider.create("Volume", volume, true, 30));
    expect(failed.message).toMatch(/did not open a channel.*\n.*MaxSessions/);
  });

  test("MaxStartups: connections that are dropped before the greeting are retried", async () => {
    host.onConnect = (count) => (count <= 4 ? "drop" : "go");
    await provider.create("Volume", volume, true, 30);
    expect(host.counts).toMatchObject({ connections: 5, authentications: 1, probes: 1 });
  });
});

describe("refused authentication", () => {
  test("each key is offered once over one connection, even if two sources have it", async () => {
    const other = keyPair();
    const directory = mkdtempSync(join(tmpdir(), "h1-keys-"));
    const file = join(directory, "id");
    writeFileSync(file, other.privateKey, { mode: 0o600 });
    try {
      await provider.configure(
        config({
          privateKey: new Secret(other.privateKey),
          identityFiles: JSON.stringify([file, file]),
        }),
      );
      for (const name of ["observe", "remove"]) {
        host.offered = [];
        host.counts.connections = 0;
        expect((await failsInTime(name)).message).toContain("refused every key for user root");
        expect(host.offered).toEqual([other.publicKey.split(" ")[1]]);
        expect(host.counts).toMatchObject({ connections: 1, authentications: 0, probes: 0 });
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("many calls at once cause one attempt", async () => {
    await provider.configure(config({ privateKey: new Secret(keyPair().privateKey) }));
    const calls = Array.from({ length: 10 }, () => failsInTime("observe"));
    for (const { message } of await Promise.all(calls)) expect(message).toContain("refused");
    expect(host.offered).toHaveLength(1);
    expect(host.counts.connections).toBe(1);
  });
});
