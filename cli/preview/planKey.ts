/** The key of the hashes of secrets, and of the signature of a comment. */
import { createHash, scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { CliError, EXIT } from "../errors";

const SALT = "pulumi-microvm plan key 1";
/** A comment may be public: a passphrase must not be guessed from it faster than from the state. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const SHORTEST_KEY = 32;

/**
 * PULUMI_MICROVM_PLAN_KEY, else the passphrase of the stack. Undefined if there is neither, as with
 * another secrets provider: then the values of secrets are not compared.
 */
export function planKey(env: NodeJS.ProcessEnv): string | undefined {
  const { PULUMI_MICROVM_PLAN_KEY: key = "", PULUMI_CONFIG_PASSPHRASE: phrase = "" } = env;
  if (key !== "") return ofKey(key);
  const source = phrase === "" ? passphraseOfFile(env) : phrase;
  return source === "" ? undefined : scryptSync(source, SALT, 32, COST).toString("hex");
}

/** Random, so it needs no slow derivation. */
function ofKey(key: string): string {
  if (key.length >= SHORTEST_KEY)
    return createHash("sha256").update(`${SALT}\n${key}`).digest("hex");
  throw new CliError(
    `PULUMI_MICROVM_PLAN_KEY has fewer than ${SHORTEST_KEY} characters`,
    EXIT.usage,
    "Make a random one: openssl rand -hex 32",
  );
}

function passphraseOfFile({ PULUMI_CONFIG_PASSPHRASE_FILE: file = "" }: NodeJS.ProcessEnv): string {
  try {
    return file === "" ? "" : readFileSync(file, "utf8").trim();
  } catch {
    // Pulumi reports it.
    return "";
  }
}
