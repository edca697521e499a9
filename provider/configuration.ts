/** The provider's own inputs: checked, compared, and read back from the engine. Pure. */
import { changesBetween } from "./diff";
import type { Changes } from "./diff";
import { ProviderError } from "./errors";
import { configSchema } from "./hosts/transport/config";
import type { ProviderConfig } from "./hosts/transport/config";
import type { InputFault } from "./resource";
import { Secret, containsUnknown, reveal } from "./wire";
import type { Checked } from "./inputChecks";
import type { Value, ValueMap } from "./wire";

/** The engine hands structured configuration on as JSON text. */
function opened(value: Value): unknown {
  if (value instanceof Secret) return opened(value.value);
  if (typeof value !== "string" || !/^[[{]|^(true|false)$/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function openedMap(inputs: ValueMap): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(([key]) => key !== "version" && key !== "__internal")
      .map(([key, value]) => [key, opened(value)]),
  );
}

export function parseConfig(inputs: ValueMap): ProviderConfig {
  const parsed = configSchema.safeParse(openedMap(reveal(inputs)));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new ProviderError("input", `the provider's configuration: ${faults.join("; ")}`);
}

/**
 * Keeps hosts that left the site, because the provider gets its new configuration before it removes
 * their resources. A renamed host replaces its old entry. The private key is always marked secret.
 */
export function checkConfig(news: ValueMap, olds: ValueMap | undefined): Checked {
  const inputs: ValueMap = { ...news };
  const secret = news["privateKey"];
  if (secret !== undefined && !(secret instanceof Secret)) {
    inputs["privateKey"] = new Secret(secret);
  }
  if (containsUnknown(inputs)) return { inputs, faults: [] };
  const parsed = configSchema.safeParse(openedMap(reveal(inputs)));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue): InputFault => {
      return { property: issue.path.map(String).join("."), reason: issue.message };
    });
    return { inputs, faults };
  }
  const before = olds === undefined ? undefined : hostsOf(olds);
  const hosts = hostsOf(inputs);
  if (before !== undefined && hosts !== undefined) {
    const renamed = new Set(Object.values(parsed.data.hosts).map((host) => host.renamedFrom));
    const left = Object.entries(before).filter(([name]) => !renamed.has(name));
    inputs["hosts"] = JSON.stringify({ ...Object.fromEntries(left), ...hosts });
  }
  return { inputs, faults: [] };
}

function hostsOf(inputs: ValueMap): object | undefined {
  const hosts = inputs["hosts"];
  const value = hosts === undefined ? undefined : opened(hosts);
  return typeof value === "object" && value !== null ? value : undefined;
}

/** Changes of how hosts are reached never replace the provider. */
export function diffConfig(olds: ValueMap, news: ValueMap): Changes {
  const structured = (map: ValueMap): ValueMap => {
    const hosts = hostsOf(map);
    return hosts === undefined ? map : { ...map, hosts: JSON.stringify(hosts) };
  };
  return changesBetween(structured(olds), structured(news), true);
}
