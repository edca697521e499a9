/** What an `up` of a cluster waits for on its longest path, from the times of its members. Pure. */

/** When the steps of a member happened, in seconds since 1970. */
export interface MemberTimes {
  name: string;
  isController: boolean;
  /** Its unit on the hypervisor starts. */
  vmStarts: number;
  /** Its sshd listens. */
  answers: number;
  /** k0s starts for the first time. */
  k0sStarts: number;
  /** A controller: its API answers. A worker: undefined. */
  apiReady: number | undefined;
  /** A controller votes in etcd; the node of a worker is Ready. */
  joined: number;
}

export interface Segment {
  what: string;
  seconds: number;
}

export interface Path {
  /** What the members themselves need, one after another. */
  waits: Segment[];
  /** What is between them: the engine, the program and the provider. */
  between: Segment[];
}

/**
 * The controllers' VMs start side by side, then the founder, then the other controllers one after
 * another, and the workers side by side. `began` and `ended`: those of the `up`.
 */
export function pathOf(members: readonly MemberTimes[], began: number, ended: number): Path {
  const controllers = members
    .filter(({ isController }) => isController)
    .sort((a, b) => a.k0sStarts - b.k0sStarts);
  const workers = members.filter(({ isController }) => !isController);
  const slowest = latest(controllers, ({ answers }) => answers);
  const last = latest(workers, ({ joined }) => joined);
  const first = controllers[0];
  if (first === undefined || slowest === undefined || last === undefined) {
    throw new Error("the cluster has no controller or no worker");
  }
  const waits: Segment[] = [span(`VM of ${slowest.name}`, slowest.vmStarts, slowest.answers)];
  const between: Segment[] = [span(`before the VM of ${slowest.name}`, began, slowest.vmStarts)];
  let at = slowest.answers;
  for (const { name, k0sStarts, apiReady, joined } of controllers) {
    const ready = apiReady ?? k0sStarts;
    between.push(span(`before k0s of ${name}`, at, k0sStarts));
    waits.push(span(`k0s of ${name} until its API answers`, k0sStarts, ready));
    waits.push(span(`${name} until it votes`, ready, joined));
    at = joined;
  }
  between.push(span(`before k0s of ${last.name}`, at, last.k0sStarts));
  waits.push(span(`k0s of ${last.name} until its node is Ready`, last.k0sStarts, last.joined));
  between.push(span("after the last node is Ready", last.joined, ended));
  return { waits, between };
}

export const sum = (segments: readonly Segment[]): number =>
  segments.reduce((total, { seconds }) => total + seconds, 0);

const span = (what: string, from: number, to: number): Segment => ({ what, seconds: to - from });

function latest<T>(all: readonly T[], at: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (most, one) => (most === undefined || at(one) > at(most) ? one : most),
    undefined,
  );
}
