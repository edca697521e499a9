/** If a step fails after others succeeded, the state has the live values for the next `up`. */
import { makeRecord, openRecord } from "../../provider/ownership";
import type { ValueMap } from "../../provider/wire";
import { closure, configOf, storePath, vm, volume } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { answerWell, healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";
import { vmFacts } from "./vmFacts";

const operator = keyPair();
const OTHER = urn("X").replace("test::", "prod::");
const has = (...lines: string[]): string[] => [...healthyFacts().slice(0, -1), ...lines, "probed"];

interface Case {
  id: string;
  inputs: ValueMap;
  /** The files that the failed operation left, with an owner. */
  left: (owner: string) => string[];
  live: ValueMap;
}

const CASES: Record<string, Case> = {
  Volume: {
    id: "hv1/kc1.var",
    inputs: volume,
    left: (owner) => has(`record\tvolumes\tkc1.var\t${openRecord(owner, {})}creating"}`),
    live: { ...volume, sizeMiB: 0, status: "creating", ownership: "owned" },
  },
  MicroVm: {
    id: "hv1/kc1",
    inputs: { ...vm, running: false },
    left: (owner) =>
      vmFacts({ phase: "ready", active: "inactive", hostKey: keyPair().publicKey }).map((line) =>
        line.replaceAll(urn("MicroVm"), owner),
      ),
    live: { runner: vm.runner, running: false, status: "ready", ownership: "owned" },
  },
  NixClosure: {
    id: "hv1/kc1",
    // Otherwise the closure would be copied before the failing operation.
    inputs: { ...closure, roots: {} },
    left: (owner) =>
      has(
        `record\tclosures\tkc1\t${makeRecord(owner, {})}`,
        `closure\tkc1/runner\t${storePath("runner")}`,
      ),
    live: { paths: { runner: storePath("runner") }, ownership: "owned" },
  },
};

let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host, operator));
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
});

/** The operation fails and leaves these facts. */
function failsLeaving(facts: string[]): void {
  host.onExec = (exec) => {
    if (exec.operation === undefined) {
      answerWell(host)(exec);
      return;
    }
    host.facts = facts;
    exec.answer([`${exec.nonce} fail operation\ta step failed: No space left\tMake room.`], 1);
  };
}

describe.each(Object.entries(CASES))("%s", (type, { id, inputs, left, live }) => {
  const CALLS: Record<string, () => Promise<unknown>> = {
    create: () => provider.create(type, inputs),
    update: () => provider.update(type, id, { ...inputs, ...live }, inputs),
  };
  const reason = "hv1: a step failed: No space left\n  Make room.";

  test.each(Object.keys(CALLS))("%s: the state has id, live values and reason", async (name) => {
    failsLeaving(left(urn(type)));
    const checked = (await provider.check(type, inputs)).inputs;
    const failed = await failure(CALLS[name]?.() ?? Promise.resolve());
    expect(failed.message).toBe(reason);
    expect(failed.initFailed).toMatchObject({ id, properties: live, inputs, reasons: [reason] });
    // The next `up` continues: a refresh finds the same.
    const read = await provider.read(type, id, checked, failed.initFailed?.properties ?? {});
    expect(read).toMatchObject({ id, properties: live });
  });

  test("nothing that another stack recorded is taken over", async () => {
    failsLeaving(left(OTHER));
    const failed = await failure(provider.create(type, inputs));
    expect(failed.message).toBe(reason);
    expect(failed.initFailed).toBeUndefined();
  });

  test("no state is returned if nothing was created", async () => {
    failsLeaving(healthyFacts());
    const failed = await failure(provider.create(type, inputs));
    expect(failed.message).toBe(reason);
    expect(failed.initFailed).toBeUndefined();
  });
});
