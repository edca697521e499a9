/** The key of the hashes of secrets, and of the signature of a comment. */
import { scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";

const SALT = "pulumi-microvm plan key 1";
/** A comment may be public: a passphrase must not be guessed from it faster than from the state. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

/**
 * PULUMI_MICROVM_PLAN_KEY, else the passphrase of the stack. Undefined if there is neither, as with
 * another secrets provider: then the values of secrets are not compared.
 */
export function planKey(env: NodeJS.ProcessEnv): string | undefined {
  const source = [
    env["PULUMI_MICROVM_PLAN_KEY"],
    env["PULUMI_CONFIG_PASSPHRASE"],
    passphrase(env),
  ].find((text) => text !== undefined && text !== "");
  return source === undefined ? undefined : scryptSync(source, SALT, 32, COST).toString("hex");
}

function passphrase({ PULUMI_CONFIG_PASSPHRASE_FILE: file }: NodeJS.ProcessEnv): string {
  if (file === undefined || file === "") return "";
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    // Pulumi says so.
    return "";
  }
}
