/**
 * Which stack made a release: labels of Helm's record. Helm and helm-controller copy the labels of
 * the last record to the next one, so they stay when Flux takes the release over. Pure.
 */
import { createHash } from "node:crypto";
import { stackNameOf } from "../ownership";

export const STACK_LABEL = "pulumi-microvm/stack";
export const PROJECT_LABEL = "pulumi-microvm/project";

const LONGEST = 63;
const HASH = 10;
const VALID = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

export type Labels = Readonly<Record<string, string>>;

/** `urn`: of any resource of the stack. */
export function ownerLabels(urn: string): Labels {
  const { stack, project } = stackNameOf(urn);
  return { [STACK_LABEL]: labelValue(stack), [PROJECT_LABEL]: labelValue(project) };
}

/** Did the stack of `urn` make the release? */
export function isOurs(labels: Labels, urn: string): boolean {
  return Object.entries(ownerLabels(urn)).every(([key, value]) => labels[key] === value);
}

/** `PROJECT/STACK`. Undefined: no stack has made it. */
export function stackIn(labels: Labels): string | undefined {
  const stack = labels[STACK_LABEL];
  return stack && `${labels[PROJECT_LABEL] ?? ""}/${stack}`;
}

/** A name that is no valid label gets a hash in place of its end. */
function labelValue(name: string): string {
  if (name.length <= LONGEST && VALID.test(name)) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH);
  const start = name.replace(/[^A-Za-z0-9._-]/g, "-").slice(0, LONGEST - HASH - 1);
  return `${start.replace(/^[^A-Za-z0-9]+/, "")}-${hash}`.replace(/^-/, "");
}
