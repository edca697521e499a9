/** The state of a stack: what the provider manages, and how it reaches the hosts. */
import { z } from "zod";
import { CliError, EXIT } from "../errors";
import { parseConfig } from "../../provider/configuration";
import type { ProviderConfig } from "../../provider/hosts/transport/config";
import { stackOf } from "../../provider/ownership";
import { Secret, toMap, toValue } from "../../provider/wire";
import type { Value, ValueMap } from "../../provider/wire";
import { SIGNATURE_KEY } from "../preview/values";
import { pulumiText, stackOption } from "./pulumi";

const PROVIDER = "pulumi:providers:microvm";

const properties = z.record(z.string(), z.unknown()).default({});
const schema = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          urn: z.string(),
          type: z.string(),
          id: z.string().default(""),
          /** Replaced, and not removed yet. */
          delete: z.boolean().default(false),
          inputs: properties,
          outputs: properties,
        }),
      )
      .nullish(),
  }),
});

export interface StateResource {
  urn: string;
  /** `microvm:index:MicroVm`. */
  type: string;
  id: string;
  inputs: ValueMap;
  outputs: ValueMap;
}

export interface StackState {
  config: ProviderConfig;
  /** Those of package `microvm`. */
  resources: StateResource[];
  /** How every URN of the stack begins. */
  prefix: string;
}

export async function readState(directory: string, stack: string | undefined): Promise<StackState> {
  const export_ = ["stack", "export", "--show-secrets", ...stackOption(stack)];
  const text = await pulumiText(directory, export_);
  return parseState(text);
}

export function parseState(text: string): StackState {
  const resources = schema.parse(JSON.parse(text)).deployment.resources ?? [];
  const provider = resources.find(({ type }) => type === PROVIDER);
  if (provider === undefined) {
    throw new CliError(
      "the stack has no hypervisors yet",
      EXIT.failed,
      "Run pulumi up. Before the first one: pulumi-microvm doctor",
    );
  }
  return {
    config: parseConfig(mapOf(provider.inputs)),
    resources: resources
      .filter((one) => one.type.startsWith("microvm:") && !one.delete)
      .map(({ urn, type, id, inputs, outputs }) => {
        return { urn, type, id, inputs: mapOf(inputs), outputs: mapOf(outputs) };
      }),
    prefix: stackOf(provider.urn),
  };
}

const mapOf = (data: Record<string, unknown>): ValueMap =>
  Object.fromEntries(Object.entries(data).map(([key, item]) => [key, valueOf(item)] as const));

function valueOf(data: unknown): Value {
  if (Array.isArray(data)) return data.map(valueOf);
  if (typeof data !== "object" || data === null) return toValue(data);
  const map = toMap(data);
  const { plaintext } = map;
  if (map[SIGNATURE_KEY] === undefined || typeof plaintext !== "string") {
    return mapOf(Object.fromEntries(Object.entries(data)));
  }
  return new Secret(toValue(JSON.parse(plaintext)));
}
