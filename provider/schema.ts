/** The package schema that GetSchema answers, made from the resources' own zod schemas. */
import { z } from "zod";
import { configSchema } from "./hosts/transport/config";
import type { BoundResource } from "./lifecycle";
import { PACKAGE, RESOURCES } from "./resources";

const property = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  items: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
});
const objectSchema = z.looseObject({
  properties: z.record(z.string(), property).default({}),
  required: z.array(z.string()).default([]),
});

const ANY = { $ref: "pulumi.json#/Any" };

/** Pulumi's schema language knows less than JSON Schema: what it lacks becomes Any. */
function typeSpec(source: unknown): Record<string, unknown> {
  const parsed = property.safeParse(source);
  if (!parsed.success) return ANY;
  const { type, items, additionalProperties } = parsed.data;
  switch (type) {
    case "string":
    case "boolean":
    case "integer":
    case "number":
      return { type };
    case "array":
      return { type, items: typeSpec(items) };
    case "object":
      return {
        type,
        additionalProperties:
          typeof additionalProperties === "object" ? typeSpec(additionalProperties) : ANY,
      };
    default:
      return ANY;
  }
}

interface Described {
  properties: Record<string, unknown>;
  required: string[];
}

/** A map whose keys are not known to the type system. */
type Loose = Record<string, unknown>;

function describe(schema: z.ZodObject, io: "input" | "output"): Described {
  const json = objectSchema.parse(z.toJSONSchema(schema, { io, unrepresentable: "any" }));
  const entries = Object.entries(json.properties).map(([key, value]): [string, Loose] => {
    const { description, default: fallback } = value;
    const plain = ["string", "number", "boolean"].includes(typeof fallback);
    return [
      key,
      {
        ...typeSpec(value),
        ...(description === undefined ? {} : { description }),
        ...(plain && io === "input" ? { default: fallback } : {}),
      },
    ];
  });
  return { properties: Object.fromEntries(entries), required: json.required };
}

export function resourceSchema(resource: BoundResource): Loose {
  const inputs = describe(resource.inputs, "input");
  const outputs = describe(resource.inputs.extend(resource.outputs.shape), "output");
  const secrets = resource.secretOutputs.map((name): [string, Loose] => [
    name,
    secret(outputs.properties[name]),
  ]);
  return {
    description: resource.description,
    inputProperties: inputs.properties,
    requiredInputs: inputs.required,
    properties: { ...outputs.properties, ...Object.fromEntries(secrets) },
    required: outputs.required,
  };
}

/** Of a secret property. */
function secret(property: unknown): Loose {
  return { ...z.looseObject({}).parse(property), secret: true };
}

/** The schema as JSON, for `pulumi package get-schema` and SDK generators. */
export function packageSchema(version: string): string {
  const config = describe(configSchema, "input");
  const privateKey = secret(config.properties["privateKey"]);
  const provider = { ...config.properties, privateKey };
  const resources = [...RESOURCES].map(([token, resource]): [string, Loose] => [
    token,
    resourceSchema(resource),
  ]);
  return JSON.stringify({
    name: PACKAGE,
    version,
    description: "Hypervisors, volumes and microVMs, observed and converged over SSH.",
    license: "Apache-2.0",
    config: { variables: provider },
    provider: { inputProperties: provider, requiredInputs: config.required },
    resources: Object.fromEntries(resources),
  });
}
