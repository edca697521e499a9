/** The members of a k0s cluster, as the site wants them and as they are. Pure. */
import { isController } from "../../contract/names";
import type { K0sRole } from "../../contract/names";

/** What a member runs. The evaluation knows it for the wanted state. */
export interface Runs {
  /** Hash of the machine's closure. */
  closure: string;
  /** Hash of the k0s unit with its configuration: if it changes, k0s restarts. */
  k0s: string;
  /** Of k0s: `1.36.3+k0s.2`. */
  version: string;
}

export interface WantedMember {
  name: string;
  role: K0sRole;
  /** The hypervisor. */
  host: string;
  runs: Runs;
}

export interface ObservedMember {
  name: string;
  role: K0sRole;
  /** Only controllers that etcd lists. A learner has no vote yet. */
  etcd?: "voter" | "learner";
  /** A controller's API answers, a worker's node is Ready. */
  isHealthy: boolean;
  /** The machine has no data of this membership: its disk was lost. */
  hasLostData: boolean;
  /** Undefined while it cannot be known. */
  runs: Runs | undefined;
}

/** The voters of etcd. */
export interface Quorum {
  voters: number;
  healthy: number;
}

/** How many healthy voters etcd needs. */
export function needed(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

export function hasQuorum({ voters, healthy }: Quorum): boolean {
  return voters > 0 && healthy >= needed(voters);
}

export function votersOf(members: readonly ObservedMember[]): ObservedMember[] {
  return members.filter(({ etcd }) => etcd === "voter");
}

export function quorumOf(members: readonly ObservedMember[]): Quorum {
  const voters = votersOf(members);
  return { voters: voters.length, healthy: voters.filter(({ isHealthy }) => isHealthy).length };
}

export function controllersOf<T extends { role: K0sRole }>(members: readonly T[]): T[] {
  return members.filter(({ role }) => isController(role));
}

/** Those that only run workloads. */
export function workersOf<T extends { role: K0sRole }>(members: readonly T[]): T[] {
  return members.filter(({ role }) => !isController(role));
}

export function namesOf(members: readonly { name: string }[]): string[] {
  return members.map(({ name }) => name);
}

export function named<T extends { name: string }>(
  members: readonly T[],
  name: string,
): T | undefined {
  return members.find((member) => member.name === name);
}

/** The minor version of `1.36.3+k0s.2`: 36. */
export function minorOf(version: string): number {
  return Number(/^v?1\.([0-9]+)(?:\.|$)/.exec(version)?.[1] ?? Number.NaN);
}
