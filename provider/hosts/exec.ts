/** One script run over an open connection: framed, bounded, cancellable. */
import { randomBytes } from "node:crypto";
import type { Client, ClientChannel } from "ssh2";
import { ProviderError, causeOf } from "../errors";
import { COMMAND, encodeStdin } from "./script";
import type { Parameters } from "./script";

const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;
const MAX_STDERR_BYTES = 8 * 1024;

export interface Run {
  script: string;
  parameters: Parameters;
  payload?: string;
  /** Milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
  onStatus?: (text: string) => void;
  /** Put before the command where the user is not root: `sudo -n`. */
  sudo: boolean;
}

/**
 * Lines that the script printed, without markers. Every marker line begins with a nonce that only this
 * run knows, so nothing that a program on the host prints can pass for a result.
 */
export async function exec(name: string, client: Client, run: Run): Promise<string[]> {
  const nonce = randomBytes(12).toString("hex");
  const parameters = { ...run.parameters, nonce };
  const channel = await open(name, client, run.sudo ? `exec sudo -n ${COMMAND.slice(5)}` : COMMAND);
  const { output, stderr, code } = await collect(name, channel, run, nonce, () =>
    channel.end(encodeStdin(run.script, parameters, run.payload)),
  );
  return result(name, nonce, output, stderr, code);
}

function open(name: string, client: Client, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new ProviderError("unreachable", `${name}: no channel: ${error.message}`));
    const closed = (): void => fail(new Error("the connection was lost"));
    client.once("close", closed);
    try {
      client.exec(command, (error, channel) => {
        client.removeListener("close", closed);
        if (error) fail(error);
        else resolve(channel);
      });
    } catch (error) {
      fail(error instanceof Error ? error : new Error("not connected"));
    }
  });
}

interface Collected {
  output: string;
  stderr: string;
  code: number | null;
}

function collect(
  name: string,
  channel: ClientChannel,
  run: Run,
  nonce: string,
  start: () => void,
): Promise<Collected> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const errors: Buffer[] = [];
    let size = 0;
    let errorSize = 0;
    let code: number | null = null;
    const stop = (error: ProviderError): void => {
      finish();
      channel.destroy();
      reject(error);
    };
    const abort = (): void => stop(new ProviderError("cancelled", `${name}: cancelled`));
    const timer = setTimeout(
      () => stop(new ProviderError("deadline", `${name}: no answer in time`)),
      Math.max(0, run.deadline - Date.now()),
    );
    const finish = (): void => {
      clearTimeout(timer);
      run.signal.removeEventListener("abort", abort);
    };
    run.signal.addEventListener("abort", abort, { once: true });
    if (run.signal.aborted) {
      abort();
      return;
    }
    channel.on("data", (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > MAX_OUTPUT_BYTES) {
        stop(new ProviderError("operation", `${name}: the host printed more than 32 MiB`));
      } else if (run.onStatus) forwardStatus(chunk, nonce, run.onStatus);
    });
    channel.stderr.on("data", (chunk: Buffer) => {
      if (errorSize < MAX_STDERR_BYTES) errors.push(chunk);
      errorSize += chunk.length;
    });
    channel.on("exit", (status: number | null) => (code = status));
    channel.on("error", () => undefined);
    channel.on("close", () => {
      finish();
      resolve({
        output: Buffer.concat(chunks).toString("utf8"),
        stderr: Buffer.concat(errors).subarray(0, MAX_STDERR_BYTES).toString("utf8"),
        code,
      });
    });
    start();
  });
}

/** Status lines are shown as they come; a line torn between two chunks is left out. */
function forwardStatus(chunk: Buffer, nonce: string, onStatus: (text: string) => void): void {
  const prefix = `${nonce} status `;
  for (const line of chunk.toString("utf8").split("\n")) {
    if (line.startsWith(prefix)) onStatus(line.slice(prefix.length));
  }
}

function result(
  name: string,
  nonce: string,
  output: string,
  stderr: string,
  code: number | null,
): string[] {
  const lines: string[] = [];
  let done = false;
  for (const line of output.split("\n")) {
    if (!line.startsWith(`${nonce} `)) lines.push(line);
    else if (line === `${nonce} done`) done = true;
    else {
      const failure = /^\S+ fail (\S+) (.*)$/.exec(line);
      if (failure) throw failed(name, failure[1] ?? "", failure[2] ?? "");
    }
  }
  if (done && code === 0) return lines.filter((line) => line !== "");
  if (code === null) {
    throw new ProviderError("outcome-unknown", `${name}: the link was lost before the result came`);
  }
  const detail = stderr.trim().split("\n").slice(-5).join("\n  ") || "it printed nothing";
  throw new ProviderError("operation", `${name}: a script ended with code ${code}: ${detail}`);
}

/** `what | remedy` as scripts report it. */
function failed(name: string, cause: string, text: string): ProviderError {
  const [what = "", remedy] = text.split(" | ");
  return new ProviderError(causeOf(cause), `${name}: ${what}`, remedy);
}
