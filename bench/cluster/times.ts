/** Reads from the lab's hosts and guests when the steps of a cluster's members happened. */
import { z } from "zod";
import { run } from "../../lab/command";
import { HOSTS } from "../../lab/network";
import { guestsOf, onHost, sshCommand, sshTarget } from "../../lab/ssh";
import type { Guest } from "../../lab/ssh";
import type { MemberTimes } from "./path";

/** All guests, whose clocks are that of this machine. */
export async function memberTimes(): Promise<MemberTimes[]> {
  const guests = (await Promise.all(HOSTS.map(guestsOf))).flat();
  return Promise.all(guests.map(timesOf));
}

async function timesOf({ name, host }: Guest): Promise<MemberTimes> {
  const started = await onHost(host, enteredAt(`microvm@${name}.service`, "InactiveExit"));
  const lines = (await inGuest(name, GUEST)).split("\n");
  const log = lines.slice(1).flatMap(entryOf);
  const at = (message: RegExp): number | undefined => log.find((one) => message.test(one.text))?.at;
  const isController = name.startsWith("c");
  const joined = at(isController ? / is a voting member"/ : /"the node is Ready"/);
  const k0sStarts = at(/^k0s starts: /);
  if (joined === undefined || k0sStarts === undefined) {
    throw new Error(`${name}: the log of k0s does not say when it started and joined`);
  }
  return {
    name,
    isController,
    vmStarts: Number(started.stdout),
    answers: Number(lines[0]),
    k0sStarts,
    apiReady: at(/"APIServer is ready"/),
    joined,
  };
}

/** A command that prints when a unit entered or left a state, in seconds since 1970. */
const enteredAt = (unit: string, state: "ActiveEnter" | "InactiveExit"): string =>
  `date -d "$(systemctl show ${unit} --property=${state}Timestamp --value --timestamp=us)" +%s.%N`;

const GUEST = [
  enteredAt("ssh.service", "ActiveEnter"),
  "journalctl -q -b -u k0s.service -o json --output-fields=MESSAGE",
].join("\n");

const entry = z.object({ __REALTIME_TIMESTAMP: z.string(), MESSAGE: z.string() });

function entryOf(line: string): { at: number; text: string }[] {
  if (line === "") return [];
  const parsed = entry.safeParse(JSON.parse(line));
  if (!parsed.success) return [];
  const { __REALTIME_TIMESTAMP: at, MESSAGE: text } = parsed.data;
  return [{ at: Number(at) / 1e6, text }];
}

export async function inGuest(name: string, script: string): Promise<string> {
  const command = sshCommand(...(await sshTarget(name)), "sh", "-s");
  return run(command, { input: script, timeoutSeconds: 120 });
}
