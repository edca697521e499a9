/** The status of a stack, for people and as JSON. Pure. */
import { z } from "zod";
import type { Closed } from "../../provider/hosts/pool";
import type { Look, Looks } from "../state/look";
import type { Terminal } from "../terminal";
import { oneLine } from "./escape";
import { MEMBER_COLUMNS, memberRows, membersOf } from "./members";
import type { MemberStatus } from "./members";

export interface Status {
  version: 1;
  hypervisors: HypervisorStatus[];
  vms: VmStatus[];
  /** Of the k0s cluster. */
  members: MemberStatus[];
  /** Other resources that are not as recorded. */
  others: OtherStatus[];
  orphans: { host: string; kind: string; name: string; text: string }[];
  /** Nothing needs a look. */
  isFine: boolean;
}

interface HypervisorStatus {
  name: string;
  state: "ok" | "unreachable" | Closed;
  reason: string;
  remedy: string;
  rebootRequired: boolean;
  /** Names of checks that fail. */
  failedChecks: string[];
}

interface VmStatus {
  name: string;
  hypervisor: string;
  running: boolean | null;
  stale: boolean;
  condition: Look["condition"];
  drifted: string[];
  reason: string;
}

interface OtherStatus {
  resource: string;
  condition: Look["condition"];
  drifted: string[];
  reason: string;
}

/** Empty for a host that could not be read. */
const verdictsSchema = z.record(z.string(), z.string()).catch({});

const TYPE = "microvm:index:";
const OWN_ROWS: ReadonlySet<string> = new Set([`${TYPE}MicroVm`, `${TYPE}K0sNode`]);

export function statusOf({ hosts, resources }: Looks): Status {
  const of = (type: string): Look[] =>
    resources.filter(({ resource }) => resource.type === `${TYPE}${type}`);
  const byHost = (type: string, host: string): Look | undefined =>
    of(type).find(({ resource }) => resource.inputs["host"] === host);
  const hypervisors = hosts.map(({ host, closed, reason, remedy }): HypervisorStatus => {
    const state = closed ?? (reason === "" ? "ok" : "unreachable");
    const verdicts = verdictsSchema.parse(byHost("Hypervisor", host)?.observed?.["verdicts"]);
    const rebootRequired = byHost("NixosSystem", host)?.observed?.["rebootRequired"] === true;
    const failedChecks = Object.entries(verdicts)
      .filter(([, verdict]) => verdict === "failed")
      .map(([name]) => name);
    return { name: host, state, reason, remedy, rebootRequired, failedChecks };
  });
  const vms = of("MicroVm").map(({ resource, observed, condition, paths, reason }): VmStatus => {
    const running = observed?.["running"];
    return {
      name: text(resource.inputs["name"]),
      hypervisor: text(resource.inputs["host"]),
      running: typeof running === "boolean" ? running : null,
      stale: observed?.["stale"] === true,
      condition,
      drifted: paths,
      reason,
    };
  });
  vms.sort((a, b) => (a.name < b.name ? -1 : 1));
  const members = membersOf(of("K0sNode"), of("K0sCluster"));
  const others = resources
    .filter(({ resource: { type }, condition }) => !OWN_ROWS.has(type) && !isCalm(condition))
    .map(({ resource, condition, paths, reason }) => {
      const name = `${resource.type.slice(TYPE.length)} ${resource.id}`;
      return { resource: name, condition, drifted: paths, reason };
    });
  const orphans = hosts.flatMap(({ orphans: found }) =>
    found.map(({ host, kind, name, text: what }) => ({ host, kind, name, text: what })),
  );
  const isFine =
    hypervisors.every(({ state, rebootRequired }) => state !== "unreachable" && !rebootRequired) &&
    vms.every(({ condition, stale }) => isCalm(condition) && !stale) &&
    members.every(({ condition }) => isCalm(condition)) &&
    others.length === 0 &&
    orphans.length === 0;
  return { version: 1, hypervisors, vms, members, others, orphans, isFine };
}

const isClosed = (condition: Look["condition"]): boolean =>
  condition === "in maintenance" || condition === "forgotten";

const isCalm = (condition: Look["condition"]): boolean => condition === "ok" || isClosed(condition);

const text = (value: unknown): string => (typeof value === "string" ? value : "");

export function statusText(status: Status, terminal: Terminal): string {
  const { hypervisors, vms, members, others, orphans, isFine } = status;
  const warn = (words: string): string => terminal.paint("yellow", words);
  const bad = (words: string): string => terminal.paint("red", words);
  const hostRows = hypervisors.map(({ name, state, reason, rebootRequired, failedChecks }) => [
    name,
    state === "ok" ? terminal.paint("green", state) : bad(state),
    [
      ...(reason === "" ? [] : [oneLine(reason)]),
      ...(rebootRequired ? [warn("reboot required")] : []),
      ...(failedChecks.length === 0 ? [] : [`failed checks: ${failedChecks.join(", ")}`]),
    ].join("; "),
  ]);
  const vmRows = vms.map(({ name, hypervisor, running, stale, condition, drifted, reason }) => [
    name,
    hypervisor,
    running === null ? "unknown" : running ? "running" : "stopped",
    [
      ...(stale ? [warn("stale: it runs another system than the installed one")] : []),
      ...(condition === "drifted" ? [warn(`drifted: ${drifted.join(", ")}`)] : []),
      ...(condition === "gone" ? [bad("gone")] : []),
      ...(isClosed(condition) ? [condition] : []),
      ...(condition === "unread" ? [bad(`not read: ${oneLine(reason)}`)] : []),
    ].join("; "),
  ]);
  const sections = [
    table(["HYPERVISOR", "STATE", ""], hostRows),
    table(["VM", "HYPERVISOR", "STATE", ""], vmRows),
    table(MEMBER_COLUMNS, memberRows(members)),
    ...others.map(({ resource, condition, drifted, reason }) =>
      warn(`${resource}: ${condition} ${drifted.join(", ")}${oneLine(reason)}`.trimEnd()),
    ),
    ...orphans.map(({ host, kind, name, text: what }) =>
      warn(`${host}: ${kind} ${name} is of this stack, and no state knows it: ${what}`),
    ),
    ...(orphans.length === 0 ? [] : ["Remove one of them for good: pulumi-microvm purge NAME"]),
    isFine ? terminal.paint("green", "Everything is as recorded.") : "",
  ];
  return sections.filter((section) => section !== "").join("\n\n");
}

// eslint-disable-next-line no-control-regex -- the marks of colors take no room
const COLOR = /\u001b\[[0-9;]*m/g;

function table(head: string[], rows: string[][]): string {
  if (rows.length === 0) return "";
  const all = [head, ...rows];
  const width = (cell: string): number => cell.replace(COLOR, "").length;
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
