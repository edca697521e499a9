/** Two more controllers, and what a restart changes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { holds, matches, same, type Report } from "../report";
import { waitFor } from "../../progress";
import {
  caOf,
  joined,
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

export async function joining(report: Report, { k1, k2, k3, limits }: Cluster): Promise<void> {
  await report.check(
    "a worker's token is refused by a controller, which founds nothing",
    async () => {
      startController(k2, `--token-file=${k2.write("token", await token(k1, "worker"))}`);
      same(await k2.ended(limits.ready), 1, "exit code");
      matches(k2.log, /wrong token type kubelet-bootstrap, expected type: controller-bootstrap/);
      holds(!existsSync(join(k2.data, "etcd", "member")), "no data of etcd");
    },
  );
  await report.step("two controllers that join at once both become voting members", async () => {
    for (const machine of [k2, k3]) {
      const file = machine.write("token", await token(k1, "controller"));
      startController(machine, `--token-file=${file}`);
    }
    // A member that has not started yet is in the list, under the empty name.
    const allowed = ["", ...Object.keys(listOf(k1, k2, k3))];
    await waitFor("k2 and k3 to join", limits.join, async () => {
      for (const machine of [k2, k3]) {
        if (!machine.isRunning) throw new Error(`${machine.name}: ${machine.log.slice(-1500)}`);
      }
      for (const name of Object.keys(await memberList(k1))) {
        holds(allowed.includes(name), `no member ${name} in member-list`);
      }
      const states = await Promise.all(
        ["k2", "k3"].map(async (name) => joined(await memberOf(k1, name))),
      );
      return states.every((state) => state === "True") ? undefined : states.join(", ");
    });
  });
  await report.step("both answer, and all agree about the members and the CA", async () => {
    for (const machine of [k2, k3]) {
      await ready(machine, limits.ready);
      same(await memberList(machine), listOf(k1, k2, k3));
      same(caOf(machine), caOf(k1), "CA");
    }
  });
}

/** A leave that was asked for while the controller was stopped, and a token file without a token. */
export async function restarting(report: Report, { k1, k2, k3, limits }: Cluster): Promise<void> {
  const id = (await memberOf(k1, "k3"))?.status?.memberID;
  await report.check("a stop ends with exit code 0, and all programs", async () => {
    const start = Date.now();
    same(await k3.stop(limits.stop), 0, "exit code");
    const seconds = (Date.now() - start) / 1000;
    holds(seconds < limits.stop, `it stopped within ${limits.stop} s: ${seconds}`);
    const running = (await k3.programs()).filter((name) => /^(etcd|kube-)/.test(name));
    same(running, [], "programs");
  });
  await report.check("a leave of a stopped controller waits for it", async () => {
    await patchLeave(k1, "k3", true);
    await messageWhen(k1, "k3", "Member is offline; waiting for it to leave", limits.leave + 60);
  });
  await report.check("a restart revokes the leave, and ignores the token file", async () => {
    startController(k3, `--token-file=${k3.write("token", "not a token")}`);
    await ready(k3, limits.ready);
    const object = await memberWhen(
      k1,
      "k3",
      "the leave to be revoked",
      limits.ready,
      ({ spec }) => spec.leave !== true,
    );
    same(joined(object), "True", "Joined");
    same(object.status?.memberID, id, "memberID");
    same(await memberList(k1), listOf(k1, k2, k3));
  });
}

export async function churn(report: Report, { k2, limits }: Cluster): Promise<void> {
  await report.check(
    "a restart renews the admin's certificate, and keeps other identities",
    async () => {
      const before = output(await k2.k0s("kubeconfig", "admin"));
      const created = k2.write(
        "kept.conf",
        output(await k2.k0s("kubeconfig", "create", "kept", "--groups", "system:masters")),
      );
      await k2.stop(limits.stop);
      startController(k2);
      await ready(k2, limits.ready);
      holds(output(await k2.k0s("kubeconfig", "admin")) !== before, "another admin certificate");
      matches(
        output(await k2.k0s("kubectl", "--kubeconfig", created, "auth", "can-i", "get", "nodes")),
        /^yes/,
      );
    },
  );
}
