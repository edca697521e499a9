/** Logs in to a guest through its hypervisor, with the key that the hypervisor's probe reports. */
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { ProviderError } from "../errors";
import type { GuestFacts } from "./facts/guestFacts";
import type { HostFacts } from "./facts/hostFacts";
import type { GuestAddress } from "./guest";
import type { Host, Hypervisor } from "./host";
import type { Call } from "./operations/operation";
import type { ProviderConfig } from "./transport/config";
import { login } from "./transport/connection";
import type { Advice } from "./transport/loginErrors";
import { pause, within } from "./wait/wait";
import type { Wait } from "./wait/wait";

const PORT = 22;
/** An unused address is refused after some seconds. A guest that is down drops packets. */
const TUNNEL_SECONDS = 15;
/** A guest that restarts its network or its sshd does not respond for a while. */
const CONNECT_MS = 60_000;
const RETRY_MS = 500;

/** Opens the connection to a guest, and knows whether its pinned key is still current. */
export class GuestLogin {
  /** The pinned key of the current connection. */
  private pin: string | undefined;

  constructor(
    private readonly via: Hypervisor,
    private readonly guest: GuestAddress,
    private readonly config: ProviderConfig,
  ) {}

  /** Retries while the guest does not respond. Never retries a wrong key or a refused login. */
  async open(wait: Wait): Promise<Client> {
    this.pin = undefined;
    const until = Date.now() + CONNECT_MS;
    for (;;) {
      try {
        return await this.openOnce(wait);
      } catch (error) {
        const isSilent =
          error instanceof ProviderError && ["unreachable", "busy"].includes(error.reason);
        if (!isSilent || Date.now() >= until || wait.signal.aborted) throw error;
        wait.doing = () => `waiting for the SSH server of ${where(this.guest)}`;
        wait.cause = error.what;
        await pause(RETRY_MS, wait.signal);
      }
    }
  }

  private async openOnce(wait: Wait): Promise<Client> {
    const { name, address } = this.guest;
    const hostKey = await this.requirePin(wait);
    const sock = await this.tunnel(wait);
    const hop = { address, port: PORT, user: "root", hostKey };
    try {
      const client = await login(name, hop, this.config, wait, sock, adviceOf(this.via.name, name));
      this.pin = hostKey;
      return client;
    } catch (error) {
      sock.destroy();
      throw error;
    }
  }

  /** The guest was recreated with another key, so the connection leads to the previous guest. */
  isStale(facts: HostFacts): boolean {
    return this.pin !== undefined && facts.vms.get(this.guest.name)?.hostKey !== this.pin;
  }

  private async requirePin(wait: Wait): Promise<string> {
    const { name } = this.guest;
    const facts = await this.via.read(quiet(wait));
    const hostKey = facts.vms.get(name)?.hostKey;
    if (hostKey !== undefined) return hostKey;
    throw new ProviderError(
      "guest",
      `${where(this.guest)}: its hypervisor ${this.via.name} has no SSH host key to pin`,
      `The key is made before the VM starts: restart microvm@${name} on ${this.via.name}.`,
    );
  }

  private async tunnel(wait: Wait): Promise<Duplex> {
    const { name, address } = this.guest;
    const call = quiet(wait);
    const { deadline } = within(call, TUNNEL_SECONDS);
    wait.doing = () => `opening a tunnel to ${where(this.guest)}`;
    try {
      const limited = { ...call, deadline: Math.min(call.deadline, deadline) };
      return await this.via.stream(limited, address, PORT);
    } catch (error) {
      if (!(error instanceof ProviderError) || error.reason === "cancelled") throw error;
      throw new ProviderError(
        "unreachable",
        `${name} (${address}:${PORT}): can't be reached from ${this.via.name}: ${error.what}`,
        adviceOf(this.via.name, name).unreachable,
      );
    }
  }
}

/**
 * The guest's facts. If the guest runs but does not respond in time, the error names the guest and
 * the cause.
 */
export async function readGuest(
  host: Host<GuestFacts>,
  guest: GuestAddress,
  call: Call,
  seconds: number,
): Promise<GuestFacts> {
  const started = Date.now();
  try {
    return await host.read(within(call, seconds));
  } catch (error) {
    if (call.signal.aborted || !isSilence(error)) throw error;
    const took = Math.round((Date.now() - started) / 1000);
    throw new ProviderError(
      "guest",
      `${where(guest)} runs, but its SSH server did not answer in ${took} s: ${error.what}`,
      error.remedy ?? `Look at what the guest prints: journalctl -u microvm@${guest.name}`,
    );
  }
}

function isSilence(error: unknown): error is ProviderError {
  return (
    error instanceof ProviderError &&
    ["unreachable", "busy", "deadline", "outcome-unknown"].includes(error.reason)
  );
}

function where({ name, address }: GuestAddress): string {
  return `${name} (${address})`;
}

function adviceOf(hypervisor: string, name: string): Advice {
  return {
    pinnedBy: `its hypervisor ${hypervisor}`,
    wrongKey:
      "Look for another machine that uses this address. " +
      `If the guest's key was replaced, restart microvm@${name}.`,
    refused:
      "Load the operator's key into the SSH agent, " +
      "and check that the guest's root accepts that key.",
    unreachable: `Look at what the guest prints: journalctl -u microvm@${name} on ${hypervisor}`,
  };
}

/** A call for all calls that wait for the connection. */
function quiet(wait: Wait): Call {
  const deadline = Date.now() + wait.millisecondsLeft();
  return { urn: "", status: () => undefined, deadline, signal: wait.signal };
}
