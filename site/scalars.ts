/** The scalars of a site file, in zod: each fault says what is wrong and what to write. */
import { z } from "zod";
import { parseCidr, parseIp } from "./network";
import { DURATION_PATTERN, SIZE_PATTERN, parseDuration, parseSize } from "./units";

/** `what; remedy`: the loader splits it, so that a message has both. */
export function fault(what: string, remedy: string): string {
  return `${what}; ${remedy}`;
}

const NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const name = z
  .string()
  .regex(
    NAME,
    fault("is not a safe name", "use a-z, 0-9 and '-', at most 63, beginning with a letter"),
  );

export const size = z
  .string()
  .regex(SIZE_PATTERN, fault("is not a size", "write a number and MiB, GiB or TiB: 20GiB"))
  .refine((text) => !SIZE_PATTERN.test(text) || parseSize(text) !== undefined, {
    error: fault(
      "is not a whole number of MiB above 0",
      "write a number and MiB, GiB or TiB: 20GiB",
    ),
  })
  .describe("A size: 512MiB, 20GiB, 1TiB.");

export const duration = z
  .string()
  .regex(DURATION_PATTERN, fault("is not a duration", "write a number and s, m or h: 90s"))
  .refine((text) => !DURATION_PATTERN.test(text) || parseDuration(text) !== undefined, {
    error: fault("is not above 0", "write a number and s, m or h: 90s"),
  })
  .describe("A duration: 90s, 5m, 2h.");

export const ip = z
  .string()
  .refine(
    (text) => parseIp(text) !== undefined,
    fault("is not an IPv4 address", "write four numbers: 192.0.2.21"),
  );
export const cidr = z
  .string()
  .refine(
    (text) => parseCidr(text) !== undefined,
    fault("is not an IPv4 network", "write address/prefix: 192.0.2.0/24"),
  );

export const mac = z
  .string()
  .regex(
    /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/,
    fault("is not a MAC address", "write six bytes: 02:00:00:00:00:21"),
  )
  .refine((text) => (Number.parseInt(text.slice(0, 2), 16) & 1) === 0, {
    error: fault("is a multicast address", "make the second digit even: 02:..."),
  });

export const path = z
  .string()
  .regex(
    /^\/[A-Za-z0-9._/@+-]*$/,
    fault("is not a plain absolute path", "begin with '/', and use A-Z a-z 0-9 . _ / @ + -"),
  )
  .refine(
    (text) => !text.split("/").includes(".."),
    fault("has '..' in it", "write the path without '..'"),
  )
  .refine((text) => text === "/" || !/\/(\.?\/|\.?$)/.test(text), {
    error: fault("has empty or '.' parts", "write each '/' once, none at the end"),
  });

export const text = z
  .string()
  .refine(
    (value) => !/\p{Cc}/u.test(value),
    fault("has control characters", "write it on one line, without them"),
  );

const KEY_TYPES = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
];

/** The type inside the key's bytes must be the one written before them. */
function isPublicKey(line: string): boolean {
  const [type = "", base64 = ""] = line.split(" ");
  if (!KEY_TYPES.includes(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return false;
  const blob = Buffer.from(base64, "base64");
  if (blob.length < 8 + type.length || blob.toString("base64") !== base64) return false;
  return (
    blob.readUInt32BE(0) === type.length && blob.toString("latin1", 4, 4 + type.length) === type
  );
}
export const publicKey = text.refine(
  isPublicKey,
  fault("is not an SSH public key", "write it as in a .pub file: ssh-ed25519 AAAA..."),
);

export const interfaceName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/,
    fault("is not a network interface's name", "at most 15 of A-Z a-z 0-9 _ . -"),
  );
export const user = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,31}$/, fault("is not a user name", "use a-z, 0-9, '_' and '-'"));
export const address = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/,
    fault("is neither an IP address nor a DNS name", "write where SSH reaches the host"),
  );
export const port = z.int().min(1).max(65535);
