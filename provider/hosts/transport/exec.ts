/** One script run over an open connection: framed, bounded, cancellable. */
import { isUtf8 } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Client, ClientChannel } from "ssh2";
import { ProviderError, causeOf } from "../../errors";
import { Output } from "./output";
import { printable } from "./printable";
import { COMMAND, encodeStdin } from "./script";
import type { Parameters } from "./script";
import type { Wait } from "../operations/wait";

/** A host with hundreds of VMs answers a probe with a few hundred KiB. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_OUTPUT_LINES = 50_000;
const MAX_STDERR_BYTES = 8 * 1024;

export interface Run {
  script: string;
  parameters: Parameters;
  payload?: string;
  wait: Wait;
  onStatus?: (text: string) => void;
  /** The lines are for people: bytes that are not UTF-8 are replaced. Otherwise they are an error. */
  freeText?: boolean;
}

/** The host opened no channel: whatever was wanted, nothing of it was sent. */
export class NothingSent extends ProviderError {
  constructor(
    name: string,
    cause: string,
    /** The host said no (MaxSessions); otherwise the connection was lost. */
    readonly refused: boolean,
  ) {
    super(
      refused ? "busy" : "unreachable",
      `${name}: no channel: ${printable(cause)}`,
      refused ? "sshd's MaxSessions must allow at least one session." : undefined,
    );
  }
}

/** A channel on which the constant command waits for its script. */
export function openChannel(
  name: string,
  client: Client,
  sudo: boolean,
  wait: Wait,
): Promise<ClientChannel> {
  const command = sudo ? `exec sudo -n ${COMMAND.slice(5)}` : COMMAND;
  wait.doing = () => "opening a channel";
  const opened = new Promise<ClientChannel>((resolve, reject) => {
    const fail = (error: Error & { reason?: unknown }): void => {
      reject(new NothingSent(name, error.message, error.reason !== undefined));
    };
    const closed = (): void => fail(new Error("the connection was lost"));
    client.once("close", closed);
    try {
      client.exec(command, (error, channel) => {
        client.removeListener("close", closed);
        if (error) fail(error);
        else if (wait.signal.aborted) discard(channel);
        else resolve(channel);
      });
    } catch (error) {
      client.removeListener("close", closed);
      fail(error instanceof Error ? error : new Error("not connected"));
    }
  });
  return wait.until(opened);
}

/**
 * Lines that the script printed, without markers. Every marker line begins with a nonce that only this
 * run knows, so nothing that a program on the host prints can pass for a result.
 */
export async function exec(name: string, channel: ClientChannel, run: Run): Promise<string[]> {
  const nonce = randomBytes(12).toString("hex");
  const stdin = encodeStdin(run.script, { ...run.parameters, nonce }, run.payload);
  const collected = await collect(name, channel, run, nonce, stdin);
  return result(name, nonce, collected, run.freeText ?? false);
}

interface Collected {
  output: Buffer;
  stderr: string;
  code: number | null;
}

function collect(
  name: string,
  channel: ClientChannel,
  run: Run,
  nonce: string,
  stdin: string,
): Promise<Collected> {
  return new Promise((resolve, reject) => {
    const output = new Output(MAX_OUTPUT_BYTES);
    const errors = new Output(MAX_STDERR_BYTES);
    let code: number | null = null;
    const { wait, onStatus } = run;
    const stop = (error: ProviderError): void => {
      wait.signal.removeEventListener("abort", abort);
      discard(channel);
      reject(error);
    };
    const abort = (): void => stop(wait.over());
    wait.signal.addEventListener("abort", abort, { once: true });
    if (wait.signal.aborted) {
      abort();
      return;
    }
    channel.on("data", (chunk: Buffer) => {
      if (!output.append(chunk)) stop(tooMuch(name, `${MAX_OUTPUT_BYTES / 1024 / 1024} MiB`));
      else if (onStatus) forwardStatus(chunk, nonce, onStatus);
    });
    channel.stderr.on("data", (chunk: Buffer) => errors.append(chunk));
    channel.on("exit", (status: number | null) => (code = status));
    channel.on("error", () => undefined);
    channel.on("close", () => {
      wait.signal.removeEventListener("abort", abort);
      const stderr = errors.content().toString("utf8");
      resolve({ output: output.content(), stderr, code });
    });
    channel.end(stdin);
  });
}

/** Ends a channel; what the host still sends on it is read and dropped, never kept. */
function discard(channel: ClientChannel): void {
  channel.removeAllListeners("data");
  channel.stderr.removeAllListeners("data");
  channel.on("error", () => undefined);
  channel.resume();
  channel.stderr.resume();
  channel.destroy();
}

function tooMuch(name: string, limit: string): ProviderError {
  return new ProviderError("operation", `${name}: the host printed more than ${limit}`);
}

/** The latest status line of each piece is shown; one that is torn between two pieces is left out. */
function forwardStatus(chunk: Buffer, nonce: string, onStatus: (text: string) => void): void {
  const prefix = `${nonce} status `;
  const latest = chunk
    .toString("utf8")
    .split("\n")
    .findLast((line) => line.startsWith(prefix));
  if (latest !== undefined) onStatus(printable(latest.slice(prefix.length)));
}

function result(
  name: string,
  nonce: string,
  { output, stderr, code }: Collected,
  freeText: boolean,
): string[] {
  const printed = output.toString("utf8").split("\n", MAX_OUTPUT_LINES + 1);
  if (printed.length > MAX_OUTPUT_LINES) throw tooMuch(name, `${MAX_OUTPUT_LINES} lines`);
  const lines: string[] = [];
  let done = false;
  for (const line of printed) {
    if (!line.startsWith(`${nonce} `)) lines.push(line);
    else if (line === `${nonce} done`) done = true;
    else {
      const failure = /^\S+ fail (\S+) (.*)$/.exec(line);
      if (failure) throw failed(name, failure[1] ?? "", failure[2] ?? "");
    }
  }
  if (done && code === 0) {
    if (freeText || isUtf8(output)) return lines.filter((line) => line !== "");
    throw new ProviderError("operation", `${name}: the answer has bytes that are not UTF-8`);
  }
  if (code === null) {
    throw new ProviderError("outcome-unknown", `${name}: the link was lost before the result came`);
  }
  const detail = stderr.trim().split("\n").slice(-5).map(printable).join("\n  ");
  throw new ProviderError(
    "operation",
    `${name}: a script ended with code ${code} and without a result: ${detail || "it printed nothing"}`,
  );
}

/** `what | remedy` as scripts report it. */
function failed(name: string, cause: string, text: string): ProviderError {
  const [what = "", remedy] = printable(text).split(" | ");
  return new ProviderError(causeOf(cause), `${name}: ${what}`, remedy);
}
