/**
 * Searches the join token, the keys and the kubeconfig of a cluster in all places where they could
 * leak while it is founded and a worker joins and leaves, and proves that the search works.
 */
import { gunzipSync } from "node:zlib";
import { dummyToken } from "../../provider/cluster/joinToken";
import { awaitK0s, clusterSite } from "./cluster";
import { STACK, SiteCopy, lab, on, pulumi, releaseHosts, start, until, up } from "./lab";
import { leaks, processes, searchGuest, searchHost, searchOperator, watched } from "./secretSearch";

const site = new SiteCopy();
const ONE = { controllers: 1, workers: 1 };
const HOSTS = ["hv1"] as const;
const GUESTS = ["c1", "w1"] as const;

let token: string;
let secrets: string[];

beforeAll(async () => {
  await awaitK0s();
  await releaseHosts();
  await site.use();
  await site.set({ ...clusterSite(ONE, { plain: ["c1", "w1"] }), cluster: undefined });
  await up();
}, 900_000);
afterAll(async () => {
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

/** The worker keeps each content of its token file that it sees. */
const KEEP_TOKENS =
  "umask 077; while :; do cat /etc/k0s/k0stoken >>/root/tokens 2>/dev/null; sleep 0.1; done";

async function tokenOfTheJoin(): Promise<string> {
  const lines = (await on("w1", "systemctl stop keep-tokens; sort -u /root/tokens")).split("\n");
  const [found = ""] = lines.filter((line) => line !== "" && line !== dummyToken("worker"));
  expect(found).toMatch(/^[A-Za-z0-9+/=]{1000,}$/);
  await on("w1", "rm /root/tokens");
  return found;
}

/** A line of the key, and a part of its base64, as a kubeconfig has it. */
async function partsOfKey(name: string): Promise<string[]> {
  const pem = await on("c1", `cat /var/lib/k0s/pki/${name}.key`);
  expect(pem).toMatch(/^-----BEGIN .*PRIVATE KEY-----\n/);
  return [pem.split("\n")[2] ?? "", Buffer.from(`${pem}\n`).toString("base64").slice(120, 200)];
}

async function collectSecrets(): Promise<string[]> {
  const kubeconfig = gunzipSync(Buffer.from(token, "base64")).toString();
  const bootstrap = /token: "?([a-z0-9]{6}\.[a-z0-9]{16})/.exec(kubeconfig)?.[1] ?? "";
  const keys = await Promise.all(["pulumi-microvm", "ca", "sa", "admin"].map(partsOfKey));
  // Parts, since a journal may have a long line in several.
  const parts = [100, 700, 1300].map((at) => token.slice(at, at + 80));
  const all = [...parts, bootstrap, ...keys.flat()];
  for (const one of all) expect(one.length).toBeGreaterThan(20);
  return all;
}

async function searchAll(): Promise<Record<string, string>> {
  const found: [string, string][] = [["operator", await searchOperator(secrets)]];
  for (const host of HOSTS) found.push([host, await searchHost(host, secrets)]);
  for (const guest of GUESTS) found.push([guest, await searchGuest(guest, secrets)]);
  return Object.fromEntries(found.filter(([, text]) => text !== ""));
}

test("a founding, a join and a leave leave no secret anywhere", async () => {
  await on("w1", `systemd-run -q -u keep-tokens sh -c '${KEEP_TOKENS}'`);
  await site.set(clusterSite(ONE));
  const joined = await watched("up", "--yes", "--skip-preview", "--debug");
  expect(joined.code).toBe(0);
  token = await tokenOfTheJoin();
  secrets = await collectSecrets();
  await site.set(clusterSite(ONE, { plain: ["w1"] }));
  const left = await watched("up", "--yes", "--skip-preview", "--debug");
  expect(left.code).toBe(0);
  const seen = joined.seen + left.seen;
  // Proves that the samples and the log of the engine were collected, also those of guests.
  expect(seen).toContain("provider/main.js");
  expect(seen).toContain("kube-apiserver");
  expect(seen).toMatch(/"msg":"Provider\[/);
  expect(leaks(seen, secrets)).toEqual([]);
  expect(await searchAll()).toEqual({});
  // The kubeconfig of the state has the key.
  const { stdout } = await pulumi("stack", "output", "kubeconfig", "--show-secrets", STACK);
  expect(leaks(stdout, secrets)).toHaveLength(1);
}, 300_000);

test("the search would find them", async () => {
  for (const machine of [...HOSTS, ...GUESTS]) {
    await lab(["ssh", machine, "logger -t planted"], token);
    await lab(["ssh", machine, "mkdir -p /run/pulumi-microvm; cat >/run/pulumi-microvm/x"], token);
  }
  await lab(["exec", "sh", "-c", 'cat >"${PULUMI_BACKEND_URL#file://}/planted"'], token);
  const sleeper = start(["ssh", "w1", 'read -r x; sh -c "sleep 3; :" "$x"'], `${token}\n`);
  await until("it is seen", 10, () =>
    Promise.resolve(leaks(processes(), secrets).length > 0 ? true : undefined),
  );
  await sleeper.ended;
  const found = await searchAll();
  expect(Object.keys(found).sort()).toEqual(["c1", "hv1", "operator", "w1"]);
  for (const machine of [...HOSTS, ...GUESTS]) {
    expect(found[machine]).toMatch(/^journal: /);
    expect(found[machine]).toContain("/run/pulumi-microvm/x");
    await on(machine, "rm /run/pulumi-microvm/x; journalctl -q --rotate --vacuum-time=1s");
  }
  await lab(["exec", "sh", "-c", 'rm "${PULUMI_BACKEND_URL#file://}/planted"']);
});
