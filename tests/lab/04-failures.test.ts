/** Unreachable hosts, wrong hosts, a killed provider: no resource is lost from the state. */
import {
  SiteCopy,
  bootId,
  expectNoChanges,
  failingUp,
  lab,
  mutations,
  journalAfter,
  journalEnd,
  on,
  state,
  until,
  up,
} from "./lab";
import { PROVIDER, signal, startUp } from "./kill";

const site = new SiteCopy();
beforeAll(() => site.converge());
afterEach(() => site.reset());
afterAll(() => site.release());

const OTHER_KEY =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

test("a wrong host key is rejected before the login; the error has both fingerprints", async () => {
  const end = await journalEnd("hv1");
  await site.set({ "hypervisors.hv1.ssh.hostKey": OTHER_KEY });
  const text = await failingUp();
  expect(text.match(/SHA256:[A-Za-z0-9+/]{43}/g)?.length).toBeGreaterThanOrEqual(2);
  expect(text).toMatch(/the site pins SHA256:/);
  // The refresh uses the recorded key. The other login is that of this query.
  const logins = (await journalAfter("hv1", end, "_SYSTEMD_UNIT", "ssh.service")).filter((line) =>
    line.startsWith("Accepted publickey"),
  );
  expect(logins).toHaveLength(2);
  expect((await state()).get("MicroVm kc1")).toBeDefined();
  await site.reset();
  await up();
  await expectNoChanges();
});

test("one up applies a new port, address and host key", async () => {
  await on(
    "hv1",
    "ssh-keygen -q -t ed25519 -N '' -f /run/second <<<y >/dev/null; " +
      "/usr/sbin/sshd -p 2222 -o HostKey=/run/second -o PidFile=/run/second.pid; " +
      "ip addr add 198.18.0.111/24 dev br0",
  );
  try {
    const key = (await on("hv1", "cat /run/second.pub")).split(" ").slice(0, 2).join(" ");
    await site.set({
      "hypervisors.hv1.address": "198.18.0.111",
      "hypervisors.hv1.ssh.port": 2222,
      "hypervisors.hv1.ssh.hostKey": key,
      "vms.kw1.restart": "through the new address",
    });
    const before = await bootId("kw1");
    await up();
    expect(await bootId("kw1")).not.toBe(before);
    await expectNoChanges();
  } finally {
    await site.reset();
    await up();
    await on("hv1", "kill $(cat /run/second.pid); ip addr del 198.18.0.111/24 dev br0");
  }
});

describe("one hypervisor is unreachable", () => {
  beforeAll(() => link("down"));
  afterAll(async () => {
    await link("up");
    await up();
    await expectNoChanges();
  });

  async function link(direction: "up" | "down"): Promise<void> {
    const { code, text } = await lab(["exec", "ip", "link", "set", "hv2", direction]);
    if (code !== 0) throw new Error(text);
  }

  test("a warning names it, and the state keeps all resources", async () => {
    const before = [...(await state()).keys()].sort();
    const text = await failingUp();
    expect(text).toMatch(/warning: .*hv2 \(198\.18\.0\.12:22\): can't be reached/s);
    expect([...(await state()).keys()].sort()).toEqual(before);
  });

  test("with --continue-on-error the VMs of the other hypervisor converge", async () => {
    const before = await bootId("kw1");
    await site.set({ "vms.kw1.restart": "while hv2 is away" });
    await failingUp("--continue-on-error");
    expect(await bootId("kw1")).not.toBe(before);
  });

  test("with maintenance: true the run succeeds and keeps its resources unchanged", async () => {
    const kw2 = JSON.stringify((await state()).get("MicroVm kw2")?.outputs);
    const before = await bootId("kw1");
    await site.set({
      "hypervisors.hv2.maintenance": true,
      "vms.kw1.restart": "while hv2 is in maintenance",
      "vms.kw2.restart": "later",
    });
    await up();
    expect(await bootId("kw1")).not.toBe(before);
    expect(JSON.stringify((await state()).get("MicroVm kw2")?.outputs)).toBe(kw2);
  });
});

describe("the provider is killed in the middle of a Create", () => {
  const kw5 = {
    "vms.kw5": {
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.35",
      mac: "02:00:00:00:00:35",
      volumes: { var: { size: "64MiB", onDelete: "delete" } },
    },
  };

  afterEach(async () => {
    await site.reset();
    await up();
    await on(
      "hv2",
      "rm -rf /var/lib/microvms/kw5 /run/systemd/system/microvm@kw5.service.d; " +
        "systemctl daemon-reload",
    );
    await expectNoChanges();
  });

  async function killedUp(
    when: () => Promise<true | undefined>,
    then: () => Promise<unknown>,
  ): Promise<void> {
    const running = startUp();
    await until("the moment to kill", 180, when);
    signal(running, PROVIDER, "SIGKILL");
    expect((await running.ended).code).not.toBe(0);
    await then();
  }

  const once = (lines: string[]): void => {
    const counted = lines.filter((line) => line.includes("kw5"));
    expect(counted.length).toBeGreaterThan(5);
    expect(counted.length).toBe(new Set(counted).size);
  };

  test("while its operation waits for the host's lock", async () => {
    const end = await journalEnd("hv2");
    await on(
      "hv2",
      "systemd-run --quiet --unit=test-lock flock /run/pulumi-microvm/locks/host sleep infinity",
    );
    await site.set(kw5);
    await killedUp(
      async () =>
        (await on("hv2", "systemctl list-units --plain --no-legend 'pulumi-microvm-*-*'")) === ""
          ? undefined
          : true,
      () => on("hv2", "systemctl stop test-lock"),
    );
    await up();
    expect(await on("kw5", "hostname")).toBe("kw5");
    await expectNoChanges();
    once(await mutations("hv2", end));
  });

  test("while its VM starts", async () => {
    const end = await journalEnd("hv2");
    await on(
      "hv2",
      "mkdir -p /run/systemd/system/microvm@kw5.service.d && " +
        "printf '[Service]\\nExecStartPre=/bin/sh -c " +
        '"until [ -e /run/go ]; do sleep 0.1; done"\\n\' ' +
        "> /run/systemd/system/microvm@kw5.service.d/wait.conf && systemctl daemon-reload",
    );
    await site.set(kw5);
    await killedUp(
      async () =>
        (await on("hv2", "systemctl is-active microvm@kw5 || true")) === "activating"
          ? true
          : undefined,
      () => on("hv2", "touch /run/go"),
    );
    expect((await state()).get("MicroVm kw5")).toBeUndefined();
    await up();
    expect(await on("kw5", "hostname")).toBe("kw5");
    await expectNoChanges();
    once(await mutations("hv2", end));
    await on("hv2", "rm /run/go");
  });
});
