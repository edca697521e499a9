/** Scalars of the k0s cluster and of its nodes, with Kubernetes' own syntax. */
import { TAINT_EFFECTS } from "./model";
import type { Taint } from "./model";
import { parseIp } from "./network";
import { matching, text } from "./scalars";

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const MAX_DNS_NAME = 253;

function isDnsName(value: string): boolean {
  return value.length <= MAX_DNS_NAME && value.split(".").every((part) => DNS_LABEL.test(part));
}

/** NAME or PREFIX/NAME: apimachinery's IsQualifiedName. */
function isLabelKey(value: string): boolean {
  const [name = "", prefix, ...rest] = value.split("/").reverse();
  if (rest.length > 0 || !QUALIFIED_NAME.test(name)) return false;
  return prefix === undefined || isDnsName(prefix);
}

/** apimachinery's IsValidLabelValue. */
const isLabelValue = (value: string): boolean => value === "" || QUALIFIED_NAME.test(value);

export const labelKey = text({
  test: isLabelKey,
  what: "is not a label key",
  remedy: "write NAME or PREFIX/NAME, NAME with at most 63 of A-Z a-z 0-9 - _ .: example.org/disk",
});

export const labelValue = text({
  test: isLabelValue,
  what: "is not a label value",
  remedy: "use at most 63 of A-Z a-z 0-9 - _ ., with a letter or digit at both ends",
});

/** `KEY=VALUE:EFFECT` or `KEY:EFFECT`, as kubectl writes it. Undefined if it is none. */
export function parseTaint(value: string): Taint | undefined {
  const colon = value.lastIndexOf(":");
  const effect = TAINT_EFFECTS.find((one) => one === value.slice(colon + 1));
  const [key = "", content = "", ...rest] = value.slice(0, Math.max(0, colon)).split("=");
  if (effect === undefined || rest.length > 0) return undefined;
  return isLabelKey(key) && isLabelValue(content) ? { key, value: content, effect } : undefined;
}

export const taint = text({
  test: (value) => parseTaint(value) !== undefined,
  what: "is not a taint",
  remedy: `write KEY=VALUE:EFFECT with ${TAINT_EFFECTS.join(", ")}: dedicated=gpu:NoSchedule`,
});

/** k0s takes a name of digits and dots for an address. */
export const apiName = text({
  test: (value) => parseIp(value) !== undefined || (isDnsName(value) && !/^[0-9.]+$/.test(value)),
  what: "is neither an IPv4 address nor a DNS name",
  remedy: "write it without port: 192.0.2.20, k8s.example.org",
});

export const k0sMinor = matching(
  /^1\.(0|[1-9][0-9]{0,2})$/,
  "is not a minor version of k0s",
  'write the minor version in quotes: "1.36"',
);

/** As openssl prints it, or without colons. */
export const fingerprint = matching(
  /^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/,
  "is not a SHA-256 fingerprint",
  "write 32 bytes, as printed by `openssl x509 -noout -fingerprint -sha256 -in ca.crt`",
);
