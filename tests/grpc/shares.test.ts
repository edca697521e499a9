/** A VM with a share whose directory is missing on its host: told before the VM stops. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { ValueMap } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import type { SandboxHost } from "../scripts/sandboxHost";
import { configOf, storePath, vm as vmInputs } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair } from "./scriptedHost";

const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
let provider: ProviderProcess;

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  for (const name of ["runner", "other"]) box.addToStore(storePath(name));
  provider = await ProviderProcess.start();
  await provider.configure(configOf(host.ssh, operator));
});
afterEach(async () => {
  await provider.stop();
  await host.ssh.stop();
  box.remove();
});

const vm = { ...vmInputs, address: "" };
const WORDS = /the host has no such directory; nothing was changed.*mkdir -p/s;

async function checked(more: ValueMap): Promise<ValueMap> {
  return (await provider.check("MicroVm", { ...vm, ...more })).inputs;
}

const shareSources = (...names: string[]): ValueMap => ({
  shareSources: names.map((name) => box.path(name)),
});

test.each([true, false])("a new VM is not made (preview: %s)", async (preview) => {
  writeFileSync(box.path("file"), "");
  mkdirSync(box.path("there"));
  const inputs = await checked(shareSources("there", "missing", "file"));
  const { message } = await failure(provider.create("MicroVm", inputs, preview));
  expect(message).toMatch(WORDS);
  expect(message).toContain(`shares ${box.path("missing")}, ${box.path("file")}`);
  expect(box.journal()).toEqual([""]);
});

test("a running VM is not stopped, and it restarts when the directory exists", async () => {
  const inputs = await checked({});
  const { properties } = await provider.create("MicroVm", inputs);
  const before = box.journal();
  const news = await checked({
    runner: storePath("other"),
    updatePolicy: "restart",
    ...shareSources("missing"),
  });
  for (const preview of [true, false]) {
    const update = provider.update("MicroVm", "hv1/kc1", properties, news, 0, { preview });
    expect((await failure(update)).message).toMatch(WORDS);
  }
  expect(box.journal()).toEqual(before);
  mkdirSync(box.path("missing"));
  expect(await provider.update("MicroVm", "hv1/kc1", properties, news)).toMatchObject({
    runner: storePath("other"),
    running: true,
  });
});

test("what starts no VM asks for no directory", async () => {
  const { properties } = await provider.create("MicroVm", await checked({}));
  const same = await checked({
    runner: storePath("other"),
    updatePolicy: "onNextBoot",
    ...shareSources("missing"),
  });
  await provider.update("MicroVm", "hv1/kc1", properties, same, 0, { preview: true });
  const stopped = await checked({ running: false, ...shareSources("missing") });
  expect(await provider.update("MicroVm", "hv1/kc1", properties, stopped)).toMatchObject({
    running: false,
  });
});

test("the VMs of a host ask for their directories with one run", async () => {
  const runs: string[] = [];
  const { onExec } = host.ssh;
  host.ssh.onExec = (exec) => {
    const paths = /^paths=(.*)$/m.exec(exec.stdin)?.[1];
    if (paths !== undefined) runs.push(paths);
    onExec(exec);
  };
  const names = Array.from({ length: 12 }, (_, index) => `kc${index + 1}`);
  const inputs = await Promise.all(
    names.map((name) => checked({ name, ...shareSources(`of-${name}`) })),
  );
  const answers = await Promise.all(
    inputs.map((each) => failure(provider.create("MicroVm", each, true))),
  );
  answers.forEach(({ message }, index) => {
    expect(message).toContain(`shares ${box.path(`of-${names[index] ?? ""}`)}, and`);
  });
  expect(runs).toHaveLength(1);
});
