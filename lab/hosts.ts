/** The hypervisors: systemd-nspawn machines, each with its own root, which survives a reboot. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { script } from "../provider/hosts/transport/script";
import { failure, run } from "./command";
import { debianRoot } from "./debian";
import { ensureGuestPrograms, type GiteaProgram } from "./guestPrograms";
import { labKey } from "./keys";
import { kubernetesDirectory } from "./kubernetes/ensure";
import { forgetMachine, removeGroup } from "./machines";
import { HOSTS, forgetHostLinks, namespaceOf, type LabHost } from "./network";
import { hashOf, hashOfFiles, labSource, madeOnce, stateDirectory } from "./paths";
import { say, step, waitFor } from "./progress";
import { onHost, operatorKey } from "./ssh";
import { recordProcess, runningProcess, stopProcess } from "./state";

const POWER_OFF_SECONDS = 90;
const READY_SECONDS = 90;
/** Enough for some hundred machines. */
const INOTIFY_INSTANCES = 4096;

/** The provider's scripts that units of the host run. */
const UNIT_SCRIPTS = {
  "boot-trial": script("boot-trial"),
  "memory-at-start": script("memory-at-start"),
  "await-stop": script("await-stop"),
};

const directoryOf = (host: LabHost): string => join(stateDirectory, "hosts", host.name);
const processOf = (host: LabHost): string => `host ${host.name}`;

/** Makes and boots the missing hosts, and waits until each one is up. */
export async function ensureHosts(gitea: GiteaProgram): Promise<void> {
  allowWatches();
  const debian = await debianRoot();
  for (const host of HOSTS) {
    await ensureRoot(host, debian);
    ensureGuestPrograms(join(directoryOf(host), "root"), gitea);
  }
  await Promise.all(
    HOSTS.map(async (host) => {
      if (isUp(host)) await awaitReady(host);
      else await step(`booting ${host.name}`, () => boot(host, debian));
    }),
  );
}

/**
 * Each systemd needs several inotify instances, and the kernel's default of 128 is for all machines
 * of a user together. The limit stays raised, since other labs may run.
 */
function allowWatches(): void {
  const limit = "/proc/sys/fs/inotify/max_user_instances";
  if (Number(readFileSync(limit, "utf8")) >= INOTIFY_INSTANCES) return;
  say(`  raising ${limit} to ${INOTIFY_INSTANCES}`);
  try {
    writeFileSync(limit, String(INOTIFY_INSTANCES));
  } catch (error) {
    say(`  it stays as it is: ${String(error)}`);
  }
}

/** With `hard` the host cannot stop anything first, as in a power failure. */
export async function rebootHost(host: LabHost, hard: boolean): Promise<void> {
  const debian = await debianRoot();
  await step(`stopping ${host.name}`, () => stop(host, hard ? 0 : POWER_OFF_SECONDS));
  await step(`booting ${host.name}`, () => boot(host, debian));
}

export async function stopHosts(): Promise<void> {
  await Promise.all(HOSTS.map((host) => stop(host, POWER_OFF_SECONDS)));
}

export const isUp = (host: LabHost): boolean => runningProcess(processOf(host)) !== undefined;

async function ensureRoot(host: LabHost, debian: string): Promise<void> {
  const files = ["host", "flake/etc", "flake/hypervisor"].map((name) => join(labSource, name));
  const version = hashOf(debian, ...files.map(hashOfFiles), JSON.stringify([host, UNIT_SCRIPTS]));
  await madeOnce(directoryOf(host), async (partial) => {
    mkdirSync(partial, { recursive: true });
    await step(`making the root of ${host.name}`, () => makeRoot(host, debian, `${partial}/root`));
    writeFileSync(join(partial, "version"), version);
  });
  if (readFileSync(join(directoryOf(host), "version"), "utf8") !== version) {
    say(
      `  ${host.name} was made by another version of the lab; to make it anew: npm run lab -- down`,
    );
  }
}

async function makeRoot(host: LabHost, debian: string, root: string): Promise<void> {
  // Also where the cached root is a link: a copy of the link would let the host write into it.
  mkdirSync(root);
  await run(["cp", "-a", "--reflink=auto", `${debian}/.`, root]);
  const own = "--no-preserve=ownership";
  await run(["cp", "-a", own, join(labSource, "flake", "etc"), root]);
  await run(["cp", "-a", own, `${join(labSource, "host", "files")}/.`, root]);

  const write = (path: string, text: string): void => writeFileSync(join(root, path), text);
  mkdirSync(join(root, "root", ".ssh"), { recursive: true });
  write("etc/hostname", `${host.name}\n`);
  write("etc/hosts", `127.0.0.1 localhost ${host.name}\n`);
  write("etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  write("etc/ssh/ssh_host_ed25519_key", labKey(host.name).privateKey);
  write("etc/ssh/ssh_host_ed25519_key.pub", `${labKey(host.name).publicKey}\n`);
  write("root/.ssh/authorized_keys", `${operatorKey.publicKey} operator\n`);
  write(
    "etc/systemd/network/10-br0.network",
    "[Match]\nName=br0\n\n" +
      `[Network]\nAddress=${host.address}/${host.prefixLength}\nLinkLocalAddressing=no\n`,
  );
  for (const [name, text] of Object.entries(UNIT_SCRIPTS)) {
    write(`usr/local/lib/pulumi-microvm-lab/${name}`, text);
  }
  const system = join(labSource, "flake", "hypervisor");
  await run(["cp", "-a", own, system, join(root, "usr/local/lib/pulumi-microvm-lab/hypervisor")]);
  write("setup.sh", readFileSync(join(labSource, "host", "setup.sh"), "utf8"));
  await run(["chroot", root, "sh", "/setup.sh"]);
  await run(["rm", join(root, "setup.sh")]);
}

/** Killing systemd-nspawn does not end its machine. Killing the machine's cgroup does. */
async function stop(host: LabHost, politeSeconds: number): Promise<void> {
  await stopProcess(processOf(host), politeSeconds);
  await removeGroup(namespaceOf(host));
  await forgetHostLinks(host);
  forgetMachine(namespaceOf(host), join(directoryOf(host), "root"));
}

async function boot(host: LabHost, debian: string): Promise<void> {
  await stop(host, 0);
  const directory = directoryOf(host);
  mkdirSync(kubernetesDirectory, { recursive: true });
  const log = openSync(join(directory, "console.log"), "a", 0o600);
  const machine = spawn(
    join(labSource, "host", "boot.sh"),
    [host.name, namespaceOf(host), join(directory, "root"), debian, kubernetesDirectory],
    { detached: true, stdio: ["ignore", log, log] },
  );
  closeSync(log);
  machine.unref();
  recordProcess(processOf(host), machine.pid);
  await awaitReady(host);
}

/** Up: systemd has started every unit, none has failed, and libvirtd answers. */
async function awaitReady(host: LabHost): Promise<void> {
  const ask =
    'test "$(systemctl is-system-running --wait)" = running ||\n' +
    "{ systemctl --failed --plain; exit 1; }\n" +
    "virsh -c qemu:///system version >/dev/null\n";
  await waitFor(`${host.name} to be up`, READY_SECONDS, async () => {
    if (!isUp(host)) {
      const log = readFileSync(join(directoryOf(host), "console.log"), "utf8");
      throw new Error(
        `${host.name} failed to boot: ${log.trim().split("\n").slice(-10).join("\n")}`,
      );
    }
    const answer = await onHost(host, ask);
    return answer.code === 0 ? undefined : failure(["ssh", host.name], answer);
  });
}
