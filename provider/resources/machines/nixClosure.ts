/** `NixClosure`: store paths that are valid on a host and kept by GC roots. */
import { z } from "zod";
import { remedyOf } from "../../../contract/promises";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { makeRecord, ownership, refuseOthers } from "../../ownership";
import type { Owner } from "../../ownership";
import { knownChanges, knownPackageChanges } from "../../packages";
import type { Resource } from "../../resource";
import { bring } from "../shared/closures";
import { isFormerName, isSameMachine, keyOnHost } from "../shared/renamed";
import { withLimit } from "../shared/turn";
import { buildPlace, host, machineId, name, renamedFrom } from "../shared/fields";
import { requireMachine, storePath } from "../shared/fields";

const root = z
  .object({
    drvPath: storePath.describe("The derivation."),
    outPath: storePath.describe("Its output."),
  })
  .meta({ id: "ClosureRoot" });

const inputs = z.object({
  host,
  renamedFrom,
  machineId,
  name: name.describe("Directory of the GC roots: /nix/var/nix/gcroots/pulumi-microvm/NAME."),
  roots: z
    .record(z.string().regex(/^[a-zA-Z][a-zA-Z0-9]*$/), root)
    .describe("Name of the GC root -> what it keeps."),
  build: buildPlace
    .default("operator")
    .describe("operator (default): built on the operator's machine and copied. host: built there."),
  packages: z
    .record(z.string(), z.string())
    .default({})
    .describe("Package -> version, for the preview. A change of it alone causes no update."),
});
type Inputs = z.infer<typeof inputs>;

/** The requirements of the host besides the build. */
const MARGIN_SECONDS = 600;

/** In a state from before closures had records, while the host has no record. */
const UNRECORDED = "unrecorded";

const outputs = z.object({
  paths: z.record(z.string(), z.string()).describe("GC root -> valid store path on the host."),
  ownership: z
    .string()
    .default(UNRECORDED)
    .describe(
      "owned, renamed, altered, missing or `owned by URN`; unrecorded until its next change.",
    ),
});
type State = z.infer<typeof outputs>;

/** Also without paths, if only the record exists: the owning stack brings the paths again. */
function stateOf(
  facts: HostFacts,
  wanted: Inputs,
  owner: Owner,
  recorded: State | undefined,
): State | undefined {
  const name = keyOnHost(facts, "closures", wanted.name, wanted.renamedFrom, owner);
  if (facts.closures === undefined) {
    throw new ProviderError(
      "operation",
      `${wanted.host}: the host did not answer: nix-store --check-validity`,
      "Run up again. If it persists, run that command on the host.",
    );
  }
  const paths = facts.closures.get(name);
  const text = facts.records.get(`closures/${name}`);
  if (paths === undefined && text === undefined) return undefined;
  return { paths: paths ?? {}, ownership: ownershipOf(text, owner, recorded) };
}

function ownershipOf(text: string | undefined, owner: Owner, recorded: State | undefined): string {
  const found = ownership(text, owner);
  return found === "missing" && recorded?.ownership === UNRECORDED ? UNRECORDED : found;
}

/** GC roots that are missing, or have other targets. */
function differing(state: State | undefined, wanted: Inputs): string[] {
  return Object.entries(wanted.roots)
    .filter(([key, { outPath }]) => state?.paths[key] !== outPath)
    .map(([key]) => key);
}

/** The closure that a preview shows: the runner contains a VM's others except closureInfo. */
function mainRoot(keys: string[]): string | undefined {
  return keys.find((key) => key === "runner") ?? keys[0];
}

/** `kw1: closure OLD -> NEW; packages: ...`. Without packages if one side has none. */
export function explainChange(
  wanted: Inputs,
  state: State | undefined,
  before: Inputs | undefined,
): string | undefined {
  const key = mainRoot(differing(state, wanted));
  if (key === undefined) return undefined;
  const old = state?.paths[key] ?? "none";
  const packages = knownChanges(before?.packages, wanted.packages);
  const closure = `${wanted.name}: closure ${old} -> ${wanted.roots[key]?.outPath ?? "none"}`;
  return packages === undefined ? closure : `${closure}; ${packages}`;
}

export const nixClosure: Resource<Inputs, State> = {
  type: "NixClosure",
  description: "Store paths on a host with all their dependencies, kept by GC roots.",
  inputs,
  outputs,
  timeoutSeconds: 14_400,
  immutable: { host: remedyOf("move"), machineId: "This is another machine." },
  formerName: ({ renamedFrom }) => renamedFrom,
  isRenamed: (property, news, olds) =>
    property === "host" ? isSameMachine(news, olds) : isFormerName(property, news, olds),
  incidental: ["renamedFrom", "packages"],
  mirrored: [],
  id: (wanted) => `${wanted.host}/${wanted.name}`,

  drift: (state, wanted) => [
    ...differing(state, wanted).map((key) => `paths.${key}`),
    ...(["owned", UNRECORDED].includes(state.ownership) ? [] : ["ownership"]),
  ],

  predict: (wanted) => ({
    ownership: "owned",
    paths: Object.fromEntries(
      Object.entries(wanted.roots).map(([key, { outPath }]) => [key, outPath]),
    ),
  }),

  explain: ({ isNew, inputs, observed, before }) =>
    isNew ? undefined : explainChange(inputs, observed, before),

  plan(wanted, state, before) {
    const changes = mainRoot(differing(state, wanted)) !== undefined;
    const packages = changes ? knownPackageChanges(before?.packages, wanted.packages) : [];
    return { effect: "nothing", reason: "", packages };
  },

  async observe(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context, recorded);
  },

  /** Two stacks with the same name would remove each other's GC roots. */
  async refuse(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    const owned = ownership(facts.records.get(`closures/${wanted.name}`), context);
    refuseOthers(owned, `${wanted.host}: closure ${wanted.name}`);
  },

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, observed) {
    const keys = differing(observed, wanted);
    const missing = keys.flatMap((key) => wanted.roots[key] ?? []);
    const { host: hostName, name: closure, build } = wanted;
    const seconds = context.workSeconds;
    if (missing.length > 0) {
      await bring(context, { host: hostName, name: closure, build, seconds }, missing);
    }
    const operation = {
      script: "closure-apply",
      machineId: wanted.machineId,
      seconds: seconds + MARGIN_SECONDS,
      parameters: {
        name: wanted.name,
        former_name: wanted.renamedFrom ?? "",
        record: makeRecord(context.urn, {}),
        roots: Object.entries(wanted.roots)
          .map(([key, { outPath }]) => `${key} ${outPath}`)
          .join(" "),
        derivations:
          wanted.build === "host"
            ? keys.map((key) => wanted.roots[key]?.drvPath ?? "").join(" ")
            : "",
        build_seconds: String(seconds),
      },
    };
    const facts = await withLimit(
      context,
      context.pool.limitsOf(hostName).builds,
      hostName,
      closure,
      () => context.pool.get(hostName).operate(context, operation),
    );
    const state = stateOf(facts, wanted, context, undefined);
    if (state !== undefined) return state;
    throw new ProviderError("operation", `${wanted.host}: closure ${wanted.name} was not created`);
  },

  async remove(context, wanted) {
    await context.pool.get(wanted.host).operate(context, {
      script: "closure-remove",
      machineId: wanted.machineId,
      parameters: { name: wanted.name },
      seconds: MARGIN_SECONDS,
    });
  },
};
