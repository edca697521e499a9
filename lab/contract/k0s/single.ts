/** One controller: from nothing until it is ready, its files, its tokens, its kubeconfigs. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { waitFor } from "../../progress";
import { holds, matches, same, type Report } from "../report";
import {
  joined,
  json,
  listOf,
  memberList,
  memberOf,
  memberWhen,
  messageWhen,
  namesIn,
  namesOf,
  output,
  parseKubeconfig,
  patchLeave,
  ready,
  refusal,
  startController,
  token,
  tokenIdOf,
  unpackToken,
  type Cluster,
} from "./cluster";

export async function beforeTheStart(report: Report, { k1 }: Cluster): Promise<void> {
  await report.check("version: one line", async () => {
    matches(output(await k1.k0s("version")), /^v1\.\d+\.\d+\+k0s\.\d+\n$/);
  });
  await report.check("status without k0s: exit 1, names the socket", async () => {
    matches(
      refusal(await k1.k0s("status", "-o", "json")),
      /^Error: status: can't get "status" via "\/run\/k0s\/status\.sock"/m,
    );
  });
  await report.check("kubeconfig admin without PKI: exit 1", async () => {
    matches(refusal(await k1.k0s("kubeconfig", "admin")), /admin PKI file ".*" not found/);
  });
  await report.check(
    "a token file that is missing or empty is an error, and founds nothing",
    async () => {
      for (const [file, problem] of [
        [join(k1.directory, "no-such-token"), /token file .* not found/],
        [k1.write("empty-token", ""), /token file .* is empty/],
        [k1.write("text-token", "not a token"), /failed to decode token/],
      ] as const) {
        startController(k1, `--token-file=${file}`);
        same(await k1.ended(60), 1, `exit code: ${String(problem)}`);
        matches(k1.log, problem);
      }
      holds(!existsSync(join(k1.data, "etcd", "member")), "no data of etcd");
    },
  );
}

export async function founding(report: Report, { k1, limits }: Cluster): Promise<void> {
  await report.step(
    "the first controller founds a cluster, and answers when it is ready",
    async () => {
      startController(k1);
      same((await k1.k0s("status")).code, 1, "exit code of status right after the start");
      await ready(k1, limits.ready);
    },
  );
  // `status` answers before these are there.
  await report.step("then it has an EtcdMember object and three leases", async () => {
    await memberWhen(k1, "k1", "Joined True", limits.ready, (object) => joined(object) === "True");
    await waitFor("the leases", limits.ready, async () => {
      const leases = await namesIn(k1, "lease", "-n", "kube-node-lease");
      return leases.length === 3 ? undefined : leases.join(", ");
    });
  });
  await report.check("status in text", async () => {
    matches(
      output(await k1.k0s("status")),
      /^Version: v\S+\nProcess ID: \d+\nRole: controller\nWorkloads: false\nSingleNode: false\n/,
    );
  });
  await report.check("status in JSON", async () => {
    const text = output(await k1.k0s("status", "-o", "json"));
    matches(text, /^\{\n {3}"Version": "/, "indent");
    const status = z
      .object({
        Version: z.string(),
        Pid: z.number(),
        PPid: z.number(),
        Role: z.literal("controller"),
        SysInit: z.literal(""),
        StubFile: z.literal(""),
        Workloads: z.literal(false),
        SingleNode: z.literal(false),
        Args: z.array(z.string()),
        WorkerToAPIConnectionStatus: z.object({ Message: z.string(), Success: z.boolean() }),
        ClusterConfig: z.object({ spec: z.object({ api: z.object({ address: z.string() }) }) }),
        K0sVars: z.object({
          DataDir: z.string(),
          StartupConfigPath: z.string(),
          InvocationID: z.string(),
        }),
      })
      .parse(JSON.parse(text));
    same(status.ClusterConfig.spec.api.address, k1.address);
    same(status.K0sVars.DataDir, "/var/lib/k0s");
    same(status.K0sVars.StartupConfigPath, k1.config);
  });
  await report.check("its EtcdMember object", async () => {
    const object = await memberOf(k1, "k1");
    const labels = object?.metadata.labels ?? {};
    same(labels["k0s.k0sproject.io/controller-lease"], "k0s-ctrl-k1");
    matches(labels["k0s.k0sproject.io/shutdown-on-leave"] ?? "", /^[0-9a-f]{32}$/);
    same(object?.spec, {});
    same(object?.status?.peerAddress, k1.address);
    matches(object?.status?.memberID ?? "", /^[0-9a-f]{15,16}$/);
    same(object?.status?.reconcileStatus, undefined, "reconcileStatus");
    same(object?.status?.conditions, [
      { type: "Joined", status: "True", message: "Member joined" },
    ]);
  });
  await report.check("its only custom resource is EtcdMember", async () => {
    same(await namesIn(k1, "crd"), ["etcdmembers.etcd.k0sproject.io"]);
  });
  await report.check("its leases", async () => {
    const version = /^v(\d+\.\d+)/.exec(output(await k1.k0s("version")))?.[1] ?? "";
    const leases = await namesIn(k1, "lease", "-n", "kube-node-lease");
    same(leases, ["k0s-ctrl-k1", "k0s-endpoint-reconciler", `k0s-worker-config-${version}`]);
  });
  await report.check("member-list", async () => {
    same(await memberList(k1), listOf(k1));
  });
  await report.check("modes of the files with keys", () => {
    for (const [name, mode] of [
      ["ca.key", 0o640],
      ["ca.crt", 0o644],
      ["admin.conf", 0o600],
      ["sa.key", 0o640],
    ] as const) {
      same(statSync(join(k1.data, "pki", name)).mode & 0o777, mode, name);
    }
  });
  await report.check(
    "etcd leave: refused for the only member, and for an unknown peer",
    async () => {
      matches(
        refusal(await k1.k0s("etcd", "leave", `--peer-address=${k1.address}`)),
        /re-configuration failed due to not enough started members/,
      );
      matches(
        refusal(await k1.k0s("etcd", "leave", "--peer-address=198.18.50.99")),
        /peer not found: https:\/\/198\.18\.50\.99:2380/,
      );
    },
  );
  await report.check(
    "spec.leave of the only controller is reported, and can be taken back",
    async () => {
      await patchLeave(k1, "k1", true);
      const message =
        "The only active controller cannot leave the etcd cluster; " +
        "either bring another controller online or clear spec.leave";
      await messageWhen(k1, "k1", message, limits.leave);
      await patchLeave(k1, "k1", false);
      same(await memberList(k1), listOf(k1));
    },
  );
}

export async function tokens(report: Report, { k1 }: Cluster): Promise<void> {
  for (const [role, user, port] of [
    ["controller", "controller-bootstrap", 9443],
    ["worker", "kubelet-bootstrap", 6443],
  ] as const) {
    await report.check(`token create --role ${role}`, async () => {
      const text = await token(k1, role);
      matches(text, /^[A-Za-z0-9+/]+=*\n?$/, "one line of base64");
      const server = `https://${k1.address}:${port}`;
      const names = { cluster: "k0s", context: "k0s", user, server };
      same(namesOf(unpackToken(text)), names);
      const id = tokenIdOf(text);
      matches(id, /^[a-z0-9]{6}$/);
      const secrets = await namesIn(k1, "secret", "-n", "kube-system");
      holds(secrets.includes(`bootstrap-token-${id}`), `the Secret of ${id}`);
      const list = output(await k1.k0s("token", "list", "--role", role));
      matches(list, new RegExp(`^ID +ROLE +EXPIRES AT *\\n${id} +${role} +\\d{4}-.*Z *\\n$`));
      same(output(await k1.k0s("token", "invalidate", id)), `token ${id} deleted successfully\n`);
    });
  }
  await report.check("token create of another role: exit 1", async () => {
    matches(
      refusal(await k1.k0s("token", "create", "--role", "master")),
      /unsupported role "master"/,
    );
  });
  await report.check("token list: none of the role prints nothing", async () => {
    const id = tokenIdOf(await token(k1, "controller"));
    same(output(await k1.k0s("token", "list", "--role", "worker")), "");
    output(await k1.k0s("token", "invalidate", id));
  });
  await report.check("token list without role: exit 1", async () => {
    matches(
      refusal(await k1.k0s("token", "list")),
      /^Error: unsupported role ""; supported roles are "controller" and "worker"$/m,
    );
  });
  await report.check("token invalidate of an unknown id succeeds", async () => {
    same(
      output(await k1.k0s("token", "invalidate", "zzzzzz")),
      "token zzzzzz deleted successfully\n",
    );
  });
  await report.check("token invalidate of a whole token: exit 1, and the token stays", async () => {
    const text = await token(k1, "worker");
    matches(
      refusal(await k1.k0s("token", "invalidate", text.trim())),
      /invalid resource name "bootstrap-token-H4s/,
    );
    const list = output(await k1.k0s("token", "list", "--role", "worker"));
    holds(list.includes(tokenIdOf(text)), "the token is in the list");
    output(await k1.k0s("token", "invalidate", tokenIdOf(text)));
  });
}

export async function kubeconfigs(report: Report, { k1 }: Cluster): Promise<void> {
  const server = `https://${k1.address}:6443`;
  await report.check("kubeconfig admin", async () => {
    const file = parseKubeconfig(output(await k1.k0s("kubeconfig", "admin")));
    same(namesOf(file), { cluster: "local", context: "Default", user: "user", server });
    const ca = readFileSync(join(k1.data, "pki", "ca.crt")).toString("base64");
    same(file.clusters[0]?.cluster["certificate-authority-data"], ca, "CA");
  });
  await report.check("kubeconfig create: its identity is in the PKI, and works", async () => {
    const text = output(
      await k1.k0s(
        ...["kubeconfig", "create", "operator", "--groups", "system:masters"],
        ...["--certificate-expires-after", "8760h", "--context-name", "x"],
      ),
    );
    const file = parseKubeconfig(text);
    same(namesOf(file), { cluster: "x", context: "x", user: "operator", server });
    const certificate = readFileSync(join(k1.data, "pki", "operator.crt")).toString("base64");
    same(file.users[0]?.user["client-certificate-data"], certificate, "certificate");
    holds(existsSync(join(k1.data, "pki", "operator.key")), "pki/operator.key");
    const path = k1.write("operator.conf", text);
    const who = z
      .object({ status: z.object({ userInfo: z.object({ username: z.string() }) }) })
      .parse(await json(k1, "--kubeconfig", path, "auth", "whoami"));
    same(who.status.userInfo.username, "operator");
  });
}
