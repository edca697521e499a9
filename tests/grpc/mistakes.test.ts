/**
 * The most likely mistakes of a new user that a host shows: the preview says which host, what, and
 * how to mend it, as in docs/troubleshooting.md. Nothing is changed.
 */
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { documented } from "../troubleshooting";
import { configOf, hypervisor, vm } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { healthyFacts, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
});
afterEach(async () => {
  expect(host.operations).toEqual([]);
  await provider.stop();
  await host.stop();
});

/** The error of a preview that creates the hypervisor, or another resource. */
async function said(config: ValueMap, type = "Hypervisor", inputs: ValueMap = {}): Promise<string> {
  await provider.configure(config);
  const wanted = type === "Hypervisor" ? { ...hypervisor, ...inputs } : inputs;
  const checked = (await provider.check(type, wanted)).inputs;
  return (await failure(provider.create(type, checked, true))).message;
}

describe("SSH", () => {
  test("the host is unreachable", async () => {
    const message = await said(configOf(host, operator, { port: 1 }));
    expect(message).toMatch(documented("host unreachable"));
    expect(message).toMatch(/^hv1 \(127\.0\.0\.1:1\): .*ECONNREFUSED.*\n {2}Check the address/);
  });

  test("another host key is pinned", async () => {
    const message = await said(configOf(host, operator, { hostKey: keyPair().publicKey }));
    expect(message).toMatch(documented("wrong host key"));
    expect(message).toMatch(/^hv1 \(.*\n.* set hostKey in the site to the key on its console: cat/);
  });

  test("the host does not accept the key", async () => {
    const privateKey = new Secret(keyPair().privateKey);
    const message = await said({ ...configOf(host, operator), privateKey });
    expect(message).toMatch(documented("key not accepted"));
    expect(message).toMatch(/^hv1 \(.* user root\n {2}Add your public key to the authorized keys/);
    expect(message).toContain("or its file to ssh.identityFiles in the site");
  });
});

const without = (pattern: RegExp): string[] => healthyFacts().filter((line) => !pattern.test(line));
const large = { wants: [{ name: "kc1", memoryMiB: 64, volumes: [volume(1_000_000)] }] };

function volume(sizeMiB: number): ValueMap {
  return { image: "/var/lib/microvms/kc1/var.img", sizeMiB };
}

test.each<[string, string[], ValueMap, RegExp, RegExp]>([
  [
    "virtualization is off",
    without(/^kvm\tflags/),
    {},
    documented("no KVM"),
    /Enable virtualization .* nested virtualization/,
  ],
  [
    "the kvm module is not loaded",
    without(/^kvm\t(device|module)/),
    {},
    documented("no KVM", 1),
    /modprobe kvm_intel/,
  ],
  [
    "the card of the site is not the one of the bridge",
    healthyFacts(),
    { nic: "eth7" },
    documented("wrong NIC"),
    /eth7 is not a port of br0 \(its ports: eno1\)\. Remedy: Correct nic in the site: `ip -br/,
  ],
  [
    "there is no Nix",
    without(/^nix/),
    {},
    documented("no Nix on the host"),
    /Install Nix on the host: https:/,
  ],
  [
    "the disk is too small",
    healthyFacts(),
    large,
    documented("disk full"),
    /want 1000000 MiB on the file system at \/, which has room for 10240 MiB.*Free some space/,
  ],
])("%s", async (_, facts, inputs, message, remedy) => {
  host.facts = facts;
  const text = await said(configOf(host, operator), "Hypervisor", inputs);
  expect(text).toMatch(/^hv1 is not ready for VMs; nothing was changed:\n/);
  expect(text).toMatch(message);
  expect(text).toMatch(remedy);
});

test("a VM of this name exists already", async () => {
  host.facts.splice(-1, 0, "link\tkc1/current\t/nix/store/x");
  const message = await said(configOf(host, operator), "MicroVm", vm);
  expect(message).toMatch(documented("VM exists already"));
  expect(message).toMatch(/^hv1: VM kc1 .*\n {2}To adopt it, set import: true on the VM\./);
});
