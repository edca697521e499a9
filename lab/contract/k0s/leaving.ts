/** Leaving, returning under the same name and address, and members that are dead. */
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../../progress";
import { holds, same, type Report } from "../report";
import {
  caOf,
  joined,
  json,
  kubectl,
  listOf,
  memberList,
  memberOf,
  memberWhen,
  messageWhen,
  output,
  patchLeave,
  ready,
  startController,
  token,
  type Cluster,
} from "./cluster";
import type { Machine } from "./machine";

export async function leaving(report: Report, { k1, k2, k3, limits }: Cluster): Promise<void> {
  await report.step("a running member leaves when spec.leave is set", async () => {
    await patchLeave(k1, "k3", true);
    await waitFor("k3 to leave etcd", limits.leave, async () =>
      "k3" in (await memberList(k1)) ? "it is in member-list" : undefined,
    );
    const object = await memberWhen(k1, "k3", "Joined False", limits.leave, (current) => {
      return joined(current) === "False";
    });
    same(object.status?.reconcileStatus, "Success", "reconcileStatus");
    same(object.status?.message, "No such member ID", "message");
    same(await memberList(k1), listOf(k1, k2));
  });
  await report.check(
    "its process waits for its end, without programs and without status",
    async () => {
      await waitFor("the programs of k3 to end", limits.stop, async () => {
        const running = (await k3.programs()).filter((name) => /^(etcd|kube-)/.test(name));
        return running.length === 0 ? undefined : running.join(", ");
      });
      holds(k3.isRunning, "the process is running");
      same((await k3.k0s("status")).code, 1, "exit code of status");
      same(await k3.stop(limits.stop), 0, "exit code after SIGTERM");
    },
  );
  await report.check(
    "started again with its data it never gets ready, and founds nothing",
    async () => {
      const before = await memberOf(k1, "k3");
      startController(k3);
      const end = Date.now() + limits.removed * 1000;
      while (Date.now() < end) {
        same((await k3.k0s("status")).code, 1, "exit code of status");
        await pause(1000);
      }
      same(await memberList(k1), listOf(k1, k2));
      same(await memberOf(k1, "k3"), before, "its EtcdMember object");
      await k3.stop(limits.stop);
    },
  );
  await report.step("emptied, it joins again with the same name and address", async () => {
    const before = await memberOf(k1, "k3");
    k3.wipe();
    startController(k3, `--token-file=${k3.write("token", await token(k1, "controller"))}`);
    await ready(k3, limits.join);
    const object = await memberWhen(k1, "k3", "Joined True", limits.join, (current) => {
      return joined(current) === "True";
    });
    holds(object.status?.memberID !== before?.status?.memberID, "another memberID");
    same(object.spec, {}, "spec");
    // Not to be trusted: they are of the earlier membership.
    same(object.status?.reconcileStatus, "Success", "reconcileStatus");
    same(object.status?.message, "No such member ID", "message");
    same(await memberList(k1), listOf(k1, k2, k3));
  });
}

/** Returns the controller that died: one that does not lead, so that the leader can watch it. */
export async function dying(report: Report, cluster: Cluster): Promise<Machine> {
  const { k1, k2, k3, limits } = cluster;
  const dead = (await leaderOf(cluster)) === k3 ? k2 : k3;
  const survivors = [k1, k2, k3].filter((machine) => machine !== dead);
  const { name } = dead;
  const lease = ["lease", `k0s-ctrl-${name}`, "-n", "kube-node-lease"];
  let died = 0;
  await report.step("a leave of a dead member waits while its lease is valid", async () => {
    await dead.cutPower();
    died = Date.now();
    await patchLeave(k1, name, true);
    const message = "Member is still active; waiting for it to shutdown";
    await messageWhen(k1, name, message, limits.leave);
  });
  await report.step("then until it has been dead for long enough", async () => {
    const message = "Member is offline; waiting for it to leave";
    await messageWhen(k1, name, message, limits.leave + 60);
  });
  await report.check("without its lease it waits for ever", async () => {
    const kept = JSON.stringify(await json(k1, "get", ...lease));
    await kubectl(k1, "delete", ...lease);
    await messageWhen(k1, name, "No k0s controller lease found", limits.leave);
    output(await k1.run([k1.binary, "kubectl", "create", "-f", "-"], withoutIdentity(kept)));
  });
  await report.step("the leader removes it from etcd", async () => {
    const object = await memberWhen(
      k1,
      name,
      "Joined False",
      limits.deadMember + limits.deadMemberSlack,
      (current) => joined(current) === "False",
    );
    const seconds = (Date.now() - died) / 1000;
    // The last renewal was up to a twelfth of the lease before its death.
    holds(seconds > limits.deadMember - 6, `not before its time: ${seconds} s`);
    same(object.status?.message, "Member removed from cluster", "message");
    same(await memberList(k1), listOf(...survivors));
  });
  return dead;
}

