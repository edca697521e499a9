/**
 * The provider does not trust a guest. It reaches the guest through its hypervisor. It confirms a
 * start or a switch only if the guest proves its key in time.
 */
import { createServer } from "node:net";
import type { Server } from "node:net";
import type { ValueMap } from "../../provider/wire";
import { configOf, storePath, vm } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import type { Failure } from "./providerProcess";
import { answerWell, keyPair, startScriptedHost } from "./scriptedHost";
import type { Exec, ScriptedHost } from "./scriptedHost";
import { vmFacts } from "./vmFacts";

const operator = keyPair();
const TIMEOUT_SECONDS = 4;
const SLACK_MS = 1_500;
const ADDRESS = `${vm.address}:22`;
const OLD = storePath("old");
const OLD_SYSTEM = storePath("old-system");
let host: ScriptedHost;
let guest: ScriptedHost;
let provider: ProviderProcess;
let inputs: ValueMap;
/** The outcome of each start that the provider sent to the host. */
let outcomes: string[];
/** The results of the next operations: the new facts of the host, or the text of a failure. */
let next: (string[] | string)[];
/** The journal of the VM's unit. */
let journal: string[];

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  guest = await startScriptedHost(operator.publicKey);
  host.tunnels.set(ADDRESS, guest.port);
  host.onExec = serve;
  outcomes = [];
  next = [];
  journal = ["Kernel panic"];
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host, operator));
  inputs = (await provider.check("MicroVm", vm)).inputs;
});
afterEach(async () => {
  await provider.stop();
  await guest.stop();
  await host.stop();
});

function serve(exec: Exec): void {
  if (exec.stdin.includes("journalctl -q -o cat -n 15 ")) {
    exec.answer([...journal, `${exec.nonce} done`], 0);
    return;
  }
  if (exec.operation !== undefined) {
    const outcome = /^outcome=(\w+)$/m.exec(exec.stdin)?.[1];
    if (outcome !== undefined) outcomes.push(outcome);
    const result = next.shift();
    if (typeof result === "string") {
      exec.answer([`${exec.nonce} fail operation\t${result}`], 1);
      return;
    }
    host.facts = result ?? host.facts;
  }
  answerWell(host)(exec);
}

const started = (): string[] => vmFacts({ phase: "starting", hostKey: guest.hostKey });
const ready = (): string[] => vmFacts({ phase: "ready", hostKey: guest.hostKey });

const create = (seconds = TIMEOUT_SECONDS): Promise<unknown> =>
  provider.create("MicroVm", inputs, false, seconds);

/** A start and its rollback have one limit each. */
async function failsInTime(work: () => Promise<unknown>): Promise<Failure> {
  const since = Date.now();
  const failed = await failure(work());
  expect(Date.now() - since).toBeLessThan(2 * TIMEOUT_SECONDS * 1000 + SLACK_MS);
  return failed;
}

/** The state keeps the live values, so that the next `up` can continue. */
function expectKept(failed: Failure, properties: ValueMap): void {
  expect(failed.initFailed).toMatchObject({ id: "hv1/kc1", properties });
  expect(failed.initFailed?.reasons).toEqual([failed.message]);
}

