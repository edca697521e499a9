/** Searches secrets in all places where they could leak. They go by stdin, never in arguments. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { STACK, lab, start } from "./lab";

/**
 * Command lines and environments of all processes of this machine, including the hosts and their
 * guests. Excludes PULUMI_CONFIG of the program, because the engine passes the configuration to
 * every program in it.
 */
export function processes(): string {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const words = entriesOf(pid, "cmdline");
      const isProgram = words.some((word) => word.includes("@pulumi/pulumi/cmd/run"));
      const environment = entriesOf(pid, "environ");
      const handed = (entry: string): boolean => isProgram && entry.startsWith("PULUMI_CONFIG=");
      return [...words, ...environment.filter((entry) => !handed(entry))];
    })
    .join("\n");
}

function entriesOf(pid: string, file: "cmdline" | "environ"): string[] {
  try {
    return readFileSync(join("/proc", pid, file), "utf8").split("\0");
  } catch {
    return [];
  }
}

/** The text before each occurrence of a secret. It shows the place of a leak, not the secret. */
export function leaks(text: string, secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) =>
    text
      .split(secret)
      .slice(0, -1)
      .map((before) => before.slice(-200)),
  );
}

const ON_HOSTS = "/nix /run/pulumi-microvm /var/lib/pulumi-microvm /var/lib/microvms";
const IN_GUESTS = "/run/pulumi-microvm /var/log /tmp";

/** Searches the journal, logs and files of a host. */
export const searchHost = (host: string, secrets: readonly string[]): Promise<string> =>
  search(host, ON_HOSTS, secrets);

/** The same of a guest. Its Nix store is that of its host. */
export const searchGuest = (guest: string, secrets: readonly string[]): Promise<string> =>
  search(guest, IN_GUESTS, secrets);

/** The patterns go by stdin, so that the search does not find itself. */
async function search(
  machine: string,
  places: string,
  secrets: readonly string[],
): Promise<string> {
  const command =
    "umask 077; cat > /run/canary; " +
    "{ journalctl -q -o export -n all; cat /var/log/*.log 2>/dev/null; } | " +
    "grep -aFf /run/canary | sed 's/^/journal: /'; " +
    `grep -raFlf /run/canary ${places} --exclude='*.img' 2>/dev/null; rm /run/canary; true`;
  return (await lab(["ssh", machine, command], secrets.join("\n"))).text.trim();
}

/**
 * Searches the operator's machine: the plain state, the Nix store, and the directories for
 * temporary files. Excludes the pattern and what tests name `pulumi-microvm-canary-`.
 */
export async function searchOperator(secrets: readonly string[]): Promise<string> {
  const script =
    "umask 077; f=$(mktemp); cat > $f; " +
    'grep -raFlf $f "${PULUMI_BACKEND_URL#file://}" "$PULUMI_HOME" /nix/store .site 2>/dev/null; ' +
    'find "${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}" "${TMPDIR:-/tmp}" -xdev -type f -size -1024k ' +
    '! -path "$f" ' +
    "! -path '*/pulumi-microvm-canary-*' -exec grep -aFlf $f {} + 2>/dev/null; rm $f";
  return (await lab(["exec", "sh", "-c", script], secrets.join("\n"))).text.trim();
}

/**
 * Runs pulumi and samples all processes. Returns everything that could show a secret. Uses log
 * level 8: from level 9 on the engine logs all values, also secrets, as Pulumi's documentation
 * warns.
 */
export async function watched(...args: string[]): Promise<{ code: number; seen: string }> {
  const running = start([
    ...["exec", "env", "PULUMI_MICROVM_DEBUG=true"],
    "pulumi",
    ...args,
    STACK,
    "--non-interactive",
    "--logtostderr",
    "-v=8",
  ]);
  const samples: string[] = [];
  const sampling = setInterval(() => samples.push(processes()), 100);
  const { code, text } = await running.ended.finally(() => clearInterval(sampling));
  return { code, seen: [text, ...samples].join("\n") };
}
