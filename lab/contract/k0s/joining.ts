/** Two more controllers, and what a restart changes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { holds, matches, same, type Report } from "../report";
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../../progress";
import type { Machine } from "./machine";
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
  tokenIdOf,
  unpackToken,
  type Cluster,
} from "./cluster";

/** An address at which nothing runs. */
const GHOST = "198.18.50.99";

/** Calls the join API, as a controller that joins does. Its certificate is not checked here. */
const CALL = `
const [url, token, body] = process.argv.slice(1);
const headers = { authorization: "Bearer " + token, "content-type": "application/json" };
const options = { method: "POST", headers, rejectUnauthorized: false };
const request = require("node:https").request(url, options, async (response) => {
  let text = "";
  for await (const chunk of response) text += chunk;
  process.stdout.write(response.statusCode + " " + text);
});
request.end(body);`;

async function addMember(from: Machine, to: Machine, text: string, peer: string): Promise<string> {
  const body = JSON.stringify({ node: "ghost", peerAddress: `https://${peer}:2380` });
  const url = `https://${to.address}:9443/v1beta1/etcd/members`;
  const secret = unpackToken(text).users[0]?.user.token ?? "";
  return output(await from.run([process.execPath, "-e", CALL, url, secret, body]));
}

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
  await report.check("the join API refuses a token that was invalidated", async () => {
    const text = await token(k1, "controller");
    output(await k1.k0s("token", "invalidate", tokenIdOf(text)));
    same(await addMember(k2, k1, text, GHOST), "401 go away");
  });
  await report.step("a member that has not started is listed under the empty name", async () => {
    matches(await addMember(k2, k1, await token(k1, "controller"), GHOST), /^200 .*initialCluster/);
    same(await memberList(k1), { ...listOf(k1), "": `https://${GHOST}:2380` });
  });
  await report.check("while it is there, etcd refuses another one", async () => {
    const text = await token(k1, "controller");
    matches(
      await addMember(k2, k1, text, k2.address),
      /^500 .*too many learner members in cluster/,
    );
  });
  await report.step("two controllers that join at once both become voting members", async () => {
    const start = async (machine: Machine): Promise<void> => {
      const file = machine.write("token", await token(k1, "controller"));
      startController(machine, `--token-file=${file}`);
    };
    await start(k2);
    // k0s repeats its request until no other learner is there.
    await pause(1500);
    same(await memberList(k1), { ...listOf(k1), "": `https://${GHOST}:2380` });
    output(await k1.k0s("etcd", "leave", `--peer-address=${GHOST}`));
    await start(k3);
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

/** A leave that was requested while the controller was stopped, and a token file without one. */
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

/** As with the unit's KillMode=process: k0s's programs may outlive it. */
export async function killing(report: Report, { k2, limits }: Cluster): Promise<void> {
  const before = output(await k2.k0s("kubeconfig", "admin"));
  const created = k2.write(
    "kept.conf",
    output(await k2.k0s("kubeconfig", "create", "kept", "--groups", "system:masters")),
  );
  await report.step("after SIGKILL of k0s alone the next start gets ready", async () => {
    const old = await etcdOf(k2);
    await k2.kill();
    startController(k2);
    await ready(k2, limits.ready);
    holds((await etcdOf(k2)) !== old, "only another process of etcd");
  });
  await report.check(
    "a start renews the admin's certificate, and keeps other identities",
    async () => {
      holds(output(await k2.k0s("kubeconfig", "admin")) !== before, "another admin certificate");
      matches(
        output(await k2.k0s("kubectl", "--kubeconfig", created, "auth", "can-i", "get", "nodes")),
        /^yes/,
      );
    },
  );
}

const etcdOf = async (machine: Machine): Promise<string> =>
  output(await machine.run(["pgrep", "-x", "etcd"])).trim();
