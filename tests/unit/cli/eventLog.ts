/** Event logs for unit tests, in the form of the engine's. */
import { buildPreview } from "../../../cli/preview/build";
import type { Preview, Recording } from "../../../cli/preview/build";

const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

/** As the event log has it. */
export const secret = (): object => ({ ...SECRET, ciphertext: "[secret]" });
/** As the saved plan has it. */
export const plain = (value: unknown): object => ({ ...SECRET, plaintext: JSON.stringify(value) });

/** A saved plan: URN -> new inputs. */
export function planOf(updates: Record<string, Record<string, unknown>>): string {
  const plans = Object.entries(updates).map(
    ([urn, inputs]) =>
      [urn, { goal: { inputDiff: { updates: inputs } }, steps: ["update"] }] as const,
  );
  return JSON.stringify({ resourcePlans: Object.fromEntries(plans) });
}
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export const urnOf = (type: string, name: string): string =>
  `urn:pulumi:prod::site::pulumi-microvm:components:Site$microvm:index:${type}::${name}`;

export interface StepParts {
  op?: string;
  old?: Record<string, unknown> | null;
  new?: Record<string, unknown> | null;
  oldOutputs?: Record<string, unknown>;
  newOutputs?: Record<string, unknown>;
  diff?: Record<string, "input" | "output">;
  initErrors?: string[];
  /** Before a rename. */
  oldUrn?: string;
}

function metadata(urn: string, parts: StepParts): object {
  const { op = "update", old = {}, new: now = {}, diff } = parts;
  const state = (inputs: object | null, outputs: object = {}): object | null =>
    inputs === null ? null : { urn, id: "id", inputs, outputs };
  const detailed = Object.entries(diff ?? {}).map(
    ([path, kind]) => [path, { diffKind: "update", inputDiff: kind === "input" }] as const,
  );
  const after = state(now, parts.newOutputs);
  const before = state(old, parts.oldOutputs);
  return {
    metadata: {
      op,
      urn,
      old: before && { ...before, urn: parts.oldUrn ?? urn },
      new: after && { ...after, initErrors: parts.initErrors ?? [] },
      detailedDiff: diff === undefined ? null : Object.fromEntries(detailed),
    },
  };
}

export const step = (type: string, name: string, parts: StepParts): object => ({
  resourcePreEvent: metadata(urnOf(type, name), parts),
});

/** Of the component that groups the resources of a VM. */
export const componentStep = (name: string, parts: StepParts): object => ({
  resourcePreEvent: metadata(
    `urn:pulumi:prod::site::pulumi-microvm:components:MicroVm::${name}`,
    parts,
  ),
});

export const refresh = (type: string, name: string, parts: StepParts): object => ({
  resOutputsEvent: metadata(urnOf(type, name), { op: "refresh", ...parts }),
});

export const said = (severity: string, message: string, urn = ""): object => ({
  diagnosticEvent: { severity, message, ...(urn !== "" && { urn }) },
});

export const END = { summaryEvent: { result: "succeeded" } };

export const logOf = (...events: object[]): string =>
  events.map((event) => `${JSON.stringify({ sequence: 1, ...event })}\n`).join("");

export function build(events: object[], more: Partial<Recording> = {}, key?: string): Preview {
  const recording = { notices: "", plan: "", stderr: "", exitCode: 0, ...more };
  return buildPreview({ events: logOf(...events), ...recording }, key);
}
