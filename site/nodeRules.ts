/** Rules about the Kubernetes node of one VM: labels, taints, its name. Pure. */
import { isWorker } from "../contract/names";
import type { VmDraft } from "./draft";
import type { Issue } from "./issues";
import { duplicates } from "./uniqueness";
import type { Value } from "./value";

/** The kubelet or k0s sets these labels, and writes them again after a change. */
const RESERVED_LABELS = [
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "node.k0sproject.io/role",
];
/** Kubernetes sets these taints by the state of a node: not-ready, unreachable, unschedulable. */
const RESERVED_TAINTS = "node.kubernetes.io/";

export function checkNode(vm: VmDraft): Issue[] {
  return [
    ...checkRole(vm),
    ...checkRunning(vm),
    ...checkLabels(vm),
    ...checkTaints(vm),
    ...checkName(vm),
  ];
}

/** A member that is down waits for nothing, and its node would never get ready. */
function checkRunning({ name, role, running }: VmDraft): Issue[] {
  if (running || role.value === undefined) return [];
  return [
    {
      path: ["vms", name, "running"],
      code: "inconsistent",
      what: "a member of the cluster must run",
      remedy: "remove running, or remove role: then it leaves the cluster first",
    },
  ];
}

function checkRole({ role, labels, taints }: VmDraft): Issue[] {
  if (role.isFaulty || isWorker(role.value)) return [];
  const hasLabels = Object.keys(labels.value ?? {}).length > 0;
  const hasTaints = (taints.value ?? []).length > 0;
  const refused = (what: string, { path }: Value<unknown>): Issue =>
    role.value === undefined
      ? {
          path,
          code: "inconsistent",
          what: `${what} need a role`,
          remedy: `state role, or remove ${what}`,
        }
      : {
          path,
          code: "inconsistent",
          what: `a pure controller has no Kubernetes node, so it cannot have ${what}`,
          remedy: `remove ${what}, or state role: controller+worker`,
        };
  return [
    ...(hasLabels ? [refused("labels", labels)] : []),
    ...(hasTaints ? [refused("taints", taints)] : []),
  ];
}

function checkLabels({ labels: { path, value } }: VmDraft): Issue[] {
  return Object.keys(value ?? {})
    .filter((key) => RESERVED_LABELS.includes(key))
    .map((key) => ({
      path: [...path, key],
      code: "reserved",
      what: "the kubelet and k0s set this label themselves",
      remedy: "use another key",
    }));
}

function checkTaints({ taints: { path, value } }: VmDraft): Issue[] {
  const all = value ?? [];
  const reserved = all.filter(({ key }) => key.startsWith(RESERVED_TAINTS));
  return [
    ...reserved.map(({ key }): Issue => ({
      path,
      code: "reserved",
      what: `Kubernetes sets the taint ${key} itself`,
      remedy: "remove it",
    })),
    ...duplicates(
      all.map(({ key, effect }) => ({
        path,
        value: `${key}:${effect}`,
        what: `the taint ${key}:${effect}`,
      })),
      "keep one of the two",
    ),
  ];
}

/** k0s and etcd know a member by its host name, which its data contains. */
function checkName({ name, role, renamedFrom, statesHostName }: VmDraft): Issue[] {
  const old = renamedFrom.value;
  if (role.value === undefined || old === undefined || statesHostName) return [];
  const what = `the node would become ${name}, which is another member of the cluster`;
  const remedy = `state the host name that the VM has: hostName: ${old}`;
  return [{ path: renamedFrom.path, code: "rename", what, remedy }];
}
