/** OpenSSH for the lab: pinned host keys, the lab's own agent, no settings or keys of the user. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { attempt, failure, run, type CommandResult } from "./command";
import { labKey } from "./keys";
import { HOSTS, inOperator, type LabHost } from "./network";
import { labSource, stateDirectory } from "./paths";
import { waitFor } from "./progress";
import { recordProcess, runningProcess, stopProcess } from "./state";

export const agentSocket = join(stateDirectory, "agent.sock");
export const sshConfigFile = join(stateDirectory, "ssh_config");
const knownHosts = join(stateDirectory, "known_hosts");
/** One file per guest: commands that run at once write and read them. */
const guestKnownHosts = (name: string): string => join(stateDirectory, `known_hosts.${name}`);

export const operatorKey = labKey("operator");
export const hostKey = (host: LabHost): string => labKey(host.name).publicKey;

/** Starts the agent with the operator's key, unless it is running. */
export async function ensureAgent(): Promise<void> {
  if (runningProcess("ssh-agent") !== undefined && existsSync(agentSocket)) return;
  await stopProcess("ssh-agent", 5);
  rmSync(agentSocket, { force: true });
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const agent = spawn("ssh-agent", ["-D", "-a", agentSocket], { detached: true, stdio: "ignore" });
  agent.unref();
  recordProcess("ssh-agent", agent.pid);
  const add = ["ssh-add", "-q", "-"];
  await waitFor("the lab's ssh-agent", 10, async () => {
    const added = await attempt(add, {
      env: { ...process.env, SSH_AUTH_SOCK: agentSocket },
      input: operatorKey.privateKey,
    });
    return added.code === 0 ? undefined : failure(add, added);
  });
}

/** Written each time: everything in it is derived. */
export function writeSshConfig(): void {
  const pins = HOSTS.map((host) => `${host.name} ${hostKey(host)}\n`).join("");
  writeFileSync(knownHosts, pins);
  const names = HOSTS.map(
    (host) => `Host ${host.name}\n  HostName ${host.address}\n  HostKeyAlias ${host.name}\n`,
  );
  const everywhere = [
    "Host *",
    "  User root",
    `  IdentityAgent ${agentSocket}`,
    "  IdentityFile none",
    `  UserKnownHostsFile ${knownHosts}`,
    "  GlobalKnownHostsFile /dev/null",
    "  StrictHostKeyChecking yes",
    "  HostKeyAlgorithms ssh-ed25519",
    "  BatchMode yes",
    "  ConnectTimeout 5",
    "  LogLevel ERROR",
    "",
  ];
  writeFileSync(sshConfigFile, names.join("") + everywhere.join("\n"));
}

/** An ssh command from the operator's namespace to a host, or with more options to a guest. */
export const sshCommand = (...words: string[]): string[] =>
  inOperator(["ssh", "-F", sshConfigFile, ...words]);

export function onHost(host: LabHost, script: string, timeoutSeconds = 60): Promise<CommandResult> {
  return attempt(sshCommand(host.name, "sh", "-s"), { input: script, timeoutSeconds });
}

export interface Guest {
  name: string;
  host: LabHost;
  /** Of its unit in systemd: active, inactive, activating, failed. */
  unit: string;
  address: string;
  hostKey: string;
}

const machine = z.object({ network: z.object({ ip: z.string() }) });

/** The VMs of a host, read from the host's files, no matter which stack made them. */
export async function guestsOf(host: LabHost): Promise<Guest[]> {
  const script = readFileSync(join(labSource, "host", "guests.sh"), "utf8");
  const list = await run(sshCommand(host.name, "sh", "-s"), { input: script, timeoutSeconds: 30 });
  return list
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", unit = "", key = "", json = ""] = line.split("\t");
      const parsed = json === "" ? undefined : machine.safeParse(JSON.parse(json));
      const address = parsed?.data?.network.ip ?? "unknown";
      return { name, host, unit, address, hostKey: key };
    });
}

/** The arguments of ssh that reach a host or a guest by its name. */
export async function sshTarget(name: string): Promise<string[]> {
  if (HOSTS.some((host) => host.name === name)) return [name];
  const asked = await Promise.allSettled(HOSTS.map(guestsOf));
  const guests = asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  const guest = guests.find((candidate) => candidate.name === name);
  if (guest === undefined) {
    const known = [...HOSTS.map((host) => host.name), ...guests.map((other) => other.name)];
    throw new Error(`no host or guest ${name}; there are ${known.join(", ")}`);
  }
  return [...pinned(guest), guest.address];
}

function pinned({ name, hostKey }: Guest): string[] {
  const file = guestKnownHosts(name);
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, `${name} ${hostKey}\n`);
  renameSync(unfinished, file);
  return ["-o", `HostKeyAlias=${name}`, "-o", `UserKnownHostsFile=${file}`];
}
