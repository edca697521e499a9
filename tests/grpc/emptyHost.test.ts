/** A host that held records of ours and has none: more likely its disk is not mounted than that all of it is to be made anew. */
import type { ValueMap } from "../../provider/wire";
import { configOf, hypervisor } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { MACHINE_ID, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
const volumes = [{ image: "/var/lib/microvms/kc1/var.img", sizeMiB: 64 }];
const wanted = { ...hypervisor, wants: [{ name: "kc1", memoryMiB: 64, volumes }] };
const state = (ownership: string): ValueMap => ({
  ...wanted,
  machineId: MACHINE_ID,
  hostname: "hv1",
  verdicts: {},
  ownership,
});
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

// After a refresh the state says `missing`.
test.each(["owned", "missing"])("is refused where its ownership was %s", async (ownership) => {
  const { message } = await failure(provider.update("Hypervisor", "hv1", state(ownership), wanted));
  expect(message).toMatch(/nothing of what was recorded on it is there.*\n.*mounted\?/);
  expect(host.operations).toEqual([]);
});

test("is not where one record is left, nor where there never was one", async () => {
  host.facts.push(`record\tvolumes\tkc1.var\t{"urn":"urn:pulumi:lab::p::t::n"}`);
  await provider.update("Hypervisor", "hv1", state("missing"), wanted);
  host.facts.pop();
  await provider.update("Hypervisor", "hv1", state("unclaimed"), wanted);
  expect(host.operations).toHaveLength(2);
});
