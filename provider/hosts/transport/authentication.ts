/** The operator's keys in the order in which SSH tries them. Each key is tried once. */
import { readFileSync } from "node:fs";
import { createAgent, utils } from "ssh2";
import type { AnyAuthMethod, BaseAgent, ParsedKey } from "ssh2";
import { ProviderError, messageOf } from "../../errors";
import type { ProviderConfig } from "./config";

/** The authentication methods, one after the other. */
export class Methods {
  tried = 0;
  constructor(
    private readonly all: readonly AnyAuthMethod[],
    /** Identity files that cannot be used, each with the reason. */
    readonly skipped: readonly string[],
  ) {}

  /** The next method. ssh2 requires `false` if there is none left. */
  next(): AnyAuthMethod | false {
    return this.all[this.tried++] ?? false;
  }
}

/**
 * The secret key, the identity files, and then the other keys of the agent. A missing or encrypted
 * file is skipped: it may exist for another operator, or the agent may have its key.
 */
export function authMethods(username: string, config: ProviderConfig): Methods {
  const methods: AnyAuthMethod[] = [];
  const known = new Set<string>();
  const skipped: string[] = [];
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
    if ("skipped" in identity) skipped.push(`${file} ${identity.skipped}`);
    else add(identity.key, publicBlob(identity.key, file));
  }
  const socket = process.env["SSH_AUTH_SOCK"];
  if (config.agent && socket !== undefined && socket !== "") {
    methods.push({ type: "agent", username, agent: agentWithout(known, socket) });
  }
  if (methods.length > 0) return new Methods(methods, skipped);
  throw new ProviderError(
    "authentication",
    ["there is no key to log in with", ...skipped].join("; "),
    "Start an SSH agent with your key, or add a key file to ssh.identityFiles in the site.",
  );
}

/** The agent without keys that were tried already: sshd limits the number of attempts. */
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

function readIdentity(file: string): { key: string } | { skipped: string } {
  let key: string;
  try {
    key = readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return { skipped: "does not exist" };
    throw new ProviderError(
      "authentication",
      `identity file ${file} cannot be read: ${messageOf(error)}`,
    );
  }
  const parsed = utils.parseKey(key);
  return parsed instanceof Error && /^Encrypted .*no passphrase/.test(parsed.message)
    ? { skipped: "has a passphrase: add it to the agent with ssh-add" }
    : { key };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function publicBlob(key: string, origin: string): string {
  const blob = blobOf(key);
  if (blob !== "") return blob;
  // The parser's message may quote the key, so the error names only its origin.
  throw new ProviderError("authentication", `${origin} is not a usable private key`);
}
