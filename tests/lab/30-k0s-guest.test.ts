/**
 * The lab's guests as members of a k0s cluster, by hand: what the provider's steps rely on. The
 * unit, its condition and its waits are those of nixos/modules/k0s-node.nix.
 */
import {
  awaitK0s,
  awaitK0sStatus,
  awaitNodes,
  caFingerprint,
  clusterSite,
  etcdMemberObjects,
  etcdMembers,
  foundByHand,
  joinByHand,
  programsOfGuests,
  wipeData,
} from "./cluster";
import { SiteCopy, on, releaseHosts, up } from "./lab";

const site = new SiteCopy();
const ACTIVE = "systemctl is-active k0s || true";

beforeAll(async () => {
  await awaitK0s();
  // Without a cluster that the lab may have.
  await releaseHosts();
  await site.use();
  await site.set(clusterSite({ controllers: 1, workers: 1 }));
  // The VMs without their cluster.
  await up("--exclude", "**microvm:index:K0s*::*", "--exclude-dependents");
});
afterAll(() => site.restore());

test("a guest with a role has the unit, which starts nothing by itself", async () => {
  expect(await on("c1", ACTIVE)).toBe("inactive");
  expect(await on("c1", "systemctl is-enabled k0s; readlink -f $(command -v k0s)")).toMatch(
    /^enabled\n\/nix\/store\/.*-k0s-1\.36\.3\+k0s\.2\/bin\/k0s$/,
  );
  expect(await on("c1", "journalctl -u k0s -o cat")).toContain(
    "k0s does not start: no data, no join token for a controller in /etc/k0s/k0stoken",
  );
  expect(await on("c1", "findmnt -n -o FSTYPE /var")).toBe("ext4");
});

test("a founding mark founds, and a worker joins with a token", async () => {
  await foundByHand("c1");
  expect(await on("c1", "ls /run/pulumi-microvm/k0s-found 2>&1 || true")).toMatch(/No such file/);
  expect(await etcdMembers("c1")).toEqual({ c1: "https://198.18.0.51:2380" });
  await joinByHand("w1", "c1", "worker");
  await awaitNodes("c1", ["w1"]);
  // From where the hypervisor connects.
  await on("hv2", "bash -c ': </dev/tcp/198.18.0.51/6443'");
});

test("a restart of the VM ends all processes, and k0s resumes by itself", async () => {
  const before = await caFingerprint("c1");
  const member = (await etcdMemberObjects("c1"))["c1"];
  await on("hv1", "systemctl stop microvm@c1 microvm@w1");
  expect(await programsOfGuests("hv1")).toEqual([]);
  await on("hv1", "systemctl start microvm@c1 microvm@w1");
  await awaitK0sStatus("c1");
  await awaitNodes("c1", ["w1"]);
  expect(await caFingerprint("c1")).toBe(before);
  expect((await etcdMemberObjects("c1"))["c1"]).toEqual(member);
});

test("a worker without data and token, and a controller without data found nothing", async () => {
  await on("w1", "echo >/etc/k0s/k0stoken");
  for (const machine of ["c1", "w1"]) {
    await wipeData(machine);
    await on(machine, "systemctl start k0s");
    expect(await on(machine, ACTIVE)).toBe("inactive");
    expect(await on(machine, "ls -A /var/lib/k0s")).toBe("");
  }
});
