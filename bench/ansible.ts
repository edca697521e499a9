/** Ansible with the same task: checks the facts of each VM on the same hosts over OpenSSH. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attempt, run } from "../lab/command";
import { labEnvironment } from "../lab/environment";
import { HOSTS, inOperator, type LabHost } from "../lab/network";
import { cacheDirectory, checkout, stateDirectory } from "../lab/paths";
import { step } from "../lab/progress";
import { onHost, sshCommand, sshConfigFile } from "../lab/ssh";
import type { Vm } from "./ours";
import { seconds } from "./stack";

/** The version on PyPI. */
const VERSION = "2.18.19";
const source = join(checkout, "bench", "ansible");
const directory = join(stateDirectory, "bench");
const inventory = join(directory, "inventory.json");
const control = join(directory, "ssh-%C");
const MULTIPLEXED = ["-o", "ControlMaster=auto", "-o", "ControlPersist=120", "-o"].concat(
  `ControlPath=${control}`,
);

export class Ansible {
  private constructor(private readonly environment: string) {}

  /** Installs it once into its own Python environment in the cache. */
  static async ensure(): Promise<Ansible> {
    const path = join(cacheDirectory, `ansible-core-${VERSION}`);
    const mark = join(path, "installed");
    if (!existsSync(mark)) {
      await step(`installing ansible-core ${VERSION} with pip`, async () => {
        await run(["python3", "-m", "venv", "--clear", path]);
        await run([join(path, "bin", "pip"), "install", "--quiet", `ansible-core==${VERSION}`]);
        writeFileSync(mark, "");
      });
    }
    return new Ansible(path);
  }

  /** Writes the expected facts of each VM, and opens the connections. */
  async expect(vms: readonly Vm[]): Promise<void> {
    mkdirSync(directory, { recursive: true });
    const hosts = await Promise.all(
      HOSTS.map(async (host): Promise<[string, object]> => {
        const own = vms.filter((vm) => vm.host === host.name);
        return [host.name, { vms: await withRecords(host, own) }];
      }),
    );
    const groups = { hypervisors: { hosts: Object.fromEntries(hosts) } };
    writeFileSync(inventory, JSON.stringify({ all: { children: groups } }));
    for (const host of HOSTS) await run(sshCommand(...MULTIPLEXED, host.name, "true"));
  }

  /** The seconds of a run with one task for each fact, in a loop over the VMs of each host. */
  check(): Promise<number> {
    return this.play("check.yml");
  }

  /** The seconds of a run with as few module calls as possible. */
  checkBatched(): Promise<number> {
    return this.play("batched.yml");
  }

  async close(): Promise<void> {
    for (const host of HOSTS) await attempt(sshCommand(...MULTIPLEXED, "-O", "exit", host.name));
  }

  private play(playbook: string): Promise<number> {
    const program = join(this.environment, "bin", "ansible-playbook");
    const command = [program, "--inventory", inventory, join(source, playbook)];
    const env = {
      ...labEnvironment(),
      ANSIBLE_CONFIG: join(source, "ansible.cfg"),
      ANSIBLE_HOME: join(directory, "ansible"),
      ANSIBLE_SSH_ARGS: ["-F", sshConfigFile, ...MULTIPLEXED].join(" "),
      ANSIBLE_SSH_CONTROL_PATH: control,
    };
    return seconds(inOperator(command), { env, timeoutSeconds: 3600 });
  }
}

/** The checksum of our provider's record, because only the provider knows its text. */
async function withRecords(host: LabHost, vms: readonly Vm[]): Promise<object[]> {
  const listed = await onHost(host, "sha1sum /var/lib/pulumi-microvm/vms/*.json");
  const sums = new Map(
    listed.stdout.split("\n").map((line) => {
      const [sum = "", path = ""] = line.split(/ +/);
      return [path, sum];
    }),
  );
  return vms.map((vm) => {
    const record = `/var/lib/pulumi-microvm/vms/${vm.name}.json`;
    return { ...vm, record, recordSha1: sums.get(record) ?? "" };
  });
}