/** `k0s etcd leave` for a peer that is gone, on a survivor. */
export async function removing(report: Report, cluster: Cluster, lost: Machine): Promise<void> {
  const { k1, k2, k3, limits } = cluster;
  const survivors = [k1, k2, k3].filter((machine) => machine !== lost);
  await report.step("a lost controller returns with an empty disk", async () => {
    await lost.boot();
    lost.wipe();
    startController(lost, `--token-file=${lost.write("token", await token(k1, "controller"))}`);
    await ready(lost, limits.join);
    // `status` answers before the object is taken over.
    await memberWhen(k1, lost.name, "Joined True", limits.join, (current) => {
      return joined(current) === "True" && current.spec.leave !== true;
    });
  });
  await report.check("etcd leave --peer-address on a survivor", async () => {
    await lost.cutPower();
    output(await k1.k0s("etcd", "leave", `--peer-address=${lost.address}`));
    same(await memberList(k1), listOf(...survivors));
    await memberWhen(k1, lost.name, "Joined False", limits.leave, (current) => {
      return joined(current) === "False" && current.status?.message === "No such member ID";
    });
  });
}

/** The controller that holds the lease of the leader. */
async function leaderOf({ k1, k2, k3 }: Cluster): Promise<Machine> {
  const holder = await kubectl(
    k1,
    ...["get", "lease", "k0s-endpoint-reconciler", "-n", "kube-node-lease"],
    ...["-o", "jsonpath={.spec.holderIdentity}"],
  );
  for (const machine of [k1, k2, k3]) {
    const answer = await machine.k0s("status", "-o", "json");
    if (answer.stdout.includes(`"InvocationID": "${holder}"`)) return machine;
  }
  throw new Error(`no controller has the invocation ID of the leader, "${holder}"`);
}

/** The leader leaves. It is the founder, unless another one has taken the lead. */
export async function handingOver(
  report: Report,
  cluster: Cluster,
  [a, b]: [Machine, Machine],
): Promise<void> {
  const { limits } = cluster;
  const [leader, other] = (await leaderOf(cluster)) === a ? [a, b] : [b, a];
  await report.step("the leader hands over, and leaves", async () => {
    await patchLeave(other, leader.name, true);
    await memberWhen(other, leader.name, "Joined False", limits.leave + 60, (current) => {
      return joined(current) === "False";
    });
    same(await memberList(other), listOf(other));
    same(await leader.stop(limits.stop), 0, "exit code");
  });
  await report.check("emptied, it joins the cluster with the same CA", async () => {
    const ca = caOf(leader);
    leader.wipe();
    const text = await token(other, "controller");
    startController(leader, `--token-file=${leader.write("token", text)}`);
    await ready(leader, limits.join);
    same(caOf(leader), ca, "CA");
    same(await memberList(other), listOf(a, b));
  });
}

/** An object as it can be created again. */
function withoutIdentity(text: string): string {
  return text.replace(/"(uid|resourceVersion|creationTimestamp)":"[^"]*",?/g, "");
}
