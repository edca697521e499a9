/** What the suite reads of a cluster, through `k0s` and `k0s kubectl` of a controller. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { z } from "zod";
import type { CommandResult } from "../../command";
import { waitFor } from "../../progress";
import { matches, same } from "../report";
import type { Limits } from "./limits";
import type { Machine } from "./machine";

const member = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  spec: z.object({ leave: z.boolean().optional() }),
  status: z
    .object({
      peerAddress: z.string(),
      memberID: z.string(),
      reconcileStatus: z.string().optional(),
      message: z.string().optional(),
      conditions: z.array(
        z.object({ type: z.string(), status: z.string(), message: z.string().optional() }),
      ),
    })
    .optional(),
});
export type Member = z.infer<typeof member>;

const names = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

const kubeconfig = z.object({
  apiVersion: z.literal("v1"),
  kind: z.literal("Config"),
  "current-context": z.string(),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({ server: z.string(), "certificate-authority-data": z.string() }),
    }),
  ),
  contexts: z.array(
    z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) }),
  ),
  users: z.array(
    z.object({
      name: z.string(),
      user: z.object({
        token: z.string().optional(),
        "client-certificate-data": z.string().optional(),
        "client-key-data": z.string().optional(),
      }),
    }),
  ),
});
export type Kubeconfig = z.infer<typeof kubeconfig>;

/** Names without their data, as the checks compare them. */
export interface KubeconfigNames {
  cluster: string;
  context: string;
  user: string;
  server: string;
}

export const parseKubeconfig = (text: string): Kubeconfig => kubeconfig.parse(parse(text));

export function namesOf(file: Kubeconfig): KubeconfigNames {
  const context = file.contexts[0];
  same(file["current-context"], context?.name, "current-context");
  same(context?.context.cluster, file.clusters[0]?.name, "the context's cluster");
  same(context?.context.user, file.users[0]?.name, "the context's user");
  return {
    cluster: file.clusters[0]?.name ?? "",
    context: context?.name ?? "",
    user: file.users[0]?.name ?? "",
    server: file.clusters[0]?.cluster.server ?? "",
  };
}

/** A join token is base64 of a compressed kubeconfig. */
export const unpackToken = (token: string): Kubeconfig =>
  parseKubeconfig(gunzipSync(Buffer.from(token, "base64")).toString());

export const tokenIdOf = (token: string): string =>
  (unpackToken(token).users[0]?.user.token ?? "").split(".")[0] ?? "";

/** The standard output of a command that must succeed. */
export function output(result: CommandResult): string {
  same(result.code, 0, `exit code (${result.stderr.trim()})`);
  return result.stdout;
}

/** The standard error of a command that must fail, with cobra's exit code. */
export function refusal(result: CommandResult): string {
  same(result.code, 1, `exit code (${result.stdout.trim()})`);
  return result.stderr.trim();
}

export async function kubectl(machine: Machine, ...words: string[]): Promise<string> {
  return output(await machine.k0s("kubectl", ...words));
}

export async function json(machine: Machine, ...words: string[]): Promise<unknown> {
  return JSON.parse(await kubectl(machine, ...words, "-o", "json"));
}

export async function namesIn(machine: Machine, ...words: string[]): Promise<string[]> {
  const list = names.parse(await json(machine, "get", ...words));
  return list.items.map(({ metadata }) => metadata.name).sort();
}

export async function memberOf(machine: Machine, name: string): Promise<Member | undefined> {
  const answer = await machine.k0s(
    ...["kubectl", "get", "etcdmember", name, "--ignore-not-found", "-o", "json"],
  );
  const text = output(answer);
  return text === "" ? undefined : member.parse(JSON.parse(text));
}

export const joined = (object: Member | undefined): string | undefined =>
  object?.status?.conditions.find(({ type }) => type === "Joined")?.status;

/** The answer of `k0s etcd member-list`: names and peer URLs. */
export async function memberList(machine: Machine): Promise<{ [name: string]: string }> {
  const text = output(await machine.k0s("etcd", "member-list"));
  matches(text, /^\{"members":\{.*\}\}\n$/, "member-list");
  return z.object({ members: z.record(z.string(), z.string()) }).parse(JSON.parse(text)).members;
}

export const listOf = (...machines: Machine[]): { [name: string]: string } =>
  Object.fromEntries(machines.map(({ name, address }) => [name, `https://${address}:2380`]));

export async function token(machine: Machine, role: string): Promise<string> {
  return output(await machine.k0s("token", "create", "--role", role, "--expiry", "1h"));
}

export const patchLeave = (machine: Machine, name: string, leave: boolean): Promise<string> =>
  kubectl(
    machine,
    ...["patch", "etcdmember", name, "--type=merge", "-p", JSON.stringify({ spec: { leave } })],
  );

/** Waits until `status` answers: then the API has answered before. */
export async function ready(machine: Machine, seconds: number): Promise<void> {
  await waitFor(`k0s of ${machine.name} to be ready`, seconds, async () => {
    if (!machine.isRunning) throw new Error(`k0s has ended: ${machine.log.slice(-1500)}`);
    const answer = await machine.k0s("status");
    return answer.code === 0 ? undefined : answer.stderr.trim();
  });
}

/** Waits until the EtcdMember object of a controller fulfils a condition, and returns it. */
export async function memberWhen(
  machine: Machine,
  name: string,
  what: string,
  seconds: number,
  isSo: (object: Member) => boolean,
): Promise<Member> {
  let last: Member | undefined;
  await waitFor(`${name}: ${what}`, seconds, async () => {
    last = await memberOf(machine, name);
    if (last === undefined) return "there is no such object";
    return isSo(last) ? undefined : JSON.stringify(last);
  });
  if (last === undefined) throw new Error(`${name} has no EtcdMember object`);
  return last;
}

export function messageWhen(
  machine: Machine,
  name: string,
  message: string,
  seconds: number,
): Promise<Member> {
  return memberWhen(
    machine,
    name,
    `message "${message}"`,
    seconds,
    ({ status }) => (status?.message ?? "") === message,
  );
}

export const caOf = (machine: Machine): string =>
  createHash("sha256")
    .update(readFileSync(join(machine.data, "pki", "ca.crt")))
    .digest("hex");

/** Configuration as k0s-nix writes it: no telemetry, node-local load balancing. */
export const configOf = ({ address }: Machine): string =>
  JSON.stringify({
    apiVersion: "k0s.k0sproject.io/v1beta1",
    kind: "ClusterConfig",
    metadata: { name: "contract" },
    spec: {
      api: { address, sans: [address, "k0s.example.com"] },
      storage: { type: "etcd", etcd: { peerAddress: address } },
      network: { nodeLocalLoadBalancing: { enabled: true, type: "EnvoyProxy" } },
      telemetry: { enabled: false },
    },
  });

/** Components of k0s that need images or a network. The rest is enough for members. */
const DISABLED =
  "konnectivity-server,metrics-server,coredns,kube-proxy,network-provider,helm,autopilot," +
  "update-prober";

/** An API server with a worker's watches takes all of it to stop. k0s's default is 20 s. */
const API_STOP = "--api-server-stop-timeout=4s";

export function startController(machine: Machine, ...more: string[]): void {
  const config = `--config=${machine.config}`;
  machine.start("controller", config, `--disable-components=${DISABLED}`, API_STOP, ...more);
}

/** The controllers of the suite, and what the checks share. */
export interface Cluster {
  k1: Machine;
  k2: Machine;
  k3: Machine;
  limits: Limits;
}
