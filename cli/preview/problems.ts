/** What blocks a preview, what it warns of, and what it could not read. Pure. */
import { UNREAD_CAUSES } from "../../contract/notices";
import type { FailureNotice } from "../../contract/notices";
import type { Diagnostic, EventLog } from "./events";
import type { Problem, UnreadHost } from "./model";
import type { Notices } from "./notices";
import { shortName } from "./urn";
import { textOf } from "./plan";

/**
 * Errors. Those of one host that cannot be read are one problem. `tail`: what the engine wrote
 * before it had an event, such as that the stack is locked.
 */
export function problemsOf(log: EventLog, notices: Notices, tail: string): Problem[] {
  const failures = new Map(notices.failures.map((failure) => [failure.urn, failure]));
  const all = log.diagnostics.filter(({ severity }) => severity === "error");
  // The engine ends with an error of the whole run, which says only that there were others.
  const ofResources = all.filter(({ urn }) => urn !== "");
  const errors = ofResources.length > 0 ? ofResources : all;
  const problems = new Map<string, Problem>();
  for (const error of errors) {
    const problem = problemOf(error, failures.get(error.urn));
    const key = keyOf(problem, failures.get(error.urn));
    const known = problems.get(key);
    if (known === undefined) problems.set(key, problem);
    else if (known.resource !== problem.resource) known.others += 1;
  }
  if (problems.size === 0 && !log.isComplete && tail !== "") {
    return [{ resource: "", text: tail, remedy: "", others: 0 }];
  }
  return [...problems.values()];
}

function problemOf({ urn, text }: Diagnostic, failure: FailureNotice | undefined): Problem {
  const resource = shortName(urn);
  if (failure === undefined) return { resource, text, remedy: "", others: 0 };
  return { resource, text: failure.what, remedy: failure.remedy ?? "", others: 0 };
}

function keyOf({ resource, text }: Problem, failure: FailureNotice | undefined): string {
  if (failure !== undefined && isUnread(failure)) return `host ${failure.host}`;
  return JSON.stringify([resource, text]);
}

export const isUnread = ({ cause }: FailureNotice): boolean => UNREAD_CAUSES.includes(cause);

/** Warnings, but for those of reads, which `unreadOf` has. */
export function warningsOf(log: EventLog): Problem[] {
  const unread = new Set(log.refreshes.filter(isNotRead).map(({ urn }) => urn));
  const found = log.diagnostics
    .filter(({ severity, urn }) => severity === "warning" && !unread.has(urn))
    .map(({ urn, text }) => ({ resource: shortName(urn), text, remedy: "", others: 0 }));
  const once = [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
  return once.sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

const isNotRead = ({ after }: EventLog["refreshes"][number]): boolean =>
  after !== undefined && after.initErrors.length > 0;

/** By host, what was not read: by the refresh, or by a later step. */
export function unreadOf(log: EventLog, notices: Notices): UnreadHost[] {
  const hosts = new Map<string, UnreadHost>();
  const add = (host: string, urn: string, text: string, remedy: string): void => {
    const known = hosts.get(host) ?? { host, text, remedy, resources: [] };
    hosts.set(host, known);
    const resource = shortName(urn);
    if (!known.resources.includes(resource)) known.resources.push(resource);
  };
  for (const failure of notices.failures.filter(isUnread)) {
    add(failure.host, failure.urn, failure.what, failure.remedy ?? "");
  }
  for (const { urn, after } of log.refreshes.filter(isNotRead)) {
    const failure = notices.failures.find((one) => one.urn === urn);
    const text = failure?.what ?? after?.initErrors[0] ?? "";
    const host = failure?.host ?? textOf(after?.inputs["host"]);
    add(host, urn, text, failure?.remedy ?? "");
  }
  return [...hosts.values()].map((host) => ({ ...host, resources: host.resources.sort() }));
}