describe("a start", () => {
  beforeEach(() => (next = [started(), ready()]));

  test("is confirmed when the guest proves its key, without a login to the guest", async () => {
    await create();
    expect(outcomes).toEqual(["confirmed"]);
    expect(guest.counts).toMatchObject({ connections: 1, authentications: 0 });
    expect(guest.offered).toEqual([]);
  });

  test("ends at the time limit if the guest accepts connections but sends nothing", async () => {
    guest.onConnect = () => "hold";
    const failed = await failsInTime(create);
    expect(failed.message).toMatch(
      /^kc1 \(198\.18\.0\.21\) runs, but its SSH server did not answer/,
    );
    expectKept(failed, { running: true, status: "starting", ownership: "owned" });
    expect(outcomes).toEqual([]);
  });

  test("ends at once when it is cancelled while the guest sends nothing", async () => {
    guest.onConnect = () => "hold";
    const failing = failure(create(60));
    while (guest.counts.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const since = Date.now();
    await provider.cancel();
    const failed = await failing;
    expect(Date.now() - since).toBeLessThan(1_000);
    expect(failed.message).toContain("cancelled");
    expectKept(failed, { status: "starting" });
  });

  test.each<[string, () => void, RegExp]>([
    ["drops connections", () => (guest.onConnect = () => "drop"), /did not answer.*: \w/],
    ["has no SSH server", () => host.tunnels.clear(), /did not answer.*198\.18\.0\.21:22/],
  ])("reports the last journal lines if the guest %s", async (_, set, words) => {
    set();
    journal = ["\u001b]0;owned\u0007Kernel \u001b[2Jpanic\u202e", "not syncing"];
    const failed = await failsInTime(create);
    expect(failed.message).toMatch(words);
    expect(failed.message).toContain("\n   ]0;owned Kernel  [2Jpanic \n  not syncing");
    // eslint-disable-next-line no-control-regex
    expect(failed.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expectKept(failed, { status: "starting" });
  });

  test("is refused at once if the guest has another key; the error has both keys", async () => {
    next = [vmFacts({ phase: "starting", hostKey: keyPair().publicKey })];
    const since = Date.now();
    const failed = await failure(create(60));
    expect(Date.now() - since).toBeLessThan(5_000);
    expect(failed.message.match(/SHA256:[A-Za-z0-9+/]{43}/g)).toHaveLength(2);
    expect(guest.counts.authentications).toBe(0);
    expect(outcomes).toEqual([]);
  });

  test("needs little memory if the guest sends data without end", async () => {
    const before = provider.peakMemoryMiB();
    const { server, port } = await startFlood();
    host.tunnels.set(ADDRESS, port);
    const failed = await failsInTime(create);
    server.close();
    expect(failed.message).toContain("did not answer");
    expect(provider.peakMemoryMiB() - before).toBeLessThan(96);
  });

  test("that fails on the host keeps the live state", async () => {
    next = ["microvm@kc1.service did not start: no tap"];
    host.onExec = (exec) => {
      serve(exec);
      if (exec.operation !== undefined) host.facts = started();
    };
    const failed = await failsInTime(create);
    expect(failed.message).toContain("microvm@kc1.service did not start: no tap");
    expectKept(failed, { status: "starting" });
    expect(outcomes).toEqual([]);
  });
});

/** Sends much data, but never the greeting of an SSH server. */
async function startFlood(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    const chunk = Buffer.alloc(64 * 1024, "no greeting\r\n");
    const more = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on("error", () => undefined);
    socket.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

describe("a restart on another runner", () => {
  const before = { ...vm, runner: OLD, status: "ready", ownership: "owned" };
  const update = (): Promise<unknown> =>
    provider.update("MicroVm", "hv1/kc1", before, inputs, TIMEOUT_SECONDS);
  beforeEach(() => {
    const { hostKey } = guest;
    host.facts = vmFacts({ phase: "ready", runner: OLD, hostKey });
    next = [
      vmFacts({ phase: "switching", hostKey }),
      vmFacts({ phase: "ready", runner: OLD, hostKey }),
    ];
    guest.onConnect = () => "hold";
  });

  test("is rolled back if the guest does not come up, and reports the rollback", async () => {
    host.onExec = (exec) => {
      serve(exec);
      if (outcomes.length > 0) guest.onConnect = () => "go";
    };
    const failed = await failsInTime(update);
    expect(outcomes).toEqual(["failed"]);
    expect(failed.message).toMatch(
      new RegExp(
        "^kc1 did not come up with \\S+-runner\\. " +
          "It was rolled back to \\S+-old by a restart, and answers again\\. ",
      ),
    );
    expect(failed.message).toMatch(/did not answer in[^]*\n {2}Kernel panic$/);
    expectKept(failed, { runner: OLD, status: "ready" });
  });

  test("reports both failures and the journal if the rollback fails too", async () => {
    const words = `microvm@kc1.service did not start with ${OLD} either`;
    next[1] = words;
    const failed = await failsInTime(update);
    expect(outcomes).toEqual(["failed"]);
    expect(failed.message).toContain(`The rollback failed: hv1: ${words}`);
    expect(failed.message).toContain("did not come up with");
    expect(failed.message).toMatch(/SSH server did not answer in[^]*\n {2}Kernel panic$/);
    expectKept(failed, { runner: storePath("runner"), status: "switching" });
  });

  test("that does not start is rolled back by the host itself", async () => {
    next = [`microvm@kc1.service did not restart: no tap; it was rolled back to ${OLD}`];
    const failed = await failsInTime(update);
    expect(failed.message).toContain(`no tap; it was rolled back to ${OLD}`);
    expectKept(failed, { runner: OLD, status: "ready" });
    expect(outcomes).toEqual([]);
  });
});

describe("a live switch", () => {
  const before = { ...vm, runner: OLD, toplevel: OLD_SYSTEM, status: "ready", ownership: "owned" };
  const update = (): Promise<unknown> =>
    provider.update(
      "MicroVm",
      "hv1/kc1",
      before,
      { ...inputs, liveSwitch: true, closureInfo: storePath("info") },
      TIMEOUT_SECONDS,
    );
  const guestFacts = (machineId = "b".repeat(32)): string[] => [
    `machine-id\t${machineId}`,
    "hostname\tkc1",
    "clock\t1700000000",
    "taken\t100",
    "boot-id\t0-1",
    `system\t${OLD_SYSTEM}`,
    "probed",
  ];
  const activating = (hostKey: string): string[] =>
    vmFacts({ phase: "activating", system: OLD_SYSTEM, hostKey });
  /** Sets the key that the guest has from the start of the switch on. */
  function switching(hostKey: string): void {
    const running = { runner: storePath("runner"), toplevel: OLD_SYSTEM, system: OLD_SYSTEM };
    next = [activating(hostKey), vmFacts({ phase: "ready", ...running, hostKey })];
    host.facts = vmFacts({ phase: "ready", ...running, hostKey });
  }
  beforeEach(() => {
    guest.facts = guestFacts();
    switching(guest.hostKey);
  });

  /** Handles the guest's operations with `act`. Its probes succeed. */
  function onOperation(act: (exec: Exec) => void): void {
    guest.onExec = (exec) => (exec.operation === undefined ? answerWell(guest)(exec) : act(exec));
  }

  /** The limit covers the switch, the rollback, and the restart of the guest. */
  async function failsSoon(): Promise<Failure> {
    const since = Date.now();
    const failed = await failure(update());
    expect(Date.now() - since).toBeLessThan(3 * TIMEOUT_SECONDS * 1000 + SLACK_MS);
    return failed;
  }

  /** Nothing restarts, and the host has what runs installed again. */
  function expectUntouched(failed: Failure): void {
    expect(outcomes).toEqual(["reverted"]);
    expect(failed.message).toContain("kc1: the live switch was not begun");
    expect(failed.message).toContain("set another text as restart of kc1");
    expectKept(failed, { status: "ready", toplevel: OLD_SYSTEM });
  }

  test("logs in to the guest for the switch and its confirmation, not to the host", async () => {
    await update();
    expect(outcomes).toEqual(["confirmed"]);
    expect(guest.counts).toMatchObject({ connections: 2, authentications: 2, probes: 2 });
    expect(guest.operations).toHaveLength(2);
    expect(host.counts.connections).toBe(1);
  });

  test("re-attaches to the same operation after a lost connection", async () => {
    onOperation((exec) => {
      if (guest.operations.length === 1) exec.drop();
      else answerWell(guest)(exec);
    });
    await update();
    expect(outcomes).toEqual(["confirmed"]);
    const [first, again, confirm] = guest.operations;
    expect(guest.operations).toHaveLength(3);
    expect(again).toBe(first);
    expect(confirm).not.toBe(first);
    expect(guest.counts).toMatchObject({ connections: 3, authentications: 3 });
    expect(host.counts.connections).toBe(1);
  });

  test("continues after the guest was unreachable for some seconds", async () => {
    const connections = guest.counts.connections;
    onOperation((exec) => {
      if (guest.operations.length > 1) {
        answerWell(guest)(exec);
        return;
      }
      host.tunnels.delete(ADDRESS);
      setTimeout(() => host.tunnels.set(ADDRESS, guest.port), 9_000);
      exec.drop();
    });
    await update();
    expect(outcomes).toEqual(["confirmed"]);
    expect(new Set(guest.operations).size).toBe(2);
    expect(guest.counts.connections - connections).toBe(3);
  });

  test.each<[string, (nonce: string) => string[]]>([
    ["done without a nonce", () => ["done"]],
    ["another run's nonce", () => [`${"0".repeat(24)} done`]],
    ["the nonce within a line", (nonce) => [`x ${nonce} done`, ` ${nonce} done`]],
    ["words after done", (nonce) => [`${nonce} done done`]],
  ])("is not confirmed if the guest prints %s", async (_, lines) => {
    onOperation((exec) => exec.answer([...guest.facts, ...lines(exec.nonce)], 0));
    const failed = await failsSoon();
    expect(outcomes).toEqual(["failed"]);
    expect(failed.message).toContain("without a result");
    expectKept(failed, { toplevel: OLD_SYSTEM });
  });

  test.each<[string, (exec: Exec) => void, RegExp]>([
    ["floods", flood, /more than 4 MiB/],
    [
      "never answers",
      () => undefined,
      /kc1 \(198\.18\.0\.21\) runs, but its SSH server did not answer in \d+ s: /,
    ],
    [
      "drops each link",
      (exec) => exec.drop(),
      /kc1 \(198\.18\.0\.21\) runs, but its SSH server did not answer in \d+ s: .*was lost/,
    ],
  ])("ends in time and does not touch the guest if it %s", async (_, act, words) => {
    guest.onExec = act;
    const failed = await failsSoon();
    expectUntouched(failed);
    expect(failed.message).toMatch(words);
  });

  test("is rolled back by a restart if an earlier run may have begun it", async () => {
    host.facts = activating(guest.hostKey);
    guest.onExec = (exec) => exec.drop();
    const failed = await failsSoon();
    expect(outcomes).toEqual(["failed"]);
    expect(failed.message).toContain("was rolled back to");
  });

  test("sends nothing to a guest with another key", async () => {
    next[0] = activating(keyPair().publicKey);
    const failed = await failsSoon();
    expect(failed.message).toMatch(
      /kc1 \(198\.18\.0\.21:22\): the host showed the key SHA256:\S+, but its hypervisor hv1 pins /,
    );
    expect(failed.message).toContain("Look for another machine that uses this address.");
    expect(guest.counts).toMatchObject({ authentications: 0, sessions: 0 });
    expect(guest.offered).toEqual([]);
    expectUntouched(failed);
  });

  test("connects to nothing if the hypervisor has no key to pin", async () => {
    next[0] = activating(guest.hostKey).filter((line) => !line.startsWith("hostkey"));
    const failed = await failsSoon();
    expect(failed.message).toMatch(
      /kc1 \(198\.18\.0\.21\): its hypervisor hv1 has no SSH host key/,
    );
    expect(failed.message).toContain("restart microvm@kc1 on hv1");
    expectUntouched(failed);
    expect(guest.counts.authentications).toBe(0);
  });

  test("says what to check if the guest refuses the operator's key", async () => {
    const strict = await startScriptedHost(keyPair().publicKey);
    host.tunnels.set(ADDRESS, strict.port);
    switching(strict.hostKey);
    const failed = await failsSoon();
    await strict.stop();
    expect(failed.message).toContain(
      "kc1 (198.18.0.21:22): the host refused every key for user root",
    );
    expect(failed.message).toContain("check that the guest's root accepts that key");
    expectUntouched(failed);
  });

  test("is refused by a machine with another machine id than the probed one", async () => {
    guest.facts = guestFacts("a".repeat(32));
    const sent: (string | undefined)[] = [];
    onOperation((exec) => {
      sent.push(/^machine_id=(\w+)$/m.exec(exec.stdin)?.[1]);
      exec.answer([`${exec.nonce} fail wrong-machine\tthe machine-id is other\tReinstalled?`], 1);
    });
    const failed = await failsSoon();
    expect(new Set(sent)).toEqual(new Set(["a".repeat(32)]));
    expect(failed.message).toContain("kc1: the machine-id is other");
    expect(failed.message).toContain("The guest was restarted or replaced during the switch");
  });

  test("opens a new connection if the guest has a new key", async () => {
    await update();
    const anew = await startScriptedHost(operator.publicKey);
    anew.facts = guestFacts();
    host.tunnels.set(ADDRESS, anew.port);
    const before = guest.operations.length;
    switching(anew.hostKey);
    await update();
    await anew.stop();
    expect(outcomes).toEqual(["confirmed", "confirmed"]);
    expect(guest.operations).toHaveLength(before);
    expect(anew.operations).toHaveLength(2);
    expect(host.counts.connections).toBe(1);
  });
});

function flood({ channel }: Exec): void {
  const chunk = Buffer.alloc(64 * 1024, "switching\n");
  const more = (): void => {
    while (channel.writable) {
      if (channel.write(chunk)) continue;
      channel.once("drain", more);
      return;
    }
  };
  more();
}
