/** The command line of `npm run bench`. Pure. */
import { parseArgs } from "node:util";

export interface Options {
  /** Numbers of VMs, ascending: the stack grows from one to the next. */
  sizes: number[];
  rounds: number;
  json: boolean;
}

export const USAGE = `usage: npm run bench -- [--sizes 3,30,100] [--rounds 3] [--json]
       --json   JSON alone on standard output; npm itself is quiet with npm run --silent`;

/** As many addresses as the bench's site has for VMs. */
export const MOST_VMS = 150;

export function parseOptions(words: string[]): Options {
  const { values } = parseArgs({
    args: words,
    options: {
      sizes: { type: "string", default: "3,30,100" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
    },
  });
  const sizes = values.sizes.split(",").map((text) => wholeNumber("--sizes", text, MOST_VMS));
  return {
    sizes: [...new Set(sizes)].sort((a, b) => a - b),
    rounds: wholeNumber("--rounds", values.rounds, 100),
    json: values.json,
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw new Error(`${option}: ${JSON.stringify(text)} is not a number from 1 to ${most}\n${USAGE}`);
}
