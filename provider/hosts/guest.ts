/** Checks through the hypervisor whether a guest responds and has the pinned key. */
import { Client } from "ssh2";
import { ProviderError, messageOf } from "../errors";
import { pinned } from "./transport/connection";
import { fingerprint, keyBlob } from "./transport/hostKey";
import type { Hypervisor } from "./host";
import type { Call } from "./operations/operation";
import { printable } from "./transport/printable";
import { Wait, pause } from "./wait/wait";

/** The address of a guest, as seen from its hypervisor. */
export interface GuestAddress {
  name: string;
  address: string;
}

/** A guest with its pinned host key. */
export interface Guest extends GuestAddress {
  hostKey: string;
}

/** A guest that runs answers in this time. */
export const ANSWER_SECONDS = 60;
/** The key exchange can be slow on an emulated or busy processor. */
const HANDSHAKE_TIMEOUT_MS = 20_000;
const RETRY_MS = 300;

/** Waits until the guest's sshd proves that it holds the pinned key. Does not log in. */
export async function awaitGuest(host: Hypervisor, call: Call, guest: Guest): Promise<void> {
  const started = Date.now();
  let cause = "";
  for (;;) {
    try {
      await shakeHands(host, call, guest);
      return;
    } catch (error) {
      if (error instanceof ProviderError && error.reason === "host-key") throw error;
      // The attempt that the deadline interrupts has a less useful cause than the previous one.
      const isLast = Date.now() >= call.deadline && cause !== "";
      if (!isLast) cause = printable(messageOf(error));
    }
    const seconds = Math.round((Date.now() - started) / 1000);
    if (call.signal.aborted) throw new ProviderError("cancelled", `${guest.name}: cancelled`);
    if (Date.now() >= call.deadline) {
      throw new ProviderError(
        "guest",
        `${guest.name} (${guest.address}) runs, but its SSH server did not answer ` +
          `in ${seconds} s: ${cause}`,
      );
    }
    call.status(`waiting for the guest's SSH server, ${seconds} s`);
    await pause(RETRY_MS, call.signal);
  }
}

async function shakeHands(host: Hypervisor, call: Call, guest: Guest): Promise<void> {
  const deadline = Math.min(call.deadline, Date.now() + HANDSHAKE_TIMEOUT_MS);
  const wait = new Wait(guest.name, { deadline, signal: call.signal });
  const sock = await host.stream({ ...call, deadline }, guest.address, 22);
  wait.doing = () => "waiting for the guest's SSH server";
  const client = new Client();
  const shaken = new Promise<void>((resolve, reject) => {
    let shown: Buffer | undefined;
    client.on("handshake", () => resolve());
    client.on("close", () => reject(new Error("the connection was closed")));
    client.on("error", (error) => reject(shown === undefined ? error : wrongKey(guest, shown)));
    client.connect({
      sock,
      username: "root",
      readyTimeout: 0, // `wait` has the time limit.
      ...pinned(guest, (blob, right) => {
        if (!right) shown = blob;
      }),
    });
  });
  try {
    await wait.until(shaken);
  } finally {
    client.removeAllListeners();
    client.on("error", () => undefined);
    client.destroy();
    sock.destroy();
  }
}

function wrongKey(guest: Guest, shown: Buffer): ProviderError {
  return new ProviderError(
    "host-key",
    `${guest.name} (${guest.address}): the host at this address has the key ` +
      `${fingerprint(shown)}, not the guest's key ${fingerprint(keyBlob(guest.hostKey))}`,
    "Look for another machine that uses this address.",
  );
}
