/** The planned changes: of resources, of volumes, and what is deleted. Pure. */
import { joinPath } from "../../provider/diff";
import type { Step } from "./events";
import type { Change, ChangedPath, Counts, Deletion, VolumeChange } from "./model";
import { isComponent, parseUrn, shortName } from "./urn";
import { Hidden, Unknown, at, canonical, isMap } from "./values";
import type { Value, ValueMap } from "./values";

export const VOLUME = "microvm:index:Volume";
export const MICRO_VM = "microvm:index:MicroVm";

/** Operations that change nothing. */
const SILENT: readonly string[] = ["same", "read", "read-discard"];
const DELETING: readonly string[] = ["delete", "delete-replaced", "discard", "discard-replaced"];
const CREATING: readonly string[] = ["create", "create-replacement"];
const IMPORTING: readonly string[] = ["import", "import-replacement"];

export const isChange = ({ op }: Step): boolean => !SILENT.includes(op);
export const isDeletion = ({ op }: Step): boolean => DELETING.includes(op);
export const isCreation = ({ op }: Step): boolean => CREATING.includes(op);
export const isImport = ({ op }: Step): boolean => IMPORTING.includes(op);

/** Components are not counted: nothing happens to them. */
export function countsOf(steps: readonly Step[]): Counts {
  const counts: Counts = { create: 0, update: 0, delete: 0, same: 0, other: 0 };
  for (const step of steps.filter(({ urn }) => !isComponent(urn))) {
    if (step.op === "update") counts.update += 1;
    else if (step.op === "same") counts.same += 1;
    else if (isCreation(step)) counts.create += 1;
    else if (isDeletion(step)) counts.delete += 1;
    else counts.other += 1;
  }
  return counts;
}

/** A path that changes, with its values. */
export interface ValueChange {
  path: string;
  kind: string;
  isIntended: boolean;
  before: Value | undefined;
  after: Value | undefined;
}

/** The changed paths of an update, sorted. Of other operations: none. */
export function valueChanges({ op, before, after, changes, keys }: Step): ValueChange[] {
  if (op !== "update" || before === undefined || after === undefined) return [];
  if (changes === undefined) {
    // Of a provider without detailed differences.
    return [...keys].sort().map((path) => {
      const values = { before: at(before.inputs, path), after: at(after.inputs, path) };
      return { path, kind: "update", isIntended: true, ...values };
    });
  }
  return Object.keys(changes)
    .sort()
    .flatMap((path) => {
      const change = changes[path];
      if (change === undefined) return [];
      const { kind, inputDiff: isIntended } = change;
      const old = isIntended ? at(before.inputs, path) : at(before.outputs, path);
      return [{ path, kind, isIntended, before: old, after: at(after.inputs, path) }];
    });
}

/** A value as text: `"live"`, `[secret]`. Empty for none. */
export function textOf(value: Value | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (value instanceof Hidden || value instanceof Unknown) return value.toJSON();
  return JSON.stringify(value);
}

