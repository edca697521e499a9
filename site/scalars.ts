/** The scalars of a site file, in zod. Each rule carries its issue as data. */
import { z } from "zod";
import type { Issue } from "./issues";
import { parseCidr, parseIp } from "./network";
import { DURATION_PATTERN, SIZE_PATTERN, parseDuration, parseSize } from "./units";

/** What a rule of this file says, in the `params` of zod's custom issue. */
export const scalarIssue = z.object({ what: z.string(), remedy: z.string() });

interface Rule extends Pick<Issue, "what" | "remedy"> {
  test: (text: string) => boolean;
}

/** Text that keeps the rules. The first broken rule is the issue. */
export function text(...rules: Rule[]) {
  return z.string().superRefine((value, context) => {
    const broken = rules.find(({ test }) => !test(value));
    if (broken === undefined) return;
    const { what, remedy } = broken;
    context.addIssue({ code: "custom", params: { what, remedy } });
  });
}

/** Text that matches. Editors get the pattern too. */
export function matching(pattern: RegExp, what: string, remedy: string, ...more: Rule[]) {
  const rule = { test: (value: string) => pattern.test(value), what, remedy };
  return text(rule, ...more).meta({ pattern: pattern.source });
}

export const name = matching(
  /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
  "is not a valid name",
  "use a-z, 0-9 and '-', at most 63 characters, starting with a letter",
);

const SIZE_REMEDY = "write a number and MiB, GiB or TiB: 20GiB";
export const size = matching(SIZE_PATTERN, "is not a size", SIZE_REMEDY, {
  test: (value) => parseSize(value) !== undefined,
  what: "is not a whole number of MiB above 0",
  remedy: SIZE_REMEDY,
}).describe("A size: 512MiB, 20GiB, 1TiB.");

const DURATION_REMEDY = "write a number and s, m or h: 90s";
export const duration = matching(DURATION_PATTERN, "is not a duration", DURATION_REMEDY, {
  test: (value) => parseDuration(value) !== undefined,
  what: "is not above 0",
  remedy: DURATION_REMEDY,
}).describe("A duration: 90s, 5m, 2h.");

export const ip = text({
  test: (value) => parseIp(value) !== undefined,
  what: "is not an IPv4 address",
  remedy: "write four numbers: 192.0.2.21",
});

export const cidr = text({
  test: (value) => parseCidr(value) !== undefined,
  what: "is not an IPv4 network",
  remedy: "write address/prefix: 192.0.2.0/24",
});

export const mac = matching(
  /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/,
  "is not a MAC address",
  "write six bytes: 02:00:00:00:00:21",
  {
    test: (value) => (Number.parseInt(value.slice(0, 2), 16) & 1) === 0,
    what: "is a multicast address",
    remedy: "make the second digit even: 02:...",
  },
);

const PATH_PATTERN = /^\/[A-Za-z0-9._/@+-]*$/;
function pathText(...more: Rule[]) {
  return matching(
    PATH_PATTERN,
    "is not a plain absolute path",
    "start with '/', and use A-Z a-z 0-9 . _ / @ + -",
    {
      test: (value) => !value.split("/").includes(".."),
      what: "contains '..'",
      remedy: "write the path without '..'",
    },
    {
      test: (value) => value === "/" || !/\/(\.?\/|\.?$)/.test(value),
      what: "has empty or '.' parts",
      remedy: "write each '/' once, and none at the end",
    },
    ...more,
  );
}
export const path = pathText();

/** Editors get one pattern, so it says both. */
export const imagePath = pathText({
  test: (value) => /\.(img|raw)$/.test(value),
  what: "does not end in .img or .raw",
  remedy: "name the image file",
}).meta({ pattern: "^\\/[A-Za-z0-9._/@+-]*\\.(img|raw)$" });

export const label = matching(
  /^[A-Za-z0-9._-]{1,16}$/,
  "is not a label",
  "use 1 to 16 letters, digits, '.', '_' or '-'",
);

const printable: Rule = {
  test: (value) => !/\p{Cc}/u.test(value),
  what: "contains control characters",
  remedy: "write it on one line, without them",
};
export const line = text(printable);

export const flakeReference = text(printable, {
  test: (value) => value !== "",
  what: "is empty",
  remedy: "write a flake reference: path:../cluster",
});

const KEY_TYPES = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
];

/** The type inside the key's bytes must be the type written before them. */
function isPublicKey(value: string): boolean {
  const [type = "", base64 = ""] = value.split(" ");
  if (!KEY_TYPES.includes(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return false;
  const blob = Buffer.from(base64, "base64");
  if (blob.length < 8 + type.length || blob.toString("base64") !== base64) return false;
  return (
    blob.readUInt32BE(0) === type.length && blob.toString("latin1", 4, 4 + type.length) === type
  );
}
export const publicKey = text(printable, {
  test: isPublicKey,
  what: "is not an SSH public key",
  remedy: "write it as in a .pub file: ssh-ed25519 AAAA...",
});

export const interfaceName = matching(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/,
  "is not the name of a network interface",
  "use at most 15 of A-Z a-z 0-9 _ . -",
);
export const user = matching(
  /^[a-z_][a-z0-9_-]{0,31}$/,
  "is not a user name",
  "use a-z, 0-9, '_' and '-'",
);
export const address = matching(
  /^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/,
  "is neither an IP address nor a DNS name",
  "write the address at which SSH reaches the host",
);
export const port = z.int().min(1).max(65535);
