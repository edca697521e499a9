/** An operation: a script that changes something on a machine, run there to its end, once. */
import { randomBytes, randomUUID } from "node:crypto";
import { ProviderError, isLinkLost } from "../../errors";
import { encodeParameters, script } from "../transport/script";
import type { Parameters } from "../transport/script";
import type { Run, Stage } from "../transport/exec";
import type { Transport } from "../transport/transport";
import { Wait, pause } from "../wait/wait";
import type { Limits } from "../wait/wait";

/** What every call carries: who asks, until when, and whether it was cancelled. */
export interface Call extends Limits {
  urn: string;
  /** How long the caller's own work may take, seconds; absent where only the deadline counts. */
  workSeconds?: number;
  /** The URN under the former name of the resource, while the site states that name. */
  formerUrn?: string | undefined;
  status: (text: string) => void;
}

export interface Operation {
  /** The script that does it, by its name. */
  script: string;
  machineId: string;
  parameters: Parameters;
  /**
   * How long the provider waits for the work once it has started, seconds. It cuts nothing on the
   * host: the script limits the steps that may be cut. Waits for locks and slots do not count.
   */
  seconds: number;
  /**
   * How long the machine may be unreachable while the operation runs, seconds: a guest that switches
   * may restart its network. Default: a few attempts.
   */
  reconnectSeconds?: number;
}

/** How operations of a machine are run. */
export interface Operator {
  transport: Pick<Transport, "name" | "run">;
  /** The script that defines `probe`, whose answer is the result of each operation. */
  probe: string;
  /** How long an operation may wait for locks and slots, seconds. */
  waitSeconds: number;
}

/** How long a host may take until its first word about an operation. */
const START_SECONDS = 120;
const REATTACH_ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 5_000;
/** An operation that was sent reports within this time that it waits or works. */
const ANSWER_MS = 60_000;
/** What the work's own limit leaves for the operation's report and its probe. */
const REPORT_MS = 60_000;

/**
 * The lines of the probe behind the operation. The operation runs in a unit of its own, which
 * survives a lost link: it is then attached to again by its id, and never run twice.
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

/** The deadline of an operation: that of its stage, and a short one until it reports a stage. */
class StageLimits {
  deadline: number;
  private isConnecting = false;
  /** How many stages were reported, and how many over the present link. */
  private known = 0;
  private reported = 0;

  constructor(
    private readonly last: number,
    private readonly waitSeconds: number,
    private readonly workSeconds: number,
  ) {
    this.deadline = this.after(waitSeconds);
  }

  /** The operation was sent, for the first time or to attach to it again. */
  sent(): number {
    this.reported = 0;
    return Math.min(this.deadline, Date.now() + Math.min(ANSWER_MS, this.workSeconds * 1000));
  }

  /** An operation that is attached to again reports all of its stages again: they extend nothing. */
  reached(stage: Stage): number {
    if (stage === "connecting") return this.connecting();
    this.reported += 1;
    if (this.reported > this.known) {
      this.known = this.reported;
      this.deadline = this.after(stage === "waiting" ? this.waitSeconds : this.workSeconds);
    }
    return this.deadline;
  }

  /** It has a session. All attempts to start it have one limit. */
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
      call.status("the link was lost; reconnecting");
      onLost();
      wait.doing = () => "waiting to reconnect";
      wait.cause = error.what;
      await pause(Math.min(500 * attempt, LONGEST_PAUSE_MS), wait.signal);
    }
  }
}

/** The operation as it is sent, always with the same id. */
function sent(
  call: Call,
  operation: Operation,
  probe: string,
  waitSeconds: number,
): Pick<Run, "parameters" | "payload" | "script"> {
  const id = randomUUID();
  // Programs see the id in the name of the unit. They do not see what marks the results.
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

/** An owner as the text of a record has it. */
function ownerField(urn: string): string {
  return `"urn":${JSON.stringify(urn)},`;
}

export function isOutcomeUnknown(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.reason === "outcome-unknown";
}

/** The provider's own deadline does not end what runs on the host. */
function explained(error: unknown, host: string, name: string): unknown {
  if (!(error instanceof ProviderError) || error.reason !== "deadline") return error;
  if (error.remedy !== undefined) return error;
  return new ProviderError(
    "deadline",
    error.what,
    `${name} may still be running on ${host}. The next up waits for it and goes on from there.`,
  );
}

function outcomeUnknown(host: string, name: string, last: ProviderError): ProviderError {
  return new ProviderError(
    "outcome-unknown",
    `${host}: the link was lost while ${name} ran; its result is unknown: ${last.what}`,
    "Run up again when the host answers. It looks first, and does what is still missing.",
  );
}
