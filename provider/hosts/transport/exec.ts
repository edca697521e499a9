/** Runs one script over an open connection. Its output is limited, and it can be cancelled. */
import { isUtf8 } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Client, ClientChannel } from "ssh2";
import { ProviderError, causeOf } from "../../errors";
import { Output } from "./output";
import { printable } from "./printable";
import { COMMAND, encodeStdin } from "./script";
import type { Parameters } from "./script";
import type { Wait } from "../wait/wait";

/** The probe of a host with hundreds of VMs prints a few hundred KiB. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_OUTPUT_LINES = 50_000;
const MAX_STDERR_BYTES = 8 * 1024;
const MAX_MARKER = 4096;

/**
 * connecting: the run has a session, but the script has not reported yet. waiting: the script waits
 * for a lock or a slot. working: the script has all locks and slots.
 */
export type Stage = "connecting" | "waiting" | "working";

export interface Run {
  script: string;
  parameters: Parameters;
  payload?: string;
  wait: Wait;
  onStatus?: (text: string) => void;
  /** A channel is open, and the script is being sent. */
  onSent?: () => void;
  /** `waiting`: the script waits for a lock or a slot. `working`: it has all that it needs. */
  onStage?: (stage: Stage) => void;
  /** Replace bytes that are not UTF-8, because the output is only shown. Default: an error. */
  freeText?: boolean;
}

/** The host did not open a channel, so nothing was sent. The run can be retried. */
export class NothingSent extends ProviderError {
  constructor(
    name: string,
    cause: string,
    /** The host rejected the channel (MaxSessions). Otherwise the connection was lost. */
    readonly refused: boolean,
  ) {
    super(
      refused ? "busy" : "unreachable",
      `${name}: the host did not open a channel: ${printable(cause)}`,
      refused ? "Set MaxSessions of sshd to 1 or more." : undefined,
    );
  }
}

/** Opens a channel and starts COMMAND in it, which waits for its script. */
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
 * Returns the lines that the script printed, without markers. Every marker line begins with a nonce
 * that only this run knows, so no other program on the host can forge a result.
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
    const { wait } = run;
    const markers = new Markers(nonce, run);
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
      else markers.see(chunk);
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

/** Closes a channel. Reads and drops what the host still sends. */
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

/** Finds status and stage markers in the output while it arrives in chunks. */
class Markers {
  private rest = "";

  constructor(
    private readonly nonce: string,
    private readonly run: Pick<Run, "onStatus" | "onStage">,
  ) {}

  see(chunk: Buffer): void {
    const { onStatus, onStage } = this.run;
    if (onStatus === undefined && onStage === undefined) return;
    const lines = `${this.rest}${chunk.toString("latin1")}`.split("\n");
    // Markers are short, so the rest of a long line is not needed.
    this.rest = (lines.pop() ?? "").slice(0, MAX_MARKER);
    const ours = lines.filter((line) => line.startsWith(this.nonce));
    const stages = ours.map((line) => line.slice(this.nonce.length + 1)).filter(isStage);
    for (const stage of stages) onStage?.(stage);
    const prefix = `${this.nonce} status `;
    const latest = ours.findLast((line) => line.startsWith(prefix))?.slice(prefix.length);
    if (latest !== undefined) onStatus?.(printable(Buffer.from(latest, "latin1").toString("utf8")));
  }
}

function isStage(text: string): text is "waiting" | "working" {
  return text === "waiting" || text === "working";
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
      const [, cause, what = "", remedy] = FAILURE.exec(line) ?? [];
      if (cause !== undefined) throw failed(name, cause, what, remedy);
    }
  }
  if (done && code === 0) {
    if (freeText || isUtf8(output)) return lines.filter((line) => line !== "");
    throw new ProviderError(
      "operation",
      `${name}: the output of the script has bytes that are not UTF-8`,
    );
  }
  if (code === null) {
    throw new ProviderError(
      "outcome-unknown",
      `${name}: the connection was lost before the result arrived`,
    );
  }
  const detail = stderr.trim().split("\n").slice(-5).map(printable).join("\n  ");
  const printedText = detail === "" ? "it printed nothing" : detail;
  throw new ProviderError(
    "operation",
    `${name}: a script ended with code ${code} and without a result: ${printedText}`,
  );
}

/** `NONCE fail CAUSE<TAB>WHAT<TAB>REMEDY`, from scripts/shared/lib.sh. The remedy can be empty. */
const FAILURE = /^\S+ fail (\S+)\t([^\t]*)(?:\t([^\t]*))?$/;

function failed(name: string, cause: string, what: string, remedy = ""): ProviderError {
  const text = `${name}: ${printable(what)}`;
  return new ProviderError(causeOf(cause), text, remedy === "" ? undefined : printable(remedy));
}
