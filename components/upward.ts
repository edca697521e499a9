import { dirname } from "node:path";

/** A directory and all its parents, the nearest first. */
export function upward(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...upward(parent)];
}
