/** The package schema, from which Pulumi makes SDKs of other languages. */
import { z } from "zod";
import { bind } from "../../../provider/lifecycle";
import { packageSchema, resourceSchema } from "../../../provider/schema";
import { volume } from "../../../provider/resources/machines/volume";

const spec = z.looseObject({
  types: z.record(
    z.string(),
    z.looseObject({ enum: z.array(z.object({ value: z.string() })).optional() }),
  ),
});
const text = packageSchema("1.2.3");
const { types } = spec.parse(JSON.parse(text));

test("no property is of any type, and every type that one refers to exists", () => {
  expect(text).not.toContain("pulumi.json#/Any");
  const names = [...text.matchAll(/"#\/types\/([^"]+)"/g)].map(([, token]) => token);
  expect(names.length).toBeGreaterThan(10);
  expect(Object.keys(types)).toEqual(expect.arrayContaining(names));
});

test("closed sets of values are enums", () => {
  const values = Object.entries(types).flatMap(([token, type]) =>
    type.enum === undefined ? [] : [[token.split(":")[2], type.enum.map(({ value }) => value)]],
  );
  expect(Object.fromEntries(values)).toEqual({
    BuildPlace: ["operator", "host"],
    CheckMode: ["require", "warn", "off"],
    DrainChoice: ["refuse", "delete"],
    FileSystemType: ["ext4", "none"],
    K0sRole: ["controller", "worker", "controller+worker"],
    OnDelete: ["retain", "trash", "delete"],
    RebootPolicy: ["never", "ifRequired"],
    SeedChartKind: ["repository", "oci", "path"],
    SeedOwner: ["flux", "pulumi"],
    UpdatePolicy: ["live", "restart", "onNextBoot"],
    Verdict: ["ok", "failed", "off"],
  });
});

test("objects have their properties, also one that contains itself", () => {
  expect(types["microvm:index:JumpHost"]).toMatchObject({
    type: "object",
    properties: {
      address: { type: "string" },
      port: { type: "integer", default: 22 },
      jump: { $ref: "#/types/microvm:index:JumpHost" },
    },
    required: ["address", "user", "hostKey"],
  });
  expect(types["microvm:index:VmWants"]).toMatchObject({
    properties: { volumes: { items: { $ref: "#/types/microvm:index:VolumeWants" } } },
  });
});

test("the private key is secret, in the provider and in the configuration", () => {
  const { provider, config } = z
    .object({
      provider: z.object({ inputProperties: z.record(z.string(), z.looseObject({})) }),
      config: z.object({ variables: z.record(z.string(), z.looseObject({})) }),
    })
    .parse(JSON.parse(text));
  const secrets = (all: Record<string, Record<string, unknown>>) =>
    Object.keys(all).filter((name) => all[name]?.["secret"] === true);
  expect(secrets(provider.inputProperties)).toEqual(["privateKey"]);
  expect(secrets(config.variables)).toEqual(["privateKey"]);
});

test.each([
  ["an enum", z.enum(["a", "b"])],
  ["an object", z.object({ a: z.string() })],
  ["a union", z.union([z.string(), z.number()])],
])("%s without a name is an error, not any type", (_, wrong) => {
  const inputs = volume.inputs.extend({ wrong });
  const bound = { ...bind(volume), inputs };
  expect(() => resourceSchema(bound)).toThrow("Volume.wrong: ");
});
