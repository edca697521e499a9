/** The model of a preview, from what the engine and the provider wrote. Pure. */
import { driftOf } from "./drift";
import { parseEventLog } from "./events";
import type { EventLog } from "./events";
import { planHash } from "./hash";
import type { PlanHash } from "./hash";
import { machinesOf } from "./machines";
import type { PreviewModel } from "./model";
import { parseNotices } from "./notices";
import { parsePlanFile, withPlannedSecrets } from "./planFile";
import { changesOf, countsOf, deletionsOf, isChange, volumeChanges } from "./plan";
import { problemsOf, unreadOf, warningsOf } from "./problems";
import { parseUrn } from "./urn";
import { ValueReader } from "./values";

/** What a preview left behind. */
export interface Recording {
  /** The engine's event log. */
  events: string;
  /** The provider's notices. */
  notices: string;
  /** The plan that the engine saved. Empty if the preview failed. */
  plan: string;
  /** The end of what the engine wrote to stderr. */
  stderr: string;
  exitCode: number;
}

export interface Preview {
  model: PreviewModel;
  /** Undefined if the plan is not whole: it cannot be reviewed. */
  hash: PlanHash | undefined;
}

/** `key` makes hashes of secrets that nobody can guess. Without it they are not compared. */
export function buildPreview(recording: Recording, key: string | undefined): Preview {
  const reader = new ValueReader(key);
  const values = parsePlanFile(recording.plan, reader);
  const log = withPlannedSecrets(parseEventLog(recording.events, reader), values);
  const notices = parseNotices(recording.notices, reader);
  const problems = problemsOf(log, notices, reader.redact(recording.stderr.trim()));
  const isWhole = log.isComplete && recording.exitCode === 0 && problems.length === 0;
  const model: PreviewModel = {
    stack: stackOf(log),
    isWhole,
    counts: countsOf(log.steps),
    problems,
    warnings: warningsOf(log),
    unread: unreadOf(log, notices),
    deletions: deletionsOf(log.steps),
    volumes: volumeChanges(log.steps),
    machines: machinesOf(log, notices, isWhole),
    ...(notices.cluster !== undefined && { cluster: notices.cluster }),
    drift: driftOf(log, isWhole),
    changes: changesOf(log.steps),
    unchanged: log.steps.filter((step) => !isChange(step)).map(({ urn }) => urn),
  };
  return { model: redacted(model, reader), hash: isWhole ? planHash(log.steps) : undefined };
}

function stackOf({ steps, refreshes }: EventLog): string {
  const urn = [...steps, ...refreshes][0]?.urn;
  if (urn === undefined) return "";
  const { project, stack } = parseUrn(urn);
  return `${project}/${stack}`;
}

/** Every text without the secrets: one may be part of a value that is not marked. */
function redacted<T>(value: T, reader: ValueReader): T;
function redacted(value: unknown, reader: ValueReader): unknown {
  if (typeof value === "string") return reader.redact(value);
  if (Array.isArray(value)) return value.map((item) => redacted<unknown>(item, reader));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(
    ([name, item]) => [name, redacted<unknown>(item, reader)] as const,
  );
  return Object.fromEntries(entries);
}
