/** The package schema that GetSchema answers, made from the resources' own zod schemas. Pure. */
import { z } from "zod";
import { configSchema } from "./hosts/transport/config";
import type { BoundResource } from "./resource";
import { PACKAGE, RESOURCES } from "./resources";

/** What zod makes of a schema: the part of JSON Schema that Pulumi's schema language can say. */
const node = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  enum: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
  $defs: z.record(z.string(), z.unknown()).default({}),
});

/** A map whose keys are not known to the type system. */
type Loose = Record<string, unknown>;

interface Described {
  properties: Record<string, Loose>;
  required: string[];
  /** Token -> the enum or object that properties refer to. */
  types: Record<string, Loose>;
}

const tokenOf = (id: string): string => `${PACKAGE}:index:${id}`;

/** How zod names a type that has no name but must have one. */
const UNNAMED = /^__/;

/** An enum or an object has a name: `.meta({ id: "UpdatePolicy" })` in its zod schema. */
function typeSpec(where: string, source: unknown): Loose {
  const { $ref, type, items, additionalProperties, ...rest } = node.parse(source);
  const id = $ref?.replace("#/$defs/", "");
  if (id !== undefined && !UNNAMED.test(id)) return { $ref: `#/types/${tokenOf(id)}` };
  if (id === undefined && rest.enum === undefined) {
    switch (type) {
      case "string":
      case "boolean":
      case "integer":
      case "number":
        return { type };
      case "array":
        return { type, items: typeSpec(where, items) };
      case "object":
        if (Object.keys(rest.properties).length > 0) break;
        return { type, additionalProperties: typeSpec(where, additionalProperties) };
    }
  }
  throw new Error(`${where}: Pulumi's schema has no type for it, or the type has no name`);
}

function propertySpec(where: string, source: unknown, io: "input" | "output"): Loose {
  const { description, default: fallback } = node.parse(source);
  const plain = ["string", "number", "boolean"].includes(typeof fallback);
  return {
    ...typeSpec(where, source),
    ...(description === undefined ? {} : { description }),
    ...(plain && io === "input" ? { default: fallback } : {}),
  };
}

function propertiesOf(where: string, source: unknown, io: "input" | "output") {
  const { properties, required } = node.parse(source);
  const entries = Object.entries(properties).map(([name, value]): [string, Loose] => [
    name,
    propertySpec(`${where}.${name}`, value, io),
  ]);
  return { properties: Object.fromEntries(entries), required };
}

/** A named type. An input and an output share it, so only what an input must have is required. */
function namedType(id: string, source: unknown): Loose {
  const { type, enum: values, description } = node.parse(source);
  const described = description === undefined ? {} : { description };
  if (values !== undefined) {
    return { type: "string", ...described, enum: values.map((value) => ({ value })) };
  }
  return { type, ...described, ...propertiesOf(id, source, "input") };
}

function describe(where: string, schema: z.ZodObject, io: "input" | "output"): Described {
  const json = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  const types = Object.entries(node.parse(json).$defs).map(([id, value]): [string, Loose] => [
    tokenOf(id),
    namedType(id, value),
  ]);
  return { ...propertiesOf(where, json, io), types: Object.fromEntries(types) };
}

export function resourceSchema(resource: BoundResource): { spec: Loose; types: Loose } {
  const { type, description, secretOutputs } = resource;
  const inputs = describe(type, resource.inputs, "input");
  const merged = resource.inputs.extend(resource.outputs.shape);
  const outputs = describe(type, merged, "output");
  const secrets = secretOutputs.map((name): [string, Loose] => [
    name,
    secret(outputs.properties[name]),
  ]);
  return {
    spec: {
      description,
      inputProperties: inputs.properties,
      requiredInputs: inputs.required,
      properties: { ...outputs.properties, ...Object.fromEntries(secrets) },
      required: outputs.required,
    },
    types: { ...outputs.types, ...inputs.types },
  };
}

/** Of a secret property. */
function secret(property: Loose | undefined): Loose {
  return { ...property, secret: true };
}

/** The schema as JSON, for `pulumi package get-schema` and SDK generators. */
export function packageSchema(version: string): string {
  const config = describe("config", configSchema, "input");
  const privateKey = secret(config.properties["privateKey"]);
  const provider = { ...config.properties, privateKey };
  const resources = [...RESOURCES].map(
    ([token, resource]) => [token, resourceSchema(resource)] as const,
  );
  return JSON.stringify({
    name: PACKAGE,
    version,
    description: "Hypervisors, volumes and microVMs, observed and converged over SSH.",
    license: "Apache-2.0",
    config: { variables: provider },
    provider: { inputProperties: provider, requiredInputs: config.required },
    types: Object.fromEntries(
      [config, ...resources.map(([, resource]) => resource)].flatMap(({ types }) =>
        Object.entries(types),
      ),
    ),
    resources: Object.fromEntries(resources.map(([token, { spec }]) => [token, spec])),
  });
}
