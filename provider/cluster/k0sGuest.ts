/** k0s in one guest: what the guest itself can say and do. Everything else goes through the API. */
import { ProviderError } from "../errors";
import type { GuestFacts } from "../hosts/facts/guestFacts";
import { expiryOf } from "../hosts/facts/k0sFacts";
import type { K0sFacts } from "../hosts/facts/k0sFacts";
import type { Host } from "../hosts/host";
import type { Call } from "../hosts/operations/operation";
import type { Parameters } from "../hosts/transport/script";
import { makeRecord, stackNameOf } from "../ownership";
import type { StackName } from "../ownership";
import { dummyToken, parseJoinToken } from "./joinToken";
import type { TokenRole } from "./joinToken";

export type { K0sFacts } from "../hosts/facts/k0sFacts";

/** A client's identity with all rights, in PEM. Secret: it is kept in memory only. */
export interface Identity {
  ca: string;
  cert: string;
  key: string;
  expires: Date;
}

/** What a controller has of our identity. */
export interface Shown {
  /** It has the data of a cluster. */
  hasData: boolean;
  identity: Identity | undefined;
}

/** An identity is renewed this long before it expires. */
const RENEW_DAYS = 60;
/** Limit for the start of k0s, until its API answers. */
const START_SECONDS = 600;
/** Limit of k0s's own commands. */
const COMMAND_SECONDS = 180;
/** A token is used at once, and is invalidated then. */
const TOKEN_EXPIRY = "15m";

/** What a `K0sGuest` can do. Tests have stand-ins. */
export type ClusterGuest = Pick<K0sGuest, keyof K0sGuest>;

export class K0sGuest {
  constructor(private readonly host: Host<GuestFacts>) {}

  get name(): string {
    return this.host.name;
  }

  /** The facts. An error if the guest has no unit k0s. */
  async read(call: Call): Promise<K0sFacts> {
    return this.k0sOf(await this.host.read(call));
  }

  /** The facts by a new probe: k0s itself changes them. */
  async readAgain(call: Call): Promise<K0sFacts> {
    return this.k0sOf(await this.host.readAgain(call));
  }

  /** Seconds by which the guest's clock is ahead of this machine's. */
  async clockOffset(call: Call): Promise<number> {
    const { clockSeconds, readAtSeconds } = await this.host.read(call);
    return clockSeconds - readAtSeconds;
  }

  /** Founds the cluster here, or resumes it. Waits until the API answers. Makes our identity. */
  found(call: Call, { cluster }: { cluster: string }): Promise<K0sFacts> {
    const record = makeRecord(call.urn, { cluster });
    const { stack, project } = stackNameOf(call.urn);
    const parameters = { cluster, record, stack, project, seconds: String(START_SECONDS) };
    return this.operate(call, "k0s-found", parameters, START_SECONDS + COMMAND_SECONDS);
  }

  /** The stack that owns the cluster, as its API records it. Undefined: nobody does. */
  async owner(call: Call): Promise<StackName | undefined> {
    const [line] = await this.host.ask(call, "k0s-owner-read", {});
    if (line === undefined) return undefined;
    const [, stack = "", project = ""] = line.split("\t");
    return { stack, project };
  }

  /** Makes our identity on this controller if it is missing or expires soon. */
  async ensureIdentity(call: Call): Promise<void> {
    const { identity } = await this.read(call);
    if (identity === undefined || expiresSoon(identity)) {
      await this.operate(call, "k0s-identity", {});
    }
  }

  /** Our identity as it is, so that a read changes nothing. */
  async presentIdentity(call: Call): Promise<Shown> {
    return parseIdentity(await this.host.ask(call, "k0s-identity-read", {}));
  }

  /** A new join token of a controller. It is valid for some minutes. */
  async mintToken(call: Call, role: TokenRole): Promise<{ id: string; token: string }> {
    const lines = await this.host.ask(call, "k0s-token", { role, expiry: TOKEN_EXPIRY });
    const [, token = ""] = lines[0]?.split("\t") ?? [];
    const parsed = parseJoinToken(token);
    if (parsed?.role === role) return { id: parsed.id, token: token.trim() };
    throw new ProviderError("operation", `${this.name}: k0s made no join token for a ${role}`);
  }

  /** Also checks that the controller does not list the token any more. */
  async invalidateToken(call: Call, role: TokenRole, id: string): Promise<void> {
    await this.operate(call, "k0s-token-invalidate", { role, id });
  }

  /** Joins by the token, or resumes with the data that is there. Waits until k0s runs. */
  join(call: Call, { token, cluster }: { token: string; cluster: string }): Promise<K0sFacts> {
    const record = makeRecord(call.urn, { cluster });
    const parameters = { token, cluster, record, seconds: String(START_SECONDS) };
    return this.operate(call, "k0s-join", parameters, START_SECONDS);
  }

  /** Replaces the token by a dummy, since k0s may read the file again. Makes our identity. */
  async retireToken(call: Call): Promise<void> {
    const { role } = await this.read(call);
    await this.operate(call, "k0s-token-retire", { dummy: dummyToken(role) });
  }

  /** Stops k0s and moves its state to left-ID/ in the data directory. */
  setAside(call: Call, reason: string): Promise<K0sFacts> {
    return this.operate(call, "k0s-set-aside", { reason });
  }

  /** Stops k0s. It does not start again, also after a reboot, before `found` or `join`. */
  stopAndMask(call: Call, reason = "it left the cluster"): Promise<K0sFacts> {
    return this.operate(call, "k0s-stop", { reason });
  }

  /** Removes a dead member from etcd, on this surviving controller. */
  async etcdLeave(call: Call, peerAddress: string): Promise<void> {
    await this.operate(call, "k0s-leave", { address: peerAddress });
  }

  private async operate(
    call: Call,
    script: string,
    parameters: Parameters,
    seconds = COMMAND_SECONDS,
  ): Promise<K0sFacts> {
    const { machineId } = await this.host.read(call);
    return this.k0sOf(await this.host.operate(call, { script, machineId, parameters, seconds }));
  }

  private k0sOf({ k0s }: GuestFacts): K0sFacts {
    if (k0s !== undefined) return k0s;
    throw new ProviderError(
      "guest",
      `${this.name}: the guest has no unit k0s`,
      "Import the module k0s-node in the system of this VM, then run up again.",
    );
  }
}

/** The identity should be made again. */
export function expiresSoon({ expires }: { expires: Date }, now = Date.now()): boolean {
  return expires.getTime() - now < RENEW_DAYS * 24 * 3600 * 1000;
}

function parseIdentity(lines: readonly string[]): Shown {
  const fields = new Map(
    lines.map((line): [string, string] => {
      const [key = "", value = ""] = line.split("\t");
      return [key, value];
    }),
  );
  const hasData = fields.get("data") === "yes";
  const pem = (key: string): string => Buffer.from(fields.get(key) ?? "", "base64").toString();
  const expires = expiryOf(fields.get("certificate"));
  if (expires === undefined) return { hasData, identity: undefined };
  const identity = { ca: pem("ca"), cert: pem("certificate"), key: pem("key"), expires };
  return { hasData, identity };
}
