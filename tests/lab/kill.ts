/** Stops an engine run at a chosen step. Its processes are found by descent, not by name alone. */
import { execFileSync } from "node:child_process";
import { journalEnd, mutations, on, pulumi, start, until, STACK } from "./lab";
import type { Started } from "./lab";

/** Starts `pulumi up` in the background. */
export const startUp = (): Started => startPulumi("up");

export function startPulumi(verb: "up" | "destroy"): Started {
  const options = ["--yes", "--skip-preview", STACK, "--non-interactive", "--color=never"];
  return start(["exec", "pulumi", verb, ...options]);
}

/** Processes below `root` whose command line contains `text`. */
export function processesBelow(root: number, text: string): number[] {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
    .split("\n")
    .map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row))
    .flatMap((row) =>
      row === null ? [] : [{ pid: Number(row[1]), parent: Number(row[2]), args: row[3] ?? "" }],
    );
  const below = new Set([root]);
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const { pid, parent } of rows) if (below.has(parent)) below.add(pid);
  }
  return rows
    .filter(({ pid, args }) => below.has(pid) && args.includes(text))
    .map(({ pid }) => pid);
}

export const PROVIDER = "provider/main.js";
export const ENGINE = "pulumi up";

/** Sends a signal to the matching processes below `running`. At least one must exist. */
export function signal(running: Started, text: string, name: NodeJS.Signals): number[] {
  const victims = processesBelow(running.pid, text);
  // A process may have ended by itself in the meantime.
  const signalled = victims.filter((pid) => isAlive(pid) && process.kill(pid, name));
  expect(signalled.length).toBeGreaterThan(0);
  return signalled;
}

/** Waits until all of them have ended. */
export async function gone(pids: readonly number[]): Promise<void> {
  await until("the processes end", 30, () =>
    Promise.resolve(pids.every((pid) => !isAlive(pid)) ? true : undefined),
  );
}

/** Sends SIGINT to a process that may have ended already. */
export function interrupt(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGINT");
}

/** For a command of the lab that runs until it is told to end. */
export function terminate(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGTERM");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Ends every SSH session of root on a host, including the session of this call. */
export async function cutLinks(host: string, before = "true"): Promise<void> {
  const cut = `systemd-run --quiet sh -c '${before}; loginctl kill-user --signal=KILL root'`;
  await expect(on(host, `${cut}; sleep infinity`)).rejects.toThrow(/exit 255/);
}

/** A step number that no run reaches: the gate only counts. */
export const NEVER = 1_000_000;

/**
 * Stops a host at one of its mutations. Each mutation writes a line to the journal with `logger`. A
 * wrapper of `logger` waits there.
 */
export class Gate {
  constructor(readonly host: string) {}

  async install(): Promise<void> {
    await on(
      this.host,
      `cat > /usr/local/bin/logger <<'EOF'
#!/bin/sh
/usr/bin/logger "$@"
[ -e /run/gate/stop-at ] || exit 0
case "$*" in *"$(cat /run/gate/text)"*) ;; *) exit 0 ;; esac
echo x >> /run/gate/passed
if [ "$(wc -l < /run/gate/passed)" -eq "$(cat /run/gate/stop-at)" ]; then
  touch /run/gate/reached
  while [ -e /run/gate/reached ]; do sleep 0.05; done
fi
EOF
chmod 0755 /usr/local/bin/logger; rm -rf /run/gate`,
    );
  }

  /** Stops at the nth mutation from now on whose line contains `text`. NEVER only counts. */
  async stopAt(step: number, text = ""): Promise<void> {
    await on(
      this.host,
      "rm -rf /run/gate; mkdir /run/gate; " +
        `echo '${text}' > /run/gate/text; echo ${step} > /run/gate/stop-at`,
    );
  }

  /** The number of mutations since `stopAt`. */
  async passed(): Promise<number> {
    return Number(await on(this.host, "cat /run/gate/passed 2>/dev/null | wc -l"));
  }

  /** Whether the host waits at the gate. False if the run ended before it reached the gate. */
  async reached(running: Started): Promise<boolean> {
    let ended = false;
    void running.ended.finally(() => (ended = true));
    return until("the gate", 120, async () => {
      if ((await on(this.host, "ls /run/gate/reached 2>/dev/null || true")) !== "") return true;
      return ended ? false : undefined;
    });
  }

  async open(): Promise<void> {
    await on(this.host, "rm -rf /run/gate");
  }

  async remove(): Promise<void> {
    await on(this.host, "rm -rf /run/gate /usr/local/bin/logger");
  }
}

/** Kills the provider of a run while the host waits at the first mutation with `text`. */
export async function killAt(
  gate: Gate,
  text: string,
  verb: "up" | "destroy" = "up",
): Promise<void> {
  await gate.stopAt(1, text);
  const running = startPulumi(verb);
  expect(await gate.reached(running)).toBe(true);
  await gone(signal(running, PROVIDER, "SIGKILL"));
  await gate.open();
  expect((await running.ended).code).not.toBe(0);
}

/** Kills the provider, and lets the next run converge. The journal contains the mutation once. */
export async function killedAt(
  gate: Gate,
  text: string,
  verb: "up" | "destroy" = "up",
): Promise<void> {
  const end = await journalEnd(gate.host);
  await killAt(gate, text, verb);
  const { code, text: said } = await pulumi(verb, "--yes", "--skip-preview", STACK);
  if (code !== 0) throw new Error(said);
  await expectOnce(gate.host, end, text);
}

/** The journal contains one mutation with `text` after the cursor `end`. */
export async function expectOnce(host: string, end: string, text: string): Promise<void> {
  const lines = await mutations(host, end);
  expect(lines.filter((line) => line.includes(text))).toHaveLength(1);
}
