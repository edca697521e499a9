/** The operator's keys in the order in which they are tried, each of them once. */
import { readFileSync } from "node:fs";
import { createAgent, utils } from "ssh2";
import type { AnyAuthMethod, BaseAgent, ParsedKey } from "ssh2";
import { ProviderError, messageOf } from "../../errors";
import type { ProviderConfig } from "./config";

/** Hands out one method after the other. */
export class Methods {
  tried = 0;
  constructor(
    private readonly all: readonly AnyAuthMethod[],
    /** Identity files that could not be used, each with the reason. */
    readonly leftOut: readonly string[],
  ) {}

  /** `false` where there is none left, as ssh2 wants it. */
  next(): AnyAuthMethod | false {
    return this.all[this.tried++] ?? false;
  }
}

/**
 * The secret, the files, and then what the agent holds beside them. A file that is not here, or that only the agent can
 * open, is left out: another operator's home may have it, or his agent its key.
 */
export function authMethods(username: string, config: ProviderConfig): Methods {
  const methods: AnyAuthMethod[] = [];
  const known = new Set<string>();
  const leftOut: string[] = [];
  const add = (key: string, blob: string): void => {
    if (known.has(blob)) return;
    known.add(blob);
    methods.push({ type: "publickey", username, key });
  };
  if (config.privateKey !== undefined) {
    add(config.privateKey, publicBlob(config.privateKey, "privateKey"));
  }
  for (const file of config.identityFiles) {
    const identity = readIdentity(file);
    if ("leftOut" in identity) leftOut.push(`${file} ${identity.leftOut}`);
    else add(identity.key, publicBlob(identity.key, file));
  }
  const socket = process.env["SSH_AUTH_SOCK"];
  if (config.agent && socket !== undefined && socket !== "") {
    methods.push({ type: "agent", username, agent: agentWithout(known, socket) });
  }
  if (methods.length > 0) return new Methods(methods, leftOut);
  throw new ProviderError(
    "authentication",
    ["there is no key to log in with", ...leftOut].join("; "),
    "Start an SSH agent with the operator's key, or name a file in ssh.identityFiles of the site.",
  );
}

/** An agent without the keys that are tried already: a host counts each try. */
function agentWithout(known: ReadonlySet<string>, socket: string): BaseAgent {
  const agent = createAgent(socket);
  const all = agent.getIdentities.bind(agent);
  agent.getIdentities = (callback) => {
    all((error, keys) => {
      if (error) callback(error);
      else callback(undefined, keys?.filter((key) => !known.has(blobOf(key))) ?? []);
    });
  };
  return agent;
}

type AgentKey = string | Buffer | ParsedKey | { pubKey: unknown };

function blobOf(key: AgentKey): string {
  const parsed = typeof key === "string" || Buffer.isBuffer(key) ? utils.parseKey(key) : key;
  if ("pubKey" in parsed) return "";
  return parsed instanceof Error ? "" : parsed.getPublicSSH().toString("base64");
}

function readIdentity(file: string): { key: string } | { leftOut: string } {
  let key: string;
  try {
    key = readFileSync(file, "utf8");
  } catch (error) {
    if (isAbsence(error)) return { leftOut: "is not there" };
    throw new ProviderError("authentication", `identity file ${file}: ${messageOf(error)}`);
  }
  const parsed = utils.parseKey(key);
  return parsed instanceof Error && /^Encrypted .*no passphrase/.test(parsed.message)
    ? { leftOut: "has a passphrase: ssh-add gives it to the agent" }
    : { key };
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function publicBlob(key: string, origin: string): string {
  const blob = blobOf(key);
  if (blob !== "") return blob;
  // The parser's message may quote the key: say only where it came from.
  throw new ProviderError("authentication", `${origin}: is not a usable private key`);
}
