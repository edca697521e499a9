/** The Node that the program needs: `engines` in package.json, which npm only warns of. */
import * as pulumi from "./pulumi";

export const OLDEST_NODE = 22;

/** Throws a RunError if this Node is older. Pulumi runs the program with the one on PATH. */
export function requireNode(): void {
  const { node } = process.versions;
  if (Number(node.split(".")[0]) >= OLDEST_NODE) return;
  throw new pulumi.RunError(
    `Node ${node} is too old; install Node ${OLDEST_NODE} or newer, and put it first on PATH: ` +
      "https://nodejs.org/en/download",
  );
}
