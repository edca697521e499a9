/** `pulumi-microvm status`: what is there, read as the provider reads it. Changes nothing. */
import { EXIT } from "../errors";
import type { ExitCode } from "../errors";
import { statusOf, statusText } from "../report/status";
import { Lookout } from "../state/look";
import { readState } from "../state/state";
import type { StackState } from "../state/state";
import type { Terminal } from "../terminal";

export interface StatusFlags {
  directory: string;
  stack?: string;
  json: boolean;
  /** Again after this many seconds, until it is interrupted. */
  watch?: number;
}

export async function status(terminal: Terminal, flags: StatusFlags): Promise<ExitCode> {
  const aborted = new AbortController();
  const stop = (): void => aborted.abort();
  process.once("SIGINT", stop);
  try {
    for (;;) {
      const code = await once(terminal, flags, aborted.signal);
      if (flags.watch === undefined) return code;
      await pause(flags.watch * 1000, aborted.signal);
      if (aborted.signal.aborted) return code;
    }
  } finally {
    process.off("SIGINT", stop);
  }
}

async function once(
  terminal: Terminal,
  { directory, stack, json, watch }: StatusFlags,
  signal: AbortSignal,
): Promise<ExitCode> {
  const state = await terminal.during("reading the state", () => readState(directory, stack));
  const found = await terminal.during("looking at the hosts", () => look(state, signal));
  if (json) terminal.print(JSON.stringify(found, null, watch === undefined ? 2 : 0));
  else {
    if (watch !== undefined) terminal.print(new Date().toISOString());
    terminal.print(statusText(found, terminal));
  }
  return found.isFine ? EXIT.done : EXIT.findings;
}

async function look(state: StackState, signal: AbortSignal): Promise<ReturnType<typeof statusOf>> {
  const lookout = new Lookout(state, signal);
  try {
    return statusOf(await lookout.look());
  } finally {
    lookout.close();
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
