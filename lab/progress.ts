/** Progress of long steps: a line at the start and at the end, and the elapsed seconds. */
import { setTimeout as pause } from "node:timers/promises";

const STILL_SECONDS = 15;

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Runs a step, with its elapsed time and `detail` on standard error. */
export async function step<T>(
  title: string,
  action: () => Promise<T>,
  detail: () => string = () => "",
): Promise<T> {
  const start = Date.now();
  const seconds = (): number => Math.round((Date.now() - start) / 1000);
  const live = process.stderr.isTTY;
  if (!live) say(`  ${title} ...`);
  const timer = setInterval(
    () => {
      const text = `  ${title} ... ${seconds()} s${detail()}`;
      if (live) process.stderr.write(`\r${text}`);
      else say(text);
    },
    live ? 1000 : STILL_SECONDS * 1000,
  );
  let end = "failed";
  try {
    const result = await action();
    end = "done";
    return result;
  } finally {
    clearInterval(timer);
    say(`${live ? "\r" : ""}  ${title}: ${end}, ${seconds()} s`);
  }
}

/** Calls `ask` until it returns undefined: done. Any other result says what is still missing. */
export async function waitFor(
  what: string,
  timeoutSeconds: number,
  ask: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  for (;;) {
    const cause = await ask();
    if (cause === undefined) return;
    if (Date.now() > deadline) {
      throw new Error(`timed out after ${timeoutSeconds} s waiting for ${what}: ${cause}`);
    }
    await pause(200);
  }
}
