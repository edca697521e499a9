/** An operation: a script that changes something on a machine and runs there once, to its end. */
import { randomBytes, randomUUID } from "node:crypto";
import { ProviderError, isLinkLost } from "../../errors";
import { encodeParameters, script } from "../transport/script";
import type { Parameters } from "../transport/script";
import type { Run, Stage } from "../transport/exec";
import type { Transport } from "../transport/transport";
import { Wait, pause } from "../wait/wait";
import type { Limits } from "../wait/wait";

/** The context of a call: the resource, the deadline, and the cancellation. */
export interface Call extends Limits {
  urn: string;
  /** The limit of the caller's own work, seconds. Absent: only the deadline counts. */
  workSeconds?: number;
  /** The URN under the former name of the resource, while the site has `renamedFrom`. */
  formerUrn?: string | undefined;
  status: (text: string) => void;
}

export interface Operation {
  /** The name of the script. */
  script: string;
  machineId: string;
  parameters: Parameters;
  /**
   * How long the provider waits for the work after it has started, seconds. Reaching it interrupts
   * nothing on the host: the script limits those of its steps that may be interrupted. Waits for
   * locks and slots do not count.
   */
  seconds: number;
  /**
   * How long the machine may be unreachable while the operation runs, seconds. A guest that
   * switches may restart its network. Default: a few attempts.
   */
  reconnectSeconds?: number;
}

/** How operations of a machine run. */
export interface Operator {
  transport: Pick<Transport, "name" | "run">;
  /** The script that defines `probe`. Its answer is the result of each operation. */
  probe: string;
  /** The time limit for locks and slots, seconds. */
  waitSeconds: number;
}

/** The time limit for the first message of an operation. */
const START_SECONDS = 120;
const REATTACH_ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 5_000;
/** An operation reports its first stage within this time after it was sent. */
const ANSWER_MS = 60_000;
/** Additional time for the operation's report and its probe. */
const REPORT_MS = 60_000;

/**
 * Runs an operation, and returns the lines of the probe after it. The operation runs in its own
 * unit, which survives a lost connection. The provider then attaches to it again by its id and
 * never runs it twice.
 */
export async function operate(
  { transport, probe, waitSeconds }: Operator,
  call: Call,
  operation: Operation,
): Promise<string[]> {
  const limits = new StageLimits(call.deadline, waitSeconds, operation.seconds);
  const wait = new Wait(transport.name, { deadline: limits.deadline, signal: call.signal });
  const run = {
    ...sent(call, operation, probe, waitSeconds),
    wait,
    onStatus: call.status,
    onSent: () => wait.extend(limits.sent()),
    onStage: (stage: Stage) => wait.extend(limits.reached(stage)),
  };
  const lost = (): void => wait.extend(limits.deadline);
  return untilAnswered(run, transport, call, operation, lost);
}

/** The deadline of an operation: that of its stage, and a short one before its first stage. */
class StageLimits {
  deadline: number;
  private isConnecting = false;
  /** The number of reported stages: in total, and over the current connection. */
  private known = 0;
  private reported = 0;

  constructor(
    private readonly last: number,
    private readonly waitSeconds: number,
    private readonly workSeconds: number,
  ) {
    this.deadline = this.after(waitSeconds);
  }

  /** The operation was sent, either for the first time or to attach to it again. */
  sent(): number {
    this.reported = 0;
    return Math.min(this.deadline, Date.now() + Math.min(ANSWER_MS, this.workSeconds * 1000));
  }

  /** After a new attachment, the operation repeats all of its stages. They extend no limit. */
  reached(stage: Stage): number {
    if (stage === "connecting") return this.connecting();
    this.reported += 1;
    if (this.reported > this.known) {
      this.known = this.reported;
      this.deadline = this.after(stage === "waiting" ? this.waitSeconds : this.workSeconds);
    }
    return this.deadline;
  }

  /** The operation has a session. All attempts to start it share one limit. */
  private connecting(): number {
    if (!this.isConnecting) {
      this.isConnecting = true;
      const seconds = Math.min(this.workSeconds, START_SECONDS);
      this.deadline = Math.min(this.last, Date.now() + seconds * 1000);
    }
    return this.deadline;
  }

  private after(seconds: number): number {
    return Math.min(this.last, Date.now() + seconds * 1000 + REPORT_MS);
  }
}

async function untilAnswered(
  run: Run,
  transport: Operator["transport"],
  call: Call,
  { script: name, reconnectSeconds = 0 }: Operation,
  onLost: () => void,
): Promise<string[]> {
  const { wait } = run;
  let lostAt: number | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await transport.run(run, `running ${name}`);
    } catch (error) {
      if (isOutcomeUnknown(error)) lostAt ??= Date.now();
      if (lostAt === undefined || !isLinkLost(error)) throw explained(error, transport.name, name);
      const giveUpAt = lostAt + reconnectSeconds * 1000;
      if (attempt >= REATTACH_ATTEMPTS && Date.now() >= giveUpAt) {
        throw outcomeUnknown(transport.name, name, error);
      }
      call.status("the connection was lost; reconnecting");
      onLost();
      wait.doing = () => "waiting to reconnect";
      wait.cause = error.what;
      await pause(Math.min(500 * attempt, LONGEST_PAUSE_MS), wait.signal);
    }
  }
}

/** The operation as it is sent. Its id is always the same. */
function sent(
  call: Call,
  operation: Operation,
  probe: string,
  waitSeconds: number,
): Pick<Run, "parameters" | "payload" | "script"> {
  const id = randomUUID();
  // Programs can read the id in the name of the unit, but not the nonce that marks the results.
  const nonce = randomBytes(12).toString("hex");
  const inner = script(operation.script);
  const parameters = {
    ...operation.parameters,
    operation: id,
    doing: operation.script,
    owner: ownerField(call.urn),
    former_owner: call.formerUrn === undefined ? "" : ownerField(call.formerUrn),
    machine_id: operation.machineId,
    wait_seconds: String(waitSeconds),
    nonce,
  };
  return {
    script: script(probe, "operate"),
    parameters: { operation: id, nonce_inner: nonce },
    payload: `${Buffer.byteLength(inner)}\n${inner}${encodeParameters(parameters)}`,
  };
}

/** An owner in the format of a record. */
function ownerField(urn: string): string {
  return `"urn":${JSON.stringify(urn)},`;
}

export function isOutcomeUnknown(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.reason === "outcome-unknown";
}

/** The provider's deadline does not end the operation on the host. */
function explained(error: unknown, host: string, name: string): unknown {
  if (!(error instanceof ProviderError) || error.reason !== "deadline") return error;
  if (error.remedy !== undefined) return error;
  return new ProviderError(
    "deadline",
    error.what,
    `${name} may still be running on ${host}. The next up waits for it and continues from there.`,
  );
}

function outcomeUnknown(host: string, name: string, last: ProviderError): ProviderError {
  return new ProviderError(
    "outcome-unknown",
    `${host}: the connection was lost while ${name} ran; its result is unknown: ${last.what}`,
    "Run up again when the host responds. It checks the state first and does only what is missing.",
  );
}
