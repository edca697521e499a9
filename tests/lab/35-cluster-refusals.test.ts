/** What the provider refuses of a member that wants to join, before it changes anything. */
import { awaitK0s, caFingerprint, clusterSite, expectMembers, expectNoTokens } from "./cluster";
import { WORKER_ADDRESS, kubectl, nodes } from "./cluster";
import { STACK, SiteCopy, failingUp, journalEnd, mutations, on, pulumi, releaseHosts } from "./lab";
import { until, up } from "./lab";
import { SELECTION, sampled } from "../selection";

const site = new SiteCopy();
const ONE = { controllers: 1, workers: 1 };
let ca: string;

beforeAll(async () => {
  await awaitK0s();
  await releaseHosts();
  await site.use();
  await converge(PLAIN);
  ca = await caFingerprint("c1");
}, 900_000);
afterAll(async () => {
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

const PLAIN = clusterSite(ONE, { plain: ["w1"] });
const JOINED = clusterSite(ONE);

async function converge(changes: Record<string, unknown>): Promise<void> {
  await site.set(changes);
  await up();
}

/** The members are those of the site after an `up`. */
async function expectJoined(): Promise<void> {
  await converge(JOINED);
  await expectMembers("c1", { controllers: ["c1"], workers: ["w1"], ca });
}

/** A run that fails has changed nothing of k0s in the guests. */
async function refused(): Promise<string> {
  const guests = ["c1", "w1"];
  const ends = await Promise.all(guests.map(journalEnd));
  const text = await failingUp();
  const lines = await Promise.all(guests.map((guest, at) => mutations(guest, ends[at] ?? "")));
  // The guest may have switched to its system with the unit k0s.
  expect(lines.flat().filter((line) => !line.startsWith("switching from"))).toEqual([]);
  await expectNoTokens("c1");
  return text;
}

async function previewFails(): Promise<string> {
  const { code, text } = await pulumi("preview", STACK);
  expect(code).not.toBe(0);
  return text;
}

const scenarios: [string, () => Promise<void>][] = [];
const scenario = (title: string, run: () => Promise<void>): void => {
  scenarios.push([title, run]);
};

scenario("a member whose clock is 60 s ahead does not join", async () => {
  await converge(PLAIN);
  const date = "/usr/local/bin/date";
  const text = `#!/bin/sh\nexec /usr/bin/date -d "60 seconds" "$@"`;
  await on("w1", `printf '%s\\n' '${text}' >${date}; chmod 0755 ${date}`);
  await site.set(JOINED);
  expect(await refused()).toMatch(
    /w1: its clock is (5|6)\d s from that of c1; nothing was changed/,
  );
  expect(await nodes("c1")).toEqual({});
  await on("w1", `rm ${date}`);
  await expectJoined();
});

const CA = "/var/lib/k0s/pki/ca.crt";
const KUBELET = "/var/lib/k0s/kubelet.conf";

/** The guest's data is that of a cluster with another CA, as after the restore of an old image. */
async function restoreForeignData(guest: string): Promise<string> {
  await on(
    guest,
    `systemctl stop k0s; cd /root && cp -a ${CA} ca.crt && cp -a ${KUBELET} kubelet.conf 2>/dev/null
     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null \
       -out ${CA} -days 2 -subj /CN=kubernetes-ca 2>/dev/null || exit 1
     ca=$(base64 -w 0 ${CA})
     [ ! -e ${KUBELET} ] || sed -i "s|\\(authority-data: \\).*|\\1$ca|" ${KUBELET}
     systemctl start k0s`,
  );
  return caFingerprint(guest);
}

async function restoreOwnData(guest: string): Promise<void> {
  await on(
    guest,
    `systemctl stop k0s; cp -a /root/ca.crt ${CA}; cp -a /root/kubelet.conf ${KUBELET} 2>/dev/null
     systemctl start k0s`,
  );
}

scenario("a worker with the data of another CA is refused, and its data stays", async () => {
  await expectJoined();
  const foreign = await restoreForeignData("w1");
  await until("w1 is not Ready", 90, async () =>
    (await nodes("c1"))["w1"] === "True" ? undefined : true,
  );
  const text = await refused();
  expect(text).toContain(`w1 has data of a cluster with the CA ${foreign}, not ${ca} of lab`);
  expect(await caFingerprint("w1")).toBe(foreign);
  expect(await on("w1", "ls -d /var/lib/k0s/left-* 2>/dev/null || true")).toBe("");
  await restoreOwnData("w1");
  await expectJoined();
});

scenario("the only controller has the data of another CA: no run changes anything", async () => {
  await expectJoined();
  const foreign = await restoreForeignData("c1");
  const end = await journalEnd("c1");
  expect(await previewFails()).toContain("no controller of the cluster answers: c1");
  await failingUp();
  expect(await mutations("c1", end)).toEqual([]);
  expect(await caFingerprint("c1")).toBe(foreign);
  await restoreOwnData("c1");
  await until("the API", 60, () => kubectl("c1", "get nodes"));
  await expectJoined();
});

const STRANGER = { apiVersion: "v1", kind: "Node", metadata: { name: "stranger" } };

scenario("an address that another member has is refused in the preview", async () => {
  await converge(PLAIN);
  const addresses = [{ type: "InternalIP", address: WORKER_ADDRESS(1) }];
  await on("c1", `echo '${JSON.stringify(STRANGER)}' | k0s kubectl create -f -`);
  const status = JSON.stringify({ status: { addresses } });
  await kubectl("c1", `patch node stranger --subresource=status --type=merge -p '${status}'`);
  await site.set(JOINED);
  const words = `w1: its address ${WORKER_ADDRESS(1)} is that of stranger in the cluster`;
  expect(await previewFails()).toContain(words);
  expect(await refused()).toContain(words);
  await kubectl("c1", "delete node stranger");
  await expectJoined();
});

test.each(sampled("cluster refusals", scenarios, 1))(`%s (${SELECTION})`, async (_, run) => {
  await run();
});
