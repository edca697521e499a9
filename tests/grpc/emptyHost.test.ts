/**
 * A host without records, although the state has some. It is more likely that its disk is not
 * mounted than that everything must be created again.
 */
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

// A refresh writes `missing` to the state.
test.each(["owned", "missing"])("is refused if its ownership was %s", async (ownership) => {
  const { message } = await failure(provider.update("Hypervisor", "hv1", state(ownership), wanted));
  expect(message).toMatch(/all records on the host are missing.*\n.*is mounted\./);
  expect(host.operations).toEqual([]);
});

test("is accepted if one record remains, or if there never was one", async () => {
  host.facts.push(`record\tvolumes\tkc1.var\t{"urn":"urn:pulumi:lab::p::t::n"}`);
  await provider.update("Hypervisor", "hv1", state("missing"), wanted);
  host.facts.pop();
  await provider.update("Hypervisor", "hv1", state("unclaimed"), wanted);
  expect(host.operations).toHaveLength(2);
});
