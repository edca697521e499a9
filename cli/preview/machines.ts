/** What happens to each machine: one row for each VM and each hypervisor of the stack. Pure. */
import type { PackageChange } from "../../contract/notices";
import type { EventLog, Step } from "./events";
import type { Machine, MachineEffect } from "./model";
import type { Notices } from "./notices";
import { MICRO_VM, VOLUME, isCreation, isDeletion, isImport, textOf, volumeChanges } from "./plan";
import { isUnread } from "./problems";
import { summaryOf } from "./summary";
import { parseUrn } from "./urn";

const CLOSURE = "microvm:index:NixClosure";
const SYSTEM = "microvm:index:NixosSystem";
const HYPERVISOR = "microvm:index:Hypervisor";

/** The name of the input that has the machine's name. */
const NAME_OF: Readonly<Record<string, string>> = {
  [MICRO_VM]: "name",
  [CLOSURE]: "name",
  [VOLUME]: "vm",
  [SYSTEM]: "host",
  [HYPERVISOR]: "host",
};

/** The resources of one machine. */
interface Parts {
  name: string;
  kind: Machine["kind"];
  host: string;
  /** By type, but for volumes, of which there may be several. */
  steps: Step[];
  urns: Set<string>;
}

interface Verdict {
  effect: MachineEffect;
  reason: string;
}

export function machinesOf(log: EventLog, notices: Notices, isWhole: boolean): Machine[] {
  return [...partsOf(log).values()]
    .map((parts) => {
      const { name, kind, host } = parts;
      const { effect, reason } = verdictOf(parts, log, notices, isWhole);
      const packages = packagesOf(parts, notices);
      return { name, kind, host, effect, reason: summaryOf(reason), packages };
    })
    .sort((a, b) => RANK[a.effect] - RANK[b.effect] || (keyOf(a) < keyOf(b) ? -1 : 1));
}

const keyOf = ({ kind, name }: Pick<Machine, "kind" | "name">): string => `${kind} ${name}`;

/** What a reviewer looks at first. */
const RANK: Readonly<Record<MachineEffect, number>> = {
  blocked: 0,
  unknown: 1,
  remove: 2,
  reboot: 3,
  restart: 4,
  stop: 5,
  create: 6,
  import: 7,
  start: 8,
  live: 9,
  nextStart: 10,
  nothing: 11,
};

function partsOf({ steps, refreshes }: EventLog): Map<string, Parts> {
  const machines = new Map<string, Parts>();
  // A renamed resource was refreshed under its former URN.
  const former = new Set(
    steps.flatMap(({ urn, formerUrn }) => (formerUrn === urn ? [] : formerUrn)),
  );
  const read = refreshes.filter(({ urn }) => !former.has(urn));
  for (const step of [...steps, ...read]) {
    const { type } = parseUrn(step.urn);
    const input = NAME_OF[type];
    if (input === undefined) continue;
    const inputs = step.after?.inputs ?? step.before?.inputs ?? {};
    const [name, host] = [textOf(inputs[input]), textOf(inputs["host"])];
    const kind = input === "host" ? "hypervisor" : "VM";
    const key = keyOf({ kind, name });
    const parts = machines.get(key) ?? { name, kind, host, steps: [], urns: new Set() };
    machines.set(key, parts);
    parts.urns.add(step.urn);
    if (steps.includes(step)) parts.steps.push(step);
  }
  return machines;
}

function verdictOf(parts: Parts, log: EventLog, notices: Notices, isWhole: boolean): Verdict {
  const failed = log.diagnostics.find(
    ({ severity, urn }) => severity === "error" && parts.urns.has(urn),
  );
  const failures = notices.failures.filter(({ urn }) => parts.urns.has(urn));
  const unread = failures.find(isUnread);
  if (unread !== undefined) return { effect: "unknown", reason: unread.what };
  if (failed !== undefined) {
    const failure = failures.find(({ urn }) => urn === failed.urn);
    return { effect: "blocked", reason: failure?.what ?? failed.text };
  }
  const main = parts.kind === "VM" ? [MICRO_VM] : [SYSTEM, HYPERVISOR];
  const step = main
    .map((type) => parts.steps.find(({ urn }) => parseUrn(urn).type === type))
    .find((found) => found !== undefined);
  if (step === undefined) return isWhole ? NOTHING : ENDED;
  return withVolumes(planned(step, notices), parts);
}

const NOTHING: Verdict = { effect: "nothing", reason: "" };
const ENDED: Verdict = { effect: "unknown", reason: "the preview ended before this machine" };

function planned(step: Step, notices: Notices): Verdict {
  const plan = notices.plans.get(step.urn);
  const isVm = parseUrn(step.urn).type === MICRO_VM;
  if (isDeletion(step)) return { effect: "remove", reason: "it is no longer in the site" };
  if (isImport(step)) return { effect: "import", reason: "it is taken over as it runs" };
  if (isCreation(step)) {
    if (isVm) return { effect: "create", reason: "it is new in the site" };
    return { effect: "create", reason: plan?.reason ?? "it is new in the site" };
  }
  if (step.op === "same") return NOTHING;
  if (plan !== undefined) return { effect: plan.effect, reason: plan.reason };
  // The provider has no plan for the checks of a host: they never change it.
  if (!isVm) return NOTHING;
  return { effect: "unknown", reason: "it depends on values that a preview does not know" };
}

/** A volume that grows in a running VM is no restart, but a reviewer wants to see it here. */
function withVolumes(verdict: Verdict, { kind, name, steps }: Parts): Verdict {
  if (kind !== "VM" || ["create", "import", "remove"].includes(verdict.effect)) return verdict;
  const volumes = volumeChanges(steps).map(
    ({ volume, text }) => `volume ${volume.slice(name.length + 1)}: ${text}`,
  );
  const reason = [verdict.reason, ...volumes].filter((part) => part !== "").join("; ");
  return { ...verdict, reason };
}

function packagesOf({ urns }: Parts, { plans }: Notices): PackageChange[] {
  return [...urns].flatMap((urn) => plans.get(urn)?.packages ?? []);
}
