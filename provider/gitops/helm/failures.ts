/** What Helm complains of, as one error with a remedy and without secrets. Pure. */
import { ProviderError } from "../../errors";
import { printable } from "../../hosts/transport/printable";

const MOST = 1_500;
const HIDDEN = "(hidden)";
/** Shorter ones would hide parts of common words, and protect nothing. */
const SHORTEST_SECRET = 4;

const REMEDIES: readonly [RegExp, string][] = [
  [
    /invalid ownership metadata|cannot be imported into the current release/,
    "The objects belong to something else. Remove them, or give them to this release: label " +
      "app.kubernetes.io/managed-by=Helm, annotations meta.helm.sh/release-name and -namespace.",
  ],
  [
    /no matches for kind|ensure CRDs are installed first/,
    "The cluster lacks the CRDs of the kind. Install the chart that has them first.",
  ],
  [/admission webhook/, "A webhook of the cluster refuses the objects. Mend what it says."],
  [
    /don't meet the specifications of the schema|parse error|execution error at|error calling/,
    "Correct the values of the release.",
  ],
  [
    /(^|: )path "[^"]*" not found|Chart\.yaml file is missing|no such file or directory/,
    "Correct the path of the chart in the GitOps tree.",
  ],
  [
    /not found in .* repositor|chart .* not found|no chart version found|: not found/,
    "Correct the name or the version of the chart.",
  ],
  [
    /not a valid chart repository|failed to fetch|cannot be reached|no such host|dial tcp/,
    "Look whether this machine reaches the repository of the chart.",
  ],
  [
    /missing in charts\/ directory/,
    "Run `helm dependency build` in the directory of the chart, and commit the result.",
  ],
];

export function helmFailure(
  doing: string,
  complained: string,
  secrets: readonly string[],
): ProviderError {
  const text = errorIn(complained);
  const said = printable(withoutSecrets(text, secrets)).slice(0, MOST).trim();
  const remedy = REMEDIES.find(([pattern]) => pattern.test(text))?.[1];
  return new ProviderError("operation", `${doing}: ${said || "helm failed"}`, remedy);
}

/** Warnings come before the error. */
function errorIn(complained: string): string {
  const start = complained.search(/^Error: /m);
  const error = start < 0 ? complained.slice(-MOST) : complained.slice(start + "Error: ".length);
  return error.replace(/Use --debug flag to render out invalid YAML/, "").trim();
}

/** Also what Helm makes of them for the data of a Secret. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), base64(secret)])
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** All texts and numbers in the values. */
export function leavesOf(values: unknown): string[] {
  if (typeof values === "string") return [values, ...values.split("\n")];
  if (typeof values === "number") return [String(values)];
  if (typeof values !== "object" || values === null) return [];
  return Object.values(values).flatMap(leavesOf);
}
