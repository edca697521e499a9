/** The command line of `npm run bench`. Pure. */
import { parseArgs } from "node:util";

/** The subject: passes without changes, starts of VMs, or a cluster. */
export type Subject = "noop" | "starts" | "cluster";

export interface Options {
  only: Subject;
  /** Numbers of VMs in ascending order; of `cluster`: of nodes. The stack grows. */
  sizes: number[];
  rounds: number;
  json: boolean;
}

export const USAGE =
  "usage: npm run bench -- [--only noop|starts|cluster] [--sizes 3,30] [--rounds 3] [--json]\n" +
  "       --only   noop (default): passes without changes; starts: starts of VMs (--sizes 20);\n" +
  "                cluster: an up of 3+2 from nothing, and passes over nodes (--sizes 100)\n" +
  "       --json   prints only JSON on standard output; use npm run --silent";

/** The largest number of VMs of the bench's site on one host. */
export const MOST_VMS_PER_HOST = 150;

/** The lab routes no more addresses to its hosts. */
const MOST_NODES = 150;

interface SubjectOptions {
  defaultSizes: string;
  mostVms: number;
}
const SUBJECTS: Readonly<Record<Subject, SubjectOptions>> = {
  noop: { defaultSizes: "3,30,100", mostVms: 2 * MOST_VMS_PER_HOST },
  starts: { defaultSizes: "20", mostVms: MOST_VMS_PER_HOST },
  cluster: { defaultSizes: "100", mostVms: MOST_NODES },
};
export const MOST_VMS = SUBJECTS.noop.mostVms;

export function parseOptions(words: string[]): Options {
  const { values } = parseArgs({
    args: words,
    options: {
      only: { type: "string", default: "noop" },
      sizes: { type: "string" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
    },
  });
  const only = subject(values.only);
  const { defaultSizes, mostVms } = SUBJECTS[only];
  const texts = (values.sizes ?? defaultSizes).split(",");
  const sizes = texts.map((text) => wholeNumber("--sizes", text, mostVms));
  return {
    only,
    sizes: [...new Set(sizes)].sort((a, b) => a - b),
    rounds: wholeNumber("--rounds", values.rounds, 100),
    json: values.json,
  };
}

function subject(text: string): Subject {
  if (text === "noop" || text === "starts" || text === "cluster") return text;
  throw new Error(`--only: ${JSON.stringify(text)} is not noop, starts or cluster\n${USAGE}`);
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw new Error(`${option}: ${JSON.stringify(text)} is not a number from 1 to ${most}\n${USAGE}`);
}
