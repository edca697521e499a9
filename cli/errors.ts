/** What the program exits with, and errors that it explains. docs/cli.md has the same table. */

export const EXIT = {
  done: 0,
  /** Something failed: Pulumi, the network, a host. */
  failed: 1,
  /** Wrong arguments, or a setting is missing. */
  usage: 2,
  /** The preview has errors: `up` would fail. */
  blocked: 3,
  /** The plan is not the reviewed one, or none was reviewed. */
  notReviewed: 4,
  /** Something was found: drift, a fault, something that is missing. */
  findings: 5,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** For people: what failed, then what to do. */
export class CliError extends Error {
  constructor(
    what: string,
    readonly exitCode: ExitCode,
    readonly remedy?: string,
  ) {
    super(what);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
