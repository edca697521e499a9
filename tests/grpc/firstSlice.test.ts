/**
 * Compatibility with the state and the host files that the first version recorded: the same program
 * causes no changes, before and after a refresh.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { makeRecord } from "../../provider/ownership";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { Sandbox } from "../scripts/sandbox";
import { startSandboxHost } from "../scripts/sandboxHost";
import { ProviderProcess } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const json: z.ZodType<ValueMap[string]> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.array(json), z.record(z.string(), json)]),
);
const map = z.record(z.string(), json);
const fixture = z.object({
  resources: z.record(
    z.string(),
    z.object({ id: z.string(), program: map, inputs: map, outputs: map }),
  ),
  files: z.record(z.string(), z.string()),
});
const recorded = fixture.parse(
  JSON.parse(readFileSync(join(__dirname, "..", "fixtures", "first-slice.json"), "utf8")),
);

/** Inputs that only the first version has. `wants` of a hypervisor replaced them. */
const REPLACED = new Set(["memoryMiB", "diskMiB", "images"]);
const stillStated = (type: string, map: ValueMap): ValueMap =>
  type !== "Hypervisor"
    ? map
    : Object.fromEntries(Object.entries(map).filter(([key]) => !REPLACED.has(key)));

/** Inputs that only today's program has. */
const MORE: Record<string, ValueMap> = {
  Volume: { address: "198.18.0.21" },
  NixClosure: { packages: { linux: "6.6.1" } },
  MicroVm: {
    hardware: "h1",
    closureInfo: `/nix/store/${"0".repeat(32)}-closure-info`,
    liveSwitch: true,
    updatePolicy: "live",
  },
};

const operator = keyPair();
let box: Sandbox;
let healthy: ScriptedHost;
let sandboxed: ScriptedHost;
let provider: ProviderProcess;

beforeAll(async () => {
  box = new Sandbox();
  for (const name of ["runner", "system", "closure-info"]) {
    box.addToStore(`/nix/store/${"0".repeat(32)}-${name}`);
  }
  box.fill(recorded.files);
  // The recorded file systems have no labels. Those of a real host have labels.
  labelled(box.path("microvms/kc1/var.img"), "kc1-var");
  healthy = await startScriptedHost(operator.publicKey);
  sandboxed = (await startSandboxHost(box, operator.publicKey)).ssh;
  provider = await ProviderProcess.start();
});
afterAll(async () => {
  await provider.stop();
  await healthy.stop();
  await sandboxed.stop();
  box.remove();
});

function labelled(image: string, label: string): void {
  const file = openSync(image, "r+");
  writeSync(file, label, 64);
  closeSync(file);
}

const hosts = ({ port, hostKey }: ScriptedHost): string =>
  JSON.stringify({ hv1: { address: "127.0.0.1", port, user: "root", hostKey } });

const nothing = { changes: {}, some: false, replaces: [] };

describe.each(Object.entries(recorded.resources))(
  "%s",
  (type, { id, program, inputs, outputs }) => {
    beforeAll(async () => {
      const host = type === "Hypervisor" ? healthy : sandboxed;
      const privateKey = new Secret(operator.privateKey);
      await provider.configure({ hosts: hosts(host), agent: "false", privateKey });
    });

    test("the same program has the same inputs and causes no change", async () => {
      const checked = await provider.check(type, stillStated(type, program), inputs);
      // Newer inputs get their defaults.
      expect(checked).toMatchObject({ inputs: stillStated(type, inputs), failures: [] });
      expect(await provider.diff(type, outputs, inputs, checked.inputs)).toEqual(nothing);
    });

    test("today's program causes no change", async () => {
      const checked = await provider.check(
        type,
        { ...stillStated(type, program), ...MORE[type] },
        inputs,
      );
      expect(checked.failures).toEqual([]);
      expect(await provider.diff(type, outputs, inputs, checked.inputs)).toEqual(nothing);
    });

    test("a refresh finds the resource and no changes", async () => {
      const read = await provider.read(type, id, inputs, outputs);
      expect(read).toMatchObject({ id, properties: outputs });
      expect(await provider.diff(type, read.properties, inputs, inputs)).toEqual(nothing);
    });
  },
);

test("the wants of a hypervisor are recorded once and change nothing on the host", async () => {
  const recordedHost = recorded.resources["Hypervisor"];
  if (recordedHost === undefined) throw new Error("the fixture contains no Hypervisor");
  const { id, program, inputs, outputs } = recordedHost;
  const privateKey = new Secret(operator.privateKey);
  const claimed = makeRecord(provider.urn("Hypervisor"), {});
  healthy.facts.splice(-1, 0, `record\thosts\thost\t${claimed}`);
  await provider.configure({ hosts: hosts(healthy), agent: "false", privateKey });
  const vm = { name: "kc1", memoryMiB: 256, ip: "198.18.0.21", mac: "02:00:00:00:00:01" };
  const wants = [{ ...vm, volumes: [{ image: "/var/lib/microvms/kc1/var.img", sizeMiB: 64 }] }];
  const news = await provider.check(
    "Hypervisor",
    { ...stillStated("Hypervisor", program), wants },
    inputs,
  );
  const { changes } = await provider.diff("Hypervisor", outputs, inputs, news.inputs);
  expect(Object.keys(changes)).toEqual(["wants"]);
  const options = { oldInputs: inputs };
  const updated = await provider.update("Hypervisor", id, outputs, news.inputs, 0, options);
  expect(updated).toMatchObject({ ownership: "owned", wants });
  expect(healthy.operations).toEqual([]);
  await provider.remove("Hypervisor", id, inputs);
  expect(healthy.operations).toHaveLength(1);
});
