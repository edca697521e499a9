/** Hosts behind a jump host, and an operator who is not root. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  journalAfter,
  journalEnd,
  on,
  up,
} from "./lab";

const site = new SiteCopy();
const OTHER_KEY =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

beforeAll(() => site.converge());
afterAll(() => site.restore());

/** hv1 through hv2. */
function jump(hostKey: unknown): Record<string, unknown> {
  return {
    "ssh.jumpHosts": { gate: { address: site.get("hypervisors.hv2.address"), hostKey } },
    "hypervisors.hv1.ssh.jumpHost": "gate",
  };
}

test("both hops are verified, and all connections use the jump host, also copies", async () => {
  const before = await bootId("kw1");
  await site.set({
    ...jump(site.get("hypervisors.hv2.ssh.hostKey")),
    "vms.kw1.memory": "208MiB",
  });
  // The refresh of this run still uses the recorded configuration.
  await up();
  const end = await journalEnd("hv1");
  await site.set({
    ...jump(site.get("hypervisors.hv2.ssh.hostKey")),
    "vms.kw1.memory": "224MiB",
  });
  await up();
  await expectNoChanges();
  const gate = String(site.get("hypervisors.hv2.address"));
  const logins = (await journalAfter("hv1", end, "_SYSTEMD_UNIT", "ssh.service")).filter((line) =>
    line.startsWith("Accepted publickey"),
  );
  const straight = logins.filter((line) => !line.includes(` from ${gate} `));
  // Only the login of this query.
  expect(straight).toHaveLength(1);
  expect(logins.length).toBeGreaterThan(2);
  expect(await bootId("kw1")).not.toBe(before);
}, 400_000);

test("a jump host with a wrong key is rejected, and the error has both fingerprints", async () => {
  await site.set({ ...jump(OTHER_KEY), "vms.kw1.restart": "through a jump host with a wrong key" });
  const before = await bootId("kw1");
  const text = await failingUp();
  expect(text).toMatch(/hv1 \(jump host\)/);
  expect(text.match(/SHA256:[A-Za-z0-9+/]{43}/g)?.length).toBeGreaterThanOrEqual(2);
  expect(await bootId("kw1")).toBe(before);
  await site.reset();
  await up();
}, 400_000);

test("a user with sudo can do everything that root can", async () => {
  await on(
    "hv1",
    "useradd --create-home ops; install -d -m 0700 -o ops ~ops/.ssh; " +
      "install -m 0600 -o ops /root/.ssh/authorized_keys ~ops/.ssh/; " +
      "echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops",
  );
  try {
    const before = await bootId("kw1");
    await site.set({ "hypervisors.hv1.ssh.user": "ops", "vms.kw1.memory": "216MiB" });
    await up();
    expect(await bootId("kw1")).not.toBe(before);
    await expectNoChanges();

    await on("hv1", "rm /etc/sudoers.d/ops");
    await site.set({ "hypervisors.hv1.ssh.user": "ops", "vms.kw1.restart": "without sudo" });
    expect(await failingUp()).toMatch(/hv1: .*sudo/);
  } finally {
    await site.reset();
    await up();
    await on("hv1", "rm -f /etc/sudoers.d/ops; userdel --force --remove ops");
  }
}, 400_000);
