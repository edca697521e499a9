/**
 * The engine's event log, one JSON object per line (apitype.EngineEvent of pulumi/pulumi). Events
 * that this file does not know are ignored. Pure.
 */
import { z } from "zod";
import { ValueReader } from "./values";
import type { ValueMap } from "./values";

const properties = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((map) => map ?? {});
const stateSchema = z
  .object({
    urn: z.string().default(""),
    id: z.string().default(""),
    protect: z.boolean().default(false),
    inputs: properties,
    outputs: properties,
    initErrors: z.array(z.string()).default([]),
  })
  .nullish();
const stepSchema = z.object({
  op: z.string(),
  urn: z.string(),
  old: stateSchema,
  new: stateSchema,
  diffs: z.array(z.string()).nullish(),
  detailedDiff: z
    .record(z.string(), z.object({ diffKind: z.string(), inputDiff: z.boolean() }))
    .nullish(),
});
const metadata = z.object({ metadata: stepSchema });
const eventSchema = z.object({
  diagnosticEvent: z
    .object({
      urn: z.string().default(""),
      message: z.string(),
      severity: z.string(),
      ephemeral: z.boolean().default(false),
    })
    .optional(),
  resourcePreEvent: metadata.optional(),
  resOutputsEvent: metadata.optional(),
  policyEvent: z
    .object({
      resourceUrn: z.string().default(""),
      message: z.string(),
      enforcementLevel: z.string(),
    })
    .optional(),
  summaryEvent: z.object({ result: z.string().default("") }).optional(),
  errorEvent: z.object({ error: z.string() }).optional(),
});

export interface ResourceState {
  id: string;
  protect: boolean;
  inputs: ValueMap;
  outputs: ValueMap;
  /** Why the provider could not read it, or did not complete it. */
  initErrors: string[];
}

export interface PropertyChange {
  /** add, delete or update. */
  kind: string;
  /** true: the inputs changed. false: the real object changed (drift). */
  inputDiff: boolean;
}

export interface Step {
  op: string;
  urn: string;
  /** In the recorded state. Another one after a rename. */
  formerUrn: string;
  before?: ResourceState;
  after?: ResourceState;
  /** Changed paths. Undefined if the provider reports none; `keys` may have some then. */
  changes?: Record<string, PropertyChange>;
  keys: string[];
}

export interface Diagnostic {
  urn: string;
  severity: "info" | "warning" | "error";
  text: string;
}

export interface EventLog {
  /** Planned operations, `same` included, in the order of the log. */
  steps: Step[];
  /** What the refresh before the plan read. */
  refreshes: Step[];
  diagnostics: Diagnostic[];
  /** The engine came to its end. Otherwise it was killed, or failed early. */
  isComplete: boolean;
}

type RawStep = z.infer<typeof stepSchema>;
type RawState = z.infer<typeof stateSchema>;

/** Reads a log. The last line may be cut off. */
export function parseEventLog(text: string, reader: ValueReader): EventLog {
  const log: EventLog = { steps: [], refreshes: [], diagnostics: [], isComplete: false };
  for (const event of lines(text)) {
    const { resourcePreEvent: planned, resOutputsEvent: done } = event;
    if (planned !== undefined && planned.metadata.op !== REFRESH) {
      log.steps.push(step(planned.metadata, reader));
    }
    if (done?.metadata.op === REFRESH) log.refreshes.push(step(done.metadata, reader));
    log.diagnostics.push(...diagnosticsOf(event));
    if (event.summaryEvent !== undefined) log.isComplete = true;
  }
  // After all values were read: a diagnostic may quote a secret of a later event.
  for (const diagnostic of log.diagnostics) diagnostic.text = reader.redact(diagnostic.text);
  return log;
}

const REFRESH = "refresh";

function lines(text: string): z.infer<typeof eventSchema>[] {
  return text.split("\n").flatMap((line) => {
    const parsed = eventSchema.safeParse(json(line));
    return parsed.success ? [parsed.data] : [];
  });
}

/** Undefined for what is not JSON: the last line of a run that was killed. */
export function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function diagnosticsOf(event: z.infer<typeof eventSchema>): Diagnostic[] {
  const { diagnosticEvent: diagnostic, policyEvent: policy, errorEvent: error } = event;
  const found: Diagnostic[] = [];
  if (diagnostic !== undefined && !diagnostic.ephemeral) {
    const { urn, message, severity } = diagnostic;
    found.push({ urn, severity: severityOf(severity), text: plain(message) });
  }
  if (policy !== undefined) {
    const severity = policy.enforcementLevel === "mandatory" ? "error" : "warning";
    found.push({ urn: policy.resourceUrn, severity, text: plain(policy.message) });
  }
  if (error !== undefined) found.push({ urn: "", severity: "error", text: plain(error.error) });
  return found.filter(({ text }) => text !== "");
}

function severityOf(text: string): Diagnostic["severity"] {
  return text === "error" || text === "warning" ? text : "info";
}

/** Without the engine's marks for colors, such as `<{%reset%}>`. */
function plain(text: string): string {
  return text.replace(/<\{%[^%]*%\}>/g, "").trim();
}

function step(raw: RawStep, reader: ValueReader): Step {
  const before = state(raw.old, reader);
  const after = state(raw.new, reader);
  const { op, urn, detailedDiff } = raw;
  return {
    op,
    urn,
    formerUrn: raw.old?.urn || urn,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(detailedDiff && { changes: changesOf(detailedDiff) }),
    keys: raw.diffs ?? [],
  };
}

function changesOf(diff: NonNullable<RawStep["detailedDiff"]>): Record<string, PropertyChange> {
  const entries = Object.entries(diff).map(
    ([path, { diffKind: kind, inputDiff }]) => [path, { kind, inputDiff }] as const,
  );
  return Object.fromEntries(entries);
}

function state(raw: RawState, reader: ValueReader): ResourceState | undefined {
  if (raw === undefined || raw === null) return undefined;
  const { id, protect, initErrors } = raw;
  const inputs = reader.map(raw.inputs);
  return { id, protect, initErrors, inputs, outputs: reader.map(raw.outputs) };
}
