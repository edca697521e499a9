/** A VM of the site as a member of its cluster, with what the evaluation knows of it. Pure. */
import type { VmModel } from "../site/model";
import { requireEntry } from "./evaluation/evaluate";
import type { FlakeOutput } from "./evaluation/evaluate";
import type { K0sMember } from "./resources";

/** The evaluation requires `k0s` of each machine with a role. */
export function memberOf(
  { name, role, hypervisor: host, ip: address }: VmModel,
  { machines }: FlakeOutput,
): K0sMember | undefined {
  const { toplevel, k0s } = requireEntry(machines, name);
  if (role === undefined || k0s === undefined) return undefined;
  const runs = { closure: toplevel.outPath, k0sUnit: k0s.unit, k0sVersion: k0s.version };
  return { host, address, role, ...runs };
}
