/**
 * Closures through the provider's protocol. A recorded closure stays known if its paths are gone.
 */
import { makeRecord } from "../../provider/ownership";
import { closure as wanted, configOf, storePath } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const ID = "hv1/kc1";
const RECORD = `record\tclosures\tkc1\t${makeRecord(urn("NixClosure"), {})}`;
const PATHS = { runner: storePath("runner"), toplevel: storePath("system") };
const ROOTS = Object.entries(PATHS).map(([key, path]) => `closure\tkc1/${key}\t${path}`);
const state = { ...wanted, paths: PATHS, ownership: "owned" };
const nothing = { changes: {}, some: false, replaces: [] };

const operator = keyPair();
let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
  await configure();
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
});

async function configure(): Promise<void> {
  await provider.configure(configOf(host, operator));
}

const has = (...lines: string[]): void => {
  host.facts = [...healthyFacts().slice(0, -1), ...lines, "probed"];
};

test("if the host does not say which paths are valid, the closure stays recorded", async () => {
  has(RECORD, ...ROOTS, "silent\tclosures");
  const { message, initFailed } = await failure(provider.read("NixClosure", ID, wanted, state));
  expect(message).toContain("the host did not answer: nix-store --check-validity");
  expect(initFailed?.properties).toMatchObject({ paths: PATHS });
});

test("a refresh keeps a closure without its paths and reports the missing ones", async () => {
  has(RECORD, ...ROOTS, ...Object.values(PATHS).map((path) => `invalid\t${path}`));
  const read = await provider.read("NixClosure", ID, wanted, state);
  expect(read).toMatchObject({ id: ID, properties: { paths: {}, ownership: "owned" } });
  expect(await provider.diff("NixClosure", read.properties, wanted, wanted)).toMatchObject({
    changes: { "paths.runner": { inputDiff: false }, "paths.toplevel": { inputDiff: false } },
    replaces: [],
  });
});

test("a closure with neither roots nor a record counts as deleted", async () => {
  expect((await provider.read("NixClosure", ID, wanted, state)).id).toBe("");
});

test("a closure from before records existed is no drift; a lost record is", async () => {
  has(...ROOTS);
  const old = { ...wanted, paths: PATHS };
  const read = await provider.read("NixClosure", ID, wanted, old);
  expect(read.properties).toEqual({ ...old, ownership: "unrecorded" });
  expect(await provider.diff("NixClosure", read.properties, wanted, wanted)).toEqual(nothing);
  const lost = await provider.read("NixClosure", ID, wanted, state);
  expect(await provider.diff("NixClosure", lost.properties, wanted, wanted)).toMatchObject({
    changes: { ownership: { inputDiff: false } },
  });
});

test("another stack's closure is refused, even if only its record is left", async () => {
  const other = urn("NixClosure").replace("test::", "prod::");
  has(`record\tclosures\tkc1\t${makeRecord(other, {})}`);
  const { message } = await failure(provider.create("NixClosure", wanted, true));
  expect(message).toContain(`hv1: closure kc1 belongs to ${other}`);
});
