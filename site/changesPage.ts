/** Generates docs/changes.md from the tables of contract/. Pure. */
import { NOT_SEEN, OTHER_DRIFT, VM_DRIFT } from "../contract/drift";
import type { DriftFact } from "../contract/drift";
import { EFFECTS, LIVE_NEEDS, NOT_LIVE, POLICIES, VM_STATES } from "../contract/effects";
import { KINDS } from "../contract/promises";
import { kindOf } from "../contract/promises";
import type { Effect, VmState } from "../contract/effects";
import type { Kind, KindName } from "../contract/promises";
import { SITE_KEYS } from "../contract/siteKeys";

const HEADS: Readonly<Record<VmState, string>> = {
  running: "runs",
  switchedLive: "switched live",
  imported: "imported",
  startFailed: "last start failed",
  stopped: "stopped",
};

const WORDS: Readonly<Record<Effect, string>> = {
  nothing: "–",
  recorded: "recorded",
  varies: "varies",
  nextStart: "next start",
  live: "live",
  restart: "restart",
  start: "start",
  stop: "stop",
  refused: "refused",
};

function states(): VmState[] {
  return keysOf(VM_STATES);
}

/** Object.keys with the keys' own type. */
function keysOf<Key extends string>(map: Readonly<Record<Key, unknown>>): Key[] {
  const keys: Key[] = [];
  for (const key in map) keys.push(key);
  return keys;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(kind: Kind, state: VmState): string {
  const word = WORDS[kind.vms[state]];
  const { otherwise } = kind;
  const mayDiffer = kind.vms[state] === "live" && otherwise !== undefined;
  return mayDiffer ? `${word}, else ${WORDS[otherwise]}` : word;
}

function keyRow([key, name]: [string, KindName], cut: string): string[] {
  const kind = kindOf(name);
  const shown = `\`${key.slice(cut.length)}\``;
  return [shown, ...states().map((state) => cell(kind, state)), `[${name}](#${anchor(name)})`];
}

const anchor = (name: string): string => name.toLowerCase();

function keyTable(isOurs: (key: string) => boolean, cut = ""): string {
  const rows = Object.entries(SITE_KEYS).filter(([key]) => isOurs(key));
  const heads = ["key", ...states().map((state) => HEADS[state]), "kind"];
  return table(
    heads,
    rows.map((row) => keyRow(row, cut)),
  );
}

function kindSections(): string {
  return keysOf(KINDS)
    .map((name) => {
      const { what, host, remedy, note, byPolicy } = kindOf(name);
      const keys = Object.entries(SITE_KEYS).filter(([, kind]) => kind === name);
      const lines = [
        `### ${name}`,
        "",
        `${capital(what)}.`,
        ...(keys.length === 0 ? ["This is drift and no key of the site file."] : []),
        ...(host === undefined ? [] : ["", `On the hypervisor: ${host}`]),
        ...(remedy === undefined ? [] : ["", `If it is refused: ${remedy}`]),
        ...(note === undefined ? [] : ["", note]),
        ...(byPolicy === true ? ["", "`updatePolicy` changes the effect."] : []),
      ];
      return lines.join("\n");
    })
    .join("\n\n");
}

function capital(text: string): string {
  return text.startsWith("`") ? text : text.slice(0, 1).toUpperCase() + text.slice(1);
}

function driftTable(): string {
  const all: [string, Readonly<Record<string, DriftFact>>][] = [
    ["MicroVm", VM_DRIFT],
    ...Object.entries(OTHER_DRIFT),
  ];
  const rows = all.flatMap(([resource, facts]) =>
    Object.entries(facts).map(([property, { what, mended }]) => [
      resource,
      `\`${property}\``,
      what,
      mended,
    ]),
  );
  return table(["resource", "property in the preview", "what changed on the host", "`up`"], rows);
}

const INTRO = `<!-- \`npm run schema\` generates this page from contract/. -->

# What a change does

Find the key that you change, and the state of the VM. The preview names the same effect, with the
reason, before anything happens. If several keys change, the strongest effect applies: the effects
below are in that order. A change back has the effect of the same row.`;

/** Text of docs/changes.md. */
export function changesPage(): string {
  const effects = keysOf(EFFECTS).map((effect) => [WORDS[effect], EFFECTS[effect]]);
  const meanings = states().map((state) => [HEADS[state], `A VM that ${VM_STATES[state]}.`]);
  const refusals = keysOf(KINDS).flatMap((name) => {
    const { what, vms, remedy = "" } = kindOf(name);
    return vms.running === "refused" ? [[what, remedy]] : [];
  });
  const needs = [...Object.values(LIVE_NEEDS), ...Object.values(NOT_LIVE)];
  const policies = keysOf(POLICIES).map((policy) => {
    const changes: Partial<Record<Effect, Effect>> = POLICIES[policy];
    const turned = Object.entries(changes).map(([from, to]) => `${from} becomes ${WORDS[to]}`);
    return [`\`${policy}\``, turned.length === 0 ? "as in the tables" : turned.join(", ")];
  });
  const isOfVm = (key: string): boolean => key.startsWith("vms.*");
  const isOfHost = (key: string): boolean => key.startsWith("hypervisors.*");
  const isOfSite = (key: string): boolean =>
    !isOfVm(key) && !isOfHost(key) && !key.startsWith("profiles.*.");
  return `${[
    INTRO,
    table(["effect", "meaning"], effects),
    table(["state", "meaning"], meanings),
    "## VMs\n\nThe keys of `profiles` that are also here have the same effect on their VMs.",
    keyTable(isOfVm),
    "## Hypervisors\n\nThe columns are the VMs of the hypervisor.",
    keyTable(isOfHost),
    "## The site",
    keyTable(isOfSite),
    "## What cannot change",
    table(["what", "remedy"], refusals),
    `A volume never shrinks. A VM has one network card with one IPv4 address.`,
    "## When a live switch becomes a restart",
    needs.map((need) => `- ${capital(need)}.`).join("\n"),
    "If the login of a live switch fails before anything is sent to the guest, `up` fails. It " +
      "restarts nothing, and the previous runner stays installed.",
    "`updatePolicy` of the VM:",
    table(["policy", "effect"], policies),
    "## The kinds of changes",
    kindSections(),
    "## Drift\n\nEach pass compares these facts with the site. Every preview shows a difference, " +
      "also without a\n`refresh`, under the name of the property.",
    driftTable(),
    "Nothing else counts as drift:",
    table(
      ["not seen", "why"],
      NOT_SEEN.map(({ what, why }) => [what, why]),
    ),
  ]
    .join("\n\n")
    .split("\n")
    .map(wrapped)
    .join("\n")}\n`;
}

/** Wraps prose at 100 columns. A row of a table must remain one line. */
function wrapped(line: string): string {
  return line.startsWith("|") ? line : line.replace(/(?=.{101})(.{1,100}) /g, "$1\n");
}
