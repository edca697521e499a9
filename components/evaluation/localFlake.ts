/** What Nix's messages about a flake on this machine leave out. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { upward } from "../upward";

/** Undefined if the flake is elsewhere, or if its flake.nix exists. */
export function missingFlake(flake: string): string | undefined {
  const [, prefix, path] = /^(path:)?(\/[^?#]*)$/.exec(flake) ?? [];
  if (path === undefined) return undefined;
  // Nix looks for the flake of a plain path upward too.
  const places = prefix === undefined ? upward(path) : [path];
  if (places.some((place) => existsSync(join(place, "flake.nix")))) return undefined;
  return (
    `${flake} has no flake.nix; correct \`flake\` in the site file: it is the directory of your ` +
    "flake.nix, relative to the site file"
  );
}

const NO_FILE = /No such file or directory|does not exist|not tracked by Git/;

/** Nix's message, with what to do where a file is missing that may only be unknown to git. */
export function withHint(flake: string, message: string): string {
  const directory = /^(?:git\+file:(?:\/\/)?)?(\/[^?#]*)/.exec(flake)?.[1];
  if (directory === undefined || !NO_FILE.test(message)) return message;
  return (
    `${message}\n  If the file exists, git does not know it: Nix sees only files of the ` +
    `repository. Run: git -C ${directory} add -A`
  );
}
