/** Turns the seconds of a cluster's rounds into figures. Pure. */
import { aligned, median, rounded } from "../figures";
import type { NodeRounds } from "./nodes";
import type { Segment } from "./path";
import type { UpRound } from "./up";

export interface ClusterMeasured {
  ups: readonly UpRound[];
  /** By number of nodes. */
  nodes: ReadonlyMap<number, NodeRounds>;
}

/** Medians, and ratios of medians. */
export interface UpFigures {
  oursSeconds: number;
  criticalPathSeconds: number;
  ratio: number;
}

export interface NodeFigures {
  oursSeconds: number;
  floorSeconds: number;
  floorWithInputsSeconds: number;
  ratioToFloor: number;
}

export interface ClusterFigures {
  cluster: UpFigures;
  /** Passes without changes: `noop100`. */
  [noop: `noop${number}`]: NodeFigures;
  /** Of the round with the median `up`: what the path consists of, and what is between. */
  path: { waits: Segment[]; between: Segment[] };
}

export function clusterFiguresOf({ ups, nodes }: ClusterMeasured): ClusterFigures {
  const ours = median(ups.map((round) => round.ours));
  const criticalPath = median(ups.map((round) => round.criticalPath));
  const middle = ups.toSorted((a, b) => a.ours - b.ours)[Math.floor((ups.length - 1) / 2)];
  const inRounds = (segments: Segment[] = []): Segment[] =>
    segments.map(({ what, seconds }) => ({ what, seconds: rounded(seconds) }));
  return {
    cluster: {
      oursSeconds: rounded(ours),
      criticalPathSeconds: rounded(criticalPath),
      ratio: rounded(ours / criticalPath),
    },
    ...Object.fromEntries([...nodes].map(([size, of]) => [`noop${size}`, nodeFigures(of)])),
    path: { waits: inRounds(middle?.waits), between: inRounds(middle?.between) },
  };
}

function nodeFigures(rounds: NodeRounds): NodeFigures {
  const [ours, floor] = [median(rounds.ours), median(rounds.floor)];
  return {
    oursSeconds: rounded(ours),
    floorSeconds: rounded(floor),
    floorWithInputsSeconds: rounded(median(rounds.floorWithInputs)),
    ratioToFloor: rounded(ours / floor),
  };
}

export function clusterTable({ cluster, path, ...noops }: ClusterFigures): string {
  const row = (first: string, ...numbers: number[]): string[] => [
    first,
    ...numbers.map((number) => number.toFixed(2)),
  ];
  const { oursSeconds, criticalPathSeconds, ratio } = cluster;
  const segments = [...path.waits, ...path.between].map(
    ({ what, seconds }) => `${seconds.toFixed(2).padStart(9)}  ${what}\n`,
  );
  const nodes = Object.entries(noops).map(([noop, of]) =>
    row(noop, of.oursSeconds, of.floorSeconds, of.floorWithInputsSeconds, of.ratioToFloor),
  );
  return [
    aligned([
      ["", "ours", "path", "ratio"],
      row("up 3+2", oursSeconds, criticalPathSeconds, ratio),
    ]),
    ...segments,
    aligned([["", "ours", "floor", "inputs", "ratio"], ...nodes]),
  ].join("");
}