export function changesOf(steps: readonly Step[]): Change[] {
  return steps
    .filter(isChange)
    .map((step) => {
      const paths = valueChanges(step).flatMap(displayed);
      return { urn: step.urn, resource: shortName(step.urn), op: step.op, paths };
    })
    .sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

/** Of lists and maps only what differs: they may be long. */
function displayed({ path, before, after, kind, isIntended }: ValueChange): ChangedPath[] {
  if (isContainer(before) && isContainer(after)) {
    return differingPaths(before, after, path).map((inner) => {
      const [was, is] = [before, after].map((value) =>
        textOf(at({ it: value }, `it${inner.slice(path.length)}`)),
      );
      return { path: inner, kind, isIntended, before: was ?? "", after: is ?? "" };
    });
  }
  const isNewSecret = before instanceof Hidden && after instanceof Hidden;
  const text = isNewSecret ? "[another secret]" : textOf(after);
  return [{ path, kind, isIntended, before: textOf(before), after: text }];
}

function isContainer(value: Value | undefined): value is Value[] | ValueMap {
  return Array.isArray(value) || isMap(value);
}

/** What a reviewer looks for first comes first. */
export function deletionsOf(steps: readonly Step[]): Deletion[] {
  return steps
    .filter((step) => isDeletion(step) && !isComponent(step.urn))
    .map((step) => ({ step, resource: shortName(step.urn), ...fateOf(step) }))
    .sort((a, b) => rankOf(a) - rankOf(b) || (a.resource < b.resource ? -1 : 1))
    .map(({ resource, fate, losesData }) => ({ resource, fate, losesData }));
}

function rankOf({ step, losesData }: { step: Step; losesData: boolean }): number {
  if (losesData) return 0;
  const rank = [VOLUME, MICRO_VM].indexOf(parseUrn(step.urn).type);
  return rank === -1 ? 3 : 1 + rank;
}

type Fate = Omit<Deletion, "resource">;

function fateOf(step: Step): Fate {
  const inputs = step.before?.inputs ?? {};
  switch (parseUrn(step.urn).type) {
    case MICRO_VM:
      return { fate: "the VM is stopped and removed", losesData: false };
    case VOLUME:
      return fateOfVolume(inputs);
    case "microvm:index:NixosSystem":
      return { fate: "the host keeps its system", losesData: false };
    case "microvm:index:Hypervisor":
      return { fate: "the host is released", losesData: false };
    case "microvm:index:NixClosure":
      return { fate: "its store paths may be collected", losesData: false };
    case "microvm:index:K0sNode":
      return { fate: "the member leaves the cluster", losesData: false };
    case "microvm:index:K0sCluster":
      return { fate: "k0s stops on all members", losesData: false };
    default:
      return { fate: "", losesData: false };
  }
}

function fateOfVolume({ onDelete, image }: ValueMap): Fate {
  const path = textOf(image);
  switch (onDelete) {
    case "delete":
      return { fate: `the image ${path} is deleted with its data`, losesData: true };
    case "trash":
      return { fate: `the image ${path} moves to the trash`, losesData: false };
    default:
      return { fate: `the image ${path} stays on the host`, losesData: false };
  }
}

export function volumeChanges(steps: readonly Step[]): VolumeChange[] {
  return steps
    .filter((step) => parseUrn(step.urn).type === VOLUME && isChange(step))
    .flatMap((step) => {
      const inputs = step.after?.inputs ?? step.before?.inputs ?? {};
      const text = volumeText(step, inputs);
      if (text === "") return [];
      const isDeleted = isDeletion(step);
      const losesData = isDeleted && fateOf(step).losesData;
      const volume = `${textOf(inputs["vm"])}.${textOf(inputs["name"])}`;
      return [{ volume, host: textOf(inputs["host"]), text, isDeleted, losesData }];
    });
}

function volumeText(step: Step, inputs: ValueMap): string {
  if (isDeletion(step)) return fateOf(step).fate;
  const size = `${textOf(inputs["sizeMiB"])} MiB`;
  if (isCreation(step)) return `a new empty disk of ${size}`;
  if (isImport(step)) return `the existing image ${textOf(inputs["image"])} is taken over`;
  const parts = valueChanges(step).flatMap(({ path, before, after, isIntended }) => {
    if (!isIntended || INCIDENTAL.includes(path)) return [];
    if (path === "sizeMiB") return [`grows from ${textOf(before)} MiB to ${size}`];
    return [`${path} changes from ${textOf(before) || "none"} to ${textOf(after) || "none"}`];
  });
  return parts.join("; ");
}

/** Inputs of a volume that say how a change is applied. */
const INCIDENTAL: readonly string[] = ["address", "renamedFrom", "machineId"];

/** Paths of leaves that differ between two lists or maps, sorted. */
export function differingPaths(
  a: Value[] | ValueMap,
  b: Value[] | ValueMap,
  prefix = "",
): string[] {
  const [was, is] = [childrenOf(a), childrenOf(b)];
  const keys = [...new Set([...was.keys(), ...is.keys()])];
  return keys.flatMap((key) => {
    const path = typeof key === "number" ? `${prefix}[${key}]` : joinPath(prefix, key);
    const [old, now] = [was.get(key), is.get(key)];
    if (isContainer(old) && isContainer(now)) return differingPaths(old, now, path);
    return canonical(old) === canonical(now) ? [] : [path];
  });
}

function childrenOf(value: Value[] | ValueMap): Map<string | number, Value> {
  if (Array.isArray(value)) return new Map(value.entries());
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map<string | number, Value>(sorted);
}
