/** Cost of SSH sessions on a host, from sshd's journal and the kernel's process accounting. */
import { on } from "./lab";

/** Cost on one host, without the commands of this file. */
export interface Cost {
  /** Logins that sshd accepted. */
  connections: number;
  /** Commands that those logins ran. */
  commands: number;
  /** Processes that the commands started, including the commands. */
  processes: number;
}

const ACCOUNT = "/run/process-accounting";
const LOGGING = "/etc/ssh/sshd_config.d/verbose.conf";
/** acct(2) by its number on x86_64. perl needs the file in a variable, not as a literal. */
const account = (file: string): string =>
  `perl -e 'my $f = ${file}; syscall(163, $f) == 0 or die $!'`;
/**
 * Waits until this login is the only one: the listener has one child per login. Zombies do not
 * count, because a listener that reloads while a child ends reaps it later.
 */
const ALONE =
  'while [ "$(ps --ppid "$(cat /run/sshd.pid)" -o stat= | grep -vc ^Z)" -gt 1 ]; ' +
  "do sleep 0.1; done";
const FROM_NOW =
  "journalctl -q -n 1 --show-cursor -o cat | sed -n 's/^-- cursor: //p' > /run/cursor";

/** Measures the cost of an action on each host. */
export async function costs(
  hosts: readonly string[],
  action: () => Promise<unknown>,
): Promise<Cost[]> {
  const starts = await Promise.all(hosts.map(begin));
  await action();
  return Promise.all(hosts.map((host, index) => end(host, starts[index] ?? 0)));
}

/** With VERBOSE, sshd logs each command that it starts. Returns the PID of our own login. */
async function begin(host: string): Promise<number> {
  const verbose = `echo 'LogLevel VERBOSE' > ${LOGGING}; systemctl reload ssh`;
  const accounting = `${FROM_NOW}; : > ${ACCOUNT}; ${account(`"${ACCOUNT}"`)}`;
  return Number(await on(host, `${verbose}; ${ALONE}; ${accounting}; echo $PPID`));
}

async function end(host: string, began: number): Promise<Cost> {
  const answer = await on(
    host,
    `${ALONE}; ${account("0")}; echo $PPID; cat /run/sshd.pid; base64 -w 0 ${ACCOUNT}; echo; ` +
      'journalctl -q -o cat --after-cursor="$(cat /run/cursor)"; ' +
      `rm ${ACCOUNT} ${LOGGING} /run/cursor; systemctl reload ssh`,
  );
  const [ended = "", listener = "", records = "", ...journal] = answer.split("\n");
  // Filters here: a filter of journalctl would drop the first line after the cursor.
  const logged = (text: string): number => journal.filter((line) => line.startsWith(text)).length;
  // One login and one command are those of this function.
  const own = new Set([began, Number(ended)]);
  return {
    connections: logged("Accepted publickey") - 1,
    commands: logged("Starting session: command") - 1,
    processes: startedBySshd(parse(Buffer.from(records, "base64")), Number(listener), own),
  };
}

interface Process {
  pid: number;
  parent: number;
  name: string;
}

/** struct acct_v3 of linux/acct.h: 64 bytes for each process that has ended. */
function parse(records: Buffer): Process[] {
  return Array.from({ length: records.length / 64 }, (_, index) => {
    const record = records.subarray(index * 64, index * 64 + 64);
    return {
      pid: record.readUInt32LE(16),
      parent: record.readUInt32LE(20),
      name: record.toString("latin1", 48, 64).replace(/\0.*$/s, ""),
    };
  });
}

/**
 * Processes below the logins of sshd, except those of sshd itself and those of the given logins.
 */
function startedBySshd(
  processes: readonly Process[],
  listener: number,
  except: ReadonlySet<number>,
): number {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const loginOf = (pid: number): number | undefined => {
    const parent = parents.get(pid);
    if (except.has(pid) || parent === undefined) return undefined;
    return parent === listener ? pid : loginOf(parent);
  };
  return processes.filter(({ pid, name }) => name !== "sshd" && loginOf(pid) !== undefined).length;
}
