/** The arguments of `helm`. No values and no secrets are among them. Pure. */
import type { SeedChart } from "../../../contract/gitops";

export interface CommandTarget {
  releaseName: string;
  namespace: string;
  chart: SeedChart;
}

/** Helm's own waits are for hooks. Gates wait for everything else. */
export interface Applying extends CommandTarget {
  /** Of the record of the release. They stay when somebody else upgrades it. */
  labels: Readonly<Record<string, string>>;
  timeoutSeconds: number;
}

/** `replaces`: a release that was uninstalled with its history kept. */
export function installArgs(applying: Applying, replaces = false): string[] {
  const more = replaces ? ["--replace"] : [];
  return ["install", ...applyArgs(applying), "--create-namespace", ...more];
}

/** Without `--reset-values`, an upgrade with empty values would keep those of before. */
export function upgradeArgs(applying: Applying): string[] {
  return ["upgrade", ...applyArgs(applying), "--reset-values"];
}

function applyArgs({ labels, timeoutSeconds, ...target }: Applying): string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [
    ...targetArgs(target),
    "--server-side=true",
    // The fields of a release are the release's: so does Flux apply it.
    "--force-conflicts",
    `--labels=${pairs.join(",")}`,
    `--timeout=${timeoutSeconds}s`,
  ];
}

/**
 * The manifests without hooks. With a server, they are rendered for its versions and with what
 * `lookup` finds there, and checked against its kinds. It changes nothing.
 */
export function renderArgs(
  target: CommandTarget,
  { by, isUpgrade }: { by: "server" | "client"; isUpgrade: boolean },
): string[] {
  const more = isUpgrade ? ["--is-upgrade"] : [];
  return ["template", ...targetArgs(target), `--dry-run=${by}`, "--no-hooks", ...more];
}

function targetArgs({ releaseName, namespace, chart }: CommandTarget): string[] {
  return [releaseName, ...chartArgs(chart), `--namespace=${namespace}`, "--values=-"];
}

function chartArgs(chart: SeedChart): string[] {
  switch (chart.kind) {
    case "repository":
      return [chart.name, `--repo=${chart.url}`, `--version=${chart.version}`];
    case "oci":
      return [chart.url, `--version=${chart.version}`];
    case "path":
      return [chart.path];
  }
}

/** For people: `cilium 1.18.2`. */
export function chartText(chart: SeedChart): string {
  return `${chartName(chart)} ${chart.version}`;
}

/** As Helm records it: the last part of an OCI path. */
export function chartName(chart: SeedChart): string {
  return chart.kind === "oci" ? (chart.url.split("/").pop() ?? "") : chart.name;
}
