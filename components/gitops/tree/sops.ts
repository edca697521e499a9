/** Decryption of objects by `sops`, in memory only: kustomize-controller, DecryptResource. */
import { CommandError } from "./commands";
import type { Command } from "./commands";
import { parseGoYaml } from "./goYaml";
import { isMap, mapAt, textAt, textMapAt } from "./json";
import type { JsonMap } from "./json";
import { isMarked } from "./objects";

type Format = "json" | "yaml" | "dotenv" | "binary";

export interface Sops {
  run: Command;
  /** File with an age key. Absent: the keys of the user's own configuration. */
  ageKeyFile?: string;
}

/** Whether the object, or an entry of a Secret, is encrypted (isSOPSEncryptedResource). */
export function isEncrypted(object: JsonMap): boolean {
  if (isMarked(object, "kustomize.toolkit.fluxcd.io/decrypt", "disabled")) return false;
  return hasSops(object) || encryptedEntries(object).length > 0;
}

function hasSops(object: JsonMap): boolean {
  return textAt(object, "sops", "mac") !== "";
}

/** Entries of a generated Secret that are encrypted files. */
function encryptedEntries(object: JsonMap): { key: string; text: string; format: Format }[] {
  if (textAt(object, "kind") !== "Secret") return [];
  return Object.entries(textMapAt(object, "data")).flatMap(([key, value]) => {
    const text = Buffer.from(value, "base64").toString();
    const format = formatOf(text);
    return format === undefined ? [] : [{ key, text, format }];
  });
}

/** By the marker of each format (detectFormatFromMarkerBytes). */
function formatOf(text: string): Format | undefined {
  if (text.includes('"mac": "ENC[')) {
    return text.includes('"data": "ENC[') ? "binary" : "json";
  }
  if (text.includes("mac: ENC[")) return "yaml";
  return text.includes("sops_mac=ENC[") ? "dotenv" : undefined;
}

/** The format of the plain text is that of the name of the entry (formatForPath). */
function plainFormatOf(key: string): Format {
  if (/\.ya?ml$/.test(key)) return "yaml";
  if (key.endsWith(".json")) return "json";
  return key.endsWith(".env") ? "dotenv" : "binary";
}

/** The object in plain text. Rejects with the message of sops. */
export async function decrypt(sops: Sops, object: JsonMap): Promise<JsonMap> {
  if (hasSops(object)) {
    const plain = parseGoYaml(await runSops(sops, JSON.stringify(object), "json", "json"));
    if (!isMap(plain)) throw new CommandError("sops has printed no object");
    return plain;
  }
  const data: JsonMap = { ...mapAt(object, "data") };
  for (const { key, text, format } of encryptedEntries(object)) {
    const plain = await runSops(sops, text, format, plainFormatOf(key));
    data[key] = Buffer.from(plain).toString("base64");
  }
  return { ...object, data };
}

/** The MAC is not checked: kustomize has changed the metadata. Flux does not check it either. */
function runSops(sops: Sops, text: string, from: Format, to: Format): Promise<string> {
  const formats = ["--input-type", from, "--output-type", to];
  const args = ["--decrypt", "--ignore-mac", ...formats, "/dev/stdin"];
  const environment = sops.ageKeyFile === undefined ? {} : { SOPS_AGE_KEY_FILE: sops.ageKeyFile };
  return sops.run("sops", args, { stdin: text, environment });
}
