/** Outputs that a resource declares secret are secret on every path, and the schema says so. */
import { z } from "zod";
import { InitFailed, PartialFailure } from "../../../provider/errors";
import { bind } from "../../../provider/lifecycle";
import { RESOURCES } from "../../../provider/resources";
import type { Resource } from "../../../provider/resource";
import { packageSchema, resourceSchema } from "../../../provider/schema";
import { Secret, UNKNOWN } from "../../../provider/wire";
import type { ValueMap } from "../../../provider/wire";
import { contextOf } from "./context";

const inputs = z.object({ host: z.string(), size: z.number() });
const outputs = z.object({ kubeconfig: z.string().describe("For kubectl."), live: z.number() });
type State = z.infer<typeof outputs>;

let failure: "none" | "read" | "partial" | "left" = "none";
const found: State = { kubeconfig: "hunter2", live: 1 };
const cluster: Resource<z.infer<typeof inputs>, State> = {
  type: "Cluster",
  description: "",
  inputs,
  outputs,
  secretOutputs: ["kubeconfig"],
  timeoutSeconds: 1,
  immutable: {},
  mirrored: [],
  id: ({ host }) => host,
  drift: ({ kubeconfig }) => (kubeconfig === "hunter2" ? [] : ["kubeconfig"]),
  predict: (_inputs, state) => ({ kubeconfig: state?.kubeconfig ?? UNKNOWN, live: UNKNOWN }),
  observe: () =>
    failure === "read" ? Promise.reject(new Error("unreachable")) : Promise.resolve(found),
  converge: () => {
    if (failure === "partial") throw new PartialFailure(found, new Error("half"));
    if (failure === "left") throw new Error("half");
    return Promise.resolve(found);
  },
  owned: () => true,
  remove: () => Promise.resolve(),
  find: () => Promise.resolve({ inputs: { host: "h", size: 1 }, state: found }),
};
const bound = bind(cluster);
const context = contextOf("urn:pulumi:s::p::microvm:index:Cluster::c");
const news: ValueMap = { host: "h", size: 1 };
/** The state as an older version recorded it, to which the output was not secret. */
const open: ValueMap = { ...news, ...found };
const secret = new Secret("hunter2");

/** The properties that the engine receives with an error. */
async function propertiesOf(failed: Promise<unknown>): Promise<ValueMap> {
  const error: unknown = await failed.catch((one: unknown) => one);
  if (!(error instanceof InitFailed)) throw new Error("did not fail");
  return error.properties;
}

beforeEach(() => {
  failure = "none";
});

describe("a secret output is marked", () => {
  test("when it is created, read, imported and updated", async () => {
    const before = { state: open, inputs: news };
    const answers = [
      (await bound.create(context, news, false)).properties,
      (await bound.read(context, "h", news, open))?.properties,
      (await bound.read(context, "h", {}, {}))?.properties,
      await bound.update(context, before, news, false),
    ];
    for (const properties of answers) expect(properties).toMatchObject({ kubeconfig: secret });
  });

  test("in a preview, whether known or unknown", async () => {
    const before = { state: open, inputs: news };
    expect(await bound.update(context, before, news, true)).toMatchObject({ kubeconfig: secret });
    const unknown = { host: "h", size: UNKNOWN };
    for (const properties of [
      (await bound.create(context, unknown, true)).properties,
      await bound.update(context, before, unknown, true),
    ]) {
      expect(properties["kubeconfig"]).toEqual(new Secret(UNKNOWN));
    }
  });

  test("beside an error", async () => {
    failure = "read";
    const refreshed = bound.read(context, "h", news, open);
    expect(await propertiesOf(refreshed)).toMatchObject({ kubeconfig: secret });
    for (failure of ["partial", "left"] as const) {
      const before = { state: open, inputs: news };
      for (const failed of [
        bound.create(context, news, false),
        bound.update(context, before, news, false),
      ]) {
        expect(await propertiesOf(failed)).toMatchObject({ kubeconfig: secret });
      }
    }
  });

  test("if its host is in maintenance", async () => {
    const resting = contextOf(context.urn, {}, true);
    const read = await bound.read(resting, "h", news, open);
    const updated = await bound.update(resting, { state: open, inputs: news }, news, false);
    for (const properties of [read?.properties, updated]) {
      expect(properties).toMatchObject({ kubeconfig: secret });
    }
  });

  test("once", async () => {
    const read = await bound.read(contextOf(context.urn, {}, true), "h", news, {
      ...open,
      kubeconfig: secret,
    });
    expect(read?.properties["kubeconfig"]).toEqual(secret);
  });
});

test("a diff names a secret output without its value", () => {
  const diff = bound.diff({ ...open, kubeconfig: new Secret("other") }, news, news, []);
  expect([...diff]).toEqual([["kubeconfig", { inputDiff: false, kind: "update" }]]);
});

test("the schema marks it", () => {
  expect(resourceSchema(bound).spec).toMatchObject({
    properties: { kubeconfig: { type: "string", description: "For kubectl.", secret: true } },
  });
  expect(packageSchema("1.0.0")).toContain('"secret":true');
});

test("no message of Check contains the value of an input", () => {
  for (const resource of RESOURCES.values()) {
    for (const wrong of ["hunter2 \n", 4711.5, ["hunter2"], { hunter2: "hunter2" }, true]) {
      const names = Object.keys(resource.inputs.shape);
      const { faults } = resource.check(
        Object.fromEntries(names.map((name) => [name, new Secret(wrong)])),
        undefined,
      );
      const reasons = faults.map(({ reason }) => reason).join("\n");
      expect(faults.length).toBeGreaterThan(0);
      expect(reasons).not.toMatch(/hunter2|4711/);
    }
  }
});
