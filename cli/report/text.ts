/** The result of a preview on a terminal. */
import type { Machine, PreviewModel } from "../preview/model";
import type { Terminal } from "../terminal";
import { clusterLines } from "./cluster";
import { oneLine } from "./escape";
import { countsText, headline, machinesWith } from "./glance";

export function textSummary(model: PreviewModel, terminal: Terminal): string {
  const paint: Paint = (style, text) => terminal.paint(style, text);
  const isClear = model.isWhole && model.deletions.length === 0;
  const lines = [
    paint(
      model.isWhole ? (isClear ? "green" : "yellow") : "red",
      `${model.stack}: ${headline(model)}`,
    ),
    countsText(model),
    ...model.problems.map(
      ({ resource, text, remedy }) =>
        `${paint("red", "blocked")} ${resource}${resource === "" ? "" : ": "}${text.trim()}` +
        (remedy === "" ? "" : `\n  ${remedy}`),
    ),
    ...model.unread.map(
      ({ host, resources }) =>
        `${paint("yellow", "not read")} ${host}: unknown: ${oneLine(resources.join(", "))}`,
    ),
    ...model.deletions.map(
      ({ resource, fate, losesData }) =>
        `${paint(losesData ? "red" : "yellow", "delete")} ${resource}` +
        (fate === "" ? "" : `: ${fate}`),
    ),
    ...clusterLines(model.cluster).map((line) => oneLine(line, LONGEST)),
    ...machinesWith(model, ...SHOWN).map((machine) => machineLine(machine, paint)),
    ...model.drift
      .filter(({ isConsequence }) => !isConsequence)
      .map(
        ({ resource, path, recorded, observed }) =>
          `${paint("yellow", "drift")} ${resource} ${path}: ` +
          `${oneLine(recorded)} -> ${oneLine(observed)}`,
      ),
  ];
  return lines.join("\n");
}

/** A step with its quorum and what blocks it. */
const LONGEST = 600;

type Paint = Terminal["paint"];

const SHOWN = [
  "create",
  "import",
  "start",
  "live",
  "nextStart",
  "stop",
  "restart",
  "reboot",
] as const;

function machineLine({ name, effect, reason }: Machine, paint: Paint): string {
  const isDown = ["stop", "restart", "reboot"].includes(effect);
  const word = isDown ? paint("yellow", effect) : effect;
  return `${word} ${name}${reason === "" ? "" : `: ${oneLine(reason)}`}`;
}
