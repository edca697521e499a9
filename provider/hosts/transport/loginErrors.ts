/** The errors of a connection and its login, each with its remedy. Pure. */
import { ProviderError } from "../../errors";
import type { SshHop } from "./config";
import { fingerprint, keyBlob } from "./hostKey";
import { printable } from "./printable";

/** How far a connection has come. It determines what an error means. */
export type Stage = "connecting" | "connected" | "authenticating";

export interface Progress {
  stage: Stage;
  /** The fingerprint of the key that the host presented, if it is not the pinned key. */
  shown: string | undefined;
  /** The host has rejected at least one of the operator's keys. */
  refused: boolean;
  /** Identity files that cannot be used, each with the reason. */
  skipped: readonly string[];
}

/** The remedies of login errors, and the origin of the pinned key. */
export interface Advice {
  /** Where the pinned key comes from, for example `the site`. */
  pinnedBy: string;
  wrongKey: string;
  refused: string;
  unreachable: string;
}

export const HOST_ADVICE: Advice = {
  pinnedBy: "the site",
  wrongKey:
    "Find out why. If the host was reinstalled, or the pin is wrong, set hostKey in the site to " +
    "the key on its console: cat /etc/ssh/ssh_host_ed25519_key.pub",
  refused:
    "Add your public key to the authorized keys of that user on the host. If it is there, add " +
    "the private key to the SSH agent, or its file to ssh.identityFiles in the site.",
  unreachable: "Check the address and the network, or set maintenance: true on the hypervisor.",
};

/** The error that the caller sees. `progress` tells what an error of ssh2 means. */
export function explain(
  where: string,
  hop: SshHop,
  error: Error & { level?: string; code?: unknown },
  progress: Progress,
  advice: Advice,
): ProviderError {
  if (progress.shown !== undefined) {
    const expected = fingerprint(keyBlob(hop.hostKey));
    return new ProviderError(
      "host-key",
      `${where}: the host showed the key ${progress.shown}, ` +
        `but ${advice.pinnedBy} pins ${expected}`,
      advice.wrongKey,
    );
  }
  if (error.level === "agent") {
    return new ProviderError(
      "authentication",
      `${where}: the SSH agent can't be used: ${printable(error.message)}`,
      "Start the agent at SSH_AUTH_SOCK, or set ssh.agent: false in the site.",
    );
  }
  if (error.level === "client-authentication" || isRejected(error, progress)) {
    return new ProviderError(
      "authentication",
      [`${where}: the host refused every key for user ${hop.user}`, ...progress.skipped].join("; "),
      advice.refused,
    );
  }
  if (closedBeforeGreeting(error, progress)) {
    return new ProviderError(
      "busy",
      `${where}: can't be reached: it closed the connection before the SSH greeting`,
      "Increase MaxStartups of sshd if there are many logins. Otherwise check sshd's log.",
    );
  }
  const text = /no matching.*host key/i.test(error.message)
    ? `the host has no key of the pinned type (${hop.hostKey.split(" ")[0] ?? ""})`
    : printable(error.message);
  return new ProviderError(
    "unreachable",
    `${where}: can't be reached: ${text}`,
    advice.unreachable,
  );
}

/**
 * The host has rejected the login if it closed the connection after a rejected key or with a
 * message. Such a login is not retried.
 */
function isRejected(error: Error & { code?: unknown }, progress: Progress): boolean {
  return (
    progress.stage === "authenticating" && (progress.refused || typeof error.code === "number")
  );
}

function closedBeforeGreeting(error: Error & { level?: string }, progress: Progress): boolean {
  return (
    progress.stage === "connected" &&
    error.level !== "client-timeout" &&
    error.level !== "handshake"
  );
}
