/** Inputs of an older schema do not block any verb. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { bind } from "../../../provider/lifecycle";
import { RecordedInputs } from "../../../provider/recordedInputs";
import { RESOURCES } from "../../../provider/resources";
import type { Resource } from "../../../provider/resource";
import { Secret, toMap } from "../../../provider/wire";
import type { ValueMap } from "../../../provider/wire";
import { contextOf } from "./context";

const inputs = z.object({
  host: z.string(),
  size: z.number(),
  mode: z.enum(["new", "newer"]).default("new"),
  place: z.object({ rack: z.number() }).optional(),
});
const outputs = z.object({ live: z.number() });
type Inputs = z.infer<typeof inputs>;

const removed: Inputs[] = [];
const thing: Resource<Inputs, z.infer<typeof outputs>> = {
  type: "Thing",
  description: "",
  inputs,
  outputs,
  timeoutSeconds: 1,
  immutable: {},
  mirrored: [],
  id: ({ host }) => host,
  drift: () => [],
  predict: ({ size }) => ({ live: size }),
  observe: (_context, { size }) => Promise.resolve({ live: size }),
  converge: (_context, { size }) => Promise.resolve({ live: size }),
  remove: (_context, wanted) => {
    removed.push(wanted);
    return Promise.resolve();
  },
};
const bound = bind(thing);

const URN = "urn:pulumi:prod::site::microvm:index:Thing::kw1";
const context = contextOf(URN);
/** Inputs of a version that had `colour` and `room`, and no `mode`. */
const older: ValueMap = { host: "h", size: 1, colour: "red", place: { rack: 2, room: "b" } };
const today: ValueMap = { host: "h", size: 1, mode: "new", place: { rack: 2 } };
const state = { ...older, live: 1 };

describe("inputs with unknown properties and without newer ones", () => {
  test("are no change", () => {
    expect([...bound.diff(state, older, today, []).keys()]).toEqual([]);
  });

  test("show only the change of the site", () => {
    const news = { ...today, size: 2, mode: "newer" };
    expect([...bound.diff(state, older, news, []).keys()]).toEqual(["size", "mode"]);
  });

  test("can be checked against, read, updated and removed", async () => {
    expect(bound.check(today, older)).toEqual({ inputs: today, faults: [] });
    expect(await bound.read(context, "h", older, state)).toMatchObject({ id: "h", inputs: older });
    const before = { state, inputs: older };
    expect(await bound.update(context, before, today, false)).toEqual({ ...today, live: 1 });
    await bound.remove(context, older, state);
    expect(removed).toEqual([today]);
  });
});

describe("inputs that are invalid today", () => {
  const invalid: ValueMap = { ...older, mode: new Secret("hunter2"), size: "hunter2" };
  const fault =
    "Thing kw1: this version cannot read the recorded inputs: size: Invalid input: " +
    'expected number, received string; mode: Invalid option: expected one of "new"|"newer"';
  const remedy = `run: pulumi state delete '${URN}'`;

  test("fail a removal, which names resource, properties and remedy, but no value", async () => {
    const error: unknown = await bound.remove(context, invalid, state).catch((one: unknown) => one);
    expect(error).toMatchObject({ name: "ProviderError", reason: "input", what: fault });
    expect(String(error)).toContain(remedy);
    expect(String(error)).not.toContain("hunter2");
  });

  test("keep the recorded state in a refresh", async () => {
    const error: unknown = await bound
      .read(context, "h", invalid, state)
      .catch((one: unknown) => one);
    expect(error).toMatchObject({ id: "h", inputs: invalid, properties: state });
    expect(String(error)).toContain(fault);
  });

  test("are a change that an update applies", async () => {
    expect([...bound.diff(state, invalid, today, []).keys()].sort()).toEqual(["mode", "size"]);
    const before = { state, inputs: invalid };
    expect(await bound.update(context, before, today, false)).toEqual({ ...today, live: 1 });
  });
});

describe("the recorded state of the first version", () => {
  const map = z.record(z.string(), z.json());
  const fixture = z.object({
    resources: z.record(z.string(), z.object({ program: map, inputs: map, outputs: map })),
  });
  const file = join(__dirname, "..", "..", "fixtures", "first-slice.json");
  const { resources } = fixture.parse(JSON.parse(readFileSync(file, "utf8")));

  test.each(Object.entries(resources))("%s can be read, compared and removed", (type, recorded) => {
    const resource = RESOURCES.get(`microvm:index:${type}`);
    if (resource === undefined) throw new Error(`no resource ${type}`);
    const old = toMap({ ...recorded.inputs, retired: { by: "a later version" } });
    // `wants` of Hypervisor replaced these inputs.
    const { memoryMiB, diskMiB, images, ...program } = recorded.program;
    expect([memoryMiB, diskMiB, images].some((one) => one !== undefined)).toBe(
      type === "Hypervisor",
    );
    const { inputs: news, faults } = resource.check(toMap(program), old);
    expect(faults).toEqual([]);
    expect([...resource.diff(toMap(recorded.outputs), old, news, []).keys()]).toEqual([]);
    const parser = new RecordedInputs(type, resource.inputs);
    expect(parser.parse(URN, old)).toMatchObject({ host: "hv1" });
  });
});
