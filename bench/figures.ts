/** Turns seconds into figures. Pure. */

/** The seconds of each round for one number of VMs. */
export interface Rounds {
  ours: number[];
  floor: number[];
  floorWithInputs: number[];
  oursPreview: number[];
  floorPreview: number[];
  ansible: number[];
  ansibleBatched: number[];
  evaluation: number[];
}
export type Measured = keyof Rounds;

export const emptyRounds = (): Rounds => ({
  ours: [],
  floor: [],
  floorWithInputs: [],
  oursPreview: [],
  floorPreview: [],
  ansible: [],
  ansibleBatched: [],
  evaluation: [],
});

/** Figures of `up`. Ratios are ratios of medians. */
export interface Noop {
  oursSeconds: number;
  floorSeconds: number;
  ansibleSeconds: number;
  ratioToFloor: number;
  timesAnsible: number;
}

export interface Figures {
  noop: Record<string, Noop>;
  /** Figures of `preview`. They are compared with the same run of Ansible. */
  preview: Record<string, Noop>;
  /** Ansible with as few module calls as possible. */
  ansibleBatchedSeconds: Record<string, number>;
  /** `up` of a floor whose resources have our inputs. */
  floorWithInputsSeconds: Record<string, number>;
  /** `nix eval`, which is not part of the other figures. */
  evaluationSeconds: Record<string, number>;
  /** All measured seconds by number of VMs. */
  rounds: Record<string, Rounds>;
}

export function figuresOf(measured: ReadonlyMap<number, Rounds>): Figures {
  const each = <T>(of: (rounds: Rounds) => T): Record<string, T> =>
    Object.fromEntries([...measured].map(([size, rounds]) => [String(size), of(rounds)]));
  return {
    noop: each((rounds) => noop(rounds.ours, rounds.floor, rounds.ansible)),
    preview: each((rounds) => noop(rounds.oursPreview, rounds.floorPreview, rounds.ansible)),
    ansibleBatchedSeconds: each((rounds) => rounded(median(rounds.ansibleBatched))),
    floorWithInputsSeconds: each((rounds) => rounded(median(rounds.floorWithInputs))),
    evaluationSeconds: each((rounds) => rounded(median(rounds.evaluation))),
    rounds: each((rounds) => rounds),
  };
}

function noop(ours: number[], floor: number[], ansible: number[]): Noop {
  const [oursSeconds, floorSeconds, ansibleSeconds] = [
    median(ours),
    median(floor),
    median(ansible),
  ];
  return {
    oursSeconds: rounded(oursSeconds),
    floorSeconds: rounded(floorSeconds),
    ansibleSeconds: rounded(ansibleSeconds),
    ratioToFloor: rounded(oursSeconds / floorSeconds),
    timesAnsible: rounded(ansibleSeconds / oursSeconds),
  };
}

/** The seconds of each round: for one VM alone, and for all VMs. */
export interface StartRounds {
  one: number[];
  all: number[];
}

/** Medians, and the ratio of medians. */
export interface Starts {
  oneSeconds: number;
  allSeconds: number;
  ratioToOne: number;
}

export interface StartFigures {
  /** Figures by number of VMs. */
  starts: Record<string, Starts>;
}

export function startFiguresOf(measured: ReadonlyMap<number, StartRounds>): StartFigures {
  const entries = [...measured].map(([size, { one, all }]): [string, Starts] => {
    const [oneSeconds, allSeconds] = [median(one), median(all)];
    const ratioToOne = rounded(allSeconds / oneSeconds);
    return [
      String(size),
      { oneSeconds: rounded(oneSeconds), allSeconds: rounded(allSeconds), ratioToOne },
    ];
  });
  return { starts: Object.fromEntries(entries) };
}

export function startTable({ starts }: StartFigures): string {
  const rows = Object.entries(starts).map(([size, { oneSeconds, allSeconds, ratioToOne }]) => [
    size,
    ...[oneSeconds, allSeconds, ratioToOne].map((number) => number.toFixed(2)),
  ]);
  return aligned([["VMs", "one", "all", "ratio"], ...rows]);
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

export function rounded(number: number): number {
  return Math.round(number * 100) / 100;
}

const COLUMNS = [
  "VMs",
  "pass",
  "ours",
  "floor",
  "ratio",
  "Ansible",
  "times",
  "batched",
  "nix eval",
];

/** The figures as a table: seconds, and two ratios. */
export function table(figures: Figures): string {
  const rows = Object.keys(figures.noop).flatMap((size) =>
    (["noop", "preview"] as const).map((pass) => {
      const of = figures[pass][size];
      return [
        size,
        pass === "noop" ? "up" : "preview",
        of?.oursSeconds,
        of?.floorSeconds,
        of?.ratioToFloor,
        of?.ansibleSeconds,
        of?.timesAnsible,
        figures.ansibleBatchedSeconds[size],
        figures.evaluationSeconds[size],
      ].map((cell) => (typeof cell === "number" ? cell.toFixed(2) : (cell ?? "")));
    }),
  );
  return aligned([COLUMNS, ...rows]);
}

export function aligned(rows: readonly string[][]): string {
  return rows.map((row) => `${row.map((cell) => cell.padStart(9)).join("")}\n`).join("");
}
