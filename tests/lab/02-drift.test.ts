/** Drift: the preview shows it. `up` repairs it, or explains why it does not. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  mutations,
  journalEnd,
  on,
  preview,
  pulumi,
  up,
  STACK,
} from "./lab";

const site = new SiteCopy();
beforeAll(() => site.converge());
afterEach(() => site.reset());
afterAll(() => site.release());

describe("drift of a VM is shown and repaired", () => {
  test("stopped by hand", async () => {
    await on("hv1", "systemctl stop microvm@kw1");
    const changes = await preview();
    expect(changes).toMatchObject({ "MicroVm kw1": { op: "update" } });
    expect(changes["MicroVm kw1"]?.diff).toContain("running");
    await up();
    expect(await on("hv1", "systemctl is-active microvm@kw1")).toBe("active");
    await expectNoChanges();
  });

  test("the runner's link changed", async () => {
    await on(
      "hv1",
      "ln -sfn $(readlink /var/lib/microvms/kc1/current) /var/lib/microvms/kw1/current",
    );
    expect((await preview())["MicroVm kw1"]?.diff).toContain("runner");
    await up();
    expect(await on("kw1", "hostname")).toBe("kw1");
    await expectNoChanges();
  });

  test("the ownership record edited", async () => {
    await on(
      "hv1",
      'sed -i \'s/"running":true/"running":false/\' /var/lib/pulumi-microvm/vms/kw1.json',
    );
    expect(await preview()).toEqual({ "MicroVm kw1": { op: "update", diff: ["ownership"] } });
    const end = await journalEnd("hv1");
    await up();
    expect(await mutations("hv1", end)).toEqual([]);
    await expectNoChanges();
  });

  test.each([
    ["taken off the bridge", "ip link set vb-kw1 nomaster"],
    ["set down", "ip link set vb-kw1 down"],
  ])("its tap %s: it is connected again, and the guest keeps its boot", async (_, cut) => {
    const before = await bootId("kw1");
    const end = await journalEnd("hv1");
    await on("hv1", cut);
    const { text } = await pulumi("preview", STACK);
    expect(text).toContain("kw1: its tap is connected to br0 again, without a restart");
    expect(await preview()).toEqual({ "MicroVm kw1": { op: "update", diff: ["taps"] } });
    await up();
    expect(await mutations("hv1", end)).toEqual(["connecting vb-kw1 of kw1 to br0"]);
    expect(await bootId("kw1")).toBe(before);
    await expectNoChanges();
  });

  test("its tap deleted: it restarts, and no other VM does", async () => {
    const [mine, other] = [await bootId("kw1"), await bootId("kc1")];
    await on("hv1", "ip link delete vb-kw1");
    const { text } = await pulumi("preview", STACK);
    expect(text).toContain("kw1: restarts: its tap is missing");
    await up();
    expect(await bootId("kw1")).not.toBe(mine);
    expect(await bootId("kc1")).toBe(other);
    await expectNoChanges();
  });

  test("a tap is not looked at if the bridge is not checked", async () => {
    await site.set({ "hypervisors.hv1.checks.bridge": "off" });
    await up();
    await on("hv1", "ip link set vb-kw1 nomaster");
    await expectNoChanges();
    await site.reset();
    await up();
    expect(await on("hv1", "ip -o link show master br0")).toContain("vb-kw1");
    await expectNoChanges();
  });

  test("a GC root dropped", async () => {
    await on("hv1", "rm /nix/var/nix/gcroots/pulumi-microvm/kw1/runner");
    expect(await preview()).toEqual({ "NixClosure kw1": { op: "update", diff: ["paths.runner"] } });
    await up();
    await expectNoChanges();
  });
});

describe("a fault that needs the operator is an error, and nothing is changed", () => {
  /** Breaks the host, expects `message` from preview and up without a mutation, and repairs it. */
  async function refused(breakIt: string, message: RegExp, mendIt: string): Promise<void> {
    await on("hv1", breakIt);
    try {
      const end = await journalEnd("hv1");
      const seen = await pulumi("preview", STACK);
      expect(seen.code).not.toBe(0);
      expect(seen.text).toMatch(message);
      expect(await failingUp()).toMatch(message);
      expect(await mutations("hv1", end)).toEqual([]);
    } finally {
      await on("hv1", mendIt);
    }
    await up();
    await expectNoChanges();
  }

  test("a volume's image is missing", async () => {
    await on("hv1", "systemctl stop microvm@kw1");
    await refused(
      "mv /var/lib/microvms/kw1/var.img /var/lib/microvms/kept",
      /volume kw1\.var .* was created earlier and is missing now/,
      "mv /var/lib/microvms/kept /var/lib/microvms/kw1/var.img",
    );
  });

  test("libvirtd is stopped", () =>
    refused(
      "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd",
      /libvirtd is inactive/,
      "systemctl start libvirtd",
    ));

  // eno1 carries the SSH connection, so the test uses another card.
  test("the physical card is not a port of the bridge", async () => {
    await on("hv1", "ip link add eno9 type veth peer name eno9p && ip link set eno9 master br0");
    try {
      await site.set({ "hypervisors.hv1.nic": "eno9" });
      await up();
      await refused(
        "ip link set eno9 nomaster",
        /eno9 is not a port of br0 \(its ports: .*eno1/,
        "ip link set eno9 master br0",
      );
    } finally {
      await on("hv1", "ip link del eno9");
    }
    await site.reset();
    await up();
  });

  // br0 carries the SSH connection, so the test uses another bridge.
  test("the bridge is down", async () => {
    await site.set({ "hypervisors.hv1.bridge": "br9", "hypervisors.hv1.nic": "eno9" });
    await on(
      "hv1",
      "ip link add br9 type bridge && ip link add eno9 type veth peer name eno9p && " +
        "ip link set eno9 master br9",
    );
    try {
      const end = await journalEnd("hv1");
      const previewed = await pulumi("preview", STACK);
      expect(previewed.code).not.toBe(0);
      expect(previewed.text).toMatch(/br9 is down/);
      expect(await failingUp()).toMatch(/br9 is down/);
      expect(await mutations("hv1", end)).toEqual([]);
    } finally {
      await on("hv1", "ip link del br9; ip link del eno9");
    }
    await site.reset();
    await up();
  });

  test("another machine answers with the right key", async () => {
    await refused(
      "cp /etc/machine-id /root/machine-id.kept; " +
        "echo ffffffffffffffffffffffffffffffff > /etc/machine-id",
      /this is another machine/,
      "cat /root/machine-id.kept > /etc/machine-id",
    );
  });
});

test("one error lists all failing checks; warn only warns, and off skips the check", async () => {
  await on(
    "hv1",
    "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd",
  );
  try {
    const broken = { "hypervisors.hv1.nic": "eth7" };
    await site.set(broken);
    const text = await failingUp();
    expect(text).toMatch(/libvirtd is inactive/);
    expect(text).toMatch(/eth7 is not a port of br0/);

    await site.set({
      ...broken,
      "hypervisors.hv1.checks.libvirtd": "warn",
      "hypervisors.hv1.checks.bridge": "off",
    });
    const warned = await up();
    expect(warned).toMatch(/warning: hv1: libvirtd: libvirtd is inactive/);
    expect(warned).not.toMatch(/eth7/);
  } finally {
    await on("hv1", "systemctl start libvirtd");
    await site.reset();
  }
  await up();
  await expectNoChanges();
});
